//! NAL units with and without length prefixes. ISO/IEC 14496-15, ITU-T H.264 Annex B.

/// Iterates over NAL units with 4-byte length prefixes. It ends at a unit whose length exceeds the rest of the
/// data.
pub fn units(data: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = data;
    std::iter::from_fn(move || {
        let (unit, tail) = split(rest, 4)?;
        rest = tail;
        Some(unit)
    })
}

/// The first unit, which has a length prefix of `prefix` bytes, and the rest.
pub fn split(data: &[u8], prefix: usize) -> Option<(&[u8], &[u8])> {
    let (length, rest) = data.split_at_checked(prefix)?;
    let length = length.iter().fold(0usize, |sum, byte| sum << 8 | usize::from(*byte));
    rest.split_at_checked(length)
}

/// Iterates over the NAL units of a byte stream: those between start codes, without trailing zeros. ITU-T H.264
/// Annex B.
pub fn byte_stream(data: &[u8]) -> impl Iterator<Item = &[u8]> {
    let start = |data: &[u8]| data.windows(3).position(|window| window == [0, 0, 1]);
    let mut rest = start(data).and_then(|at| data.get(at + 3..));
    std::iter::from_fn(move || {
        let data = rest?;
        let (mut unit, next) = match start(data) {
            Some(at) => (data.get(..at)?, data.get(at + 3..)),
            None => (data, None),
        };
        rest = next;
        while let [before @ .., 0] = unit {
            unit = before;
        }
        Some(unit)
    })
    .filter(|unit| !unit.is_empty())
}

/// Removes emulation prevention bytes: 00 00 03 becomes 00 00. H.264 section 7.4.1.
pub fn unescape(unit: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(unit.len());
    let mut zeros = 0;
    for &byte in unit {
        if zeros >= 2 && byte == 3 {
            zeros = 0;
            continue;
        }
        zeros = if byte == 0 { zeros + 1 } else { 0 };
        out.push(byte);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_end_where_a_length_lies() {
        let data = [0, 0, 0, 2, 7, 8, 0, 0, 0, 1, 9, 0, 0, 0, 9, 1];
        assert_eq!(units(&data).collect::<Vec<_>>(), [&[7, 8][..], &[9][..]]);
    }

    #[test]
    fn units_stand_between_start_codes_of_both_lengths() {
        let data = [9, 0, 0, 1, 7, 8, 0, 0, 0, 1, 5, 0, 0, 1, 0, 0, 1, 6, 0, 0];
        assert_eq!(byte_stream(&data).collect::<Vec<_>>(), [&[7, 8][..], &[5], &[6]]);
        assert_eq!(byte_stream(&[0, 0, 1]).count() + byte_stream(&[1, 2, 3]).count() + byte_stream(&[]).count(), 0);
    }

    #[test]
    fn emulation_prevention_is_removed() {
        assert_eq!(unescape(&[0, 0, 3, 1, 0, 0, 3, 0, 0, 3, 3]), [0, 0, 1, 0, 0, 0, 0, 3]);
    }
}
