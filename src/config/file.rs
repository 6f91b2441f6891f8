//! The configuration file as it is written: every key, its type, its range and its default.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize};

use super::host_name::HostName;
use super::server::Server;
use super::traces::Traces;
use super::value::{Count, Span};
use crate::controller;
use crate::fleet::LaunchOn;

/// How many instances a fleet may have; the same as for `cloudaps scale`.
pub(super) const INSTANCES_MAX: u64 = controller::INSTANCES_MAX as u64;

/// How many backends there may be; the same as for `cloudaps scale`.
const BACKENDS_MAX: u64 = controller::BACKENDS_MAX as u64;

/// `cloudaps.toml`. What is left out has the default below.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct File {
    /// Where the balancer listens; what is left out here and below depends on the provider.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub listen: Option<SocketAddr>,
    /// Where the admin API listens.
    pub admin: SocketAddr,
    /// Under which names, besides addresses, the admin API may be reached.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub admin_hosts: Vec<HostName>,
    /// Whether the admin API may listen where other machines can reach it, although it does not
    /// encrypt.
    pub admin_exposed_unencrypted: bool,
    /// Where records, logs, tokens and the database are; the platform's state folder if left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub state_dir: Option<PathBuf>,
    /// Who makes the instances.
    pub provider: ProviderName,
    /// How many instances to keep; not for provider `static`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub instances: Option<Count<0, INSTANCES_MAX>>,
    /// How many more to keep ready without traffic; not for provider `static`.
    pub standby: Count<0, INSTANCES_MAX>,
    /// The servers of provider `static`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub endpoints: Vec<Server>,
    /// What an instance runs.
    pub instance: Instance,
    /// What the forwarders relay to.
    pub backend: Backend,
    /// The limits within which the fleet heals.
    pub fleet: Fleet,
    /// How instances are probed.
    pub probe: Probe,
    /// The data plane.
    pub proxy: super::proxy::Proxy,
    /// Machines on Amazon EC2.
    pub ec2: super::ec2::Ec2,
    /// What is told of requests to a collector of traces.
    pub traces: Traces,
}

/// How long a newborn may have until its first good probe.
pub(super) type LaunchTimeout = Span<100, 3_600_000>;
/// How often one more replacement may be allowed.
pub(super) type ReplacementInterval = Span<10, 3_600_000>;
/// How often the provider may be asked what exists.
pub(super) type ListInterval = Span<100, 600_000>;
/// How often an instance that starts may be probed.
pub(super) type StartingInterval = Span<1, 60_000>;

/// Who makes the instances.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum ProviderName {
    /// Child processes on this machine.
    #[default]
    Process,
    /// Servers that already exist.
    Static,
    /// Machines on Amazon EC2.
    Ec2,
}

/// `[instance]`: what an instance runs.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Instance {
    /// A server of your own, with `{port}` where its port goes; the forwarder if left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub command: Option<Command>,
    /// Which path a server of your own is probed at: any answer below 500 is good.
    pub health: HealthPath,
    /// Threads of a forwarder that carry traffic.
    pub threads: Count<1, 1024>,
}

/// `[backend]`: the task service behind the forwarders, or a server of your own.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Backend {
    /// The task service's database, `sqlite://PATH` or `postgres://…`; `tasks.db` under the state
    /// directory if left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub store: Option<String>,
    /// A server of your own, with `{port}` where its port goes; the task service if left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub command: Option<Command>,
    /// Which path a server of your own is probed at: any answer below 500 is good.
    pub health: HealthPath,
    /// Whether more than one of your own may run at a time.
    pub data: Data,
    /// How many to keep.
    pub replicas: Count<1, BACKENDS_MAX>,
}

/// Who may have the data open.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Data {
    /// One process at a time.
    #[default]
    Exclusive,
    /// Several.
    Shared,
}

/// `[fleet]`: the limits within which the fleet heals.
#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Fleet {
    /// How many machines may exist beyond `instances` and `standby` while some are replaced; as
    /// many as `instances` if left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub surge: Option<Count<1, 1000>>,
    /// What it takes to launch a successor.
    pub launch_on: Trigger,
    /// How long a newborn has until its first good probe.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub launch_timeout: Option<LaunchTimeout>,
    /// How long requests in flight have when their instance is drained.
    pub drain_timeout: Span<0, 3_600_000>,
    /// How long an instance has to stop by itself (SIGTERM) before it is killed.
    pub stop_timeout: Span<0, 600_000>,
    /// After `instances` replacements at once, one more is allowed per interval.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub replacement_interval: Option<ReplacementInterval>,
    /// How often the provider is asked what exists, beyond what it reports by itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub list_interval: Option<ListInterval>,
}

/// What it takes to launch a successor.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Trigger {
    /// That an instance failed.
    #[default]
    Verdict,
    /// That it may have.
    Suspicion,
}

impl From<Trigger> for LaunchOn {
    fn from(trigger: Trigger) -> Self {
        match trigger {
            Trigger::Verdict => Self::Verdict,
            Trigger::Suspicion => Self::Suspicion,
        }
    }
}

/// `[probe]`: how instances are probed.
#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Probe {
    /// Between two probes of an instance that serves.
    pub interval: Span<10, 600_000>,
    /// Between two probes of an instance that starts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub starting_interval: Option<StartingInterval>,
    /// How long an answer may take.
    pub timeout: Span<10, 60_000>,
    /// Good probes in a row until an instance takes traffic.
    pub healthy: Count<1, 100>,
    /// Refused probes in a row until it counts as dead.
    pub refused: Count<1, 100>,
    /// Timeouts or error answers in a row until it is replaced.
    pub unresponsive: Count<1, 100>,
    /// How long one may be well and unwell by turns until it is replaced.
    pub flapping: Span<1_000, 3_600_000>,
}

/// The command of a server of your own: at least a program, and `{port}` somewhere.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Command(pub Vec<String>);

/// The path of a health check: it begins with `/` and has only visible ASCII characters.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct HealthPath(pub String);

impl Default for File {
    fn default() -> Self {
        Self {
            listen: None,
            admin: SocketAddr::from(([127, 0, 0, 1], 5001)),
            admin_hosts: Vec::new(),
            admin_exposed_unencrypted: false,
            state_dir: None,
            provider: ProviderName::default(),
            instances: None,
            // A spare costs a machine all the time; what it saves is the time that one takes to
            // start, which for a process is next to nothing.
            standby: Count::new(0),
            endpoints: Vec::new(),
            instance: Instance::default(),
            backend: Backend::default(),
            fleet: Fleet::default(),
            probe: Probe::default(),
            proxy: super::proxy::Proxy::default(),
            ec2: super::ec2::Ec2::default(),
            traces: Traces::default(),
        }
    }
}

impl Default for Instance {
    fn default() -> Self {
        Self {
            command: None,
            health: HealthPath("/".to_owned()),
            // Three forwarders share this machine with the balancer: one thread each is enough.
            threads: Count::new(1),
        }
    }
}

impl Default for Backend {
    fn default() -> Self {
        Self {
            store: None,
            command: None,
            health: HealthPath("/".to_owned()),
            // Two that write to the same file without knowing of each other would ruin it.
            data: Data::Exclusive,
            replicas: Count::new(1),
        }
    }
}

impl Default for Fleet {
    fn default() -> Self {
        Self {
            surge: None,
            // A machine that turns out not to be needed has to be paid for.
            launch_on: Trigger::Verdict,
            launch_timeout: None,
            // What others use for a deployment: kamal-proxy and Kubernetes wait 30 s.
            drain_timeout: Span::new(Duration::from_secs(30)),
            // It is drained before it is stopped, so only its own clean-up is left to do.
            stop_timeout: Span::new(Duration::from_secs(5)),
            replacement_interval: None,
            list_interval: None,
        }
    }
}

impl Default for Probe {
    fn default() -> Self {
        Self {
            // A hung instance is out of the traffic after 3 × (interval + timeout) at the most.
            interval: Span::new(Duration::from_millis(500)),
            starting_interval: None,
            // The health check touches nothing but memory: half a second is a hundred times that,
            // and forgives a busy machine.
            timeout: Span::new(Duration::from_millis(500)),
            healthy: Count::new(1),
            // One may be chance (a full queue); twice in a row nobody is listening.
            refused: Count::new(2),
            // Three in a row: one lost packet or one long pause must not cost a machine.
            unresponsive: Count::new(3),
            // Longer than a restart of whatever it depends on, or a neighbour's busy moment.
            flapping: Span::new(Duration::from_secs(30)),
        }
    }
}

impl<'de> Deserialize<'de> for Command {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let words = Vec::<String>::deserialize(deserializer)?;
        if words.first().is_none_or(String::is_empty) {
            return Err(D::Error::custom("the command is empty: its first word is the program"));
        }
        if !words.iter().skip(1).any(|word| word.contains("{port}")) {
            let wanted = "no argument contains `{port}`: it says where the server's port goes";
            return Err(D::Error::custom(wanted));
        }
        Ok(Self(words))
    }
}

impl<'de> Deserialize<'de> for HealthPath {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let path = String::deserialize(deserializer)?;
        if path.starts_with('/') && path.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Ok(Self(path));
        }
        let wanted = "allowed is a path that begins with `/`, without spaces, such as \"/health\"";
        Err(D::Error::custom(format!("`{path}` is no path: {wanted}")))
    }
}
