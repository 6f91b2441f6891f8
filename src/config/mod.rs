//! From what was typed to what it means, once, before anything is done: a [`Config`] that exists
//! is valid. Flags override the file, the file overrides the defaults.

mod access_log;
mod affinity;
mod backend;
mod ec2;
mod file;
mod host_name;
mod install;
mod machines;
mod networks;
mod pace;
mod proxy;
mod server;
mod shown;
mod together;
mod traces;
mod value;

use std::fmt;
use std::fs;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::cli::{ProviderKind, TracesArgs, UpArgs};
use crate::controller::{Cadence, Listing, PathChecks};
use crate::fleet::{GroupSpec, Handover, Operation, Ownership, Spec, Thresholds};
use crate::http1::Forwarding;
use crate::pool::Balance;
use crate::provider::fixed;
use crate::provider::process::Workload;
use crate::proxy::{LogFormat, Settings, TraceSettings};
use crate::state_dir::StateDir;
pub use ec2::{Artifact, Ec2, Location, SecurityGroups, Word};
pub use file::File;
use file::{Data, ProviderName};
pub use install::{Install, Price, Prices};
pub use machines::{Kept, Machines};
use server::Server;
pub use shown::{Origin, Shown};
use value::Count;

/// How many instances are kept when nobody says otherwise: the original's three. With two, the
/// failure of one doubles the load of the other; with three it grows by half.
const INSTANCES: u32 = 3;

/// Everything `up` needs to know, valid.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where the balancer listens.
    pub listen: SocketAddr,
    /// Where the admin API listens.
    pub admin: SocketAddr,
    /// Under which names, besides addresses, it may be reached.
    pub admin_hosts: Vec<String>,
    /// Where records, logs, tokens and the database are.
    pub state_dir: PathBuf,
    /// Who makes the instances, and what they run.
    pub provider: Provider,
    /// What is desired.
    pub spec: Spec,
    /// Where servers without a control listener are probed.
    pub check: PathChecks,
    /// When they are probed.
    pub cadence: Cadence,
    /// How often the provider is asked what exists.
    pub listing: Listing,
    /// How long requests in flight have when the balancer stops.
    pub drain_timeout: Duration,
    /// How the balancer picks an endpoint.
    pub balance: Balance,
    /// What a signal stops.
    pub on_signal: End,
    /// The data plane.
    pub proxy: Settings,
    /// Where requests are logged.
    pub access_log: Option<LogTarget>,
    /// What is told of requests to a collector of traces, and to which.
    pub traces: Option<TraceSettings>,
    /// Whether the controller itself may be broken.
    pub chaos: Chaos,
    /// All settings, for people to read.
    pub shown: Vec<Shown>,
}

/// What is to stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// The balancer, and everything that it launched.
    Everything,
    /// The balancer alone. What it launched serves again when a balancer is back: the machine that
    /// it runs on may only be restarting.
    Balancer,
}

impl fmt::Display for End {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Everything => "everything",
            Self::Balancer => "the balancer",
        })
    }
}

/// Whether `cloudaps chaos` may break the controller itself. Never from a file: it is asked for
/// each time that somebody starts `up`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Chaos {
    /// It may.
    Allowed,
    /// It may not.
    Forbidden,
}

/// Where requests are logged, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogTarget {
    /// The file.
    pub path: PathBuf,
    /// What a line looks like.
    pub format: LogFormat,
}

/// Who makes the instances, and what they run.
#[derive(Clone, Debug)]
pub enum Provider {
    /// Child processes.
    Process(Processes),
    /// Servers that already exist.
    Static(Vec<fixed::Server>),
    /// Machines on Amazon EC2.
    Ec2(Box<Machines>),
}

/// What the child processes are.
#[derive(Clone, Debug)]
pub struct Processes {
    /// What an instance runs.
    pub instances: Workload,
    /// What the backend runs, if there is one.
    pub backend: Option<Workload>,
    /// How long one has to stop by itself.
    pub stop_timeout: Duration,
}

/// Something typed that cannot be meant.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file cannot be read.
    #[error("cannot read the configuration `{}`: {source}", path.display())]
    Read {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The file is not valid; the source shows the line, the key, the value and what is allowed.
    #[error("`{}` is not valid: {source}", path.display())]
    Invalid {
        /// Which file.
        path: PathBuf,
        /// Where and what.
        source: Box<toml::de::Error>,
    },
    /// Values that are valid by themselves and not together; or a flag that is out of range.
    #[error("{0}")]
    Together(String),
    /// There is no place for the state.
    #[error(transparent)]
    State(#[from] crate::state_dir::Error),
}

impl File {
    /// Reads a file.
    ///
    /// # Errors
    /// It cannot be read or is not valid.
    pub fn read(path: &Path) -> Result<Self, Error> {
        let text = fs::read_to_string(path)
            .map_err(|source| Error::Read { path: path.to_owned(), source })?;
        let invalid = |source| Error::Invalid { path: path.to_owned(), source: Box::new(source) };
        toml::from_str(&text).map_err(invalid)
    }

    /// The file, or the defaults if there is none.
    ///
    /// # Errors
    /// It cannot be read or is not valid.
    pub fn read_or_default(path: Option<&Path>) -> Result<Self, Error> {
        path.map_or_else(|| Ok(Self::default()), Self::read)
    }

    /// The file with the flags over it.
    ///
    /// # Errors
    /// A flag is out of range.
    pub fn overridden_by(mut self, args: &UpArgs) -> Result<Self, Error> {
        self.listen = args.listen.or(self.listen);
        self.admin = args.admin.unwrap_or(self.admin);
        self.admin_exposed_unencrypted |= args.admin_exposed_unencrypted;
        self.state_dir = args.state_dir.clone().or(self.state_dir);
        if let Some(provider) = args.provider {
            self.provider = match provider {
                ProviderKind::Process => ProviderName::Process,
                ProviderKind::Static => ProviderName::Static,
                ProviderKind::Ec2 => ProviderName::Ec2,
            };
        }
        if !args.endpoints.is_empty() {
            self.endpoints = args.endpoints.iter().cloned().map(Server::from).collect();
        }
        self = self.traced_to(&args.traces)?;
        let refusal = |flag| move |refusal| Error::Together(format!("{flag}: {refusal}"));
        if let Some(instances) = args.instances {
            let checked = Count::checked(instances.into());
            self.instances = Some(checked.map_err(refusal("--instances"))?);
        }
        if let Some(standby) = args.standby {
            let checked = Count::checked(standby.into());
            self.standby = checked.map_err(refusal("--standby"))?;
        }
        Ok(self)
    }

    /// The file with another collector of traces, and other headers for it, if they were named.
    ///
    /// # Errors
    /// They are none.
    pub fn traced_to(mut self, args: &TracesArgs) -> Result<Self, Error> {
        // A variable that is empty counts as none, as OpenTelemetry has it.
        let named = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
        if let Some(endpoint) = named(&args.traces_endpoint) {
            let refusal = |refusal| Error::Together(format!("--traces-endpoint: {refusal}"));
            self.traces.endpoint = Some(endpoint.parse().map_err(refusal)?);
        }
        if let Some(headers) = named(&args.traces_headers) {
            let refusal = |refusal| Error::Together(format!("--traces-headers: {refusal}"));
            self.traces.headers = headers.parse().map_err(refusal)?;
        }
        Ok(self)
    }

    /// The file as it reads with every default filled in, and without passwords.
    #[must_use]
    pub fn effective(&self) -> String {
        let shown = toml::to_string(&self.filled_in());
        shown.unwrap_or_else(|error| format!("# cannot be shown: {error}\n"))
    }

    /// The same as JSON, in one line.
    #[must_use]
    pub fn effective_json(&self) -> String {
        let shown = serde_json::to_string(&self.filled_in());
        shown.unwrap_or_else(|error| format!("{{\"error\": \"{error}\"}}")) + "\n"
    }

    /// The same as a file.
    fn filled_in(&self) -> Self {
        let mut effective = self.clone();
        effective.backend = backend::shown(&self.backend);
        effective.traces.headers.hide();
        effective.fill_in_pace();
        if effective.provider != ProviderName::Static {
            effective.instances.get_or_insert(Count::new(INSTANCES.into()));
        }
        effective
    }
}

impl Config {
    /// Reads the file that the flags name, if they name one, and gives everything its meaning.
    ///
    /// # Errors
    /// Names what is wrong, and what is allowed.
    pub fn load(args: &UpArgs) -> Result<Self, Error> {
        let file = File::read_or_default(args.config.as_deref())?.overridden_by(args)?;
        // The forwarders run in the same folder, but a record may be read in another.
        let source = args.config.as_deref().map(absolute).transpose()?;
        let config = Self::new(&file, source.as_deref())?;
        let chaos = match (args.allow_chaos, &config.provider) {
            (false, _) => Chaos::Forbidden,
            (true, Provider::Process(_)) => Chaos::Allowed,
            (true, Provider::Static(_)) => {
                return Err(Error::Together(
                    "--allow-chaos is not for provider \"static\": it launches nothing that \
                     could fail"
                        .to_owned(),
                ));
            }
            (true, Provider::Ec2(_)) => {
                return Err(Error::Together(
                    "--allow-chaos is not for provider \"ec2\": what fails there has to be paid for"
                        .to_owned(),
                ));
            }
        };
        Ok(Self { chaos, ..config })
    }

    /// Gives a file its meaning. `source` is passed on to the forwarders, which read `[proxy]`.
    ///
    /// # Errors
    /// Names the values that do not go together.
    pub fn new(file: &File, source: Option<&Path>) -> Result<Self, Error> {
        together::check(file)?;
        let state_dir = match &file.state_dir {
            Some(path) => path.clone(),
            None => StateDir::default_path()?,
        };
        let starting_interval =
            file.probe.starting_interval.unwrap_or(file.provider.pace().starting_interval);
        Ok(Self {
            listen: file.listen(),
            admin: file.admin,
            admin_hosts: file.admin_hosts.iter().map(|name| name.0.clone()).collect(),
            provider: provider(file, source, &state_dir)?,
            state_dir,
            spec: spec(file),
            check: PathChecks {
                instances: file.instance.health.0.clone(),
                backend: backend::health(&file.backend).to_owned(),
            },
            cadence: Cadence {
                starting: starting_interval.get(),
                steady: file.probe.interval.get(),
                timeout: file.probe.timeout.get(),
            },
            listing: listing(file),
            drain_timeout: file.fleet.drain_timeout.get(),
            balance: file.proxy.balance(),
            on_signal: file.provider.on_signal(),
            proxy: file.proxy.settings(Forwarding::Overwrite),
            access_log: file.proxy.access_log(),
            traces: file.traces.settings(),
            chaos: Chaos::Forbidden,
            shown: file.shown(),
        })
    }
}

fn absolute(path: &Path) -> Result<PathBuf, Error> {
    std::path::absolute(path).map_err(|source| Error::Read { path: path.to_owned(), source })
}

fn provider(file: &File, source: Option<&Path>, state_dir: &Path) -> Result<Provider, Error> {
    if file.provider == ProviderName::Static {
        return Ok(Provider::Static(file.endpoints.iter().map(fixed::Server::from).collect()));
    }
    if file.provider == ProviderName::Ec2 {
        return Ok(Provider::Ec2(Box::new(machines::machines(file)?)));
    }
    let stop_timeout = file.fleet.stop_timeout.get();
    if let Some(command) = &file.instance.command {
        let instances = Workload::Command(command.0.clone());
        let processes = Processes { instances, backend: None, stop_timeout };
        return Ok(Provider::Process(processes));
    }
    let backend = Some(backend::workload(&file.backend, state_dir)?);
    let instances = Workload::Forwarder {
        config: source.map(Path::to_owned),
        threads: file.instance.threads.to_u32(),
        traces: file.traces.endpoint.as_ref().map(ToString::to_string),
    };
    Ok(Provider::Process(Processes { instances, backend, stop_timeout }))
}

fn spec(file: &File) -> Spec {
    let is_static = file.provider == ProviderName::Static;
    let endpoints = u32::try_from(file.endpoints.len()).unwrap_or(u32::MAX);
    let size = match file.instances {
        _ if is_static => endpoints,
        Some(instances) => instances.to_u32(),
        None => INSTANCES,
    };
    let ownership = if is_static { Ownership::Foreign } else { Ownership::Owned };
    let has_backend = !is_static && file.instance.command.is_none();
    let handover = Handover::LaunchFirst { surge: surge(file, size) };
    let standby = file.standby.to_u32();
    let instances = GroupSpec { standby, ..group_spec(file, size, ownership, handover) };
    let replicas = if has_backend { file.backend.replicas.to_u32() } else { 0 };
    let handover = match backend::data(&file.backend) {
        Data::Exclusive => Handover::Fenced,
        Data::Shared => Handover::LaunchFirst { surge: surge(file, replicas) },
    };
    let backend = group_spec(file, replicas, ownership, handover);
    Spec { instances, backend, operation: Operation::Active }
}

/// How many of a group may exist beyond those that are wanted.
fn surge(file: &File, size: u32) -> u32 {
    file.fleet.surge.map_or(size.max(1), Count::to_u32)
}

/// How often the provider is asked what exists.
fn listing(file: &File) -> Listing {
    let pace = file.provider.pace();
    let steady = file.fleet.list_interval.unwrap_or(pace.list_interval).get();
    Listing { steady, expecting: steady.min(pace.expecting) }
}

fn group_spec(file: &File, size: u32, ownership: Ownership, handover: Handover) -> GroupSpec {
    let pace = file.provider.pace();
    let launch_timeout = file.fleet.launch_timeout.unwrap_or(pace.launch_timeout);
    let interval = file.fleet.replacement_interval.unwrap_or(pace.replacement_interval);
    GroupSpec {
        size,
        standby: 0,
        launch_on: file.fleet.launch_on.into(),
        ownership,
        handover,
        launch_timeout: launch_timeout.get(),
        drain_timeout: file.fleet.drain_timeout.get(),
        settle: pace.settle,
        thresholds: Thresholds {
            healthy: file.probe.healthy.to_u32(),
            refused: file.probe.refused.to_u32(),
            unresponsive: file.probe.unresponsive.to_u32(),
            flapping: file.probe.flapping.get(),
        },
        replacement_interval: interval.get(),
    }
}

#[cfg(test)]
mod tests;
