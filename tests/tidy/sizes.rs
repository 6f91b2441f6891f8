//! Files and functions stay small. Exceptions stand in `ratchet.txt` and may only shrink.

use super::repository::Problem;
use super::rust::{Source, is_test_file};

/// Lines of code that a file may have; the reader should be able to hold it in mind.
const FILE_LINES_MAX: usize = 400;

/// Lines of code that a test file may have, and that no exception may exceed.
const FILE_LINES_HARD_MAX: usize = 600;

/// Lines of code that a function may have, its signature included: one screen.
const FUNCTION_LINES_MAX: usize = 70;

/// Where the exceptions stand, one `PATH LINES` each.
pub(crate) const RATCHET: &str = "tests/tidy/ratchet.txt";

/// Files that are too long and have no exception, and exceptions that are not exact.
pub(crate) fn check_files(sources: &[Source], ratchet: &str) -> Vec<Problem> {
    let exceptions = parse(ratchet);
    let excepted = |source: &&Source| exceptions.iter().any(|entry| entry.path == source.path);
    let rest = sources.iter().filter(|source| !excepted(source));
    let long = rest.filter_map(too_long);
    let stale = exceptions.iter().filter_map(|entry| check_exception(entry, sources));
    long.chain(stale).collect()
}

/// Functions that are too long.
pub(crate) fn check_functions(sources: &[Source]) -> Vec<Problem> {
    sources.iter().flat_map(long_functions).collect()
}

struct Exception<'a> {
    line: usize,
    path: &'a str,
    lines: usize,
}

fn parse(ratchet: &str) -> Vec<Exception<'_>> {
    let entries = ratchet.lines().enumerate().filter(|(_, text)| !text.starts_with('#'));
    let entries = entries.filter(|(_, text)| !text.trim().is_empty());
    entries
        .map(|(index, text)| {
            let (path, lines) = text.split_once(' ').unwrap_or((text, ""));
            // No number allows no lines at all, so the entry is reported.
            Exception { line: index + 1, path, lines: lines.trim().parse().unwrap_or(0) }
        })
        .collect()
}

fn too_long(source: &Source) -> Option<Problem> {
    let max = if is_test_file(&source.path) { FILE_LINES_HARD_MAX } else { FILE_LINES_MAX };
    let lines = source.code_lines();
    let what = format!("{lines} lines of code, allowed are {max}");
    (lines > max).then(|| Problem::new(&source.path, 1, what, "split the file by subject"))
}

fn check_exception(entry: &Exception<'_>, sources: &[Source]) -> Option<Problem> {
    let lines = sources.iter().find(|source| source.path == entry.path).map(Source::code_lines);
    let Exception { line, path, lines: allowed } = *entry;
    let mend = match lines {
        None => "the file does not exist: remove the entry".to_owned(),
        Some(lines) if lines <= FILE_LINES_MAX => {
            format!("the file has {lines} lines and needs no exception: remove the entry")
        }
        Some(lines) if lines > FILE_LINES_HARD_MAX => {
            format!("the file has {lines} lines, more than {FILE_LINES_HARD_MAX}: split it")
        }
        Some(lines) if lines > allowed => format!("the file grew to {lines} lines: shrink it"),
        Some(lines) if lines < allowed => format!("the file shrank: lower the entry to {lines}"),
        Some(_) => return None,
    };
    Some(Problem::new(RATCHET, line, format!("exception for {path}: {allowed} lines"), mend))
}

fn long_functions(source: &Source) -> Vec<Problem> {
    let measured = source.functions().into_iter().map(|function| {
        let body = &source.lines[function.first..=function.last];
        let lines = body.iter().filter(|line| line.has_code()).count();
        (function, lines)
    });
    measured
        .filter(|(_, lines)| *lines > FUNCTION_LINES_MAX)
        .map(|(function, lines)| {
            let what = format!("`{}` has {lines} lines of code", function.name);
            let mend = format!("allowed are {FUNCTION_LINES_MAX}: extract what has a name");
            Problem::new(&source.path, function.first + 1, what, mend)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::repository::File;

    fn source(path: &str, lines: usize) -> Source {
        Source::parse(&File::sample(path, &"a();\n\n// why\n".repeat(lines)))
    }

    fn mends(lines: usize, ratchet: &str) -> Vec<String> {
        let problems = check_files(&[source("src/a.rs", lines)], ratchet);
        problems.into_iter().map(|problem| problem.mend).collect()
    }

    #[test]
    fn blank_lines_and_comments_do_not_count() {
        assert_eq!(mends(FILE_LINES_MAX, ""), Vec::<String>::new());
        assert_eq!(mends(FILE_LINES_MAX + 1, ""), ["split the file by subject"]);
    }

    #[test]
    fn a_test_file_may_be_longer_but_not_without_end() {
        let check = |lines| check_files(&[source("src/a/tests.rs", lines)], "");
        assert_eq!(check(FILE_LINES_HARD_MAX), []);
        assert_eq!(check(FILE_LINES_HARD_MAX + 1).len(), 1);
    }

    #[test]
    fn an_exception_holds_exactly_and_only_while_it_is_needed() {
        let cases = [
            (450, "src/a.rs 450", None),
            (451, "src/a.rs 450", Some("grew to 451")),
            (449, "src/a.rs 450", Some("lower the entry to 449")),
            (400, "src/a.rs 450", Some("remove the entry")),
            (601, "src/a.rs 601", Some("split it")),
            (10, "src/b.rs 450", Some("does not exist")),
            (450, "# why\n\nsrc/a.rs many", Some("grew to 450")),
        ];
        for (lines, ratchet, expected) in cases {
            let found = mends(lines, ratchet);
            let matches = match expected {
                None => found.is_empty(),
                Some(part) => found.len() == 1 && found[0].contains(part),
            };
            assert!(matches, "{lines} lines, `{ratchet}`: {found:?}");
        }
    }

    #[test]
    fn a_long_function_is_found_where_it_starts() {
        let check = |lines: usize| {
            let text = format!("\nfn a() {{\n{}}}\n", "    b();\n".repeat(lines - 2));
            check_functions(&[Source::parse(&File::sample("src/a.rs", &text))])
        };
        assert_eq!(check(FUNCTION_LINES_MAX), []);
        let found = check(FUNCTION_LINES_MAX + 1);
        assert_eq!(found.iter().map(|problem| problem.line).collect::<Vec<_>>(), [2]);
    }
}
