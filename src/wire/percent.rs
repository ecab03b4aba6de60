//! Percent codes of URLs. RFC 3986 section 2.1.

use std::fmt::{self, Write};

/// Decodes percent codes such as `%41`, once; `None` if a code is invalid or the result is not UTF-8.
pub fn percent_decode(text: &str) -> Option<String> {
    let mut bytes = text.bytes();
    let mut out = Vec::with_capacity(text.len());
    while let Some(byte) = bytes.next() {
        out.push(match byte {
            b'%' => hex(bytes.next()?)? << 4 | hex(bytes.next()?)?,
            byte => byte,
        });
    }
    String::from_utf8(out).ok()
}

/// A text for a URI: characters that are not ASCII are written as percent codes. RFC 3987 section 3.1.
pub struct Percent<'a>(pub &'a str);

impl fmt::Display for Percent<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.bytes().try_for_each(|byte| match byte {
            b'!'..=b'~' => f.write_char(byte.into()),
            byte => write!(f, "%{byte:02X}"),
        })
    }
}

/// Encodes a text like [`Percent`].
pub fn percent_encode(text: &str) -> String {
    Percent(text).to_string()
}

fn hex(digit: u8) -> Option<u8> {
    u8::try_from(char::from(digit).to_digit(16)?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_ascii_is_encoded_and_nothing_else() {
        assert_eq!(percent_encode("门-1_.~@+=,a%20"), "%E9%97%A8-1_.~@+=,a%20");
        assert_eq!(percent_decode(&percent_encode("摄像头1 é")).as_deref(), Some("摄像头1 é"));
    }

    #[test]
    fn percent_codes_are_decoded_once() {
        assert_eq!(percent_decode("a%2Fb%252F").as_deref(), Some("a/b%2F"));
        assert_eq!((percent_decode("%"), percent_decode("%zz"), percent_decode("%ff")), (None, None, None));
    }
}
