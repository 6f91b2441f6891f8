"""Which connections to the API are open, so that a test can wait for the end of what was under way."""

import socket
import threading


class Connections:
    def __init__(self):
        self.changed = threading.Condition()
        # By the address and port of who made them.
        self.open = set()

    def came(self, peer):
        with self.changed:
            self.open.add(peer)
            self.changed.notify_all()

    def left(self, peer):
        """It has ended, or nobody need wait for it any more."""
        with self.changed:
            self.open.discard(peer)
            self.changed.notify_all()

    def settle(self, listener, seconds):
        """Waits for the end of all that were made to `listener` so far: whether it came in time.

        They are accepted in the order in which they were made, so one more tells when all are known.
        """
        with socket.create_connection(listener, seconds) as last:
            own = last.getsockname()
            with self.changed:
                if not self.changed.wait_for(lambda: own in self.open, seconds):
                    return False
                before = self.open - {own}
                return self.changed.wait_for(lambda: not before & self.open, seconds)


def peer(environ):
    return environ["REMOTE_ADDR"], environ["REMOTE_PORT"]
