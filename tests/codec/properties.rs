//! The oracles on what is generated: the same inputs in every run.

use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::{RngSeed, TestRunner};

use crate::http1::{Body, Framing, Limits, Method, Progress, Refusal, RequestHead, ResponseHead};
use crate::{generate, oracle};

/// Messages of each kind. Each break of the codec that was tried was found by a tenth of them;
/// together they take a few seconds. The fuzzers try millions.
const CASES: u32 = 3000;

fn config() -> ProptestConfig {
    let rng_seed = RngSeed::Fixed(9112);
    ProptestConfig { cases: CASES, rng_seed, failure_persistence: None, ..Default::default() }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn the_reference_agrees_on_requests(input in generate::request()) {
        oracle::request_head(&input);
    }

    #[test]
    fn the_reference_agrees_on_responses(input in generate::response()) {
        oracle::response_head(&input);
    }

    #[test]
    fn the_reference_agrees_on_chunked_bodies(input in generate::chunked()) {
        oracle::chunked_body(&input);
    }

    #[test]
    fn the_reference_agrees_on_proxy_headers(input in generate::kept("proxy")) {
        oracle::proxy_header(&input);
    }

    #[test]
    fn the_reference_agrees_on_clients(input in generate::kept("client")) {
        oracle::client_address_of(&input);
    }

    #[test]
    fn the_reference_agrees_on_any_bytes(
        input in prop::collection::vec(any::<u8>(), 0..60),
    ) {
        oracle::request_head(&input);
        oracle::response_head(&input);
        oracle::chunked_body(&input);
        oracle::proxy_header(&input);
        oracle::client_address_of(&input);
    }
}

/// Of the verdicts on what is generated, each must be common, or the properties say little.
#[track_caller]
fn assert_varied(
    inputs: impl Strategy<Value = Vec<u8>>,
    read: impl Fn(&[u8]) -> Result<Progress, Refusal>,
) {
    let mut runner = TestRunner::new(config());
    let (mut accepted, mut refused) = (0, 0);
    for _ in 0..CASES {
        let input = inputs.new_tree(&mut runner).expect("nothing is rejected").current();
        match read(&input) {
            Ok(Progress::Complete) => accepted += 1,
            Ok(Progress::Incomplete) => {}
            Err(_) => refused += 1,
        }
    }
    let counts = format!("of {CASES} {accepted} are accepted, {refused} refused");
    assert!(accepted > CASES / 5 && refused > CASES / 5, "{counts}");
}

#[test]
fn many_of_the_generated_messages_are_accepted_and_many_refused() {
    let limits = Limits::default();
    assert_varied(generate::request(), |input| RequestHead::default().parse(input, &limits));
    assert_varied(generate::response(), |input| {
        ResponseHead::default().parse(input, &limits, Method::Get)
    });
    assert_varied(generate::chunked(), |input| {
        let mut body = Body::new(Framing::Chunked, &limits);
        body.decode(&mut input.to_vec()).map(|decoded| decoded.progress)
    });
}
