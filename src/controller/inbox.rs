//! Everything that the controller hears, in one place to wait at.

use std::collections::VecDeque;

use tokio::sync::mpsc;

use super::{Command, Sources};
use crate::clock::{self, Instant};
use crate::fleet::Event;
use crate::provider::Notice;
use crate::proxy::Report;

/// One thing that was heard.
#[derive(Debug)]
pub(super) enum Input {
    Event(Event),
    Notice(Notice),
    Report(Report),
    Command(Command),
}

impl Input {
    /// Whether somebody waits for what follows from it, so that it is not to wait for others. What
    /// a probe found comes by the thousand, and is better taken in with all that come with it.
    pub(super) const fn is_urgent(&self) -> bool {
        !matches!(self, Self::Event(Event::Probed(..)))
    }
}

#[derive(Debug)]
pub(super) struct Inbox {
    sources: Sources,
    events: mpsc::Receiver<Event>,
    /// What the controller told itself in the turn before. At most one per action of a plan.
    own: VecDeque<Event>,
}

impl Inbox {
    pub(super) fn new(sources: Sources, events: mpsc::Receiver<Event>) -> Self {
        Self { sources, events, own: VecDeque::new() }
    }

    /// Takes back an event that is known without waiting for anybody.
    pub(super) fn put_back(&mut self, event: Event) {
        self.own.push_back(event);
    }

    /// The next input, or nothing when `wake_at` has come.
    pub(super) async fn next(&mut self, wake_at: Option<Instant>) -> Option<Input> {
        if let Some(event) = self.own.pop_front() {
            return Some(Input::Event(event));
        }
        let Sources { notices, reports, commands } = &mut self.sources;
        // In the order of urgency: the operator first, then deaths, then evidence.
        tokio::select! {
            biased;
            Some(command) = commands.recv() => Some(Input::Command(command)),
            Some(notice) = notices.recv() => Some(Input::Notice(notice)),
            Some(event) = self.events.recv() => Some(Input::Event(event)),
            Some(report) = reports.recv() => Some(Input::Report(report)),
            () = until(wake_at) => None,
        }
    }

    /// The next input that is already there.
    pub(super) fn try_next(&mut self) -> Option<Input> {
        if let Some(event) = self.own.pop_front() {
            return Some(Input::Event(event));
        }
        let Sources { notices, reports, commands } = &mut self.sources;
        let command = commands.try_recv().ok().map(Input::Command);
        command
            .or_else(|| notices.try_recv().ok().map(Input::Notice))
            .or_else(|| self.events.try_recv().ok().map(Input::Event))
            .or_else(|| reports.try_recv().ok().map(Input::Report))
    }
}

/// Waits for that time; without one, for ever.
pub(super) async fn until(wake_at: Option<Instant>) {
    match wake_at {
        Some(at) => tokio::time::sleep(at.since(clock::now())).await,
        None => std::future::pending().await,
    }
}
