//! A fleet on the test cloud: its settings, its balancer, and what is asked of it.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::Output;
use std::time::Duration;

use cloudaps::admin::Overview;

use crate::cloud::{Cloud, Machine, Setting};
use crate::system::{Place, System};
use crate::traffic::Client;

/// How long EC2 takes here: less than in Virginia, and long enough to be seen.
const PENDING: Duration = Duration::from_millis(400);
const ENDING: Duration = Duration::from_millis(300);
const ATTACHING: Duration = Duration::from_millis(200);

/// What a balancer is started with, again and again.
pub(crate) struct Fleet<'a> {
    pub(crate) cloud: &'a Cloud,
    pub(crate) place: Place,
    config: PathBuf,
}

impl<'a> Fleet<'a> {
    /// A fleet of three forwarders and a backend, with more settings.
    pub(crate) fn new(cloud: &'a Cloud, settings: &str) -> Self {
        Self::with_ec2(cloud, settings, "")
    }

    /// The same with more settings in `[ec2]`.
    pub(crate) fn with_ec2(cloud: &'a Cloud, settings: &str, ec2: &str) -> Self {
        for setting in [
            Setting::Pending(PENDING),
            Setting::ShuttingDown(ENDING),
            Setting::Attaching(ATTACHING),
            Setting::Detaching(ATTACHING),
        ] {
            cloud.set(setting);
        }
        let program = cloud.program();
        let (url, sha256) = (program.url, program.sha256);
        let place = Place::new();
        let text = format!(
            "provider = \"ec2\"\n{settings}\n[ec2]\n{ec2}\nvolume = 1\nimage = \"{IMAGE}\"\n\
             artifact = {{ url = \"{url}\", sha256 = \"{sha256}\" }}\n"
        );
        let config = place.write("cloudaps.toml", &text);
        Self { cloud, place, config }
    }

    /// Starts the balancer, and waits until everything serves.
    pub(crate) fn up(&self) -> System {
        let system = System::up_with(&self.place, &["-c", self.config.to_str().unwrap()]);
        system.await_complete();
        system
    }

    /// Ends everything, as somebody does who has the file.
    pub(crate) fn down(&self) -> Output {
        self.place.operate(&["down", "-c", self.config.to_str().unwrap()])
    }

    /// The machines that run, by slot.
    pub(crate) fn machines(&self) -> BTreeMap<String, Machine> {
        let machines =
            self.cloud.machines().into_iter().filter(|machine| machine.state == "running");
        let slot = |machine: &Machine| machine.tags.get("cloudaps:slot").cloned();
        machines.filter_map(|machine| Some((slot(&machine)?, machine))).collect()
    }

    /// The machine in a slot.
    pub(crate) fn machine(&self, slot: &str) -> Machine {
        self.machines().remove(slot).unwrap_or_else(|| panic!("no machine runs in {slot}"))
    }
}

/// An image that the cloud has.
pub(crate) const IMAGE: &str = "ami-12c6146b";

/// Waits until another machine serves in the slot, and nothing else is to do.
pub(crate) fn await_successor(system: &System, slot: &str, of: &str) -> Overview {
    system.await_status("replaced", |status| {
        let wanted = status.instances.desired + status.backend.desired;
        let is_whole = status.slots.len() == wanted as usize;
        is_whole
            && status.slots.iter().all(|row| {
                let id = row.occupant.as_ref().map(|of| of.id.as_str());
                row.state == "serving" && (row.slot != slot || id != Some(of))
            })
    })
}

/// Stores one task through the balancer.
pub(crate) fn store(system: &System, text: &str) {
    let body = format!("{{\"value\":\"{text}\"}}");
    let stored = Client::new(system.balancer).send("POST", "/Tarefa/", &body).unwrap();
    assert_eq!(stored.status, 201, "{stored:?}");
}

/// Everything that is stored, as the balancer tells it.
pub(crate) fn stored(system: &System) -> String {
    let listed = Client::new(system.balancer).send("GET", "/Tarefa/", "").unwrap();
    assert_eq!(listed.status, 200, "{listed:?}");
    listed.body
}
