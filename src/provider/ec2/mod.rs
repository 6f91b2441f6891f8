//! Provider `ec2`: instances are machines on Amazon EC2.
//!
//! The tags of a machine, written in the call that makes it, say whose it is, which slot it fills
//! and which launch made it; whoever comes after us finds the fleet by them. A machine is told
//! nothing secret when it is made: it waits to be claimed (see [`crate::boot`]), and is sent what
//! it needs to know then. What the backend keeps is on a volume that outlives its machine, and that
//! one machine at a time can hold.

mod backoff;
mod census;
mod describe;
mod end;
mod launch;
mod offering;
mod request;
mod volume;
mod welcome;

use std::sync::{Arc, Mutex};

use aws_sdk_ec2::Client;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

pub use self::offering::Market;

use self::census::Census;
use self::end::Endings;
use self::launch::Link;
use self::offering::{Shortages, Subnet};
use self::welcome::Welcomed;
use super::{Error, Fault, locked};
use crate::aws::{self, Access, Kind, image};
use crate::boot::Duty;
use crate::clock;
use crate::fleet::{Group, Instance, InstanceId, Launch, Vitals};
use crate::state_dir::Token;

/// What is launched, and where.
#[derive(Clone, Debug)]
pub struct Config {
    /// The fleet's name: whatever carries it as its tag is ours.
    pub fleet: String,
    /// The region; `None` is the environment's or the profile's.
    pub region: Option<String>,
    /// The image; `None` is the newest Amazon Linux for this program's processor.
    pub image: Option<String>,
    /// The instance types, the preferred one first.
    pub instance_types: Vec<String>,
    /// The subnets; none are those of the default network.
    pub subnets: Vec<String>,
    /// The key pair for SSH, if there is to be one.
    pub key: Option<String>,
    /// The instance profile, if the machines need a role of their own.
    pub profile: Option<String>,
    /// How instances are bought. Backends are never bought on the spot market.
    pub market: Market,
    /// Where the program is.
    pub artifact: Artifact,
    /// What the instances are.
    pub instances: Member,
    /// What the backends are, if there are any.
    pub backend: Option<Backend>,
    /// What machines are claimed with, and what forwarders want to see afterwards. Those that run
    /// were given it by the controller before us, so it has to be the state directory's.
    pub control_token: Token,
    /// What forwarders say to their collector of traces besides, as OpenTelemetry's variable has
    /// it.
    pub trace_headers: Option<String>,
}

/// Where the program is fetched from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Artifact {
    /// Where it is.
    pub source: Source,
    /// Its SHA-256, in hexadecimal.
    pub sha256: String,
}

/// A place that machines can fetch from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// A link that anybody can use.
    Url(String),
    /// An object that only we may read: each machine is given a link that ends soon.
    Object {
        /// The bucket.
        bucket: String,
        /// The object's key in it.
        key: String,
    },
}

/// What the machines of a group are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// What they do.
    pub duty: Duty,
    /// The security groups that they are in; none is the network's default group.
    pub security_groups: Vec<String>,
}

/// What the backends are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Backend {
    /// As machines.
    pub member: Member,
    /// Where they keep their data.
    pub data: Data,
}

/// Where a backend keeps its data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Data {
    /// On the fleet's volume, which one machine at a time can hold.
    Volume {
        /// Its size, if it has to be made.
        gibibytes: u32,
    },
    /// Elsewhere: in this database, if it is a task service's.
    Elsewhere(Option<String>),
}

/// Makes and ends machines. Dropping it leaves them running, for the next one to adopt.
#[derive(Debug)]
pub struct Provider {
    shared: Arc<Shared>,
}

/// What the verbs and their tasks share.
#[derive(Debug)]
struct Shared {
    config: Config,
    access: Access,
    /// Each call is tried once: how often and when it is tried again is decided here.
    ec2: Client,
    subnets: Vec<Subnet>,
    image: String,
    census: Census,
    shortages: Mutex<Shortages>,
    endings: Endings,
    welcomed: Welcomed,
    link: tokio::sync::Mutex<Option<Link>>,
    /// Spreads the pauses of calls that failed together.
    draws: Mutex<fastrand::Rng>,
    tasks: TaskTracker,
    stop: CancellationToken,
}

impl Provider {
    /// Finds out where machines can be launched. Launches and ends nothing.
    ///
    /// # Errors
    /// AWS cannot be asked, or what the settings name does not exist.
    pub async fn open(config: Config) -> Result<Self, aws::Error> {
        let access = Access::open(config.region.as_deref()).await?;
        let asking = access.ec2();
        let subnets = describe::subnets(&asking, &config.subnets).await?;
        let image = match &config.image {
            Some(image) => image.clone(),
            None => image::newest(&asking, image::PROCESSOR).await?,
        };
        let seed = getrandom::u64().map_err(|error| aws::Error::invalid("open", error))?;
        let shared = Shared {
            ec2: access.ec2_tried_once(),
            census: Census::default(),
            shortages: Mutex::default(),
            endings: Endings::default(),
            welcomed: Welcomed::default(),
            link: tokio::sync::Mutex::default(),
            draws: Mutex::new(fastrand::Rng::with_seed(seed)),
            tasks: TaskTracker::new(),
            stop: CancellationToken::new(),
            config,
            access,
            subnets,
            image,
        };
        Ok(Self { shared: Arc::new(shared) })
    }

    /// Stops what it does in the background, and returns when nothing of it runs any more. The
    /// machines stay.
    pub async fn close(&self) {
        self.shared.stop.cancel();
        self.shared.tasks.close();
        self.shared.tasks.wait().await;
    }
}

impl Drop for Provider {
    fn drop(&mut self) {
        self.shared.stop.cancel();
    }
}

impl super::Provider for Provider {
    async fn list(&self) -> Result<Vec<Instance>, Error> {
        self.shared.list().await
    }

    /// Returns when EC2 has promised the machine; it is running some seconds later, and serves when
    /// it has started.
    async fn launch(&self, launch: &Launch) -> Result<Instance, Error> {
        self.shared.launch(launch).await
    }

    async fn terminate(&self, id: &InstanceId) -> Result<(), Error> {
        self.shared.end(id).await
    }
}

impl Shared {
    /// What EC2 says that there is, with what it has told us already and does not say yet.
    async fn list(self: &Arc<Self>) -> Result<Vec<Instance>, Error> {
        let found = describe::fleet(&self.ec2, &self.config.fleet).await.map_err(failed)?;
        let instances = self.census.take(found, clock::now());
        for instance in &instances {
            self.welcome(instance);
        }
        self.welcomed.forget_others(&instances);
        Ok(instances)
    }

    fn member(&self, group: Group) -> Result<&Member, Error> {
        let member = match group {
            Group::Instances => Some(&self.config.instances),
            Group::Backend => self.config.backend.as_ref().map(|backend| &backend.member),
        };
        let none = || anyhow::anyhow!("nothing is configured for group {}", group.name());
        member.ok_or_else(|| Error::new(Fault::Denied, none()))
    }

    /// Whether the machines of a group hold the volume.
    fn has_volume(&self, group: Group) -> bool {
        let data = self.config.backend.as_ref().map(|backend| &backend.data);
        group == Group::Backend && matches!(data, Some(Data::Volume { .. }))
    }

    fn draw(&self) -> f64 {
        locked(&self.draws).f64()
    }
}

/// Whether it may still come to serve.
const fn is_alive(instance: &Instance) -> bool {
    matches!(instance.vitals, Vitals::Pending | Vitals::Running)
}

/// What the controller does about a call that failed.
fn failed(error: aws::Error) -> Error {
    let fault = match error.kind {
        Kind::Capacity => Fault::Capacity,
        Kind::Throttled => Fault::Throttled,
        Kind::Quota | Kind::Denied | Kind::Credentials | Kind::NotFound | Kind::Invalid => {
            Fault::Denied
        }
        Kind::Exists | Kind::Busy | Kind::TokenSpent | Kind::DryRun | Kind::Unavailable => {
            Fault::Unavailable
        }
    };
    Error::new(fault, error)
}
