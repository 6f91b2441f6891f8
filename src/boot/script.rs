//! The script of a machine's first start, as its user data: it fetches the program and starts the
//! service. It runs as root under cloud-init, on Ubuntu 24.04 and on Amazon Linux 2023 as they are.

use super::unit::{ENVIRONMENT, PROGRAM, SETTINGS, USER};
use super::{BOOT_TOKEN_VARIABLE, BootToken, DATA_DIR, Duty, Unit};

/// The most user data that EC2 takes, before it is encoded.
pub const USER_DATA_MAX: usize = 16 * 1024;

/// Seconds that a volume may take to appear: it is attached when the machine runs, and when its
/// predecessor is gone.
const VOLUME_WAIT: u32 = 900;

/// Where the program is fetched from, and how it is known again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Program {
    /// The link.
    pub url: String,
    /// The SHA-256 of what is behind it, in hexadecimal.
    pub sha256: String,
}

/// All that a machine is told when it is made.
#[derive(Clone, Debug)]
pub struct Script<'a> {
    /// The launch, for people who look at the machine.
    pub launch: &'a str,
    /// What it is to run.
    pub program: &'a Program,
    /// What for.
    pub duty: &'a Duty,
    /// What it wants to see once.
    pub token: &'a BootToken,
    /// The volume that it is to wait for and to mount, by EC2's name.
    pub volume: Option<&'a str>,
}

/// More than EC2 takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the user data would have {0} bytes, and EC2 takes {USER_DATA_MAX}: shorten \
     `instance.command` or the settings in `[proxy]`"
)]
pub struct TooLong(pub usize);

impl Script<'_> {
    /// The script.
    ///
    /// # Errors
    /// It is longer than EC2 takes.
    pub fn user_data(&self) -> Result<String, TooLong> {
        let description = format!("CloudAPS, {}", self.launch);
        let unit = Unit { description: &description, duty: self.duty }.text();
        let environment = format!("{BOOT_TOKEN_VARIABLE}={}\n", self.token.as_str());
        let mut parts = vec![
            format!("#!/bin/sh\n# Made by cloudaps for {}.\nset -eu\numask 022\n", self.launch),
            fetch(self.program, PROGRAM, "0755"),
            make_user(),
        ];
        if let Duty::Forward { settings, .. } = self.duty {
            parts.push(write(SETTINGS, settings));
        }
        parts.push(format!("(umask 077 && {})\n", write(ENVIRONMENT, &environment).trim_end()));
        parts.extend(self.volume.map(mount));
        parts.push(write("/etc/systemd/system/cloudaps.service", &unit));
        // It is not enabled: a machine that was restarted by somebody else has been replaced.
        parts.push("systemctl daemon-reload\nsystemctl start cloudaps.service\n".to_owned());
        let text = parts.concat();
        if text.len() <= USER_DATA_MAX { Ok(text) } else { Err(TooLong(text.len())) }
    }
}

/// The user that services of ours run as, and the folder of what they read.
pub(super) fn make_user() -> String {
    format!(
        "id -u {USER} >/dev/null 2>&1 || \
         useradd --system --user-group --no-create-home --shell /usr/sbin/nologin {USER}\n\
         mkdir -p /etc/cloudaps\n"
    )
}

/// What is fetched is used only if it is what was meant.
pub(super) fn fetch(Program { url, sha256 }: &Program, path: &str, mode: &str) -> String {
    let url = quote(url);
    format!(
        "new={path}.new\n\
         (umask 077 && \
         curl --fail --silent --show-error --location --retry 9 --retry-connrefused \
         --connect-timeout 5 --max-time 300 --output \"$new\" {url})\n\
         echo \"{sha256}  $new\" | sha256sum -c - >/dev/null\n\
         chmod {mode} \"$new\"\n\
         mv -f \"$new\" {path}\n"
    )
}

/// Waits for the volume and mounts it. Only one that is blank is formatted: what cannot be mounted
/// otherwise is left as it is, for a person to look at.
///
/// A machine with NVMe names the disk after the volume; an older one has it where it was attached.
fn mount(volume: &str) -> String {
    let name = volume.replace('-', "");
    format!(
        "seconds=0\n\
         while :; do\n\
         \x20 for disk in /dev/disk/by-id/nvme-Amazon_Elastic_Block_Store_{name} /dev/sdf \
         /dev/xvdf; do\n\
         \x20   if [ -b \"$disk\" ]; then break 2; fi\n\
         \x20 done\n\
         \x20 seconds=$((seconds + 1))\n\
         \x20 if [ \"$seconds\" -gt {VOLUME_WAIT} ]; then\n\
         \x20   echo 'cloudaps: {volume} was not attached' >&2\n\
         \x20   exit 1\n\
         \x20 fi\n\
         \x20 sleep 1\n\
         done\n\
         if cmp -s -n 1048576 \"$disk\" /dev/zero; then mkfs.ext4 -q -m 0 \"$disk\"; fi\n\
         mkdir -p {DATA_DIR}\n\
         mount -o noatime,nodev,nosuid,noexec \"$disk\" {DATA_DIR}\n\
         chown {USER}:{USER} {DATA_DIR}\n\
         chmod 0700 {DATA_DIR}\n"
    )
}

/// A command that writes a file, whatever is in it.
pub(super) fn write(path: &str, text: &str) -> String {
    format!("printf %s {} >{path}\n", quote(text))
}

/// One word of a shell's command.
fn quote(text: &str) -> String {
    format!("'{}'", text.replace('\'', "'\\''"))
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::super::Notices;
    use super::*;

    fn script(duty: &Duty, volume: Option<&str>) -> Result<String, TooLong> {
        let program = Program { url: "https://a/b?c=d&e='f'".into(), sha256: "ab".repeat(32) };
        let token = BootToken::of("secret", "instance-0-1-1");
        let (launch, program, token) = ("instance-0-1-1", &program, &token);
        Script { launch, program, duty, token, volume }.user_data()
    }

    fn forward(settings: &str) -> Duty {
        Duty::Forward { threads: 1, settings: settings.to_owned(), notices: Notices::None }
    }

    #[test]
    fn a_shell_understands_it() {
        for (duty, volume) in [(forward("[proxy]\n"), None), (Duty::Tasks, Some("vol-0ab"))] {
            let text = script(&duty, volume).unwrap();
            let checked = Command::new("sh").args(["-n", "-c", &text]).output().unwrap();
            assert!(checked.status.success(), "{text}\n{checked:?}");
            assert!(text.starts_with("#!/bin/sh\n"), "cloud-init runs what begins so");
        }
    }

    #[test]
    fn a_file_is_written_as_it_is_whatever_is_in_it() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file");
        let text = "it's\n$HOME `id` \\ %s \"quoted\"\n";
        let command = write(path.to_str().unwrap(), text);
        assert!(Command::new("sh").args(["-c", &command]).status().unwrap().success());
        assert_eq!(std::fs::read_to_string(path).unwrap(), text);
    }

    #[test]
    fn the_boot_token_is_its_only_secret_and_stands_in_a_file_of_root() {
        let text = script(&forward(""), None).unwrap();
        let token = BootToken::of("secret", "instance-0-1-1");
        let line = text.lines().find(|line| line.contains(token.as_str())).unwrap();
        assert!(line.starts_with("(umask 077 && printf"), "{line}");
        assert_eq!(text.matches(token.as_str()).count(), 1);
    }

    #[test]
    fn a_disk_is_formatted_only_if_it_is_blank() {
        let text = script(&Duty::Tasks, Some("vol-0ab12")).unwrap();
        assert!(text.contains("Store_vol0ab12 "), "{text}");
        let line = text.lines().find(|line| line.contains("mkfs")).unwrap();
        assert!(line.starts_with("if cmp -s -n 1048576 \"$disk\" /dev/zero; then"), "{line}");
        assert!(!script(&Duty::Tasks, None).unwrap().contains("mkfs"));
    }

    #[test]
    fn what_is_too_long_for_ec2_is_refused_with_its_length() {
        let long = forward(&"x".repeat(USER_DATA_MAX));
        let refusal = script(&long, None).unwrap_err();
        assert!(refusal.0 > USER_DATA_MAX && refusal.to_string().contains("16384"), "{refusal}");
    }
}
