"""Where moto's account is not like AWS's: what takes time there, and what is refused.

moto changes states at once. Here an instance is `pending` before it runs, `shutting-down` before it
is terminated, and a volume is `attaching` and `detaching`; whoever is told of that is the keeper,
which makes and ends the machines.
"""

import copy
import ipaddress
import time

from moto.ec2.exceptions import EC2ClientError
from moto.ec2.models import elastic_block_store as ebs
from moto.ec2.models import elastic_ip_addresses, elastic_network_interfaces, instances
from moto.ec2.models import security_groups

CODES = {
    "pending": 0,
    "running": 16,
    "shutting-down": 32,
    "terminated": 48,
    "stopping": 64,
    "stopped": 80,
}
GONE = ("shutting-down", "terminated")

# Who keeps the machines, and how far the view of those who ask lags behind.
keeper = None
view = None


class View:
    """What a call sees of the instances: those that are young are hidden, and states are old."""

    def __init__(self, hidden_for, behind):
        self.hidden_for = hidden_for
        self.behind = behind

    def of(self, reservation):
        now = time.monotonic()
        seen = copy.copy(reservation)
        known = [one for one in reservation.instances if now - one.born >= self.hidden_for]
        seen.instances = [one.as_of(now - self.behind) for one in known] if self.behind else known
        return seen


class Instance(instances.Instance):
    # moto files its models by the second part of this.
    __module__ = "moto.ec2.cloud"

    def __init__(self, *arguments, **settings):
        super().__init__(*arguments, **settings)
        self.born = time.monotonic()
        self.history = []
        self.set_state("pending")
        keeper.launched(self)

    def __del__(self):
        """Copies of an instance do not give its address back."""

    def set_state(self, name, reason=None):
        self._state = instances.InstanceState(name, CODES[name])
        self.history.append((time.monotonic(), self._state))
        self.state_reason = instances.StateReason(*reason) if reason else instances.StateReason()
        self._reason = reason[0] if reason else ""

    def as_of(self, moment):
        """What it was then; nothing is older than its birth."""
        before = [state for at, state in self.history if at <= moment] or [self.history[0][1]]
        seen = copy.copy(self)
        seen._state = before[-1]
        return seen

    @property
    def spot_instance_request_id(self):
        return "sir-" + self.id[-8:] if self.lifecycle == "spot" else None

    @property
    def instance_lifecycle(self):
        return self.lifecycle

    @property
    def private_ip(self):
        return self.nics[0].private_ip_address if self.nics else None

    private_ip_address = private_ip

    @property
    def public_ip(self):
        return self.nics[0].public_ip if self.nics else None

    public_ip_address = public_ip

    @property
    def private_dns_name(self):
        return super().private_dns_name if self.nics else ""

    @property
    def vpc_id(self):
        return super().vpc_id if self.nics else None

    def start(self):
        if self.state != "stopped":
            raise EC2ClientError(
                "IncorrectInstanceState",
                f"The instance '{self.id}' is not in a state from which it can be started.",
            )
        before = self._state
        self.set_state("pending")
        keeper.starting(self)
        return before

    def stop(self):
        before = self._state
        if before.name in GONE or before.name == "pending":
            raise EC2ClientError(
                "IncorrectInstanceState",
                f"The instance '{self.id}' is not in a state from which it can be stopped.",
            )
        if before.name == "running":
            self.set_state("stopping", CLIENT_SHUTDOWN)
            keeper.stopping(self)
        return before

    def terminate(self, reason=None):
        before = self._state
        if before.name not in GONE:
            self.set_state("shutting-down", reason or CLIENT_SHUTDOWN)
            keeper.terminating(self)
        return before

    def stopped(self):
        for nic in self.nics.values():
            nic.stop()
        reason = (self.state_reason.message, self.state_reason.code)
        self.set_state("stopped", reason)

    def running(self):
        for nic in self.nics.values():
            nic.start()
        self.set_state("running")

    def terminated(self):
        """Its addresses are free again from now on, and its own volumes deleted."""
        for device, block in list(self.block_device_mapping.items()):
            _detach_now(self.ec2_backend, block.volume_id, self.id, device)
            if block.delete_on_termination:
                self.ec2_backend.delete_volume(block.volume_id)
        for address in list(self.ec2_backend.addresses):
            if address.instance is self:
                self.ec2_backend.disassociate_address(address=address.public_ip)
        subnet = self.ec2_backend.get_subnet(self.subnet_id)
        for nic in self.nics.values():
            subnet.del_subnet_ip(nic.private_ip_address)
            self.ec2_backend.delete_network_interface(nic.id)
        self.nics = {}
        reason = (self.state_reason.message, self.state_reason.code)
        self.set_state("terminated", reason)
        self.ec2_backend.iam_instance_profile_associations.pop(self.id, None)


CLIENT_SHUTDOWN = (
    "Client.UserInitiatedShutdown: User initiated shutdown",
    "Client.UserInitiatedShutdown",
)
SELF_SHUTDOWN = (
    "Client.InstanceInitiatedShutdown: Instance initiated shutdown",
    "Client.InstanceInitiatedShutdown",
)
SPOT_SHUTDOWN = (
    "Server.SpotInstanceTermination: Spot instance termination",
    "Server.SpotInstanceTermination",
)

_attach_now = ebs.EBSBackend.attach_volume
_detach_now = ebs.EBSBackend.detach_volume
_delete_security_group = security_groups.SecurityGroupBackend.delete_security_group
_all_reservations = instances.InstanceBackend.all_reservations


def attach_volume(backend, volume_id, instance_id, device, delete_on_termination=None):
    if delete_on_termination is not None:
        # moto says so of the volumes that come with an instance.
        return _attach_now(backend, volume_id, instance_id, device, delete_on_termination)
    volume, instance = backend.get_volume(volume_id), backend.get_instance(instance_id)
    refuse_attachment(volume, instance, device)
    attachment = _attach_now(backend, volume_id, instance_id, device, False)
    attachment.status = instance.block_device_mapping[device].status = "attaching"
    keeper.attaching(attachment)
    return attachment


def refuse_attachment(volume, instance, device):
    if volume.attachment:
        raise EC2ClientError("VolumeInUse", f"{volume.id} is already attached to an instance")
    if volume.zone.name != instance.availability_zone:
        message = f"Volume '{volume.id}' is not in the availability zone of '{instance.id}'"
        raise EC2ClientError("InvalidVolume.ZoneMismatch", message)
    if instance.state not in ("running", "stopped"):
        raise EC2ClientError("IncorrectState", f"Instance '{instance.id}' is not 'running'.")
    if device in instance.block_device_mapping:
        message = f"Invalid value '{device}' for unixDevice. Attachment point is already in use"
        raise EC2ClientError("InvalidParameterValue", message)


def detach_volume(backend, volume_id, instance_id, device_path):
    attachment = backend.get_volume(volume_id).attachment
    if attachment is None:
        raise EC2ClientError("IncorrectState", f"Volume '{volume_id}' is in the 'available' state.")
    if instance_id not in (None, attachment.instance.id):
        message = f"The volume {volume_id} is not attached to {instance_id}"
        raise EC2ClientError("InvalidAttachment.NotFound", message)
    if attachment.status != "detaching":
        attachment.status = "detaching"
        keeper.detaching(attachment)
    return attachment


def detached(attachment):
    """What `detach_volume` has begun is done."""
    volume = attachment.volume
    if volume.attachment is attachment:
        backend = volume.ec2_backend
        _detach_now(backend, volume.id, attachment.instance.id, attachment.device)


def associate_address(backend, instance=None, **rest):
    if instance and instance.state == "pending":
        message = f"The pending instance '{instance.id}' is not in a valid state for this."
        raise EC2ClientError("InvalidInstanceID", message)
    for address in backend.addresses:
        is_meant = rest.get("allocation_id") == address.allocation_id
        if is_meant and rest.get("reassociate") and address.eni:
            # moto would leave it with its old holder, too.
            backend.disassociate_address(address=address.public_ip)
    return _associate_address(backend, instance=instance, **rest)


def delete_security_group(backend, name=None, group_id=None):
    group = backend.get_security_group_by_name_or_id(group_id or name)
    if group:
        refuse_deletion(backend, group)
    return _delete_security_group(backend, name=name, group_id=group_id)


def refuse_deletion(backend, group):
    """One that an interface has, or that a rule of another group names."""
    holders = [nic.id for nic in backend.enis.values() if group in nic.group_set]
    others = [one for groups in backend.groups.values() for one in groups.values()]
    holders += [
        other.id
        for other in others
        for rule in other.ingress_rules + other.egress_rules
        if other is not group and (rule.source_group or {}).get("GroupId") == group.id
    ]
    if holders:
        message = f"resource {group.id} has a dependent object: {holders[0]}"
        raise EC2ClientError("DependencyViolation", message)


_associate_address = elastic_ip_addresses.ElasticAddressBackend.associate_address


def all_reservations(backend, filters=None):
    if view is None:
        return _all_reservations(backend, filters)
    found = [view.of(one) for one in _all_reservations(backend)]
    found = [one for one in found if one.instances]
    return instances.filter_reservations(found, filters) if filters is not None else found


# Public addresses, each given once, so that nothing is reached by one that it no longer has: those
# of instances from the range of RFC 2544, Elastic IPs from TEST-NET-2 of RFC 5737.
_passing_addresses = ipaddress.IPv4Network("198.18.0.0/15").hosts()
_elastic_addresses = ipaddress.IPv4Network("198.51.100.0/24").hosts()


def take_places(new_keeper):
    """Puts what is here in the place of moto's own."""
    global keeper
    keeper = new_keeper
    instances.Instance = Instance
    instances.InstanceBackend.all_reservations = all_reservations
    ebs.EBSBackend.attach_volume = attach_volume
    ebs.EBSBackend.detach_volume = detach_volume
    security_groups.SecurityGroupBackend.delete_security_group = delete_security_group
    elastic_ip_addresses.ElasticAddressBackend.associate_address = associate_address
    elastic_ip_addresses.random_ip = lambda: str(next(_elastic_addresses))
    elastic_network_interfaces.random_public_ip = lambda: str(next(_passing_addresses))
