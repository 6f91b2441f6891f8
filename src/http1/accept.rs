//! What the client would rather read (RFC 9110 §12.5.1), among the forms that we can write.

use super::syntax::{is_token, trim};

/// Media ranges that are looked at. A browser sends eight; what comes after so many is as good as
/// not asked for.
const RANGES_MAX: usize = 32;

/// A quality of 1, in thousandths: three decimals are all that it may have (§12.4.2).
const QUALITY_FULL: u16 = 1000;

/// A form of an answer of our own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Form {
    /// Plain text, for terminals and for those who have said nothing.
    #[default]
    Text,
    /// A page, for people with a browser.
    Html,
    /// Problem details (RFC 9457), for programs.
    Json,
}

/// How well a form fits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Fit {
    quality: u16,
    specificity: Specificity,
    /// The index of the range that says so.
    place: usize,
}

/// How exactly a range names a type. The more exact one decides (§12.5.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Specificity {
    Anything,
    Family,
    Exact,
}

/// One element of `Accept`.
struct Range<'a> {
    family: &'a [u8],
    subtype: &'a [u8],
    quality: u16,
}

impl Form {
    /// In the order in which they are taken when the client does not care.
    const ALL: [Self; 3] = [Self::Text, Self::Html, Self::Json];

    /// The form that `accept`, the value of the header, prefers. Among equals the one that is
    /// named most exactly, then the one that is named first. Plain text if none is wanted:
    /// an answer in the wrong form tells more than no answer (§12.4.1).
    #[must_use]
    pub fn preferred(accept: &[u8]) -> Self {
        let mut best: Option<(Self, Fit)> = None;
        for form in Self::ALL {
            let Some(fit) = form.fit(accept).filter(|fit| fit.quality > 0) else { continue };
            if best.is_none_or(|(_, before)| fit.is_better_than(before)) {
                best = Some((form, fit));
            }
        }
        best.map_or(Self::Text, |(form, _)| form)
    }

    fn fit(self, accept: &[u8]) -> Option<Fit> {
        let mut fit: Option<Fit> = None;
        for (place, element) in
            (Pieces { rest: Some(accept), separator: b',' }).take(RANGES_MAX).enumerate()
        {
            let Some(range) = Range::read(element) else { continue };
            let Some(specificity) = self.specificity(&range) else { continue };
            let quality = range.quality;
            let is_closer =
                |before: Fit| (specificity, quality) > (before.specificity, before.quality);
            if fit.is_none_or(is_closer) {
                fit = Some(Fit { quality, specificity, place });
            }
        }
        fit
    }

    /// How exactly the range names this form, if it does.
    fn specificity(self, range: &Range<'_>) -> Option<Specificity> {
        let (family, subtypes) = match self {
            Self::Text => ("text", ["plain"].as_slice()),
            Self::Html => ("text", ["html"].as_slice()),
            Self::Json => ("application", ["json", "problem+json"].as_slice()),
        };
        if range.family == b"*" {
            return (range.subtype == b"*").then_some(Specificity::Anything);
        }
        if !range.family.eq_ignore_ascii_case(family.as_bytes()) {
            return None;
        }
        if range.subtype == b"*" {
            return Some(Specificity::Family);
        }
        let mut subtypes = subtypes.iter();
        let is_named = subtypes.any(|each| range.subtype.eq_ignore_ascii_case(each.as_bytes()));
        is_named.then_some(Specificity::Exact)
    }
}

impl Fit {
    fn is_better_than(self, other: Self) -> bool {
        let rank = |fit: Self| (fit.quality, fit.specificity, std::cmp::Reverse(fit.place));
        rank(self) > rank(other)
    }
}

impl<'a> Range<'a> {
    /// Reads one element; `None` if it is malformed, which is as if it was not there. Parameters
    /// other than the weight would narrow it: ours have none that anybody asks for.
    fn read(element: &'a [u8]) -> Option<Self> {
        let mut pieces = Pieces { rest: Some(element), separator: b';' };
        let name = trim(pieces.next()?);
        let slash = name.iter().position(|&byte| byte == b'/')?;
        let (family, subtype) = (&name[..slash], &name[slash + 1..]);
        if !is_token(family) || !is_token(subtype) {
            return None;
        }
        let mut quality = QUALITY_FULL;
        for parameter in pieces.map(trim) {
            if let [b'q' | b'Q', b'=', weight @ ..] = parameter {
                quality = read_quality(weight)?;
            }
        }
        Some(Self { family, subtype, quality })
    }
}

/// A weight in thousandths (RFC 9110 §12.4.2).
fn read_quality(text: &[u8]) -> Option<u16> {
    let (whole, decimals) = match text {
        [whole] | [whole, b'.'] => (whole, [].as_slice()),
        [whole, b'.', decimals @ ..] => (whole, decimals),
        _ => return None,
    };
    let mut thousandths = match whole {
        b'0' => 0,
        b'1' => QUALITY_FULL,
        _ => return None,
    };
    for (&digit, worth) in decimals.iter().zip([100, 10, 1]) {
        thousandths += u16::from(digit.checked_sub(b'0').filter(|&digit| digit < 10)?) * worth;
    }
    (decimals.len() <= 3 && thousandths <= QUALITY_FULL).then_some(thousandths)
}

/// The pieces of a text between separators that do not stand in a quoted string (§5.6.4).
struct Pieces<'a> {
    rest: Option<&'a [u8]>,
    separator: u8,
}

impl<'a> Iterator for Pieces<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        let rest = self.rest?;
        let (mut is_quoted, mut is_escaped) = (false, false);
        let end = rest.iter().position(|&byte| {
            let was_escaped = std::mem::take(&mut is_escaped);
            match byte {
                _ if was_escaped => {}
                b'\\' if is_quoted => is_escaped = true,
                b'"' => is_quoted = !is_quoted,
                _ => return byte == self.separator && !is_quoted,
            }
            false
        });
        self.rest = end.map(|end| &rest[end + 1..]);
        Some(&rest[..end.unwrap_or(rest.len())])
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::Form::{Html, Json, Text};
    use super::*;

    const CHROME: &str = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,\
                          image/webp,image/apng,*/*;q=0.8,application/signed-exchange;v=b3;q=0.7";

    #[test]
    fn the_form_that_is_preferred_is_taken() {
        for (accept, form) in [
            ("", Text),
            ("*/*", Text),
            (CHROME, Html),
            ("text/html", Html),
            ("TEXT/HTML", Html),
            ("application/json", Json),
            ("application/problem+json", Json),
            ("application/*", Json),
            ("text/*", Text),
            ("application/json, text/plain, */*", Json),
            ("text/plain, application/json", Text),
            ("image/avif,image/webp,*/*;q=0.8", Text),
            ("text/html;q=0.5, application/json;q=0.6", Json),
            ("text/html;q=0.501, application/json;q=0.5", Html),
            ("text/*;q=0.9, application/json;q=0.8", Text),
            ("text/*;q=0.3, text/html;q=0.7, */*;q=0.5", Html),
            ("*/*, text/plain;q=0.1, text/html;q=0.1", Json),
            ("*/*;q=0.1, text/html;q=0", Text),
            ("application/problem+json;q=0.9, application/json;q=0.1, text/html;q=0.8", Json),
        ] {
            assert_eq!(Form::preferred(accept.as_bytes()), form, "{accept}");
        }
    }

    #[test]
    fn what_nothing_of_ours_fits_gets_text() {
        for accept in ["image/png", "text/html;q=0", "*/*;q=0", "text/css, text/html;q=0.000"] {
            assert_eq!(Form::preferred(accept.as_bytes()), Text, "{accept}");
        }
    }

    #[test]
    fn malformed_elements_are_as_good_as_absent() {
        for accept in [
            "text/html;q=1.001",
            "text/html;q=0.1234",
            "text/html;q=2",
            "text/html;q=",
            "text/html;q=-1",
            "text/html;q=.5",
            "text/html;q=1.x",
            "text",
            "/html",
            "text/",
            "text /html",
            "*/html",
            "text/html text/html",
            ",;,;q=1,\"",
        ] {
            assert_eq!(Form::preferred(accept.as_bytes()), Text, "{accept}");
            let also = format!("{accept}, application/json;q=0.1");
            let wanted = if accept.ends_with('"') { Text } else { Json };
            assert_eq!(Form::preferred(also.as_bytes()), wanted, "{also}");
        }
    }

    #[test]
    fn what_is_quoted_separates_nothing() {
        let quoted = r#"image/png;x="a,text/html;q=1\",\"";q=0.5, application/json;q=0.2"#;
        assert_eq!(Form::preferred(quoted.as_bytes()), Json);
        assert_eq!(Form::preferred(br#"text/html;level="1;q=0""#), Html);
    }

    #[test]
    fn ranges_beyond_the_bound_are_not_looked_at() {
        let many = |count| format!("{}text/html", "image/png,".repeat(count));
        assert_eq!(Form::preferred(many(RANGES_MAX - 1).as_bytes()), Html);
        assert_eq!(Form::preferred(many(RANGES_MAX).as_bytes()), Text);
    }

    proptest! {
        #[test]
        fn any_bytes_give_a_form(accept in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = Form::preferred(&accept);
        }

        #[test]
        fn the_highest_quality_wins(qualities in prop::array::uniform3(0..=1000_u16)) {
            let [text, html, json] = qualities;
            let weight = |quality: u16| format!("{}.{:03}", quality / 1000, quality % 1000);
            let accept = format!(
                "text/plain;q={}, text/html;q={}, application/json;q={}",
                weight(text), weight(html), weight(json),
            );
            let best = text.max(html).max(json);
            let wanted = if text == best { Text } else if html == best { Html } else { Json };
            prop_assert_eq!(Form::preferred(accept.as_bytes()), wanted);
        }
    }
}
