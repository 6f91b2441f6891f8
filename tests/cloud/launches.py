"""RunInstances as AWS carries it out: once for a client token, in a subnet, where there is room."""

import base64

from moto.core.utils import utcnow
from moto.iam import iam_backends

import account
import answers

USER_DATA_MAX = 16384


class Launches:
    def __init__(self, cloud):
        self.cloud = cloud

    def run(self, call):
        done = self.cloud.tokens.earlier(call)
        if done:
            self.refuse_terminated(done, call.region)
            call.outcome = "ok"
            return done.respond
        self.refuse_what_aws_would(call.form)
        self.complete(call)
        self.refuse_without_room(call.form, call.region)
        before = self.ids(call.region)
        respond = self.cloud.ask_moto(call)
        self.cloud.tokens.keep(call, respond, self.ids(call.region) - before)
        return respond

    def refuse_terminated(self, done, region):
        instances = {one.id: one for one in self.cloud.backend(region).all_instances()}
        if all(instances[one].state in account.GONE for one in done.made):
            raise answers.Refusal(
                "IdempotentInstanceTerminated",
                "The client token you have provided is associated with an instance that has been "
                "terminated.",
            )

    def refuse_what_aws_would(self, form):
        if len(base64.b64decode(form.get("UserData", ""))) > USER_DATA_MAX:
            raise answers.Refusal("InvalidParameterValue", "User data is limited to 16384 bytes")
        names = [value for key, value in form.items() if key.startswith("IamInstanceProfile.")]
        for profile in iam_backends[self.cloud.account]["aws"].get_instance_profiles():
            age = (utcnow() - profile.create_date).total_seconds()
            if {profile.name, profile.arn} & set(names) and age < self.cloud.profiles_unknown_for:
                raise answers.Refusal(
                    "InvalidParameterValue",
                    f"Value ({names[0]}) for parameter iamInstanceProfile.name is invalid. "
                    "Invalid IAM Instance Profile name",
                )

    def complete(self, call):
        """moto launches the smallest number, and outside of any subnet if none is named."""
        form = call.form
        form["MinCount"] = form.get("MaxCount", "1")
        if not any("SecurityGroup" in key for key in form):
            form["SecurityGroup.1"] = "default"
        is_placed = any(key.endswith("SubnetId") for key in form)
        if is_placed:
            return
        zone = form.get("Placement.AvailabilityZone")
        subnets = self.cloud.backend(call.region).get_default_subnets()
        if not subnets:
            raise answers.Refusal("MissingInput", "No subnets found for the default VPC.")
        if zone and zone not in subnets:
            raise answers.Refusal("InvalidParameterValue", f"Invalid availability zone: [{zone}]")
        subnet = subnets[zone or min(subnets)].id
        has_interface = any(key.startswith("NetworkInterface.1.") for key in form)
        form["NetworkInterface.1.SubnetId" if has_interface else "SubnetId"] = subnet

    def refuse_without_room(self, form, region):
        named = next(value for key, value in form.items() if key.endswith("SubnetId"))
        zones = {one.id: one.availability_zone for one in self.subnets(region)}
        # moto refuses one that does not exist.
        zone = zones.get(named)
        instance_type = form.get("InstanceType", "m1.small")
        market = form.get("InstanceMarketOptions.MarketType", "on-demand")
        if self.cloud.faults.without_capacity(instance_type, zone, market):
            raise answers.Refusal(
                "InsufficientInstanceCapacity",
                f"We currently do not have sufficient {instance_type} capacity in the Availability "
                f"Zone you requested ({zone}).",
                500,
            )

    def subnets(self, region):
        by_zone = self.cloud.backend(region).subnets.values()
        return [subnet for subnets in by_zone for subnet in subnets.values()]

    def make(self, user_data, tags):
        backend = self.cloud.backend()
        reservation = backend.run_instances(
            "ami-12c6146b",
            1,
            base64.b64encode(user_data.encode()).decode(),
            [],
            instance_type="t3.micro",
            is_instance_type_default=False,
            region_name=backend.region_name,
            subnet_id=min(one.id for one in self.subnets(backend.region_name)),
            tags={"instance": tags},
        )
        return reservation.instances[0]

    def ids(self, region):
        return {one.id for one in self.cloud.backend(region).all_instances()}
