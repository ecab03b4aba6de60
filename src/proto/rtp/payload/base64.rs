//! Base64 in session descriptions.

use base64ct::{Base64Unpadded, Encoding};

/// Decodes Base64 as devices write it: with or without padding, with spaces, and with left-over bits. RFC 4648
/// section 4. Other characters are skipped.
pub(super) fn base64(text: &str) -> Vec<u8> {
    let digit = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/');
    let mut digits: Vec<u8> = text.bytes().take_while(|byte| *byte != b'=').filter(digit).collect();
    let len = digits.len() * 3 / 4;
    // zeros after the last digit: its left-over bits are no part of a byte
    digits.resize(digits.len().next_multiple_of(4), b'A');
    let mut data = vec![0; digits.len() / 4 * 3];
    let decoded = Base64Unpadded::decode(&digits, &mut data).map_or(0, <[u8]>::len);
    data.truncate(len.min(decoded));
    data
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_of_devices() {
        for text in ["aO48gA==", "aO48gA", "aO48gB", " aO4 8gA=,x", "aO48gAZ!A===", "aO48g\u{e9}A"] {
            assert_eq!(base64(text)[..4], [0x68, 0xee, 0x3c, 0x80], "{text}");
        }
        assert!(base64("").is_empty() && base64("A").is_empty() && base64("====").is_empty());
    }
}
