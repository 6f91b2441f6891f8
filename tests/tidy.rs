//! The shape of the repository, checked on every run: layers, sizes, style and documents.
//!
//! What these rules are for stands in `CONTRIBUTING.md`; what the layers mean, in
//! `ARCHITECTURE.md`. The checkers have their own tests, on small bad samples.

use tidy::repository::{File, files, report};
use tidy::rust::Source;
use tidy::{layers, sizes, style};

mod tidy {
    pub(crate) mod layers;
    pub(crate) mod repository;
    pub(crate) mod rust;
    pub(crate) mod sizes;
    pub(crate) mod style;
}

fn sources() -> Vec<Source> {
    files().iter().filter(|file| file.is_rust()).map(Source::parse).collect()
}

fn text_of<'a>(files: &'a [File], path: &str) -> &'a str {
    let file = files.iter().find(|file| file.path == path);
    &file.unwrap_or_else(|| panic!("{path} is missing")).text
}

#[test]
fn modules_import_only_the_layers_below_them() {
    report(&layers::check_imports(&sources()));
}

#[test]
fn pure_modules_know_no_clock_io_log_or_randomness() {
    report(&layers::check_purity(&sources()));
}

#[test]
fn files_are_small_and_exceptions_only_shrink() {
    report(&sizes::check_files(&sources(), text_of(&files(), sizes::RATCHET)));
}

#[test]
fn functions_fit_on_a_screen() {
    report(&sizes::check_functions(&sources()));
}

#[test]
fn files_are_finished_and_name_no_foreign_place() {
    report(&style::check_text(&files()));
}

#[test]
fn rust_files_say_what_they_are_for_in_lines_that_fit() {
    report(&style::check_rust(&files()));
}

#[test]
fn public_functions_take_no_bool() {
    report(&style::check_signatures(&sources()));
}
