"""A machine: the network, disk and processes of one instance while it runs."""

import base64
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading

import kernel
import metadata
import network
from firewalls import Firewall
from machine import add_device

FOLDER = "/run/cloud/machines"
CONSOLES = "/run/cloud/consoles"

ENVIRONMENT = {
    "AWS_ENDPOINT_URL": f"http://{kernel.API_ADDRESS}",
    "AWS_EC2_METADATA_SERVICE_ENDPOINT": metadata.ENDPOINT,
}


class Machine:
    def __init__(self, identity, address, user_data):
        self.id = identity
        self.address = address
        self.user_data = user_data
        self.public_addresses = set()
        self.devices = {}
        self.notice = None
        # One step of its life at a time.
        self.lock = threading.RLock()
        self.process = None
        # Its process namespace, and the first process in it.
        self.space = None
        self.first = None
        self.service = None
        self.firewall = None
        self.is_over = False

    def boot(self, values, powered_off):
        """Starts it. `powered_off` is called when it ends without having been told."""
        with self.lock:
            if self.is_over or self.process:
                return
            network.add_host(self.id, self.address)
            self.firewall = Firewall(self.id)
            listener = kernel.listening_inside(network.path(self.id), metadata.ADDRESS)
            self.service = metadata.Server(listener, values)
            try:
                self._spawn()
            except OSError:
                self.crash()
                raise
            watch = threading.Thread(target=self._watch, args=[self.process, powered_off])
            watch.start()

    def shut_down(self, patience):
        """As the operating system does: services are told first, and killed in the end."""
        with self.lock:
            if self.process:
                os.kill(self.first, signal.SIGTERM)
                try:
                    self.process.wait(patience)
                except subprocess.TimeoutExpired:
                    pass
            self.crash()

    def crash(self):
        """It is gone from one moment to the next: nobody that it talked to hears of it."""
        with self.lock:
            process, self.process, self.first = self.process, None, None
            if process is None:
                return
            network.cut(self.id)
            process.kill()
            process.wait()
            self.service.close()
            network.remove_host(self.id)
            self.public_addresses.clear()

    def end(self, patience):
        """Shuts it down for good, and forgets its disk."""
        with self.lock:
            self.is_over = True
            self.shut_down(patience)
            shutil.rmtree(f"{FOLDER}/{self.id}", ignore_errors=True)

    @property
    def user_data_text(self):
        return base64.b64decode(self.user_data).decode(errors="replace")

    def set_public_addresses(self, addresses):
        with self.lock:
            if self.process is None:
                return
            for address in self.public_addresses - addresses:
                network.remove_address(self.id, address)
            for address in addresses - self.public_addresses:
                network.add_address(self.id, address)
            self.public_addresses = set(addresses)

    @property
    def is_up(self):
        return self.first is not None

    def let_in(self, rules):
        with self.lock:
            if self.process:
                self.firewall.set(rules)

    def attach(self, name, device):
        with self.lock:
            self.devices[name] = device
            if self.process:
                self._show_device(name, device)

    def detach(self, name):
        with self.lock:
            device = self.devices.pop(name, None)
            if device and self.process:
                for path in (name, f"disk/by-id/{device.link}"):
                    os.unlink(f"{self._root()}/dev/{path}")

    def processes(self):
        """Process id and command line of all that runs in it, the first one left out."""
        first, space = self.first, self.space
        pids = _pids_in(space) if first else []
        return {pid: _command(pid) for pid in pids if pid != first}

    def signal(self, pattern, number):
        """Sends a signal to every process that has `pattern` in its command line."""
        hit = [pid for pid, command in self.processes().items() if pattern in command]
        for pid in hit:
            os.kill(pid, number)
        return len(hit)

    def run(self, command, seconds):
        """Runs a command in it."""
        words = ["nsenter", "--target", str(self.first)]
        words += ["--mount", "--uts", "--ipc", "--net", "--pid"]
        done = subprocess.run(
            [*words, "--", *command], capture_output=True, text=True, timeout=seconds, check=False
        )
        return {"status": done.returncode, "stdout": done.stdout, "stderr": done.stderr}

    def console(self):
        path = f"{CONSOLES}/{self.id}"
        if not os.path.exists(path):
            return ""
        with open(path, errors="replace") as file:
            return file.read()

    def _spawn(self):
        for folder in (CONSOLES, f"{FOLDER}/{self.id}"):
            os.makedirs(folder, exist_ok=True)
        order = {
            "disk": f"{FOLDER}/{self.id}",
            "hostname": "ip-" + self.address.replace(".", "-"),
            "user_data": self.user_data,
            "environment": ENVIRONMENT,
        }
        program = os.path.join(os.path.dirname(os.path.abspath(__file__)), "machine.py")
        words = ["nsenter", f"--net={network.path(self.id)}", "unshare", "--mount", "--pid"]
        words += ["--uts", "--ipc", "--fork", "--kill-child=KILL"]
        words += [sys.executable, "-S", "-E", "-B", program, json.dumps(order)]
        ours, theirs = socket.socketpair()
        with open(f"{CONSOLES}/{self.id}", "ab") as console, ours, theirs:
            self.process = subprocess.Popen(
                words, stdin=theirs, stdout=console, stderr=console, cwd="/"
            )
            theirs.close()
            self._set_up(ours)

    def _set_up(self, first_process):
        """Once it has a root of its own, what is attached is put there, and then it goes on."""
        if not first_process.recv(1):
            raise OSError(f"machine {self.id} does not start: {self.console()}")
        self.space = os.readlink(f"/proc/{self.process.pid}/ns/pid_for_children")
        self.first = min(_pids_in(self.space))
        for name, device in self.devices.items():
            self._show_device(name, device)
        first_process.send(b"g")

    def _watch(self, process, powered_off):
        process.wait()
        with self.lock:
            if self.process is not process:
                return
            self.crash()
        powered_off()

    def _show_device(self, name, device):
        add_device(self._root(), name, device.link, device.number)

    def _root(self):
        return f"/proc/{self.first}/root"


def _pids_in(space):
    numbers = [int(name) for name in os.listdir("/proc") if name.isdigit()]
    return [pid for pid in numbers if _read_link(f"/proc/{pid}/ns/pid") == space]


def _read_link(path):
    try:
        return os.readlink(path)
    except OSError:
        # It ended in the meantime.
        return None


def _command(pid):
    try:
        with open(f"/proc/{pid}/cmdline") as file:
            return file.read().replace("\0", " ").strip()
    except OSError:
        return ""
