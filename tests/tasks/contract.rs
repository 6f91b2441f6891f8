//! The service does what its OpenAPI document says, and nothing else, over either store.

use super::schemathesis::assert_document_is_kept;
use super::support::{Service, on_both_stores};

on_both_stores!(what_the_document_says_is_answered_and_nothing_else);

fn what_the_document_says_is_answered_and_nothing_else(service: &Service) {
    let folder = tempfile::tempdir().unwrap();
    let document = format!("{}/openapi.json", service.url());
    assert_document_is_kept(&document, &["--max-examples", "5"], folder.path());
}
