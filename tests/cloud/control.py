"""What a test can ask for and find out, as JSON over HTTP under `/_cloud/`.

`control.rs` knows each of these; a call that cannot be carried out is answered with 400 and why.
"""

import json
import os
import signal
import time
from urllib.parse import parse_qs
from wsgiref.util import FileWrapper

import account
import network
import snapshot
from connections import peer
from kernel import API_ADDRESS, API_PORT

# As much of a file as is read at once.
PIECE = 1 << 20


class Control:
    def __init__(self, cloud):
        self.cloud = cloud
        self.keeper = cloud.keeper
        # What machines may fetch.
        self.files = []

    def __call__(self, environ, start_response):
        # It is no call of the API, and may itself wait for those.
        self.cloud.connections.left(peer(environ))
        length = int(environ.get("CONTENT_LENGTH") or 0)
        body = environ["wsgi.input"].read(length)
        path = environ["PATH_INFO"].removeprefix("/_cloud/").strip("/").split("/")
        query = {key: one[0] for key, one in parse_qs(environ.get("QUERY_STRING", "")).items()}
        if environ["REQUEST_METHOD"] == "GET" and path[0] == "files":
            return send_file(self.files[int(path[1])], start_response)
        name = f"{environ['REQUEST_METHOD'].lower()}_{path[0]}"
        try:
            found = getattr(self, name)(path[1:], json.loads(body) if body else query)
            status = "200 OK"
        except (AttributeError, KeyError, OSError, TypeError, ValueError) as error:
            found, status = {"error": f"{name} {path}: {error!r}"}, "400 Bad Request"
        text = json.dumps(found).encode()
        headers = [("Content-Type", "application/json"), ("Content-Length", str(len(text)))]
        start_response(status, headers)
        return [text]

    def get_machines(self, path, _):
        if path:
            return {"text": self.keeper.machines[path[0]].console()}
        return [shown(machine) for machine in list(self.keeper.machines.values())]

    def post_machines(self, path, order):
        identity, verb = path
        if verb in ("cut", "mend"):
            # Also of the hosts that are no machines.
            getattr(network, verb)(identity)
            return {}
        machine = self.keeper.machines[identity]
        with self.cloud.lock:
            instance = machine.instance
            if verb in ("terminate", "stop", "start"):
                getattr(instance, verb)()
                return {}
        if verb == "crash":
            machine.crash()
        elif verb == "interrupt":
            self.keeper.notice(identity, order["seconds"])
        elif verb == "signal":
            number = signal.Signals[f"SIG{order['signal']}"]
            return {"hit": machine.signal(order["process"], number)}
        elif verb == "run":
            return machine.run(order["command"], order["seconds"])
        else:
            raise ValueError(f"a machine cannot {verb}")
        return {}

    def post_instances(self, _, order):
        """An instance that nobody called the API for."""
        with self.cloud.lock:
            made = self.cloud.launches.make(order["user_data"], order["tags"])
        return {"id": made.id}

    def post_files(self, _, order):
        self.files.append(order["path"])
        return {"url": f"http://{API_ADDRESS}/_cloud/files/{len(self.files) - 1}"}

    def post_faults(self, _, order):
        return {"id": self.cloud.faults.add(order)}

    def get_faults(self, path, query):
        hits, seconds = int(query["hits"]), float(query["seconds"])
        return {"hits": self.cloud.faults.hits(int(path[0]), hits, seconds)}

    def delete_faults(self, path, _):
        self.cloud.faults.remove(int(path[0]) if path else None)
        return {}

    def get_calls(self, _, __):
        with self.cloud.lock:
            calls = [self.call(one) for one in self.cloud.calls]
            now = time.monotonic() - self.cloud.began
            return {"now": now, "counts": dict(self.cloud.counts), "calls": calls}

    def get_settled(self, _, query):
        listener = API_ADDRESS, API_PORT
        return {"settled": self.cloud.connections.settle(listener, float(query["seconds"]))}

    def delete_calls(self, _, __):
        with self.cloud.lock:
            self.cloud.calls.clear()
            self.cloud.counts.clear()
        return {}

    def call(self, one):
        return {
            "at": one.at - self.cloud.began,
            "service": one.service,
            "action": one.action,
            "key": one.key,
            "outcome": one.outcome,
            "parameters": {key: text for key, text in one.form.items() if key != "UserData"},
        }

    def put_settings(self, _, order):
        known = {"hidden_for", "behind", "profiles_unknown_for", "has_buckets"}
        known |= {"has_firewalls", "delays"}
        if unknown := set(order) - known:
            raise ValueError(f"{unknown} is none of {known}")
        if unknown := set(order.get("delays", {})) - set(self.keeper.delays):
            raise ValueError(f"{unknown} is none of {set(self.keeper.delays)}")
        self.keeper.delays |= order.pop("delays", {})
        self.keeper.has_firewalls |= order.pop("has_firewalls", False)
        self.keeper.settle_firewalls()
        for key, value in order.items():
            setattr(self.cloud, key, value)
        return {}

    def get_account(self, _, query):
        with self.cloud.lock:
            return snapshot.of(self.cloud.backend(query.get("region", "us-east-1")))


def send_file(path, start_response):
    size = str(os.path.getsize(path))
    start_response("200 OK", [("Content-Length", size)])
    return FileWrapper(open(path, "rb"), PIECE)


def shown(machine):
    instance = machine.instance
    return {
        "id": machine.id,
        "address": machine.address,
        "public_addresses": sorted(machine.public_addresses),
        "state": instance.state,
        "is_up": machine.is_up,
        "is_gone": instance.state in account.GONE,
        "tags": {tag["key"]: tag["value"] for tag in instance.get_tags()},
        "processes": machine.processes(),
    }
