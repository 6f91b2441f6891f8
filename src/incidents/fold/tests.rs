//! A small fleet fails in several ways, and each becomes an incident.

use std::net::SocketAddr;

use super::*;
use crate::fleet::{
    Action, Capacity, Event, Group, GroupSpec, Handover, Instance, LaunchOn, Order, Ownership,
    Probe, Relays, Thresholds, plan,
};
use crate::incidents::Record;

const MILLI: Duration = Duration::from_millis(1);

/// A fleet whose launches are answered when the test says so.
struct World {
    spec: Spec,
    fleet: Fleet,
    incidents: Incidents,
    now: Instant,
    launches: Vec<Launch>,
}

fn group(size: u32) -> GroupSpec {
    GroupSpec {
        size,
        standby: 0,
        launch_on: LaunchOn::Verdict,
        ownership: Ownership::Owned,
        handover: Handover::LaunchFirst { surge: 2 },
        launch_timeout: Duration::from_secs(30),
        drain_timeout: Duration::from_secs(30),
        settle: Duration::ZERO,
        thresholds: Thresholds {
            healthy: 1,
            refused: 2,
            unresponsive: 2,
            flapping: Duration::from_secs(30),
        },
        replacement_interval: Duration::from_millis(10),
    }
}

fn slot(index: u32) -> Slot {
    Slot { group: Group::Instances, index }
}

fn id(launch: &Launch) -> InstanceId {
    InstanceId::new(launch.token.as_str())
}

impl World {
    /// Two instances that serve.
    fn new() -> Self {
        Self::with_spares(0)
    }

    /// Two instances that serve, and so many that stand by.
    fn with_spares(standby: u32) -> Self {
        let operation = Operation::Active;
        let instances = GroupSpec { standby, ..group(2) };
        let spec = Spec { instances, backend: group(0), operation };
        let (fleet, now) = (Fleet::new(1), Instant::at(Duration::from_secs(100)));
        let incidents = Incidents::default();
        let mut world = Self { spec, fleet, incidents, now, launches: Vec::new() };
        world.observe(Event::Listed { began: now, found: Vec::new() });
        for launch in std::mem::take(&mut world.launches) {
            world.make(&launch);
            world.probe(&id(&launch), Finding::Well);
        }
        assert!(world.incidents.all.is_empty(), "a first launch is no incident");
        world
    }

    fn moment(&self) -> Moment {
        Moment { instant: self.now, wall: self.now.since_start() + Duration::from_secs(1_000_000) }
    }

    /// One turn of the controller.
    fn observe(&mut self, event: Event) {
        match &event {
            Event::Probed(id, probe) => self.incidents.probed(id, probe.finding, self.now),
            Event::Launched(token, Err(cause)) => {
                self.incidents.launch_failed(token, cause, self.now);
            }
            _ => {}
        }
        self.fleet.observe(event, &self.spec, self.now);
        self.follow();
    }

    fn follow(&mut self) {
        let known = self.launches.len();
        for action in plan(&self.spec, &self.fleet, self.now).actions {
            self.fleet.begin(&action, &self.spec, self.now);
            if let Action::Launch(launch) = action {
                self.launches.push(launch);
            }
        }
        let (news, moment) = (self.fleet.take_journal(), self.moment());
        self.incidents.changed(&self.fleet, &news, moment);
        self.incidents.settle(&self.fleet, &self.spec, self.now);
        for launch in &self.launches[known..] {
            self.incidents.launched(launch, self.now);
        }
    }

    fn wait(&mut self, time: Duration) {
        self.now = self.now + time;
    }

    /// The provider makes what was asked for.
    fn make(&mut self, launch: &Launch) {
        let instance = Instance {
            id: id(launch),
            slot: launch.slot,
            token: Some(launch.token.clone()),
            address: Some(SocketAddr::from(([127, 0, 0, 1], 8000)).into()),
            control: None,
            capacity: Capacity::ORDINARY,
            vitals: Vitals::Running,
            label: "pid 1".to_owned(),
            launched: Duration::ZERO,
        };
        self.observe(Event::Launched(launch.token.clone(), Ok(instance)));
    }

    fn probe(&mut self, id: &InstanceId, finding: Finding) {
        let probe = Probe { finding, relays: Relays::default() };
        self.observe(Event::Probed(id.clone(), probe));
    }

    fn in_slot(&self, index: u32) -> InstanceId {
        self.fleet.in_slot(slot(index)).next().unwrap().instance.id.clone()
    }

    fn kill(&mut self, id: &InstanceId) {
        self.observe(Event::Gone(id.clone(), "signal: 9 (SIGKILL)".to_owned()));
    }

    fn launch(&mut self) -> Launch {
        self.launches.pop().expect("a launch was asked for")
    }

    /// The only incident.
    fn incident(&self) -> Incident {
        let all: Vec<_> = self.incidents.all.values().collect();
        assert_eq!(all.len(), 1, "{all:#?}");
        Incident::clone(all[0])
    }
}

fn at(millis: u32) -> Step {
    Step::At(MILLI * millis)
}

#[test]
fn a_killed_instance_becomes_a_timeline_that_begins_with_the_first_sign() {
    let mut world = World::new();
    let lost = world.in_slot(0);
    let detected = world.moment().wall;
    world.incidents.suspected(&lost, "a request: it refused the connection", world.now);
    world.wait(MILLI);
    world.kill(&lost);
    world.wait(MILLI * 2);
    let launch = world.launch();
    world.make(&launch);
    world.wait(MILLI * 10);
    world.probe(&id(&launch), Finding::Refused);
    world.wait(MILLI * 10);
    world.probe(&id(&launch), Finding::Well);
    let incident = world.incident();
    let evidence = ["a request: it refused the connection", "gone: signal: 9 (SIGKILL)"];
    assert_eq!((incident.cause, incident.slot), (Cause::Gone, slot(0)));
    assert_eq!(
        (incident.detected, &incident.evidence[..]),
        (detected, &evidence.map(str::to_owned)[..])
    );
    assert_eq!((incident.lost.id, incident.successor.unwrap().id), (lost, id(&launch)));
    let steps = Steps {
        ejected: at(1),
        launch_sent: at(1),
        running: at(3),
        port_open: at(23),
        first_2xx: at(23),
        serving: at(23),
    };
    assert_eq!((incident.steps, incident.launches), (steps, 1));
    assert_eq!(incident.outcome, Outcome::Repaired(MILLI * 23));
}

#[test]
fn what_the_operator_ordered_is_no_failure() {
    for order in [Order::Replace, Order::Drain] {
        let mut world = World::new();
        world.observe(Event::Ordered(slot(1), order));
        world.follow();
        let launch = world.launch();
        world.make(&launch);
        world.wait(MILLI);
        world.probe(&id(&launch), Finding::Well);
        let incident = world.incident();
        assert_eq!((incident.cause, incident.outcome), (Cause::Ordered, Outcome::Ordered(MILLI)));
        let old = world.in_slot(1);
        world.observe(Event::Drained(old.clone()));
        world.observe(Event::Terminated(old, Ok(())));
        assert_eq!(world.incident(), incident, "its end is not another incident");
        assert!(crate::incidents::Repairs::of([&incident]).is_none());
    }
}

#[test]
fn launches_and_successors_that_fail_stay_in_the_same_incident() {
    let mut world = World::new();
    let lost = world.in_slot(0);
    world.kill(&lost);
    let launch = world.launch();
    world.observe(Event::Launched(launch.token, Err("no room".to_owned())));
    world.wait(MILLI * 20);
    // Now a listing is young enough to know that it made none.
    let survivor = world.fleet.get(&world.in_slot(1)).unwrap().instance.clone();
    world.observe(Event::Listed { began: world.now, found: vec![survivor] });
    let launch = world.launch();
    world.make(&launch);
    world.wait(MILLI * 20);
    world.kill(&id(&launch));
    assert_eq!(world.incident().outcome, Outcome::Open);
    assert_eq!(world.incident().steps.running, Step::Awaited);
    world.observe(Event::Resumed);
    let launch = world.launch();
    world.make(&launch);
    world.probe(&id(&launch), Finding::Well);
    let incident = world.incident();
    assert_eq!((incident.launches, incident.outcome), (3, Outcome::Repaired(MILLI * 40)));
    let evidence = [
        "gone: signal: 9 (SIGKILL)",
        "a launch failed: no room",
        "pid 1: gone: signal: 9 (SIGKILL)",
    ];
    assert_eq!(incident.evidence, evidence);
}

#[test]
fn one_that_is_well_again_has_recovered() {
    let mut world = World::new();
    world.spec.operation = Operation::Paused;
    let hung = world.in_slot(0);
    world.probe(&hung, Finding::TimedOut);
    world.wait(MILLI * 500);
    world.probe(&hung, Finding::TimedOut);
    assert_eq!(world.incident().cause, Cause::Unresponsive);
    world.wait(MILLI * 500);
    world.probe(&hung, Finding::Well);
    let incident = world.incident();
    assert_eq!(incident.outcome, Outcome::Recovered(MILLI * 1000));
    assert_eq!((incident.steps.ejected, incident.steps.launch_sent), (at(500), Step::Skipped));
    world.probe(&hung, Finding::TimedOut);
    world.probe(&hung, Finding::Well);
    assert_eq!(world.incident(), incident, "one bad probe is no incident");
}

#[test]
fn a_slot_that_is_not_wanted_any_more_is_given_up() {
    let mut world = World::new();
    world.kill(&world.in_slot(1));
    world.spec.instances.size = 1;
    world.follow();
    let given_up = Outcome::GivenUp(Duration::ZERO, Surrender::Unwanted);
    assert_eq!(world.incident().outcome, given_up);

    let mut world = World::new();
    world.kill(&world.in_slot(1));
    world.spec.operation = Operation::Stopping;
    world.follow();
    assert_eq!(world.incident().outcome, Outcome::GivenUp(Duration::ZERO, Surrender::Stopped));
}

#[test]
fn a_successor_of_this_up_ends_what_an_earlier_one_saw_begin() {
    let mut world = World::new();
    let lost = world.in_slot(0);
    world.kill(&lost);
    let launch = world.launch();
    let kept = world.incident();
    world.wait(MILLI * 300);
    world.incidents = Incidents::resume([kept.clone()], world.moment());
    world.make(&launch);
    world.probe(&id(&launch), Finding::Well);
    let incident = world.incident();
    assert_eq!((incident.id, incident.outcome), (kept.id, Outcome::Repaired(MILLI * 300)));
    assert_eq!((incident.steps.running, incident.steps.port_open), (Step::Unseen, at(300)));
    world.kill(&world.in_slot(1));
    assert_eq!(world.incidents.all.keys().last(), Some(&IncidentId(kept.id.0 + 1)));
}

#[test]
fn a_step_that_nobody_watched_is_told_from_one_that_was_not_needed() {
    let mut world = World::new();
    let lost = world.in_slot(0);
    world.kill(&lost);
    let launch = world.launch();
    let kept = world.incident();
    world.make(&launch);
    world.fleet.take_journal();
    world.incidents = Incidents::resume([kept], world.moment());
    world.probe(&id(&launch), Finding::Well);
    assert_eq!(world.incident().steps.port_open, Step::Unseen);
}

#[test]
fn only_the_newest_are_kept() {
    let mut world = World::new();
    world.kill(&world.in_slot(0));
    let incident = world.incident();
    let total = KEPT_MAX as u64 + 5;
    let many = (1..=total).map(|id| Incident { id: IncidentId(id), ..incident.clone() });
    let incidents = Incidents::resume(many, world.moment());
    assert_eq!(incidents.all.len(), KEPT_MAX);
    assert_eq!(incidents.all.keys().next(), Some(&IncidentId(6)));
    assert_eq!(incidents.last, total);
}

#[test]
fn evidence_is_bounded() {
    let mut world = World::new();
    let lost = world.in_slot(0);
    world.kill(&lost);
    let launch = world.launch();
    for number in 0..100 {
        let cause = format!("{number} {}", "é".repeat(1000));
        world.incidents.launch_failed(&launch.token, &cause, world.now);
    }
    let incident = world.incident();
    assert_eq!(incident.evidence.len(), EVIDENCE_MAX);
    assert!(incident.evidence.iter().all(|piece| piece.chars().count() <= EVIDENCE_CHARS_MAX));
}

#[test]
fn an_incident_reads_back_what_is_written() {
    let mut world = World::new();
    world.kill(&world.in_slot(0));
    let open = world.incident();
    let outcomes = [
        Outcome::Open,
        Outcome::Repaired(MILLI * 45),
        Outcome::Ordered(MILLI),
        Outcome::Recovered(MILLI),
        Outcome::GivenUp(MILLI, Surrender::Unwanted),
        Outcome::GivenUp(MILLI, Surrender::Stopped),
    ];
    let steps = Steps { running: Step::Unseen, port_open: Step::Skipped, ..open.steps };
    for (cause, outcome) in Cause::ALL.into_iter().zip(outcomes) {
        let incident = Incident { cause, outcome, steps, ..open.clone() };
        let line = Record::from(&incident).to_line().unwrap();
        assert_eq!(Record::parse(&line).unwrap(), incident, "{line}");
    }
    let line = Record::from(&open).to_line().unwrap();
    let refused = |from: &str, to: &str| Record::parse(&line.replace(from, to)).is_err();
    assert!(refused("\"gone\"", "\"lost\"") && refused("\"open\"", "\"shut\""), "{line}");
    assert!(
        refused("instance-0", "place-0") && refused("\"detected_at\":\"", "\"detected_at\":\"x")
    );
}

#[test]
fn a_spare_repairs_at_once_what_its_successor_would_have_repaired_later() {
    let mut world = World::with_spares(1);
    let (lost, spare) = (world.in_slot(0), world.in_slot(2));
    world.wait(MILLI);
    world.kill(&lost);
    let incident = world.incident();
    assert_eq!((incident.lost.id.clone(), incident.slot), (lost, slot(0)));
    assert_eq!(incident.successor.as_ref().unwrap().id, spare);
    assert_eq!((incident.steps.launch_sent, incident.launches), (Step::Skipped, 0));
    assert_eq!(incident.outcome, Outcome::Repaired(Duration::ZERO));
    let launch = world.launch();
    world.make(&launch);
    world.probe(&id(&launch), Finding::Well);
    assert_eq!(world.incident(), incident, "who fills the slot becomes the next spare");
}

#[test]
fn of_two_that_are_lost_at_once_a_spare_makes_up_for_one() {
    let mut world = World::with_spares(1);
    let lost = [0, 1].map(|index| world.in_slot(index));
    lost.iter().for_each(|id| world.kill(id));
    let outcomes = |world: &World| {
        let all = world.incidents.all.values();
        all.map(|incident| incident.outcome).collect::<Vec<_>>()
    };
    assert_eq!(outcomes(&world), [Outcome::Repaired(Duration::ZERO), Outcome::Open]);
    let launch = world.launch();
    world.make(&launch);
    world.wait(MILLI * 5);
    world.probe(&id(&launch), Finding::Well);
    let repaired = [Outcome::Repaired(Duration::ZERO), Outcome::Repaired(MILLI * 5)];
    assert_eq!(outcomes(&world), repaired);
}

#[test]
fn a_spare_that_is_lost_is_repaired_when_another_stands_by() {
    let mut world = World::with_spares(1);
    let lost = world.in_slot(2);
    world.kill(&lost);
    let launch = world.launch();
    world.make(&launch);
    world.wait(MILLI * 5);
    world.probe(&id(&launch), Finding::Well);
    assert_eq!(world.incident().outcome, Outcome::Repaired(MILLI * 5));
}
