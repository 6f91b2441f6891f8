//! The trace that a request belongs to, as W3C Trace Context names it.
//! See <https://www.w3.org/TR/trace-context/>.

use super::request_id::HEX;

/// The length of version 00: `00-`, 32 digits, `-`, 16 digits, `-`, two digits. Later versions
/// begin like it.
const LENGTH: usize = 55;

/// What the name of the one header is, and the version that we write.
const LINE_START: &[u8] = b"traceparent: 00-";

/// A trace's id: never zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TraceId(u128);

/// A span's id: never zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SpanId(u64);

/// What else a `traceparent` says, bit by bit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TraceFlags(u8);

/// What one `traceparent` says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TraceParent {
    /// The trace.
    pub trace: TraceId,
    /// What in it the request came from.
    pub span: SpanId,
    /// What else is said.
    pub flags: TraceFlags,
}

/// What a request says of its trace when it goes on, in the place of what it said when it came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TraceOnward {
    /// The header.
    pub parent: TraceParent,
    /// Since when there is the trace.
    pub begun: TraceBegun,
}

/// Since when there is a trace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TraceBegun {
    /// The request came with it.
    Before,
    /// It begins with us: a `tracestate` that the request came with is of no trace (§3.2.3).
    Here,
}

/// Where in a head that was written the id of the sending span stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SpanPlace(usize);

impl TraceId {
    /// The id that is made of this draw.
    #[must_use]
    pub const fn from_draw(draw: u128) -> Self {
        Self(if draw == 0 { 1 } else { draw })
    }

    /// Its bytes.
    #[must_use]
    pub const fn to_bytes(self) -> [u8; 16] {
        self.0.to_be_bytes()
    }

    /// Appends its 32 digits.
    pub fn push(self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.to_bytes().map(digits).as_flattened());
    }
}

impl SpanId {
    /// The id that is made of this draw.
    #[must_use]
    pub const fn from_draw(draw: u64) -> Self {
        Self(if draw == 0 { 1 } else { draw })
    }

    /// Its bytes.
    #[must_use]
    pub const fn to_bytes(self) -> [u8; 8] {
        self.0.to_be_bytes()
    }
}

impl TraceFlags {
    /// Who sent the request records it, or may (§3.2.2.5.1).
    pub const SAMPLED: Self = Self(0b01);

    /// The one above, and that the trace's id is random (level 2, §3.2.2.5.2). Nothing is known of
    /// the other bits, which therefore stop here.
    const KNOWN: u8 = 0b11;

    /// Whether who sent the request records it.
    #[must_use]
    pub const fn is_sampled(self) -> bool {
        self.0 & Self::SAMPLED.0 != 0
    }
}

impl TraceParent {
    /// Reads the value of a `traceparent`; `None` if that says nothing valid.
    #[must_use]
    pub fn parse(value: &[u8]) -> Option<Self> {
        let (known, rest) = value.split_at_checked(LENGTH)?;
        let [version @ .., _] = &known[..3] else { return None };
        let (trace, span, flags) = (&known[3..35], &known[36..52], &known[53..]);
        let is_hex =
            |text: &[u8]| text.iter().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        let dashes = [known[2], known[35], known[52]] == [b'-'; 3];
        let is_well_formed = dashes && [version, trace, span, flags].into_iter().all(is_hex);
        // Only a later version may go on, after another dash (§4.3).
        let ends_well =
            if version == b"00" { rest.is_empty() } else { matches!(rest, [] | [b'-', ..]) };
        if !is_well_formed || version == b"ff" || !ends_well {
            return None;
        }
        let (trace, span) = (number(trace), number(span) as u64);
        let flags = TraceFlags(number(flags) as u8);
        let is_known = trace != 0 && span != 0;
        is_known.then_some(Self { trace: TraceId(trace), span: SpanId(span), flags })
    }
}

impl TraceOnward {
    /// Appends the header; says where in it the id of the span stands.
    pub(super) fn push(&self, out: &mut Vec<u8>) -> SpanPlace {
        let TraceParent { trace, span, flags } = self.parent;
        out.extend_from_slice(LINE_START);
        trace.push(out);
        out.push(b'-');
        let place = SpanPlace(out.len());
        out.extend_from_slice(span.to_bytes().map(digits).as_flattened());
        out.push(b'-');
        out.extend_from_slice(&digits(flags.0 & TraceFlags::KNOWN));
        out.extend_from_slice(b"\r\n");
        place
    }
}

impl SpanPlace {
    /// Writes another id there: each try is a span of its own. `head` is what was written.
    pub fn set(self, head: &mut [u8], span: SpanId) {
        let digits = span.to_bytes().map(digits);
        // A head that is not kept is not sent again.
        if let Some(place) = head.get_mut(self.0..self.0 + 2 * digits.len()) {
            place.copy_from_slice(digits.as_flattened());
        }
    }
}

fn digits(byte: u8) -> [u8; 2] {
    HEX[usize::from(byte)]
}

/// The number that these digits are, of which there are 32 at most.
fn number(digits: &[u8]) -> u128 {
    let value = |digit: u8| u128::from(if digit > b'9' { digit - b'a' + 10 } else { digit - b'0' });
    digits.iter().fold(0, |number, digit| number << 4 | value(*digit))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TRACE: u128 = 0x4bf9_2f35_77b3_4da6_a3ce_929d_0e0e_4736;
    const SPAN: u64 = 0x00f0_67aa_0ba9_02b7;

    #[test]
    fn the_trace_is_found_in_this_version_and_in_later_ones() {
        for value in [
            format!("00-{TRACE:032x}-{SPAN:016x}-01"),
            format!("cc-{TRACE:032x}-{SPAN:016x}-01"),
            format!("cc-{TRACE:032x}-{SPAN:016x}-01-what-comes"),
        ] {
            let parent = TraceParent::parse(value.as_bytes()).unwrap();
            assert_eq!((parent.trace, parent.span), (TraceId(TRACE), SpanId(SPAN)), "{value}");
            assert!(parent.flags.is_sampled(), "{value}");
        }
    }

    #[test]
    fn what_is_not_valid_names_no_trace() {
        let (trace, span) = (format!("{TRACE:032x}"), format!("{SPAN:016x}"));
        let zeros = "0".repeat(32);
        for value in [
            String::new(),
            format!("00-{trace}-{span}"),
            format!("00-{trace}-{span}-01-more"),
            format!("cc-{trace}-{span}-01more"),
            format!("ff-{trace}-{span}-01"),
            format!("00-{zeros}-{span}-01"),
            format!("00-{trace}-0000000000000000-01"),
            format!("00-{}-{span}-01", trace.to_uppercase()),
            format!("00_{trace}-{span}-01"),
            format!("00-{}\"-{span}-01", &trace[1..]),
        ] {
            assert_eq!(TraceParent::parse(value.as_bytes()), None, "{value}");
        }
    }

    #[test]
    fn what_goes_on_names_us_and_says_only_what_we_know() {
        let flags = TraceFlags(0xff);
        let parent = TraceParent { trace: TraceId(TRACE), span: SpanId(1), flags };
        let mut head = b"GET".to_vec();
        let place = TraceOnward { parent, begun: TraceBegun::Before }.push(&mut head);
        place.set(&mut head, SpanId(SPAN));
        let expected = format!("GETtraceparent: 00-{TRACE:032x}-{SPAN:016x}-03\r\n");
        assert_eq!(String::from_utf8(head).unwrap(), expected);
    }

    #[test]
    fn no_draw_makes_the_id_that_is_none() {
        assert_eq!((TraceId::from_draw(0), SpanId::from_draw(0)), (TraceId(1), SpanId(1)));
    }
}
