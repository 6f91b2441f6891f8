//! The files of the repository, and what may be wrong with one of them.

use std::fmt;
use std::fs;
use std::path::Path;

/// Folders that hold nothing that a person wrote, wherever they are.
const SKIPPED_FOLDERS: [&str; 2] = [".git", "target"];

/// What the fuzzers find, as cargo-fuzz puts it.
const SKIPPED_PATHS: [&str; 3] = ["fuzz/artifacts", "fuzz/corpus", "fuzz/coverage"];

/// One text file; `path` is relative to the root, with `/` between its parts.
pub(crate) struct File {
    pub(crate) path: String,
    pub(crate) text: String,
}

impl File {
    /// A file that exists only in a test.
    #[cfg(test)]
    pub(crate) fn sample(path: &str, text: &str) -> Self {
        Self { path: path.to_owned(), text: text.to_owned() }
    }

    pub(crate) fn is_rust(&self) -> bool {
        self.path.ends_with(".rs")
    }
}

/// A broken rule: where, what, and how to mend it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Problem {
    pub(crate) path: String,
    pub(crate) line: usize,
    pub(crate) what: String,
    pub(crate) mend: String,
}

impl Problem {
    pub(crate) fn new(
        path: &str,
        line: usize,
        what: impl Into<String>,
        mend: impl Into<String>,
    ) -> Self {
        Self { path: path.to_owned(), line, what: what.into(), mend: mend.into() }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { path, line, what, mend } = self;
        write!(formatter, "{path}:{line}: {what}; {mend}")
    }
}

/// Every text file of the repository, in the order of their paths.
pub(crate) fn files() -> Vec<File> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files = Vec::new();
    collect(root, "", &mut files);
    files.sort_by(|a, b| a.path.cmp(&b.path));
    files
}

fn collect(folder: &Path, prefix: &str, files: &mut Vec<File>) {
    for entry in fs::read_dir(folder).expect("the repository is readable") {
        let entry = entry.expect("the repository is readable");
        let name = entry.file_name().into_string().expect("file names are UTF-8");
        let path = format!("{prefix}{name}");
        let kind = entry.file_type().expect("the repository is readable");
        if SKIPPED_FOLDERS.contains(&name.as_str()) || SKIPPED_PATHS.contains(&path.as_str()) {
            continue;
        } else if kind.is_dir() {
            collect(&entry.path(), &format!("{path}/"), files);
        } else if kind.is_file() {
            // What is not UTF-8 is not text, and no rule here is about it.
            files.extend(fs::read_to_string(entry.path()).ok().map(|text| File { path, text }));
        }
    }
}

/// Fails the test that calls it with every problem, one per line.
#[track_caller]
pub(crate) fn report(problems: &[Problem]) {
    let lines: Vec<String> = problems.iter().map(Problem::to_string).collect();
    assert!(problems.is_empty(), "{} problem(s)\n{}\n", lines.len(), lines.join("\n"));
}
