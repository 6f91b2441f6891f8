//! Who may reach whom: the rules of the three security groups.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use super::name::Part;

/// The rules of each part's security group.
pub type Rules = BTreeMap<Part, BTreeSet<Rule>>;

/// The whole world, in both versions of the protocol.
const EVERYWHERE: [&str; 2] = ["0.0.0.0/0", "::/0"];

/// Where SSH listens.
const SSH: u16 = 22;

/// One thing that is let in.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Rule {
    /// As AWS writes it: `tcp`, `udp`, `icmp`, a number, or `-1` for all.
    pub protocol: String,
    /// The first and the last port; -1 where there are none.
    pub ports: (i32, i32),
    /// From where.
    pub source: Source,
}

/// From where something is let in.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Source {
    /// A network, in CIDR notation.
    Network(String),
    /// The machines of another part.
    Part(Part),
    /// A group or list of addresses that is not ours.
    Other(String),
}

/// Which ports each part answers at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ports {
    /// Where the balancer takes the clients' requests.
    pub balancer: u16,
    /// Where an instance takes requests.
    pub traffic: u16,
    /// Where an instance is probed and told things.
    pub control: u16,
}

/// What is let in: the world to the balancer's port, and behind it each part from those before it.
/// SSH reaches the balancer from what is named, and the others only from there.
#[must_use]
pub fn rules(ports: Ports, ssh_from: &[String]) -> Rules {
    let from_part = |port, part| Rule::tcp(port, Source::Part(part));
    let mut balancer: BTreeSet<Rule> = EVERYWHERE
        .map(|network| Rule::tcp(ports.balancer, Source::Network(network.to_owned())))
        .into();
    let behind = [ports.traffic, ports.control].map(|port| from_part(port, Part::Balancer));
    let mut instances: BTreeSet<Rule> = behind.into();
    let mut backend = instances.clone();
    backend.insert(from_part(ports.traffic, Part::Instances));
    if !ssh_from.is_empty() {
        let networks = ssh_from.iter().cloned().map(Source::Network);
        balancer.extend(networks.map(|network| Rule::tcp(SSH, network)));
        instances.insert(from_part(SSH, Part::Balancer));
        backend.insert(from_part(SSH, Part::Balancer));
    }
    [(Part::Balancer, balancer), (Part::Instances, instances), (Part::Backend, backend)].into()
}

impl Rule {
    /// One port of TCP.
    #[must_use]
    pub fn tcp(port: u16, source: Source) -> Self {
        Self { protocol: "tcp".to_owned(), ports: (port.into(), port.into()), source }
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { protocol, ports: (first, last), source } = self;
        match (protocol.as_str(), first == last) {
            ("-1", _) => write!(formatter, "everything")?,
            (protocol, true) => write!(formatter, "{protocol} {first}")?,
            (protocol, false) => write!(formatter, "{protocol} {first}-{last}")?,
        }
        write!(formatter, " from {source}")
    }
}

impl fmt::Display for Source {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Network(network) => formatter.write_str(network),
            Self::Part(part) => write!(formatter, "the {part}"),
            Self::Other(id) => formatter.write_str(id),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PORTS: Ports = Ports { balancer: 80, traffic: 5000, control: 5001 };

    fn from_world(rules: &BTreeSet<Rule>) -> Vec<String> {
        let open = rules.iter().filter(|rule| matches!(rule.source, Source::Network(_)));
        open.map(Rule::to_string).collect()
    }

    #[test]
    fn the_world_reaches_nothing_but_the_balancers_port() {
        let all = rules(PORTS, &[]);
        assert_eq!(
            from_world(&all[&Part::Balancer]),
            ["tcp 80 from 0.0.0.0/0", "tcp 80 from ::/0"]
        );
        assert_eq!(all[&Part::Balancer].len(), 2);
        assert!(from_world(&all[&Part::Instances]).is_empty());
        assert!(from_world(&all[&Part::Backend]).is_empty());
    }

    #[test]
    fn the_backend_listens_to_forwarders_and_balancer_and_forwarders_to_the_balancer() {
        let all = rules(PORTS, &[]);
        let of = |part| all[&part].iter().map(Rule::to_string).collect::<Vec<_>>();
        let behind = ["tcp 5000 from the balancer", "tcp 5001 from the balancer"];
        assert_eq!(of(Part::Instances), behind);
        let backend = [behind[0], "tcp 5000 from the instances", behind[1]];
        assert_eq!(of(Part::Backend), backend);
    }

    #[test]
    fn ssh_comes_from_what_is_named_and_passes_through_the_balancer() {
        let all = rules(PORTS, &["192.0.2.0/24".to_owned()]);
        let ssh = |part: Part| {
            let mut found = all[&part].iter().filter(|rule| rule.ports.0 == 22);
            (found.next().map(Rule::to_string), found.count())
        };
        assert_eq!(ssh(Part::Balancer), (Some("tcp 22 from 192.0.2.0/24".to_owned()), 0));
        assert_eq!(ssh(Part::Instances), (Some("tcp 22 from the balancer".to_owned()), 0));
    }
}
