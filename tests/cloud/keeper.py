"""Makes the machines follow what the API says, and the API follow what becomes of machines."""

import math
import threading
import time
import traceback

from moto.sts import sts_backends

import account
import firewalls
import metadata
import volumes
from machines import Machine

# What `Settings` may change, in seconds. Real ones are some ten times as long; that a state lasts
# at all is what matters.
DELAYS = {"pending": 0.2, "shutting-down": 0.2, "attaching": 0.1, "detaching": 0.1}

# How long services are waited for when a machine is shut down.
SHUTDOWN_PATIENCE = 5.0

# The kernel ends the mounts of a machine that is gone within moments.
UNMOUNT_PATIENCE = 10.0


class Keeper:
    def __init__(self, lock):
        # The lock of all that moto holds.
        self.lock = lock
        self.delays = dict(DELAYS)
        self.machines = {}
        self.devices = {}
        self.credentials = {}
        # Whether security groups stop anybody.
        self.has_firewalls = False

    def launched(self, instance):
        user_data = str(instance.user_data) if instance.user_data else ""
        machine = Machine(instance.id, instance.private_ip, user_data)
        machine.instance = instance
        self.machines[instance.id] = machine
        _go(self._start, instance)

    def starting(self, instance):
        _go(self._start, instance)

    def stopping(self, instance):
        _go(self._stop, instance)

    def terminating(self, instance):
        _go(self._terminate, instance)

    def attaching(self, attachment):
        _go(self._attach, attachment)

    def detaching(self, attachment):
        _go(self._detach, attachment)

    def notice(self, identity, seconds):
        """Says to a spot instance that it ends in so many seconds, and ends it then."""
        with self.lock:
            instance = self.machines[identity].instance
        moment = metadata.timestamp(seconds)
        self.machines[identity].notice = {"action": "terminate", "time": moment}
        _go(self._reclaim, instance, seconds)

    def settle_addresses(self):
        """Gives every machine the public addresses that the API says it has."""
        with self.lock:
            wanted = [
                (machine, {nic.public_ip for nic in machine.instance.nics.values()} - {None})
                for machine in self.machines.values()
            ]
        # First it is taken from one, then given to another.
        for machine, addresses in wanted:
            machine.set_public_addresses(addresses & machine.public_addresses)
        for machine, addresses in wanted:
            machine.set_public_addresses(addresses)

    def settle_firewalls(self):
        """Lets every machine be reached by whom the groups allow."""
        if not self.has_firewalls:
            return
        with self.lock:
            machines = list(self.machines.values())
            others = [machine.instance for machine in machines]
            wanted = [(one, firewalls.allowed(one.instance, others)) for one in machines]
        for machine, rules in wanted:
            machine.let_in(rules)

    def _start(self, instance):
        time.sleep(self.delays["pending"])
        with self.lock:
            if instance.state != "pending":
                return
            machine = self.machines[instance.id]
            instance.running()
        machine.boot(lambda: self._values(instance), lambda: self._powered_off(instance))
        self.settle_addresses()
        self.settle_firewalls()

    def _stop(self, instance):
        machine = self.machines[instance.id]
        began = time.monotonic()
        machine.shut_down(SHUTDOWN_PATIENCE)
        self._await(began, "shutting-down")
        with self.lock:
            if instance.state == "stopping":
                instance.stopped()

    def _terminate(self, instance):
        machine = self.machines[instance.id]
        began = time.monotonic()
        machine.end(SHUTDOWN_PATIENCE)
        for device in machine.devices.values():
            device.await_unmounted(UNMOUNT_PATIENCE)
            device.close()
        machine.devices.clear()
        self._await(began, "shutting-down")
        with self.lock:
            instance.terminated()

    def _reclaim(self, instance, seconds):
        time.sleep(seconds)
        with self.lock:
            instance.terminate(account.SPOT_SHUTDOWN)

    def _powered_off(self, instance):
        """Its own first process ended it."""
        with self.lock:
            if instance.state != "running":
                return
            if instance.instance_initiated_shutdown_behavior == "terminate":
                instance.terminate(account.SELF_SHUTDOWN)
            else:
                instance.set_state("stopping", account.SELF_SHUTDOWN)
                self.stopping(instance)

    def _attach(self, attachment):
        time.sleep(self.delays["attaching"])
        volume, instance = attachment.volume, attachment.instance
        with self.lock:
            if attachment.status != "attaching" or instance.state in account.GONE:
                return
            machine = self.machines[instance.id]
            name = f"nvme{len(machine.devices) + 1}n1"
            machine.attach(name, volumes.Device(volume.id, volume.size))
            attachment.name = name
            attachment.status = "attached"
            instance.block_device_mapping[attachment.device].status = "in-use"

    def _detach(self, attachment):
        """As on AWS, what is mounted stays `detaching` until it is not, or until the end of its
        machine, which detaches it as well."""
        began = time.monotonic()
        machine = self.machines[attachment.instance.id]
        name = getattr(attachment, "name", None)
        device = machine.devices.get(name)
        if device:
            device.await_unmounted(math.inf)
        device = machine.detach(name)
        if device:
            device.close()
        self._await(began, "detaching")
        with self.lock:
            account.detached(attachment)

    def _await(self, began, delay):
        time.sleep(max(0.0, began + self.delays[delay] - time.monotonic()))

    def _values(self, instance):
        with self.lock:
            machine = self.machines[instance.id]
            role = self._role_credentials(instance)
            return metadata.values(instance, machine.user_data_text, machine.notice, role)

    def _role_credentials(self, instance):
        """The name of the instance's role, and what its holder signs with."""
        association = instance.ec2_backend.iam_instance_profile_associations.get(instance.id)
        if association is None or not association.iam_instance_profile.roles:
            return None
        role = association.iam_instance_profile.roles[0]
        backend = sts_backends[instance.owner_id]["aws"]
        key = (instance.id, role.arn)
        if key not in self.credentials:
            self.credentials[key] = backend.assume_role(
                region_name=instance.region_name,
                role_session_name=instance.id,
                role_arn=role.arn,
                policy="",
                duration=metadata.CREDENTIALS_LAST,
                external_id="",
            )
        found = self.credentials[key]
        return role.name, {
            "Code": "Success",
            "Type": "AWS-HMAC",
            "LastUpdated": metadata.timestamp(0),
            "AccessKeyId": found.access_key_id,
            "SecretAccessKey": found.secret_access_key,
            "Token": found.session_token,
            "Expiration": metadata.timestamp(metadata.CREDENTIALS_LAST),
        }


def _go(work, *arguments):
    def guarded():
        try:
            work(*arguments)
        except Exception:
            # The test finds it in the cloud's log.
            traceback.print_exc()

    threading.Thread(target=guarded, daemon=True).start()
