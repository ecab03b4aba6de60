//! The place of a key in a file.

use std::fmt;
use std::num::NonZeroUsize;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// A place in a configuration: the beginning of a message about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The name of the file.
    pub file: String,
    /// The place in the file.
    pub spot: Spot,
    /// The key, such as `rtsp.listen`, or `pull[1].url` for the second table; `None` for the whole file.
    pub key: Option<String>,
}

/// A place in the text of a file. Lines and columns count from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Spot {
    /// The whole file, or an unknown place.
    Whole,
    /// The line that sets the key.
    Line(NonZeroUsize),
    /// The line and the column where the text is at fault.
    Column(NonZeroUsize, NonZeroUsize),
    /// None: the file leaves the key out, so its default applies.
    Default,
}

/// The ends of keys whose values are secrets.
const SECRETS: [&str; 6] = ["password", "secret", "signed", "secure_link", "jwt", "token"];

impl Place {
    /// The whole file.
    pub(super) fn file(file: &str) -> Self {
        Self { file: file.into(), spot: Spot::Whole, key: None }
    }

    /// The place of `key` in `text`, which may leave it out.
    pub(super) fn key(file: &str, text: &str, key: &str) -> Self {
        let spot = Keyed::of(text).line(key).map_or(Spot::Default, Spot::Line);
        Self { file: file.into(), spot, key: Some(key.into()) }
    }

    /// The place after `before`, where `key` is set, if known.
    pub(super) fn behind(file: &str, before: &str, key: Option<String>) -> Self {
        let column = NonZeroUsize::MIN.saturating_add(last_line(before).chars().count());
        Self { file: file.into(), spot: Spot::Column(line_behind(before), column), key }
    }

    /// The line, if it is known.
    pub fn line(&self) -> Option<NonZeroUsize> {
        match self.spot {
            Spot::Line(line) | Spot::Column(line, _) => Some(line),
            Spot::Whole | Spot::Default => None,
        }
    }

    /// True if the value there may be, or contain, a password.
    pub(super) fn is_secret(&self) -> bool {
        let is_secret =
            |key: &String| holds_secret(key) || ["pull", "push", "notify"].iter().any(|table| key.starts_with(table));
        self.key.as_ref().is_some_and(is_secret)
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.file)?;
        match self.spot {
            Spot::Whole => {}
            Spot::Line(line) => write!(f, "line {line}: ")?,
            Spot::Column(line, column) => write!(f, "line {line}, column {column}: ")?,
            Spot::Default => f.write_str("default of ")?,
        }
        let Some(key) = &self.key else { return Ok(()) };
        // the line distinguishes several tables of one name
        let names: Vec<_> = key.split('.').map(|item| split_index(item).0).collect();
        write!(f, "{}: ", names.join("."))
    }
}

/// True if the value of a key is a secret.
pub(super) fn holds_secret(key: &str) -> bool {
    SECRETS.iter().any(|name| key.ends_with(name))
}

/// The beginning of the line in which `text` ends.
pub(super) fn last_line(text: &str) -> &str {
    text.rsplit('\n').next().unwrap_or_default()
}

/// `pull[1]` as `pull` and 1.
pub(super) fn split_index(item: &str) -> (&str, Option<usize>) {
    let indexed = item.strip_suffix(']').and_then(|item| item.split_once('['));
    indexed.map_or((item, None), |(name, index)| (name, index.parse().ok()))
}

/// The first item of a key: the name of its table, if it is in one.
pub(super) fn table_of(key: &str) -> &str {
    key.split(['.', '[']).next().unwrap_or_default()
}

fn line_behind(before: &str) -> NonZeroUsize {
    NonZeroUsize::MIN.saturating_add(before.matches('\n').count())
}

/// The keys that a text sets; none if it is no TOML.
pub(super) struct Keyed<'a> {
    text: &'a str,
    table: DeTable<'a>,
}

impl<'a> Keyed<'a> {
    pub(super) fn of(text: &'a str) -> Self {
        Self { text, table: DeTable::parse(text).map(Spanned::into_inner).unwrap_or_default() }
    }

    /// The line of `key`, if the text sets it.
    pub(super) fn line(&self, key: &str) -> Option<NonZeroUsize> {
        self.offset(key).and_then(|at| self.text.get(..at)).map(line_behind)
    }

    /// The offset of `key` in bytes, if the text sets it. An entry of a list stands for a key that it leaves out.
    pub(super) fn offset(&self, key: &str) -> Option<usize> {
        let (mut table, mut entry) = (&self.table, None);
        let mut items = key.split('.').map(split_index).peekable();
        while let Some((item, index)) = items.next() {
            let Some((name, value)) = table.iter().find(|(name, _)| name.get_ref() == item) else { return entry };
            let (at, value) = match (value.get_ref(), index) {
                (DeValue::Array(list), Some(index)) => {
                    let one = list.get(index)?;
                    entry = Some(one.span().start);
                    (one.span().start, one.get_ref())
                }
                (value, _) => (name.span().start, value),
            };
            match value {
                DeValue::Table(below) if items.peek().is_some() => table = below,
                _ => return Some(at),
            }
        }
        None
    }

    /// The keys of integers that 64 bits cannot hold.
    pub(super) fn beyond(&self) -> Vec<String> {
        let mut keys = Vec::new();
        self.table.iter().for_each(|(name, value)| beyond(name.get_ref().to_string(), value.get_ref(), &mut keys));
        keys
    }
}

fn beyond(key: String, value: &DeValue<'_>, keys: &mut Vec<String>) {
    match value {
        DeValue::Integer(number) if i64::from_str_radix(number.as_str(), number.radix()).is_err() => keys.push(key),
        DeValue::Array(list) => {
            list.iter().enumerate().for_each(|(at, one)| beyond(format!("{key}[{at}]"), one.get_ref(), keys));
        }
        DeValue::Table(table) => {
            table.iter().for_each(|(name, one)| beyond(format!("{key}.{}", name.get_ref()), one.get_ref(), keys));
        }
        _ => {}
    }
}
