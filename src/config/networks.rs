//! Lists of networks, valid once they exist.

use std::net::IpAddr;

use ipnet::IpNet;
use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Networks in one list: each is looked at for each connection, and the longest published list of
/// a CDN's networks has some hundreds.
const NETWORKS_MAX: usize = 1024;

/// What may be written.
const ALLOWED: &str = "allowed are networks such as \"10.0.0.0/8\" and \"2001:db8::/32\", and \
                       addresses such as \"192.0.2.1\" and \"::1\"";

/// Networks, each written as `ADDRESS/PREFIX`, or as an address that is one by itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Networks(Vec<IpNet>);

impl Networks {
    /// Whether none is named.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The networks, each as it was written.
    #[must_use]
    pub fn to_strings(&self) -> Vec<String> {
        self.0.iter().map(IpNet::to_string).collect()
    }

    /// The networks, as the engine wants them.
    pub(super) fn to_proxy(&self) -> crate::proxy::Networks {
        self.0.iter().copied().collect()
    }
}

impl Serialize for Networks {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.iter().map(IpNet::to_string))
    }
}

impl<'de> Deserialize<'de> for Networks {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let words = Vec::<String>::deserialize(deserializer)?;
        if words.len() > NETWORKS_MAX {
            let count = words.len();
            let refusal = format!("{count} networks are too many: allowed are {NETWORKS_MAX}");
            return Err(D::Error::custom(refusal));
        }
        let networks = words.iter().map(|word| network(word));
        networks.collect::<Result<_, _>>().map(Self).map_err(D::Error::custom)
    }
}

/// A network, of which nothing is left to guess.
fn network(word: &str) -> Result<IpNet, String> {
    let address = || word.parse::<IpAddr>().map(IpNet::from);
    let network: IpNet = word
        .parse()
        .or_else(|_| address())
        .map_err(|_| format!("`{word}` is no network: {ALLOWED}"))?;
    if network.addr() != network.network() {
        let meant = network.trunc();
        return Err(format!("`{word}` has bits after its prefix: write `{meant}`; {ALLOWED}"));
    }
    match network {
        // Clients of IPv4 are known by their IPv4 address, so it would never match.
        IpNet::V6(v6) if v6.addr().to_ipv4_mapped().is_some() => {
            Err(format!("`{word}` is IPv4 written as IPv6: write it as IPv4; {ALLOWED}"))
        }
        IpNet::V4(_) | IpNet::V6(_) => Ok(network),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Deserialize, Serialize)]
    struct Sample {
        from: Networks,
    }

    fn read(list: &str) -> Result<String, String> {
        let sample = toml::from_str::<Sample>(&format!("from = {list}\n"));
        sample.map(|sample| toml::to_string(&sample).unwrap()).map_err(|error| error.to_string())
    }

    #[test]
    fn networks_and_addresses_are_networks() {
        let read = read("[\"10.0.0.0/8\", \"::1\", \"192.0.2.1\", \"0.0.0.0/0\"]").unwrap();
        let all = "\"10.0.0.0/8\", \"::1/128\", \"192.0.2.1/32\", \"0.0.0.0/0\"";
        assert_eq!(read, format!("from = [{all}]\n"));
        assert_eq!(self::read("[]").unwrap(), "from = []\n");
    }

    #[test]
    fn what_is_no_network_is_refused_with_what_is_allowed() {
        for (list, words) in [
            ("[\"10.0.0.1/8\"]", ["line 1", "10.0.0.1/8", "write `10.0.0.0/8`"]),
            ("[\"2001:db8::1/32\"]", ["line 1", "2001:db8::1/32", "write `2001:db8::/32`"]),
            ("[\"10.0.0.0/33\"]", ["line 1", "10.0.0.0/33", "allowed are networks"]),
            ("[\"localhost\"]", ["line 1", "localhost", "\"192.0.2.1\""]),
            ("[\"\"]", ["line 1", "``", "allowed are"]),
            ("[\"::ffff:10.0.0.0/104\"]", ["line 1", "::ffff:10.0.0.0/104", "as IPv4"]),
            ("\"10.0.0.0/8\"", ["line 1", "10.0.0.0/8", "sequence"]),
        ] {
            let refusal = read(list).unwrap_err();
            for word in words {
                assert!(refusal.contains(word), "`{word}` is not in: {refusal}");
            }
        }
    }

    #[test]
    fn a_list_without_end_is_refused() {
        let list = format!("[{}]", "\"::1\",".repeat(NETWORKS_MAX + 1));
        assert!(read(&list).unwrap_err().contains("1025 networks are too many"));
    }
}
