//! The keys of lal's file, by their types.

use std::collections::BTreeMap;

use serde_json::Value;

use super::writer::Toml;
use super::{LEFT_OUT, Unreadable};

/// The keys of a file, with a dot between table and key; each is taken when it is translated.
pub(super) struct Lal(BTreeMap<String, Value>);

impl Lal {
    /// The keys of `json`, the text of a file.
    pub(super) fn read(json: &str) -> Result<Self, Unreadable> {
        let tables: BTreeMap<String, Value> = serde_json::from_str(json).map_err(Unreadable::Json)?;
        // lal's own file has comments as keys
        let keys =
            tables.into_iter().filter(|(name, _)| !name.starts_with('#')).flat_map(|(name, value)| match value {
                Value::Object(keys) => keys.into_iter().map(|(key, value)| (format!("{name}.{key}"), value)).collect(),
                value => vec![(name, value)],
            });
        Ok(Self(keys.collect()))
    }

    /// A switch, which others read again; one that is absent is off.
    pub(super) fn is_on(&self, key: &str) -> bool {
        self.0.get(key).and_then(Value::as_bool).unwrap_or(false)
    }

    /// A switch; one that is absent is off.
    pub(super) fn flag(&mut self, key: &str) -> Result<bool, Unreadable> {
        self.take(key, "true or false", Value::as_bool).map(Option::unwrap_or_default)
    }

    /// A text; one that is absent is empty.
    pub(super) fn text(&mut self, key: &str) -> Result<String, Unreadable> {
        self.take(key, "a text", |value| value.as_str().map(String::from)).map(Option::unwrap_or_default)
    }

    /// A whole number, if there is one.
    pub(super) fn number(&mut self, key: &str) -> Result<Option<i64>, Unreadable> {
        self.take(key, "a whole number", Value::as_i64)
    }

    /// A list of texts; one that is absent is empty.
    pub(super) fn list(&mut self, key: &str) -> Result<Vec<String>, Unreadable> {
        let texts = |value: &Value| value.as_array()?.iter().map(|one| one.as_str().map(String::from)).collect();
        self.take(key, "a list of texts", texts).map(Option::unwrap_or_default)
    }

    fn take<T>(
        &mut self,
        key: &str,
        expected: &'static str,
        read: impl FnOnce(&Value) -> Option<T>,
    ) -> Result<Option<T>, Unreadable> {
        // lal takes null as an absent value
        let Some(value) = self.0.remove(key).filter(|value| !value.is_null()) else { return Ok(None) };
        read(&value).map(Some).ok_or_else(|| Unreadable::Type { key: key.into(), expected })
    }

    /// Tells the keys that are left, unless they have no effect in lal either.
    pub(super) fn tell_rest(self, toml: &mut Toml) {
        let is_set = |value: &Value| !matches!(value, Value::Null | Value::Bool(false)) && *value != 0 && *value != "";
        let mut rest = self.0.into_iter().filter(|(_, value)| is_set(value)).peekable();
        if rest.peek().is_some() {
            toml.gap();
            toml.comment("Without a counterpart here:");
        }
        for (key, value) in rest {
            let why = LEFT_OUT.iter().find(|(row, _)| match row.strip_suffix('*') {
                Some(start) => key.starts_with(start),
                None => key == *row,
            });
            toml.comment(format_args!("{key} = {value}: {}", why.map_or("no key of lal", |(_, why)| why)));
        }
    }
}
