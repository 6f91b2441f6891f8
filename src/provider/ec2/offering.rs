//! Where a machine could be launched, in which order that is tried, and what was found to be sold
//! out. Pure: the time is an argument.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use crate::clock::Instant;

/// For how long what was sold out is not asked for again. Capacity returns within minutes or after
/// hours; Karpenter waits as long.
const SHORTAGE: Duration = Duration::from_secs(180);

/// How AWS sells a machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Market {
    /// Cheap, and AWS takes it back with two minutes' notice.
    Spot,
    /// At the list price, for as long as one likes.
    OnDemand,
}

/// A part of the network, which lies in one zone.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Subnet {
    pub(super) id: String,
    pub(super) zone: String,
}

/// One way to get a machine.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Offering {
    /// The instance type.
    pub(super) kind: String,
    pub(super) subnet: Subnet,
    pub(super) market: Market,
}

/// What was sold out, and until when that is believed. Capacity belongs to a zone: another subnet
/// of it has no more.
#[derive(Clone, Debug, Default)]
pub(super) struct Shortages(BTreeMap<(String, String, Market), Instant>);

impl fmt::Display for Offering {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { kind, subnet, market } = self;
        match market {
            Market::Spot => write!(formatter, "{kind} (spot) in {}", subnet.zone),
            Market::OnDemand => write!(formatter, "{kind} in {}", subnet.zone),
        }
    }
}

impl Offering {
    fn key(&self) -> (String, String, Market) {
        (self.kind.clone(), self.subnet.zone.clone(), self.market)
    }
}

impl Shortages {
    /// It was sold out just now.
    pub(super) fn note(&mut self, offering: &Offering, now: Instant) {
        self.0.retain(|_, until| *until > now);
        self.0.insert(offering.key(), now + SHORTAGE);
    }

    /// Whether it is believed to be sold out.
    pub(super) fn contains(&self, offering: &Offering, now: Instant) -> bool {
        self.0.get(&offering.key()).is_some_and(|until| *until > now)
    }
}

/// Every way, the best first: the cheaper market, the type named first, and the zone whose turn it
/// is. `turn` is the slot's number, so that neighbours stand in different zones.
pub(super) fn in_order(
    markets: &[Market],
    kinds: &[String],
    subnets: &[Subnet],
    turn: u32,
) -> Vec<Offering> {
    let first = if subnets.is_empty() { 0 } else { turn as usize % subnets.len() };
    let rotated = || subnets[first..].iter().chain(&subnets[..first]);
    let pairs = markets.iter().flat_map(|market| kinds.iter().map(move |kind| (*market, kind)));
    pairs
        .flat_map(|(market, kind)| {
            rotated().map(move |subnet| {
                let (kind, subnet) = (kind.clone(), subnet.clone());
                Offering { kind, subnet, market }
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn subnet(zone: &str) -> Subnet {
        Subnet { id: format!("subnet-{zone}"), zone: zone.to_owned() }
    }

    fn order(markets: &[Market], turn: u32) -> Vec<String> {
        let kinds = ["a", "b"].map(str::to_owned);
        let subnets = ["1", "2", "3"].map(subnet);
        let order = in_order(markets, &kinds, &subnets, turn);
        order.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn neighbours_begin_in_different_zones_and_each_tries_all() {
        let one = [Market::OnDemand];
        assert_eq!(order(&one, 0), ["a in 1", "a in 2", "a in 3", "b in 1", "b in 2", "b in 3"]);
        assert_eq!(order(&one, 4)[..3], ["a in 2", "a in 3", "a in 1"]);
        assert_eq!(in_order(&one, &["a".to_owned()], &[], 7), []);
    }

    #[test]
    fn what_is_cheaper_is_tried_in_every_zone_first() {
        let order = order(&[Market::Spot, Market::OnDemand], 1);
        assert_eq!(order[0], "a (spot) in 2");
        assert_eq!(order[6], "a in 2");
        assert_eq!(order.len(), 12);
    }

    #[test]
    fn what_was_sold_out_is_passed_over_for_three_minutes() {
        let at = |seconds| Instant::at(Duration::from_secs(seconds));
        let offering = |id: &str, zone| Offering {
            kind: "a".to_owned(),
            market: Market::OnDemand,
            subnet: Subnet { id: id.to_owned(), ..subnet(zone) },
        };
        let mut shortages = Shortages::default();
        shortages.note(&offering("x", "1"), at(10));
        assert!(shortages.contains(&offering("y", "1"), at(189)), "the zone has no more elsewhere");
        assert!(!shortages.contains(&offering("x", "1"), at(190)));
        assert!(!shortages.contains(&offering("x", "2"), at(11)));
        let spot = Offering { market: Market::Spot, ..offering("x", "1") };
        assert!(!shortages.contains(&spot, at(11)), "another market is another stock");
    }
}
