//! Counts who lives while things break, from the processes themselves and not from the controller.

use std::io;
use std::time::Duration;

use tokio::task::{JoinSet, spawn_blocking};
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use super::hands::{Census, Hands};

/// Between two counts: a machine too many lives for longer than that, because ending one takes a
/// drain.
const INTERVAL: Duration = Duration::from_millis(50);

/// The running count.
#[derive(Debug)]
pub(super) struct Watch {
    task: JoinSet<io::Result<Census>>,
    stop: CancellationToken,
}

impl Watch {
    pub(super) fn start(hands: impl Hands + Send + Sync + 'static) -> Self {
        let (mut task, stop) = (JoinSet::new(), CancellationToken::new());
        task.spawn(count(hands, stop.clone()));
        Self { task, stop }
    }

    /// The most that lived at a time.
    pub(super) async fn stop(mut self) -> io::Result<Census> {
        self.stop.cancel();
        match self.task.join_next().await {
            Some(Ok(most)) => most,
            Some(Err(error)) => Err(io::Error::other(error)),
            None => Ok(Census::default()),
        }
    }
}

async fn count(
    mut hands: impl Hands + Send + Sync + 'static,
    stop: CancellationToken,
) -> io::Result<Census> {
    let mut most = Census::default();
    let mut ticks = interval(INTERVAL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    while stop.run_until_cancelled(ticks.tick()).await.is_some() {
        let counting = spawn_blocking(move || {
            let census = hands.census();
            (hands, census)
        });
        let (back, census) = counting.await.map_err(io::Error::other)?;
        hands = back;
        let census = census?;
        most.instances = most.instances.max(census.instances);
        most.backends = most.backends.max(census.backends);
    }
    Ok(most)
}
