//! Just enough of a message's head: where it ends, how long its body is, and whether it is the
//! last one on its connection. The other side is a benchmark too, so nothing is checked.

use memchr::memchr;

/// What a head says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Head {
    /// The bytes up to the body.
    pub(crate) length: usize,
    /// The bytes of the body.
    pub(crate) body: u64,
    /// Where the line `Connection: close` starts, if there is one.
    pub(crate) close: Option<usize>,
    /// The body's length is not known from the head; nothing here can read that.
    pub(crate) is_chunked: bool,
}

impl Head {
    /// Reads the head at the start of `bytes`; `None` if its end has not arrived.
    #[inline]
    pub(crate) fn read(bytes: &[u8]) -> Option<Self> {
        let mut head = Self::default();
        let mut start = 0;
        loop {
            let end = start + memchr(b'\n', &bytes[start..])?;
            match &bytes[start..end] {
                [] | [b'\r'] => {
                    head.length = end + 1;
                    return Some(head);
                }
                // The first letter of what matters rules out nearly every line.
                line @ [b'c' | b'C' | b't' | b'T', ..] => head.note(line, start),
                _ => {}
            }
            start = end + 1;
        }
    }

    /// The head and the body together.
    pub(crate) fn total(self) -> u64 {
        self.length as u64 + self.body
    }

    fn note(&mut self, line: &[u8], start: usize) {
        if let Some(value) = value_of(line, b"content-length:") {
            let digits = value.iter().filter(|byte| byte.is_ascii_digit());
            self.body = digits.fold(0, |sum, digit| sum * 10 + u64::from(digit - b'0'));
        } else if let Some(value) = value_of(line, b"connection:") {
            let is_close = value.trim_ascii().eq_ignore_ascii_case(b"close");
            self.close = is_close.then_some(start).or(self.close);
        } else if value_of(line, b"transfer-encoding:").is_some() {
            self.is_chunked = true;
        }
    }
}

/// The status of an answer; 0 if there is none.
pub(crate) fn status(answer: &[u8]) -> u16 {
    let digits = answer.get(9..12).unwrap_or_default();
    digits.iter().fold(0, |sum, digit| sum * 10 + u16::from(digit.wrapping_sub(b'0')))
}

fn value_of<'a>(line: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    let (start, value) = line.split_at_checked(name.len())?;
    start.eq_ignore_ascii_case(name).then_some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_tells_its_length_its_body_and_whether_it_is_the_last() {
        let text = b"HTTP/1.1 200 OK\r\ncontent-length: 133\r\nConnection: close\r\n\r\nbody";
        let head = Head::read(text).expect("it is whole");
        let expected = Head { length: 59, body: 133, close: Some(38), is_chunked: false };
        assert_eq!((head, status(text)), (expected, 200));
    }

    #[test]
    fn a_head_without_its_end_is_not_read() {
        let text = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n";
        assert!((0..text.len()).all(|end| Head::read(&text[..end]).is_none()));
        assert_eq!(Head::read(text).map(|head| head.length), Some(text.len()));
    }
}
