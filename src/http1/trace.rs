//! The trace that a request belongs to, as W3C Trace Context names it. The header itself is none of
//! ours and passes as it is, whatever it says. See <https://www.w3.org/TR/trace-context/>.

/// What `traceparent` is called, in the case in which it is compared.
pub const TRACEPARENT: &[u8] = b"traceparent";

/// The length of version 00: `00-`, 32 digits, `-`, 16 digits, `-`, two digits. Later versions
/// begin like it.
const LENGTH: usize = 55;

/// The trace's id, 32 digits, in a `traceparent`; `None` if that says nothing valid.
#[must_use]
pub fn trace_id(value: &[u8]) -> Option<&[u8]> {
    let (known, rest) = value.split_at_checked(LENGTH)?;
    let [version @ .., _] = &known[..3] else { return None };
    let (trace, parent, flags) = (&known[3..35], &known[36..52], &known[53..]);
    let is_hex = |text: &[u8]| text.iter().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    let is_zero = |text: &[u8]| text.iter().all(|byte| *byte == b'0');
    let dashes = [known[2], known[35], known[52]] == [b'-'; 3];
    let is_well_formed = dashes && [version, trace, parent, flags].into_iter().all(is_hex);
    let is_known = version != b"ff" && !is_zero(trace) && !is_zero(parent);
    // Only a later version may go on, after another dash (§4.3).
    let ends_well =
        if version == b"00" { rest.is_empty() } else { matches!(rest, [] | [b'-', ..]) };
    (is_well_formed && is_known && ends_well).then_some(trace)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
    const PARENT: &str = "00f067aa0ba902b7";

    #[test]
    fn the_trace_is_found_in_this_version_and_in_later_ones() {
        for value in [
            format!("00-{TRACE}-{PARENT}-01"),
            format!("cc-{TRACE}-{PARENT}-01"),
            format!("cc-{TRACE}-{PARENT}-01-what-comes"),
        ] {
            assert_eq!(trace_id(value.as_bytes()), Some(TRACE.as_bytes()), "{value}");
        }
    }

    #[test]
    fn what_is_not_valid_names_no_trace() {
        let zeros = "0".repeat(32);
        for value in [
            String::new(),
            format!("00-{TRACE}-{PARENT}"),
            format!("00-{TRACE}-{PARENT}-01-more"),
            format!("cc-{TRACE}-{PARENT}-01more"),
            format!("ff-{TRACE}-{PARENT}-01"),
            format!("00-{zeros}-{PARENT}-01"),
            format!("00-{TRACE}-0000000000000000-01"),
            format!("00-{}-{PARENT}-01", TRACE.to_uppercase()),
            format!("00_{TRACE}-{PARENT}-01"),
            format!("00-{}\"-{PARENT}-01", &TRACE[1..]),
        ] {
            assert_eq!(trace_id(value.as_bytes()), None, "{value}");
        }
    }
}
