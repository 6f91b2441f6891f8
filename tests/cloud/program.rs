//! The binary under test, for machines to fetch.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};

use super::Cloud;

/// Where machines find the binary under test.
#[derive(Clone, Debug)]
pub(crate) struct Program {
    pub(crate) url: String,
    /// In hexadecimal digits.
    pub(crate) sha256: String,
}

impl Cloud {
    /// Puts the binary under test where machines can fetch it, as an artifact store would.
    pub(crate) fn program(&self) -> Program {
        let path = stripped_program();
        let made: Value = self.post("files", &json!({ "path": path }));
        let sum = Command::new("sha256sum").arg(&path).output().unwrap();
        let sha256 = String::from_utf8(sum.stdout).unwrap()[..64].to_owned();
        Program { url: made["url"].as_str().unwrap().to_owned(), sha256 }
    }
}

/// The binary under test without what only a debugger reads, which is most of it: every machine
/// loads it whole.
pub(crate) fn stripped_program() -> PathBuf {
    let program = Path::new(env!("CARGO_BIN_EXE_cloudaps"));
    let copy = Path::new(env!("CARGO_TARGET_TMPDIR")).join("cloudaps-stripped");
    let changed = |path: &Path| fs::metadata(path).and_then(|found| found.modified()).ok();
    if changed(&copy) <= changed(program) {
        // Another test may do the same at this moment.
        let mine = copy.with_extension(std::process::id().to_string());
        let status = Command::new("strip").arg("-o").args([&mine, program]).status().unwrap();
        assert!(status.success(), "strip: {status}");
        fs::rename(mine, &copy).unwrap();
    }
    copy
}
