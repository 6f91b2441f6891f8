"""The first process of a machine: a root file system of its own, the user data as cloud-init would
run it, and a stand-in for systemd.

    machine.py ORDER    with ORDER as JSON: disk, hostname, user_data, environment

The root is the host's, laid under a disk that is the machine's own: it reads what is installed
here, and whatever it writes stays in its disk. What it says goes to its console, which is its
standard output.
"""

import base64
import gzip
import json
import os
import select
import signal
import stat
import sys

import kernel
from units import Units

ORDERS = "/run/init/orders"

# As systemd starts cloud-init: no home, and the places where a distribution has its programs.
BASE_ENVIRONMENT = {
    "LANG": "C.UTF-8",
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
}

# Folders that the host may have something in, and a new machine has nothing in.
EMPTY = ("/run", "/tmp", "/root", "/home", "/mnt", "/srv")

# Name, major and minor number.
DEVICES = {"null": (1, 3), "zero": (1, 5), "full": (1, 7), "random": (1, 8), "urandom": (1, 9)}

LINKS = {"fd": "fd", "stdin": "fd/0", "stdout": "fd/1", "stderr": "fd/2"}

# What cloud-init leaves behind when it has run the user data, so that a second boot does not.
BOOTED = "/var/lib/cloud/instance/sem/user-data"

_READ_ONLY = 0x1


def main():
    order = json.loads(sys.argv[1])
    kernel.die_with_parent()
    with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "systemctl")) as file:
        systemctl = file.read()
    enter_root(order["disk"])
    kernel.set_hostname(order["hostname"])
    furnish(systemctl)
    await_start()
    Init(order["environment"]).run(order["user_data"])


def enter_root(disk):
    """Everything that is not named here is the host's, until the machine writes it."""
    upper, work, root = (os.path.join(disk, part) for part in ("upper", "work", "root"))
    for folder in (upper, work, root):
        os.makedirs(folder, exist_ok=True)
    kernel.make_mounts_private()
    kernel.mount("overlay", root, "overlay", f"lowerdir=/,upperdir={upper},workdir={work}")
    kernel.mount("proc", f"{root}/proc", "proc")
    kernel.mount("sysfs", f"{root}/sys", "sysfs", flags=_READ_ONLY)
    kernel.mount("tmpfs", f"{root}/dev", "tmpfs", "mode=755")
    for folder in EMPTY:
        os.makedirs(root + folder, exist_ok=True)
        mode = "1777" if folder == "/tmp" else "755"
        kernel.mount("tmpfs", root + folder, "tmpfs", f"mode={mode}")
    kernel.enter_root(root)


def furnish(systemctl):
    os.umask(0)
    for name, numbers in DEVICES.items():
        os.mknod(f"/dev/{name}", 0o666 | stat.S_IFCHR, os.makedev(*numbers))
    os.mkdir("/dev/shm", 0o1777)
    os.umask(0o022)
    for name, target in LINKS.items():
        os.symlink(f"/proc/self/{target}", f"/dev/{name}")
    os.makedirs(os.path.dirname(ORDERS))
    os.mkfifo(ORDERS, 0o600)
    os.makedirs("/usr/local/bin", exist_ok=True)
    with open("/usr/local/bin/systemctl", "w") as file:
        file.write(systemctl)
    os.chmod("/usr/local/bin/systemctl", 0o755)


def await_start():
    """Says through the standard input that the root is there, and waits for what is put into it."""
    os.write(0, b"r")
    if not os.read(0, 1):
        sys.exit("nobody wants this machine any more")
    nothing = os.open("/dev/null", os.O_RDWR)
    os.dup2(nothing, 0)


def add_device(root, name, link, number):
    """A block device, and the link by which udev names it after its serial number."""
    os.mknod(f"{root}/dev/{name}", 0o660 | stat.S_IFBLK, number)
    os.makedirs(f"{root}/dev/disk/by-id", exist_ok=True)
    os.symlink(f"../../{name}", f"{root}/dev/disk/by-id/{link}")


class Init:
    """The loop of the first process: orders, children that ended, and times to restart."""

    def __init__(self, environment):
        self.environment = BASE_ENVIRONMENT | environment
        self.units = Units(self.environment, say)
        self.script = None
        self.is_ending = False
        self.waking, wake = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        signal.set_wakeup_fd(wake)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.signal(signal.SIGTERM, self.end)
        # Also open for writing: without a writer it would be at its end, again and again.
        self.orders = os.open(ORDERS, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)

    def run(self, user_data):
        self.units.start_enabled()
        if user_data and not os.path.exists(BOOTED):
            self.script = run_user_data(user_data, self.environment)
        while not (self.is_ending and self.units.all_ended()):
            timeout = self.units.next_restart()
            readable, _, _ = select.select([self.waking, self.orders], [], [], timeout)
            if self.waking in readable:
                os.read(self.waking, 4096)
            if self.orders in readable:
                self.take_orders()
            self.reap()
            self.units.restart_due()

    def end(self, *_):
        self.is_ending = True
        self.units.stop_all()

    def reap(self):
        while True:
            try:
                child, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if child == 0:
                return
            code = os.waitstatus_to_exitcode(status)
            if child == self.script:
                say(f"cloud-init: the user data ended with {code}")
            self.units.ended(child, code)

    def take_orders(self):
        # A line that fits into a pipe's buffer arrives whole.
        for line in os.read(self.orders, 65536).decode().splitlines():
            answer, *arguments = line.split()
            if arguments[:1] == ["poweroff"]:
                self.end()
            self.units.order(arguments, lambda status, text, to=answer: reply(to, status, text))


def reply(answer, status, text):
    """Opening a pipe waits for its reader, so it is left to a child."""
    if os.fork() == 0:
        try:
            with open(answer, "w") as file:
                file.write(f"{status}\n{text}")
        finally:
            os._exit(0)


def run_user_data(encoded, environment):
    """As cloud-init does with a script: once in an instance's life, as root."""
    text = base64.b64decode(encoded)
    if text[:2] == b"\x1f\x8b":
        text = gzip.decompress(text)
    os.makedirs(os.path.dirname(BOOTED), exist_ok=True)
    with open(BOOTED, "w") as file:
        file.write("run\n")
    if not text.startswith(b"#!"):
        say(f"cloud-init: only scripts are understood here, not {text[:40]!r}")
        return None
    path = "/var/lib/cloud/instance/scripts/part-001"
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "wb") as file:
        file.write(text)
    os.chmod(path, 0o700)
    child = os.fork()
    if child:
        return child
    try:
        os.setsid()
        os.execve(path, [path], environment)
    finally:
        # As a shell says that there is no such program.
        os._exit(127)


def say(text):
    print(text, flush=True)


if __name__ == "__main__":
    main()
