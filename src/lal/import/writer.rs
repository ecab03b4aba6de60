//! The text of a configuration file as it is written.

use std::fmt::{Display, Write as _};

use serde_json::Value;

/// The text that is being written.
pub(super) struct Toml(pub(super) String);

impl Toml {
    /// A key with its value.
    pub(super) fn key(&mut self, key: &str, value: impl Display) {
        _ = writeln!(self.0, "{key} = {value}");
    }

    /// A key with a text, unless that is empty.
    pub(super) fn text(&mut self, key: &str, text: &str) {
        if !text.is_empty() {
            self.key(key, quoted(text));
        }
    }

    /// A key with a list of texts.
    pub(super) fn list(&mut self, key: &str, texts: &[&str]) {
        self.key(key, Value::from(texts));
    }

    /// A table of a list; the keys that follow are its own.
    pub(super) fn table(&mut self, name: &str) {
        _ = write!(self.0, "\n[[{name}]]\n");
    }

    /// A blank line.
    pub(super) fn gap(&mut self) {
        self.0.push('\n');
    }

    /// A comment, of as many lines as the text has.
    pub(super) fn comment(&mut self, text: impl Display) {
        for line in text.to_string().lines() {
            // TOML allows no other control characters
            _ = writeln!(self.0, "# {}", line.replace(|c: char| c.is_control(), " "));
        }
    }
}

/// A string in TOML, whose escapes are those of JSON.
pub(super) fn quoted(text: &str) -> Value {
    text.into()
}
