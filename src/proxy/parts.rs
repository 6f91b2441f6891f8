//! Bytes that go out as one, from two places: mostly a head that was written anew, and a body from
//! where it was read to.

use std::io::IoSlice;

use rustix::io::Errno;
use rustix::net::{SendAncillaryBuffer, SendFlags, send, sendmsg};

use super::socket::Socket;

/// So many bytes of a body are worth a write from two places. Fewer are copied to the head sooner
/// than the system has understood where both are: it takes as long as to copy one or two kilobytes.
pub(super) const WORTHWHILE: usize = 2 * 1024;

/// What is written next, in this order.
#[derive(Clone, Copy, Debug)]
pub(super) struct Parts<'a> {
    first: &'a [u8],
    then: &'a [u8],
}

impl<'a> Parts<'a> {
    /// What of `first` and then `then` is left after `written` bytes.
    pub(super) fn left(first: &'a [u8], then: &'a [u8], written: usize) -> Self {
        match first.get(written..) {
            Some(first) => Self { first, then },
            None => Self { first: &[], then: &then[written - first.len()..] },
        }
    }

    pub(super) fn len(self) -> usize {
        self.first.len() + self.then.len()
    }

    pub(super) fn is_empty(self) -> bool {
        self.len() == 0
    }

    /// One system call. Returns how many bytes it took.
    pub(super) fn send(self, stream: &Socket, flags: SendFlags) -> Result<usize, Errno> {
        match (self.first, self.then) {
            (bytes, []) | ([], bytes) => send(stream, bytes, flags),
            (first, then) => {
                let slices = [IoSlice::new(first), IoSlice::new(then)];
                sendmsg(stream, &slices, &mut SendAncillaryBuffer::default(), flags)
            }
        }
    }
}

impl<'a> From<&'a [u8]> for Parts<'a> {
    fn from(bytes: &'a [u8]) -> Self {
        Self { first: bytes, then: &[] }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_begins_in_the_part_that_was_reached() {
        let left = |written| {
            let Parts { first, then } = Parts::left(b"head", b"body", written);
            [first, then].map(|part| std::str::from_utf8(part).unwrap())
        };
        assert_eq!([left(0), left(3)], [["head", "body"], ["d", "body"]]);
        assert_eq!([left(4), left(5), left(8)], [["", "body"], ["", "ody"], ["", ""]]);
    }
}
