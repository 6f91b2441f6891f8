//! The buckets of all histograms. They are the same everywhere and for ever, so that what threads,
//! slots, machines and hours have counted can be added up.
//!
//! Ten to a decade, at the numbers that people set their targets at: a percentile read from them
//! is at most a quarter off. Those that are exported are three of the ten.

/// How many bounds there are. The sizes of arrays are made of it and not of `BOUNDS.len()`, for
/// which the compiler would have to compute the bounds while it checks types: optimized, it cannot.
pub(super) const BOUNDS_COUNT: usize = 71;

/// The upper bounds, in nanoseconds: from 10 µs, which no request through a proxy is faster than,
/// to 100 s, which is more than a request may take by default (`proxy.total_timeout`).
pub const BOUNDS: [u64; BOUNDS_COUNT] = bounds();

/// A decade, in twentieths.
const DECADE: [u64; 10] = [20, 25, 32, 40, 50, 63, 80, 100, 126, 160];

/// The first bound, in twentieths of itself.
const FIRST: u64 = 10_000 / 20;

/// Powers of two below which no bound lies, and all of them.
const OCTAVES: usize = 64;

/// For each power of two, the bucket of the smallest number that has so many bits.
const STARTS: [u8; OCTAVES + 1] = starts();

/// Whether the bound of this bucket is one of 1, 2.5 and 5 times a power of ten: those that
/// `/metrics` has, which would otherwise be ten lines to a decade.
#[must_use]
pub const fn is_exported(bucket: usize) -> bool {
    matches!(bucket % 10, 0 | 4 | 7)
}

/// The first bucket whose bound is not below that; one more than there are bounds if none is.
#[inline]
pub(super) fn bucket(nanos: u64) -> usize {
    let bits = OCTAVES - nanos.leading_zeros() as usize;
    let mut bucket = usize::from(STARTS[bits]);
    // At most four bounds lie within a factor of two.
    while bucket < BOUNDS.len() && BOUNDS[bucket] < nanos {
        bucket += 1;
    }
    bucket
}

const fn bounds() -> [u64; BOUNDS_COUNT] {
    let mut bounds = [0; BOUNDS_COUNT];
    let (mut index, mut scale) = (0, FIRST);
    while index < bounds.len() {
        bounds[index] = DECADE[index % 10] * scale;
        index += 1;
        if index.is_multiple_of(10) {
            scale *= 10;
        }
    }
    bounds
}

const fn starts() -> [u8; OCTAVES + 1] {
    let mut starts = [0; OCTAVES + 1];
    let mut bits = 1;
    while bits <= OCTAVES {
        let smallest = 1 << (bits - 1);
        let mut bucket = 0;
        while bucket < BOUNDS.len() && BOUNDS[bucket] < smallest {
            bucket += 1;
        }
        starts[bits] = bucket as u8;
        bits += 1;
    }
    starts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bounds_grow_from_ten_microseconds_to_a_hundred_seconds() {
        assert!(BOUNDS.is_sorted());
        assert_eq!((BOUNDS[0], BOUNDS[70]), (10_000, 100_000_000_000));
        assert_eq!(BOUNDS[20..24], [1_000_000, 1_250_000, 1_600_000, 2_000_000]);
    }

    #[test]
    fn three_to_a_decade_are_exported() {
        let exported = (0..11).filter(|&bucket| is_exported(bucket)).map(|bucket| BOUNDS[bucket]);
        assert_eq!(exported.collect::<Vec<_>>(), [10_000, 25_000, 50_000, 100_000]);
    }

    #[test]
    fn every_time_falls_into_the_first_bucket_that_is_not_below_it() {
        let times = BOUNDS.iter().flat_map(|bound| [bound - 1, *bound, bound + 1]);
        for nanos in times.chain([0, 1, u64::MAX]) {
            let expected = BOUNDS.partition_point(|bound| *bound < nanos);
            assert_eq!(bucket(nanos), expected, "{nanos}");
        }
    }
}
