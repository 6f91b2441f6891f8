//! The service of an instance, as systemd reads it: an unprivileged user, and nothing that it does
//! not need.

use std::fmt::Write;

use super::{CONTROL_PORT, DATA_DIR, TRAFFIC_PORT};

/// The user that every service of ours runs as.
pub(super) const USER: &str = "cloudaps";
/// Where the program is put.
pub(super) const PROGRAM: &str = "/usr/local/bin/cloudaps";
/// Where the settings of the data plane are put.
pub(super) const SETTINGS: &str = "/etc/cloudaps/cloudaps.toml";
/// Where the environment of the service is put, for root to read.
pub(super) const ENVIRONMENT: &str = "/etc/cloudaps/boot.env";
/// Where a claim is kept, so that a service that was restarted is who it was.
const CLAIM: &str = "/var/lib/cloudaps/claim.json";

/// The instance metadata, which also holds the user data: a service of ours that has no use for it
/// cannot ask it. A user's own program may need its role.
const METADATA: &str = "169.254.169.254/32 fd00:ec2::254/128";

/// What holds for every service of ours. What would break a user's own program (memory that is
/// written and then run, as just-in-time compilers do) is not among it.
pub(super) const HARDENING: &str = "\
NoNewPrivileges=yes
CapabilityBoundingSet=
ProtectSystem=strict
ProtectHome=yes
ProtectProc=invisible
ProtectClock=yes
ProtectHostname=yes
ProtectKernelTunables=yes
ProtectKernelModules=yes
ProtectKernelLogs=yes
ProtectControlGroups=yes
PrivateTmp=yes
PrivateDevices=yes
RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
LockPersonality=yes
SystemCallArchitectures=native
SystemCallFilter=@system-service
";

/// What holds for our own program besides.
pub(super) const HARDENING_OF_OURS: &str = "MemoryDenyWriteExecute=yes\n";

/// What an instance is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Duty {
    /// Relays to the backends.
    Forward {
        /// Threads that carry traffic.
        threads: u32,
        /// The file with the settings of the data plane.
        settings: String,
        /// Whether it is told before its machine is taken.
        notices: Notices,
    },
    /// Serves the tasks, from the volume or from where the claim says.
    Tasks,
    /// A program of the user's own, and its arguments. `{port}` becomes the port for traffic.
    Command(Vec<String>),
}

/// Whether a machine can be taken from us, so that its metadata has to be watched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Notices {
    /// It may have been bought on the spot market.
    Watched,
    /// It is ours for as long as we like.
    None,
}

/// One service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unit<'a> {
    /// What a person reads about it.
    pub description: &'a str,
    /// What it does.
    pub duty: &'a Duty,
}

impl Unit<'_> {
    /// The unit file.
    #[must_use]
    pub fn text(&self) -> String {
        let command = self.words().iter().map(|word| escape(word)).collect::<Vec<_>>().join(" ");
        let mut text = format!(
            "[Unit]\n\
             Description={description}\n\
             Wants=network-online.target\n\
             After=network-online.target\n\
             # A service that cannot run is left to the balancer, which replaces the machine.\n\
             StartLimitIntervalSec=10\n\
             StartLimitBurst=5\n\
             \n\
             [Service]\n\
             User={USER}\n\
             Group={USER}\n\
             EnvironmentFile={ENVIRONMENT}\n\
             ExecStart={command}\n\
             Restart=on-failure\n\
             RestartSec=100ms\n\
             TimeoutStopSec=5s\n\
             StateDirectory=cloudaps\n\
             StateDirectoryMode=0700\n\
             LimitNOFILE=1048576\n",
            description = self.description,
        );
        text.push_str(HARDENING);
        if !matches!(self.duty, Duty::Command(_)) {
            text.push_str(HARDENING_OF_OURS);
        }
        // Writing into a string cannot fail.
        match self.duty {
            Duty::Forward { notices: Notices::Watched, .. } | Duty::Command(_) => {}
            Duty::Forward { notices: Notices::None, .. } | Duty::Tasks => {
                let _ = writeln!(text, "IPAddressDeny={METADATA}");
            }
        }
        if !matches!(self.duty, Duty::Forward { .. }) {
            let _ = writeln!(text, "ReadWritePaths=-{DATA_DIR}");
        }
        text
    }

    /// The command line: wait for the claim, then become what the instance is for.
    fn words(&self) -> Vec<String> {
        let control = format!("0.0.0.0:{CONTROL_PORT}");
        let join = [PROGRAM, "join", "--listen", &control, "--keep", CLAIM, "--"];
        let mut words: Vec<String> = join.map(str::to_owned).into();
        let traffic = format!("0.0.0.0:{TRAFFIC_PORT}");
        match self.duty {
            Duty::Forward { threads, notices, .. } => {
                let threads = threads.to_string();
                let role = [PROGRAM, "forward", "--listen", &traffic, "--control", &control];
                let options = ["--threads", &threads, "-c", SETTINGS];
                words.extend(role.into_iter().chain(options).map(str::to_owned));
                if *notices == Notices::Watched {
                    words.push("--spot".to_owned());
                }
            }
            Duty::Tasks => {
                words.extend([PROGRAM, "tasks", "--listen", &traffic].map(str::to_owned));
            }
            Duty::Command(command) => {
                let filled = command.iter().map(|word| fill(word, &traffic));
                words.extend(filled);
            }
        }
        words
    }
}

fn fill(word: &str, traffic: &str) -> String {
    word.replace("{port}", &TRAFFIC_PORT.to_string()).replace("{address}", traffic)
}

/// One word of a command line, so that systemd takes it as it is: see systemd.syntax(7).
fn escape(word: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "/._-:=,@+".contains(c);
    if !word.is_empty() && word.chars().all(is_plain) {
        return word.to_owned();
    }
    let word = word.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
    format!("\"{}\"", word.replace('%', "%%").replace('$', "$$"))
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::cli::{Cli, Command};

    fn exec_start(duty: &Duty) -> String {
        let text = Unit { description: "x", duty }.text();
        let line = text.lines().find_map(|line| line.strip_prefix("ExecStart="));
        line.unwrap().to_owned()
    }

    /// The roles understand what the service is started with.
    fn parsed(duty: &Duty) -> Cli {
        // The token comes by the environment.
        let line = exec_start(duty).replacen(" -- ", " --boot-token x -- ", 1);
        let join = Cli::try_parse_from(line.split(' ')).unwrap();
        let Command::Join(join) = join.command else { panic!("not join") };
        assert_eq!(join.listen.port(), CONTROL_PORT);
        Cli::try_parse_from(join.command).unwrap()
    }

    #[test]
    fn a_forwarder_understands_what_its_service_is_started_with() {
        let settings = String::new();
        let duty = Duty::Forward { threads: 2, settings, notices: Notices::Watched };
        let Command::Forward(args) = parsed(&duty).command else { panic!("not forward") };
        assert!(args.spot);
        assert_eq!((args.listen.port(), args.threads), (TRAFFIC_PORT, Some(2)));
        assert_eq!(args.control.unwrap().port(), CONTROL_PORT);
        assert_eq!(args.config.unwrap().to_str(), Some(SETTINGS));
    }

    #[test]
    fn a_task_service_understands_what_its_service_is_started_with() {
        let Command::Tasks(args) = parsed(&Duty::Tasks).command else { panic!("not tasks") };
        assert_eq!(args.listen.unwrap().port(), TRAFFIC_PORT);
        let text = Unit { description: "x", duty: &Duty::Tasks }.text();
        assert!(text.contains(&format!("ReadWritePaths=-{DATA_DIR}\n")), "{text}");
    }

    #[test]
    fn a_command_reaches_systemd_as_it_was_written() {
        let words = ["/opt/app", "--port={port}", "a b", "100%", "$HOME", "say \"hi\"", "\\", ""];
        let command = exec_start(&Duty::Command(words.map(str::to_owned).into()));
        let wanted = "-- /opt/app --port=5000 \"a b\" \"100%%\" \"$$HOME\" \"say \\\"hi\\\"\" \
                      \"\\\\\" \"\"";
        assert!(command.ends_with(wanted), "{command}");
    }

    #[test]
    fn no_service_runs_as_root_or_reads_the_metadata_for_nothing() {
        let (settings, notices) = (String::new(), Notices::None);
        for duty in [Duty::Forward { threads: 1, settings, notices }, Duty::Tasks] {
            let text = Unit { description: "x", duty: &duty }.text();
            for line in ["User=cloudaps", "NoNewPrivileges=yes", "IPAddressDeny=169.254.169.254"] {
                assert!(text.contains(line), "`{line}` is not in {text}");
            }
        }
    }
}
