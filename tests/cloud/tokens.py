"""Client tokens: what was asked for with one is done once, however often it is asked for."""

from dataclasses import dataclass, field

import answers

# The calls of EC2 that take one, of those that moto would carry out again.
ACTIONS = ("RunInstances", "CreateVolume")


@dataclass
class Done:
    asked: dict
    respond: object
    # The ids of the instances that were made.
    made: set = field(default_factory=set)


class Tokens:
    def __init__(self):
        self.done = {}

    def earlier(self, call):
        """What came of this call when it was made before, if it was."""
        found = self.done.get(_key(call))
        if found and found.asked != call.asked:
            raise answers.Refusal(
                "IdempotentParameterMismatch",
                "The client token you have provided is associated with a resource that has been "
                "created with different parameters.",
            )
        return found

    def keep(self, call, respond, made=()):
        if _key(call) and call.outcome == "ok":
            self.done[_key(call)] = Done(call.asked, respond, set(made))


def _key(call):
    token = call.form.get("ClientToken")
    is_kept = token and call.service == "ec2" and call.action in ACTIONS
    return (call.region, call.action, token) if is_kept else None
