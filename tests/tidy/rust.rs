//! Just enough of Rust's grammar to tell code from comments, strings and tests.

use super::repository::File;

/// A Rust file whose comments are blank and whose strings are rows of quotes.
pub(crate) struct Source {
    pub(crate) path: String,
    pub(crate) lines: Vec<Line>,
}

/// One line of a [`Source`]; its number is its index + 1.
pub(crate) struct Line {
    pub(crate) code: String,
    pub(crate) part: Part,
}

/// What a line is there for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    Product,
    Test,
}

/// A function with a body: the indices of its first and last line.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Function {
    pub(crate) name: String,
    pub(crate) first: usize,
    pub(crate) last: usize,
}

impl Source {
    pub(crate) fn parse(file: &File) -> Self {
        let masked = mask(&file.text);
        let part = if is_test_file(&file.path) { Part::Test } else { Part::Product };
        let lines = masked.lines().map(|code| Line { code: code.to_owned(), part }).collect();
        let mut source = Self { path: file.path.clone(), lines };
        source.mark_test_modules();
        source
    }

    /// The text of one part, with the other part's lines blank, so that line numbers stay true.
    pub(crate) fn text(&self, part: Part) -> String {
        let kept = |line: &Line| if line.part == part { line.code.clone() } else { String::new() };
        self.lines.iter().map(kept).collect::<Vec<_>>().join("\n")
    }

    /// The lines of code that are not in a `#[cfg(test)] mod`; in a test file, all lines of code.
    pub(crate) fn code_lines(&self) -> usize {
        let whole = is_test_file(&self.path);
        let counts = |line: &&Line| whole || line.part == Part::Product;
        self.lines.iter().filter(counts).filter(|line| line.has_code()).count()
    }

    /// Every function that has a body, in the order of their first lines.
    pub(crate) fn functions(&self) -> Vec<Function> {
        let codes: Vec<&str> = self.lines.iter().map(|line| line.code.as_str()).collect();
        let text = codes.join("\n");
        let starts = occurrences(&text, "fn").into_iter();
        starts.filter_map(|start| function_at(&text, start)).collect()
    }

    fn mark_test_modules(&mut self) {
        let text = self.lines.iter().map(|line| line.code.as_str()).collect::<Vec<_>>().join("\n");
        for start in occurrences(&text, "#[cfg(test)]") {
            let item = text[start..].lines().skip(1).find(|line| !line.trim().starts_with("#["));
            let opens_module = item.is_some_and(|line| line.contains("mod "));
            if let (true, Some(end)) = (opens_module, item_end(&text, start)) {
                let range = line_index(&text, start)..=line_index(&text, end);
                self.lines[range].iter_mut().for_each(|line| line.part = Part::Test);
            }
        }
    }
}

impl Line {
    pub(crate) fn has_code(&self) -> bool {
        !self.code.trim().is_empty()
    }
}

/// Files that hold tests and nothing else: `tests/…`, `src/x/tests.rs`, `src/x/tests/…`.
pub(crate) fn is_test_file(path: &str) -> bool {
    let mut parts = path.split('/');
    parts.any(|part| part == "tests" || part == "tests.rs")
}

/// Where `wanted` stands in `text` as a whole word (or path, or attribute).
pub(crate) fn occurrences(text: &str, wanted: &str) -> Vec<usize> {
    let is_whole = |&start: &usize| {
        let before = text[..start].chars().next_back();
        let after = text[start + wanted.len()..].chars().next();
        let open = |edge: Option<char>, inner: Option<char>| {
            inner.is_some_and(is_word) && edge.is_some_and(is_word)
        };
        !open(before, wanted.chars().next()) && !open(after, wanted.chars().next_back())
    };
    text.match_indices(wanted).map(|(start, _)| start).filter(is_whole).collect()
}

/// The number of the line (from 1) that the byte `offset` is on.
pub(crate) fn line_number(text: &str, offset: usize) -> usize {
    line_index(text, offset) + 1
}

/// The identifier that `text` starts with; empty if it starts with something else.
pub(crate) fn leading_word(text: &str) -> &str {
    &text[..text.find(|c| !is_word(c)).unwrap_or(text.len())]
}

fn is_word(character: char) -> bool {
    character.is_alphanumeric() || character == '_'
}

fn line_index(text: &str, offset: usize) -> usize {
    text[..offset].matches('\n').count()
}

fn function_at(text: &str, start: usize) -> Option<Function> {
    // `fn(u8) -> u8` is a type: it has no name.
    let name = leading_word(text[start + "fn".len()..].trim_start());
    let end = item_end(text, start).filter(|&end| text[end..].starts_with('}'))?;
    let (first, last) = (line_index(text, start), line_index(text, end));
    (!name.is_empty()).then(|| Function { name: name.to_owned(), first, last })
}

/// Where the item that starts at `start` ends: its closing brace, or the `;` if it has no body.
fn item_end(text: &str, start: usize) -> Option<usize> {
    let (mut depth, mut braces) = (0_usize, 0_usize);
    for (offset, character) in text[start..].char_indices() {
        match character {
            ';' if depth == 0 => return Some(start + offset),
            '(' | '[' | '{' => depth += 1,
            ')' | ']' | '}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        braces += usize::from(character == '{');
        if character == '}' && depth == 0 && braces > 0 {
            return Some(start + offset);
        }
    }
    None
}

/// Blanks the comments and turns the strings into quotes; every character keeps its line.
fn mask(text: &str) -> String {
    let mut masked = String::with_capacity(text.len());
    let mut rest = text;
    let mut previous = ' ';
    while let Some(first) = rest.chars().next() {
        let (length, cover) = match opaque(rest, previous) {
            Some((length, cover)) => (length, Some(cover)),
            None => (first.len_utf8(), None),
        };
        let (token, after) = rest.split_at(length);
        let covered = |c: char| if c.is_whitespace() { c } else { cover.unwrap_or(c) };
        masked.extend(token.chars().map(covered));
        previous = token.chars().next_back().unwrap_or(' ');
        rest = after;
    }
    masked
}

/// The length of the comment, string or character that `rest` starts with, and what covers it.
fn opaque(rest: &str, previous: char) -> Option<(usize, char)> {
    if rest.starts_with("//") {
        return Some((rest.find('\n').unwrap_or(rest.len()), ' '));
    }
    if rest.starts_with("/*") {
        return Some((block_comment(rest), ' '));
    }
    let string = match is_word(previous) {
        true => None,
        false => raw_string(rest),
    };
    string.or_else(|| quoted(rest)).or_else(|| character(rest)).map(|length| (length, '"'))
}

fn block_comment(rest: &str) -> usize {
    let mut depth = 0_usize;
    for (offset, _) in rest.char_indices() {
        if rest[offset..].starts_with("/*") {
            depth += 1;
        } else if rest[offset..].starts_with("*/") {
            depth -= 1;
            if depth == 0 {
                return offset + "*/".len();
            }
        }
    }
    rest.len()
}

fn raw_string(rest: &str) -> Option<usize> {
    let body = ["r", "br", "cr"].iter().find_map(|prefix| rest.strip_prefix(prefix))?;
    let hashes = body.len() - body.trim_start_matches('#').len();
    let content = body[hashes..].strip_prefix('"')?;
    let close = format!("\"{}", "#".repeat(hashes));
    let end = content.find(&close).map_or(content.len(), |end| end + close.len());
    Some(rest.len() - content.len() + end)
}

fn quoted(rest: &str) -> Option<usize> {
    let mut characters = rest.strip_prefix('"')?.char_indices();
    while let Some((offset, character)) = characters.next() {
        match character {
            '\\' => drop(characters.next()),
            '"' => return Some(offset + "\"\"".len()),
            _ => {}
        }
    }
    Some(rest.len())
}

/// A character literal; a lifetime is not one.
fn character(rest: &str) -> Option<usize> {
    let content = rest.strip_prefix('\'')?;
    let first = content.chars().next()?;
    if first == '\\' {
        // The character after the backslash may be a quote itself.
        let end = content.char_indices().skip(2).find(|&(_, c)| c == '\'')?.0;
        return Some(end + "''".len());
    }
    content[first.len_utf8()..].starts_with('\'').then(|| first.len_utf8() + "''".len())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(text: &str) -> Source {
        Source::parse(&File::sample("src/sample.rs", text))
    }

    #[test]
    fn comments_and_strings_are_not_code() {
        let text = "a // b\n/* c /* d */ e */ f\n\"g \\\" h\" i r#\"j \" k\"# l '\\'' m '\"' n<'o>";
        let words = mask(text).replace('"', " ");
        let words: Vec<&str> = words.split_whitespace().collect();
        assert_eq!(words, ["a", "f", "i", "l", "m", "n<'o>"]);
    }

    #[test]
    fn a_test_module_is_told_from_the_product() {
        let text = "fn a() {}\n#[cfg(test)]\nmod tests {\n    fn b() { '}'; }\n}\nfn c() {}\n";
        let parts: Vec<Part> = source(text).lines.iter().map(|line| line.part).collect();
        use Part::{Product, Test};
        assert_eq!(parts, [Product, Test, Test, Test, Test, Product]);
        assert_eq!(source(text).code_lines(), 2);
    }

    #[test]
    fn a_test_module_in_its_own_file_does_not_swallow_what_follows() {
        let text = "#[cfg(test)]\nmod tests;\n\nfn a() {}\n";
        assert_eq!(source(text).code_lines(), 1);
    }

    #[test]
    fn functions_are_measured_and_types_and_declarations_are_not() {
        let text =
            "type F = fn(u8);\nfn a(b: [u8; 2]) {\n    { 1 }\n}\ntrait T {\n    fn c();\n}\n";
        let a = Function { name: "a".to_owned(), first: 1, last: 3 };
        assert_eq!(source(text).functions(), [a]);
    }

    #[test]
    fn words_are_whole() {
        assert_eq!(occurrences("async asyncs un_async async", "async"), [0, 22]);
    }
}
