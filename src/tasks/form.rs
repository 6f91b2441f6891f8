//! Decodes `application/x-www-form-urlencoded`, in bodies and after the `?` of a URL.
//!
//! As the WHATWG says (<https://url.spec.whatwg.org/#urlencoded-parsing>), but bytes that are not
//! UTF-8 are refused instead of replaced: a text is stored as it was sent, or not at all.

/// A form with bytes that are no text.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("what is sent must be UTF-8 once its `%XX` are decoded")]
pub(super) struct NotUtf8;

/// A name and its value.
pub(super) type Pair = (String, String);

/// The pairs of the form, in order.
pub(super) fn pairs(form: &[u8]) -> Result<Vec<Pair>, NotUtf8> {
    form.split(|byte| *byte == b'&').filter(|pair| !pair.is_empty()).map(pair).collect()
}

/// `text` as the value of a pair.
pub(super) fn encoded(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'*' => {
                encoded.push(char::from(byte));
            }
            _ => encoded += &format!("%{byte:02X}"),
        }
    }
    encoded
}

fn pair(pair: &[u8]) -> Result<Pair, NotUtf8> {
    let end_of_name = pair.iter().position(|byte| *byte == b'=').unwrap_or(pair.len());
    let (name, value) = pair.split_at(end_of_name);
    Ok((decode(name)?, decode(value.get(1..).unwrap_or_default())?))
}

fn decode(encoded: &[u8]) -> Result<String, NotUtf8> {
    let mut decoded = Vec::with_capacity(encoded.len());
    let mut rest = encoded;
    while let [first, tail @ ..] = rest {
        let (byte, after) = decode_first(*first, tail);
        decoded.push(byte);
        rest = after;
    }
    String::from_utf8(decoded).map_err(|_| NotUtf8)
}

/// The next byte, and what follows it. A `%` without two hexadecimal digits is itself.
fn decode_first(first: u8, tail: &[u8]) -> (u8, &[u8]) {
    match (first, tail) {
        (b'+', _) => (b' ', tail),
        (b'%', [high, low, after @ ..]) => match (hex(*high), hex(*low)) {
            (Some(high), Some(low)) => (high << 4 | low, after),
            _ => (first, tail),
        },
        _ => (first, tail),
    }
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decoded(form: &str) -> Vec<Pair> {
        pairs(form.as_bytes()).unwrap()
    }

    fn owned(pairs: &[(&str, &str)]) -> Vec<Pair> {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn names_and_values_are_decoded() {
        let form = "1=comprar+p%C3%A3o+%26+leite+%3D+2&limit=10";
        assert_eq!(decoded(form), owned(&[("1", "comprar pão & leite = 2"), ("limit", "10")]));
    }

    #[test]
    fn what_is_encoded_is_decoded_to_itself() {
        let text = "pão & leite = 100% *_-.~+";
        assert_eq!(encoded("a b&ã"), "a%20b%26%C3%A3");
        assert_eq!(decoded(&format!("a={}", encoded(text))), owned(&[("a", text)]));
    }

    #[test]
    fn what_looks_odd_is_taken_literally() {
        assert_eq!(decoded(""), []);
        assert_eq!(decoded("&&a&=b&"), owned(&[("a", ""), ("", "b")]));
        assert_eq!(decoded("a=b=c"), owned(&[("a", "b=c")]));
        assert_eq!(decoded("a=100%&b=%zz%4"), owned(&[("a", "100%"), ("b", "%zz%4")]));
    }

    #[test]
    fn what_is_not_utf8_is_refused() {
        assert_eq!(pairs(b"a=%FF"), Err(NotUtf8));
        assert_eq!(pairs(b"\xff=a"), Err(NotUtf8));
    }
}
