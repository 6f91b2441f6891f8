//! What a killed origin costs: the same kills under the same load, with every subject in its
//! default and in a tuned configuration.
//!
//! Others restart nothing, so a supervisor does that for them, a second after the end. CloudAPS
//! launches its origins itself.

mod origins;
mod setup;
mod watch;

use std::fs;
use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, bail, ensure};

use self::origins::Origins;
pub(crate) use self::setup::Setup;
use self::watch::Watch;
use super::children::{Child, Core, Output, words};
use super::grid::{Grid, maybe, number};
use super::kept::Kept;
use super::machine;
use super::page::DISTURBANCE_MAX;
use super::procfs;
use super::stand::{arguments, await_answer, folder};
use super::subject::{Programs, free_address};
use super::{PAGE, raise_descriptors};
use crate::cli::{Exchange, FailoverArgs, LoadArgs};
use crate::clock::{Moment, pause};
use crate::load::{Report, STARTED, STOPPED};
use crate::median::median;

/// Origins behind every subject, as many as `cloudaps up` launches instances.
const ORIGINS: usize = 3;

/// Between two kills: enough for a supervisor of a second and for every subject's next check, and
/// short enough that all three origins die within nginx's default `fail_timeout`.
const GAP: Duration = Duration::from_secs(4);

/// Load without a fault, before the first kill.
const CALM: Duration = Duration::from_secs(2);

/// What an answer takes: that of an API which asks a database. Without it hardly a request is in
/// flight when its origin is killed.
const DELAY_MS: u32 = 10;

/// Connections of the load.
const CONNECTIONS: u32 = 64;

/// Of so many requests one is a POST.
const POST_SHARE: u32 = 10;

/// How long a subject has until all three origins have answered through it.
const START_PATIENCE: Duration = Duration::from_secs(15);

/// The heading of the section that this writes, and what is said there.
const TITLE: &str = "When an origin is killed";
const READING: &str = "\
Three origins, one of which is killed with `kill -9` every four seconds, in turn, under a steady
load of GETs and POSTs over 64 connections, at a fixed rate that is the same for all. An answer
takes an origin 10 ms, so that some twenty requests are in flight at a time. For nginx, HAProxy
and Caddy a supervisor starts a killed origin anew after one second, on the same port, as systemd
does with `RestartSec=1`. CloudAPS launches its origins itself (`[instance] command`), in its
default configuration. *Default* is the shortest configuration that works; *tuned* is what the
manuals offer against this very fault, without trying a POST again that may have been carried out.

- **lost** are requests that were answered with anything but 200, or not at all.
- **whole again** is the time from the kill until the successor has answered its first request
  through the subject: a client of its own asks again and again which origin answers, which takes
  12 ms each time. It is the median over all kills, and the longest; `–` is a successor that no
  question was sent to before the next kill.
- **p99.9** is of the GETs, counted from when they should have been sent; the median of the rounds.

Every round measures each subject once, so that whatever disturbs the machine for a while disturbs
all of them. The subject has core 0 to itself; clients and origins share core 1.
";

/// What one subject did in one round.
struct Outcome {
    gets: Report,
    posts: Report,
    /// The share of the subject's core that others used, 0 to 1.
    disturbance: f64,
    /// How long each kill was felt; `None`: until the next one.
    whole_again: Vec<Option<Duration>>,
}

/// Measures what was asked for, and writes the section of the page.
pub(crate) fn run(args: &FailoverArgs) -> anyhow::Result<()> {
    ensure!(machine::cores() >= 2, "it takes two cores: one for the subject, one for the rest");
    raise_descriptors();
    let programs = Programs::new(args.cloudaps.as_deref())?;
    let dir = folder(programs.bench.parent().context("this program is in no folder")?)?;
    let wanted = if args.setups.is_empty() { &Setup::ALL } else { &args.setups[..] };
    let mut section = Section::new(args);
    let mut setups = Vec::new();
    for setup in wanted {
        match setup.obstacle(&programs) {
            None => setups.push(*setup),
            Some(reason) => section.note(format!("Left out: {setup}: {reason}.")),
        }
    }
    for round in 1..=args.rounds.get() {
        for setup in &setups {
            eprintln!("round {round} of {}: {setup}", args.rounds);
            match measure(*setup, args, &programs, dir.path()) {
                Ok((outcome, config)) => section.add(*setup, outcome, config),
                Err(error) => section.note(format!("{setup}, round {round}: {error:#}.")),
            }
        }
    }
    if section.rows.is_empty() {
        bail!("nothing was measured: {}", section.notes.join(" "));
    }
    let text = section.render(&programs);
    println!("{text}");
    let path = args.out.clone().unwrap_or_else(|| PathBuf::from(PAGE));
    let page = fs::read_to_string(&path).unwrap_or_default();
    fs::write(&path, Kept::Failover.replace(&page, &text))
        .with_context(|| format!("{} cannot be written", path.display()))?;
    eprintln!("written: {}", path.display());
    Ok(())
}

/// Lets a subject be asked while its origins are killed.
fn measure(
    setup: Setup,
    args: &FailoverArgs,
    programs: &Programs,
    dir: &Path,
) -> anyhow::Result<(Outcome, String)> {
    let dir = tempfile::Builder::new().prefix("failover-").tempdir_in(dir)?;
    let listen = free_address()?;
    let addresses: Vec<SocketAddr> =
        (0..ORIGINS).map(|_| free_address()).collect::<Result<_, _>>()?;
    let origins = match setup {
        Setup::Cloudaps => Origins::of_cloudaps(&dir.path().join("state")),
        _ => Origins::supervised(&programs.bench, &addresses, dir.path())?,
    };
    let recipe = setup.prepare(programs, dir.path(), listen, &addresses)?;
    let mut subject = Child::spawn(Core::Subject, &recipe.command, dir.path(), Output::File)?;
    await_answer(&mut subject, listen)?;
    let watch = Watch::start(listen);
    await_all(&watch)?;
    let span = CALM + GAP * args.kills.get();
    // The instances of CloudAPS are its children, and run elsewhere.
    let ids = match setup {
        Setup::Cloudaps => vec![subject.id()],
        _ => procfs::family(subject.id()),
    };
    let mut clients = Clients::start(listen, args, span, programs, dir.path())?;
    let (began, cpu, busy) = (Moment::now(), procfs::cpu_nanos(&ids), procfs::core_busy_nanos());
    let kills = kill_in_turn(&origins, args.kills)?;
    let (gets, posts) = clients.reports()?;
    subject.check()?;
    let used = procfs::cpu_nanos(&ids).saturating_sub(cpu);
    let others = procfs::core_busy_nanos().saturating_sub(busy).saturating_sub(used);
    let nanos = Moment::now().nanos_since(began).max(1);
    let whole_again = watch.stop(&kills);
    let config = recipe.config.replace(&dir.path().display().to_string(), "DIR");
    let config = config.replace(&programs.bench.display().to_string(), "cloudaps-bench");
    #[expect(clippy::cast_precision_loss, reason = "no time here has more than 52 bits")]
    let disturbance = others as f64 / nanos as f64;
    Ok((Outcome { gets, posts, disturbance, whole_again }, config))
}

fn await_all(watch: &Watch) -> anyhow::Result<()> {
    let end = Moment::now().after(START_PATIENCE);
    while watch.seen() < ORIGINS {
        ensure!(Moment::now() < end, "only {} of {ORIGINS} origins answer", watch.seen());
        pause(Duration::from_millis(10));
    }
    Ok(())
}

/// Kills each origin in its turn; says when.
fn kill_in_turn(origins: &Origins, kills: NonZeroU32) -> anyhow::Result<Vec<Moment>> {
    let mut moments = Vec::new();
    let mut due = Moment::now().after(CALM);
    for number in 0..kills.get() as usize {
        pause(due.remaining());
        moments.push(Moment::now());
        origins.kill(number % ORIGINS)?;
        due = due.after(GAP);
    }
    Ok(moments)
}

/// Two loads at a time.
struct Clients {
    gets: Child,
    posts: Child,
}

impl Clients {
    fn start(
        to: SocketAddr,
        args: &FailoverArgs,
        span: Duration,
        programs: &Programs,
        dir: &Path,
    ) -> anyhow::Result<Self> {
        let rate = |share: u32| NonZeroU32::new((args.rate.get() / share).max(1));
        let start = |exchange, connections, rate| {
            let load = LoadArgs {
                to,
                exchange,
                connections,
                warmup_ms: 500,
                measure_ms: u64::try_from(span.as_millis())?,
                requests: u64::MAX,
                rate,
                // However many are lost is what is to be found out.
                errors_max: u64::MAX,
            };
            let command = [vec![programs.bench.clone().into()], words(&arguments(&load))].concat();
            Child::spawn(Core::Rest, &command, dir, Output::Piped)
        };
        let mut clients = Self {
            gets: start(Exchange::Get, CONNECTIONS, rate(1))?,
            posts: start(Exchange::Post, CONNECTIONS / 4, rate(POST_SHARE))?,
        };
        clients.gets.expect(STARTED)?;
        clients.posts.expect(STARTED)?;
        Ok(clients)
    }

    fn reports(&mut self) -> anyhow::Result<(Report, Report)> {
        let report = |child: &mut Child| -> anyhow::Result<Report> {
            child.expect(STOPPED)?;
            Ok(serde_json::from_str(&child.line()?)?)
        };
        Ok((report(&mut self.gets)?, report(&mut self.posts)?))
    }
}

/// The section as it grows.
struct Section {
    command: String,
    notes: Vec<String>,
    rows: Vec<Row>,
}

/// A subject, and what it did in each round.
struct Row {
    setup: Setup,
    config: String,
    outcomes: Vec<Outcome>,
}

impl Section {
    fn new(args: &FailoverArgs) -> Self {
        let arguments: Vec<String> = std::env::args().skip(2).collect();
        let command = format!("just bench-failover {}", arguments.join(" ")).trim_end().to_owned();
        let (rounds, kills, rate) = (args.rounds, args.kills, args.rate);
        let posts = rate.get() / POST_SHARE;
        let note =
            format!("{rounds} rounds of {kills} kills; {rate} GETs and {posts} POSTs a second.");
        Self { command, notes: vec![note], rows: Vec::new() }
    }

    fn note(&mut self, note: String) {
        eprintln!("{note}");
        self.notes.push(note);
    }

    fn add(&mut self, setup: Setup, outcome: Outcome, config: String) {
        match self.rows.iter_mut().find(|row| row.setup == setup) {
            Some(row) => row.outcomes.push(outcome),
            None => self.rows.push(Row { setup, config, outcomes: vec![outcome] }),
        }
    }

    fn render(&self, programs: &Programs) -> String {
        let mut text = format!("## {TITLE}\n\nWritten by `{}`.\n\n", self.command);
        let outcomes = self.rows.iter().flat_map(|row| &row.outcomes);
        let disturbances: Vec<f64> = outcomes.map(|outcome| outcome.disturbance).collect();
        text += &warning(disturbances);
        text += &format!("{READING}\n");
        let mut grid = Grid::new(HEADER);
        self.rows.iter().for_each(|row| grid.row(row.cells()));
        text += &format!("{grid}\n");
        for note in &self.notes {
            text += &format!("{note}\n");
        }
        text.push('\n');
        let caddy = setup::caddy_version();
        for (name, value) in machine::facts(programs).into_iter().chain([("Caddy", caddy)]) {
            text += &format!("- {name}: {value}\n");
        }
        for Row { setup, config, .. } in &self.rows {
            text += &format!("\n### {setup}\n\n```text\n{}\n```\n", config.trim_end());
        }
        text
    }
}

/// The columns.
const HEADER: [&str; 8] =
    ["subject", "GETs", "lost", "POSTs", "lost", "whole again ms", "longest ms", "p99.9 ms"];

impl Row {
    fn cells(&self) -> [String; 8] {
        #[expect(clippy::cast_precision_loss, reason = "no count here has more than 52 bits")]
        let sum = |of: &dyn Fn(&Outcome) -> u64| {
            number(self.outcomes.iter().map(of).sum::<u64>() as f64, 0)
        };
        // One that never came is longer than all that did.
        let millis =
            |time: &Option<Duration>| time.map_or(f64::INFINITY, |time| time.as_secs_f64() * 1e3);
        let times = || self.outcomes.iter().flat_map(|outcome| &outcome.whole_again).map(millis);
        let finite = |time: Option<f64>| time.filter(|time| time.is_finite());
        [
            self.setup.to_string(),
            sum(&|outcome| outcome.gets.requests + outcome.gets.errors),
            sum(&|outcome| outcome.gets.errors),
            sum(&|outcome| outcome.posts.requests + outcome.posts.errors),
            sum(&|outcome| outcome.posts.errors),
            maybe(finite(median(times())), 0),
            maybe(finite(times().max_by(f64::total_cmp)), 0),
            maybe(median(self.outcomes.iter().map(|outcome| outcome.gets.p999_us / 1e3)), 0),
        ]
    }
}

/// Figures from a machine that did something else say so before anybody reads them.
fn warning(disturbances: Vec<f64>) -> String {
    let worst = disturbances.iter().copied().fold(0.0, f64::max);
    let share = median(disturbances).filter(|share| *share > DISTURBANCE_MAX);
    share.map_or(String::new(), |share| {
        let (share, worst) = (number(share * 100.0, 0), number(worst * 100.0, 0));
        format!(
            "**The machine was not quiet: others used {share} % of the subject's core in the \
             median, {worst} % at worst. What was lost says more than how long it took.**\n\n"
        )
    })
}
