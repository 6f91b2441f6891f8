//! The check list for HTTP/1.1 proxies, put to the real program over raw sockets.
//!
//! The table is data (`table/`); each case says what is sent, what the origin answers, and what
//! must come of it at both ends. After each case comes one more request: whether that is answered,
//! and from where, shows whether both sides agree on where the case's own request ended.
//!
//! The same table runs against nginx and HAProxy in [`comparison`], which writes
//! `docs/conformance.md`. A case starts its own proxy and its own origin, so none sees another's
//! connections.

#![allow(clippy::unwrap_used, reason = "in a test a panic is the report")]
#![allow(clippy::disallowed_methods, reason = "a deadline of a test is real time")]

mod case;
mod judge;
mod message;
mod origin;
mod report;
mod stage;
mod subject;
mod table;
mod wire;

use std::fmt::Write as _;

use case::{Case, Play, Say};
use judge::Verdict;
use subject::Which;
use table::{chunks, framing, headers, hops, request_line, resources, responses, tunnels};

/// Puts the cases to our own program. Each of them must hold.
#[track_caller]
fn hold(cases: &[Case]) {
    let mut failures = String::new();
    for case in cases {
        let (verdict, transcript) = stage::run(Which::CloudAps, case);
        if verdict == Verdict::Passes {
            continue;
        }
        let Case { row, rule, name, .. } = case;
        let _ = write!(failures, "\nrow {row}, {name} ({rule}): {verdict:?}\n  {}", input(case));
        let _ = writeln!(failures, "{transcript}");
    }
    assert!(failures.is_empty(), "{failures}");
}

/// What the client says first, with what cannot be seen escaped.
fn input(case: &Case) -> String {
    let Play::Exchange(exchange) = &case.play else { return "a scene".to_owned() };
    match exchange.client.first() {
        Some(Say::Bytes(bytes)) => format!("sent: {}", bytes.escape_ascii()),
        _ => "nothing sent".to_owned(),
    }
}

macro_rules! sections {
    ($($name:ident: $cases:expr;)*) => {
        /// All cases, section by section.
        fn sections() -> Vec<Vec<Case>> {
            vec![$($cases),*]
        }

        $(
            #[test]
            fn $name() {
                hold(&$cases);
            }
        )*
    };
}

sections! {
    lines_end_where_they_must: request_line::lines();
    versions_are_understood_or_refused: request_line::versions();
    targets_are_understood_or_refused: request_line::targets();
    long_lines_and_odd_methods_have_their_answer: request_line::sizes_and_methods();
    there_is_exactly_one_valid_host: request_line::hosts();
    header_names_are_tokens: headers::names();
    header_values_have_no_controls: headers::values();
    a_content_length_is_one_number: framing::lengths();
    half_a_request_is_none: framing::truncated();
    two_framings_are_one_too_many: framing::length_and_coding();
    the_only_transfer_coding_is_chunked: framing::codings();
    a_well_framed_body_arrives: framing::well_framed();
    chunk_sizes_are_hexadecimal_numbers: chunks::sizes();
    chunk_extensions_are_bounded_and_dropped: chunks::extensions();
    chunks_end_where_they_must: chunks::ends();
    trailers_are_no_headers: chunks::trailers();
    pieces_of_any_size_are_the_same: chunks::pieces();
    connection_names_what_ends_here: hops::connection_options();
    hop_by_hop_headers_end_here: hops::hop_by_hop();
    requests_go_only_so_far: hops::distance();
    upgrades_begin_with_a_101: tunnels::upgrades();
    expectations_are_met_or_refused: tunnels::expectations();
    early_answers_and_pipelines_keep_their_order: tunnels::early_answers();
    answers_are_framed_once: responses::framing();
    answers_without_a_body_leave_nothing_behind: responses::bodiless();
    half_an_answer_is_none: responses::truncated();
    answers_suit_the_version_of_the_client: responses::versions();
    interim_answers_are_passed_on: responses::interim();
    malformed_answers_stop_here: responses::malformed();
    everything_has_a_deadline: resources::deadlines();
    clients_that_are_gone_cost_nothing: resources::partings();
    scarcity_is_survived: resources::scarcity();
}

/// Runs the table against all three that are installed, and writes the page.
#[test]
#[ignore = "for the page about it: `just conformance`"]
fn comparison() {
    report::write(&sections().into_iter().flatten().collect::<Vec<_>>());
}

#[test]
fn every_row_has_a_case_and_every_case_a_row_and_a_name_of_its_own() {
    let cases: Vec<Case> = sections().into_iter().flatten().collect();
    let rows: Vec<u8> = table::rows::ROWS.iter().map(|(row, _)| *row).collect();
    for row in &rows {
        assert!(cases.iter().any(|case| case.row == *row), "row {row} has no case");
    }
    let mut names: Vec<(u8, &str)> =
        cases.iter().map(|case| (case.row, case.name.as_str())).collect();
    assert!(names.iter().all(|(row, _)| rows.contains(row)));
    names.sort_unstable();
    let twice = names.windows(2).find(|pair| pair[0] == pair[1]);
    assert_eq!(twice, None, "two cases are called the same");
}
