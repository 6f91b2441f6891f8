//! Faults inside the control plane: listings that are lost, launches that fail. Only an `up` that
//! was started for it has them, and only for as long as it is asked.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::anyhow;

use super::{Error, Fault};
use crate::clock::{self, Instant};
use crate::fleet::{Instance, InstanceId, Launch};

/// The longest that listings may be lost: after that, it is no longer a fault but an outage.
pub const LISTS_LOST_MAX: Duration = Duration::from_secs(60);

/// The most launches that may be told to fail; more than are on their way at once.
pub const LAUNCHES_MAX: u32 = 100;

/// What is to go wrong. Shared by whoever orders it and the provider that it happens to.
#[derive(Debug, Default)]
pub struct Sabotage {
    ordered: Mutex<Ordered>,
}

#[derive(Debug, Default)]
struct Ordered {
    lists_lost_until: Instant,
    launches_to_fail: u32,
}

impl Sabotage {
    /// No listing is answered for so long, and no longer than [`LISTS_LOST_MAX`].
    pub fn lose_lists(&self, time: Duration) {
        self.ordered().lists_lost_until = clock::now() + time.min(LISTS_LOST_MAX);
    }

    /// The next launches fail, and no more than [`LAUNCHES_MAX`].
    pub fn fail_launches(&self, count: u32) {
        self.ordered().launches_to_fail = count.min(LAUNCHES_MAX);
    }

    fn loses_lists(&self) -> bool {
        clock::now() < self.ordered().lists_lost_until
    }

    fn takes_launch(&self) -> bool {
        let mut ordered = self.ordered();
        let takes = ordered.launches_to_fail > 0;
        ordered.launches_to_fail = ordered.launches_to_fail.saturating_sub(1);
        takes
    }

    /// A panic elsewhere leaves these numbers whole.
    fn ordered(&self) -> MutexGuard<'_, Ordered> {
        self.ordered.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A provider that fails when it is told to.
#[derive(Debug)]
pub struct Sabotaged<P> {
    inner: Arc<P>,
    sabotage: Arc<Sabotage>,
}

impl<P> Sabotaged<P> {
    /// Puts the sabotage between the controller and the provider.
    #[must_use]
    pub const fn new(inner: Arc<P>, sabotage: Arc<Sabotage>) -> Self {
        Self { inner, sabotage }
    }
}

impl<P: super::Provider> super::Provider for Sabotaged<P> {
    async fn list(&self) -> Result<Vec<Instance>, Error> {
        if self.sabotage.loses_lists() {
            return Err(Error::new(Fault::Unavailable, anyhow!("lost by order of `chaos`")));
        }
        self.inner.list().await
    }

    async fn launch(&self, launch: &Launch) -> Result<Instance, Error> {
        if self.sabotage.takes_launch() {
            return Err(Error::new(Fault::Unavailable, anyhow!("failed by order of `chaos`")));
        }
        self.inner.launch(launch).await
    }

    async fn terminate(&self, id: &InstanceId) -> Result<(), Error> {
        self.inner.terminate(id).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fleet::{Group, LaunchToken, Slot};
    use crate::provider::{Provider, fixed};

    #[tokio::test(start_paused = true)]
    async fn faults_come_when_they_are_ordered_and_end_by_themselves() {
        let sabotage = Arc::new(Sabotage::default());
        let servers = fixed::Provider::new(&[]).unwrap();
        let provider = Sabotaged::new(Arc::new(servers), Arc::clone(&sabotage));
        assert!(provider.list().await.is_ok());
        sabotage.lose_lists(Duration::from_secs(600));
        assert_eq!(provider.list().await.unwrap_err().fault, Fault::Unavailable);
        tokio::time::sleep(LISTS_LOST_MAX).await;
        assert!(provider.list().await.is_ok());

        let slot = Slot { group: Group::Instances, index: 0 };
        let launch = Launch { token: LaunchToken::new(slot, 1, 1), slot, backends: Arc::default() };
        sabotage.fail_launches(1);
        let faults = [provider.launch(&launch).await, provider.launch(&launch).await];
        let faults = faults.map(|result| result.unwrap_err().fault);
        assert_eq!(faults, [Fault::Unavailable, Fault::Denied], "the second one is the provider's");
    }
}
