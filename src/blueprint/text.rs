//! A plan as people read it.

use std::fmt::Write;

use super::change::{Change, Plan};
use super::price::Bill;

/// What stands above the changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Heading {
    /// The fleet and where it is.
    pub fleet: String,
    /// What the balancer makes by itself, once it runs.
    pub then: Option<String>,
}

/// The whole plan; its last line is Terraform's.
#[must_use]
pub fn text(plan: &Plan, heading: &Heading, bill: Option<&Bill>) -> String {
    let mut text = format!("{}\n", heading.fleet);
    for change in &plan.changes {
        text.push_str(&changed(change));
    }
    let mut line = |title: &str, what: &str| {
        // Writing into a string cannot fail.
        let _ = writeln!(text, "{title:<9}{what}");
    };
    plan.notes.iter().for_each(|note| line("Note:", note));
    plan.obstacles.iter().for_each(|obstacle| line("Stop:", obstacle));
    line("Traffic:", &plan.traffic);
    heading.then.iter().for_each(|then| line("Then:", then));
    bill.into_iter().for_each(|bill| line("Price:", &priced(bill)));
    text + "\n" + &summary(plan) + "\n"
}

/// What was done, in the words of Terraform's last line.
#[must_use]
pub fn outcome((added, changed, destroyed): (usize, usize, usize)) -> String {
    format!("Done: {added} added, {changed} changed, {destroyed} destroyed.")
}

fn summary(plan: &Plan) -> String {
    match plan.counts() {
        (0, 0, 0) => "No changes. Everything is as the configuration says.".to_owned(),
        (add, change, destroy) => {
            format!("Plan: {add} to add, {change} to change, {destroy} to destroy.")
        }
    }
}

fn changed(change: &Change) -> String {
    let head = format!("  {:>3} {}\n", change.sign.as_str(), change.resource);
    change.details.iter().fold(head, |text, detail| text + "        " + detail + "\n")
}

fn priced(bill: &Bill) -> String {
    let mut text = match bill.lines.is_empty() {
        true => "unknown".to_owned(),
        false => {
            let Bill { hourly, currency, lines, .. } = bill;
            let (monthly, parts) = (bill.monthly(), lines.join(", "));
            format!("{hourly:.4} {currency} an hour, {monthly:.2} a month ({parts})")
        }
    };
    if !bill.unknown.is_empty() {
        let unknown = bill.unknown.join(", ");
        let _ = write!(text, "; without a price in `ec2.prices`: {unknown}");
    }
    text
}
