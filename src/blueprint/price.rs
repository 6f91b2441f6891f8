//! What it costs for as long as it stands, by a table that the user keeps.

use std::collections::BTreeMap;

/// The hours of an average month, by which AWS divides what it sells by the month.
const HOURS_OF_MONTH: f64 = 730.0;

/// What things cost. AWS's prices differ by region and change, so there are none by default.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Prices {
    /// In what: `USD`.
    pub currency: String,
    /// A machine of a type, by the hour.
    pub machines: BTreeMap<String, f64>,
    /// A GiB of disk, by the month.
    pub gib_month: Option<f64>,
    /// A public address, by the hour.
    pub address: Option<f64>,
}

/// Something that is paid for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Item {
    /// So many machines of a type.
    Machines {
        /// The type.
        instance_type: String,
        /// How many.
        count: u32,
    },
    /// So much disk.
    Disk {
        /// In GiB.
        gib: u32,
    },
    /// So many public addresses.
    Addresses {
        /// How many.
        count: u32,
    },
}

/// What is known of the price per hour.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Bill {
    /// The sum of what has a price.
    pub hourly: f64,
    /// In what.
    pub currency: String,
    /// What has a price: how it comes about.
    pub lines: Vec<String>,
    /// What has none.
    pub unknown: Vec<String>,
}

impl Bill {
    /// What these items cost.
    #[must_use]
    pub fn of(items: &[Item], prices: &Prices) -> Self {
        let mut bill = Self { currency: prices.currency.clone(), ..Self::default() };
        for item in items {
            bill.add(item, prices);
        }
        bill
    }

    /// The same for a month.
    #[must_use]
    pub fn monthly(&self) -> f64 {
        self.hourly * HOURS_OF_MONTH
    }

    fn add(&mut self, item: &Item, prices: &Prices) {
        let (name, count, price) = match item {
            Item::Machines { instance_type, count } => {
                (instance_type.clone(), *count, prices.machines.get(instance_type).copied())
            }
            Item::Disk { gib } => {
                let hourly = prices.gib_month.map(|monthly| monthly / HOURS_OF_MONTH);
                ("GiB of disk".to_owned(), *gib, hourly)
            }
            Item::Addresses { count } => ("public addresses".to_owned(), *count, prices.address),
        };
        match price {
            _ if count == 0 => {}
            Some(price) => {
                let sum = price * f64::from(count);
                self.hourly += sum;
                self.lines.push(format!("{count} {name} {sum:.4}"));
            }
            None => self.unknown.push(name),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn items() -> [Item; 4] {
        let machines = |name: &str, count| Item::Machines { instance_type: name.to_owned(), count };
        let (disk, addresses) = (Item::Disk { gib: 10 }, Item::Addresses { count: 5 });
        [machines("t3.small", 4), machines("t3.huge", 1), disk, addresses]
    }

    #[test]
    fn what_has_a_price_is_summed_and_what_has_none_is_named() {
        let prices = Prices {
            currency: "USD".to_owned(),
            machines: [("t3.small".to_owned(), 0.02)].into(),
            gib_month: Some(0.073),
            address: Some(0.005),
        };
        let bill = Bill::of(&items(), &prices);
        assert!((bill.hourly - (0.08 + 0.001 + 0.025)).abs() < 1e-9, "{bill:?}");
        let lines = ["4 t3.small 0.0800", "10 GiB of disk 0.0010", "5 public addresses 0.0250"];
        assert_eq!(bill.lines, lines);
        assert_eq!(bill.unknown, ["t3.huge"]);
    }

    #[test]
    fn without_a_table_nothing_has_a_price() {
        let bill = Bill::of(&items(), &Prices::default());
        assert_eq!((bill.lines.len(), bill.unknown.len()), (0, 4));
    }
}
