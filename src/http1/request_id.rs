//! The id that follows one request through every log.

/// Room for a UUID, a W3C trace parent (55) or what the large clouds send; longer ones are not
/// ids but somebody's data.
const LEN_MAX: usize = 64;

/// Each byte as two digits.
pub(super) const HEX: [[u8; 2]; 256] = {
    let digits = b"0123456789abcdef";
    let mut table = [[0; 2]; 256];
    let mut byte = 0;
    while byte < 256 {
        table[byte] = [digits[byte >> 4], digits[byte & 0xf]];
        byte += 1;
    }
    table
};

/// The value of `X-Request-Id`: 1 to 64 letters, digits and `-._~+/=:;@`. Held in place, so that it
/// outlives the buffer it came from without an allocation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RequestId {
    text: [u8; LEN_MAX],
    len: u8,
}

/// The text is not fit to be a request id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a request id is 1 to {LEN_MAX} letters, digits and -._~+/=:;@")]
pub struct InvalidRequestId;

impl RequestId {
    /// An id of 32 hexadecimal digits, made from a random `draw`.
    #[must_use]
    pub fn from_draw(draw: u128) -> Self {
        let mut text = [0; LEN_MAX];
        let (pairs, _) = text.as_chunks_mut();
        for (pair, byte) in pairs.iter_mut().zip(draw.to_be_bytes()) {
            *pair = HEX[usize::from(byte)];
        }
        Self { text, len: 32 }
    }

    /// Appends the text to `out`: a copy of a known length costs less than one of the right length.
    pub(super) fn push(&self, out: &mut Vec<u8>) {
        let end = out.len() + usize::from(self.len);
        out.extend_from_slice(&self.text);
        out.truncate(end);
    }

    /// The id as text.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.text[..usize::from(self.len)]
    }
}

impl TryFrom<&[u8]> for RequestId {
    type Error = InvalidRequestId;

    fn try_from(given: &[u8]) -> Result<Self, InvalidRequestId> {
        let sane = |byte: &u8| byte.is_ascii_alphanumeric() || b"-._~+/=:;@".contains(byte);
        if given.is_empty() || given.len() > LEN_MAX || !given.iter().all(sane) {
            return Err(InvalidRequestId);
        }
        let mut text = [0; LEN_MAX];
        text[..given.len()].copy_from_slice(given);
        Ok(Self { text, len: given.len() as u8 })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn an_id_is_its_draw_in_hexadecimal(draw in any::<u128>()) {
            let (id, digits) = (RequestId::from_draw(draw), format!("{draw:032x}"));
            prop_assert_eq!(id.as_bytes(), digits.as_bytes());
        }
    }
}
