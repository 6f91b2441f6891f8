//! What an instance runs: a role of this binary, or a command of the user's own.

use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use crate::fleet::Backends;

/// The program of a group's instances.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Workload {
    /// `cloudaps forward`, with a control listener of its own.
    Forwarder {
        /// The file with its settings, if not the defaults.
        config: Option<PathBuf>,
        /// Threads that carry traffic.
        threads: u32,
        /// The collector that it tells traces, if it tells any.
        traces: Option<String>,
    },
    /// `cloudaps tasks`.
    Tasks {
        /// The database, such as `sqlite:///var/lib/cloudaps/tasks.db`.
        store: String,
    },
    /// A program and its arguments. `{port}` or `{address}` in them becomes the port or the
    /// address that the instance is to listen on.
    Command(Vec<String>),
}

/// A command that cannot run as an instance.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WorkloadError {
    /// There is nothing to run.
    #[error("the instance command is empty: allowed is a program and its arguments")]
    Empty,
    /// It would not know where to listen.
    #[error(
        "the instance command `{0}` names neither {{port}} nor {{address}}: one of them has to be \
         in it, for the port that the instance is to listen on"
    )]
    NoPort(String),
}

/// Where one instance is to listen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Addresses {
    /// For traffic.
    pub(super) traffic: SocketAddr,
    /// For the control channel, if the workload has one.
    pub(super) control: Option<SocketAddr>,
}

impl Workload {
    /// Refuses a command that cannot run as an instance.
    ///
    /// # Errors
    /// The command is empty, or has no place for the port.
    pub fn check(&self) -> Result<(), WorkloadError> {
        let Self::Command(words) = self else { return Ok(()) };
        if words.first().is_none_or(String::is_empty) {
            return Err(WorkloadError::Empty);
        }
        if words.iter().any(|word| word.contains("{port}") || word.contains("{address}")) {
            return Ok(());
        }
        Err(WorkloadError::NoPort(words.join(" ")))
    }

    /// Whether its instances answer on a control address.
    pub(super) const fn has_control(&self) -> bool {
        matches!(self, Self::Forwarder { .. })
    }

    /// The database of a task service. Its address can hold a password, and arguments are anybody's
    /// to read: it goes by the environment.
    pub(super) fn store(&self) -> Option<&str> {
        match self {
            Self::Tasks { store } => Some(store),
            Self::Forwarder { .. } | Self::Command(_) => None,
        }
    }

    /// The program and its arguments. `program` is this binary.
    pub(super) fn words(
        &self,
        program: &Path,
        at: Addresses,
        backends: &Backends,
    ) -> Vec<OsString> {
        match self {
            Self::Forwarder { config, threads, traces } => {
                let mut words = role(program, "forward", at);
                words.extend(at.control.iter().flat_map(|at| option("--control", &at.to_string())));
                let to = backends.serving.iter().map(|at| format!("http://{at}"));
                words.extend(to.flat_map(|url| option("--to", &url)));
                words.extend(option("--threads", &threads.to_string()));
                words.extend(traces.iter().flat_map(|url| option("--traces-endpoint", url)));
                words.extend(config.iter().flat_map(|file| ["-c".into(), file.into()]));
                words
            }
            Self::Tasks { .. } => role(program, "tasks", at),
            Self::Command(words) => words.iter().map(|word| fill(word, at.traffic)).collect(),
        }
    }
}

fn role(program: &Path, name: &str, at: Addresses) -> Vec<OsString> {
    let [flag, address] = option("--listen", &at.traffic.to_string());
    vec![program.into(), name.into(), flag, address]
}

fn option(flag: &str, value: &str) -> [OsString; 2] {
    [flag.into(), value.into()]
}

fn fill(word: &str, at: SocketAddr) -> OsString {
    word.replace("{port}", &at.port().to_string()).replace("{address}", &at.to_string()).into()
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::cli::{Cli, Command};

    fn at() -> Addresses {
        Addresses {
            traffic: "127.0.0.1:20001".parse().unwrap(),
            control: Some("127.0.0.1:20002".parse().unwrap()),
        }
    }

    #[test]
    fn a_forwarder_understands_the_arguments_that_it_is_given() {
        let collector = "http://127.0.0.1:4318".to_owned();
        let workload = Workload::Forwarder {
            config: Some("a b.toml".into()),
            threads: 1,
            traces: Some(collector.clone()),
        };
        let to = ["127.0.0.1:20003", "127.0.0.1:20004"];
        let backends = Backends::serving(to.map(|at| at.parse().unwrap()));
        let cli = Cli::try_parse_from(workload.words(Path::new("cloudaps"), at(), &backends));
        let Command::Forward(args) = cli.unwrap().command else { panic!("not forward") };
        assert_eq!(args.listen, at().traffic);
        assert_eq!(args.control, at().control);
        assert_eq!(args.to, to.map(|at| format!("http://{at}")));
        assert_eq!(args.threads, Some(1));
        assert_eq!(args.config, Some("a b.toml".into()));
        assert_eq!(args.traces.traces_endpoint, Some(collector));
    }

    #[test]
    fn a_forwarder_starts_without_a_backend() {
        let workload = Workload::Forwarder { config: None, threads: 2, traces: None };
        let cli =
            Cli::try_parse_from(workload.words(Path::new("cloudaps"), at(), &Backends::default()));
        let Command::Forward(args) = cli.unwrap().command else { panic!("not forward") };
        assert_eq!((args.to, args.config), (Vec::new(), None));
    }

    #[test]
    fn a_task_service_understands_the_arguments_that_it_is_given() {
        let workload = Workload::Tasks { store: "sqlite:///x/tasks.db".into() };
        let words = workload.words(Path::new("cloudaps"), at(), &Backends::default());
        let tells = |word: &OsString| word.to_string_lossy().contains("sqlite");
        assert!(!words.iter().any(tells), "{words:?}");
        let Command::Tasks(args) = Cli::try_parse_from(words).unwrap().command else { panic!() };
        assert_eq!(args.listen, Some(at().traffic));
        assert_eq!(workload.store(), Some("sqlite:///x/tasks.db"));
    }

    #[test]
    fn a_command_is_told_where_to_listen() {
        let command =
            Workload::Command(vec!["serve".into(), "-p={port}".into(), "{address}".into()]);
        let words = command.words(Path::new("unused"), at(), &Backends::default());
        assert_eq!(words, ["serve", "-p=20001", "127.0.0.1:20001"]);
    }

    #[test]
    fn a_command_without_a_place_for_the_port_is_refused_by_name() {
        let command = Workload::Command(vec!["sleep".into(), "10".into()]);
        let error = command.check().unwrap_err().to_string();
        assert!(error.contains("`sleep 10`") && error.contains("{port}"), "{error}");
        assert_eq!(Workload::Command(Vec::new()).check(), Err(WorkloadError::Empty));
    }
}
