//! What goes into a line. Whatever a client wrote is bounded and escaped, so that it can neither
//! end its field nor its line.

/// Bytes that are shown of each part of a request, so that no client can fill the disk with one:
/// of a target, what browsers' address bars are for;...
pub(super) const TARGET_MAX: usize = 2048;
/// ...of a page that linked here, half of that;...
pub(super) const REFERER_MAX: usize = 1024;
/// ...of `User-Agent`, twice what browsers send;...
pub(super) const AGENT_MAX: usize = 512;
/// ...of a host, its longest name with a port;...
pub(super) const HOST_MAX: usize = 261;
/// ...of what came instead of a request, enough to see what it was;...
pub(super) const LINE_MAX: usize = 128;
/// ...and an endpoint's address is one that the operator wrote.
pub(super) const ADDRESS_MAX: usize = 128;

/// The end of a text that was cut.
const ELLIPSIS: &[u8] = b"...";

const HEX: &[u8; 16] = b"0123456789abcdef";

/// Appends what stands between the quotes of a JSON string (RFC 8259 §7): up to `most` bytes of
/// `value`. What is not UTF-8 is replaced; what a terminal would obey is escaped.
pub(super) fn push_json(out: &mut Vec<u8>, value: &[u8], most: usize) {
    let shown = beginning(value, most);
    if is_plain(shown) {
        out.extend_from_slice(shown);
    } else {
        push_json_escaped(out, shown);
    }
    if shown.len() < value.len() {
        out.extend_from_slice(ELLIPSIS);
    }
}

/// Appends what stands between the quotes of a field of `combined`, as nginx does: what is not
/// visible ASCII, a quote or a backslash becomes `\xNN`.
pub(super) fn push_combined(out: &mut Vec<u8>, value: &[u8], most: usize) {
    let shown = beginning(value, most);
    if is_plain(shown) {
        out.extend_from_slice(shown);
    } else {
        for &byte in shown {
            match is_plain_byte(byte) {
                true => out.push(byte),
                false => out.extend_from_slice(&[b'\\', b'x', hex(byte >> 4), hex(byte)]),
            }
        }
    }
    if shown.len() < value.len() {
        out.extend_from_slice(ELLIPSIS);
    }
}

fn push_json_escaped(out: &mut Vec<u8>, value: &[u8]) {
    for chunk in value.utf8_chunks() {
        for character in chunk.valid().chars() {
            match character {
                '"' | '\\' => out.extend_from_slice(&[b'\\', character as u8]),
                _ if is_obeyed(character) => {
                    let code = character as u32;
                    out.extend_from_slice(b"\\u");
                    out.extend([12, 8, 4, 0].map(|shift| hex((code >> shift) as u8)));
                }
                _ => out.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes()),
            }
        }
        if !chunk.invalid().is_empty() {
            out.extend_from_slice("\u{FFFD}".as_bytes());
        }
    }
}

/// Whether something that shows the text would do what the character says instead of showing it:
/// control characters, ends of lines, and what turns the direction of reading.
const fn is_obeyed(character: char) -> bool {
    matches!(character, '\0'..='\u{1F}' | '\u{7F}'..='\u{9F}' | '\u{200E}' | '\u{200F}'
        | '\u{2028}'..='\u{202E}' | '\u{2066}'..='\u{2069}')
}

/// At most `most` bytes, and no half of a character.
fn beginning(value: &[u8], most: usize) -> &[u8] {
    if value.len() <= most {
        return value;
    }
    // A character has at most three bytes after its first; more of the kind is no UTF-8 anyway.
    let is_first = |at: &usize| value[*at] & 0b1100_0000 != 0b1000_0000;
    let end = (most.saturating_sub(3)..=most).rev().find(is_first).unwrap_or(most);
    &value[..end]
}

/// Whether nothing has to be escaped. Looks at eight bytes at once, at some of the last ones twice.
fn is_plain(value: &[u8]) -> bool {
    let Some(last) = value.last_chunk::<8>() else {
        return value.iter().all(|&byte| is_plain_byte(byte));
    };
    let (eights, _) = value.as_chunks::<8>();
    eights.iter().chain([last]).all(|eight| are_plain(u64::from_ne_bytes(*eight)))
}

/// The same of eight bytes (Sean Anderson, "Bit Twiddling Hacks", "Determine if a word has a byte
/// less than n"): the highest bit of each says that it is not ASCII or that it is one of those that
/// are escaped. A borrow may add to what is found, but only above something that was found.
const fn are_plain(eight: u64) -> bool {
    const EACH: u64 = 0x0101_0101_0101_0101;
    const HIGHEST: u64 = EACH << 7;
    const fn zeros(word: u64) -> u64 {
        word.wrapping_sub(EACH) & !word
    }
    let control = eight.wrapping_sub(EACH * 0x20) & !eight;
    let delete = zeros(eight ^ (EACH * 0x7F));
    let quote = zeros(eight ^ (EACH * b'"' as u64));
    let backslash = zeros(eight ^ (EACH * b'\\' as u64));
    (eight | control | delete | quote | backslash) & HIGHEST == 0
}

const fn is_plain_byte(byte: u8) -> bool {
    matches!(byte, b' '..=b'~') & (byte != b'"') & (byte != b'\\')
}

const fn hex(digit: u8) -> u8 {
    HEX[(digit & 0xf) as usize]
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn json(value: &[u8], most: usize) -> String {
        let mut out = vec![b'"'];
        push_json(&mut out, value, most);
        out.push(b'"');
        String::from_utf8(out).unwrap()
    }

    fn combined(value: &[u8], most: usize) -> String {
        let mut out = Vec::new();
        push_combined(&mut out, value, most);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn what_ends_a_field_or_a_line_is_escaped() {
        assert_eq!(json(b"a\"b\\c\nd", 99), r#""a\"b\\c\u000ad""#);
        assert_eq!(json("é\u{85}\u{2028}\u{202E}".as_bytes(), 99), "\"é\\u0085\\u2028\\u202e\"");
        assert_eq!(json(b"a\xFFb", 99), "\"a\u{FFFD}b\"");
        assert_eq!(combined(b"a\"b\\c\nd\xFF", 99), r"a\x22b\x5cc\x0ad\xff");
    }

    #[test]
    fn eight_bytes_at_once_are_judged_like_each_by_itself() {
        for byte in 0..=u8::MAX {
            for place in 0..8 {
                for other in [b' ', b'!', b'#', b'[', b']', b'~'] {
                    let mut eight = [other; 8];
                    eight[place] = byte;
                    assert_eq!(is_plain(&eight), is_plain_byte(byte), "{eight:?}");
                    let twelve = [[other; 4].as_slice(), &eight].concat();
                    assert_eq!(is_plain(&twelve), is_plain_byte(byte), "{twelve:?}");
                }
            }
        }
    }

    #[test]
    fn what_is_too_long_is_cut_between_characters() {
        assert_eq!(json(b"abcdef", 6), "\"abcdef\"");
        assert_eq!(json(b"abcdef", 5), "\"abcde...\"");
        assert_eq!(json("abé".as_bytes(), 3), "\"ab...\"");
        assert_eq!(json("a€€".as_bytes(), 6), "\"a€...\"");
        assert_eq!(json(&[0x80; 9], 2), format!("\"{}...\"", "\u{FFFD}".repeat(2)));
        assert_eq!(combined(b"abcdef", 5), "abcde...");
    }

    /// Any bytes, some of which are the beginning of what could be a forged line.
    fn bytes() -> impl Strategy<Value = Vec<u8>> {
        let garbage = prop::collection::vec(any::<u8>(), 0..80);
        let text = any::<String>().prop_map(String::into_bytes);
        let forged = r#"[ -~]{0,20}("|\\|\r|\n|\u{2028}|\u{9b})[ -~]{0,20}"#;
        prop_oneof![garbage, text, forged.prop_map(String::into_bytes)]
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_back_by_another_reader(value in bytes()) {
            let read: String = serde_json::from_str(&json(&value, 99)).unwrap();
            prop_assert_eq!(read, String::from_utf8_lossy(&value));
        }

        #[test]
        fn no_bytes_forge_a_field(value in bytes(), most in 0..90_usize) {
            let text = json(&value, most);
            prop_assert!(!text.chars().any(is_obeyed), "{text:?}");
            prop_assert!(serde_json::from_str::<String>(&text).is_ok(), "{text:?}");
            let text = combined(&value, most);
            prop_assert!(text.bytes().all(|byte| (b' '..=b'~').contains(&byte) && byte != b'"'));
            prop_assert!(text.len() <= 4 * most + ELLIPSIS.len());
        }
    }
}
