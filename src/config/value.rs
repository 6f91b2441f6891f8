//! Values that are valid once they exist: whatever is out of range is refused where it stands in
//! the file, so that the error can show the line.

use std::fmt;
use std::time::Duration;

use serde::de::{Error, Unexpected, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A whole number from `MIN` to `MAX`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Count<const MIN: u64, const MAX: u64>(u64);

impl<const MIN: u64, const MAX: u64> Count<MIN, MAX> {
    /// A default; checked when the program is compiled.
    #[must_use]
    pub const fn new(value: u64) -> Self {
        assert!(MIN <= value && value <= MAX, "a default is out of its own range");
        Self(value)
    }

    /// Checks a number that was not read from a file.
    ///
    /// # Errors
    /// It is out of range; the text names the value and what is allowed.
    pub fn checked(value: u64) -> Result<Self, String> {
        if (MIN..=MAX).contains(&value) { Ok(Self(value)) } else { Err(Self::refusal(value)) }
    }

    /// The number.
    #[must_use]
    pub const fn get(self) -> u64 {
        self.0
    }

    /// The number, where a `u32` is wanted; a `MAX` beyond it saturates.
    #[must_use]
    pub fn to_u32(self) -> u32 {
        u32::try_from(self.0).unwrap_or(u32::MAX)
    }

    /// The number, where a size is wanted.
    #[must_use]
    pub fn to_usize(self) -> usize {
        usize::try_from(self.0).unwrap_or(usize::MAX)
    }

    fn refusal(value: impl fmt::Display) -> String {
        format!("{value} is out of range: allowed are {MIN} to {MAX}")
    }
}

impl<const MIN: u64, const MAX: u64> Serialize for Count<MIN, MAX> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u64(self.0)
    }
}

impl<'de, const MIN: u64, const MAX: u64> Deserialize<'de> for Count<MIN, MAX> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(CountVisitor::<MIN, MAX>)
    }
}

struct CountVisitor<const MIN: u64, const MAX: u64>;

impl<const MIN: u64, const MAX: u64> Visitor<'_> for CountVisitor<MIN, MAX> {
    type Value = Count<MIN, MAX>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "a whole number from {MIN} to {MAX}")
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Self::Value, E> {
        Count::checked(value).map_err(E::custom)
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Self::Value, E> {
        let refusal = || E::custom(Count::<MIN, MAX>::refusal(value));
        u64::try_from(value).map_err(|_| refusal()).and_then(|value| self.visit_u64(value))
    }
}

/// A duration from `MIN_MS` to `MAX_MS` milliseconds, written like `"500ms"` or `"1m 30s"`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span<const MIN_MS: u64, const MAX_MS: u64>(Duration);

impl<const MIN_MS: u64, const MAX_MS: u64> Span<MIN_MS, MAX_MS> {
    /// A default; checked when the program is compiled.
    #[must_use]
    pub const fn new(value: Duration) -> Self {
        let millis = value.as_millis();
        let fits = MIN_MS as u128 <= millis && millis <= MAX_MS as u128;
        assert!(fits, "a default is out of its own range");
        Self(value)
    }

    /// The duration.
    #[must_use]
    pub const fn get(self) -> Duration {
        self.0
    }

    fn allowed() -> String {
        let text = |millis| humantime::format_duration(Duration::from_millis(millis)).to_string();
        format!("allowed are {} to {}", text(MIN_MS), text(MAX_MS))
    }
}

impl<const MIN_MS: u64, const MAX_MS: u64> Serialize for Span<MIN_MS, MAX_MS> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&humantime::format_duration(self.0))
    }
}

impl<'de, const MIN_MS: u64, const MAX_MS: u64> Deserialize<'de> for Span<MIN_MS, MAX_MS> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(SpanVisitor::<MIN_MS, MAX_MS>)
    }
}

struct SpanVisitor<const MIN_MS: u64, const MAX_MS: u64>;

impl<const MIN_MS: u64, const MAX_MS: u64> Visitor<'_> for SpanVisitor<MIN_MS, MAX_MS> {
    type Value = Span<MIN_MS, MAX_MS>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let allowed = Self::Value::allowed();
        write!(formatter, "a duration in quotes, such as \"500ms\" or \"5s\" ({allowed})")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
        let value = humantime::parse_duration(text)
            .map_err(|_| E::invalid_value(Unexpected::Str(text), &self))?;
        let fits = (u128::from(MIN_MS)..=u128::from(MAX_MS)).contains(&value.as_millis());
        let refusal = || E::custom(format!("{text} is out of range: {}", Self::Value::allowed()));
        fits.then_some(Span(value)).ok_or_else(refusal)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Deserialize, Serialize)]
    struct Sample {
        count: Count<1, 10>,
        span: Span<10, 60_000>,
    }

    fn refusal(count: &str, span: &str) -> String {
        let text = format!("count = {count}\nspan = {span}\n");
        toml::from_str::<Sample>(&text).unwrap_err().to_string()
    }

    #[test]
    fn values_in_range_read_back_as_they_were_written() {
        let sample: Sample = toml::from_str("count = 3\nspan = \"1s 500ms\"").unwrap();
        assert_eq!(sample.count.get(), 3);
        assert_eq!(sample.span.get(), Duration::from_millis(1500));
        assert_eq!(toml::to_string(&sample).unwrap(), "count = 3\nspan = \"1s 500ms\"\n");
    }

    #[test]
    fn a_refusal_names_the_line_the_key_the_value_and_what_is_allowed() {
        for (count, span, words) in [
            ("0", "\"1s\"", ["line 1", "count = 0", "1 to 10"]),
            ("-4", "\"1s\"", ["line 1", "-4", "1 to 10"]),
            ("11", "\"1s\"", ["line 1", "11", "1 to 10"]),
            ("\"3\"", "\"1s\"", ["line 1", "string \"3\"", "1 to 10"]),
            ("3", "\"1ms\"", ["line 2", "span = \"1ms\"", "10ms to 1m"]),
            ("3", "\"5 parsecs\"", ["line 2", "5 parsecs", "500ms"]),
            ("3", "5", ["line 2", "integer `5`", "500ms"]),
        ] {
            let refusal = refusal(count, span);
            for word in words {
                assert!(refusal.contains(word), "`{word}` is not in: {refusal}");
            }
        }
    }
}
