//! What a task is, and which texts, numbers and keys are allowed. Checked once, at the door.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// The longest text of a task, in bytes. A task is a note: 64 KiB is some 20 pages, and small
/// enough that a full queue of writes (1,024 of them) fits in memory.
pub(super) const TEXT_BYTES_MAX: usize = 64 * 1024;

/// The longest `Idempotency-Key`, in bytes: room for any UUID, hash or signed token.
const KEY_BYTES_MAX: usize = 255;

/// The longest text to search for, in bytes: more than anybody types.
const SEARCH_BYTES_MAX: usize = 1024;

/// The number of a task. Given by the store, counted from 1, never given twice.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct TaskId(pub(super) i64);

/// The text of a task: not blank, at most [`TEXT_BYTES_MAX`] bytes, without U+0000.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Text(String);

/// Names one wish to add a task: the same key never adds two.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct IdempotencyKey(String);

/// A task as the store keeps it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Task {
    /// Its number.
    pub(super) id: TaskId,
    /// Its text.
    pub(super) text: String,
    /// Whether it is done.
    pub(super) done: bool,
    /// Counts what it has been: 1 as it was added, one more with each change.
    pub(super) version: i64,
    /// When it was added, as the time since 1970, in whole milliseconds.
    pub(super) created: Duration,
    /// When it was last changed, likewise; when it was added, if never.
    pub(super) updated: Duration,
}

/// Names one state of a task: it changes whenever the task does. The time is part of it, because
/// versions are counted anew after a backup was brought back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Tag {
    version: i64,
    updated: Duration,
}

/// What a task has to be for a change to be made.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) enum Condition {
    /// Anything.
    #[default]
    None,
    /// In one of these states.
    IsOneOf(Vec<Tag>),
}

/// Which texts are looked for: those that contain this one, whatever its case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Search(String);

/// A task to be added.
#[derive(Clone, Debug)]
pub(super) struct NewTask {
    /// Its text.
    pub(super) text: Text,
    /// Whether it is done already.
    pub(super) done: bool,
    /// Makes the addition safe to repeat.
    pub(super) key: Option<IdempotencyKey>,
}

/// What is to become of a task. What is `None` stays as it is.
#[derive(Clone, Debug)]
pub(super) struct Edit {
    /// Its new text.
    pub(super) text: Option<Text>,
    /// Whether it is done now.
    pub(super) done: Option<bool>,
}

/// A search for nothing, or for too much.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("are 1 to {SEARCH_BYTES_MAX} bytes")]
pub(super) struct InvalidSearch;

/// A text that names no state of a task.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not the tag of a task")]
pub(super) struct InvalidTag(pub(super) String);

/// A text that names no task.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a task's number")]
pub(super) struct InvalidId(String);

/// A text that no task can have.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum InvalidText {
    #[error("the text is blank")]
    Blank,
    #[error("the text has {0} bytes")]
    TooLong(usize),
    #[error("the text contains U+0000")]
    Nul,
}

/// An `Idempotency-Key` that is none.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("are 1 to {KEY_BYTES_MAX} visible ASCII characters, once")]
pub(super) struct InvalidKey;

impl InvalidId {
    /// What would have been right.
    pub(super) const ALLOWED: &str = "are whole numbers from 0 to 9223372036854775807";
}

impl InvalidText {
    /// What would have been right.
    pub(super) const ALLOWED: &str =
        "are 1 to 65536 bytes that are not only spaces, without U+0000";
}

impl Text {
    /// Takes `text` as a task's text, unchanged.
    pub(super) fn new(text: String) -> Result<Self, InvalidText> {
        if text.trim().is_empty() {
            return Err(InvalidText::Blank);
        }
        if text.len() > TEXT_BYTES_MAX {
            return Err(InvalidText::TooLong(text.len()));
        }
        // PostgreSQL has no such character in its texts, and every store must accept the same.
        if text.contains('\0') {
            return Err(InvalidText::Nul);
        }
        Ok(Self(text))
    }

    pub(super) fn as_str(&self) -> &str {
        &self.0
    }

    pub(super) fn into_string(self) -> String {
        self.0
    }
}

impl IdempotencyKey {
    /// Takes the content of the header.
    pub(super) fn new(bytes: &[u8]) -> Result<Self, InvalidKey> {
        let visible = bytes.iter().all(u8::is_ascii_graphic);
        if bytes.is_empty() || bytes.len() > KEY_BYTES_MAX || !visible {
            return Err(InvalidKey);
        }
        Ok(Self(bytes.iter().copied().map(char::from).collect()))
    }

    pub(super) fn as_str(&self) -> &str {
        &self.0
    }
}

impl Task {
    /// The state that it is in.
    pub(super) const fn tag(&self) -> Tag {
        Tag { version: self.version, updated: self.updated }
    }
}

impl Condition {
    /// Whether it holds for `task`.
    pub(super) fn holds(&self, task: &Task) -> bool {
        match self {
            Self::None => true,
            Self::IsOneOf(tags) => tags.contains(&task.tag()),
        }
    }
}

impl Search {
    pub(super) fn new(text: &str) -> Result<Self, InvalidSearch> {
        let fits = (1..=SEARCH_BYTES_MAX).contains(&text.len());
        if fits { Ok(Self(text.to_lowercase())) } else { Err(InvalidSearch) }
    }

    /// As it may be searched for again.
    pub(super) fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether `text` contains it. Lower case is decided here and not by a store, each of which
    /// knows other letters.
    pub(super) fn finds(&self, text: &str) -> bool {
        text.to_lowercase().contains(&self.0)
    }
}

/// As it stands between the quotes of an `ETag`.
impl fmt::Display for Tag {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}-{:x}", self.version, self.updated.as_millis())
    }
}

impl FromStr for Tag {
    type Err = InvalidTag;

    fn from_str(text: &str) -> Result<Self, InvalidTag> {
        let tag = text.split_once('-').and_then(|(version, updated)| {
            let updated = Duration::from_millis(u64::from_str_radix(updated, 16).ok()?);
            Some(Self { version: version.parse().ok()?, updated })
        });
        // One state has one tag: `+1-0` is none.
        tag.filter(|tag| tag.to_string() == text).ok_or_else(|| InvalidTag(text.to_owned()))
    }
}

impl FromStr for TaskId {
    type Err = InvalidId;

    fn from_str(text: &str) -> Result<Self, InvalidId> {
        // `+1` would parse as a number; the digits alone are an id.
        let digits = text.bytes().all(|byte| byte.is_ascii_digit());
        let id = text.parse().ok().filter(|_| digits);
        id.map(Self).ok_or_else(|| InvalidId(text.to_owned()))
    }
}

impl fmt::Display for TaskId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_kept_exactly_as_it_was_sent() {
        for text in [" leading", "a:b:c", "pão\n\tcom \"aspas\"", "\u{1f35e}", "'; DROP TABLE task"]
        {
            assert_eq!(Text::new(text.to_owned()).unwrap().as_str(), text);
        }
    }

    #[test]
    fn a_text_that_is_not_allowed_is_refused_with_what_is() {
        let long = "x".repeat(TEXT_BYTES_MAX);
        assert!(Text::new(long.clone()).is_ok());
        let error = Text::new(long + "x").unwrap_err();
        assert_eq!(error.to_string(), "the text has 65537 bytes");
        assert!(InvalidText::ALLOWED.contains(&format!("1 to {TEXT_BYTES_MAX} bytes")));
        assert_eq!(Text::new(" \n".to_owned()), Err(InvalidText::Blank));
        assert_eq!(Text::new("a\0b".to_owned()), Err(InvalidText::Nul));
    }

    #[test]
    fn an_id_is_digits_and_fits() {
        assert_eq!("7".parse(), Ok(TaskId(7)));
        assert_eq!("9223372036854775807".parse(), Ok(TaskId(i64::MAX)));
        for text in ["", "+7", "-7", "7a", " 7", "9223372036854775808", "٣"] {
            assert_eq!(text.parse::<TaskId>(), Err(InvalidId(text.to_owned())));
        }
    }

    #[test]
    fn a_tag_reads_back_what_it_prints_and_nothing_else() {
        let tag = Tag { version: 3, updated: Duration::from_millis(0x18f) };
        assert_eq!((tag.to_string().as_str(), "3-18f".parse()), ("3-18f", Ok(tag)));
        for text in ["", "3", "3-", "+3-18f", "3-18F", "03-18f", "3-18f-1", "*"] {
            assert_eq!(text.parse::<Tag>(), Err(InvalidTag(text.to_owned())));
        }
    }

    #[test]
    fn a_search_ignores_case_in_every_language() {
        let search = Search::new("PÃO").unwrap();
        assert!(search.finds("comprar pão") && search.finds("Pão") && !search.finds("pao"));
        assert_eq!(Search::new(""), Err(InvalidSearch));
        assert_eq!(Search::new(&"x".repeat(1025)), Err(InvalidSearch));
    }

    #[test]
    fn a_key_is_visible_and_short() {
        assert!(IdempotencyKey::new(&[b'k'; KEY_BYTES_MAX]).is_ok());
        for bytes in [&b""[..], b"a b", b"a\tb", "é".as_bytes(), &[b'k'; KEY_BYTES_MAX + 1]] {
            assert_eq!(IdempotencyKey::new(bytes), Err(InvalidKey));
        }
    }
}
