//! What was typed, and for each `-` the lines of the standard input.

use std::io::{self, BufRead, Read};
use std::vec;

/// The longest line: what the service takes as a request. Its own limit for a text is far below.
const LINE_BYTES_MAX: u64 = 1024 * 1024;

/// What is typed for the standard input.
const STDIN: &str = "-";

/// A line that was not read.
#[derive(Debug)]
pub(super) enum Unread {
    /// It is longer than any request may be.
    TooLong,
    /// It is not UTF-8.
    NotText,
    /// Nothing more can be read.
    Broken(io::Error),
}

/// One after the other: what was typed, and the lines of `input` where `-` stands. Empty lines are
/// none.
pub(super) struct Items<R> {
    typed: vec::IntoIter<String>,
    input: R,
    source: Source,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Source {
    Typed,
    Input,
}

impl<R: BufRead> Items<R> {
    pub(super) fn new(typed: Vec<String>, input: R) -> Self {
        Self { typed: typed.into_iter(), input, source: Source::Typed }
    }

    fn line(&mut self) -> Option<Result<String, Unread>> {
        loop {
            let mut line = Vec::new();
            let mut bounded = (&mut self.input).take(LINE_BYTES_MAX);
            match bounded.read_until(b'\n', &mut line) {
                Ok(0) => return None,
                Ok(_) => {}
                Err(error) => {
                    self.source = Source::Typed;
                    return Some(Err(Unread::Broken(error)));
                }
            }
            if line.last() == Some(&b'\n') {
                line.pop();
            } else if line.len() as u64 == LINE_BYTES_MAX {
                return Some(Err(self.skip_rest()));
            }
            if line.last() == Some(&b'\r') {
                line.pop();
            }
            if !line.is_empty() {
                return Some(String::from_utf8(line).map_err(|_| Unread::NotText));
            }
        }
    }

    fn skip_rest(&mut self) -> Unread {
        match self.input.skip_until(b'\n') {
            Ok(_) => Unread::TooLong,
            Err(error) => {
                self.source = Source::Typed;
                Unread::Broken(error)
            }
        }
    }
}

impl<R: BufRead> Iterator for Items<R> {
    type Item = Result<String, Unread>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if self.source == Source::Input {
                match self.line() {
                    Some(line) => return Some(line),
                    None => self.source = Source::Typed,
                }
            }
            let word = self.typed.next()?;
            if word != STDIN {
                return Some(Ok(word));
            }
            self.source = Source::Input;
        }
    }
}

/// How many there are, if that is known before they are read.
pub(super) fn count(typed: &[String]) -> Option<u64> {
    typed.iter().all(|word| word != STDIN).then_some(typed.len() as u64)
}

/// One text: what was typed, or for `-` the whole of `input` without the line break at its end.
pub(super) fn whole(typed: String, input: impl BufRead) -> Result<String, Unread> {
    if typed != STDIN {
        return Ok(typed);
    }
    let mut bytes = Vec::new();
    input.take(LINE_BYTES_MAX + 1).read_to_end(&mut bytes).map_err(Unread::Broken)?;
    if bytes.len() as u64 > LINE_BYTES_MAX {
        return Err(Unread::TooLong);
    }
    let mut text = String::from_utf8(bytes).map_err(|_| Unread::NotText)?;
    if text.ends_with('\n') {
        text.pop();
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn items(typed: &[&str], input: &[u8]) -> Vec<String> {
        let typed = typed.iter().map(|word| (*word).to_owned()).collect();
        let shown =
            |item: Result<String, Unread>| item.unwrap_or_else(|error| format!("{error:?}"));
        Items::new(typed, input).map(shown).collect()
    }

    #[test]
    fn the_lines_of_the_input_stand_where_the_dash_does() {
        assert_eq!(items(&["a", "-", "d"], b"b\nc\n"), ["a", "b", "c", "d"]);
        assert_eq!(items(&["-", "-"], b"a"), ["a"]);
        assert_eq!(items(&["a"], b"b"), ["a"]);
    }

    #[test]
    fn empty_lines_and_carriage_returns_are_none() {
        assert_eq!(items(&["-"], b"\n\r\na\r\n\n b \n"), ["a", " b "]);
    }

    #[test]
    fn a_line_that_is_no_text_or_too_long_is_told_and_the_next_one_read() {
        let long = vec![b'x'; LINE_BYTES_MAX as usize + 5];
        let input = [b"\xff\n", &long[..], b"\nlast"].concat();
        assert_eq!(items(&["-"], &input), ["NotText", "TooLong", "last"]);
    }

    #[test]
    fn a_whole_text_keeps_its_lines_but_not_the_end_of_the_last() {
        let of = |typed: &str, input: &[u8]| whole(typed.to_owned(), input).unwrap();
        assert_eq!(of("-", b"a\nb\n\n"), "a\nb\n");
        assert_eq!(of("x", b"a"), "x");
        let long = vec![b'x'; LINE_BYTES_MAX as usize + 1];
        assert!(matches!(whole("-".to_owned(), &long[..]), Err(Unread::TooLong)));
    }

    #[test]
    fn what_is_read_is_not_counted_before() {
        assert_eq!(count(&["a".to_owned(), "b".to_owned()]), Some(2));
        assert_eq!(count(&["a".to_owned(), "-".to_owned()]), None);
    }
}
