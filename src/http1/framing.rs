//! Where a body ends: `Content-Length` and `Transfer-Encoding` (RFC 9112 §6).

use super::syntax::{decimal, elements, is_token};
use super::{Method, Persistence, Refusal, Version};

/// How the end of a body is told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Framing {
    /// There is no body.
    #[default]
    Empty,
    /// The body has this many bytes.
    Length(u64),
    /// The body comes in chunks; the last one is empty.
    Chunked,
    /// The body lasts until the connection closes. Never so in a request.
    UntilClose,
}

/// What the framing headers of one head say, taken together.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Declared {
    pub(super) length: Option<u64>,
    coding: Option<Coding>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Coding {
    chunked: bool,
    others: bool,
}

impl Declared {
    /// Takes in a `Content-Length` line. A list (`5, 5`) is no number, and so is refused as well.
    pub(super) fn add_length(&mut self, value: &[u8]) -> Result<(), Refusal> {
        let length = decimal(value).ok_or(Refusal::ContentLength)?;
        match self.length.replace(length) {
            None => Ok(()),
            Some(_) => Err(Refusal::ContentLengthRepeated),
        }
    }

    /// Takes in a `Transfer-Encoding` line; several are one list (RFC 9110 §5.3).
    pub(super) fn add_coding(&mut self, value: &[u8]) -> Result<(), Refusal> {
        let coding = self.coding.get_or_insert_default();
        for element in elements(value) {
            // A coding after `chunked`, be it `chunked` again, would leave the end untold.
            if coding.chunked || !is_token(element) {
                return Err(Refusal::TransferEncoding);
            }
            if element.eq_ignore_ascii_case(b"chunked") {
                coding.chunked = true;
            } else {
                coding.others = true;
            }
        }
        Ok(())
    }

    /// The framing of a request (RFC 9112 §6.3).
    pub(super) fn of_request(self, version: Version) -> Result<Framing, Refusal> {
        match (self.chunked()?, self.length) {
            (true, _) if version == Version::Http10 => Err(Refusal::CodingInHttp10),
            (true, Some(_)) => Err(Refusal::LengthAndCoding),
            (true, None) => Ok(Framing::Chunked),
            (false, Some(length)) => Ok(Framing::Length(length)),
            (false, None) => Ok(Framing::Empty),
        }
    }

    /// The framing of a response to `request`, and whether it leaves the connection in a state
    /// that both sides agree on.
    pub(super) fn of_response(
        self,
        version: Version,
        status: u16,
        request: Method,
    ) -> Result<(Framing, Persistence), Refusal> {
        let chunked = self.chunked()?;
        let bodiless = matches!(status, 100..=199 | 204);
        if bodiless || status == 304 || request == Method::Head {
            // A sender that frames a body here, where none can be, may go on to send it.
            let doubtful = chunked || self.length.is_some_and(|length| length > 0);
            return Ok((Framing::Empty, close_if(bodiless && doubtful)));
        }
        Ok(match (chunked, self.length) {
            // Transfer-Encoding wins, but the sender is confused: do not ask it again.
            (true, length) => {
                (Framing::Chunked, close_if(length.is_some() || version == Version::Http10))
            }
            (false, Some(length)) => (Framing::Length(length), Persistence::KeepAlive),
            (false, None) => (Framing::UntilClose, Persistence::Close),
        })
    }

    fn chunked(self) -> Result<bool, Refusal> {
        match self.coding {
            None => Ok(false),
            Some(Coding { chunked: false, .. }) => Err(Refusal::TransferEncoding),
            Some(Coding { others: true, .. }) => Err(Refusal::CodingUnsupported),
            Some(_) => Ok(true),
        }
    }
}

fn close_if(doubtful: bool) -> Persistence {
    if doubtful { Persistence::Close } else { Persistence::KeepAlive }
}
