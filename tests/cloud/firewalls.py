"""Security groups, where a test wants them: which connections reach a machine.

`iproute2` alone does it, by rules for what comes in: what a group allows is looked up as local, and
any other TCP leads nowhere, without a word, as on AWS. The rules have no memory, so what may be an
answer passes: packets to the ports that Linux takes for outgoing connections.
"""

import network

# What Linux takes by default: net.ipv4.ip_local_port_range.
_ANSWERS = "32768-60999"

# Where the rules of the groups begin; there are fewer than this many.
_FIRST = 1000
_LAST = 20000

_COMMON = (
    "rule add pref 10 iif lo lookup local",
    f"rule add pref 20 iif eth0 ipproto tcp dport {_ANSWERS} lookup local",
    f"rule add pref {_LAST} iif eth0 ipproto tcp blackhole",
    f"rule add pref {_LAST + 1} lookup local",
    "rule del pref 0",
)


def allowed(instance, others):
    """Source and ports of what the groups of an instance let in; `others` may be in groups, too."""
    found = set()
    for group in instance.security_groups:
        for rule in group.ingress_rules:
            if rule.ip_protocol in ("tcp", "-1"):
                ports = (rule.from_port or 1, rule.to_port or 65535)
                found |= {(source, *ports) for source in sources(rule, others)}
    return sorted(found)


def sources(rule, others):
    if rule.cidr_ipv4:
        return {rule.cidr_ipv4}
    wanted = (rule.source_group or {}).get("GroupId")
    return {
        other.private_ip
        for other in others
        if other.private_ip and wanted in [group.id for group in other.security_groups]
    }


class Firewall:
    """What one machine lets in."""

    def __init__(self, host):
        self.host = host
        self.rules = None

    def set(self, rules):
        if rules == self.rules:
            return
        commands = list(_COMMON) if self.rules is None else []
        commands += [f"rule del pref {_FIRST + n}" for n in range(len(self.rules or []))]
        for number, (source, low, high) in enumerate(rules):
            what = f"from {source} iif eth0 ipproto tcp dport {low}-{high}"
            commands.append(f"rule add pref {_FIRST + number} {what} lookup local")
        network.configure(self.host, commands)
        self.rules = rules
