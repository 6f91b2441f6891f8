//! Which bytes the parts of a message are made of, in one table.

/// A set of bytes.
#[derive(Clone, Copy)]
pub(super) struct Class(u8);

/// The classes that each byte is in.
const CLASSES: [u8; 256] = {
    let mut table = [0; 256];
    let mut at = 0;
    while at < table.len() {
        let byte = at as u8;
        table[at] = Class::TOKEN.if_in(is_token(byte))
            | Class::TARGET.if_in(is_target(byte))
            | Class::HOST.if_in(is_host(byte));
        at += 1;
    }
    table
};

impl Class {
    /// `tchar` (RFC 9110 §5.6.2).
    pub(super) const TOKEN: Self = Self(1);
    /// What may stand in a target. RFC 3986 allows fewer (no `"<>\^`{|}`), but those are in use and
    /// end nothing; a fragment never leaves the client.
    pub(super) const TARGET: Self = Self(2);
    /// Letters, digits and `-._~`, in the name of a host. RFC 3986 would also allow
    /// percent-encoding and the delimiters `!$&'()*+,;=`; no name that resolves has one, and a list
    /// (`a,b`) is made of them.
    pub(super) const HOST: Self = Self(4);

    /// Whether `byte` is one of them.
    pub(super) const fn has(self, byte: u8) -> bool {
        CLASSES[byte as usize] & self.0 != 0
    }

    /// How many bytes of `text` are, up to the first that is not. Eight are looked at for each look
    /// at how many there are.
    #[inline]
    pub(super) fn len(self, text: &[u8]) -> usize {
        let mut at = 0;
        while let Some(eight) = text[at..].first_chunk::<8>() {
            if let Some(len) = eight.iter().position(|&byte| !self.has(byte)) {
                return at + len;
            }
            at += 8;
        }
        at + self.len_of_few(&text[at..])
    }

    #[inline(never)]
    fn len_of_few(self, text: &[u8]) -> usize {
        text.iter().position(|&byte| !self.has(byte)).unwrap_or(text.len())
    }

    const fn if_in(self, is_in: bool) -> u8 {
        if is_in { self.0 } else { 0 }
    }
}

const fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
        || matches!(byte, b'!' | b'#' | b'$' | b'%' | b'&' | b'\'' | b'*' | b'+')
        || matches!(byte, b'-' | b'.' | b'^' | b'_' | b'`' | b'|' | b'~')
}

const fn is_target(byte: u8) -> bool {
    byte.is_ascii_graphic() && byte != b'#'
}

const fn is_host(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_ends_at_the_first_byte_of_another_class_wherever_that_is() {
        for class in [Class::TOKEN, Class::TARGET, Class::HOST] {
            for stop in 0..=u8::MAX {
                for (before, after) in (0..20).flat_map(|before| [(before, 0), (before, 20)]) {
                    let text = [&vec![b'a'; before][..], &[stop], &vec![b'-'; after]].concat();
                    let len = if class.has(stop) { text.len() } else { before };
                    assert_eq!(class.len(&text), len, "{stop:#x} after {before}, before {after}");
                }
            }
        }
    }
}
