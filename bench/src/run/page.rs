//! The page: what was measured, where, how, and with which configurations.

use std::fmt::{self, Write};

use super::case::Case;
use super::grid::{Grid, number};
use super::machine;
use super::subject::Programs;
use crate::median::median;

/// What others may use of the subject's core: more, and the caches are not the subject's any more.
pub(super) const DISTURBANCE_MAX: f64 = 0.03;

/// What holds for every figure.
const READING: &str = "\
Each subject has core 0 to itself, with one thread; the clients and the three origins share core 1,
in one thread that never sleeps: two processes there would wait for each other's time slices, and
whoever wakes a core that sleeps pays for it. Everything goes over loopback. In each round every
subject is started anew, and then all of them are measured in turns of a fifth of a second, over and
over: a machine whose speed changes from second to second changes it for all alike. Those whose turn
it is not do nothing. A figure of a round is that of all its turns together; the tables show the
median of the rounds.

- **CPU µs/request** is the run time of all threads of the subject's processes, as the scheduler
  counts it, divided by the requests. It is the figure to compare; the range is from the best round
  to the worst. The throughput is the subject's limit only where *core used* is near 100 %;
  elsewhere the clients and origins were the limit.
- **× relay**, **× haproxy**, **× nginx** compare that figure: below 1 is cheaper. It is the median
  of the ratios within each round. A subject with a log is compared with HAProxy and nginx with a
  log, and always with the relay without one.
- **cloudaps** is the program as it is released: `just release` builds it by what it does under
  these loads. nginx and HAProxy are Debian's packages.
- **relay** is a bare relay, part of this repository: one read and one write in each direction, the
  origin with the fewest requests in flight, kept connections. It checks nothing, changes nothing
  and has no timeouts. It shows what the kernel costs; no proxy can do its work for less.
- **Latencies** count from when a request was sent. In the case with a fixed rate they count from
  when it should have been sent. **p99.9 in a turn** is that of a turn's requests alone, in the
  median of the turns: whatever stops the machine for some milliseconds several times a second is
  all that is left in the p99.9 of all turns together, whoever is measured.
- **Calls per request** were counted by `strace -c` in a run of their own, which slows the subject
  down: more connections are ready at each wait then, so there are fewer waits.
- **RSS** is the resident memory of the subject's processes at the end of a measurement. nginx
  makes room for all connections that it may have when it starts.
- What **others used** of the subject's core is what its processes did not: other programs, the
  hypervisor, and the kernel's own work. Figures from a disturbed machine are not to be trusted.
";

/// The page as it grows.
pub(super) struct Page {
    facts: Vec<(&'static str, String)>,
    left_out: Vec<String>,
    command: String,
    pub(super) sections: Vec<Section>,
}

/// One case and what was found.
pub(super) struct Section {
    case: Case,
    pub(super) grids: Vec<Grid>,
    pub(super) notes: Vec<String>,
    pub(super) disturbance: Option<f64>,
}

impl Page {
    pub(super) fn new(programs: &Programs, left_out: Vec<String>) -> Self {
        let command = typed(std::env::args().skip(2));
        Self { facts: machine::facts(programs), left_out, command, sections: Vec::new() }
    }

    pub(super) fn render<'a>(
        &self,
        configs: impl Iterator<Item = (&'a String, &'a String)>,
    ) -> String {
        let mut text = format!(
            "# Benchmarks\n\nWritten by `{}`; do not edit it. Run it on a machine that does \
             nothing else.\n\n{}## Machine and versions\n\n",
            self.command,
            self.warning()
        );
        for (name, value) in &self.facts {
            let _ = writeln!(text, "- {name}: {value}");
        }
        for reason in &self.left_out {
            let _ = writeln!(text, "- left out: {reason}");
        }
        let _ = write!(text, "\n## How to read it\n\n{READING}");
        for section in &self.sections {
            let _ = write!(text, "\n{section}");
        }
        text.push_str("\n## Configurations\n\n`DIR` is a temporary folder, the ports were free.\n");
        for (subject, config) in configs {
            let _ = write!(text, "\n### {subject}\n\n```text\n{}\n```\n", config.trim_end());
        }
        text
    }

    /// Figures from a machine that did something else say so before anybody reads them.
    fn warning(&self) -> String {
        let shares = self.sections.iter().filter_map(|section| section.disturbance);
        let share = median(shares).filter(|share| *share > DISTURBANCE_MAX);
        share.map_or(String::new(), |share| {
            let share = number(share * 100.0, 1);
            format!(
                "**The machine was not quiet: others used {share} % of the subject's core in the \
                 median case. These figures show that the comparison works, and no more.**\n\n"
            )
        })
    }
}

impl Section {
    pub(super) fn new(case: Case) -> Self {
        Self { case, grids: Vec::new(), notes: Vec::new(), disturbance: None }
    }
}

impl fmt::Display for Section {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(formatter, "## {}\n\n{}", self.case.title(), self.case.text())?;
        for grid in &self.grids {
            write!(formatter, "\n{grid}")?;
        }
        for note in &self.notes {
            write!(formatter, "\n{note}\n")?;
        }
        Ok(())
    }
}

/// The command that was typed. It names no program: `just bench` does that.
fn typed(mut arguments: impl Iterator<Item = String>) -> String {
    let mut command = "just bench".to_owned();
    while let Some(argument) = arguments.next() {
        if argument == "--cloudaps" {
            arguments.next();
        } else {
            command = format!("{command} {argument}");
        }
    }
    command
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_says_what_was_typed() {
        let typed = |words: &str| typed(words.split_whitespace().map(ToOwned::to_owned));
        assert_eq!(typed("--cloudaps a/b --rounds 4 --quick"), "just bench --rounds 4 --quick");
        assert_eq!(typed("--cloudaps a/b"), "just bench");
    }
}
