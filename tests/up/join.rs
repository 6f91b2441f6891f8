//! A machine that was just made lets itself be claimed once, and becomes what it is for.

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::{fs, io};

use tempfile::TempDir;

const TOKEN: &str = "0123456789abcdef0123456789abcdef";

/// A machine's service, before its claim.
struct Waiting {
    child: Child,
    said: BufReader<ChildStdout>,
    address: SocketAddr,
    dir: TempDir,
}

impl Waiting {
    fn start() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let (mut child, mut said) = join(&dir.path().join("claim.json"));
        let line = line_of(&mut said);
        let Some((_, address)) = line.split_once("http://") else {
            let _ = child.kill();
            panic!("{line}")
        };
        Self { child, said, address: address.parse().unwrap(), dir }
    }

    /// Claims it with this token; the status of the answer.
    fn claim(&self, token: &str, body: &str) -> io::Result<u16> {
        let mut stream = TcpStream::connect(self.address)?;
        write!(
            stream,
            "PUT /claim HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {token}\r\n\
             connection: close\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        )?;
        let mut line = String::new();
        BufReader::new(stream).read_line(&mut line)?;
        let status = line.split(' ').nth(1).and_then(|code| code.parse().ok());
        status.ok_or_else(|| io::Error::other(line))
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Starts the service; what it becomes says what it was told, and waits.
fn join(keep: &Path) -> (Child, BufReader<ChildStdout>) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_cloudaps"));
    command.args(["join", "--listen", "127.0.0.1:0", "--keep"]).arg(keep).arg("--");
    command.args([
        "sh",
        "-c",
        "echo $CLOUDAPS_INSTANCE $CLOUDAPS_CONTROL_TOKEN $CLOUDAPS_STORE \
                   ${CLOUDAPS_BOOT_TOKEN-none} $$; read -r end",
    ]);
    command.env("CLOUDAPS_BOOT_TOKEN", TOKEN).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let said = BufReader::new(child.stdout.take().unwrap());
    (child, said)
}

fn line_of(said: &mut BufReader<ChildStdout>) -> String {
    let mut line = String::new();
    said.read_line(&mut line).unwrap();
    line.trim().to_owned()
}

const CLAIM: &str = r#"{"instance":"i-1","control_token":"secret","store":"sqlite:///x"}"#;

#[test]
fn a_claim_is_taken_once_and_the_process_becomes_its_command() {
    let mut waiting = Waiting::start();
    assert_eq!(waiting.claim("another", CLAIM).unwrap(), 401);
    assert_eq!(waiting.claim(TOKEN, r#"{"instance":"i-1"}"#).unwrap(), 400);
    assert_eq!(waiting.claim(TOKEN, CLAIM).unwrap(), 204);
    let told = format!("i-1 secret sqlite:///x none {}", waiting.child.id());
    assert_eq!(line_of(&mut waiting.said), told);
    assert!(waiting.claim(TOKEN, CLAIM).is_err(), "nobody is there to take a second one");
}

#[test]
fn a_service_that_is_started_again_is_who_it_was() {
    let mut waiting = Waiting::start();
    assert_eq!(waiting.claim(TOKEN, CLAIM).unwrap(), 204);
    line_of(&mut waiting.said);
    let keep = waiting.dir.path().join("claim.json");
    let mode = fs::metadata(&keep).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600, "it holds secrets");
    let (mut again, mut said) = join(&keep);
    assert_eq!(line_of(&mut said), format!("i-1 secret sqlite:///x none {}", again.id()));
    again.kill().unwrap();
    again.wait().unwrap();
}

#[test]
fn a_boot_token_that_could_be_guessed_is_refused() {
    let keep = tempfile::tempdir().unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_cloudaps"));
    command.args(["join", "--listen", "127.0.0.1:0", "--boot-token", "short", "--keep"]);
    let output = command.arg(keep.path().join("claim")).args(["--", "true"]).output().unwrap();
    assert_eq!(output.status.code(), Some(64));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("at least 32"), "{said}");
}
