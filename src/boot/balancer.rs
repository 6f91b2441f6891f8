//! The script of the balancer's first start, and its service.
//!
//! The script holds no secret: its links end within the hour, and what is behind the one to the
//! settings is removed once the balancer answers.

use std::fmt::Write;

use super::script::{Program, TooLong, USER_DATA_MAX, fetch, make_user, write};
use super::unit::{HARDENING, HARDENING_OF_OURS, PROGRAM, SETTINGS, USER};

/// The balancer's state directory, and the file in it that holds the secret.
const STATE_DIR: &str = "/var/lib/cloudaps";
const SECRET: &str = "/var/lib/cloudaps/control.token";

/// The first port that needs no privilege.
const UNPRIVILEGED: u16 = 1024;

/// All that the balancer's machine is told when it is made.
#[derive(Clone, Debug)]
pub struct BalancerScript<'a> {
    /// The fleet, for people who look at the machine.
    pub fleet: &'a str,
    /// What it runs.
    pub program: &'a Program,
    /// What it is to read.
    pub settings: &'a Program,
    /// What it shows the machines that it makes, and what the balancer before it showed them.
    pub secret: &'a Program,
    /// Where it takes the clients' requests.
    pub port: u16,
}

impl BalancerScript<'_> {
    /// The script.
    ///
    /// # Errors
    /// It is longer than EC2 takes.
    pub fn user_data(&self) -> Result<String, TooLong> {
        let Self { fleet, program, settings, secret, .. } = self;
        let text = [
            format!(
                "#!/bin/sh\n# Made by cloudaps for the balancer of {fleet}.\nset -eu\numask 022\n"
            ),
            fetch(program, PROGRAM, "0755"),
            make_user(),
            fetch(settings, SETTINGS, "0400"),
            format!("install -d -m 0700 -o {USER} -g {USER} {STATE_DIR}\n"),
            fetch(secret, SECRET, "0600"),
            format!("chown {USER}:{USER} {SETTINGS} {SECRET}\n"),
            write("/etc/systemd/system/cloudaps.service", &self.unit()),
            "systemctl daemon-reload\nsystemctl enable cloudaps.service\n\
             systemctl start cloudaps.service\n"
                .to_owned(),
        ];
        let text = text.concat();
        if text.len() <= USER_DATA_MAX { Ok(text) } else { Err(TooLong(text.len())) }
    }

    /// The unit file.
    fn unit(&self) -> String {
        let mut text = format!(
            "[Unit]\n\
             Description=CloudAPS, the balancer of {fleet}\n\
             Wants=network-online.target\n\
             After=network-online.target\n\
             # There is nobody else to mend it: it is started again for ever.\n\
             StartLimitIntervalSec=0\n\
             \n\
             [Service]\n\
             User={USER}\n\
             Group={USER}\n\
             ExecStart={PROGRAM} up --provider ec2 -c {SETTINGS} --state-dir {STATE_DIR}\n\
             Restart=always\n\
             RestartSec=1s\n\
             # As long as requests may take to end.\n\
             TimeoutStopSec=60s\n\
             StateDirectory=cloudaps\n\
             StateDirectoryMode=0700\n\
             LimitNOFILE=1048576\n",
            fleet = self.fleet,
        );
        let bound = "CapabilityBoundingSet=";
        match self.port < UNPRIVILEGED {
            true => {
                let capability = "CAP_NET_BIND_SERVICE";
                text.push_str(&HARDENING.replace(bound, &format!("{bound}{capability}")));
                // Writing into a string cannot fail.
                let _ = writeln!(text, "AmbientCapabilities={capability}");
            }
            false => text.push_str(HARDENING),
        }
        text.push_str(HARDENING_OF_OURS);
        text + "\n[Install]\nWantedBy=multi-user.target\n"
    }
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use clap::Parser;

    use super::*;
    use crate::cli;

    fn script(port: u16) -> BalancerScript<'static> {
        static PROGRAM: std::sync::LazyLock<Program> = std::sync::LazyLock::new(|| Program {
            url: "https://a/b?c=d&e='f'".to_owned(),
            sha256: "ab".repeat(32),
        });
        BalancerScript {
            fleet: "shop",
            program: &PROGRAM,
            settings: &PROGRAM,
            secret: &PROGRAM,
            port,
        }
    }

    #[test]
    fn a_shell_understands_it() {
        let text = script(80).user_data().unwrap();
        let checked = Command::new("sh").args(["-n", "-c", &text]).output().unwrap();
        assert!(checked.status.success(), "{text}\n{checked:?}");
    }

    #[test]
    fn the_program_understands_what_its_service_is_started_with() {
        let text = script(5000).unit();
        let line = text.lines().find_map(|line| line.strip_prefix("ExecStart=")).unwrap();
        let parsed = cli::Cli::try_parse_from(line.split(' ')).unwrap();
        let cli::Command::Up(args) = parsed.command else { panic!("not up") };
        assert_eq!(args.config.unwrap().to_str(), Some(SETTINGS));
    }

    #[test]
    fn only_a_privileged_port_takes_a_privilege() {
        let has = |port, word| script(port).unit().contains(word);
        assert!(has(80, "CapabilityBoundingSet=CAP_NET_BIND_SERVICE\n"));
        assert!(has(80, "AmbientCapabilities=CAP_NET_BIND_SERVICE\n"));
        assert!(has(5000, "CapabilityBoundingSet=\n") && !has(5000, "AmbientCapabilities"));
    }
}
