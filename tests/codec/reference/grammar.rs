//! Tokens, values, lists and numbers.

/// RFC 9110 §5.6.2: `tchar`.
fn is_tchar(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

/// RFC 9110 §5.6.2: `token = 1*tchar`.
pub(crate) fn is_token(text: &[u8]) -> bool {
    !text.is_empty() && text.iter().all(|&byte| is_tchar(byte))
}

/// RFC 9110 §5.5: `VCHAR`, `obs-text`, and the blanks between them.
pub(crate) fn is_value_byte(byte: u8) -> bool {
    let (is_visible, is_obs_text) = ((0x21..=0x7e).contains(&byte), byte >= 0x80);
    is_visible || is_obs_text || is_blank(byte)
}

pub(crate) fn is_value(text: &[u8]) -> bool {
    text.iter().all(|&byte| is_value_byte(byte))
}

/// RFC 9110 §5.6.3: what `OWS` is made of.
pub(crate) fn is_blank(byte: u8) -> bool {
    byte == b' ' || byte == b'\t'
}

/// `text` without the blanks at its end.
pub(crate) fn strip_end(mut text: &[u8]) -> &[u8] {
    while text.last().is_some_and(|&byte| is_blank(byte)) {
        text = &text[..text.len() - 1];
    }
    text
}

/// `text` without the blanks around it.
pub(crate) fn strip(mut text: &[u8]) -> &[u8] {
    while text.first().is_some_and(|&byte| is_blank(byte)) {
        text = &text[1..];
    }
    strip_end(text)
}

/// RFC 9110 §5.6.1: the elements of a list, empty ones included.
pub(crate) fn list(value: &[u8]) -> Vec<&[u8]> {
    value.split(|&byte| byte == b',').map(strip).collect()
}

/// `1*DIGIT`, and it fits in 63 bits: the server behind us may count with a sign.
pub(crate) fn number(text: &[u8]) -> Option<u64> {
    if text.is_empty() || !text.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let text = String::from_utf8(text.to_vec()).expect("digits");
    text.parse::<u64>().ok().filter(|&number| i64::try_from(number).is_ok())
}

/// RFC 6265 §4.2.1: the pairs of a `Cookie` line, as they are.
pub(crate) fn cookie_pairs(value: &[u8]) -> Vec<&[u8]> {
    let pairs = value.split(|&byte| byte == b';').map(strip);
    pairs.filter(|pair| !pair.is_empty()).collect()
}

pub(crate) fn is_same(text: &[u8], name: &str) -> bool {
    text.eq_ignore_ascii_case(name.as_bytes())
}
