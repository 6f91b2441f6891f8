//! A laptop that knows the account's credentials and reaches public addresses only.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

use serde_json::Value;
use tempfile::TempDir;

use crate::cloud::{Cloud, Fault, FaultId, Host};

/// What is in an account.
pub(crate) type Account = BTreeMap<String, BTreeMap<String, Value>>;

/// A laptop beside a cloud, with a configuration file.
pub(crate) struct Laptop {
    pub(crate) cloud: Cloud,
    folder: TempDir,
}

impl Laptop {
    /// `None` where a cloud cannot be had.
    pub(crate) fn new(settings: &str) -> Option<Self> {
        let laptop = Self { cloud: Cloud::start()?, folder: tempfile::tempdir().unwrap() };
        laptop.configure(settings);
        Some(laptop)
    }

    /// Writes the configuration file anew.
    pub(crate) fn configure(&self, settings: &str) {
        fs::write(self.path("cloudaps.toml"), settings).unwrap();
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A command on the laptop that reads the configuration file.
    pub(crate) fn command(&self, words: &[&str]) -> Command {
        let mut command = self.cloud.command(Host::Laptop, env!("CARGO_BIN_EXE_cloudaps"));
        command.args(words).arg("-c").arg(self.path("cloudaps.toml"));
        command.env("CLOUDAPS_LOG_FORMAT", "text").stdin(Stdio::null());
        command
    }

    pub(crate) fn run(&self, words: &[&str]) -> Ran {
        Ran(self.command(words).output().unwrap())
    }

    /// Starts a command, waits until `fault` has struck, and kills it with SIGKILL. Of the `later`
    /// calls none is done meanwhile.
    #[track_caller]
    pub(crate) fn kill_at(&self, words: &[&str], fault: &Fault, later: &[&str]) {
        let fault: FaultId = self.cloud.add(fault);
        for action in later {
            self.cloud.add(&Fault::hang(action));
        }
        let mut child = self.command(words).spawn().unwrap();
        self.cloud.await_hits(fault, 1);
        assert!(child.try_wait().unwrap().is_none(), "it ended before it could be killed");
        child.kill().unwrap();
        child.wait().unwrap();
        // What it sent before meets the faults, too.
        self.cloud.settle();
        self.cloud.remove_faults();
    }

    /// Runs a command until it says `said`, and kills it. What it had asked for by then is done.
    #[track_caller]
    pub(crate) fn kill_when_it_says(&self, words: &[&str], said: &str) {
        let mut child = self.command(words).stdout(Stdio::piped()).spawn().unwrap();
        let output = BufReader::new(child.stdout.take().unwrap());
        let mut lines = output.lines().map_while(Result::ok);
        let is_said = lines.any(|line| line.contains(said));
        child.kill().unwrap();
        child.wait().unwrap();
        self.cloud.settle();
        assert!(is_said, "it never said `{said}`");
    }

    /// A call of the API as the owner makes it, by hand. The answer is not looked at.
    pub(crate) fn call(&self, service: &str, form: &[(&str, &str)]) {
        let scope =
            format!("Credential=AKIAIOSFODNN7EXAMPLE/20260101/us-east-1/{service}/aws4_request");
        let answer = ureq::post(self.cloud.endpoint())
            .header(
                "Authorization",
                format!("AWS4-HMAC-SHA256 {scope}, SignedHeaders=host, Signature=0"),
            )
            .send_form(form.iter().copied());
        assert!(answer.is_ok(), "{form:?}: {answer:?}");
    }

    /// The security group of a part.
    pub(crate) fn group(&self, part: &str) -> String {
        let groups = &self.cloud.account()["security_groups"];
        let of_part = |group: &&Value| group["tags"]["cloudaps:part"] == part;
        let (id, _) = groups.iter().find(|(_, group)| of_part(group)).unwrap();
        id.clone()
    }
}

/// What a command came to.
#[derive(Debug)]
pub(crate) struct Ran(pub(crate) Output);

impl Ran {
    pub(crate) fn code(&self) -> Option<i32> {
        self.0.status.code()
    }

    pub(crate) fn stdout(&self) -> String {
        String::from_utf8_lossy(&self.0.stdout).into_owned()
    }

    pub(crate) fn stderr(&self) -> String {
        String::from_utf8_lossy(&self.0.stderr).into_owned()
    }

    /// The last line that it printed.
    pub(crate) fn outcome(&self) -> String {
        self.stdout().lines().last().unwrap_or_default().to_owned()
    }

    /// Fails, and shows all, unless it ended with this code.
    #[track_caller]
    pub(crate) fn ended_with(self, code: i32) -> Self {
        let (found, stdout, stderr) = (self.code(), self.stdout(), self.stderr());
        assert_eq!(found, Some(code), "{stdout}\n{stderr}");
        self
    }
}

/// Something that is no program of ours, but one for this processor: whoever runs it serves
/// nothing.
pub(crate) const STUB: &str = "/bin/true";

/// A fleet `shop` whose program is [`STUB`]; `more` goes on in `[ec2.install]`.
pub(crate) fn settings(more: &str) -> String {
    format!("[ec2]\nfleet = \"shop\"\n[ec2.install]\nbinary = \"{STUB}\"\n{more}")
}

/// What of an account is the same whatever identifiers its resources have.
pub(crate) fn shape(account: &Account) -> BTreeMap<String, Vec<String>> {
    let kinds = account.iter().map(|(kind, all)| {
        let mut shapes: Vec<String> = all.values().map(|one| shape_of(kind, one)).collect();
        shapes.sort();
        (kind.clone(), shapes)
    });
    kinds.collect()
}

fn shape_of(kind: &str, one: &Value) -> String {
    let rules = one["ingress"].as_array().map_or(0, Vec::len);
    let tags = &one["tags"];
    match kind {
        "buckets" => one["keys"].to_string(),
        "security_groups" => format!("{tags} {} {rules}", one["name"]),
        "instances" | "volumes" | "addresses" => format!("{tags} {}", one["instance"].is_null()),
        _ => one.to_string(),
    }
}
