//! Secrets of the configuration. Their `Debug` output does not contain them.

use std::fmt;

use super::Wrong;
use super::value::Value;

/// A secret that is needed as it is.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(pub String);

/// The text that stands for secrets wherever they are shown.
pub const MASK: &str = crate::proto::MASK;

/// A text that may be a secret: neither empty nor the mask.
pub(super) fn secret(value: toml::Value, expected: &'static str) -> Result<String, Wrong> {
    let is_one = |text: &&str| !text.is_empty() && *text != MASK;
    let text = value.as_str().filter(is_one).map(String::from);
    text.ok_or_else(|| Wrong::of_value(&value, expected).without_value())
}

impl Value for Secret {
    fn read(value: toml::Value) -> Result<Self, Wrong> {
        secret(value, "a secret, which is neither empty nor masked").map(Self)
    }
}

impl<T: Value> Value for Option<T> {
    fn read(value: toml::Value) -> Result<Self, Wrong> {
        T::read(value).map(Some)
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(MASK)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_neither_empty_nor_masked_and_never_shown() {
        for bad in ["", MASK] {
            assert!(Secret::read(bad.into()).unwrap_err().to_string().contains("neither empty nor masked"));
        }
        assert_eq!(format!("{:?}", Secret::read("hidden".into()).unwrap()), MASK);
    }
}
