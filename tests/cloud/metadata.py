"""The instance metadata service, version 2: what a machine can find out about itself.

It is served inside of each machine's network, on its loopback address; what runs there is told by
`AWS_EC2_METADATA_SERVICE_ENDPOINT`.
"""

import json
import secrets
import threading
from datetime import datetime, timedelta, timezone
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

ADDRESS = ("127.0.0.1", 1338)
ENDPOINT = f"http://{ADDRESS[0]}:{ADDRESS[1]}"

TOKEN = "X-aws-ec2-metadata-token"

# As long as those of AWS's own: six hours.
CREDENTIALS_LAST = 6 * 3600


class Server(ThreadingHTTPServer):
    """The service of one machine, at a socket that belongs to the machine's network."""

    daemon_threads = True

    def __init__(self, listener, values):
        super().__init__(ADDRESS, Handler, bind_and_activate=False)
        self.socket.close()
        self.socket = listener
        # A function, because what it says changes: path to text.
        self.values = values
        self.tokens = set()
        self.thread = threading.Thread(target=self.serve_forever, args=[0.05], daemon=True)
        self.thread.start()

    def close(self):
        self.shutdown()
        self.server_close()


class Handler(BaseHTTPRequestHandler):
    def do_PUT(self):
        if self.path != "/latest/api/token" or not self.headers.get(f"{TOKEN}-ttl-seconds"):
            return self.answer(400, "")
        token = secrets.token_urlsafe(32)
        self.server.tokens.add(token)
        return self.answer(200, token, self.headers[f"{TOKEN}-ttl-seconds"])

    def do_GET(self):
        if self.headers.get(TOKEN) not in self.server.tokens:
            return self.answer(401, "")
        path = self.path.removeprefix("/latest/")
        values = self.server.values()
        if path in values:
            return self.answer(200, values[path])
        # A folder lists what is in it.
        inside = {key[len(path) :].split("/")[0] for key in values if key.startswith(path)}
        if path.endswith("/") and inside:
            return self.answer(200, "\n".join(sorted(inside)))
        return self.answer(404, "")

    def answer(self, status, text, lifetime=None):
        body = text.encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        if lifetime:
            self.send_header(f"{TOKEN}-ttl-seconds", lifetime)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


def values(instance, user_data, notice, credentials):
    """What an instance sees under `/latest/`. `credentials`: a role's name, and those it has."""
    region = instance.region_name
    tree = {
        "ami-id": instance.image_id,
        "instance-id": instance.id,
        "instance-type": instance.instance_type,
        "instance-life-cycle": instance.lifecycle or "on-demand",
        "local-ipv4": instance.private_ip,
        "local-hostname": instance.private_dns_name,
        "public-ipv4": instance.public_ip,
        "placement/availability-zone": instance.availability_zone,
        "placement/region": region,
        "security-groups": "\n".join(group.name for group in instance.security_groups),
        "spot/instance-action": notice and json.dumps(notice),
        "spot/termination-time": notice and notice["time"],
    }
    if credentials:
        tree["iam/info"] = json.dumps({"Code": "Success"} | instance.iam_instance_profile)
        tree[f"iam/security-credentials/{credentials[0]}"] = json.dumps(credentials[1])
    found = {f"meta-data/{key}": value for key, value in tree.items() if value}
    document = {"instanceId": instance.id, "region": region, "privateIp": instance.private_ip}
    found["dynamic/instance-identity/document"] = json.dumps(document)
    if user_data:
        found["user-data"] = user_data
    return found


def timestamp(seconds_from_now):
    moment = datetime.now(timezone.utc) + timedelta(seconds=seconds_from_now)
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")
