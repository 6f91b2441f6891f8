//! What `rustfmt` and `clippy` do not see: the form of every file, and of public signatures.

use super::repository::{File, Problem};
use super::rust::{Part, Source, leading_word, line_number, occurrences};

/// The widest line of a Rust file; `rustfmt` leaves long strings and comments alone.
const COLUMNS_MAX: usize = 100;

/// Marks of unfinished work. Written in two parts, so that this file passes its own check.
const UNFINISHED: [&str; 3] = [concat!("TO", "DO"), concat!("FIX", "ME"), concat!("XX", "X")];

/// Folders of somebody's own machine, and hosts that a mirror would replace.
const FOREIGN: [&str; 8] = [
    concat!("/wo", "rk/"),
    concat!("/ro", "ot/"),
    concat!("/ho", "me/"),
    concat!("crates", ".io"),
    concat!("deb.", "debian.org"),
    concat!("npm", "js.org"),
    concat!("proxy.", "golang.org"),
    concat!("py", "pi.org"),
];

/// Written by cargo, by others, or as it comes over the wire, every byte of which counts.
const UNWRITTEN: [&str; 5] = [
    "Cargo.lock",
    "fuzz/Cargo.lock",
    "src/admin/page/vendor/",
    "tests/codec/corpus/",
    "tests/fixtures/",
];

/// Where the programs are: what is shipped, and what measures it.
const PROGRAMS: [&str; 2] = ["src/", "bench/src/"];

/// Unfinished work, foreign paths and hosts, stray blanks, and files that end badly.
pub(crate) fn check_text(files: &[File]) -> Vec<Problem> {
    let is_written = |file: &&File| !UNWRITTEN.iter().any(|path| file.path.starts_with(path));
    let written = files.iter().filter(is_written);
    written.flat_map(|file| check_lines(file).into_iter().chain(check_end(file))).collect()
}

/// Rust lines that are too wide, and files of a program that do not say what they are for.
pub(crate) fn check_rust(files: &[File]) -> Vec<Problem> {
    let rust = files.iter().filter(|file| file.is_rust());
    rust.flat_map(|file| wide_lines(file).into_iter().chain(check_purpose(file))).collect()
}

/// Public functions with a `bool` parameter.
pub(crate) fn check_signatures(sources: &[Source]) -> Vec<Problem> {
    let product = sources.iter().filter(|source| is_of_a_program(&source.path));
    product.flat_map(bool_parameters).collect()
}

fn check_lines(file: &File) -> Vec<Problem> {
    let mut problems = Vec::new();
    for (index, line) in file.text.lines().enumerate() {
        let mut found = |what: String, mend: &str| {
            problems.push(Problem::new(&file.path, index + 1, what, mend));
        };
        for mark in UNFINISHED.iter().filter(|mark| !occurrences(line, mark).is_empty()) {
            found(format!("`{mark}`"), "finish it, or leave it out and say so where it is tracked");
        }
        for text in FOREIGN.iter().filter(|text| line.contains(*text)) {
            found(format!("`{text}`"), "files name no machine's folders and no registry's host");
        }
        if line.ends_with([' ', '\t', '\r']) {
            found("blanks at the end of the line".to_owned(), "remove them");
        }
    }
    problems
}

fn check_end(file: &File) -> Option<Problem> {
    let ends_well = file.text.ends_with('\n') && !file.text.ends_with("\n\n");
    let last = file.text.lines().count().max(1);
    let what = "the file does not end with one newline";
    if file.text.trim().is_empty() {
        return Some(Problem::new(&file.path, 1, "the file is empty", "write it or remove it"));
    }
    (!ends_well).then(|| Problem::new(&file.path, last, what, "end it with exactly one"))
}

fn wide_lines(file: &File) -> Vec<Problem> {
    let lines = file.text.lines().enumerate().filter(|(_, line)| !is_table_row(line));
    let widths = lines.map(|(index, line)| (index + 1, line.chars().count()));
    widths
        .filter(|(_, width)| *width > COLUMNS_MAX)
        .map(|(line, width)| {
            let what = format!("{width} columns, allowed are {COLUMNS_MAX}");
            Problem::new(&file.path, line, what, "break the line")
        })
        .collect()
}

/// A row of a table in a doc comment, which cannot be broken.
fn is_table_row(line: &str) -> bool {
    let line = line.trim_start();
    line.starts_with("//! |") || line.starts_with("/// |")
}

fn check_purpose(file: &File) -> Option<Problem> {
    let silent = is_of_a_program(&file.path) && !file.text.starts_with("//! ");
    let what = "the file does not start with `//! `";
    silent.then(|| Problem::new(&file.path, 1, what, "say in a sentence what it is for"))
}

fn is_of_a_program(path: &str) -> bool {
    PROGRAMS.iter().any(|folder| path.starts_with(folder))
}

fn bool_parameters(source: &Source) -> Vec<Problem> {
    let text = source.text(Part::Product);
    let functions = occurrences(&text, "fn").into_iter().filter(|&start| is_public(&text, start));
    functions
        .filter_map(|start| {
            let rest = &text[start + "fn ".len()..];
            let has_bool =
                parameters(rest).is_some_and(|list| !occurrences(list, ": bool").is_empty());
            let what = format!("`{}` takes a bool", leading_word(rest));
            let mend = "take an enum of two: the call should say what it means";
            has_bool.then(|| Problem::new(&source.path, line_number(&text, start), what, mend))
        })
        .collect()
}

/// Whether the line up to `fn` makes it public, to the crate or to the world.
fn is_public(text: &str, start: usize) -> bool {
    let line = text[..start].rsplit('\n').next().unwrap_or("");
    leading_word(line.trim_start()) == "pub"
}

/// The text between the parentheses of the signature that starts with the function's name.
fn parameters(signature: &str) -> Option<&str> {
    let open = signature.find('(')?;
    let mut depth = 0_usize;
    for (offset, character) in signature[open..].char_indices() {
        match character {
            '(' => depth += 1,
            ')' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return Some(&signature[open..open + offset]);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(problems: &[Problem]) -> Vec<(usize, &str)> {
        problems.iter().map(|problem| (problem.line, problem.what.as_str())).collect()
    }

    #[test]
    fn unfinished_work_and_foreign_places_are_found() {
        for mark in UNFINISHED.iter().chain(&FOREIGN) {
            let file = File::sample("README.md", &format!("a\nb {mark} c\n"));
            assert_eq!(found(&check_text(&[file])), [(2, format!("`{mark}`").as_str())]);
        }
    }

    #[test]
    fn stray_blanks_bad_ends_and_empty_files_are_found() {
        let count = |text| check_text(&[File::sample("a.md", text)]).len();
        let counts = ["a\n", "", "\n", "a", "a\n\n", "a \nb\n"].map(count);
        assert_eq!(counts, [0, 1, 1, 1, 1, 1]);
    }

    #[test]
    fn wide_lines_and_files_without_a_purpose_are_found() {
        let check = |path, text: &str| check_rust(&[File::sample(path, text)]).len();
        let wide = format!("//! {}\n", "é".repeat(COLUMNS_MAX - 3));
        assert_eq!(check("src/a.rs", "//! What it is for.\n"), 0);
        assert_eq!(check("src/a.rs", "use b;\n"), 1);
        assert_eq!(check("bench/src/a.rs", "use b;\n"), 1);
        assert_eq!(check("tests/a.rs", "use b;\n"), 0);
        assert_eq!(check("src/a.rs", &wide), 1);
        assert_eq!(check("a.md", &wide), 0);
        assert_eq!(check("src/a.rs", &wide.replace("//! ", "//! |")), 0, "a table's row");
    }

    #[test]
    fn a_public_bool_parameter_is_found_and_a_private_one_is_not() {
        let text = "pub(crate) async fn a(\n    b: bool,\n) {}\nfn c(d: bool) {}\n\
                    pub fn e(f: impl Fn(bool) -> bool) -> bool {}\npub struct G { h: bool }\n";
        let source = Source::parse(&File::sample("src/a.rs", text));
        assert_eq!(found(&check_signatures(&[source])), [(1, "`a` takes a bool")]);
    }
}
