//! The page that compares the three: what each makes of every row, and who breaks which MUST.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::{fs, thread};

use super::case::{Case, Level};
use super::judge::Verdict;
use super::stage;
use super::subject::Which;
use super::table::rows::{GROUPS, ROWS};

const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/conformance.md");

/// Cases that are put to one subject at the same time.
const LANES: usize = 4;

/// Runs of one case until two in a row agree.
const RUNS_MAX: usize = 5;

/// What one of the three made of each case, in their order.
struct Column {
    which: Which,
    version: String,
    verdicts: Vec<Verdict>,
}

/// Puts the table to all that are installed, and writes the page.
pub(crate) fn write(cases: &[Case]) {
    let (present, absent): (Vec<_>, Vec<_>) = Which::ALL
        .into_iter()
        .map(|which| (which, which.version()))
        .partition(|(_, v)| v.is_some());
    for (which, _) in absent {
        println!("{} is not installed: its column is left out", which.name());
    }
    let columns: Vec<Column> = thread::scope(|scope| {
        let running = present.into_iter().map(|(which, version)| {
            (which, version.unwrap_or_default(), scope.spawn(move || run_all(which, cases)))
        });
        let running: Vec<_> = running.collect();
        let columns = running.into_iter().map(|(which, version, verdicts)| {
            let verdicts = verdicts.join().expect("a subject could not be run");
            Column { which, version, verdicts }
        });
        columns.collect()
    });
    fs::create_dir_all(concat!(env!("CARGO_MANIFEST_DIR"), "/docs")).unwrap();
    fs::write(PAGE, page(cases, &columns)).unwrap();
    println!("written: {PAGE}");
}

/// Several cases at once, since most of the time is spent waiting for those that do not answer.
fn run_all(which: Which, cases: &[Case]) -> Vec<Verdict> {
    thread::scope(|scope| {
        let part = |lane: usize| {
            let own = cases.iter().enumerate().skip(lane).step_by(LANES);
            own.map(|(index, case)| (index, confirmed(which, case))).collect::<Vec<_>>()
        };
        let lanes: Vec<_> = (0..LANES).map(|lane| scope.spawn(move || part(lane))).collect();
        let parts = lanes.into_iter().map(|lane| lane.join().expect("a case could not be run"));
        let mut verdicts: Vec<(usize, Verdict)> = parts.flatten().collect();
        verdicts.sort_by_key(|(index, _)| *index);
        verdicts.into_iter().map(|(_, verdict)| verdict).collect()
    })
}

/// What a subject makes of a case each time: what is published of others must not hang on one run.
fn confirmed(which: Which, case: &Case) -> Verdict {
    let mut verdict = stage::run(which, case).0;
    for _ in 0..RUNS_MAX {
        let again = stage::run(which, case).0;
        if again == verdict {
            break;
        }
        verdict = again;
    }
    verdict
}

fn page(cases: &[Case], columns: &[Column]) -> String {
    let mut page = INTRODUCTION.to_owned();
    let versions = columns.iter().map(|Column { which, version, .. }| (which.name(), version));
    let versions: Vec<String> =
        versions.map(|(name, version)| format!("{name} {version}")).collect();
    let _ = writeln!(page, "\nThis run: {}; {} cases.\n", versions.join(", "), cases.len());
    page.push_str(&totals(cases, columns));
    for (title, rows) in GROUPS {
        let _ = write!(page, "\n## {title}\n\n{}", header(columns));
        for (row, what) in ROWS.iter().filter(|(row, _)| rows.contains(row)) {
            page.push_str(&table_row((*row, what), cases, columns));
        }
    }
    page.push_str(FAILURES);
    for (title, kind) in [("MUST", Kind::Fails), ("SHOULD", Kind::Deviates)] {
        let _ = write!(page, "\n## What breaks a {title}\n");
        columns.iter().for_each(|column| page.push_str(&list(cases, column, kind)));
    }
    page
}

fn totals(cases: &[Case], columns: &[Column]) -> String {
    let names: Vec<&str> = columns.iter().map(|column| column.which.name()).collect();
    let mut table = format!("| | {} |\n|---|{}\n", names.join(" | "), "---|".repeat(names.len()));
    let kinds = [Kind::Passes, Kind::Allowed, Kind::Lenient, Kind::Deviates, Kind::Fails];
    for kind in kinds {
        let counts = columns.iter().map(|column| {
            let pairs = cases.iter().zip(&column.verdicts);
            pairs.filter(|(case, verdict)| Kind::of(case, verdict) == kind).count().to_string()
        });
        let counts: Vec<String> = counts.collect();
        let _ = writeln!(table, "| {} | {} |", kind.meaning(), counts.join(" | "));
    }
    table
}

fn header(columns: &[Column]) -> String {
    let names: Vec<&str> = columns.iter().map(|column| column.which.name()).collect();
    let ruler = "---|".repeat(names.len());
    format!("| # | input | level | {} |\n|---|---|---|{ruler}\n", names.join(" | "))
}

fn table_row((row, what): (u8, &str), cases: &[Case], columns: &[Column]) -> String {
    let indices: Vec<usize> = (0..cases.len()).filter(|index| cases[*index].row == row).collect();
    let mut levels: Vec<Level> = indices.iter().map(|index| cases[*index].level).collect();
    levels.sort_unstable();
    levels.dedup();
    let levels: Vec<&str> = levels.into_iter().map(Level::name).collect();
    let mut line = format!("| {row} | {what} | {} |", levels.join(", "));
    for column in columns {
        let verdicts = indices.iter().map(|index| (&cases[*index], &column.verdicts[*index]));
        let _ = write!(line, " {} |", cell(verdicts.collect()));
    }
    line.push('\n');
    line
}

/// The verdicts on one row: each kind, how often, and what was done.
fn cell(verdicts: Vec<(&Case, &Verdict)>) -> String {
    let total = verdicts.len();
    let mut kinds = BTreeMap::<_, (usize, Vec<&str>)>::new();
    for (case, verdict) in verdicts {
        let (count, said) = kinds.entry(Kind::of(case, verdict)).or_default();
        *count += 1;
        if let Verdict::Allowed(what) | Verdict::Differs(what) = verdict
            && !said.contains(&what.as_str())
        {
            said.push(what);
        }
    }
    let parts = kinds.into_iter().map(|(kind, (count, said))| {
        let share = if count == total { String::new() } else { format!(" {count} of {total}") };
        let what = if said.is_empty() { String::new() } else { format!(": {}", said.join("; ")) };
        format!("{}{share}{what}", kind.name())
    });
    parts.collect::<Vec<_>>().join("<br>").replace('|', "\\|")
}

fn list(cases: &[Case], column: &Column, kind: Kind) -> String {
    let pairs = cases.iter().zip(&column.verdicts);
    let mut failed: Vec<(&Case, &Verdict)> =
        pairs.filter(|(case, verdict)| Kind::of(case, verdict) == kind).collect();
    let mut list = format!("\n### {}\n\n", column.which.name());
    failed.sort_by_key(|(case, _)| case.row);
    if failed.is_empty() {
        list.push_str("None.\n");
    }
    for (case, verdict) in failed {
        let (Verdict::Differs(what) | Verdict::Allowed(what)) = verdict else { continue };
        let Case { row, name, rule, .. } = case;
        let _ = writeln!(list, "- {row}, {rule}: {name}. Instead: {what}.");
    }
    list
}

/// What a verdict amounts to, from good to bad.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Passes,
    Allowed,
    Lenient,
    Deviates,
    Fails,
}

impl Kind {
    fn of(case: &Case, verdict: &Verdict) -> Self {
        match (verdict, case.level) {
            (Verdict::Passes, _) => Self::Passes,
            (Verdict::Allowed(_), _) => Self::Allowed,
            (Verdict::Differs(_), Level::Strict) => Self::Lenient,
            (Verdict::Differs(_), Level::Should) => Self::Deviates,
            (Verdict::Differs(_), Level::Must) => Self::Fails,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Passes => "pass",
            Self::Allowed => "allowed",
            Self::Lenient => "other",
            Self::Deviates => "deviates",
            Self::Fails => "**fails**",
        }
    }

    fn meaning(self) -> &'static str {
        match self {
            Self::Passes => "pass: exactly what the table asks for",
            Self::Allowed => "allowed: something else that the RFC permits",
            Self::Lenient => "other: something else where the RFC demands nothing",
            Self::Deviates => "deviates: not what a SHOULD recommends",
            Self::Fails => "**fails**: not what a MUST demands",
        }
    }
}

impl Level {
    fn name(self) -> &'static str {
        match self {
            Self::Must => "must",
            Self::Should => "should",
            Self::Strict => "strict",
        }
    }
}

const INTRODUCTION: &str = "\
# Conformance

One table of inputs, put over raw sockets to CloudAPS, nginx and HAProxy, each between a scripted
client and a scripted origin. This page is written by

```sh
just conformance
```

and not edited by hand. `tests/conformance/` holds the table and what runs it; CloudAPS has to pass
all of it in every run of the tests.

A case says which octets the client sends, what the origin answers, and what must come of it at both
ends: the status, whether the connection ends, what reached the origin, and whether one more
request, sent right behind, is answered from where it should be. Each case meets a proxy that was
just started. nginx and HAProxy have Debian's packages and their defaults, except for what makes
them comparable: connections kept alive on both sides, `X-Forwarded-For` set, the timeouts of the
case, heads of up to 64 KiB, and in nginx WebSocket passed through. Each could be configured to do
more: to add `Via`, for instance, or to remove a header by its name.

The level says how much a row weighs. *must*: the RFC demands it. *should*: it recommends it.
*strict*: it leaves it open, and CloudAPS has chosen to refuse what two parsers could read in two
ways; whoever is more lenient there breaks no rule. In one place, empty elements in
`Transfer-Encoding` (row 38), the choice is stricter than RFC 9110 §5.6.1 would have it.

The numbers are those of the project's check list. Rows 71 to 79 are about HTTP/2 and row 86 about
TLS, neither of which is spoken here.
";

const FAILURES: &str = "
## How to read it

The last two chapters list the cases by name. \"Passed on\" means that the request reached the
origin; \"stays open\", that the request sent behind the case was answered on the same connection;
\"waits\", that neither an answer nor the end came within seconds.

What surprised was looked at by hand, octet by octet:

- HAProxy 2.6.12 reads a Content-Length of 2^64 as 0, and one of 2^64 + 2 in an answer as 2, and
  passes the digits on as they are (rows 26 and 62). What follows is taken for the next message.
- nginx 1.22 takes a malformed Content-Length of an answer for none, and waits for the origin to
  close (row 62); it takes an interim answer for the final one (row 67).
- nginx passes Upgrade on because its documented configuration for WebSocket tells it to (rows 53
  and 57).
- Both leave Via, Max-Forwards and the headers that Connection names alone (rows 52, 55 and 56).
- Without a Host, HAProxy passes HTTP/1.1 on as it is, and it does not look into the value (rows 13
  and 15); nginx looks for some malformed values only.
- From one start to the next, HAProxy 2.6.12 refuses a trailer with a space before its colon or lets
  it pass. That input is left out here; a unit test holds it for CloudAPS.
";
