//! Every answer of our own, in every form.

use std::collections::BTreeSet;

use serde_json::Value;

use super::*;
use crate::http1::Refusal;
use crate::proxy::{Failure, Kind, Side};

/// Error types of RFC 9209 §2.3, each with the status that it recommends; `0` where that depends.
const REGISTERED: [(&str, u16); 32] = [
    ("dns_timeout", 504),
    ("dns_error", 502),
    ("destination_not_found", 500),
    ("destination_unavailable", 503),
    ("destination_ip_prohibited", 502),
    ("destination_ip_unroutable", 502),
    ("connection_refused", 502),
    ("connection_terminated", 502),
    ("connection_timeout", 504),
    ("connection_read_timeout", 504),
    ("connection_write_timeout", 504),
    ("connection_limit_reached", 503),
    ("tls_protocol_error", 502),
    ("tls_certificate_error", 502),
    ("tls_alert_received", 502),
    ("http_request_error", 0),
    ("http_request_denied", 403),
    ("http_response_incomplete", 502),
    ("http_response_header_section_size", 502),
    ("http_response_header_size", 502),
    ("http_response_body_size", 502),
    ("http_response_trailer_section_size", 502),
    ("http_response_trailer_size", 502),
    ("http_response_transfer_coding", 502),
    ("http_response_content_coding", 502),
    ("http_response_timeout", 504),
    ("http_upgrade_failed", 502),
    ("http_protocol_error", 502),
    ("proxy_internal_response", 0),
    ("proxy_internal_error", 500),
    ("proxy_configuration_error", 500),
    ("proxy_loop_detected", 502),
];

/// Where we answer with another status than is recommended, because it says more: that it is worth
/// another try soon, and that it is a loop.
const DIFFERS: [&str; 2] = ["proxy_internal_error", "proxy_loop_detected"];

const FORMS: [Form; 3] = [Form::Text, Form::Html, Form::Json];

fn errors() -> Vec<Error> {
    const REFUSALS: [Refusal; 10] = [
        Refusal::HostRepeated,
        Refusal::Trace,
        Refusal::TargetTooLong,
        Refusal::Expectation,
        Refusal::HeadTooLarge,
        Refusal::Connect,
        Refusal::VersionUnsupported,
        Refusal::Loop,
        Refusal::ChunkSize,
        Refusal::Target,
    ];
    const FAILURES: [Failure; 9] = [
        Failure::Refused,
        Failure::Unreachable,
        Failure::ConnectTimedOut,
        Failure::Reset,
        Failure::Incomplete,
        Failure::TimedOut,
        Failure::Invalid,
        Failure::TooLarge,
        Failure::Exhausted,
    ];
    let downstream = REFUSALS.map(Kind::Refused).into_iter();
    let downstream = downstream.chain([Kind::SlowHead, Kind::SlowBody, Kind::LargeBody]);
    let upstream = FAILURES.map(Kind::Endpoint).into_iter();
    let upstream = upstream.chain([Kind::NoneInTime, Kind::HoldFull]);
    downstream.map(Error::downstream).chain(upstream.map(Error::upstream)).collect()
}

fn answer(error: Error, method: Method, form: Form) -> (String, String) {
    let id = RequestId::try_from(b"an-id".as_slice()).unwrap();
    let date = b"Sun, 06 Nov 1994 08:49:37 GMT";
    let reply = Reply { method, persistence: Persistence::Close, form, request_id: &id, date };
    let (answer, _) = super::answer(error, error.status().unwrap(), reply);
    let text = String::from_utf8(answer).unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    (head.to_owned(), body.to_owned())
}

#[test]
fn each_form_says_what_happened_what_to_do_who_failed_and_the_id() {
    for error in errors() {
        let status = error.status().unwrap();
        let what = sentence(&error.kind.to_string());
        let advice = error.advice(Method::Post);
        for form in FORMS {
            let (head, body) = answer(error, Method::Post, form);
            let length = format!("Content-Length: {}", body.len());
            assert!(head.contains(&length), "{head}\n{body}");
            for said in [&status.to_string(), reason(status), &what, advice, "an-id"] {
                assert!(body.contains(said), "{said:?} is not in {body}");
            }
            assert!(body.contains(error.side.name()), "{body}");
            assert_ne!(reason(status), "Error", "{status} has no name");
        }
    }
}

#[test]
fn problem_details_are_json_of_rfc_9457() {
    for error in errors() {
        let (head, body) = answer(error, Method::Get, Form::Json);
        assert!(head.contains("Content-Type: application/problem+json\r\n"), "{head}");
        let problem: Value = serde_json::from_str(&body).unwrap();
        let status = error.status().unwrap();
        assert_eq!(problem["type"], "about:blank");
        assert_eq!(problem["title"], reason(status));
        assert_eq!(problem["status"], status);
        assert_eq!(problem["side"], error.side.name());
        assert_eq!(problem["error"], error.proxy_status());
        assert_eq!(problem["request_id"], "an-id");
        assert!(problem["detail"].as_str().unwrap().starts_with(char::is_uppercase));
    }
}

#[test]
fn a_page_is_readable_and_fetches_nothing() {
    for error in errors() {
        let (head, body) = answer(error, Method::Get, Form::Html);
        assert!(head.contains("Content-Type: text/html; charset=utf-8\r\n"), "{head}");
        assert!(body.starts_with("<!doctype html>\n<html lang=\"en\">"), "{body}");
        assert!(body.contains("prefers-color-scheme:dark"), "{body}");
        for outside in ["://", "src=", "href=", "url(", "@import", "<script"] {
            assert!(!body.contains(outside), "{outside} is in {body}");
        }
        for tag in ["html", "head", "title", "style", "body", "main", "h1", "dl", "code"] {
            assert_eq!(body.matches(&format!("<{tag}>")).count().max(1), 1, "{tag}");
            assert_eq!(body.matches(&format!("</{tag}>")).count(), 1, "{tag}");
        }
    }
}

#[test]
fn what_is_said_needs_no_escape_in_a_header_in_json_and_in_html() {
    for error in errors() {
        for text in [&error.to_string(), error.advice(Method::Get), error.advice(Method::Post)] {
            let is_plain = |byte: u8| (b' '..=b'~').contains(&byte) && !b"\"\\<>&".contains(&byte);
            assert!(text.bytes().all(is_plain), "{text}");
        }
    }
}

#[test]
fn the_header_has_a_registered_error_type_with_its_status_and_the_side() {
    for error in errors() {
        let (head, _) = answer(error, Method::Get, Form::Text);
        let (kind, status) = (error.proxy_status(), error.status().unwrap());
        // A String Item with two parameters (RFC 9209 §2, RFC 8941 §3.3): a Token and a String.
        let wanted = format!("Proxy-Status: cloudaps; error={kind}; details=\"{error}\"\r\n");
        assert!(head.contains(&wanted), "{wanted} is not in {head}");
        let recommended = REGISTERED.iter().find(|(name, _)| *name == kind).unwrap().1;
        if recommended != 0 && !DIFFERS.contains(&kind) {
            assert_eq!(status, recommended, "{kind}");
        }
        if kind == "http_request_error" {
            assert_eq!((status / 100, error.side), (4, Side::Client), "{error}");
        }
    }
    let kinds: BTreeSet<_> = errors().iter().map(Error::proxy_status).collect();
    assert_eq!(kinds.len(), 13, "{kinds:?}");
}

#[test]
fn an_answer_to_head_is_the_same_without_its_body() {
    for form in FORMS {
        let error = Error::upstream(Kind::NoneInTime);
        let (head, body) = answer(error, Method::Get, form);
        assert_eq!(answer(error, Method::Head, form), (head, String::new()));
        assert!(!body.is_empty());
    }
}

#[test]
fn what_may_have_been_carried_out_is_not_simply_sent_again() {
    let lost = Error::upstream(Kind::Endpoint(Failure::Reset));
    assert!(lost.advice(Method::Post).contains("check before"));
    assert!(lost.advice(Method::Get).contains("Try again"));
    let refused = Error::upstream(Kind::Endpoint(Failure::Refused));
    assert!(refused.advice(Method::Post).contains("Try again"));
}

#[test]
fn headers_that_a_status_asks_for_are_there() {
    let head = |error| answer(error, Method::Get, Form::Text).0;
    assert!(head(Error::downstream(Kind::Refused(Refusal::Trace))).contains("\r\nAllow: GET, "));
    assert!(head(Error::upstream(Kind::NoneInTime)).contains("\r\nRetry-After: 1\r\n"));
    for error in errors() {
        assert!(head(error).contains("\r\nCache-Control: no-store\r\n"));
    }
}
