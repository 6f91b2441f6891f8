//! The time of a request, as a line begins with it. The date is put together once a second, and
//! the calendar's clock is read as often: in between, its time follows from the monotonic one.

use std::time::{Duration, UNIX_EPOCH};

use super::LogFormat;
use crate::clock::{self, Instant};
use crate::http1;

/// How long the calendar's clock is not looked at: what it is set forward or back by meanwhile is
/// missed for as long.
const TRUSTED: Duration = Duration::from_secs(1);

/// The length of `1994-11-06T08:49:37.123456Z`, ...
const JSON_LEN: usize = 27;
/// ...of its date and time to the second, ...
const DATE_LEN: usize = 19;
/// ...and of `06/Nov/1994:08:49:37 +0000`.
const COMBINED_LEN: usize = 26;

/// One thread's calendar.
#[derive(Debug)]
pub(super) struct Calendar {
    /// When both clocks were read...
    read: Instant,
    /// ...and what the calendar's one said, as the time since 1970.
    wall: Duration,
    /// The second that `text` is about.
    second: u64,
    text: [u8; JSON_LEN],
    format: LogFormat,
}

impl Calendar {
    pub(super) fn new(format: LogFormat) -> Self {
        let (read, wall) = (clock::now(), clock::wall());
        let mut calendar = Self { read, wall, second: 0, text: [0; JSON_LEN], format };
        calendar.turn_to(wall.as_secs());
        calendar
    }

    /// Appends the time `at`: in RFC 3339 and UTC, with microseconds; or as `combined` has it.
    pub(super) fn push(&mut self, out: &mut Vec<u8>, at: Instant) {
        if at.since(self.read) >= TRUSTED {
            (self.read, self.wall) = (clock::now(), clock::wall());
        }
        let wall = (self.wall + at.since(self.read)).saturating_sub(self.read.since(at));
        if wall.as_secs() != self.second {
            self.turn_to(wall.as_secs());
        }
        match self.format {
            LogFormat::Json => {
                put_micros(&mut self.text, wall.subsec_micros());
                out.extend_from_slice(&self.text);
            }
            LogFormat::Combined => out.extend_from_slice(&self.text[..COMBINED_LEN]),
        }
    }

    fn turn_to(&mut self, second: u64) {
        self.second = second;
        let wall = Duration::from_secs(second);
        match self.format {
            LogFormat::Json => {
                let date = humantime::format_rfc3339_seconds(UNIX_EPOCH + wall).to_string();
                // Up to its `Z`. A year of five digits has no room, nor had it in the RFC.
                let len = DATE_LEN.min(date.len());
                self.text[..len].copy_from_slice(&date.as_bytes()[..len]);
                self.text[DATE_LEN..].copy_from_slice(b".000000Z");
            }
            LogFormat::Combined => {
                // `Sun, 06 Nov 1994 08:49:37 GMT` becomes `06/Nov/1994:08:49:37 +0000`.
                let date = http1::date(wall);
                let parts = [&date[5..7], &date[8..11], &date[12..16], &date[17..25], b"+0000"];
                for (place, part) in [0, 3, 7, 12, 21].into_iter().zip(parts) {
                    self.text[place..place + part.len()].copy_from_slice(part);
                }
                for (place, mark) in [(2, b'/'), (6, b'/'), (11, b':'), (20, b' ')] {
                    self.text[place] = mark;
                }
            }
        }
    }
}

/// Writes the six digits that stand before the `Z`.
fn put_micros(text: &mut [u8; JSON_LEN], micros: u32) {
    let mut rest = micros;
    for digit in text[DATE_LEN + 1..JSON_LEN - 1].iter_mut().rev() {
        *digit = b'0' + (rest % 10) as u8;
        rest /= 10;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn calendar(format: LogFormat) -> Calendar {
        let (read, wall) = (Instant::at(Duration::from_secs(5)), Duration::new(784_111_777, 5000));
        Calendar { read, wall, ..Calendar::new(format) }
    }

    fn text(calendar: &mut Calendar, at: Duration) -> String {
        let mut out = Vec::new();
        calendar.push(&mut out, Instant::at(at));
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn times_are_written_as_their_formats_want_them() {
        let at = Duration::from_secs(5);
        assert_eq!(text(&mut calendar(LogFormat::Json), at), "1994-11-06T08:49:37.000005Z");
        assert_eq!(text(&mut calendar(LogFormat::Combined), at), "06/Nov/1994:08:49:37 +0000");
    }

    #[test]
    fn the_time_goes_on_from_when_the_clocks_were_read_and_back() {
        let mut calendar = calendar(LogFormat::Json);
        let after = Duration::from_micros(5_999_990);
        assert_eq!(text(&mut calendar, after), "1994-11-06T08:49:37.999995Z");
        // Requests are noted when they begin, but one may have begun long ago.
        assert_eq!(text(&mut calendar, Duration::ZERO), "1994-11-06T08:49:32.000005Z");
    }

    #[test]
    fn after_a_second_the_clocks_are_read_again() {
        let mut calendar = calendar(LogFormat::Json);
        let text = text(&mut calendar, Duration::from_secs(3600));
        assert!(!text.starts_with("1994"), "{text}");
    }
}
