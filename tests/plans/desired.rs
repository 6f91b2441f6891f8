//! What a story desires, and how it says so.

use std::time::Duration;

use cloudaps::fleet::{GroupSpec, Handover, LaunchOn, Operation, Ownership, Spec, Thresholds};

use super::command::{duration, number};

const SETTINGS: &str = "instances, standby, backend, backend_surge, surge, provider, launch_on, \
    launch_timeout, drain_timeout, settle, replacement_interval, healthy, refused, unresponsive, \
    flapping";

/// What every story starts with.
pub(crate) fn spec() -> Spec {
    let instances = GroupSpec {
        size: 3,
        standby: 0,
        launch_on: LaunchOn::Verdict,
        ownership: Ownership::Owned,
        handover: Handover::LaunchFirst { surge: 1 },
        launch_timeout: Duration::from_secs(10),
        drain_timeout: Duration::from_secs(5),
        settle: Duration::ZERO,
        thresholds: Thresholds {
            healthy: 1,
            refused: 2,
            unresponsive: 3,
            flapping: Duration::from_secs(30),
        },
        replacement_interval: Duration::from_secs(1),
    };
    let backend = GroupSpec { size: 0, handover: Handover::Fenced, ..instances.clone() };
    Spec { instances, backend, operation: Operation::Active }
}

/// Takes `key=value` settings over.
pub(crate) fn change(spec: &mut Spec, settings: &[(String, String)]) -> Result<(), String> {
    for (key, value) in settings {
        match key.as_str() {
            "instances" => spec.instances.size = number(value)?,
            "standby" => spec.instances.standby = number(value)?,
            "backend" => spec.backend.size = number(value)?,
            "surge" => spec.instances.handover = Handover::LaunchFirst { surge: number(value)? },
            "backend_surge" => {
                spec.backend.handover = Handover::LaunchFirst { surge: number(value)? };
            }
            "launch_on" => spec.instances.launch_on = launch_on(value)?,
            "provider" => spec.instances.ownership = ownership(value)?,
            _ => {
                set(&mut spec.instances, key, value)?;
                set(&mut spec.backend, key, value)?;
            }
        }
    }
    Ok(())
}

fn set(group: &mut GroupSpec, key: &str, value: &str) -> Result<(), String> {
    match key {
        "launch_timeout" => group.launch_timeout = duration(value)?,
        "drain_timeout" => group.drain_timeout = duration(value)?,
        "settle" => group.settle = duration(value)?,
        "replacement_interval" => group.replacement_interval = duration(value)?,
        "healthy" => group.thresholds.healthy = number(value)?,
        "refused" => group.thresholds.refused = number(value)?,
        "flapping" => group.thresholds.flapping = duration(value)?,
        "unresponsive" => group.thresholds.unresponsive = number(value)?,
        _ => return Err(format!("unknown setting `{key}`; allowed are {SETTINGS}")),
    }
    Ok(())
}

fn ownership(provider: &str) -> Result<Ownership, String> {
    match provider {
        "process" => Ok(Ownership::Owned),
        "static" => Ok(Ownership::Foreign),
        _ => Err(format!("unknown provider `{provider}`; allowed are process, static")),
    }
}

fn launch_on(what: &str) -> Result<LaunchOn, String> {
    match what {
        "verdict" => Ok(LaunchOn::Verdict),
        "suspicion" => Ok(LaunchOn::Suspicion),
        _ => Err(format!("unknown trigger `{what}`; allowed are verdict, suspicion")),
    }
}
