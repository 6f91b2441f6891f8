//! One run: the traffic, the faults, and the wait until the fleet is whole again.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use hyper::Method;
use hyper::body::Bytes;
use serde_json::json;
use tokio::task::spawn_blocking;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::hands::{Census, Hands, ProcessHands};
use super::laws::{Evidence, Store};
use super::report::{Done, LeftOut, Report, Run};
use super::schedule::{Move, Strike, Verb, moves, strikes};
use super::store::Tasks;
use super::traffic::{self, Plan, Tally, Traffic};
use super::watch::Watch;
use crate::admin::{Client, Failure, Overview, Place, Requests, Timeline};
use crate::cli::{ChaosArgs, FaultKind};
use crate::clock::{self, Instant};
use crate::fleet::{InstanceId, Slot};
use crate::incidents::KEPT_MAX;
use crate::provider::process::Victims;

/// How long the fleet has to become whole after the last fault: launches that failed twice alike
/// are frozen for 10 s and more, and a hung instance takes some seconds to be noticed.
const SETTLE_MAX: Duration = Duration::from_secs(60);

/// Between two looks at whether it is.
const SETTLE_LOOK: Duration = Duration::from_millis(50);

/// How long somebody who serves has to answer when everything is over.
const ANSWER_MAX: Duration = Duration::from_secs(5);

/// Being late by more than that is not ours: the machine was suspended, or has far too much to do.
const STANDSTILL: Duration = Duration::from_millis(250);

/// What begins the name of every task that is posted.
const PREFIX: &str = "chaos";

/// Everything that a run takes.
pub(super) struct Stage {
    client: Arc<Client>,
    hands: ProcessHands,
    /// Those that only count.
    watch: Option<ProcessHands>,
    traffic: Plan,
    strikes: Vec<Strike>,
    run: Run,
    allowed: Census,
    /// The last incident before the run.
    seen: u64,
    /// What the balancer had counted.
    before: Requests,
}

/// What the last look at the fleet has found.
struct End {
    timeline: Timeline,
    unsettled: Option<String>,
}

/// Whether the controller itself may be broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Inside {
    Allowed,
    Forbidden,
}

impl Stage {
    /// Looks at the fleet, and decides everything. Touches nothing.
    pub(super) fn set(args: &ChaosArgs) -> anyhow::Result<Self> {
        let place = Place::find(&args.admin)?;
        let dir = place.dir().map_err(Failure::from)?.clone();
        let client = Client::new(place);
        let overview = client.status()?.meant;
        if overview.ownership != "owned" {
            bail!("provider static owns no machine: there is nothing that chaos may touch");
        }
        if let Some(reason) = unsettled(&overview, &Timeline::default(), 0) {
            bail!("the fleet is not whole, so nothing could be judged: {reason}");
        }
        let open = || Victims::of(&dir).map(ProcessHands::new);
        let (hands, watch) = (open()?, open()?);
        let inside = if client.allows_chaos()? { Inside::Allowed } else { Inside::Forbidden };
        let (faults, left_out) = select(&args.faults, &hands, inside);
        if faults.is_empty() {
            let reasons: Vec<String> =
                left_out.iter().map(|of| format!("{}: {}", of.fault, of.reason)).collect();
            bail!("none of the faults can be made here: {}", reasons.join("; "));
        }
        let slots = overview.slots.iter().map(|row| row.slot.parse::<Slot>());
        let slots: Vec<Slot> = slots.collect::<Result<_, _>>()?;
        let incidents = client.incidents(KEPT_MAX)?.meant.incidents;
        let run = Run { seed: args.seed, span: args.span, left_out, ..Run::default() };
        Ok(Self {
            strikes: strikes(args.seed, args.span, &faults, &slots),
            traffic: plan(args, &overview)?,
            allowed: Census {
                instances: overview.instances.limit,
                backends: overview.backend.limit,
                suspended: 0,
            },
            seen: incidents.last().map_or(0, |last| last.id),
            before: client.requests()?,
            client: Arc::new(client),
            hands,
            watch: Some(watch),
            run,
        })
    }

    /// Plays until all faults were made, or until `cut`; then waits until the fleet is whole.
    pub(super) async fn play(mut self, cut: CancellationToken) -> anyhow::Result<Report> {
        let mut tasks = match &self.traffic.posts {
            Some(prefix) => Tasks::mark(self.traffic.to, prefix).await?,
            None => None,
        };
        if tasks.is_none() {
            self.traffic.posts = None;
        }
        let watch = Watch::start(self.watch.take().context("it is played once")?);
        let traffic = Traffic::start(&self.traffic);
        let began = clock::now();
        self.run.done = vec![Done::default(); self.strikes.len()];
        let span = self.run.span;
        let strikes = async {
            let end = self.strike(began).await? + span;
            sleep(end.since(clock::now())).await;
            anyhow::Ok(())
        };
        self.run.cut_short = match cut.run_until_cancelled(strikes).await {
            Some(done) => done.map(|()| false)?,
            None => true,
        };
        let unreleased = self.hands.release();
        let end = self.settle().await?;
        let tally = traffic.stop().await;
        let most = watch.stop().await.context("the processes cannot be counted")?;
        let store = match &mut tasks {
            Some(tasks) => examine(tasks, &tally).await,
            None => Store::Absent,
        };
        let evidence = Evidence {
            tally,
            store,
            most,
            allowed: self.allowed,
            unsettled: end.unsettled,
            unreleased,
            last: self.hands.census()?,
        };
        let counted = (self.before, self.ask(Client::requests).await?);
        Ok(Report::new(&self.run, &self.strikes, &evidence, counted, &end.timeline))
    }

    /// Makes the faults, each at its time. If the machine stands still for a while, they are not
    /// made up for all at once: the rest comes later. Says when it would have to have begun.
    async fn strike(&mut self, mut began: Instant) -> anyhow::Result<Instant> {
        for each in moves(&self.strikes) {
            sleep((began + each.at).since(clock::now())).await;
            let late = clock::now().since(began + each.at);
            if late > STANDSTILL {
                self.run.stood_still += late;
                began = began + late;
            }
            match each.verb {
                Verb::LoseLists(time) => {
                    let body = json!({ "lost_for_ms": u64::try_from(time.as_millis())? });
                    self.order("/v1/chaos/lists", body).await?;
                    self.run.done[each.strike].is_made = true;
                }
                Verb::FailLaunch => self.order("/v1/chaos/launches", json!({ "fail": 1 })).await?,
                _ => self.touch(each).await?,
            }
        }
        Ok(began)
    }

    /// Does something to an instance: to who serves in the slot when the strike begins, and to the
    /// same one for as long as it goes on.
    async fn touch(&mut self, each: Move) -> anyhow::Result<()> {
        let strike = self.strikes[each.strike];
        if self.run.done[each.strike].whom.is_none() {
            if self.run.done[each.strike].is_made {
                return Ok(());
            }
            let whom = self.who_serves(strike.slot).await?;
            let done = &mut self.run.done[each.strike];
            (done.is_made, done.at) = (true, clock::wall());
            let Some((id, label)) = whom else { return Ok(()) };
            tracing::info!("{:?} {}: {label}", strike.fault, strike.slot);
            (done.whom, done.label) = (Some(id), label);
        }
        let Some(id) = &self.run.done[each.strike].whom else { return Ok(()) };
        let was_there = self.hands.act(each.verb, id);
        let was_there = was_there.with_context(|| format!("{:?} {id}", each.verb))?;
        if !was_there && each.at == strike.at {
            self.run.done[each.strike].whom = None;
        }
        Ok(())
    }

    async fn who_serves(&self, slot: Slot) -> anyhow::Result<Option<(InstanceId, String)>> {
        let overview = self.ask(Client::status).await?.meant;
        let name = slot.to_string();
        let row = overview.slots.into_iter().find(|row| row.slot == name && is_ready(&row.state));
        let occupant = row.and_then(|row| row.occupant);
        Ok(occupant.map(|of| (InstanceId::new(of.id), of.label)))
    }

    async fn order(&self, path: &'static str, body: serde_json::Value) -> anyhow::Result<()> {
        let said = self.ask(move |client| client.post(path, Some(&body))).await?;
        tracing::info!("{said}");
        Ok(())
    }

    /// Waits until the fleet is whole, and says what is missing if that takes too long.
    async fn settle(&self) -> anyhow::Result<End> {
        let (deadline, seen) = (clock::now() + SETTLE_MAX, self.seen);
        loop {
            let overview = self.ask(Client::status).await?.meant;
            let timeline = self.ask(|client| client.incidents(KEPT_MAX)).await?.meant;
            let unsettled = match unsettled(&overview, &timeline, seen) {
                Some(reason) => Some(reason),
                None => self.silent(&overview).await,
            };
            if unsettled.is_none() || clock::now() >= deadline {
                let of_run = timeline.incidents.into_iter().filter(|each| each.id > seen);
                let timeline = Timeline { incidents: of_run.collect(), repairs: None };
                return Ok(End { timeline, unsettled });
            }
            sleep(SETTLE_LOOK).await;
        }
    }

    /// Whoever is said to serve and does not answer. Each is asked itself: that others answer in
    /// its place is what a balancer is for.
    async fn silent(&self, overview: &Overview) -> Option<String> {
        for row in &overview.slots {
            let address = row.occupant.as_ref().and_then(|of| of.address.as_ref()?.ip());
            let Some(address) = address else { continue };
            let mut client = traffic::Client::new(address);
            let asked = client.send(Method::GET, &self.traffic.path, Bytes::new());
            let silence = match timeout(ANSWER_MAX, asked).await {
                Ok(Ok(answer)) if !answer.status.is_server_error() => continue,
                Ok(Ok(answer)) => format!("answers {}", answer.status),
                Ok(Err(broken)) => format!("does not answer: {broken}"),
                Err(_) => format!("does not answer within {ANSWER_MAX:?}"),
            };
            return Some(format!("{} is {} and {silence}", row.slot, row.state));
        }
        None
    }

    /// One call of the admin API, off the thread that sends the traffic.
    async fn ask<T: Send + 'static>(
        &self,
        question: impl FnOnce(&Client) -> Result<T, Failure> + Send + 'static,
    ) -> anyhow::Result<T> {
        let client = Arc::clone(&self.client);
        Ok(spawn_blocking(move || question(&client)).await??)
    }
}

/// The faults that can be made, and why the others cannot.
fn select(
    wanted: &[FaultKind],
    hands: &impl Hands,
    inside: Inside,
) -> (Vec<FaultKind>, Vec<LeftOut>) {
    let wanted = if wanted.is_empty() { &FaultKind::ALL[..] } else { wanted };
    let obstacle = |fault: FaultKind| {
        let is_inside = matches!(fault, FaultKind::LostList | FaultKind::FailedLaunch);
        let forbidden = is_inside && inside == Inside::Forbidden;
        let reason = "the controller has to be broken for it: start `up` with --allow-chaos";
        forbidden.then(|| reason.to_owned()).or_else(|| hands.obstacle(fault))
    };
    let (mut faults, mut left_out) = (Vec::new(), Vec::new());
    for fault in FaultKind::ALL.into_iter().filter(|fault| wanted.contains(fault)) {
        match obstacle(fault) {
            None => faults.push(fault),
            Some(reason) => left_out.push(LeftOut { fault: fault.to_string(), reason }),
        }
    }
    (faults, left_out)
}

fn plan(args: &ChaosArgs, overview: &Overview) -> anyhow::Result<Plan> {
    let at_least_one = |number: u32| NonZeroU32::new(number).context("none is too few");
    let run = format!("{PREFIX}-{}-{}-", args.seed, clock::wall().as_millis());
    Ok(Plan {
        to: overview.balancer,
        path: args.path.clone(),
        connections: at_least_one(args.connections)?,
        rate: at_least_one(args.rate)?,
        posts: (overview.backend.desired > 0).then_some(run),
    })
}

/// What keeps the fleet from being whole, if anything does.
fn unsettled(overview: &Overview, timeline: &Timeline, seen: u64) -> Option<String> {
    let row = overview.slots.iter().find(|row| !is_ready(&row.state));
    let open = |record: &&crate::incidents::Record| record.id > seen && record.outcome == "open";
    let tallies = [overview.instances, overview.backend];
    let too_few = tallies.into_iter().find(|tally| tally.serving != tally.desired);
    row.map(|row| format!("{} is {}", row.slot, row.state))
        .or_else(|| too_few.map(|of| format!("{} of {} serve", of.serving, of.desired)))
        .or_else(|| overview.holds.first().map(|hold| hold.text.clone()))
        .or_else(|| {
            let open = timeline.incidents.iter().find(open);
            open.map(|record| format!("incident {} in {} is open", record.id, record.slot))
        })
}

fn is_ready(state: &str) -> bool {
    matches!(state, "serving" | "standby")
}

async fn examine(tasks: &mut Tasks, tally: &Tally) -> Store {
    let store = tasks.compare(tally).await;
    if let Err(error) = tasks.clear().await {
        tracing::warn!("tasks of this run are left behind: {error:#}");
    }
    store
}
