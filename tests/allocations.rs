//! What the control plane allocates for a fleet of ten thousand, and the codec for a request,
//! counted.

use std::time::Duration;

use allocation_counter::measure;
use cloudaps::clock::Instant;
use cloudaps::fleet::{
    Capacity, Event, Finding, Fleet, Group, GroupSpec, Handover, Instance, InstanceId, LaunchOn,
    LaunchToken, Operation, Ownership, Plan, Probe, Relays, Slot, Spec, Thresholds, Vitals, plan,
};
use cloudaps::http1::{
    Forwarding, Hop, Limits, Peer, Progress, RequestHead, RequestId, Scheme, TraceBegun,
    TraceOnward, TraceParent, write_request,
};
use many::{instance, probed, serving, spec};

#[path = "fixtures/many.rs"]
mod many;

const SIZE: u32 = 10_000;
const NOW: Instant = Instant::at(Duration::from_secs(100));
const SECOND: Duration = Duration::from_secs(1);

/// A plan that finds nothing to do notes who fills which slot, and nothing else.
const IDLE_MAX: u64 = 8;

/// The plan of a fleet of which half is gone has up to 64 launches and as many terminations as are
/// due, each with a name or two; why the others wait is a number, not a text.
const BUSY_MAX: u64 = 1_000;

#[test]
fn a_plan_allocates_for_what_is_to_be_done_and_not_for_who_is_there() {
    let (spec, mut fleet) = (spec(SIZE), serving(SIZE));
    let idle = measure(|| assert_eq!(plan(&spec, &fleet, NOW), Plan::default()));
    assert!(idle.count_total <= IDLE_MAX, "{idle:?}");
    // A byte for each slot, and the alignment.
    assert!(idle.bytes_max < 2 * u64::from(SIZE), "{idle:?}");

    for index in 0..SIZE / 2 {
        let gone = Event::Gone(instance(index).id, "signal: 9".to_owned());
        fleet.observe(gone, &spec, NOW);
    }
    let terminations = u64::from(SIZE / 2);
    let mut planned = Plan::default();
    let busy = measure(|| planned = plan(&spec, &fleet, NOW));
    assert!(planned.actions.len() as u64 >= terminations);
    // The cause of each termination is a text of its own.
    assert!(busy.count_total <= terminations + BUSY_MAX, "{busy:?}");
}

#[test]
fn a_probe_that_says_what_the_one_before_said_allocates_nothing() {
    let (spec, mut fleet) = (spec(SIZE), serving(SIZE));
    let probes: Vec<Event> = (0..SIZE).map(|index| probed(index, Finding::Well)).collect();
    let folded = measure(|| {
        for probe in probes {
            fleet.observe(probe, &spec, NOW);
        }
    });
    assert_eq!(folded.count_total, 0, "{folded:?}");
    assert_eq!(fleet.take_journal(), []);
}

#[test]
fn a_request_goes_on_without_an_allocation_with_a_trace_of_ours_or_without() {
    let parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    let text = format!("GET / HTTP/1.1\r\nHost: a\r\ntraceparent: {parent}\r\n\r\n");
    let mut head = RequestHead::default();
    assert_eq!(head.parse(text.as_bytes(), &Limits::default()), Ok(Progress::Complete));
    let parent = TraceParent::parse(parent.as_bytes()).expect("it is valid");
    let onward = TraceOnward { parent, begun: TraceBegun::Before };
    let peer = Peer::new([192, 0, 2, 1].into(), Scheme::Http);
    let mut out = Vec::with_capacity(1024);
    for trace in [None, Some(&onward)] {
        let hop = Hop {
            forwarding: Forwarding::Overwrite,
            peer: &peer,
            request_id: &RequestId::from_draw(7),
            default_host: b"a",
            own_cookie: None,
            trace,
        };
        let cost = measure(|| {
            out.clear();
            let place = write_request(&mut out, &head, text.as_bytes(), &hop);
            assert_eq!(place.is_some(), trace.is_some());
        });
        assert_eq!(cost.count_total, 0, "{cost:?}");
    }
}
