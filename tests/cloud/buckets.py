"""The token buckets of EC2's API, with AWS's numbers. Pure: time is an argument.

https://docs.aws.amazon.com/ec2/latest/devguide/ec2-api-throttling.html
"""

from dataclasses import dataclass

# How many calls fit in, and how many a second come back.
NON_MUTATING = (100, 20)
UNFILTERED = (50, 10)
MUTATING = (50, 5)
SPECIAL = {
    "RunInstances": (5, 2),
    "StartInstances": (5, 2),
    "TerminateInstances": (100, 5),
    "CreateTags": (100, 10),
    "DeleteTags": (100, 10),
}
# The same for the instances that calls are about.
RESOURCES = {
    "RunInstances": (1000, 2),
    "StartInstances": (1000, 2),
    "StopInstances": (1000, 20),
    "TerminateInstances": (1000, 20),
}

# What is dear when it asks for everything.
DEAR_UNFILTERED = (
    "DescribeInstances",
    "DescribeInstanceStatus",
    "DescribeNetworkInterfaces",
    "DescribeSecurityGroups",
    "DescribeSnapshots",
    "DescribeSpotInstanceRequests",
    "DescribeVolumes",
)


@dataclass
class Bucket:
    size: float
    refill: float
    tokens: float
    filled_at: float

    def take(self, count, now):
        self.tokens = min(self.size, self.tokens + (now - self.filled_at) * self.refill)
        self.filled_at = now
        if self.tokens < count:
            return False
        self.tokens -= count
        return True


class Buckets:
    """Those of one account in one region."""

    def __init__(self):
        self.buckets = {}

    def allow(self, action, form, now):
        """Whether the call may be made now."""
        name, numbers = bucket_of(action, form)
        if not self.bucket(name, numbers, now).take(1, now):
            return False
        if action not in RESOURCES:
            return True
        return self.bucket(f"{action}: instances", RESOURCES[action], now).take(
            instances_of(form), now
        )

    def bucket(self, name, numbers, now):
        size, refill = numbers
        return self.buckets.setdefault(name, Bucket(size, refill, size, now))


def bucket_of(action, form):
    if action in SPECIAL:
        return action, SPECIAL[action]
    if not action.startswith(("Describe", "Get", "List", "Search")):
        return action, MUTATING
    is_narrow = any(key.startswith(("Filter.", "MaxResults")) or is_id(key) for key in form)
    if action in DEAR_UNFILTERED and not is_narrow:
        return f"{action}: unfiltered", UNFILTERED
    return action, NON_MUTATING


def is_id(key):
    """`InstanceId.1`, `VolumeId.2`, …"""
    return ".1" in key and "Id" in key


def instances_of(form):
    named = sum(1 for key in form if key.startswith("InstanceId."))
    return named or int(form.get("MaxCount", 1))
