"""The wires: one bridge, and a namespace for each host on it.

Every host sees every other on the same link, whatever their addresses, and asks for each by ARP:
who is gone or cut off does not answer, and nobody says so. Only the laptop has no way to private
addresses.
"""

import ipaddress
import subprocess

from kernel import API_ADDRESS

# The machine that is to be the balancer but that the cloud did not make: in the default VPC, and in
# none of its subnets.
BALANCER = ("balancer", "172.31.255.10")

# Where a person sits who installs: in the world.
LAPTOP = ("laptop", "203.0.113.2")

PRIVATE_RANGES = ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16")

_BRIDGE = "cloud"

# Without one of its own it has that of one of its ports, and another one when that goes: whoever
# remembers the first then sends to nobody.
_BRIDGE_HARDWARE = "02:00:cb:00:71:01"

# The kernel takes 15 characters for the name of an interface.
_NAME_LENGTH_MAX = 15


def make():
    _ip(
        "link set lo up",
        f"link add {_BRIDGE} address {_BRIDGE_HARDWARE} type bridge",
        f"addr add {API_ADDRESS}/32 dev {_BRIDGE}",
        f"link set {_BRIDGE} up",
        f"route add default dev {_BRIDGE}",
    )
    add_host(*BALANCER)
    name, address = LAPTOP
    add_host(name, address)
    _ip(*(f"route add unreachable {range}" for range in PRIVATE_RANGES), host=name)


def path(host):
    """Its network, as a file that `setns` and `nsenter` take."""
    return f"/run/netns/{host}"


def add_host(host, address):
    """A host with a wire to all others. The hardware's address follows from the other, so that an
    address that is used again is found at once."""
    number = int(ipaddress.IPv4Address(address))
    hardware = "02:00:" + ":".join(f"{byte:02x}" for byte in number.to_bytes(4, "big"))
    wire = _wire(host)
    _ip(
        f"netns add {host}",
        f"link add {wire} type veth peer name eth0 netns {host} address {hardware}",
        f"link set {wire} master {_BRIDGE} up",
    )
    _ip(
        "link set lo up",
        f"addr add {address}/32 dev eth0",
        "link set eth0 up",
        f"route add default dev eth0 src {address}",
        host=host,
    )


def remove_host(host):
    _ip(f"netns del {host}")


def cut(host):
    """Nothing comes through any more, and neither end is told."""
    _ip(f"link set {_wire(host)} nomaster")


def mend(host):
    _ip(f"link set {_wire(host)} master {_BRIDGE}")


def add_address(host, address):
    _ip(f"addr add {address}/32 dev eth0", host=host)
    # Somebody may remember where it was before.
    for where in ([], ["-all", "netns", "exec", "ip"]):
        _run(["ip", *where, "neigh", "flush", "to", address])


def remove_address(host, address):
    _ip(f"addr del {address}/32 dev eth0", host=host)


def configure(host, commands):
    """Commands of `ip`, as a batch has them."""
    _ip(*commands, host=host)


def _wire(host):
    return host.replace("-", "")[:_NAME_LENGTH_MAX]


def _ip(*commands, host=None):
    where = ["-n", host] if host else []
    _run(["ip", *where, "-batch", "-"], "\n".join(commands))


def _run(command, text=None):
    done = subprocess.run(command, input=text, text=True, capture_output=True, check=False)
    if done.returncode:
        raise OSError(f"{' '.join(command)} {text or ''}: {done.stderr}")
