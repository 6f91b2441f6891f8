//! The small grammars of RFC 9110 §5.6 that everything else is made of.

use std::io::Write;
use std::net::IpAddr;

use super::class::Class;

/// Both `Content-Length` and chunk sizes stay within what a signed 64-bit integer holds, because
/// the server behind us may count with one.
pub(super) const LENGTH_MAX: u64 = i64::MAX as u64;

/// So many digits never make more than [`LENGTH_MAX`], so that nothing has to be checked.
const DIGITS_SAFE: usize = 18;

/// Whether `text` is a `token` (RFC 9110 §5.6.2): at least one `tchar` and nothing else.
pub(super) fn is_token(text: &[u8]) -> bool {
    !text.is_empty() && Class::TOKEN.len(text) == text.len()
}

/// Whether `byte` may stand in a field value (RFC 9110 §5.5): any octet but a control character,
/// among which the tab is allowed.
pub(super) const fn is_value_byte(byte: u8) -> bool {
    matches!(byte, b'\t' | b' '..=b'~' | 0x80..)
}

/// How many bytes of `text` may stand in a field value, up to the first that may not.
pub(super) fn value_len(text: &[u8]) -> usize {
    let mut at = text_len(text);
    while text.get(at) == Some(&b'\t') {
        at += 1;
        at += text_len(&text[at..]);
    }
    at
}

/// How many bytes of `text` come before its first control character. Eight at a time: heads are
/// made of values more than of anything else.
#[inline]
pub(super) fn text_len(text: &[u8]) -> usize {
    let mut at = 0;
    while let Some(eight) = text[at..].first_chunk() {
        let controls = controls(u64::from_le_bytes(*eight));
        if controls != 0 {
            return at + controls.trailing_zeros() as usize / 8;
        }
        at += 8;
    }
    at + text_len_of_few(&text[at..])
}

#[inline(never)]
fn text_len_of_few(text: &[u8]) -> usize {
    text.iter().position(u8::is_ascii_control).unwrap_or(text.len())
}

/// Sets the highest bit of each of eight bytes that is a control character, up to the first at
/// least: what stands above that one may be set for no reason, by its borrow.
const fn controls(eight: u64) -> u64 {
    const ONES: u64 = u64::from_le_bytes([1; 8]);
    const HIGHEST: u64 = ONES << 7;
    let below_space = eight.wrapping_sub(ONES * 0x20);
    let is_deleted = (eight ^ (ONES * 0x7f)).wrapping_sub(ONES);
    (below_space | is_deleted) & !eight & HIGHEST
}

/// `text` without the spaces and tabs around it.
pub(super) fn trim(text: &[u8]) -> &[u8] {
    let is_text = |byte: &u8| !matches!(byte, b' ' | b'\t');
    let Some(start) = text.iter().position(is_text) else { return &[] };
    let end = text.iter().rposition(is_text).map_or(start, |last| last + 1);
    &text[start..end]
}

/// The elements of a comma-separated list, trimmed; those that are empty too. Only for lists whose
/// elements cannot be quoted.
pub(super) fn elements(list: &[u8]) -> impl DoubleEndedIterator<Item = &[u8]> {
    list.split(|&byte| byte == b',').map(trim)
}

/// A decimal number made of digits only, at most [`LENGTH_MAX`]. `str::parse` would let `+5` pass.
pub(super) fn decimal(text: &[u8]) -> Option<u64> {
    if text.is_empty() {
        return None;
    }
    let (safe, rest) = text.split_at(text.len().min(DIGITS_SAFE));
    let mut number: u64 = 0;
    for &byte in safe {
        number = number * 10 + digit(byte)?;
    }
    for &byte in rest {
        number = number.checked_mul(10)?.checked_add(digit(byte)?)?;
    }
    (number <= LENGTH_MAX).then_some(number)
}

fn digit(byte: u8) -> Option<u64> {
    let digit = byte.wrapping_sub(b'0');
    (digit < 10).then_some(digit.into())
}

/// The value of a hexadecimal digit.
pub(super) const fn hex_digit(byte: u8) -> Option<u8> {
    match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        b'A'..=b'F' => Some(byte - b'A' + 10),
        _ => None,
    }
}

/// Appends `number` in decimal.
pub fn push_decimal(out: &mut Vec<u8>, number: u64) {
    out.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
}

/// Appends an address.
pub fn push_address(out: &mut Vec<u8>, address: IpAddr) {
    match address {
        IpAddr::V4(address) => {
            let [first, rest @ ..] = address.octets();
            push_decimal(out, first.into());
            for octet in rest {
                out.push(b'.');
                push_decimal(out, octet.into());
            }
        }
        IpAddr::V6(address) => {
            let written = write!(out, "{address}");
            debug_assert!(written.is_ok(), "memory takes everything");
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv6Addr;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_value_ends_at_the_first_byte_that_may_not_stand_in_it_wherever_that_is() {
        for stop in 0..=u8::MAX {
            for (before, after) in (0..20).flat_map(|before| [(before, 0), (before, 20)]) {
                let text = [&vec![b'a'; before][..], &[stop], &vec![0xff; after]].concat();
                let len = if is_value_byte(stop) { text.len() } else { before };
                assert_eq!(value_len(&text), len, "{stop:#x} after {before}, before {after}");
            }
        }
    }

    proptest! {
        #[test]
        fn addresses_are_written_as_the_standard_library_does(v4: [u8; 4], v6: [u8; 16]) {
            for address in [IpAddr::from(v4), IpAddr::from(Ipv6Addr::from(v6))] {
                let mut out = Vec::new();
                push_address(&mut out, address);
                prop_assert_eq!(String::from_utf8(out).unwrap(), address.to_string());
            }
        }
    }
}
