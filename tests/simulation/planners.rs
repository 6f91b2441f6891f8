//! Planners with a mistake: what the deliberate bugs decide by.

use std::sync::Arc;
use std::time::Duration;

use cloudaps::clock::Instant;
use cloudaps::fleet::{
    Action, Backends, Fleet, Flow, Group, Handover, LaunchToken, Operation, Phase, Plan, Reason,
    Spec, Tracked, plan,
};

pub(super) fn without_the_limit(desired: &Spec, observed: &Fleet, now: Instant) -> Plan {
    let mut broken = desired.clone();
    broken.instances.handover = Handover::LaunchFirst { surge: 9 };
    plan(&broken, observed, now)
}

pub(super) fn with_one_token(desired: &Spec, observed: &Fleet, now: Instant) -> Plan {
    let mut broken = plan(desired, observed, now);
    for action in &mut broken.actions {
        if let Action::Launch(launch) = action {
            launch.token = LaunchToken::recorded(&launch.slot.to_string());
        }
    }
    broken
}

pub(super) fn without_a_drain(desired: &Spec, observed: &Fleet, now: Instant) -> Plan {
    let mut broken = plan(desired, observed, now);
    for action in &mut broken.actions {
        if let Action::Drain(id, reason) = action {
            *action = Action::Terminate(id.clone(), reason.clone());
        }
    }
    broken
}

pub(super) fn without_mercy(desired: &Spec, observed: &Fleet, now: Instant) -> Plan {
    let mut broken = plan(desired, observed, now);
    for action in &mut broken.actions {
        if let Action::Supersede(id, reason) = action {
            *action = Action::Terminate(id.clone(), reason.clone());
        }
    }
    broken
}

pub(super) fn without_patience(desired: &Spec, observed: &Fleet, now: Instant) -> Plan {
    let mut broken = plan(desired, observed, now);
    for tracked in observed.members(Group::Instances) {
        if let Phase::Draining(reason, Flow::InFlight) = &tracked.phase
            && tracked.since < now
        {
            let end = Action::Terminate(tracked.instance.id.clone(), reason.clone());
            broken.actions.retain(|action| *action != end);
            broken.actions.push(end);
        }
    }
    broken
}

pub(super) fn without_the_fence(desired: &Spec, observed: &Fleet, now: Instant) -> Plan {
    let mut broken = desired.clone();
    broken.backend.handover = Handover::LaunchFirst { surge: 1 };
    plan(&broken, observed, now)
}

pub(super) fn to_the_old_backend(desired: &Spec, observed: &Fleet, now: Instant) -> Plan {
    let mut broken = plan(desired, observed, now);
    let leaves = |of: &&Tracked| of.phase.reason().is_some();
    let old = observed.members(Group::Backend).find(leaves);
    let old = old.and_then(|of| of.instance.address.as_ref()?.ip());
    let follower = observed.members(Group::Instances).find(|of| of.phase == Phase::Serving);
    if let (Some(old), Some(follower)) = (old, follower)
        && let Some(control) = follower.instance.control
        && !follower.relays.to.serving.contains(&old)
    {
        let to = Arc::new(Backends::serving([old]));
        broken.actions.push(Action::Repoint { id: follower.instance.id.clone(), control, to });
    }
    broken
}

pub(super) fn without_pausing(desired: &Spec, observed: &Fleet, now: Instant) -> Plan {
    plan(&Spec { operation: Operation::Active, ..desired.clone() }, observed, now)
}

pub(super) fn a_hundred_times(desired: &Spec, observed: &Fleet, now: Instant) -> Plan {
    let mut broken = plan(desired, observed, now);
    broken.actions = broken.actions.iter().flat_map(|of| vec![of.clone(); 100]).collect();
    broken
}

pub(super) fn by_mood(desired: &Spec, observed: &Fleet, now: Instant) -> Plan {
    use std::sync::atomic::{AtomicU64, Ordering};
    static MOOD: AtomicU64 = AtomicU64::new(0);
    let mut broken = plan(desired, observed, now);
    broken.wake_at = Some(now + Duration::from_secs(1 + MOOD.fetch_add(1, Ordering::Relaxed)));
    broken
}

pub(super) fn without_acting(desired: &Spec, observed: &Fleet, now: Instant) -> Plan {
    Plan { actions: Vec::new(), wake_at: None, ..plan(desired, observed, now) }
}

pub(super) fn with_duplicates(desired: &Spec, observed: &Fleet, now: Instant) -> Plan {
    let mut broken = plan(desired, observed, now);
    let stays = |reason: &Reason| matches!(reason, Reason::Duplicate | Reason::Surplus);
    broken.actions.retain(|of| !matches!(of, Action::Drain(_, reason) if stays(reason)));
    broken
}

pub(super) fn ends_once(desired: &Spec, observed: &Fleet, now: Instant) -> Plan {
    let mut broken = plan(desired, observed, now);
    broken.actions.retain(|action| match action {
        Action::Terminate(id, _) => {
            !observed.get(id).is_some_and(|of| matches!(of.phase, Phase::Terminating(..)))
        }
        _ => true,
    });
    broken.wake_at = broken.wake_at.filter(|at| *at > now);
    broken
}

pub(super) fn without_promotion(desired: &Spec, observed: &Fleet, now: Instant) -> Plan {
    let mut broken = plan(desired, observed, now);
    broken.actions.retain(|action| !matches!(action, Action::Promote(_)));
    broken
}

pub(super) fn without_demotion(desired: &Spec, observed: &Fleet, now: Instant) -> Plan {
    let mut broken = plan(desired, observed, now);
    broken.actions.retain(|action| !matches!(action, Action::Demote(_)));
    broken
}

pub(super) fn with_more_spares(desired: &Spec, observed: &Fleet, now: Instant) -> Plan {
    let mut broken = desired.clone();
    broken.instances.standby += broken.instances.size;
    plan(&broken, observed, now)
}

/// Whoever starts could as well serve.
pub(super) fn to_newborn_backends(desired: &Spec, observed: &Fleet, now: Instant) -> Plan {
    let starts = |of: &&Tracked| of.phase == Phase::Starting;
    let newborns = observed.members(Group::Backend).filter(starts);
    let newborns: Vec<_> = newborns.filter_map(|of| of.instance.address.as_ref()?.ip()).collect();
    redirected(plan(desired, observed, now), |to| to.serving.extend(&newborns))
}

pub(super) fn to_one_backend(desired: &Spec, observed: &Fleet, now: Instant) -> Plan {
    redirected(plan(desired, observed, now), |to| {
        to.serving = to.serving.first().copied().into_iter().collect();
    })
}

fn redirected(mut broken: Plan, change: impl Fn(&mut Backends)) -> Plan {
    for action in &mut broken.actions {
        if let Action::Repoint { to, .. } = action {
            change(Arc::make_mut(to));
        }
    }
    broken
}

/// As if a backend had no requests but those of the balancer.
pub(super) fn without_the_forwarders_requests(
    desired: &Spec,
    observed: &Fleet,
    now: Instant,
) -> Plan {
    let mut broken = plan(desired, observed, now);
    for tracked in observed.members(Group::Backend) {
        if let Phase::Draining(reason, Flow::Quiet) = &tracked.phase {
            let end = Action::Terminate(tracked.instance.id.clone(), reason.clone());
            broken.actions.retain(|action| *action != end);
            broken.actions.push(end);
        }
    }
    broken
}

pub(super) fn without_the_limit_of_backends(
    desired: &Spec,
    observed: &Fleet,
    now: Instant,
) -> Plan {
    let mut broken = desired.clone();
    if broken.backend.handover != Handover::Fenced {
        broken.backend.handover = Handover::LaunchFirst { surge: 9 };
    }
    plan(&broken, observed, now)
}
