//! Stream names: keys that are safe in a path, a log line, a URL and a page.

use std::sync::Arc;

use crate::wire::percent_decode;

/// A valid stream name.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Name(Arc<str>);

/// The error for a text that is not a name: empty, longer than 128 bytes, with a leading dot, or with a character other
/// than letters, digits and `-_.
/// @+=,`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InvalidName;

impl Name {
    /// The longest name in bytes.
    pub const MAX: usize = 128;

    /// Checks `name`.
    pub fn new(name: &str) -> Result<Self, InvalidName> {
        if Self::is_valid(name) { Ok(Self(name.into())) } else { Err(InvalidName) }
    }

    /// True if a name can match `pattern`: `*` matches any characters, `?` one.
    pub fn may_match(pattern: &str) -> bool {
        let shortest = pattern.replace('*', "").replace('?', "x");
        // a star matches nothing, or a letter before a dot
        Self::is_valid(&shortest) || pattern.starts_with('*') && Self::is_valid(&format!("x{shortest}"))
    }

    fn is_valid(name: &str) -> bool {
        let allowed = |c: char| c.is_alphanumeric() || "-_.~@+=,".contains(c);
        (1..=Self::MAX).contains(&name.len()) && !name.starts_with('.') && name.chars().all(allowed)
    }

    /// The name in an item of a URL's path, percent codes decoded: a stream has one name in all protocols.
    pub fn of_url(item: &str) -> Result<Self, InvalidName> {
        Self::new(&percent_decode(item).ok_or(InvalidName)?)
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Display for Name {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl InvalidName {
    /// The rule for names, in an answer to a wrong one.
    pub const TEXT: &str = "not a stream name: 1 to 128 letters, digits or -_.~@+=, and no leading dot";
}

impl std::fmt::Display for InvalidName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(Self::TEXT)
    }
}

impl std::error::Error for InvalidName {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_leaves_a_directory_or_breaks_a_page_is_a_name() {
        for good in ["test110", "a.b-c_d", "摄像头1", "x@y"] {
            assert!(Name::new(good).is_ok(), "{good}");
        }
        let long = "x".repeat(300);
        for bad in ["", ".", "..", ".hidden", "a/b", "a\\b", "a\0b", "a b", "a\nb", "<b>", "a\"b", "a%2e", &long] {
            assert_eq!(Name::new(bad), Err(InvalidName), "{bad}");
        }
    }

    #[test]
    fn patterns_that_no_name_can_match() {
        let full = "x".repeat(128);
        for good in ["*", "?", "cam*", "*.cam", "门?", "**", &full, &format!("*{full}")] {
            assert!(Name::may_match(good), "{good}");
        }
        for bad in ["", "live/cam*", "cam *", ".cam*", "*/", &format!("{full}?"), &format!("?{full}")] {
            assert!(!Name::may_match(bad), "{bad}");
        }
    }

    #[test]
    fn urls_say_names_in_percent_codes_or_plainly() {
        for (item, name) in [("%E9%97%A8", "门"), ("门", "门"), ("c%61m-1", "cam-1"), ("a+b%2b", "a+b+"), ("%40", "@")]
        {
            assert_eq!(Name::of_url(item), Name::new(name), "{item}");
        }
        for bad in ["%2e%2e", "a%2fb", "a%5Cb", "a%00", "a%3Fb", "a%20b", "%2541", "%ff", "%E9%97", "%zz", "a%", "a%4"]
        {
            assert_eq!(Name::of_url(bad), Err(InvalidName), "{bad}");
        }
        assert!(Name::of_url(&"%41".repeat(128)).is_ok() && Name::of_url(&"%41".repeat(129)).is_err());
    }
}
