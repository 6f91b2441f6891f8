//! A PostgreSQL server of a test's own, from Debian's package: with a port, a folder and data of
//! its own, as an unprivileged user, and gone when the test is.

use std::fs::{self, Permissions};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::thread;
use std::time::Duration;

use tempfile::TempDir;

/// Where Debian puts the versions.
const VERSIONS: &str = "/usr/lib/postgresql";

/// The user that the package brings. PostgreSQL refuses to run as root.
const UNPRIVILEGED: &str = "postgres";

/// Ports to try: another process may take a free one before the server does.
const TRIES: usize = 5;

/// How often to look whether the server is ready, and how long to wait in between: 20 s.
const LOOKS: usize = 2000;
const LOOK_PAUSE: Duration = Duration::from_millis(10);

/// A running server; ended when dropped, and by the kernel when the test dies.
pub(crate) struct Postgres {
    binaries: PathBuf,
    folder: TempDir,
    settings: Vec<String>,
    disk: Option<&'static str>,
    server: Option<Child>,
    pub(crate) port: u16,
}

impl Postgres {
    /// A server with an empty database `tasks` that asks for no password. `None`, and said why,
    /// where the package is not installed.
    pub(crate) fn start() -> Option<Self> {
        // What the tests do not kill need not reach the disk.
        Self::start_with(&["fsync=off"])
    }

    /// The same with `settings` like `fsync=on`.
    pub(crate) fn start_with(settings: &[&str]) -> Option<Self> {
        Self::start_on(None, settings)
    }

    /// The same with a disk of its own of that size, as `mount` understands it, which is not there
    /// for anybody else: what is to be on it goes into the tablespace `disk`.
    pub(crate) fn start_with_disk(size: &'static str) -> Option<Self> {
        if !rustix::process::geteuid().is_root() {
            eprintln!("skipped: only root can make a small disk");
            return None;
        }
        let postgres = Self::start_on(Some(size), &["fsync=off"])?;
        let folder = postgres.disk();
        postgres.sql(&format!("CREATE TABLESPACE disk LOCATION '{}'", folder.display()));
        Some(postgres)
    }

    fn start_on(disk: Option<&'static str>, settings: &[&str]) -> Option<Self> {
        let Some(binaries) = binaries() else {
            eprintln!("skipped: it needs PostgreSQL (Debian's package `postgresql`)");
            return None;
        };
        let folder = tempfile::tempdir().unwrap();
        fs::set_permissions(folder.path(), Permissions::from_mode(0o755)).unwrap();
        copy(&template(&binaries), &folder.path().join("data"));
        let settings = settings.iter().map(|setting| (*setting).to_owned()).collect();
        fs::create_dir(folder.path().join("disk")).unwrap();
        let mut postgres = Self { binaries, folder, settings, disk, server: None, port: 0 };
        let is_up = (0..TRIES).any(|_| {
            postgres.port = free_port();
            postgres.launch()
        });
        assert!(is_up, "PostgreSQL does not start: {}", postgres.log());
        Some(postgres)
    }

    /// The database, as `--store` takes it.
    pub(crate) fn url(&self) -> String {
        format!("postgres://cloudaps@127.0.0.1:{}/tasks", self.port)
    }

    /// A program of the same version.
    pub(crate) fn program(&self, name: &str) -> PathBuf {
        self.binaries.join(name)
    }

    /// Its data folder.
    pub(crate) fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// Where its own disk is, if it has one, as only the server sees it.
    pub(crate) fn disk(&self) -> PathBuf {
        self.folder.path().join("disk")
    }

    /// Makes its own disk larger or smaller.
    pub(crate) fn resize_disk(&self, size: &str) {
        let pid = self.server.as_ref().unwrap().id().to_string();
        let remount = format!("mount -o remount,size={size} '{}'", self.disk().display());
        let output =
            Command::new("nsenter").args(["-t", &pid, "-m", "sh", "-ec", &remount]).output();
        done(&output.unwrap(), &remount);
    }

    /// Runs SQL in the database `tasks` and returns what it prints.
    pub(crate) fn sql(&self, sql: &str) -> String {
        let port = self.port.to_string();
        let output = Command::new(self.binaries.join("psql"))
            .args(["-h", "127.0.0.1", "-p", &port, "-U", "cloudaps", "-d", "tasks"])
            .args(["-X", "-A", "-t", "-q", "-v", "ON_ERROR_STOP=1", "-c", sql])
            .output();
        done(&output.unwrap(), sql)
    }

    /// Ends it at once, as a crash would: no connection is told, and nothing is written.
    pub(crate) fn crash(&mut self) {
        let Some(mut server) = self.server.take() else { return };
        // Its children notice that it is gone, and go, too.
        server.kill().unwrap();
        server.wait().unwrap();
    }

    /// Starts it again at the same port.
    pub(crate) fn restart(&mut self) {
        let is_up = (0..LOOKS).any(|_| self.launch());
        assert!(is_up, "PostgreSQL does not start again: {}", self.log());
    }

    /// Starts the server. False: it ended at once; the port may be taken.
    fn launch(&mut self) -> bool {
        let data = self.data();
        let mut command = self.on_its_disk(unprivileged(&self.binaries.join("postgres")));
        command.arg("-D").arg(&data).args(["-p", &self.port.to_string()]);
        for setting in
            ["listen_addresses=127.0.0.1", "unix_socket_directories=", "shared_buffers=32MB"]
        {
            command.args(["-c", setting]);
        }
        command.args(self.settings.iter().flat_map(|setting| ["-c", setting]));
        let log = fs::File::create(self.folder.path().join("log")).unwrap();
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
        let mut server = command.spawn().unwrap();
        for _ in 0..LOOKS {
            if server.try_wait().unwrap().is_some() {
                return false;
            }
            if is_ready(&data, server.id()) {
                self.server = Some(server);
                return true;
            }
            thread::park_timeout(LOOK_PAUSE);
        }
        panic!("PostgreSQL is not ready in time: {}", self.log());
    }

    /// The command in a mount namespace with its own disk, if it has one.
    fn on_its_disk(&self, command: Command) -> Command {
        let Some(size) = self.disk else { return command };
        let disk = self.disk();
        let mount = format!(
            "mount -t tmpfs -o size={size},uid={UNPRIVILEGED},mode=700 tmpfs '{}'; exec \"$@\"",
            disk.display()
        );
        let mut own = Command::new("unshare");
        own.args(["--mount", "sh", "-ec", &mount, "sh"]);
        own.arg(command.get_program()).args(command.get_args()).current_dir("/");
        own
    }

    fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        let Some(server) = &mut self.server else { return };
        // SIGQUIT is its immediate shutdown: it ends its children, and is quick.
        let pid = rustix::process::Pid::from_child(server);
        let _ = rustix::process::kill_process(pid, rustix::process::Signal::QUIT);
        let _ = server.wait();
    }
}

/// Lets the server read a file that nobody else may.
pub(crate) fn give(file: &Path) {
    fs::set_permissions(file, Permissions::from_mode(0o600)).unwrap();
    if rustix::process::geteuid().is_root() {
        done(&Command::new("chown").arg(UNPRIVILEGED).arg(file).output().unwrap(), "chown");
    }
}

/// The programs of the newest version that is installed.
fn binaries() -> Option<PathBuf> {
    let versions = fs::read_dir(VERSIONS).ok()?.filter_map(|entry| {
        let version = entry.ok()?.file_name().to_str()?.parse::<u32>().ok()?;
        let folder = Path::new(VERSIONS).join(version.to_string()).join("bin");
        folder.join("initdb").exists().then_some((version, folder))
    });
    versions.max().map(|(_, folder)| folder)
}

/// The server's status is the eighth line of this file; see `pg_ctl`. A file that a crash left
/// behind has another process id.
fn is_ready(data: &Path, pid: u32) -> bool {
    let Ok(status) = fs::read_to_string(data.join("postmaster.pid")) else { return false };
    let lines: Vec<&str> = status.lines().map(str::trim).collect();
    lines.first() == Some(&pid.to_string().as_str()) && lines.get(7) == Some(&"ready")
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// A fresh data folder to copy: making one takes seconds, so it is done once per build folder.
fn template(binaries: &Path) -> PathBuf {
    let version = binaries.parent().and_then(Path::file_name).unwrap().to_str().unwrap();
    let folder = option_env!("CARGO_TARGET_TMPDIR").map_or_else(std::env::temp_dir, PathBuf::from);
    let template = folder.join(format!("postgres-{version}"));
    if !template.exists() {
        let made = tempfile::tempdir().unwrap();
        fs::set_permissions(made.path(), Permissions::from_mode(0o777)).unwrap();
        let data = made.path().join("data");
        initialize(binaries, &data);
        let mine = template.with_extension(std::process::id().to_string());
        copy(&data, &mine);
        if fs::rename(&mine, &template).is_err() {
            // Another test was faster.
            fs::remove_dir_all(&mine).unwrap();
        }
    }
    template
}

fn initialize(binaries: &Path, data: &Path) {
    let mut initdb = unprivileged(&binaries.join("initdb"));
    initdb.arg("-D").arg(data).args(["-U", "cloudaps", "-A", "trust", "-E", "UTF8"]);
    initdb.args(["--locale=C", "--no-sync", "--no-instructions", "--wal-segsize=1"]);
    done(&initdb.output().unwrap(), "initdb");
    let sql = data.join("create.sql");
    fs::write(&sql, "CREATE DATABASE tasks;\n").unwrap();
    let mut create = unprivileged(&binaries.join("postgres"));
    create.args(["--single", "-D"]).arg(data).arg("postgres");
    create.stdin(fs::File::open(&sql).unwrap());
    done(&create.output().unwrap(), "CREATE DATABASE");
}

/// Runs `program` as somebody who is not root, and lets it end with this thread.
fn unprivileged(program: &Path) -> Command {
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "QUIT"]);
    if rustix::process::geteuid().is_root() {
        command.args(["--reuid", UNPRIVILEGED, "--regid", UNPRIVILEGED, "--clear-groups"]);
    }
    // A folder that only its owner may enter is no place to run in.
    command.arg(program).current_dir("/");
    command
}

/// Copies a folder with its owners.
fn copy(from: &Path, to: &Path) {
    let output = Command::new("cp").args(["-a", "--reflink=auto"]).args([from, to]).output();
    done(&output.unwrap(), "cp");
}

#[track_caller]
fn done(output: &Output, what: &str) -> String {
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{what}: {said}");
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}
