//! Percent codes of URLs. RFC 3986 section 2.1.

/// Decodes `%41`, once; `None` if the result is not UTF-8 or a code is damaged.
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

fn hex(digit: u8) -> Option<u8> {
    u8::try_from(char::from(digit).to_digit(16)?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percent_codes_are_decoded_once() {
        assert_eq!(percent_decode("a%2Fb%252F").as_deref(), Some("a/b%2F"));
        assert_eq!((percent_decode("%"), percent_decode("%zz"), percent_decode("%ff")), (None, None, None));
    }
}
