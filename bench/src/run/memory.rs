//! The cases about memory: connections that do nothing, and bodies that are larger than it.

use std::time::Duration;

use super::case::Case;
use super::grid::{Grid, maybe, number};
use super::page::Section;
use super::series::{gibibytes, mebibytes};
use super::stand::{Running, Stand};
use super::subject::Subject;
use super::{Plan, procfs};
use crate::clock::pause;
use crate::load::{Report, STARTED, STOPPED};
use crate::median::median;

/// Until what was freed after the last answer is given back, if it is.
const SETTLE: Duration = Duration::from_secs(4);

/// Over how long the idle connections come. At once they would all be busy at the same time, which
/// is another question: how much memory that takes, and whether it is given back.
const IDLE_COME: Duration = Duration::from_secs(20);

/// Memory does not vary like time does.
const IDLE_ROUNDS_MAX: u32 = 3;

/// How the bodies go.
const DIRECTIONS: [&str; 2] = ["down", "up"];

/// What one body cost.
struct Transferred {
    report: Report,
    cpu_nanos: u64,
    before: u64,
    peak: u64,
}

/// Bytes per idle connection.
pub(super) fn idle(
    stand: &mut Stand,
    subjects: &[Subject],
    plan: &Plan,
) -> anyhow::Result<Section> {
    let header = ["subject", "bytes/connection", "RSS before MiB", "RSS with them MiB"];
    let mut grid = Grid::new(header);
    let mut section = Section::new(Case::Idle);
    for &subject in subjects {
        let mut found = Vec::new();
        for _ in 0..plan.rounds.min(IDLE_ROUNDS_MAX) {
            eprint!(" {subject}");
            match idle_once(stand, subject, plan) {
                Ok(pair) => found.push(pair),
                Err(error) => section.notes.push(format!("{subject}: {error:#}")),
            }
        }
        let each = |value: &dyn Fn(u64, u64) -> f64| {
            median(found.iter().map(|(before, with)| value(*before, *with)))
        };
        let growth = each(&|before, with| (mebibytes(with) - mebibytes(before)) * 1_048_576.0);
        grid.row([
            subject.to_string(),
            maybe(growth.map(|bytes| bytes / f64::from(plan.idle_connections)), 0),
            maybe(each(&|before, _| mebibytes(before)), 1),
            maybe(each(&|_, with| mebibytes(with)), 1),
        ]);
    }
    eprintln!();
    let count = number(plan.idle_connections.into(), 0);
    section.notes.push(format!("There were {count} connections."));
    section.grids.push(grid);
    Ok(section)
}

/// The resident memory before the connections and with them.
fn idle_once(stand: &mut Stand, subject: Subject, plan: &Plan) -> anyhow::Result<(u64, u64)> {
    let running = stand.start(subject)?;
    stand.warm_up(&Case::Small.load(running.address), plan.warmup_ms)?;
    pause(SETTLE);
    let before = procfs::resident_bytes(&running.ids);
    let to = running.address.to_string();
    let connections = plan.idle_connections.to_string();
    let over = IDLE_COME.as_millis().to_string();
    let arguments = ["idle", "--to", &to, "--connections", &connections, "--over-ms", &over];
    let mut clients = stand.role(&arguments.map(str::to_owned))?;
    clients.expect(STARTED)?;
    pause(SETTLE);
    Ok((before, procfs::resident_bytes(&running.ids)))
}

/// One body down and one up.
pub(super) fn transfer(
    stand: &mut Stand,
    subjects: &[Subject],
    plan: &Plan,
) -> anyhow::Result<Section> {
    let header = ["subject", "CPU ms/GiB", "GiB/s", "RSS before MiB", "growth MiB"];
    let mut section = Section::new(Case::Transfer);
    for direction in DIRECTIONS {
        let mut grid = Grid::new(header.map(|cell| cell.replace("subject", direction)));
        for &subject in subjects {
            eprint!(" {subject} {direction}");
            let done = stand.start(subject).and_then(|mut running| {
                transfer_once(stand, &mut running, direction, plan.transfer_bytes)
            });
            match done {
                Ok(done) => grid.row(cells(subject, &done)),
                Err(error) => section.notes.push(format!("{subject}, {direction}: {error:#}")),
            }
        }
        eprintln!();
        section.grids.push(grid);
    }
    let size = number(gibibytes(plan.transfer_bytes), 0);
    section.notes.push(format!("Each body had {size} GiB."));
    Ok(section)
}

fn transfer_once(
    stand: &Stand,
    running: &mut Running,
    direction: &str,
    bytes: u64,
) -> anyhow::Result<Transferred> {
    procfs::forget_peak(&running.ids);
    let before = procfs::resident_bytes(&running.ids);
    let to = running.address.to_string();
    let bytes = bytes.to_string();
    let arguments = ["transfer", "--direction", direction, "--bytes", &bytes, "--to", &to];
    let mut client = stand.role(&arguments.map(str::to_owned))?;
    client.expect(STARTED)?;
    let cpu = procfs::cpu_nanos(&running.ids);
    client.expect(STOPPED)?;
    let cpu_nanos = procfs::cpu_nanos(&running.ids).saturating_sub(cpu);
    let report: Report = serde_json::from_str(&client.line()?)?;
    Ok(Transferred { report, cpu_nanos, before, peak: procfs::peak_bytes(&running.ids) })
}

#[expect(clippy::cast_precision_loss, reason = "no count here has more than 52 bits")]
fn cells(subject: Subject, done: &Transferred) -> [String; 5] {
    let moved = gibibytes(done.report.bytes);
    [
        subject.to_string(),
        number(done.cpu_nanos as f64 / 1e6 / moved, 0),
        number(moved / done.report.seconds, 2),
        number(mebibytes(done.before), 1),
        number(mebibytes(done.peak.saturating_sub(done.before)), 1),
    ]
}
