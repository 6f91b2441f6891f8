//! Launches a machine: one offering after the other, and each as often as it makes sense.

use std::sync::Arc;
use std::time::Duration;

use anyhow::anyhow;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;

use super::offering::{Market, Offering, Subnet, in_order};
use super::request::Request;
use super::volume::Volume;
use super::{Error, Fault, Shared, Source, backoff, describe, failed, locked};
use crate::aws::{self, Kind, Object};
use crate::boot::{BootToken, Program, Script};
use crate::clock::{self, Instant};
use crate::fleet::{Group, Instance, Launch};

/// Offerings that one launch tries. `RunInstances` takes five calls at once and two more a second,
/// and the other slots want theirs: what is left is tried with the next launch.
const OFFERINGS_MAX: usize = 8;

/// Tries of one offering while EC2 is throttled, silent, or does not know yet what was just made.
/// With their pauses they take about half of what the controller waits for.
const TRIES_MAX: u32 = 5;

/// For how long a link to the program is good: a machine that starts late still finds it.
const LINK_VALID: Duration = Duration::from_secs(3600);
/// For how long the same link is given out. Launches that are tried again have to say the same.
const LINK_REUSED: Duration = Duration::from_secs(900);

/// A link to the program, and when it was made.
#[derive(Clone, Debug)]
pub(super) struct Link {
    url: String,
    made: Instant,
}

impl Shared {
    /// Launches one machine, or finds the one that the token has made.
    pub(super) async fn launch(self: &Arc<Self>, launch: &Launch) -> Result<Instance, Error> {
        if let Some(instance) = self.census.made_by(&launch.token) {
            return Ok(instance);
        }
        let member = self.member(launch.slot.group)?;
        let volume = match self.has_volume(launch.slot.group) {
            true => Some(self.volume(launch).await?),
            false => None,
        };
        let request = Request {
            config: &self.config,
            member,
            launch,
            image: &self.image,
            user_data: self.user_data(launch, volume.as_ref()).await?,
        };
        let mut last = None;
        for offering in self.offerings(launch, volume.as_ref())? {
            match self.launch_at(&request, &offering).await {
                Ok(instance) => return Ok(instance),
                Err(error) if error.kind == Kind::Capacity => {
                    tracing::info!(slot = %launch.slot, "{offering} is sold out: {error}");
                    locked(&self.shortages).note(&offering, clock::now());
                    last = Some(error);
                }
                // It may have been made: another offering would be another machine.
                Err(error) => return Err(failed(error)),
            }
        }
        Err(last.map_or_else(|| sold_out(launch), failed))
    }

    /// What is to be tried: what is not known to be sold out.
    fn offerings(&self, launch: &Launch, volume: Option<&Volume>) -> Result<Vec<Offering>, Error> {
        let markets: &[Market] = match (launch.slot.group, self.config.market) {
            (Group::Instances, Market::Spot) => &[Market::Spot, Market::OnDemand],
            (Group::Instances, Market::OnDemand) | (Group::Backend, _) => &[Market::OnDemand],
        };
        // A volume can be attached in its own zone only.
        let within = |subnet: &&Subnet| volume.is_none_or(|volume| volume.zone == subnet.zone);
        let subnets: Vec<Subnet> = self.subnets.iter().filter(within).cloned().collect();
        if let (true, Some(Volume { id, zone })) = (subnets.is_empty(), volume) {
            let text = anyhow!("the volume {id} is in {zone}, and none of the subnets is");
            return Err(Error::new(Fault::Denied, text));
        }
        let kinds = &self.config.instance_types;
        let now = clock::now();
        let shortages = locked(&self.shortages);
        let all = in_order(markets, kinds, &subnets, launch.slot.index).into_iter();
        let open = all.filter(|offering| !shortages.contains(offering, now));
        Ok(open.take(OFFERINGS_MAX).collect())
    }

    async fn launch_at(
        self: &Arc<Self>,
        request: &Request<'_>,
        offering: &Offering,
    ) -> Result<Instance, aws::Error> {
        let mut attempt = 0;
        loop {
            let error = match self.try_launch(request, offering).await {
                Ok(instance) => return Ok(instance),
                Err(error) => error,
            };
            match error.kind {
                // A group or a role that was just made, or no answer: the token is the same.
                Kind::Throttled | Kind::Unavailable | Kind::NotFound if attempt + 1 < TRIES_MAX => {
                    tracing::debug!(slot = %request.launch.slot, attempt, "asks again: {error}");
                    tokio::time::sleep(backoff::pause(attempt, self.draw())).await;
                    attempt += 1;
                }
                Kind::TokenSpent => return self.made_before(request.launch, error).await,
                _ => return Err(error),
            }
        }
    }

    async fn try_launch(
        self: &Arc<Self>,
        request: &Request<'_>,
        offering: &Offering,
    ) -> Result<Instance, aws::Error> {
        let answer = request.call(&self.ec2, offering).send().await;
        let answer = answer.map_err(|error| aws::Error::of("RunInstances", &error))?;
        let made = answer.instances().first().and_then(describe::machine);
        let machine = made.ok_or_else(|| {
            aws::Error::invalid("RunInstances", "the answer names no machine with our tags")
        })?;
        let instance = machine.instance.clone();
        self.census.launched(machine, clock::now());
        self.welcome(&instance);
        Ok(instance)
    }

    /// The launch was sent before, by us or by the controller before us, and nobody was answered.
    async fn made_before(
        self: &Arc<Self>,
        launch: &Launch,
        spent: aws::Error,
    ) -> Result<Instance, aws::Error> {
        // What a failed listing says is no more than what we knew.
        if let Err(error) = self.list().await {
            tracing::debug!("cannot look for {}: {error}", launch.token);
        }
        self.census.made_by(&launch.token).ok_or(spent)
    }

    async fn user_data(&self, launch: &Launch, volume: Option<&Volume>) -> Result<String, Error> {
        let duty = &self.member(launch.slot.group)?.duty;
        let sha256 = self.config.artifact.sha256.clone();
        let program = Program { url: self.link().await.map_err(failed)?, sha256 };
        let token = BootToken::of(self.config.control_token.as_str(), launch.token.as_str());
        let script = Script {
            launch: launch.token.as_str(),
            program: &program,
            duty,
            token: &token,
            volume: volume.map(|volume| volume.id.as_str()),
        };
        let text = script.user_data().map_err(|error| Error::new(Fault::Denied, error))?;
        Ok(BASE64_STANDARD.encode(text))
    }

    /// Where a machine fetches the program from.
    async fn link(&self) -> Result<String, aws::Error> {
        let (bucket, key) = match &self.config.artifact.source {
            Source::Url(url) => return Ok(url.clone()),
            Source::Object { bucket, key } => (bucket, key),
        };
        let mut link = self.link.lock().await;
        let now = clock::now();
        if let Some(Link { url, made }) = &*link
            && now.since(*made) < LINK_REUSED
        {
            return Ok(url.clone());
        }
        let url = self.access.link(Object { bucket, key }, LINK_VALID).await?;
        *link = Some(Link { url: url.clone(), made: now });
        Ok(url)
    }
}

fn sold_out(launch: &Launch) -> Error {
    let slot = launch.slot;
    Error::new(
        Fault::Capacity,
        anyhow!(
            "every instance type that `ec2.instance_types` names was sold out within the last \
             minutes in every zone that {slot} may stand in; more of them, or more subnets, help"
        ),
    )
}
