//! The meaning of an answer.

use crate::conf::Format;
use crate::net::fetch::Trouble;
use crate::wire::json::Json;

/// The meaning of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ruling {
    /// The client may.
    Allow,
    /// It may with credentials, or with others.
    Challenge,
    /// It may not.
    Deny,
}

/// The longest body of an answer, in bytes.
pub(super) const LONGEST: usize = 4 << 10;

impl Ruling {
    /// That of a status; `None` if the body says it.
    ///
    /// # Errors
    /// It is no answer: the server has troubles of its own, or redirects to another.
    pub(super) fn of_status(status: u16) -> Result<Option<Self>, Trouble> {
        match status {
            200..300 => Ok(None),
            300..=399 => Err(Trouble::Status(status)),
            401 => Ok(Some(Self::Challenge)),
            _ => Trouble::of(status).map_or(Ok(Some(Self::Deny)), Err),
        }
    }

    /// That of the body of a success: empty, `0`, and an object with `allowed`, `code` or `error_code` that agrees, or
    /// with none of them. Servers for MediaMTX may write any text, as it reads none; but one that begins as JSON and is
    /// not sound, or that is no UTF-8, may say no.
    pub(super) fn of_body(body: &[u8], format: Format) -> Self {
        let Ok(text) = str::from_utf8(body) else { return Self::Deny };
        let text = text.trim_start_matches('\u{feff}').trim();
        let is_allowed = match Json::parse(text) {
            _ if text.is_empty() => true,
            Some(all) if all.is_object() => {
                let agrees = |name, agrees: fn(Json<'_>) -> bool| match all.has(name) {
                    true => all.field(name).is_some_and(agrees),
                    false => true,
                };
                let is_zero = |code: Json<'_>| code.number() == Some(0.0);
                agrees("allowed", |word| word.is_true()) && agrees("code", is_zero) && agrees("error_code", is_zero)
            }
            Some(value) => value.number() == Some(0.0),
            None => format == Format::MediaMtx && !text.starts_with(['{', '[', '"']),
        };
        if is_allowed { Self::Allow } else { Self::Deny }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_decides_or_leaves_it_to_the_body() {
        for (status, ruling) in [(200, None), (204, None), (401, Some(Ruling::Challenge)), (403, Some(Ruling::Deny))] {
            assert_eq!(Ruling::of_status(status), Ok(ruling), "{status}");
        }
        for status in [302, 408, 429, 500, 503] {
            assert_eq!(Ruling::of_status(status), Err(Trouble::Status(status)));
        }
    }

    #[test]
    fn a_body_that_says_no_denies() {
        for body in
            ["", " \r\n", "0", "{}", "{\"code\":0}", "{\"error_code\":0}", "{\"allowed\":true}", "{\"msg\":\"x\"}"]
        {
            for format in [Format::MediaMtx, Format::Srs] {
                assert_eq!(Ruling::of_body(body.as_bytes(), format), Ruling::Allow, "{body}");
            }
        }
        for body in [
            "1",
            "false",
            "[]",
            "\"0\"",
            "{\"code\":1}",
            "{\"code\":\"0\"}",
            "{\"code\":null}",
            "{\"code\":0,\"code\":1}",
            "{\"error_code\":-1}",
            "{\"allowed\":false}",
            "{\"allowed\":true,\"code\":7}",
        ] {
            for format in [Format::MediaMtx, Format::Srs] {
                assert_eq!(Ruling::of_body(body.as_bytes(), format), Ruling::Deny, "{body}");
            }
        }
        assert_eq!(Ruling::of_body(b"OK", Format::MediaMtx), Ruling::Allow, "MediaMTX reads no body");
        for unsound in ["{\"allowed\":false", "\u{feff}{\"allowed\":false}", "{\"code\":1}{\"code\":0}", "{\"a\":NaN}"]
        {
            assert_eq!(Ruling::of_body(unsound.as_bytes(), Format::MediaMtx), Ruling::Deny, "{unsound}");
        }
        assert_eq!(Ruling::of_body(b"{\"code\":403,\"msg\":\"\xbd\xfb\"}", Format::MediaMtx), Ruling::Deny);
        assert_eq!(Ruling::of_body(b"OK", Format::Srs), Ruling::Deny);
        assert_eq!(Ruling::of_body(b"\xff", Format::Srs), Ruling::Deny);
    }
}
