//! What is compared, and how each of them is started.

use std::ffi::OsString;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{fmt, fs, io};

use super::children::words;
use super::config::{self, Log};

/// One of the programs that are compared, in one of its configurations.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Subject {
    /// The bare relay.
    Relay,
    Cloudaps,
    /// With an access log.
    #[value(name = "cloudaps+log")]
    CloudapsLog,
    Nginx,
    #[value(name = "nginx+log")]
    NginxLog,
    Haproxy,
    #[value(name = "haproxy+log")]
    HaproxyLog,
}

/// Where the programs are.
#[derive(Clone, Debug)]
pub(super) struct Programs {
    pub(super) bench: PathBuf,
    pub(super) cloudaps: PathBuf,
}

/// How a subject is started: its command, and its configuration for whoever wants to see it.
pub(super) struct Recipe {
    pub(super) command: Vec<OsString>,
    pub(super) config: String,
}

impl Subject {
    pub(super) const ALL: [Self; 7] = [
        Self::Relay,
        Self::Cloudaps,
        Self::CloudapsLog,
        Self::Nginx,
        Self::NginxLog,
        Self::Haproxy,
        Self::HaproxyLog,
    ];

    fn log(self) -> Log {
        match self {
            Self::CloudapsLog | Self::NginxLog | Self::HaproxyLog => Log::On,
            Self::Relay | Self::Cloudaps | Self::Nginx | Self::Haproxy => Log::Off,
        }
    }

    /// Why it cannot be measured here, if it cannot.
    pub(super) fn obstacle(self, programs: &Programs) -> Option<String> {
        match self {
            Self::Relay => None,
            Self::Cloudaps => programs.cloudaps_missing(),
            Self::CloudapsLog => Self::Cloudaps.obstacle(programs).or_else(|| {
                let refused = "this build knows no `proxy.access_log`";
                (!accepts_access_log(&programs.cloudaps)).then(|| refused.to_owned())
            }),
            Self::Nginx | Self::NginxLog => not_installed("nginx"),
            Self::Haproxy | Self::HaproxyLog => not_installed("haproxy"),
        }
    }

    /// Writes its configuration into `dir` and says how to start it.
    pub(super) fn prepare(
        self,
        programs: &Programs,
        dir: &Path,
        listen: SocketAddr,
        origins: &[SocketAddr],
    ) -> io::Result<Recipe> {
        let (command, config) = match self {
            Self::Relay => return Ok(relay(programs, listen, origins)),
            Self::Cloudaps | Self::CloudapsLog => {
                let log = (self.log() == Log::On).then(|| dir.join("access.log"));
                let config = config::cloudaps(dir, listen, origins, log.as_deref())?;
                let up = words(["up", "--provider", "static", "-c"]);
                ([vec![programs.cloudaps.clone().into()], up].concat(), config)
            }
            Self::Nginx | Self::NginxLog => {
                (nginx(dir), config::nginx(dir, listen, origins, self.log()))
            }
            Self::Haproxy | Self::HaproxyLog => {
                (haproxy(), config::haproxy(listen, origins, self.log()))
            }
        };
        Recipe::write(dir, command, config)
    }
}

impl Recipe {
    /// Writes a configuration into `dir`, whose file is the last word of the command.
    pub(super) fn write(
        dir: &Path,
        mut command: Vec<OsString>,
        config: String,
    ) -> io::Result<Self> {
        let file = dir.join("config");
        fs::write(&file, &config)?;
        command.push(file.into());
        Ok(Self { command, config })
    }
}

/// How nginx is started, but for its file; it writes into `dir`.
pub(super) fn nginx(dir: &Path) -> Vec<OsString> {
    let errors = dir.join("error.log").into_os_string();
    vec![program("nginx"), "-e".into(), errors, "-c".into()]
}

/// How HAProxy is started, but for its file.
pub(super) fn haproxy() -> Vec<OsString> {
    vec![program("haproxy"), "-db".into(), "-f".into()]
}

impl fmt::Display for Subject {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(match self {
            Self::Relay => "relay",
            Self::Cloudaps => "cloudaps",
            Self::CloudapsLog => "cloudaps+log",
            Self::Nginx => "nginx",
            Self::NginxLog => "nginx+log",
            Self::Haproxy => "haproxy",
            Self::HaproxyLog => "haproxy+log",
        })
    }
}

impl Programs {
    /// This program, and the one beside it unless another is named.
    pub(super) fn new(cloudaps: Option<&Path>) -> io::Result<Self> {
        let bench = std::env::current_exe()?;
        let cloudaps = cloudaps.map_or_else(|| bench.with_file_name("cloudaps"), Path::to_owned);
        Ok(Self { bench, cloudaps })
    }

    /// Why ours cannot be measured, if it cannot.
    pub(super) fn cloudaps_missing(&self) -> Option<String> {
        let mend = "not built; build it: `cargo build --release`";
        (!self.cloudaps.is_file()).then(|| mend.to_owned())
    }
}

/// A port that is free now.
pub(super) fn free_address() -> io::Result<SocketAddr> {
    TcpListener::bind("127.0.0.1:0")?.local_addr()
}

/// A program on the path, or where Debian has those of the administrator.
pub(super) fn find(program: &str) -> Option<PathBuf> {
    let folders = ["/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"];
    folders.iter().map(|folder| Path::new(folder).join(program)).find(|path| path.is_file())
}

/// The same as the first word of a command, which fails if there is no such program.
pub(super) fn program(name: &str) -> OsString {
    find(name).unwrap_or_else(|| name.into()).into_os_string()
}

/// That a program of a Debian package of the same name is missing, if it is.
pub(super) fn not_installed(program: &str) -> Option<String> {
    find(program).is_none().then(|| format!("not installed: `apt-get install {program}`"))
}

fn relay(programs: &Programs, listen: SocketAddr, origins: &[SocketAddr]) -> Recipe {
    let listen = listen.to_string();
    let mut command = vec![programs.bench.clone().into()];
    command.extend(words(["relay", "--listen", &listen]));
    for origin in origins {
        command.extend(words(["--to", &origin.to_string()]));
    }
    Recipe { command, config: String::new() }
}

fn accepts_access_log(cloudaps: &Path) -> bool {
    let accepts = || -> io::Result<bool> {
        let dir = tempfile::tempdir()?;
        let file = dir.path().join("config");
        let log = dir.path().join("access.log");
        fs::write(&file, format!("[proxy]\naccess_log = {log:?}\n"))?;
        Ok(Command::new(cloudaps).args(["check", "-c"]).arg(&file).output()?.status.success())
    };
    accepts().unwrap_or(false)
}
