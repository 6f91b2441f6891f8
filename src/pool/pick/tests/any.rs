//! What holds for every pool, every request and every draw.

use proptest::prelude::*;

use super::*;

/// How one endpoint is.
#[derive(Clone, Debug)]
struct State {
    standing: Standing,
    percent: u32,
    age: u64,
    in_flight: u32,
    is_ejected: bool,
    is_tried: bool,
}

fn state() -> impl Strategy<Value = State> {
    let standing = prop_oneof![
        4 => Just(Standing::Serving),
        1 => Just(Standing::Draining),
        1 => Just(Standing::Lost),
    ];
    let rest = (1..=1000_u32, 0..20_u64, 0..4_u32, any::<bool>(), prop::bool::weighted(0.2));
    (standing, rest).prop_map(|(standing, (percent, age, in_flight, is_ejected, is_tried))| State {
        standing,
        percent,
        age,
        in_flight,
        is_ejected,
        is_tried,
    })
}

fn endpoint_in(number: u64, state: &State) -> Endpoint {
    let mut endpoint = endpoint(number, state.standing);
    endpoint.weight = Weight::clamped(state.percent);
    endpoint.since = NOW - Duration::from_secs(state.age);
    endpoint.token = Some(Secret::new(b"secret").token(&endpoint.address));
    (0..state.in_flight).for_each(|_| endpoint.traffic.enter(0));
    if state.is_ejected {
        eject(std::slice::from_ref(&endpoint));
    }
    endpoint
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn a_pick_is_of_the_best_kind_that_there_is(
        states in prop::collection::vec(state(), 0..40),
        key in any::<Option<u64>>(),
        home in any::<Option<prop::sample::Index>>(),
        draw in any::<u64>(),
    ) {
        let endpoints: Vec<Endpoint> =
            (0..).zip(&states).map(|(number, state)| endpoint_in(number, state)).collect();
        let mut tried = Tried::default();
        let of_tried = states.iter().enumerate().filter(|(_, state)| state.is_tried);
        // A request notes no more than it can have tried.
        of_tried.take(TRIED_MAX).for_each(|(index, _)| tried.add(endpoints[index].id));
        let is_open = |index: usize| {
            states[index].standing == Standing::Serving && !tried.contains(endpoints[index].id)
        };
        let is_good = |index: usize| is_open(index) && !states[index].is_ejected;
        let all = || 0..states.len();
        let home = home.filter(|_| !states.is_empty()).map(|home| home.index(states.len()));
        let ties = Ties {
            key: key.map(|key| Key::of(&key.to_le_bytes())),
            token: home.and_then(|home| endpoints[home].token),
        };
        for algorithm in ALL {
            let pool = pool_of(algorithm, endpoints.clone());
            let ask = Ask { ties, ..ask(&tried, draw) };
            let picked = pool.pick(ask, &mut Turn::somewhere(draw));
            prop_assert_eq!(picked.is_some(), all().any(is_open), "{:?}", algorithm);
            prop_assert_eq!(picked.is_some(), pool.has_untried(&tried));
            let Some(picked) = picked else { continue };
            prop_assert!(is_open(picked), "{algorithm:?}");
            prop_assert_eq!(is_good(picked), all().any(is_good), "{:?}", algorithm);
            if let Some(home) = home.filter(|home| is_good(*home)) {
                prop_assert_eq!(picked, home, "{:?}", algorithm);
            }
        }
    }
}
