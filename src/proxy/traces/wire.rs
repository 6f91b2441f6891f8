//! The wire format: messages of Protocol Buffers, appended field by field.
//! <https://protobuf.dev/programming-guides/encoding/>

use std::borrow::Cow;

use micropb::size::{sizeof_tag, sizeof_varint32, sizeof_varint64};
use micropb::{PbEncoder, Tag, WIRE_TYPE_I32, WIRE_TYPE_I64, WIRE_TYPE_LEN, WIRE_TYPE_VARINT};

/// Bytes of a text that are told: what is longer is somebody's data, and a collector takes no more
/// of it than we take of a span.
const TEXT_MAX: usize = 1024;

/// Where in a message a field stands, by its number.
pub(super) type Field = u32;

/// In `KeyValue`: its name...
const KEY: Field = 1;
/// ...and its value; in `AnyValue`: a text...
const VALUE: Field = 2;
const TEXT: Field = 1;
/// ...or a whole number.
const INTEGER: Field = 3;

/// Appends bytes, a text or a message that is there already.
pub(super) fn push_bytes(out: &mut Vec<u8>, field: Field, bytes: &[u8]) {
    push_length(out, field, bytes.len());
    out.extend_from_slice(bytes);
}

/// Begins a field of so many bytes, which follow.
pub(super) fn push_length(out: &mut Vec<u8>, field: Field, length: usize) {
    let mut encoder = PbEncoder::new(out);
    let Ok(()) = encoder.encode_tag(Tag::from_parts(field, WIRE_TYPE_LEN));
    let Ok(()) = encoder.encode_varint32(length as u32);
}

/// Appends a number that is mostly small.
pub(super) fn push_number(out: &mut Vec<u8>, field: Field, number: u64) {
    let mut encoder = PbEncoder::new(out);
    let Ok(()) = encoder.encode_tag(Tag::from_parts(field, WIRE_TYPE_VARINT));
    let Ok(()) = encoder.encode_varint64(number);
}

/// Appends a number in four bytes.
pub(super) fn push_fixed32(out: &mut Vec<u8>, field: Field, number: u32) {
    let mut encoder = PbEncoder::new(out);
    let Ok(()) = encoder.encode_tag(Tag::from_parts(field, WIRE_TYPE_I32));
    let Ok(()) = encoder.encode_fixed32(number);
}

/// Appends a number in eight bytes.
pub(super) fn push_fixed64(out: &mut Vec<u8>, field: Field, number: u64) {
    let mut encoder = PbEncoder::new(out);
    let Ok(()) = encoder.encode_tag(Tag::from_parts(field, WIRE_TYPE_I64));
    let Ok(()) = encoder.encode_fixed64(number);
}

/// The size of a field of so many bytes.
pub(super) fn size_of(field: Field, length: usize) -> usize {
    sizeof_tag(Tag::from_parts(field, WIRE_TYPE_LEN)) + sizeof_varint32(length as u32) + length
}

/// Appends an attribute with a text. A collector refuses everything for one byte that is not UTF-8.
pub(super) fn push_text(out: &mut Vec<u8>, field: Field, key: &str, text: &[u8]) {
    push_joined_text(out, field, key, [b"", text]);
}

/// The same with a text that is in two pieces, the first of which is short and our own.
pub(super) fn push_joined_text(
    out: &mut Vec<u8>,
    field: Field,
    key: &str,
    [first, rest]: [&[u8]; 2],
) {
    let rest = readable(rest);
    let length = first.len() + rest.len();
    let value = size_of(TEXT, length);
    push_length(out, field, size_of(KEY, key.len()) + size_of(VALUE, value));
    push_bytes(out, KEY, key.as_bytes());
    push_length(out, VALUE, value);
    push_length(out, TEXT, length);
    out.extend_from_slice(first);
    out.extend_from_slice(rest.as_bytes());
}

/// Appends an attribute with a whole number.
pub(super) fn push_integer(out: &mut Vec<u8>, field: Field, key: &str, number: u64) {
    let value = sizeof_tag(Tag::from_parts(INTEGER, WIRE_TYPE_VARINT)) + sizeof_varint64(number);
    push_length(out, field, size_of(KEY, key.len()) + size_of(VALUE, value));
    push_bytes(out, KEY, key.as_bytes());
    push_length(out, VALUE, value);
    push_number(out, INTEGER, number);
}

/// The text, or as much of it as is told. It is allocated only if it is not UTF-8.
fn readable(text: &[u8]) -> Cow<'_, str> {
    let kept = &text[..text.len().min(TEXT_MAX)];
    match str::from_utf8(kept) {
        Ok(text) => text.into(),
        // The cut is within a character.
        Err(error) if kept.len() < text.len() && error.error_len().is_none() => {
            String::from_utf8_lossy(&kept[..error.valid_up_to()])
        }
        Err(_) => String::from_utf8_lossy(kept),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_cut_between_its_characters_and_repaired() {
        assert_eq!(readable("não".as_bytes()), "não");
        assert_eq!(readable(b"a\xffb"), "a\u{fffd}b");
        let long = format!("a{}", "ã".repeat(TEXT_MAX));
        let cut = readable(long.as_bytes());
        assert_eq!(cut.len(), TEXT_MAX - 1);
        assert!(long.starts_with(&*cut));
    }
}
