//! The reasons why a value of a file cannot be read.

use std::fmt;

use super::MissingFeature;
use super::nearest::nearest;
use crate::proto::ENCODE;

/// The reason why a value cannot be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wrong {
    /// It has another type.
    Type {
        /// The value.
        found: Found,
        /// The values allowed.
        expected: &'static str,
    },
    /// It is out of range, or not one of the known words.
    Value {
        /// The value.
        found: Found,
        /// The values allowed.
        expected: &'static str,
    },
    /// It has an unknown key.
    Unknown {
        /// The key.
        key: String,
        /// The known keys.
        known: &'static [&'static str],
    },
    /// A key is missing.
    Missing(&'static str),
    /// It is not a URL, for this reason.
    Url(&'static str),
    /// It is not a URL, for this reason, and has an `@`: characters of its password are probably taken for others.
    UrlWithPassword(&'static str),
    /// It is a URL of an unknown scheme; the text lists the known ones.
    Scheme(String),
    /// It needs a missing feature.
    Feature(MissingFeature),
}

/// The value in the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    /// A value that is too long to print: only its type.
    Long(&'static str),
    /// Its type and the value.
    Short(String),
    /// A value that may be, or contain, a password.
    Secret,
}

impl Wrong {
    pub(super) fn of_type(value: &toml::Value, expected: &'static str) -> Self {
        Self::Type { found: Found::of(value), expected }
    }

    pub(super) fn of_value(value: &toml::Value, expected: &'static str) -> Self {
        Self::Value { found: Found::of(value), expected }
    }

    /// The same without the value.
    pub(super) fn without_value(mut self) -> Self {
        if let Self::Type { found, .. } | Self::Value { found, .. } = &mut self
            && matches!(found, Found::Short(_))
        {
            *found = Found::Secret;
        }
        self
    }
}

impl Found {
    fn of(value: &toml::Value) -> Self {
        match value {
            toml::Value::String(text) => Self::Short(format!("string {text:?}")),
            toml::Value::Integer(number) => Self::Short(format!("integer `{number}`")),
            toml::Value::Float(number) => Self::Short(format!("number `{number}`")),
            toml::Value::Boolean(whether) => Self::Short(format!("boolean `{whether}`")),
            toml::Value::Datetime(_) => Self::Long("date"),
            toml::Value::Array(_) => Self::Long("list"),
            toml::Value::Table(_) => Self::Long("table"),
        }
    }

    /// The word that is probably meant, if a few words are expected and it is another.
    fn meant(&self, expected: &'static str) -> Option<&'static str> {
        expected.strip_prefix("one of ").unwrap_or(expected).strip_prefix('"')?;
        let Self::Short(text) = self else { return None };
        let word = text.strip_prefix("string \"")?.strip_suffix('"')?;
        nearest(word, expected.split('"').skip(1).step_by(2))
    }

    /// Writes that it is not an expected value.
    fn tell(&self, f: &mut fmt::Formatter<'_>, what: &str, expected: &'static str) -> fmt::Result {
        match self {
            Self::Long(kind) => write!(f, "invalid {what}: {kind}, expected {expected}")?,
            Self::Short(value) => write!(f, "invalid {what}: {value}, expected {expected}")?,
            Self::Secret => write!(f, "invalid {what}, expected {expected}")?,
        }
        self.meant(expected).map_or(Ok(()), |word| write!(f, "; the nearest is {word:?}"))
    }
}

impl fmt::Display for Wrong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Type { found, expected } => found.tell(f, "type", expected),
            Self::Value { found, expected } => found.tell(f, "value", expected),
            Self::Unknown { key, known } => write!(f, "unknown key {key}; there are {}", known.join(", ")),
            Self::Missing(key) => write!(f, "{key} is missing"),
            Self::Url(why) => write!(f, "invalid value: not a valid URL: {why}"),
            Self::UrlWithPassword(why) => write!(f, "invalid value: not a valid URL: {why}; {ENCODE}"),
            Self::Scheme(there) => write!(f, "invalid value: not a valid URL, expected one that begins with {there}"),
            Self::Feature(missing) => missing.fmt(f),
        }
    }
}

impl std::error::Error for Wrong {}
