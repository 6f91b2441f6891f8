//! What the decisions of a turn and of a request cost among ten thousand. Run by `just scale`; what
//! must not grow with their number is counted by the tests, not timed.

use std::hint::black_box;
use std::net::SocketAddr;
use std::time::Duration;

use cloudaps::clock::Instant;
use cloudaps::fleet::{
    Capacity, Event, Finding, Fleet, Group, GroupSpec, Handover, Instance, InstanceId, LaunchOn,
    LaunchToken, Operation, Ownership, Probe, Relays, Slot, Spec, Thresholds, Vitals, plan,
};
use cloudaps::pool::{
    Algorithm, Ask, Balance, Endpoint, EndpointId, Ledger, Pool, Standing, Ties, Tried, Turn,
    Weight,
};
use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use many::{instance, listing, probed, serving, spec};

#[path = "../../tests/fixtures/many.rs"]
mod many;

const MANY: u32 = 10_000;
const FEW: u32 = 3;
const NOW: Instant = Instant::at(Duration::from_secs(1000));
const SECOND: Duration = Duration::from_secs(1);

criterion_group!(benches, plans, events, pools, picks);
criterion_main!(benches);

fn plans(criterion: &mut Criterion) {
    let (spec, fleet) = (spec(MANY), serving(MANY));
    let mut of_half = fleet.clone();
    for index in (0..MANY).step_by(2) {
        let gone = Event::Gone(instance(index).id, "signal: 9".to_owned());
        of_half.observe(gone, &spec, NOW);
    }
    for (name, fleet) in
        [("all serve", &fleet), ("half are gone", &of_half), ("none is there", &Fleet::new(1))]
    {
        criterion.bench_function(&format!("plan for 10,000, {name}"), |bench| {
            bench.iter(|| plan(&spec, black_box(fleet), NOW));
        });
    }
}

fn events(criterion: &mut Criterion) {
    let (spec, mut fleet) = (spec(MANY), serving(MANY));
    criterion.bench_function("observe a listing of 10,000", |bench| {
        bench.iter_batched(
            || listing(MANY),
            |listing| fleet.observe(listing, &spec, NOW),
            BatchSize::LargeInput,
        );
    });
    let mut index = 0;
    criterion.bench_function("observe a probe among 10,000", |bench| {
        bench.iter_batched(
            || {
                index = (index + 7) % MANY;
                probed(index, Finding::Well)
            },
            |probe| fleet.observe(probe, &spec, NOW),
            BatchSize::SmallInput,
        );
    });
}

fn pools(criterion: &mut Criterion) {
    for algorithm in [Algorithm::FewestInFlight, Algorithm::RoundRobin, Algorithm::Hash] {
        let before = pool(MANY, algorithm);
        criterion.bench_function(&format!("a new snapshot of 10,000, {algorithm:?}"), |bench| {
            bench.iter_batched(
                || {
                    let mut endpoints = before.endpoints().to_vec();
                    endpoints[5_000].standing = Standing::Draining;
                    endpoints
                },
                |endpoints| before.next(endpoints),
                BatchSize::LargeInput,
            );
        });
    }
}

fn picks(criterion: &mut Criterion) {
    let tried = Tried::default();
    for count in [FEW, MANY] {
        let pool = pool(count, Algorithm::FewestInFlight);
        let (mut turn, mut draw) = (Turn::default(), 1_u64);
        criterion.bench_function(&format!("a pick among {count}"), |bench| {
            bench.iter(|| {
                // Numbers that no cache can foresee (Marsaglia's xorshift).
                draw ^= draw << 13;
                draw ^= draw >> 7;
                draw ^= draw << 17;
                let ask = Ask { thread: 0, tried: &tried, ties: Ties::default(), draw, now: NOW };
                black_box(&pool).pick(ask, &mut turn)
            });
        });
    }
}

fn pool(count: u32, algorithm: Algorithm) -> Pool {
    let ledger = Ledger::new(1);
    let endpoints = (0..count).map(|index| Endpoint {
        id: EndpointId::new(index.into()),
        address: address(index).into(),
        name: None,
        weight: Weight::FULL,
        since: Instant::START,
        standing: Standing::Serving,
        traffic: ledger.open().expect("there is room for them"),
        token: None,
    });
    let endpoints = endpoints.collect();
    Pool::new(ledger, Balance { algorithm, slow_start: SECOND }).next(endpoints)
}

fn address(index: u32) -> SocketAddr {
    let [_, _, high, low] = index.to_be_bytes();
    SocketAddr::from(([10, 0, high, low], 80))
}
