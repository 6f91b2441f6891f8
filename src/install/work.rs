//! The loop that carries a plan out: look, plan, do what can be done now, and look again.
//!
//! Nothing is remembered but which calls were made a moment ago, because AWS may not show at once
//! what it has just done. So whoever is killed anywhere is continued by whoever comes next.

use std::fmt::Display;
use std::time::Duration;

use anyhow::Context;
use futures_util::future::join_all;

use super::perform::Crew;
use super::progress::Progress;
use crate::aws::{Error, Kind};
use crate::blueprint::{Account, Plan, Step};
use crate::clock::{self, Instant};

/// Between two looks while something is waited for. A look is nine calls, of buckets that refill
/// with at least ten a second.
const PAUSE: Duration = Duration::from_secs(1);
/// Between calls and the look at what has come of them, which AWS mostly shows at once.
const PAUSE_AFTER_CALLS: Duration = Duration::from_millis(200);
/// For how long a call that was made is not made again, although its effect cannot be seen: AWS's
/// listings lag by seconds, rarely by more.
const SETTLE: Duration = Duration::from_secs(30);
/// For how long the same may be left to do. A machine takes a minute to start, and up to five to
/// be gone.
const STALLED_MAX: Duration = Duration::from_secs(600);

/// What was made, changed and removed.
pub(super) type Counts = (usize, usize, usize);

/// Somebody at work.
pub(super) struct Work<'a> {
    pub(super) crew: &'a Crew<'a>,
    pub(super) progress: &'a Progress,
    /// Calls that were made, and when.
    made: Vec<(Step, Instant)>,
    /// The last failure that may pass by itself.
    trouble: Option<Error>,
}

impl<'a> Work<'a> {
    pub(super) fn new(crew: &'a Crew<'a>, progress: &'a Progress) -> Self {
        Self { crew, progress, made: Vec::new(), trouble: None }
    }

    /// Carries out what `plan` says of each look at the account, until nothing is left of it.
    /// Returns what the first plan had counted.
    pub(super) async fn carry_out(
        &mut self,
        plan: impl Fn(&Account) -> Plan,
    ) -> anyhow::Result<Counts> {
        let (mut counts, mut last, mut since) = (None, None, clock::now());
        loop {
            let mut pause = PAUSE;
            if let Some(account) = self.look().await? {
                let next = plan(&account);
                refuse_obstacles(&next)?;
                let counted = *counts.get_or_insert_with(|| next.counts());
                if next.changes.is_empty() {
                    return Ok(counted);
                }
                if self.take_on(&next, &account).await? > 0 {
                    pause = PAUSE_AFTER_CALLS;
                }
                if last.as_ref() != Some(&next) {
                    (last, since) = (Some(next), clock::now());
                }
            }
            if clock::now() > since + STALLED_MAX {
                return Err(self.stalled(last.as_ref()));
            }
            tokio::time::sleep(pause).await;
        }
    }

    /// Looks at the account; none if that failed in a way that passes.
    async fn look(&mut self) -> anyhow::Result<Option<Account>> {
        match self.crew.observe().await {
            Ok(account) => Ok(Some(account)),
            Err(error) => {
                self.consider("look at the account", error)?;
                Ok(None)
            }
        }
    }

    /// Makes all calls that can be made now, at once. Returns how many were made.
    async fn take_on(&mut self, plan: &Plan, account: &Account) -> anyhow::Result<usize> {
        let now = clock::now();
        self.made.retain(|(_, at)| now < *at + SETTLE);
        let is_new = |step: &&Step| self.made.iter().all(|(made, _)| made != *step);
        let steps: Vec<Step> = plan.ready().into_iter().filter(is_new).cloned().collect();
        if steps.is_empty() {
            self.progress.wait(&plan.awaited());
        }
        let calls = steps.iter().map(|step| self.timed(step, account));
        let results = join_all(calls).await;
        let called = results.len();
        for (step, result) in steps.into_iter().zip(results) {
            match result {
                Ok(()) => self.made.push((step, clock::now())),
                // It was made, and cannot be seen yet.
                Err(error) if error.kind == Kind::Exists => {
                    self.trouble = Some(error);
                    self.made.push((step, clock::now()));
                }
                Err(error) => self.consider(&step, error)?,
            }
        }
        Ok(called)
    }

    async fn timed(&self, step: &Step, account: &Account) -> Result<(), Error> {
        let begun = clock::now();
        let result = self.crew.perform(step, account).await;
        if result.is_ok() {
            self.progress.done(step, clock::now().since(begun));
        }
        result
    }

    /// What passes by itself is told and tried again; all else ends the work.
    fn consider(&mut self, what: impl Display, error: Error) -> anyhow::Result<()> {
        match error.kind {
            Kind::Throttled | Kind::Unavailable | Kind::Busy | Kind::NotFound | Kind::Exists => {
                if self.trouble.as_ref() != Some(&error) {
                    self.progress.trouble(&what, &error);
                }
                self.trouble = Some(error);
                Ok(())
            }
            Kind::Capacity
            | Kind::Quota
            | Kind::Denied
            | Kind::Credentials
            | Kind::TokenSpent
            | Kind::DryRun
            | Kind::Invalid => Err(anyhow::Error::new(error).context(format!("cannot {what}"))),
        }
    }

    fn stalled(&self, plan: Option<&Plan>) -> anyhow::Error {
        let left = plan.map_or_else(String::new, |plan| {
            let left: Vec<String> =
                plan.changes.iter().map(|change| change.resource.to_string()).collect();
            format!(": {}", left.join(", "))
        });
        let seconds = STALLED_MAX.as_secs();
        let text = format!("nothing has changed for {seconds} s, and this is left{left}");
        match &self.trouble {
            Some(error) => anyhow::Error::new(error.clone()).context(text),
            None => anyhow::anyhow!(text),
        }
    }
}

fn refuse_obstacles(plan: &Plan) -> anyhow::Result<()> {
    match plan.obstacles.as_slice() {
        [] => Ok(()),
        obstacles => Err(anyhow::anyhow!(obstacles.join("; "))).context("something is in the way"),
    }
}
