//! Checksums: CRC-32 of MPEG-TS, CRC-8 and CRC-16 of FLAC.

/// The checksum of a PSI section: polynomial 0x04c11db7, no reflection. ISO/IEC 13818-1
/// Annex A.
pub fn crc32_mpeg(data: &[u8]) -> u32 {
    data.iter().fold(u32::MAX, |crc, byte| {
        (0..8).fold(crc ^ (u32::from(*byte) << 24), |crc, _| (crc << 1) ^ if crc >> 31 == 1 { 0x04c1_1db7 } else { 0 })
    })
}

/// The checksum of a FLAC frame's header: polynomial 0x07, from 0. RFC 9639 section 9.1.8.
pub fn crc8_flac(data: &[u8]) -> u8 {
    data.iter()
        .fold(0, |crc, byte| (0..8).fold(crc ^ byte, |crc: u8, _| (crc << 1) ^ if crc >> 7 == 1 { 0x07 } else { 0 }))
}

/// Adds `byte` to the checksum `crc` of a FLAC frame: polynomial 0x8005, from 0. RFC 9639 section 9.3.
pub fn crc16_flac(crc: u16, byte: u8) -> u16 {
    (0..8).fold(crc ^ (u16::from(byte) << 8), |crc, _| (crc << 1) ^ if crc >> 15 == 1 { 0x8005 } else { 0 })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn check_values_of_the_catalogue() {
        assert_eq!(crc32_mpeg(b"123456789"), 0x0376_e6e7);
        // CRC-8/SMBUS and CRC-16/UMTS
        assert_eq!(crc8_flac(b"123456789"), 0xf4);
        assert_eq!(b"123456789".iter().fold(0, |crc, byte| crc16_flac(crc, *byte)), 0xfee8);
    }
}
