//! What the whole fleet costs, the machines that the balancer makes included.

use super::order::Order;
use crate::blueprint::{Bill, Item, Prices};
use crate::config::{self, File};

/// The price of what an order makes.
pub(super) fn of(order: &Order, file: &File) -> Bill {
    let spec = &order.config.spec;
    let instances = spec.instances.size + spec.instances.standby;
    let behind = instances + spec.backend.size;
    let machines = |instance_type: &str, count| Item::Machines {
        instance_type: instance_type.to_owned(),
        count,
    };
    // Of several types the first is taken as long as there is room.
    let balancer = order.machine.instance_types.first().map_or("", String::as_str);
    let others = file.ec2.instance_types.as_slice().first().map_or("", |one| one.as_str());
    let items = match balancer == others {
        true => vec![machines(others, behind + 1)],
        false => vec![machines(balancer, 1), machines(others, behind)],
    };
    let volume = order.spec.volume.as_ref().map(|volume| Item::Disk { gib: volume.gib });
    let addresses = Item::Addresses { count: behind + 1 };
    let items: Vec<Item> = items.into_iter().chain(volume).chain([addresses]).collect();
    Bill::of(&items, &prices(&file.ec2.prices))
}

fn prices(written: &config::Prices) -> Prices {
    Prices {
        currency: written.currency.clone(),
        machines: written.machines.iter().map(|(name, price)| (name.clone(), price.0)).collect(),
        gib_month: written.gib_month.map(|price| price.0),
        address: written.address.map(|price| price.0),
    }
}
