//! The state directory.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use cloudaps::state_dir::{Error, StateDir, TokenName};

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[test]
fn a_second_owner_is_told_who_the_first_is() {
    let dir = tempfile::tempdir().unwrap();
    let lock = StateDir::open(dir.path()).unwrap().lock().unwrap();
    let error = StateDir::open(dir.path()).unwrap().lock().unwrap_err();
    assert!(matches!(error, Error::Locked { pid: Some(pid), .. } if pid == std::process::id()));
    let text = error.to_string();
    assert!(text.contains(&format!("pid {}", std::process::id())), "{text}");
    assert!(text.contains(dir.path().to_str().unwrap()), "{text}");
    drop(lock);
    StateDir::open(dir.path()).unwrap().lock().unwrap();
}

#[test]
fn what_is_made_is_for_its_owner_only() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a/b");
    let state = StateDir::open(&path).unwrap();
    state.token(TokenName::Admin).unwrap();
    assert_eq!(mode(&path), 0o700);
    assert_eq!(mode(&path.join("admin.token")), 0o600);
}

#[test]
fn a_token_is_drawn_once_and_never_printed() {
    let dir = tempfile::tempdir().unwrap();
    let state = StateDir::open(dir.path()).unwrap();
    let token = state.token(TokenName::Admin).unwrap();
    assert_eq!(token.as_str().len(), 64);
    assert_eq!(state.token(TokenName::Admin).unwrap(), token);
    assert_eq!(
        StateDir::existing(dir.path()).unwrap().read_token(TokenName::Admin).unwrap(),
        token
    );
    assert_ne!(state.token(TokenName::Control).unwrap(), token);
    assert!(!format!("{token:?}").contains(token.as_str()));
}

#[test]
fn a_token_that_others_can_read_is_hidden_again() {
    let dir = tempfile::tempdir().unwrap();
    let state = StateDir::open(dir.path()).unwrap();
    let path = dir.path().join("admin.token");
    fs::write(&path, "a-token-of-my-own-choice\n").unwrap();
    fs::set_permissions(&path, Permissions::from_mode(0o644)).unwrap();
    assert_eq!(state.token(TokenName::Admin).unwrap().as_str(), "a-token-of-my-own-choice");
    assert_eq!(mode(&path), 0o600);
}

#[test]
fn a_file_that_holds_no_token_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let state = StateDir::open(dir.path()).unwrap();
    for text in ["", "short", "with spaces in it, long enough"] {
        fs::write(dir.path().join("control.token"), text).unwrap();
        let error = state.token(TokenName::Control).unwrap_err();
        assert!(matches!(error, Error::BadToken { .. }), "{error}");
        assert!(error.to_string().contains("control.token"), "{error}");
    }
}

#[test]
fn a_directory_that_others_may_write_to_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    fs::set_permissions(dir.path(), Permissions::from_mode(0o777)).unwrap();
    let error = StateDir::open(dir.path()).unwrap_err().to_string();
    assert!(error.contains("mode 777"), "{error}");
}

#[test]
fn a_command_finds_the_admin_api_of_a_running_up() {
    let dir = tempfile::tempdir().unwrap();
    let state = StateDir::open(dir.path()).unwrap();
    assert!(matches!(state.admin_address(), Err(Error::NotRunning { .. })));
    let address = "127.0.0.1:5001".parse().unwrap();
    state.set_admin_address(address).unwrap();
    let found = StateDir::existing(dir.path()).unwrap().admin_address().unwrap();
    assert_eq!(found, address);
    state.forget_admin_address().unwrap();
    state.forget_admin_address().unwrap();
    assert!(matches!(state.admin_address(), Err(Error::NotRunning { .. })));
}

#[test]
fn a_command_makes_no_directory() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("missing");
    let error = StateDir::existing(&path).unwrap_err();
    assert!(matches!(error, Error::Missing { .. }), "{error}");
    assert!(!path.exists());
}
