"""What goes wrong when a test wants it to. Pure, but for waiting until something has been hit."""

import itertools
import threading
from dataclasses import dataclass, field

# What `kind` may be, and what it does.
KINDS = {
    "error": "answers `code` with `status`, and does nothing",
    "lost": "does what was asked, and closes the connection without an answer",
    "delay": "waits for `seconds`, then goes on",
    "hang": "does nothing, and closes the connection when the fault is removed",
    "hang-after": "does what was asked, and closes the connection when the fault is removed",
    "capacity": "RunInstances has no room for `instance_type` in `zone` for `market`; what is not "
    "named stands for any",
}


@dataclass
class Fault:
    id: int
    kind: str
    action: str
    # How many calls it lets pass before it strikes, and how many it strikes then.
    skip: int = 0
    times: int | None = None
    code: str = "InternalError"
    status: int = 500
    message: str = "a fault that the test asked for"
    seconds: float = 0.0
    instance_type: str | None = None
    zone: str | None = None
    market: str | None = None
    # The call must have this parameter with this value.
    parameters: dict = field(default_factory=dict)
    hits: int = 0
    removed: threading.Event = field(default_factory=threading.Event)

    def strikes(self, action, parameters):
        if self.action not in (action, "*") or self.times == 0:
            return False
        if any(parameters.get(key) != value for key, value in self.parameters.items()):
            return False
        if self.skip > 0:
            self.skip -= 1
            return False
        if self.times is not None:
            self.times -= 1
        self.hits += 1
        return True

    def forbids(self, instance_type, zone, market):
        wanted = (self.instance_type, self.zone, self.market)
        found = (instance_type, zone, market)
        return all(want in (None, what) for want, what in zip(wanted, found))


class Faults:
    def __init__(self):
        self.faults = {}
        self.changed = threading.Condition()
        self.numbers = itertools.count(1)

    def add(self, order):
        """Adds what a test asks for, and returns its number."""
        kind = order.get("kind")
        if kind not in KINDS:
            raise ValueError(f"kind {kind!r} is not one of {', '.join(KINDS)}")
        action = "RunInstances" if kind == "capacity" else order.get("action", "*")
        with self.changed:
            fault = Fault(id=next(self.numbers), **(order | {"action": action}))
            self.faults[fault.id] = fault
        return fault.id

    def remove(self, number=None):
        """Removes one fault, or all; who hangs because of it is let go."""
        with self.changed:
            for fault in list(self.faults.values()):
                if number in (None, fault.id):
                    del self.faults[fault.id]
                    fault.removed.set()

    def striking(self, action, parameters):
        """Those that this call meets, each of which is counted."""
        with self.changed:
            plain = [fault for fault in self.faults.values() if fault.kind != "capacity"]
            found = [fault for fault in plain if fault.strikes(action, parameters)]
            self.changed.notify_all()
            return found

    def without_capacity(self, instance_type, zone, market):
        with self.changed:
            scarce = [fault for fault in self.faults.values() if fault.kind == "capacity"]
            found = [f for f in scarce if f.forbids(instance_type, zone, market)]
            struck = any([fault.strikes("RunInstances", {}) for fault in found])
            self.changed.notify_all()
            return struck

    def hits(self, number, count, seconds):
        """How often a fault has struck, once that is `count` or the time is over."""
        with self.changed:
            fault = self.faults[number]
            self.changed.wait_for(lambda: fault.hits >= count, seconds)
            return fault.hits
