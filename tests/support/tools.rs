//! What `./test` installs for these tests, and may have failed to.

use std::env;
use std::path::{Path, PathBuf};

/// Where it puts what is no Debian package.
fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("target/tools")
}

/// A file under that folder. Without it the test is skipped, which is said.
pub(crate) fn tool(path: &str) -> Option<PathBuf> {
    let file = folder().join(path);
    found(file.is_file().then_some(file), path)
}

/// A program on the `PATH`. Without it the test is skipped, which is said.
#[expect(clippy::disallowed_methods, reason = "nothing else says where programs are")]
pub(crate) fn program(name: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let file = env::split_paths(&path).map(|folder| folder.join(name)).find(|file| file.is_file());
    found(file, name)
}

fn found(file: Option<PathBuf>, name: &str) -> Option<PathBuf> {
    if file.is_none() {
        eprintln!("skipped: there is no {name}; ./test installs it");
    }
    file
}
