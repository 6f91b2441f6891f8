//! Sets of networks, asked once per connection.

use std::net::IpAddr;
use std::sync::Arc;

use ipnet::IpNet;

/// Networks that a setting names. There are few, so they are looked at one by one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Networks(Arc<[IpNet]>);

impl Networks {
    /// Whether `address` is in one of them.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        self.0.iter().any(|network| network.contains(&address))
    }
}

impl FromIterator<IpNet> for Networks {
    fn from_iter<I: IntoIterator<Item = IpNet>>(networks: I) -> Self {
        Self(networks.into_iter().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_in_one_of_the_networks_or_in_none() {
        let networks: Networks =
            ["10.0.0.0/8", "::1/128"].iter().map(|text| text.parse::<IpNet>().unwrap()).collect();
        for (address, is_in) in
            [("10.1.2.3", true), ("::1", true), ("11.0.0.0", false), ("::2", false)]
        {
            assert_eq!(networks.contains(address.parse().unwrap()), is_in, "{address}");
        }
        assert!(!Networks::default().contains("::1".parse().unwrap()));
    }
}
