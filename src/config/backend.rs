//! What the backends run, and how many of them there may be at a time.

use std::path::Path;

use super::Error;
use super::file::{Backend, Data, File, ProviderName};
use crate::provider::process::Workload;
use crate::tasks::{ParseStoreUrlError, StoreUrl};

/// Where the task service is probed.
const TASKS_HEALTH: &str = "/healthcheck/";

/// Refuses settings that contradict each other.
pub(super) fn check_together(file: &File) -> Result<(), Error> {
    let backend = &file.backend;
    let refuse = |text: String| Err(Error::Together(text));
    if let (Some(key), Some(other)) = (first_key(backend), without_backend(file)) {
        return refuse(format!(
            "`{key}` is for the server behind the forwarders, which do not run with {other}: \
             leave out one of them"
        ));
    }
    if backend.command.is_some() && backend.store.is_some() {
        return refuse(
            "`backend.store` is for the task service, which does not run with `backend.command`: \
             leave out one of them"
                .to_owned(),
        );
    }
    if backend.command.is_none() && backend.data == Data::Shared {
        return refuse(
            "`backend.data` is for `backend.command`: of the task service, `backend.store` says \
             it"
            .to_owned(),
        );
    }
    let replicas = backend.replicas.get();
    match (data(backend), &backend.command) {
        _ if replicas == 1 => Ok(()),
        (Data::Shared, _) => Ok(()),
        (Data::Exclusive, Some(_)) => refuse(format!(
            "`backend.replicas = {replicas}` is not for a server that has its data to itself: if \
             several may run at a time, add `backend.data = \"shared\"`; otherwise allowed is 1"
        )),
        (Data::Exclusive, None) => refuse(format!(
            "`backend.replicas = {replicas}` is not for SQLite, whose file only one task service \
             may have open: allowed is 1, or a `backend.store` that begins with `postgres://`"
        )),
    }
}

/// The first setting that is not as it is when nothing is said.
fn first_key(backend: &Backend) -> Option<&'static str> {
    let default = Backend::default();
    let said = [
        ("backend.store", backend.store.is_some()),
        ("backend.command", backend.command.is_some()),
        ("backend.health", backend.health != default.health),
        ("backend.data", backend.data != default.data),
        ("backend.replicas", backend.replicas != default.replicas),
    ];
    said.into_iter().find_map(|(key, is_said)| is_said.then_some(key))
}

/// What there is no backend with.
fn without_backend(file: &File) -> Option<&'static str> {
    match (file.provider, &file.instance.command) {
        (ProviderName::Static, _) => Some("provider \"static\""),
        (ProviderName::Process | ProviderName::Ec2, Some(_)) => Some("`instance.command`"),
        (ProviderName::Process | ProviderName::Ec2, None) => None,
    }
}

/// Who may have the data open.
pub(super) fn data(backend: &Backend) -> Data {
    if backend.command.is_some() {
        return backend.data;
    }
    match backend.store.as_deref().map(str::parse::<StoreUrl>) {
        Some(Ok(StoreUrl::Postgres(_))) => Data::Shared,
        // One that is no store is refused elsewhere.
        Some(Ok(StoreUrl::Sqlite(_)) | Err(_)) | None => Data::Exclusive,
    }
}

/// The settings as they may be shown: without the password of the database.
pub(super) fn shown(backend: &Backend) -> Backend {
    let hide = |store: &String| match store.parse::<StoreUrl>() {
        Ok(url @ StoreUrl::Postgres(_)) => url.to_string(),
        Ok(StoreUrl::Sqlite(_)) | Err(_) => store.clone(),
    };
    Backend { store: backend.store.as_ref().map(hide), ..backend.clone() }
}

/// Where a backend is probed.
pub(super) fn health(backend: &Backend) -> &str {
    match &backend.command {
        Some(_) => &backend.health.0,
        None => TASKS_HEALTH,
    }
}

/// What a backend runs.
pub(super) fn workload(backend: &Backend, state_dir: &Path) -> Result<Workload, Error> {
    if let Some(command) = &backend.command {
        return Ok(Workload::Command(command.0.clone()));
    }
    let default = || format!("sqlite://{}", state_dir.join("tasks.db").display());
    check_store(backend)?;
    Ok(Workload::Tasks { store: backend.store.clone().unwrap_or_else(default) })
}

/// Refuses what names no database.
pub(super) fn check_store(backend: &Backend) -> Result<(), Error> {
    let refusal = |error: ParseStoreUrlError| Error::Together(format!("`backend.store`: {error}"));
    let parsed = backend.store.as_deref().map(str::parse::<StoreUrl>);
    parsed.transpose().map(drop).map_err(refusal)
}
