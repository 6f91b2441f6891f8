//! A cloud to test on: EC2, IAM, STS and S3 as [moto] has them, with what real AWS has besides, and
//! a *machine* for every instance that the API says is running.
//!
//! # How a test uses it
//!
//! A test binary includes it, and a test runs inside of it:
//!
//! ```ignore
//! #[path = "../cloud/mod.rs"]
//! mod cloud;
//!
//! #[test]
//! fn an_instance_serves() {
//!     cloud::inside(|cloud| {
//!         // Here the whole test process is the host `balancer` of the default VPC: it reaches
//!         // machines by their private addresses, and the SDK finds the API in the environment.
//!         cloud.add(&Fault::error("RunInstances", "InternalError", 500).times(1));
//!     });
//! }
//! ```
//!
//! [`inside`] starts a cloud and then the same test once more, in the network of the balancer; the
//! body runs there. What the body starts with `std::process::Command` is there, too. A test that
//! wants to stay outside calls [`Cloud::start`], and puts processes on a host with
//! [`Cloud::command`]; the API is then at [`Cloud::environment`]'s loopback address. Both print why
//! and do nothing where a cloud cannot be had: it takes root, `iproute2` and moto.
//!
//! # What there is
//!
//! - Hosts: [`Host::Balancer`] (172.31.255.10, private) and [`Host::Laptop`] (203.0.113.2, which
//!   has no way to private addresses). The API is at `http://203.0.113.1`, for all of them.
//! - A machine has exactly the addresses that the API reports: the private one, and the public or
//!   elastic one. Its root is the host's, with a disk of its own laid over it. Its user data runs
//!   as cloud-init runs a script: as root, without `HOME`, once. `systemctl` is a stand-in for
//!   `daemon-reload`, `enable [--now]`, `disable`, `start`, `stop`, `restart`, `is-active`,
//!   `is-enabled`, `status` and `poweroff`; a service runs with `ExecStartPre`, `ExecStart`,
//!   `User`, `DynamicUser`, `Environment[File]`, `StateDirectory` and its like, `LoadCredential`,
//!   `AmbientCapabilities`, `Restart` and `RestartSec`. What it and the script print is in
//!   [`Cloud::console`]. The binary under test is to be had by [`Cloud::program`].
//! - What runs on a machine finds `AWS_ENDPOINT_URL` and `AWS_EC2_METADATA_SERVICE_ENDPOINT`
//!   (`http://127.0.0.1:1338`; version 2 only) in its environment, and nothing else of AWS's:
//!   region and the role's credentials come from the metadata. User data that asks for metadata
//!   itself does so at `${AWS_EC2_METADATA_SERVICE_ENDPOINT:-http://169.254.169.254}`.
//! - A volume is a block device `/dev/nvme1n1`, …, which
//!   `/dev/disk/by-id/nvme-Amazon_Elastic_Block_Store_vol…` leads to. It outlives its machine, and
//!   while it is mounted it stays `detaching`.
//! - The role of an instance may do what its policies allow, by action. Credentials of
//!   [`Cloud::environment`] may do everything.
//! - The API's token buckets have AWS's numbers; [`Fault`] is what else can go wrong with a call,
//!   and [`Setting`] how long things take and how far listings lag behind.
//!
//! Terminate and stop shut a machine down as an operating system does; [`Cloud::crash`] and
//! [`Cloud::cut`] are what the API does not know of.
//!
//! # What it is not
//!
//! Routes and network ACLs are kept and reported, and stop nobody: all hosts are on one wire.
//! Security groups stop TCP that comes in, and only with [`Setting::Firewalls`], because the host
//! [`Host::Balancer`] can be in no group: what is to reach machines from there has to be allowed by
//! its address. Ports from 32768 on are always open. Policies are looked at for their actions only.
//! Regions other than `us-east-1` have an API, and no machines' addresses of their own. `Force`
//! does not detach what is mounted.
//!
//! Everything is in namespaces of the cloud's own, which the kernel ends when the test does,
//! however that happens. Nothing is ever sent to one of these addresses from the machine's own
//! network.
//!
//! [moto]: https://docs.getmoto.org/

#![allow(dead_code, reason = "each binary of tests uses a part of it")]
#![allow(clippy::disallowed_methods, reason = "a test looks at its environment")]

mod control;
mod program;

use std::any::type_name;
use std::env;
use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::channel;
use std::thread;
use std::time::Duration;

use tempfile::TempDir;

use control::Client;
#[allow(unused_imports, reason = "each binary of tests names a part of it")]
pub(crate) use control::{Call, Calls, Fault, FaultId, Machine, Market, Output, Setting};
#[allow(unused_imports, reason = "each binary of tests names a part of it")]
pub(crate) use program::{Program, stripped_program};

/// How long a cloud may take to start, on a machine that does much else.
const START_MAX: Duration = Duration::from_secs(60);

/// Between two looks at what has no event to await, and how many of them there are: 30 s.
const LOOK_PAUSE: Duration = Duration::from_millis(20);
const LOOKS: usize = 1500;

/// Tells the test that runs inside which process holds its cloud.
const HOLDER: &str = "CLOUDAPS_TEST_CLOUD";

/// Tells it which file is to say that it was there.
const DONE: &str = "CLOUDAPS_TEST_DONE";

/// Where the API is, for whoever is in the cloud.
const INSIDE: &str = "http://203.0.113.1";

/// Where the balancer's host is, for whoever is in its VPC.
pub(crate) const BALANCER: Ipv4Addr = Ipv4Addr::new(172, 31, 255, 10);

/// Who may take on the role of a machine: EC2, for it.
pub(crate) const TRUST: &str = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow",
    "Principal":{"Service":"ec2.amazonaws.com"},"Action":"sts:AssumeRole"}]}"#;

/// A host that is there from the start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Host {
    /// In the default VPC, as whatever machine is to be the balancer.
    Balancer,
    /// In the world: it reaches public addresses only.
    Laptop,
}

impl Host {
    fn name(self) -> &'static str {
        match self {
            Self::Balancer => "balancer",
            Self::Laptop => "laptop",
        }
    }
}

/// A running cloud, from the outside or from the inside.
pub(crate) struct Cloud {
    control: Client,
    endpoint: String,
    /// The process in whose mount table the hosts' networks are.
    holder: u32,
    server: Option<Server>,
}

/// The cloud's process, held by who started it.
struct Server {
    child: Child,
    folder: TempDir,
}

/// Runs `body` in the balancer's network, in a process of its own: this test, started once more.
///
/// It has to be called by the test's own function, because the closure's name tells which one.
#[track_caller]
pub(crate) fn inside<F: FnOnce(&Cloud)>(body: F) {
    inside_as(&test_name::<F>(), body);
}

/// The same for the test of this name.
#[track_caller]
pub(crate) fn inside_as(test: &str, body: impl FnOnce(&Cloud)) {
    if let Ok(holder) = env::var(HOLDER) {
        let endpoint = INSIDE.to_owned();
        let holder = holder.parse().unwrap();
        let control = Client::new(&endpoint);
        body(&Cloud { control, endpoint, holder, server: None });
        return fs::write(env::var(DONE).unwrap(), test).unwrap();
    }
    let Some(cloud) = Cloud::start() else { return };
    let mut command = cloud.command(Host::Balancer, env::current_exe().unwrap());
    let done = cloud.server.as_ref().unwrap().folder.path().join("done");
    command.args([test, "--exact", "--nocapture"]).env(DONE, &done);
    let status = command.status().unwrap();
    assert!(status.success(), "the test failed inside of the cloud: {status}");
    // A name that no test has is no failure for the test runner.
    assert!(done.exists(), "no test `{test}` ran inside of the cloud");
}

impl Cloud {
    /// A cloud with an empty account. `None`, and said why, where it cannot be had.
    pub(crate) fn start() -> Option<Self> {
        let python = match requirements() {
            Ok(python) => python,
            Err(missing) => {
                eprintln!("skipped: it needs {missing}");
                return None;
            }
        };
        let folder = tempfile::tempdir().unwrap();
        let log = File::create(folder.path().join("log")).unwrap();
        let program = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cloud/cloud.py");
        let mut child = Command::new(python)
            // What it compiles would land beside its source.
            .arg("-B")
            .arg(program)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .unwrap();
        let port = first_line(&mut child);
        let holder = child.id();
        let server = Server { child, folder };
        let port = port.unwrap_or_else(|| panic!("the cloud does not start: {}", server.log()));
        let endpoint = format!("http://127.0.0.1:{port}");
        Some(Self { control: Client::new(&endpoint), endpoint, holder, server: Some(server) })
    }

    /// What leads the SDK, and whatever else speaks to AWS, to this cloud as the account's owner.
    pub(crate) fn environment(&self) -> [(&'static str, &str); 7] {
        environment(&self.endpoint)
    }

    /// The same as an address, for who has the credentials from elsewhere.
    pub(crate) fn endpoint(&self) -> &str {
        &self.endpoint
    }

    /// Ends it without a word, as `kill -9` does.
    pub(crate) fn kill(&mut self) {
        self.server.as_mut().expect("it is the one that started it").child.kill().unwrap();
    }

    /// A command that will run on `host`, and find the API in its environment.
    pub(crate) fn command(&self, host: Host, program: impl AsRef<OsStr>) -> Command {
        let root = format!("/proc/{}/root", self.holder);
        let mut command = Command::new("nsenter");
        command.arg(format!("--net={root}/run/netns/{}", host.name()));
        command.args(["setpriv", "--pdeathsig", "KILL", "--"]);
        command.arg(program).envs(environment(INSIDE)).env(HOLDER, self.holder.to_string());
        command
    }
}

impl Drop for Cloud {
    /// A test that fails shows what the cloud and its machines said.
    fn drop(&mut self) {
        if !thread::panicking() {
            return;
        }
        let Some(server) = &self.server else { return };
        // Not by a call, which might fail, too.
        let root = format!("/proc/{}/root", self.holder);
        let consoles = fs::read_dir(format!("{root}/run/cloud/consoles"));
        for console in consoles.into_iter().flatten().flatten() {
            let text = fs::read_to_string(console.path()).unwrap_or_default();
            eprintln!("── console of {}\n{text}", console.file_name().display());
        }
        eprintln!("── log of the cloud\n{}", server.log());
    }
}

impl Server {
    fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }
}

impl Drop for Server {
    /// The end of its input is the end of the cloud.
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        let _ = self.child.wait();
    }
}

/// Looks until `look` finds something, and fails when that does not happen in time.
#[track_caller]
pub(crate) fn eventually<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    for _ in 0..LOOKS {
        if let Some(found) = look() {
            return found;
        }
        thread::park_timeout(LOOK_PAUSE);
    }
    panic!("not in time: {what}");
}

fn environment(endpoint: &str) -> [(&'static str, &str); 7] {
    [
        ("AWS_ENDPOINT_URL", endpoint),
        ("AWS_REGION", "us-east-1"),
        ("AWS_ACCESS_KEY_ID", "AKIAIOSFODNN7EXAMPLE"),
        ("AWS_SECRET_ACCESS_KEY", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"),
        // Neither the settings of whoever runs the tests nor their machine's role.
        ("AWS_CONFIG_FILE", "/dev/null"),
        ("AWS_SHARED_CREDENTIALS_FILE", "/dev/null"),
        ("AWS_EC2_METADATA_DISABLED", "true"),
    ]
}

/// The Python that has moto, or what is missing.
fn requirements() -> Result<PathBuf, &'static str> {
    let python = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/tools/moto/bin/python");
    if !rustix::process::geteuid().is_root() {
        return Err("root, to make networks of its own");
    }
    if Command::new("ip").arg("-V").output().is_err() {
        return Err("`ip` (Debian's package `iproute2`)");
    }
    if !python.exists() {
        return Err("moto, which `./test` installs");
    }
    Ok(python)
}

/// The port that the cloud says it listens at, once it does. `None`: it ended, or said nothing.
fn first_line(child: &mut Child) -> Option<u16> {
    let mut output = BufReader::new(child.stdout.take().unwrap());
    let (said, heard) = channel();
    thread::spawn(move || {
        let mut line = String::new();
        let _ = output.read_line(&mut line);
        said.send(line)
    });
    heard.recv_timeout(START_MAX).ok()?.trim().parse().ok()
}

/// The name that the test runner knows the function around a closure by.
pub(crate) fn test_name<F>() -> String {
    let path = type_name::<F>();
    let path = path.strip_suffix("::{{closure}}").unwrap_or(path);
    path.split_once("::").map_or(path, |(_, name)| name).to_owned()
}
