//! What EC2 answers, in our terms.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use aws_sdk_ec2::Client;
use aws_sdk_ec2::types::{self, Filter, InstanceStateName};

use super::census::{Machine, State};
use super::offering::Subnet;
use crate::aws::{self, tags};
use crate::boot::{CONTROL_PORT, TRAFFIC_PORT};
use crate::fleet::{Capacity, Group, Instance, InstanceId, LaunchToken, Slot, Vitals};

/// Machines on one page: the most that EC2 allows, so that a fleet is one call.
const PAGE: i32 = 1000;

/// Every machine of the fleet, in whatever state: one filtered call for all of them.
pub(super) async fn fleet(ec2: &Client, fleet: &str) -> Result<Vec<Machine>, aws::Error> {
    let filters = [tags::with(tags::FLEET, fleet), tags::with_any(tags::LAUNCH)];
    let call = ec2.describe_instances().set_filters(Some(filters.into())).max_results(PAGE);
    let mut pages = call.into_paginator().send();
    let mut found = Vec::new();
    while let Some(page) = pages.next().await {
        let page = page.map_err(|error| aws::Error::of("DescribeInstances", &error))?;
        let described = page.reservations().iter().flat_map(types::Reservation::instances);
        found.extend(described.filter_map(machine));
    }
    Ok(found)
}

/// A machine of ours; nothing, if its tags do not say what it is for.
pub(super) fn machine(described: &types::Instance) -> Option<Machine> {
    let tag = |key| tags::value(described.tags(), key);
    let slot: Slot = tag(tags::SLOT)?.parse().ok()?;
    let token = LaunchToken::recorded(tag(tags::LAUNCH)?);
    let state = state_of(described.state().and_then(types::InstanceState::name));
    let ip = described.private_ip_address().and_then(|text| text.parse::<IpAddr>().ok());
    let control = match slot.group {
        Group::Instances => ip.map(|ip| SocketAddr::new(ip, CONTROL_PORT)),
        Group::Backend => None,
    };
    let launched = described.launch_time().and_then(|time| u64::try_from(time.secs()).ok());
    let instance = Instance {
        id: InstanceId::new(described.instance_id()?),
        slot,
        token: Some(token),
        address: ip.map(|ip| SocketAddr::new(ip, TRAFFIC_PORT).into()),
        control,
        capacity: Capacity::ORDINARY,
        vitals: vitals(state, described),
        label: label(described),
        launched: Duration::from_secs(launched.unwrap_or_default()),
    };
    Some(Machine { instance, state })
}

/// What a state means. One that this program does not know is not taken for an end.
pub(super) fn state_of(name: Option<&InstanceStateName>) -> State {
    match name {
        Some(InstanceStateName::Running) => State::Running,
        Some(InstanceStateName::ShuttingDown) => State::ShuttingDown,
        Some(InstanceStateName::Stopping | InstanceStateName::Stopped) => State::Stopped,
        Some(InstanceStateName::Terminated) => State::Terminated,
        _ => State::Pending,
    }
}

fn vitals(state: State, described: &types::Instance) -> Vitals {
    let name = match state {
        State::Pending => return Vitals::Pending,
        State::Running => return Vitals::Running,
        State::ShuttingDown => "shutting down",
        State::Stopped => "stopped",
        State::Terminated => "terminated",
    };
    let reason = described.state_reason().and_then(types::StateReason::message);
    let reason = reason.map(|reason| format!(" ({reason})")).unwrap_or_default();
    Vitals::Gone(format!("the machine is {name}{reason}"))
}

/// What a person would look for: `t3.micro in us-east-1a`.
fn label(described: &types::Instance) -> String {
    let kind = described.instance_type().map_or("machine", types::InstanceType::as_str);
    let zone = described.placement().and_then(types::Placement::availability_zone);
    let spot = described.instance_lifecycle().map_or("", |_| " (spot)");
    format!("{kind}{spot} in {}", zone.unwrap_or("an unknown zone"))
}

/// The subnets that are named, or those of the default network; in the order of their zones, so
/// that every `up` spreads the slots alike.
pub(super) async fn subnets(ec2: &Client, named: &[String]) -> Result<Vec<Subnet>, aws::Error> {
    let call = ec2.describe_subnets();
    let call = if named.is_empty() {
        call.filters(Filter::builder().name("default-for-az").values("true").build())
    } else {
        call.set_subnet_ids(Some(named.to_vec()))
    };
    let answer = call.send().await.map_err(|error| aws::Error::of("DescribeSubnets", &error))?;
    let subnets = answer.subnets().iter().filter_map(|subnet| {
        let zone = subnet.availability_zone()?.to_owned();
        Some(Subnet { id: subnet.subnet_id()?.to_owned(), zone })
    });
    let mut subnets: Vec<Subnet> = subnets.collect();
    subnets.sort_by(|one, other| (&one.zone, &one.id).cmp(&(&other.zone, &other.id)));
    if subnets.is_empty() {
        return Err(aws::Error::no_network());
    }
    Ok(subnets)
}

#[cfg(test)]
mod tests {
    use aws_sdk_ec2::types::{InstanceState, InstanceType, Placement, StateReason};

    use super::*;

    fn described(state: InstanceStateName) -> types::builders::InstanceBuilder {
        types::Instance::builder()
            .instance_id("i-1")
            .instance_type(InstanceType::T3Micro)
            .placement(Placement::builder().availability_zone("us-east-1a").build())
            .private_ip_address("10.0.0.7")
            .state(InstanceState::builder().name(state).build())
            .tags(tags::tag(tags::SLOT, "instance-2"))
            .tags(tags::tag(tags::LAUNCH, "instance-2-abc-1"))
    }

    #[test]
    fn a_machine_is_what_its_tags_say() {
        let Machine { instance, state } =
            machine(&described(InstanceStateName::Running).build()).unwrap();
        assert_eq!(state, State::Running);
        assert_eq!(instance.id.as_str(), "i-1");
        assert_eq!(instance.slot.to_string(), "instance-2");
        assert_eq!(instance.token.unwrap().as_str(), "instance-2-abc-1");
        assert_eq!(instance.address.unwrap().to_string(), "10.0.0.7:5000");
        assert_eq!(instance.control.unwrap().to_string(), "10.0.0.7:5001");
        assert_eq!(instance.label, "t3.micro in us-east-1a");
    }

    #[test]
    fn what_is_not_running_is_gone_and_the_reason_is_told() {
        let reason = StateReason::builder().message("Server.SpotInstanceTermination").build();
        let stopped = described(InstanceStateName::Stopping).state_reason(reason).build();
        let Vitals::Gone(how) = machine(&stopped).unwrap().instance.vitals else { panic!() };
        assert_eq!(how, "the machine is stopped (Server.SpotInstanceTermination)");
        let pending = machine(&described(InstanceStateName::Pending).build()).unwrap();
        assert_eq!(pending.instance.vitals, Vitals::Pending);
    }

    #[test]
    fn a_state_that_nobody_knows_is_no_end() {
        assert_eq!(state_of(Some(&InstanceStateName::from("hovering"))), State::Pending);
        assert_eq!(state_of(None), State::Pending);
    }

    #[test]
    fn what_has_no_slot_is_nobody_of_the_fleet() {
        let balancer = types::Instance::builder().instance_id("i-2");
        let balancer = balancer.tags(tags::tag(tags::FLEET, "cloudaps")).build();
        assert_eq!(machine(&balancer), None);
    }
}
