"""What stands between whoever calls and moto: counts, faults, buckets, idempotency, permissions."""

import collections
import sys
import threading
import time
from urllib.parse import parse_qsl, urlencode

import lean  # noqa: F401, which has to come before the services
from moto.ec2.models import ec2_backends
from moto.moto_server.werkzeug_app import (
    DomainDispatcherApplication,
    MotoRequestHandler,
    create_backend_app,
)
from werkzeug.serving import ThreadedWSGIServer

import account
import answers
import permissions
from buckets import Buckets
from connections import Connections, peer
from control import Control
from faults import Faults
from keeper import Keeper
from launches import Launches
from tokens import Tokens

ACCOUNT = "123456789012"

# What an unsigned S3 call or a presigned one is: anything that is not of the other services.
QUERY_SERVICES = ("ec2", "iam", "sts")

# After these another machine may have a public address, or others may reach a machine.
MOVING_ADDRESSES = ("AssociateAddress", "DisassociateAddress", "ReleaseAddress")
MOVING_BORDERS = (
    "AuthorizeSecurityGroupIngress",
    "RevokeSecurityGroupIngress",
    "ModifyInstanceAttribute",
)

# The calls that are remembered one by one; all of them are counted.
CALLS_MAX = 10_000


class Call:
    """One call, as the shim sees it."""

    def __init__(self, environ):
        self.environ = environ
        self.at = time.monotonic()
        self.outcome = None
        self.key, self.region, self.service = scope_of(environ)
        self.form = self.asked = {}
        if self.service in QUERY_SERVICES:
            length = int(environ.get("CONTENT_LENGTH") or 0)
            self.form = dict(parse_qsl(environ["wsgi.input"].read(length).decode(), True))
            self.action = self.form.get("Action", "")
            # Before anything is added.
            self.asked = dict(self.form)
        else:
            self.action = answers.s3_action(environ)

    def to_moto(self):
        if self.service in QUERY_SERVICES:
            answers.set_body(self.environ, urlencode(self.form).encode())
        return self.environ


class Cloud:
    def __init__(self):
        self.account = ACCOUNT
        # moto was not written for several threads.
        self.lock = threading.RLock()
        self.keeper = Keeper(self.lock)
        account.take_places(self.keeper)
        self.moto = DomainDispatcherApplication(create_backend_app)
        self.faults = Faults()
        self.connections = Connections()
        self.buckets = collections.defaultdict(Buckets)
        self.has_buckets = True
        self.tokens = Tokens()
        self.launches = Launches(self)
        self.calls = collections.deque(maxlen=CALLS_MAX)
        self.counts = collections.Counter()
        # Seconds after their birth in which instances are hidden, and by which states are old.
        self.hidden_for = 0.0
        self.behind = 0.0
        # Seconds after the birth of an instance profile in which EC2 does not know it.
        self.profiles_unknown_for = 0.0
        self.began = time.monotonic()
        self.control = Control(self)

    def serve(self, listener):
        Server(self, listener).serve_forever(poll_interval=0.05)

    def backend(self, region="us-east-1"):
        return ec2_backends[ACCOUNT][region]

    def __call__(self, environ, start_response):
        if environ["PATH_INFO"].startswith("/_cloud/"):
            return self.control(environ, start_response)
        call = Call(environ)
        with self.lock:
            self.calls.append(call)
            self.counts[f"{call.service}:{call.action}"] += 1
        return self.answer(call, start_response)

    def answer(self, call, start_response):
        struck = self.faults.striking(call.action, call.form)
        after = [fault for fault in struck if fault.kind in ("lost", "hang-after")]
        for fault in struck:
            if fault.kind == "delay":
                time.sleep(fault.seconds)
            elif fault.kind == "hang":
                self.hang(call, fault)
                return self.drop(call, "hung")
            elif fault.kind == "error":
                refusal = answers.Refusal(fault.code, fault.message, fault.status)
                return self.refuse(call, refusal, start_response)
        try:
            self.check(call)
            respond = self.carry_out(call)
        except answers.Refusal as refusal:
            return self.refuse(call, refusal, start_response)
        for fault in after:
            if fault.kind == "hang-after":
                self.hang(call, fault)
            return self.drop(call, "lost")
        return respond(start_response)

    def check(self, call):
        """What AWS refuses before it looks at what was asked for."""
        if call.service == "ec2" and self.has_buckets:
            with self.lock:
                buckets = self.buckets[call.region]
                if not buckets.allow(call.action, call.form, time.monotonic()):
                    raise answers.Refusal("RequestLimitExceeded", "Request limit exceeded.", 503)
        with self.lock:
            permissions.check(ACCOUNT, call)

    def carry_out(self, call):
        if call.service not in QUERY_SERVICES:
            # The bytes of objects are many, and no machine depends on them.
            return self.ask_moto(call)
        with self.lock:
            if call.service == "ec2" and call.action == "RunInstances":
                respond = self.launches.run(call)
            elif done := self.tokens.earlier(call):
                call.outcome, respond = "ok", done.respond
            else:
                account.view = account.View(self.hidden_for, self.lag_of(call))
                try:
                    respond = self.ask_moto(call)
                    self.tokens.keep(call, respond)
                finally:
                    account.view = None
        if call.service == "ec2" and call.action in MOVING_ADDRESSES:
            self.keeper.settle_addresses()
        if call.service == "ec2" and call.action in MOVING_BORDERS:
            self.keeper.settle_firewalls()
        return respond

    def lag_of(self, call):
        is_reading = call.service == "ec2" and call.action.startswith("Describe")
        return self.behind if is_reading else 0.0

    def ask_moto(self, call):
        """The answer, as something that writes it."""
        status, headers, body = answers.collect(self.moto, call.to_moto())
        call.outcome = answers.code_of(status, body)

        def respond(start_response):
            start_response(status, headers)
            return [body]

        return respond

    def refuse(self, call, refusal, start_response):
        call.outcome = refusal.code
        status, headers, body = answers.refusal(call.service, refusal)
        start_response(status, headers)
        return [body]

    def hang(self, call, fault):
        self.connections.left(peer(call.environ))
        fault.removed.wait()

    def drop(self, call, how):
        call.outcome = how
        answers.close(call.environ)
        raise ConnectionError(f"{call.action}: the answer was {how}")


class Server(ThreadedWSGIServer):
    def __init__(self, cloud, listener):
        self.connections = cloud.connections
        super().__init__(*listener.getsockname(), cloud, Quiet, fd=listener.fileno())

    def process_request(self, request, client_address):
        self.connections.came(client_address)
        super().process_request(request, client_address)

    def process_request_thread(self, request, client_address):
        try:
            super().process_request_thread(request, client_address)
        finally:
            self.connections.left(client_address)


class Quiet(MotoRequestHandler):
    """The calls are remembered; there is no need to print each."""

    def log_request(self, *_):
        pass

    def log(self, kind, message, *arguments):
        if kind == "error":
            print(message % arguments, file=sys.stderr, flush=True)


def scope_of(environ):
    """Access key, region and service, which is what a signature is for."""
    text = environ.get("HTTP_AUTHORIZATION", "").partition("Credential=")[2]
    if not text:
        query = dict(parse_qsl(environ.get("QUERY_STRING", "")))
        text = query.get("X-Amz-Credential", "")
    parts = text.split(",")[0].split("/")
    return (parts[0], parts[2], parts[3]) if len(parts) == 5 else ("", "us-east-1", "s3")
