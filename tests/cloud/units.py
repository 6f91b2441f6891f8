"""What `systemctl` does to services, as far as services of ours need it.

`ExecStartPre=` and `ExecStart=` are run with user, environment, folders, credentials and
capabilities, and again by `Restart=` and `RestartSec=`. Of what only shields the host (`Protect…`,
`Private…`, …) nothing is done; a key that systemd would not know is told on the console.
"""

import os
import signal
import time

from service import FOLDER, Unit, commands, parse, spawn

WANTED = f"{FOLDER}/multi-user.target.wants"

# Which services are this machine's; the host may have enabled others.
OWN = "/var/lib/cloud/units"

# systemd's defaults.
RESTART_PAUSE = 0.1
STOP_PATIENCE = 90.0


class Units:
    """All services of a machine."""

    def __init__(self, environment, say):
        self.environment = environment
        self.say = say
        self.units = {}

    def order(self, arguments, reply):
        """What was typed behind `systemctl`."""
        options = {argument for argument in arguments if argument.startswith("-")}
        verb, *names = [argument for argument in arguments if argument not in options] or [""]
        names = [name if "." in name else f"{name}.service" for name in names]
        now = "--now" in options
        try:
            if verb in ("daemon-reload", "reset-failed", "poweroff"):
                self.reload()
                reply(0, "")
            elif verb in ("enable", "disable"):
                self.set_enabled(names, verb == "enable")
                follow = {"enable": self.start, "disable": self.stop}[verb]
                follow(names, reply) if now else reply(0, "")
            elif verb in ("start", "stop", "restart", "is-active", "is-enabled", "status"):
                getattr(self, verb.replace("-", "_"))(names, reply)
            else:
                reply(1, f"systemctl: `{verb}` is not known to this machine\n")
        except (KeyError, OSError, ValueError) as error:
            reply(5, f"systemctl {verb} {' '.join(names)}: {error!r}\n")

    def reload(self):
        """Files that changed are read again; who runs goes on."""
        for unit in self.units.values():
            if os.path.exists(f"{FOLDER}/{unit.name}"):
                unit.settings = parse(unit.name, self.say)

    def find(self, name):
        if name not in self.units:
            self.units[name] = Unit(name, parse(name, self.say))
        return self.units[name]

    def set_enabled(self, names, is_enabled):
        os.makedirs(WANTED, exist_ok=True)
        for name in names:
            self.find(name)
            link = f"{WANTED}/{name}"
            if os.path.islink(link):
                os.unlink(link)
            if is_enabled:
                os.symlink(f"{FOLDER}/{name}", link)

    def start_enabled(self):
        if os.path.isdir(WANTED):
            own = [name for name in os.listdir(WANTED) if os.path.exists(f"{OWN}/{name}")]
            self.start(sorted(own), lambda status, text: self.say(text) if status else None)

    def start(self, names, reply):
        for unit in map(self.find, names):
            if unit.process is None:
                os.makedirs(OWN, exist_ok=True)
                open(f"{OWN}/{unit.name}", "w").close()
                unit.commands = commands(unit)
                self.run_next(unit)
            if unit.last("Type") == "oneshot" and unit.process is not None:
                unit.waiting.append(reply)
                return
        has_failed = any(self.find(name).state == "failed" for name in names)
        reply(1 if has_failed else 0, "")

    def stop(self, names, reply):
        for unit in map(self.find, names):
            self.end(unit)
            if unit.process is not None:
                unit.waiting.append(lambda _status, _text: reply(0, ""))
                return
        reply(0, "")

    def restart(self, names, reply):
        self.stop(names, lambda _status, _text: self.start(names, reply))

    def is_active(self, names, reply):
        states = [self.find(name).state for name in names]
        reply(0 if "active" in states else 3, "".join(f"{state}\n" for state in states))

    def is_enabled(self, names, reply):
        links = [os.path.islink(f"{WANTED}/{name}") for name in names]
        words = ["enabled\n" if is_link else "disabled\n" for is_link in links]
        reply(0 if any(links) else 1, "".join(words))

    def status(self, names, reply):
        units = [self.find(name) for name in names] or self.units.values()
        lines = [f"{unit.name} {unit.state} {unit.process or '-'}\n" for unit in units]
        reply(0, "".join(lines))

    def end(self, unit):
        unit.restart_at = None
        unit.commands = []
        if unit.process is None:
            unit.state = "inactive"
            return
        unit.state = "deactivating"
        wish = getattr(signal, unit.last("KillSignal", "SIGTERM"))
        unit.kill_at = time.monotonic() + unit.seconds("TimeoutStopSec", STOP_PATIENCE)
        send(unit.process, wish)

    def stop_all(self):
        for unit in self.units.values():
            self.end(unit)

    def all_ended(self):
        return all(unit.process is None for unit in self.units.values())

    def next_restart(self):
        """Seconds until there is something to do without being told."""
        times = [t for u in self.units.values() for t in (u.restart_at, u.kill_at) if t]
        return max(0.0, min(times) - time.monotonic()) if times else None

    def restart_due(self):
        now = time.monotonic()
        for unit in self.units.values():
            if unit.restart_at and unit.restart_at <= now:
                unit.restart_at = None
                unit.commands = commands(unit)
                self.run_next(unit)
            if unit.kill_at and unit.kill_at <= now:
                unit.kill_at = None
                send(unit.process, signal.SIGKILL)

    def run_next(self, unit):
        command = unit.commands.pop(0)
        try:
            unit.process = spawn(unit, command, self.environment)
        except (KeyError, OSError, ValueError) as error:
            self.say(f"{unit.name}: {error!r}")
            self.settle(unit, 1)
            return
        is_once = unit.last("Type") == "oneshot"
        unit.state = "activating" if unit.commands or is_once else "active"

    def ended(self, process, code):
        for unit in self.units.values():
            if unit.process == process:
                self.say(f"{unit.name}: process {process} ended with {code}")
                unit.process = unit.kill_at = None
                self.settle(unit, code)

    def settle(self, unit, code):
        """Its process has ended: what becomes of it."""
        if unit.state == "deactivating":
            unit.state = "inactive"
        elif code == 0 and unit.commands:
            self.run_next(unit)
            return
        elif unit.last("Type") == "oneshot" and code == 0:
            unit.state = "active" if unit.is_on("RemainAfterExit") else "inactive"
        elif unit.restarts_after(code):
            unit.state = "activating"
            unit.restart_at = time.monotonic() + unit.seconds("RestartSec", RESTART_PAUSE)
        else:
            unit.state = "inactive" if code == 0 else "failed"
        waiting, unit.waiting = unit.waiting, []
        for reply in waiting:
            reply(0 if code == 0 else 1, "")


def send(process, number):
    """To the whole group, if the process got as far as to lead one."""
    try:
        os.killpg(process, number)
    except ProcessLookupError:
        os.kill(process, number)
