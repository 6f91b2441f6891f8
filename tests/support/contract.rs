//! What every provider has to do, whatever its machines are.

use cloudaps::address::Address;
use cloudaps::fleet::{Group, Instance, InstanceId, Launch, LaunchToken, Slot, Vitals};
use cloudaps::provider::Provider;

/// The contract of [`Provider`], step by step.
pub(crate) async fn keeps_the_contract(provider: &impl Provider) {
    assert_eq!(provider.list().await.unwrap(), []);

    let first = provider.launch(&launch(0)).await.unwrap();
    assert_eq!(first.slot, launch(0).slot);
    assert_eq!(first.token, Some(launch(0).token));
    assert!(!matches!(first.vitals, Vitals::Gone(_)), "{first:?}");

    let again = provider.launch(&launch(0)).await.unwrap();
    assert_eq!(names([again]), names([first.clone()]), "the same token made two instances");

    let second = provider.launch(&launch(1)).await.unwrap();
    assert_ne!(second.id, first.id);
    assert_ne!(second.address, first.address);
    assert_eq!(listed(provider).await, names([first.clone(), second.clone()]));

    provider.terminate(&first.id).await.unwrap();
    assert_eq!(listed(provider).await, names([second.clone()]));
    provider.terminate(&first.id).await.unwrap();
    provider.terminate(&InstanceId::new("never-launched")).await.unwrap();
    assert_eq!(listed(provider).await, names([second.clone()]));

    provider.terminate(&second.id).await.unwrap();
    assert_eq!(provider.list().await.unwrap(), []);
}

/// A launch for the instance slot of this number.
pub(crate) fn launch(serial: u32) -> Launch {
    let slot = Slot { group: Group::Instances, index: serial };
    Launch { token: LaunchToken::new(slot, 0xabcd, serial), slot, backends: Default::default() }
}

/// What does not change as an instance starts.
type Name = (Slot, InstanceId, Option<LaunchToken>, Option<Address>);

async fn listed(provider: &impl Provider) -> Vec<Name> {
    names(provider.list().await.unwrap())
}

fn names(instances: impl IntoIterator<Item = Instance>) -> Vec<Name> {
    let named = instances.into_iter().map(|one| (one.slot, one.id, one.token, one.address));
    let mut names: Vec<Name> = named.collect();
    names.sort_by_key(|(slot, ..)| *slot);
    names
}
