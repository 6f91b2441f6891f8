//! The comparison: which cases, in which order, and what becomes of the results.

mod case;
mod children;
mod config;
mod failover;
mod grid;
mod kept;
mod machine;
mod memory;
mod page;
mod procfs;
mod series;
mod stand;
mod subject;
mod syscalls;
mod tasks;

use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::num::NonZeroU32;
use std::path::PathBuf;

use anyhow::{Context, bail, ensure};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

pub(crate) use self::case::Case;
pub(crate) use self::children::exec;
pub(crate) use self::failover::{Setup, run as failover};
use self::grid::{Grid, number};
use self::kept::Kept;
use self::page::{Page, Section};
use self::series::{Baseline, Entrant, Load, Series};
use self::stand::Stand;
pub(crate) use self::subject::Subject;
use self::subject::{Programs, not_installed};
pub(crate) use self::tasks::run as tasks;
use crate::cli::{LoadArgs, RunArgs};

/// The page that a run of everything writes.
const PAGE: &str = "docs/benchmarks.md";

/// A turn is this long, so that several go into the time for which the machine is as fast as it is,
/// and so that what is cold in the caches at its start does not weigh.
const TURN_MS: u32 = 200;
const TURNS_PER_SECOND: u32 = 1_000 / TURN_MS;

/// What goes before it and is not measured: every connection has asked by then, and the subject has
/// got the caches back from the one before.
const LEAD_MS: u64 = 50;

/// How large everything is.
pub(super) struct Plan {
    rounds: u32,
    /// Turns of a subject in a round.
    turns: u32,
    warmup_ms: u64,
    idle_connections: u32,
    endpoints: Vec<u16>,
    /// Until whoever draws out of all of the endpoints has a connection to each, by chance.
    endpoints_warmup_ms: u64,
    transfer_bytes: u64,
}

impl Plan {
    fn new(args: &RunArgs) -> Self {
        let gib = u64::from(args.transfer_gib.get()) << 30;
        let endpoints = |usual| match &args.endpoints[..] {
            [] => vec![usual],
            wanted => wanted.to_vec(),
        };
        if args.quick {
            return Self {
                rounds: 1,
                turns: TURNS_PER_SECOND,
                warmup_ms: 200,
                idle_connections: 1_000,
                endpoints: endpoints(1_000),
                endpoints_warmup_ms: 1_500,
                transfer_bytes: gib.min(1 << 30),
            };
        }
        Self {
            rounds: args.rounds.get(),
            turns: args.seconds.get().saturating_mul(TURNS_PER_SECOND),
            warmup_ms: 500,
            idle_connections: 10_000,
            endpoints: endpoints(10_000),
            endpoints_warmup_ms: 10_000,
            transfer_bytes: gib,
        }
    }
}

struct Bench {
    plan: Plan,
    stand: Stand,
    subjects: Vec<Subject>,
    has_strace: bool,
    /// The lowest throughput in the first case.
    lowest_rate: Option<f64>,
}

/// Measures what was asked for.
pub(crate) fn run(args: &RunArgs) -> anyhow::Result<()> {
    ensure!(machine::cores() >= 2, "it takes two cores: one for the subject, one for the rest");
    raise_descriptors();
    let programs = Programs::new(args.cloudaps.as_deref())?;
    let (subjects, mut left_out) = select(&args.subjects, &programs);
    if subjects.is_empty() {
        bail!("there is nothing to measure: {}", left_out.join("; "));
    }
    let strace = not_installed("strace");
    left_out.extend(strace.iter().map(|reason| format!("system calls: strace is {reason}")));
    left_out.iter().for_each(|reason| eprintln!("left out: {reason}"));
    let (plan, stand) = (Plan::new(args), Stand::new(programs)?);
    let has_strace = strace.is_none();
    let mut bench = Bench { plan, stand, subjects, has_strace, lowest_rate: None };
    let mut page = Page::new(&bench.stand.programs, left_out);
    let cases = if args.cases.is_empty() { Case::ALL.to_vec() } else { args.cases.clone() };
    for case in cases {
        eprintln!("{}", case.title());
        let section = bench.measure(case)?;
        println!("\n{section}");
        page.sections.push(section);
    }
    if let Some(path) = destination(args) {
        let mut text = page.render(bench.stand.configs());
        // Other commands write them.
        let before = fs::read_to_string(&path).unwrap_or_default();
        for section in Kept::ALL.iter().filter_map(|kept| kept.section(&before)) {
            text = format!("{}\n\n{section}", text.trim_end());
        }
        path.parent().map_or(Ok(()), fs::create_dir_all)?;
        fs::write(&path, text).with_context(|| format!("{} cannot be written", path.display()))?;
        eprintln!("written: {}", path.display());
    }
    Ok(())
}

/// A run of a part does not overwrite the page of a run of everything.
fn destination(args: &RunArgs) -> Option<PathBuf> {
    let is_all = !args.quick && args.cases.is_empty() && args.subjects.is_empty();
    args.out.clone().or_else(|| is_all.then(|| PAGE.into()))
}

/// The subjects that can be measured, and why the others cannot.
fn select(wanted: &[Subject], programs: &Programs) -> (Vec<Subject>, Vec<String>) {
    let wanted = if wanted.is_empty() { &Subject::ALL } else { wanted };
    let (mut subjects, mut left_out) = (Vec::new(), Vec::new());
    for subject in wanted {
        match subject.obstacle(programs) {
            None => subjects.push(*subject),
            Some(reason) => left_out.push(format!("{subject}: {reason}")),
        }
    }
    (subjects, left_out)
}

impl Bench {
    fn measure(&mut self, case: Case) -> anyhow::Result<Section> {
        match case {
            Case::Half => self.half(),
            Case::Idle => memory::idle(&mut self.stand, &self.subjects, &self.plan),
            Case::Transfer => memory::transfer(&mut self.stand, &self.subjects, &self.plan),
            Case::Picking => self.picking(),
            _ => Ok(self.rounds(case)),
        }
    }

    /// A case in which every subject is measured in turns.
    fn rounds(&mut self, case: Case) -> Section {
        let series = self.series(&|to| case.load(to));
        if case == Case::Small {
            self.lowest_rate = series.lowest_rate();
        }
        let mut section = Section::new(case);
        section.grids.push(series.grid(case.unit(), &against_all()));
        section.disturbance = series.disturbance;
        section.notes = series.notes;
        if case.counts_calls() && self.has_strace {
            let (grid, notes) = self.calls(case);
            section.grids.push(grid);
            section.notes.extend(notes);
        }
        section
    }

    fn series(&mut self, load: &Load<'_>) -> Series {
        let origins = self.stand.origins.clone();
        let entrant = |subject: &Subject| Entrant {
            label: subject.to_string(),
            subject: *subject,
            origins: origins.clone(),
            warmup_ms: self.plan.warmup_ms,
        };
        let entrants: Vec<Entrant> = self.subjects.iter().map(entrant).collect();
        Series::measure(&mut self.stand, &entrants, &self.plan, load)
    }

    fn calls(&mut self, case: Case) -> (Grid, Vec<String>) {
        let mut grid =
            Grid::new(["calls per request", "receive", "send", "epoll_wait", "epoll_ctl", "other"]);
        let mut notes = Vec::new();
        for subject in self.subjects.clone() {
            let counted = self.stand.start(subject).and_then(|running| {
                let load = case.load(running.address);
                syscalls::count(&self.stand, &running, &load)
            });
            match counted {
                Ok(calls) => {
                    let syscalls::Calls { receive, send, wait, control, other } = calls;
                    let counts = [receive, send, wait, control, other];
                    let cells = counts.map(|count| number(count, 3));
                    grid.row([subject.to_string()].into_iter().chain(cells));
                }
                Err(error) => notes.push(format!("{subject}, system calls: {error:#}")),
            }
        }
        (grid, notes)
    }

    /// Half of the lowest maximum, for all of them.
    fn half(&mut self) -> anyhow::Result<Section> {
        if self.lowest_rate.is_none() {
            let series = self.series(&|to| Case::Small.load(to));
            self.lowest_rate = series.lowest_rate();
        }
        let rate = self.lowest_rate.context("no throughput is known")? / 2.0;
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "see max")]
        let rate = NonZeroU32::new(rate.max(1.0) as u32).unwrap_or(NonZeroU32::MIN);
        let series = self.series(&|to| LoadArgs { rate: Some(rate), ..Case::Half.load(to) });
        let mut section = Section::new(Case::Half);
        section.grids.push(series.grid(Case::Half.unit(), &against_all()));
        section.disturbance = series.disturbance;
        section.notes = series.notes;
        section
            .notes
            .push(format!("The rate was {} requests a second.", number(rate.get().into(), 0)));
        Ok(section)
    }

    /// Few endpoints, and many: our own subject and the relay, which shows what the kernel's share
    /// of the difference is.
    fn picking(&mut self) -> anyhow::Result<Section> {
        let mut section = Section::new(Case::Picking);
        let few = self.stand.origins.clone();
        let many = self.plan.endpoints.iter().map(|count| endpoints(&few, *count));
        let groups: Vec<Vec<SocketAddr>> = [few.clone()].into_iter().chain(many).collect();
        let (mut entrants, mut baselines) = (Vec::new(), Vec::new());
        for subject in [Subject::Relay, Subject::Cloudaps] {
            if !self.subjects.contains(&subject) {
                continue;
            }
            let label = |origins: &[SocketAddr]| format!("{subject}, {}", origins.len());
            baselines.push(Baseline { header: format!("× {}", label(&few)), label: label(&few) });
            entrants.extend(groups.iter().map(|origins| Entrant {
                label: label(origins),
                subject,
                origins: origins.clone(),
                warmup_ms: self.plan.endpoints_warmup_ms,
            }));
        }
        let load = |to| Case::Small.load(to);
        let series = Series::measure(&mut self.stand, &entrants, &self.plan, &load);
        section.grids.push(series.grid(Case::Picking.unit(), &baselines));
        section.disturbance = series.disturbance;
        section.notes = series.notes;
        Ok(section)
    }
}

fn against_all() -> [Baseline; 3] {
    [Subject::Relay, Subject::Haproxy, Subject::Nginx].map(|subject| {
        let label = subject.to_string();
        Baseline { header: format!("× {label}"), label }
    })
}

/// Addresses of 127.1.0.0/16, spread over the ports of the origins.
fn endpoints(origins: &[SocketAddr], count: u16) -> Vec<SocketAddr> {
    let ports = origins.iter().map(SocketAddr::port).cycle();
    let hosts = (0..count).map(|number| {
        let [high, low] = (number + 1).to_be_bytes();
        Ipv4Addr::new(127, 1, high, low)
    });
    hosts.zip(ports).map(|(host, port)| SocketAddr::from((host, port))).collect()
}

/// The subjects inherit what this process may open; ten thousand connections need it.
fn raise_descriptors() {
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    // If it is refused, the case that needs it says so.
    let _ = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum });
}
