"""What an account has, so that a test can compare it with what it had before."""

from moto.iam import iam_backends
from moto.s3 import s3_backends


def of(ec2):
    """Kind of resource, to id, to what is worth comparing. Terminated instances are not in it."""
    iam = iam_backends[ec2.account_id]["aws"]
    s3 = s3_backends[ec2.account_id]["aws"]
    groups = [group for by_id in ec2.groups.values() for group in by_id.values()]
    instances = [one for one in ec2.all_instances() if one.state != "terminated"]
    return {
        "instances": {one.id: instance(one) for one in instances},
        "volumes": {one.id: volume(one) for one in ec2.volumes.values()},
        "addresses": {one.allocation_id: address(one) for one in ec2.addresses},
        "security_groups": {one.id: security_group(one) for one in groups},
        "key_pairs": {name: tags(one) for name, one in ec2.key_pairs.items()},
        "network_interfaces": {one: {} for one in ec2.enis},
        "roles": {one.name: role(one) for one in iam.roles.values()},
        "instance_profiles": {
            one.name: {"roles": [held.name for held in one.roles]}
            for one in iam.instance_profiles.values()
        },
        "policies": {
            name: {} for name, one in iam.managed_policies.items() if ":aws:policy" not in name
        },
        "buckets": {name: {"keys": sorted(one.keys.keys())} for name, one in s3.buckets.items()},
    }


def tags(resource):
    return {"tags": {tag["key"]: tag["value"] for tag in resource.get_tags()}}


def instance(one):
    return tags(one) | {
        "state": one.state,
        "type": one.instance_type,
        "zone": one.availability_zone,
        "private": one.private_ip,
        "public": one.public_ip,
        "lifecycle": one.lifecycle,
        "security_groups": sorted(group.id for group in one.security_groups),
    }


def volume(one):
    attachment = one.attachment
    return tags(one) | {
        "size": one.size,
        "zone": one.availability_zone,
        "instance": attachment and attachment.instance.id,
        "attachment": attachment and attachment.status,
    }


def address(one):
    return tags(one) | {"public": one.public_ip, "instance": one.instance and one.instance.id}


def security_group(one):
    return tags(one) | {
        "name": one.name,
        "ingress": [rule(found) for found in one.ingress_rules],
    }


def rule(found):
    source = found.cidr_ipv4 or found.cidr_ipv6 or (found.source_group or {}).get("GroupId")
    ports = [found.from_port, found.to_port]
    return {"protocol": found.ip_protocol, "ports": ports, "from": source}


def role(one):
    return {"inline": sorted(one.policies), "attached": sorted(one.managed_policies)}
