//! What a new machine needs from us before it can serve: the backend's volume, and its claim.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use hyper::body::Bytes;
use hyper::{Method, StatusCode};
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};

use super::census::State;
use super::volume::Attached;
use super::{Data, Shared, is_alive, locked};
use crate::address::Address;
use crate::boot::{BootToken, CONTROL_PORT, Claim, DATA_STORE, Duty};
use crate::exchange::{Failure, request, send};
use crate::fleet::{Group, Instance, InstanceId};

/// Between two tries to claim a machine. It adds at most this to the time that a machine takes to
/// start, which is half a minute.
const CLAIM_PAUSE: Duration = Duration::from_millis(250);

/// How long a machine may take to answer. It only writes a file.
const CLAIM_CALL_MAX: Duration = Duration::from_secs(2);

/// Who has been welcomed, or is being.
#[derive(Debug, Default)]
pub(super) struct Welcomed(Mutex<BTreeSet<InstanceId>>);

/// What came of one try to claim a machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    /// It is ours now.
    Claimed,
    /// It was claimed before, and has become what it is for.
    Before,
    /// It expects another token: it was not launched with our secret.
    Refused(StatusCode),
    /// It does not wait to be claimed yet.
    NotYet,
}

impl Welcomed {
    /// Whether this machine is new.
    fn is_new(&self, id: &InstanceId) -> bool {
        locked(&self.0).insert(id.clone())
    }

    /// Lets go of those that are no more.
    pub(super) fn forget_others(&self, instances: &[Instance]) {
        let ids: BTreeSet<&InstanceId> = instances.iter().map(|instance| &instance.id).collect();
        locked(&self.0).retain(|id| ids.contains(id));
    }
}

impl Shared {
    /// Begins to look after a machine, once, as soon as it has an address.
    pub(super) fn welcome(self: &Arc<Self>, instance: &Instance) {
        let Some(address) = instance.address.as_ref().and_then(Address::ip) else { return };
        if !is_alive(instance) || !self.welcomed.is_new(&instance.id) {
            return;
        }
        let (shared, instance) = (Arc::clone(self), instance.clone());
        let look_after = async move {
            if shared.has_volume(instance.slot.group)
                && shared.attach(&instance.id).await == Attached::Gone
            {
                return;
            }
            shared.claim(&instance, address).await;
        };
        self.tasks.spawn(self.stop.clone().run_until_cancelled_owned(look_after));
    }

    /// Tries until it is claimed, turns out to have been, or is gone.
    async fn claim(&self, instance: &Instance, traffic: SocketAddr) {
        let Some(launch) = &instance.token else { return };
        let token = BootToken::of(self.config.control_token.as_str(), launch.as_str());
        let claim = self.claim_of(instance);
        let body = Bytes::from(serde_json::to_vec(&claim).expect("a claim is plain text"));
        while self.is_expected(&instance.id) {
            match try_claim(traffic, &token, body.clone()).await {
                Outcome::Claimed => {
                    return tracing::info!(instance = %instance.id, "{} is claimed", instance.slot);
                }
                Outcome::Before => return,
                Outcome::Refused(status) => {
                    return tracing::warn!(
                        instance = %instance.id,
                        "{} does not let itself be claimed ({status}): it was launched with \
                         another state directory, and is replaced when its time is up",
                        instance.slot
                    );
                }
                Outcome::NotYet => sleep(CLAIM_PAUSE).await,
            }
        }
    }

    fn claim_of(&self, instance: &Instance) -> Claim {
        let backend = self.config.backend.as_ref();
        let backend = backend.filter(|_| instance.slot.group == Group::Backend);
        let store = backend.and_then(|backend| match (&backend.member.duty, &backend.data) {
            (Duty::Tasks, Data::Volume { .. }) => Some(DATA_STORE.to_owned()),
            (Duty::Tasks, Data::Elsewhere(store)) => store.clone(),
            (Duty::Forward { .. } | Duty::Command(_), _) => None,
        });
        let control_token = self.config.control_token.as_str().to_owned();
        let forwards = instance.slot.group == Group::Instances
            && matches!(self.config.instances.duty, Duty::Forward { .. });
        let trace_headers = self.config.trace_headers.clone().filter(|_| forwards);
        Claim { instance: instance.id.to_string(), control_token, store, trace_headers }
    }

    fn is_expected(&self, id: &InstanceId) -> bool {
        matches!(self.census.state(id), Some(State::Pending | State::Running))
    }
}

async fn try_claim(traffic: SocketAddr, token: &BootToken, body: Bytes) -> Outcome {
    let control = Address::from(SocketAddr::new(traffic.ip(), CONTROL_PORT));
    let order = request((Method::PUT, "/claim"), &control.authority(), Some(token.as_str()), body);
    match timeout(CLAIM_CALL_MAX, send(&control, order)).await {
        Ok(Ok(answer)) => match answer.status {
            status if status.is_success() => Outcome::Claimed,
            // A forwarder has its control listener there, and that takes no claims.
            StatusCode::NOT_FOUND | StatusCode::CONFLICT => Outcome::Before,
            status @ (StatusCode::UNAUTHORIZED | StatusCode::BAD_REQUEST) => {
                Outcome::Refused(status)
            }
            _ => Outcome::NotYet,
        },
        // The machine is up, and nobody waits there: if somebody serves, it was claimed.
        Ok(Err(Failure::Connect(_))) if serves(traffic).await => Outcome::Before,
        Ok(Err(_)) | Err(_) => Outcome::NotYet,
    }
}

async fn serves(traffic: SocketAddr) -> bool {
    let connected = timeout(CLAIM_CALL_MAX, TcpStream::connect(traffic)).await;
    matches!(connected, Ok(Ok(_)))
}
