"""moto, loaded in a third of the time: without the regions and offerings that no test asks for."""

import boto3
from moto.utilities import utils

# `us-east-1`, and as many as show that there are others.
REGIONS = {"aws": ["eu-west-1", "sa-east-1", "us-east-1", "us-west-2"]}

_load_resource = utils.load_resource


def regions(_session, _service, partition_name="aws", allow_non_regional=False):
    return REGIONS.get(partition_name, [])


def load_resource(path):
    """What moto's own says, but nothing of the offerings of other regions."""
    is_offering = "instance_type_offerings" in path
    return [] if is_offering and "/us-east-1." not in path else _load_resource(path)


# Before any service of moto is loaded, because they read this when they are.
boto3.Session.get_available_regions = regions
utils.load_resource = load_resource
