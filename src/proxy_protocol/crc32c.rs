//! CRC32C (RFC 3720 appendix B.4). Ten lines, used once per connection at most: less than a
//! dependency would cost to review.

/// Castagnoli's polynomial, its bits reversed.
const POLYNOMIAL: u32 = 0x82f6_3b78;

/// A checksum that is being taken.
pub(super) struct Crc32c(u32);

impl Crc32c {
    pub(super) const fn new() -> Self {
        Self(u32::MAX)
    }

    pub(super) fn add(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.0 ^= u32::from(byte);
            for _ in 0..8 {
                let carry = if self.0 & 1 == 1 { POLYNOMIAL } else { 0 };
                self.0 = (self.0 >> 1) ^ carry;
            }
        }
    }

    pub(super) const fn get(&self) -> u32 {
        !self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sum(bytes: &[u8]) -> u32 {
        let mut sum = Crc32c::new();
        sum.add(bytes);
        sum.get()
    }

    #[test]
    fn the_vectors_of_rfc_3720_come_out() {
        assert_eq!(sum(&[0; 32]), 0x8a91_36aa);
        assert_eq!(sum(&[0xff; 32]), 0x62a8_ab43);
        assert_eq!(sum(&std::array::from_fn::<u8, 32, _>(|index| index as u8)), 0x46dd_794e);
        assert_eq!(sum(b"123456789"), 0xe306_9283);
    }
}
