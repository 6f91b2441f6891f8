//! The documents tell the truth about the tree, about the commands, and about each other.

use super::repository::{File, Problem};
use super::rust::occurrences;

/// The page whose code map names every entry of `src/`.
pub(crate) const MAP: &str = "ARCHITECTURE.md";

/// The same page twice, in English and in Portuguese.
pub(crate) const READMES: [&str; 2] = ["README.md", "README.pt-BR.md"];

/// The section of [`MAP`] that holds the entries, each as an item that starts with its name.
const MAP_SECTION: &str = "Code map";

/// What each entry of the code map must tell.
const INVARIANT: &str = "**Invariant:**";

/// Entries of `src/` that the code map does not name, names of nothing, and missing invariants.
pub(crate) fn check_map(map: &str, files: &[File]) -> Vec<Problem> {
    let entries = top_level_entries(files);
    let named = map_entries(map);
    let unnamed = entries.iter().filter(|entry| named.iter().all(|n| n.name != **entry));
    let mut problems: Vec<Problem> = unnamed
        .map(|entry| {
            let what = format!("the code map does not name `{entry}`");
            let mend = format!("add an item that starts with - **`{entry}`**");
            Problem::new(MAP, section_line(map, MAP_SECTION), what, mend)
        })
        .collect();
    for entry in &named {
        let mut found = |what: &str, mend: &str| {
            let what = format!("`{}` {what}", entry.name);
            problems.push(Problem::new(MAP, entry.line, what, mend));
        };
        if !entries.iter().any(|real| real == entry.name) {
            found("is not an entry of src/", "remove the item");
        }
        if !entry.text.contains(INVARIANT) {
            found("has no invariant", "say after **Invariant:** what always holds there");
        }
    }
    problems
}

/// Sections, commands, settings and tables that only one of the two READMEs has.
pub(crate) fn check_translation(english: &str, portuguese: &str) -> Vec<Problem> {
    let (ours, theirs) = (sections(english), sections(portuguese));
    let mut problems = Vec::new();
    if ours.len() != theirs.len() {
        // The first one is what stands above all titles.
        let (count, wanted) = (theirs.len() - 1, ours.len() - 1);
        let what = format!("{count} sections, {} has {wanted}", READMES[0]);
        problems.push(Problem::new(READMES[1], 1, what, "both have the same, in the same order"));
    }
    for (original, translated) in ours.iter().zip(&theirs) {
        if let Some((first, second)) = first_difference(&original.facts, &translated.facts) {
            let what = format!("`{second}` where {}:{} has `{first}`", READMES[0], original.line);
            let mend = format!("make the code and tables of section `{}` equal", translated.title);
            problems.push(Problem::new(READMES[1], translated.line, what, mend));
        }
    }
    problems
}

/// Commands of the program that a README does not show.
pub(crate) fn check_commands(path: &str, readme: &str, commands: &[String]) -> Vec<Problem> {
    let unknown = |name: &&String| occurrences(readme, &format!("cloudaps {name}")).is_empty();
    let missing = commands.iter().filter(unknown);
    missing
        .map(|name| {
            let what = format!("`cloudaps {name}` is not mentioned");
            Problem::new(path, 1, what, "add it to the table of commands")
        })
        .collect()
}

/// `cli.rs`, `fleet/`: the files and folders right under `src/`.
fn top_level_entries(files: &[File]) -> Vec<String> {
    let inside = files.iter().filter_map(|file| file.path.strip_prefix("src/"));
    let mut entries: Vec<String> = inside
        .map(|path| {
            path.split_once('/').map_or(path.to_owned(), |(folder, _)| folder.to_owned() + "/")
        })
        .collect();
    entries.sort();
    entries.dedup();
    entries
}

struct MapEntry<'a> {
    name: &'a str,
    line: usize,
    text: String,
}

fn map_entries(map: &str) -> Vec<MapEntry<'_>> {
    let mut entries: Vec<MapEntry<'_>> = Vec::new();
    let start = section_line(map, MAP_SECTION);
    let lines = map.lines().enumerate().skip(start);
    for (index, text) in lines.take_while(|(_, text)| !text.starts_with("## ")) {
        if let Some((name, _)) = text.strip_prefix("- **`").and_then(|rest| rest.split_once("`**"))
        {
            entries.push(MapEntry { name, line: index + 1, text: String::new() });
        }
        if let Some(entry) = entries.last_mut() {
            entry.text.push_str(text);
        }
    }
    entries
}

/// The number of the line with the section's title; 1 if there is no such section.
fn section_line(page: &str, title: &str) -> usize {
    let found = page.lines().position(|line| line.strip_prefix("## ") == Some(title));
    found.map_or(1, |index| index + 1)
}

/// A section of a README, and what must be the same in every language.
struct Section<'a> {
    title: &'a str,
    line: usize,
    facts: Vec<String>,
}

fn sections(page: &str) -> Vec<Section<'_>> {
    let mut sections = vec![Section { title: "", line: 1, facts: Vec::new() }];
    let mut in_code = false;
    for (index, line) in page.lines().enumerate() {
        let title = line.strip_prefix("## ").filter(|_| !in_code);
        if let Some(title) = title {
            sections.push(Section { title, line: index + 1, facts: Vec::new() });
        }
        let is_fence = line.starts_with("```");
        let fact = if in_code || is_fence { code_fact(line) } else { table_fact(line) };
        sections.last_mut().expect("one from the start").facts.extend(fact);
        in_code ^= is_fence;
    }
    sections
}

/// A line of code without its comment, which is translated.
fn code_fact(line: &str) -> Option<String> {
    let code = line.split_once("# ").map_or(line, |(code, _)| code).trim_end();
    (!code.is_empty()).then(|| code.to_owned())
}

/// The first cells of all tables that are code, each with the number of its line.
pub(crate) fn table_keys(page: &str) -> Vec<(usize, String)> {
    let lines = page.lines().enumerate();
    lines.filter_map(|(index, line)| Some((index + 1, table_fact(line)?))).collect()
}

/// The first cell of a table's row, if it is code: a command, a key, a status.
fn table_fact(line: &str) -> Option<String> {
    let cell = line.strip_prefix("| `")?.split_once("` |")?.0;
    Some(cell.to_owned())
}

fn first_difference<'a>(ours: &'a [String], theirs: &'a [String]) -> Option<(&'a str, &'a str)> {
    let length = ours.len().max(theirs.len());
    let at = |facts: &'a [String], index: usize| facts.get(index).map_or("nothing", String::as_str);
    let pairs = (0..length).map(|index| (at(ours, index), at(theirs, index)));
    pairs.into_iter().find(|(first, second)| first != second)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn whats(problems: &[Problem]) -> Vec<(usize, &str)> {
        problems.iter().map(|problem| (problem.line, problem.what.as_str())).collect()
    }

    #[test]
    fn the_map_names_what_exists_with_an_invariant_and_nothing_else() {
        let files: Vec<File> = ["src/cli.rs", "src/pool/mod.rs", "src/pool/pick.rs", "tests/a.rs"]
            .map(|path| File::sample(path, ""))
            .into();
        let good = "# x\n## Code map\n- **`cli.rs`** Typed.\n  **Invariant:** a.\n\
                    - **`pool/`** Picks. **Invariant:** b.\n## Next\n- **`not an entry`**\n";
        assert_eq!(check_map(good, &files), []);

        let bad =
            "## Code map\n\n- **`cli.rs`** Typed.\n\n- **`gone.rs`** Was. **Invariant:** b.\n";
        assert_eq!(
            whats(&check_map(bad, &files)),
            [
                (1, "the code map does not name `pool/`"),
                (3, "`cli.rs` has no invariant"),
                (5, "`gone.rs` is not an entry of src/"),
            ]
        );
    }

    #[test]
    fn a_translation_may_differ_in_words_and_comments_only() {
        let english = "# A\n## Start\n```sh\nrun # now\n```\n## Keys\n| `key` | meaning |\n";
        let portuguese = "# B\n## Começo\n```sh\nrun # já\n```\n## Chaves\n| `key` | sentido |\n";
        assert_eq!(check_translation(english, portuguese), []);
    }

    #[test]
    fn a_translation_with_other_code_rows_or_sections_is_found() {
        let page =
            |code: &str, key: &str| format!("## S\n```sh\n{code}\n```\n## K\n| `{key}` | m |\n");
        let differences = |other: &str| check_translation(&page("run", "key"), other).len();
        assert_eq!(differences(&page("run", "key")), 0);
        assert_eq!(differences(&page("walk", "key")), 1);
        assert_eq!(differences(&page("run", "kee")), 1);
        assert_eq!(differences(&page("run\nrun", "key")), 1);
        assert_eq!(differences(&format!("{}## More\n", page("run", "key"))), 1);
    }

    #[test]
    fn a_command_that_is_not_shown_is_found() {
        let commands = ["up".to_owned(), "task".to_owned()];
        let found = check_commands("README.md", "`cloudaps up` and cloudaps tasks\n", &commands);
        assert_eq!(whats(&found), [(1, "`cloudaps task` is not mentioned")]);
    }
}
