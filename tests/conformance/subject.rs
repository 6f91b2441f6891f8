//! The three proxies that the table is put to, each configured to do the same.

use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::Duration;

use tempfile::TempDir;

use super::origin::PROBE_PATH;
use super::wire::until;

/// Longer than any case takes: what is not under test does not interfere.
const LONG: Duration = Duration::from_secs(60);
/// A timeout that is under test.
pub(crate) const SHORT: Duration = Duration::from_millis(300);
/// How long a subject may take to come up.
const STARTUP: Duration = Duration::from_secs(20);

/// One of the three.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Which {
    CloudAps,
    Nginx,
    HaProxy,
}

/// What is configured differently for some cases.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Setup {
    /// A request's head.
    pub(crate) head: Duration,
    /// A body, in either direction, without progress.
    pub(crate) stall: Duration,
    /// A client connection without a request.
    pub(crate) idle: Duration,
    /// From the end of a request to its answer.
    pub(crate) first_byte: Duration,
    /// Opening a connection to the origin.
    pub(crate) connect: Duration,
    /// Descriptors that the process may have.
    pub(crate) descriptors: Option<u32>,
}

/// What most cases run with.
pub(crate) const ORDINARY: Setup = Setup {
    head: LONG,
    stall: LONG,
    idle: LONG,
    first_byte: LONG,
    connect: Duration::from_secs(5),
    descriptors: None,
};

/// A running proxy.
pub(crate) struct Subject {
    child: Child,
    pub(crate) address: SocketAddr,
    _dir: TempDir,
}

impl Which {
    pub(crate) const ALL: [Self; 3] = [Self::CloudAps, Self::Nginx, Self::HaProxy];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::CloudAps => "CloudAPS",
            Self::Nginx => "nginx",
            Self::HaProxy => "HAProxy",
        }
    }

    /// What it says about its version; `None` if it is not installed.
    pub(crate) fn version(self) -> Option<String> {
        let (flag, prefix) = match self {
            Self::CloudAps => ("--version", "cloudaps "),
            Self::Nginx => ("-v", "nginx version: nginx/"),
            Self::HaProxy => ("-v", "HAProxy version "),
        };
        let output = Command::new(self.program()).arg(flag).output().ok()?;
        // nginx tells it on its standard error.
        let text = [output.stdout, output.stderr].concat();
        let text = String::from_utf8_lossy(&text).into_owned();
        let version = text.lines().find_map(|line| line.strip_prefix(prefix))?;
        version.split_whitespace().next().map(str::to_owned)
    }

    fn program(self) -> String {
        let name = match self {
            Self::CloudAps => return env!("CARGO_BIN_EXE_cloudaps").to_owned(),
            Self::Nginx => "nginx",
            Self::HaProxy => "haproxy",
        };
        // Debian keeps them where an ordinary user's PATH does not look.
        let sbin = format!("/usr/sbin/{name}");
        if Path::new(&sbin).exists() { sbin } else { name.to_owned() }
    }

    /// Its configuration, for these origins.
    fn configuration(
        self,
        setup: &Setup,
        listen: SocketAddr,
        dir: &Path,
        origins: &[SocketAddr],
    ) -> String {
        match self {
            Self::CloudAps => cloudaps(setup, origins),
            Self::Nginx => nginx(setup, listen, dir, origins),
            Self::HaProxy => haproxy(setup, listen, origins),
        }
    }
}

impl Subject {
    /// Starts it in front of these origins, and waits until it accepts.
    pub(crate) fn start(which: Which, setup: &Setup, origins: &[SocketAddr]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let listen = match which {
            Which::CloudAps => SocketAddr::from(([127, 0, 0, 1], 0)),
            Which::Nginx | Which::HaProxy => own_address(),
        };
        let config = dir.path().join("config");
        fs::write(&config, which.configuration(setup, listen, dir.path(), origins)).unwrap();
        let mut command = limited(which, setup);
        match which {
            Which::CloudAps => {
                command.args(["up", "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"]);
                command.args(["--log-filter", "warn", "--state-dir"]).arg(dir.path().join("state"));
                command.arg("-c");
            }
            Which::Nginx => {
                command.arg("-e").arg(dir.path().join("error.log")).arg("-c");
            }
            Which::HaProxy => {
                command.args(["-db", "-f"]);
            }
        }
        let log = File::create(dir.path().join("log")).unwrap();
        command.arg(&config).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(log);
        let mut child = command.spawn().unwrap();
        let address = match which {
            Which::CloudAps => balancer_address(&mut child, &dir),
            Which::Nginx | Which::HaProxy => listen,
        };
        let subject = Self { child, address, _dir: dir };
        let accepts = until(STARTUP, || TcpStream::connect(address).is_ok());
        assert!(accepts, "{} does not come up", which.name());
        subject
    }

    /// A field of `/proc/PID/FILE`, such as `VmRSS` in kilobytes.
    pub(crate) fn resident_kilobytes(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let row = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        row.trim().trim_end_matches(" kB").parse().unwrap()
    }

    /// The processor time that it has used, in ticks of the system.
    pub(crate) fn processor_ticks(&self) -> u64 {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.child.id())).unwrap();
        // The name, in parentheses, may contain anything.
        let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
        let [user, system] = [11, 12].map(|index| fields[index].parse::<u64>().unwrap());
        user + system
    }

    /// The descriptors that it has open.
    pub(crate) fn descriptors(&self) -> usize {
        fs::read_dir(format!("/proc/{}/fd", self.child.id())).unwrap().count()
    }
}

impl Drop for Subject {
    /// At once, and it only: the origin then knows that no more will come.
    fn drop(&mut self) {
        let _ = self.child.kill();
        let ended = self.child.wait();
        let crashed = ended.as_ref().is_ok_and(|status| status.signal() != Some(9));
        if crashed && !std::thread::panicking() {
            panic!("the subject ended by itself: {ended:?}");
        }
    }
}

/// The command, under a limit of descriptors if there is one.
fn limited(which: Which, setup: &Setup) -> Command {
    match setup.descriptors {
        None => Command::new(which.program()),
        Some(limit) => {
            let mut command = Command::new("sh");
            command.arg("-c").arg(format!("ulimit -n {limit}; exec \"$@\"")).arg("sh");
            command.arg(which.program());
            command
        }
    }
}

/// An address on this machine that nobody else uses: those that cannot be told to take any port
/// get a host each, so that no client in between takes theirs.
fn own_address() -> SocketAddr {
    static STARTED: AtomicU16 = AtomicU16::new(0);
    let [high, low] = STARTED.fetch_add(1, Ordering::Relaxed).to_be_bytes();
    TcpListener::bind(SocketAddr::from(([127, 1, high, low], 0))).unwrap().local_addr().unwrap()
}

/// What our own binary says it listens on, once the origins have been probed.
fn balancer_address(child: &mut Child, dir: &TempDir) -> SocketAddr {
    let mut address = None;
    for line in BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok) {
        if let Some(url) = line.strip_prefix("balancer ") {
            address = url.trim().trim_start_matches("http://").parse().ok();
        }
        if line.starts_with("ready ") {
            break;
        }
    }
    let said = || fs::read_to_string(dir.path().join("log")).unwrap_or_default();
    address.unwrap_or_else(|| panic!("it does not come up: {}", said()))
}

fn cloudaps(setup: &Setup, origins: &[SocketAddr]) -> String {
    let Setup { head, stall, idle, first_byte, connect, descriptors: _ } = setup;
    let origins: Vec<String> = origins.iter().map(|origin| format!("\"{origin}\"")).collect();
    format!(
        "provider = \"static\"\nendpoints = [{}]\n[instance]\nhealth = \"{PROBE_PATH}\"\n\
         [probe]\ninterval = \"10m\"\ntimeout = \"1m\"\n\
         [proxy]\nthreads = 1\nbalance = \"round_robin\"\nhead_timeout = \"{head:?}\"\n\
         stall_timeout = \"{stall:?}\"\nidle_timeout = \"{idle:?}\"\n\
         first_byte_timeout = \"{first_byte:?}\"\nconnect_timeout = \"{connect:?}\"\n\
         hold_timeout = \"{SHORT:?}\"\n",
        origins.join(", ")
    )
}

fn nginx(setup: &Setup, listen: SocketAddr, dir: &Path, origins: &[SocketAddr]) -> String {
    let Setup { head, stall, idle, first_byte, connect, descriptors: _ } = setup;
    let [head, stall, idle, first_byte, connect] =
        [head, stall, idle, first_byte, connect].map(|time| format!("{}ms", time.as_millis()));
    let servers = origins.iter().map(|origin| format!("server {origin} max_fails=0;\n"));
    let servers: String = servers.collect();
    let dir = dir.display();
    let folders = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"];
    let folders = folders.map(|name| format!("{name}_temp_path {dir}/{name};\n")).concat();
    format!(
        "daemon off;\nmaster_process off;\npid {dir}/pid;\nerror_log {dir}/error.log;\n\
         worker_rlimit_nofile 20000;\nevents {{ worker_connections 10000; }}\nhttp {{\n\
         access_log off;\n{folders}\
         map $http_upgrade $connection_upgrade {{ default upgrade; '' ''; }}\n\
         upstream origin {{\n{servers}keepalive 256;\n}}\n\
         server {{\nlisten {listen};\nserver_name localhost;\n\
         client_header_buffer_size 16k;\nlarge_client_header_buffers 4 64k;\n\
         client_max_body_size 0;\nclient_header_timeout {head};\nclient_body_timeout {stall};\n\
         send_timeout {stall};\nkeepalive_timeout {idle};\n\
         location / {{\nproxy_pass http://origin;\nproxy_http_version 1.1;\n\
         proxy_set_header Host $host;\nproxy_set_header X-Forwarded-For $remote_addr;\n\
         proxy_set_header Upgrade $http_upgrade;\n\
         proxy_set_header Connection $connection_upgrade;\n\
         proxy_buffer_size 64k;\nproxy_buffers 8 64k;\nproxy_busy_buffers_size 128k;\n\
         proxy_max_temp_file_size 0;\n\
         proxy_connect_timeout {connect};\nproxy_read_timeout {first_byte};\n\
         proxy_send_timeout {stall};\n}}\n}}\n}}\n"
    )
}

fn haproxy(setup: &Setup, listen: SocketAddr, origins: &[SocketAddr]) -> String {
    let Setup { head, stall, idle, first_byte, connect, descriptors } = setup;
    let [head, stall, idle, first_byte, connect] =
        [head, stall, idle, first_byte, connect].map(|time| format!("{}ms", time.as_millis()));
    let servers = origins.iter().enumerate();
    let servers: String =
        servers.map(|(index, origin)| format!("server s{index} {origin}\n")).collect();
    // It refuses to start with more connections than its descriptors allow, which are two for each
    // and some for itself.
    let most = descriptors.map_or(9000, |descriptors| descriptors / 4);
    format!(
        "global\nnbthread 1\nmaxconn {most}\ntune.bufsize 65536\ntune.maxrewrite 1024\n\
         defaults\nmode http\noption abortonclose\noption redispatch 1\nhttp-reuse always\n\
         timeout http-request {head}\ntimeout client {stall}\ntimeout http-keep-alive {idle}\n\
         timeout server {first_byte}\ntimeout connect {connect}\ntimeout tunnel 1h\n\
         frontend in\nbind {listen}\n\
         http-request set-header X-Forwarded-For %[src]\ndefault_backend origin\n\
         backend origin\nbalance roundrobin\n{servers}"
    )
}
