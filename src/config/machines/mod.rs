//! What the machines of provider `ec2` are, and what does not go with it.

#[cfg(feature = "ec2")]
mod provider;

use super::ec2::{Artifact, Ec2};
use super::file::{Backend, Data, File, ProviderName};
use super::proxy::Proxy;
use super::traces::Traces;
use super::{Error, backend};
use crate::boot::{Duty, Notices};
use crate::tasks::StoreUrl;

/// What machines on EC2 are.
#[derive(Clone, Debug)]
pub struct Machines {
    /// Where they are launched, and what they are made of.
    pub ec2: Ec2,
    /// The program that they fetch.
    pub artifact: Artifact,
    /// What an instance does.
    pub instances: Duty,
    /// What a backend does and where it keeps its data, if there is one.
    pub backend: Option<(Duty, Kept)>,
    /// What forwarders say to their collector of traces besides; may be a secret.
    pub trace_headers: Option<String>,
}

/// Where a backend keeps its data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kept {
    /// On the fleet's volume.
    OnVolume,
    /// Elsewhere: in this database, if it is a task service's.
    Elsewhere(Option<String>),
}

/// Refuses settings that contradict each other.
pub(super) fn check_together(file: &File) -> Result<(), Error> {
    if file.provider != ProviderName::Ec2 {
        return Ok(());
    }
    let refuse = |text: &str| Err(Error::Together(text.to_owned()));
    if cfg!(not(feature = "ec2")) {
        return refuse(
            "this cloudaps was built without provider \"ec2\": build it with \
             `cargo build --release --features ec2`",
        );
    }
    if file.ec2.artifact.is_none() {
        return refuse(
            "provider \"ec2\" does not know what its machines are to run: name this program, built \
             for Linux, as `artifact = { url = \"https://… or s3://…\", sha256 = \"…\" }` in \
             `[ec2]`",
        );
    }
    let store = file.backend.store.as_deref().map(str::parse::<StoreUrl>);
    if matches!(store, Some(Ok(StoreUrl::Sqlite(_)))) {
        return refuse(
            "`backend.store` is a file, and with provider \"ec2\" that is on the backend's volume: \
             leave it out, or name a database that begins with `postgres://`",
        );
    }
    Ok(())
}

/// What the file says of the machines.
pub(super) fn machines(file: &File) -> Result<Machines, Error> {
    check_together(file)?;
    let missing = || Error::Together("`ec2.artifact` is missing".to_owned());
    let artifact = file.ec2.artifact.clone().ok_or_else(missing)?;
    let (instances, backend) = match &file.instance.command {
        Some(command) => (Duty::Command(command.0.clone()), None),
        None => (forward(file)?, Some(behind(&file.backend)?)),
    };
    let trace_headers = file.traces.headers.to_variable();
    Ok(Machines { ec2: file.ec2.clone(), artifact, instances, backend, trace_headers })
}

/// A forwarder has the same settings of the data plane as the balancer, as one on this machine has,
/// but for what is secret of them: it is told that when it is claimed.
fn forward(file: &File) -> Result<Duty, Error> {
    #[derive(serde::Serialize)]
    struct Sent<'a> {
        proxy: &'a Proxy,
        #[serde(skip_serializing_if = "Option::is_none")]
        traces: Option<Traces>,
    }
    let sent = Sent { proxy: &file.proxy, traces: file.traces.without_headers() };
    let refusal = |error| Error::Together(format!("`[proxy]` or `[traces]`: {error}"));
    let settings = toml::to_string(&sent).map_err(refusal)?;
    let notices = if file.ec2.spot { Notices::Watched } else { Notices::None };
    Ok(Duty::Forward { threads: file.instance.threads.to_u32(), settings, notices })
}

fn behind(backend: &Backend) -> Result<(Duty, Kept), Error> {
    let kept = match backend::data(backend) {
        Data::Exclusive => Kept::OnVolume,
        Data::Shared => Kept::Elsewhere(backend.store.clone()),
    };
    let duty = match &backend.command {
        Some(command) => Duty::Command(command.0.clone()),
        None => {
            backend::check_store(backend)?;
            Duty::Tasks
        }
    };
    Ok((duty, kept))
}

#[cfg(feature = "ec2")]
#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::config::{Config, End, Provider};
    use crate::fleet::Handover;

    fn config(more: &str) -> Result<Config, Error> {
        let sha256 = "0".repeat(64);
        let text = format!(
            "provider = \"ec2\"\n{more}\n[ec2]\n\
             artifact = {{ url = \"s3://bucket/key\", sha256 = \"{sha256}\" }}\n"
        );
        Config::new(&toml::from_str(&text).unwrap(), None)
    }

    fn machines(more: &str) -> Machines {
        let Provider::Ec2(machines) = config(more).unwrap().provider else { panic!("not ec2") };
        *machines
    }

    #[test]
    fn machines_have_the_pace_of_machines() {
        let found = config("").unwrap();
        assert_eq!(found.listen.to_string(), "0.0.0.0:5000");
        assert_eq!(found.spec.instances.launch_timeout, Duration::from_secs(300));
        assert_eq!(found.listing.steady, Duration::from_secs(5));
        assert_eq!(found.listing.expecting, Duration::from_secs(1));
        assert_eq!(found.on_signal, End::Balancer);
        let found =
            config("listen = \"127.0.0.1:80\"\n[fleet]\nlist_interval = \"200ms\"").unwrap();
        assert_eq!(found.listen.to_string(), "127.0.0.1:80");
        assert_eq!(found.listing.expecting, Duration::from_millis(200));
    }

    #[test]
    fn what_a_backend_keeps_is_on_the_volume_or_in_a_database() {
        let found = machines("");
        assert_eq!(found.backend, Some((Duty::Tasks, Kept::OnVolume)));
        let store = "postgres://u:secret@db/t";
        let text = format!("[backend]\nstore = \"{store}\"\nreplicas = 2");
        let elsewhere = Kept::Elsewhere(Some(store.to_owned()));
        assert_eq!(machines(&text).backend, Some((Duty::Tasks, elsewhere)));
        let spec = config(&text).unwrap().spec.backend;
        assert_eq!((spec.size, spec.handover), (2, Handover::LaunchFirst { surge: 2 }));
    }

    #[test]
    fn a_forwarder_is_sent_the_settings_of_the_data_plane() {
        let found = machines("[proxy]\nretries = 7\n");
        let Duty::Forward { settings, notices, .. } = found.instances else { panic!() };
        assert!(
            settings.starts_with("[proxy]\n") && settings.contains("retries = 7"),
            "{settings}"
        );
        assert!(!settings.contains("traces"), "{settings}");
        assert_eq!(notices, Notices::None);
        let file: File = toml::from_str(&settings).unwrap();
        assert!(file.effective().contains("retries = 7"));
    }

    #[test]
    fn a_forwarder_is_sent_its_collector_without_what_may_be_secret() {
        let traces = "[traces]\nendpoint = \"http://10.0.0.9:4318\"\nsampling = 0.5\n";
        let found = machines(&format!("{traces}headers = {{ x-key = \"s3cret\" }}\n"));
        let Duty::Forward { settings, .. } = found.instances else { panic!() };
        let file: File = toml::from_str(&settings).unwrap();
        let told = file.traces.settings().unwrap();
        assert_eq!(told.endpoint.to_string(), "http://10.0.0.9:4318");
        assert!(!settings.contains("s3cret"), "{settings}");
        assert_eq!(found.trace_headers.as_deref(), Some("x-key=s3cret"));
        assert_eq!(machines(traces).trace_headers, None);
    }

    #[test]
    fn what_does_not_go_with_machines_is_refused_with_what_is_allowed() {
        let refusal = |more| config(more).unwrap_err().to_string();
        let words = refusal("[backend]\nstore = \"sqlite:///x\"");
        assert!(words.contains("backend.store") && words.contains("postgres://"), "{words}");
        let text = "provider = \"ec2\"";
        let words = Config::new(&toml::from_str(text).unwrap(), None).unwrap_err().to_string();
        assert!(words.contains("artifact") && words.contains("[ec2]"), "{words}");
    }
}
