//! CRC-32/MPEG-2. ISO/IEC 13818-1 Annex A.

/// The checksum of a PSI section: polynomial 0x04c11db7, no reflection.
pub fn crc32_mpeg(data: &[u8]) -> u32 {
    data.iter().fold(u32::MAX, |crc, byte| {
        (0..8).fold(crc ^ (u32::from(*byte) << 24), |crc, _| (crc << 1) ^ if crc >> 31 == 1 { 0x04c1_1db7 } else { 0 })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn check_value_of_the_catalogue() {
        assert_eq!(crc32_mpeg(b"123456789"), 0x0376_e6e7);
    }
}
