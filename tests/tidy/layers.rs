//! Who may import whom, and what the pure modules may not know.

use super::repository::Problem;
use super::rust::{Part, Source, leading_word, line_number, occurrences};

/// Each top-level module with the modules that it may import. A module only imports from rows
/// above its own, so the table cannot have a cycle.
pub(crate) const LAYERS: &[(&str, &[&str])] = &[
    ("address", &[]),
    ("aws", &[]),
    ("hexadecimal", &[]),
    ("blueprint", &["hexadecimal"]),
    ("boot", &["hexadecimal"]),
    ("cli", &["address"]),
    ("clock", &[]),
    ("descriptor", &[]),
    ("manual", &["cli"]),
    ("http1", &[]),
    ("metrics", &["clock"]),
    ("fleet", &["address", "clock"]),
    ("pool", &["address", "clock", "metrics"]),
    ("proxy_protocol", &[]),
    ("state_dir", &["hexadecimal"]),
    ("exchange", &["address"]),
    (
        "provider",
        &[
            "address",
            "aws",
            "boot",
            "clock",
            "descriptor",
            "exchange",
            "fleet",
            "hexadecimal",
            "state_dir",
        ],
    ),
    ("proxy", &["address", "clock", "descriptor", "http1", "metrics", "pool", "proxy_protocol"]),
    ("probe", &["address", "boot", "exchange", "fleet"]),
    ("incidents", &["clock", "fleet"]),
    (
        "controller",
        &[
            "address",
            "clock",
            "fleet",
            "incidents",
            "metrics",
            "pool",
            "probe",
            "provider",
            "proxy",
        ],
    ),
    ("recorder", &["clock", "controller", "metrics", "proxy"]),
    ("exposition", &["controller", "fleet", "incidents", "metrics", "proxy"]),
    ("join", &["boot", "cli", "state_dir"]),
    ("tasks", &["boot", "cli", "clock"]),
    ("task_client", &["cli", "clock"]),
    (
        "config",
        &[
            "address",
            "boot",
            "cli",
            "clock",
            "controller",
            "fleet",
            "http1",
            "pool",
            "probe",
            "provider",
            "proxy",
            "state_dir",
            "tasks",
        ],
    ),
    ("install", &["aws", "blueprint", "boot", "cli", "clock", "config", "hexadecimal"]),
    ("forwarder", &["address", "cli", "clock", "exchange", "exposition", "http1", "pool", "proxy"]),
    (
        "admin",
        &[
            "address",
            "cli",
            "clock",
            "config",
            "controller",
            "exposition",
            "fleet",
            "hexadecimal",
            "incidents",
            "metrics",
            "provider",
            "proxy",
            "recorder",
            "state_dir",
        ],
    ),
    ("chaos", &["admin", "cli", "clock", "fleet", "incidents", "provider", "state_dir"]),
    (
        "up",
        &[
            "admin",
            "cli",
            "clock",
            "config",
            "controller",
            "exposition",
            "fleet",
            "incidents",
            "pool",
            "provider",
            "proxy",
            "recorder",
            "state_dir",
        ],
    ),
];

/// The roots: `main.rs` calls the roles, `lib.rs` lists the modules.
const ROOTS: [&str; 2] = ["main", "lib"];

/// Modules that decide and do nothing else. Time and random draws are their arguments.
const PURE: [&str; 8] =
    ["blueprint", "boot", "fleet", "pool", "http1", "incidents", "metrics", "proxy_protocol"];

/// What a pure module may not mention, in code that is not a test.
const IMPURE: [&str; 18] = [
    "async",
    "clock::now",
    "clock::wall",
    "now()",
    "wall()",
    "fastrand",
    "getrandom",
    "HashMap",
    "HashSet",
    "SystemTime",
    "TcpListener",
    "TcpStream",
    "UdpSocket",
    "tokio",
    "tracing",
    "println",
    "eprintln",
    "rustix",
];

/// What a pure module may not import from `std`.
const IMPURE_STD: [&str; 5] = ["env", "fs", "os", "process", "thread"];

/// Imports that the table does not allow, and modules that it does not know.
pub(crate) fn check_imports(sources: &[Source]) -> Vec<Problem> {
    let product = sources.iter().filter_map(|source| Some((source, module_of(&source.path)?)));
    product
        .flat_map(|(source, module)| match layer(module) {
            Some(allowed) => check_source(source, module, allowed),
            None => vec![unknown(source, module)],
        })
        .collect()
}

/// Impure words in pure modules.
pub(crate) fn check_purity(sources: &[Source]) -> Vec<Problem> {
    let is_pure = |source: &&Source| module_of(&source.path).is_some_and(|m| PURE.contains(&m));
    sources.iter().filter(is_pure).flat_map(impurities).collect()
}

/// The top-level module that a file under `src/` belongs to; the roots belong to none.
fn module_of(path: &str) -> Option<&str> {
    let module = leading_word(path.strip_prefix("src/")?);
    (!ROOTS.contains(&module)).then_some(module)
}

fn layer(module: &str) -> Option<&'static [&'static str]> {
    LAYERS.iter().find(|(name, _)| *name == module).map(|(_, allowed)| *allowed)
}

fn unknown(source: &Source, module: &str) -> Problem {
    let what = format!("the module `{module}` has no layer");
    Problem::new(&source.path, 1, what, "add a row to LAYERS in tests/tidy/layers.rs")
}

fn check_source(source: &Source, module: &str, allowed: &[&str]) -> Vec<Problem> {
    let text = source.text(Part::Product);
    let imports = first_segments(&text, "crate::").into_iter();
    let escapes = escapes(&text, &source.path).into_iter();
    let forbidden =
        imports.chain(escapes).filter(|(_, to)| to != module && !allowed.contains(&to.as_str()));
    forbidden
        .map(|(offset, to)| {
            let line = line_number(&text, offset);
            let what = format!("`{module}` may not import `{to}`");
            let mend = format!(
                "it may import {}: move the code, or change LAYERS in tests/tidy/layers.rs",
                listed(allowed)
            );
            Problem::new(&source.path, line, what, mend)
        })
        .collect()
}

fn listed(names: &[&str]) -> String {
    if names.is_empty() { "no other module".to_owned() } else { names.join(", ") }
}

fn impurities(source: &Source) -> Vec<Problem> {
    let text = source.text(Part::Product);
    let words = IMPURE.iter().flat_map(|word| {
        occurrences(&text, word).into_iter().map(|offset| (offset, (*word).to_owned()))
    });
    let imports = first_segments(&text, "std::").into_iter();
    let imports = imports.filter(|(_, name)| IMPURE_STD.contains(&name.as_str()));
    let found = words.chain(imports.map(|(offset, name)| (offset, format!("std::{name}"))));
    found
        .map(|(offset, word)| {
            let what = format!("`{word}` in a pure module");
            let mend = "take the value as an argument, or do the work in the shell";
            Problem::new(&source.path, line_number(&text, offset), what, mend)
        })
        .collect()
}

/// The names right after `root` in every path: `crate::{fleet::Slot, pool}` gives both.
fn first_segments(text: &str, root: &str) -> Vec<(usize, String)> {
    let starts = occurrences(text, root).into_iter().map(|start| start + root.len());
    starts
        .flat_map(|start| {
            let names = names_at(&text[start..]).into_iter();
            names.map(move |(offset, name)| (start + offset, name.to_owned()))
        })
        .collect()
}

/// The name that `text` starts with, or each one directly inside the braces that it starts with.
fn names_at(text: &str) -> Vec<(usize, &str)> {
    if !text.starts_with('{') {
        return vec![(0, leading_word(text))];
    }
    let (mut depth, mut expects_name, mut names) = (0_usize, false, Vec::new());
    for (offset, character) in text.char_indices() {
        match character {
            '{' => depth += 1,
            '}' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            break;
        }
        if expects_name && !character.is_whitespace() && character != '}' {
            names.push((offset, leading_word(&text[offset..])));
        }
        let opens = depth == 1 && matches!(character, '{' | ',');
        expects_name = opens || (expects_name && character.is_whitespace());
    }
    names
}

/// Paths that climb out of their own top-level module with `super::`.
fn escapes(text: &str, path: &str) -> Vec<(usize, String)> {
    let depth = module_depth(path);
    let climb = "super::".repeat(depth);
    first_segments(text, &climb).into_iter().filter(|(_, name)| name != "super").collect()
}

/// How many times `super::` leads from a file to the root of the crate.
fn module_depth(path: &str) -> usize {
    let parts = path.split('/').count() - 1;
    if path.ends_with("/mod.rs") { parts - 1 } else { parts }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::repository::File;

    type Check = fn(&[Source]) -> Vec<Problem>;

    fn problems(check: Check, path: &str, text: &str) -> Vec<(usize, String)> {
        let source = Source::parse(&File::sample(path, text));
        check(&[source]).into_iter().map(|problem| (problem.line, problem.what)).collect()
    }

    #[test]
    fn the_table_has_no_cycle() {
        for (row, (module, allowed)) in LAYERS.iter().enumerate() {
            let above: Vec<&str> = LAYERS[..row].iter().map(|(name, _)| *name).collect();
            let stray: Vec<_> = allowed.iter().filter(|name| !above.contains(name)).collect();
            assert!(stray.is_empty(), "`{module}` imports {stray:?}, which are not rows above it");
        }
    }

    #[test]
    fn an_import_from_a_sibling_core_is_found_on_its_line() {
        let text = "//! x\nuse crate::clock::Instant;\nuse crate::pool::Pool;\n";
        let found = problems(check_imports, "src/fleet/plan.rs", text);
        assert_eq!(found, [(3, "`fleet` may not import `pool`".to_owned())]);
    }

    #[test]
    fn grouped_inline_and_climbing_imports_are_found() {
        let text = "use crate::{\n    clock::{Instant, now},\n    proxy::Settings,\n};\n\
                    fn a() -> crate::admin::Status { super::super::up::run() }\n";
        let found = problems(check_imports, "src/pool/pick.rs", text);
        let lines: Vec<usize> = found.iter().map(|(line, _)| *line).collect();
        assert_eq!(lines, [3, 5, 5], "{found:?}");
    }

    #[test]
    fn own_module_tests_comments_and_strings_are_left_alone() {
        let text = "use crate::fleet::Slot;\nuse super::Spec;\n// crate::pool\n\
                    const A: &str = \"crate::pool\";\n\
                    #[cfg(test)]\nmod tests {\n    use crate::pool::Pool;\n}\n";
        assert_eq!(problems(check_imports, "src/fleet/plan.rs", text), []);
    }

    #[test]
    fn a_module_without_a_layer_is_found() {
        let found = problems(check_imports, "src/extra/mod.rs", "//! x\n");
        assert_eq!(found, [(1, "the module `extra` has no layer".to_owned())]);
    }

    #[test]
    fn every_impure_word_is_found_in_a_pure_module_and_only_there() {
        for word in IMPURE {
            let text = format!("fn a() {{\n    {word}\n}}\n");
            assert!(!problems(check_purity, "src/pool/mod.rs", &text).is_empty(), "{word}");
            assert_eq!(problems(check_purity, "src/proxy/mod.rs", &text), [], "{word}");
        }
    }

    #[test]
    fn impure_parts_of_std_are_found_in_groups_too() {
        let text = "use std::{fmt, fs::File, thread};\nuse std::net::SocketAddr;\n";
        assert_eq!(problems(check_purity, "src/http1/mod.rs", text).len(), 2);
    }
}
