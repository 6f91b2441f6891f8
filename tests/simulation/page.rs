//! `docs/simulation.md`: what is simulated, and that the checks can fail.

use std::fmt::Write;

use super::law::Law;

/// What stands above the table.
const HEAD: &str = "\
# The simulation

Written by `just simulation-table`; do not edit.

`tests/simulation.rs` lives whole fleets behind one virtual clock. A seed decides everything, so
that the same seed always gives the same story. For forty simulated seconds things go wrong, and
no law of `ARCHITECTURE.md` may be broken; then they stop, and the fleet has to become complete
and quiet.

## What goes wrong

- **The cloud**: listings are old, and each machine appears and disappears in them late; a machine
  that was made a moment ago is `NotFound`; requests and answers are lost, the answers also after
  the effect; calls are refused at EC2's rates (RunInstances 5 and 2/s, TerminateInstances 100 and
  5/s, filtered DescribeInstances 100 and 20/s), and others in the account use them up; kinds of
  machines are sold out by zone; an end is confirmed that did not happen; notices of ends come
  twice or never.
- **Machines** crash as newborns, boot slowly or never, die, hang, answer every other time too late,
  are well and unwell by turns, or recover. New machines, ours and other people's, get the addresses
  of old ones.
- **Probes** find the wrong thing for a while, about one machine or about all.
- **The controller** is killed between any two things that it hears or does, and started again with
  nothing but the listing, while what it had sent still arrives; it is stopped (its clock goes on)
  or suspended (its clock stands); the calendar jumps; the operator scales, pauses, resumes, drains
  and replaces.

## What is not simulated

The fleet, its plan and its verdicts are the real ones. The loop around them (the inbox, the probing
cadence, the endpoints' standing) is written a second time for the simulation, and the data plane is
a model: requests that last for a while. The end-to-end tests run the real ones. Servers of provider
`static` are left out.

## Deliberate bugs

Each is put into the controller, and worlds are lived until its law is broken. In every run of the
tests all of them have to be found.

| bug | breaks | found after |
|---|---|---|
";

/// The laws of `ARCHITECTURE.md`, in its order: the numbered list under their title.
pub(crate) fn laws_of(architecture: &str) -> Vec<String> {
    let lines = architecture.lines().skip_while(|line| *line != "## Laws").skip(1);
    let mut laws: Vec<String> = Vec::new();
    for line in lines.take_while(|line| !line.starts_with("## ")) {
        let number = format!("{}. ", laws.len() + 1);
        if let Some(law) = line.strip_prefix(&number) {
            laws.push(law.to_owned());
        } else if let (Some(law), true) = (laws.last_mut(), line.starts_with("   ")) {
            law.push(' ');
            law.push_str(line.trim());
        }
    }
    laws
}

/// A bug, the law that it breaks, and after how many seeds it was found.
pub(crate) type Row = (&'static str, Law, Option<u64>);

/// The page.
pub(crate) fn write(rows: &[Row], seeds_max: u64) -> String {
    let mut page = HEAD.to_owned();
    for (name, law, seeds) in rows {
        let found = match seeds {
            Some(1) => "1 seed".to_owned(),
            Some(seeds) => format!("{seeds} seeds"),
            None => format!("never in {seeds_max} seeds"),
        };
        let _ = writeln!(page, "| {name} | {} | {found} |", law.sentence());
    }
    page
}
