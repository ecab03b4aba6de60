//! The error of a refused configuration: its place, and its fault with the remedy.

use std::borrow::Cow;
use std::{fmt, io};

use super::nearest::nearest;
use super::place::{Keyed, Place, last_line, split_index, table_of};
use super::{MissingFeature, Wrong, keys};

/// The reason to refuse a configuration.
#[derive(Debug)]
pub struct Error {
    /// The file, line and key.
    pub place: Place,
    /// The fault there.
    pub fault: Fault,
}

/// The reasons to refuse a configuration: at least one. Those of one file stand in its order.
#[derive(Debug)]
pub struct Errors {
    /// The first of them, at most 20.
    pub told: Vec<Error>,
    /// The number of the others.
    pub more: usize,
}

/// A fault in a configuration, with its remedy.
#[derive(Debug)]
pub enum Fault {
    /// The file cannot be read.
    File(io::Error),
    /// Its text is not in this format.
    Syntax(Cow<'static, str>),
    /// An unknown key: the text about similar ones.
    Key(String),
    /// A value that cannot be read.
    Value(Wrong),
    /// A value that is out of bounds, or in conflict with others: the values allowed.
    MustBe(Cow<'static, str>),
    /// A value that needs a feature which was not compiled in: the value that is allowed.
    Feature(&'static str, MissingFeature),
    /// Keys in conflict: the text with the reason.
    Conflict(Cow<'static, str>),
}

/// A key, and its fault.
pub(super) type Objection = (String, Fault);

/// The text about a file in the format of other servers.
const JSON: &str = "this is JSON; the configuration is TOML: runnel --reference prints all keys";
/// The integers that a file may have.
const NUMBERS: &str = "between -9223372036854775808 and 9223372036854775807, as every whole number";

impl Error {
    /// A fault of the whole file.
    pub(super) fn file(file: &str, fault: Fault) -> Self {
        Self { place: Place::file(file), fault }
    }

    /// A fault of a key whose place in the file is unknown.
    pub(super) fn somewhere(file: &str, (key, fault): Objection) -> Self {
        Self { place: Place { key: Some(key), ..Place::file(file) }, fault }
    }

    /// A fault of `key`. Its value is left out if it may be, or contain, a password.
    pub(super) fn key(file: &str, text: &str, key: &str, fault: Fault) -> Self {
        let place = Place::key(file, text, key);
        let fault = match fault {
            Fault::Value(wrong) if place.is_secret() => Fault::Value(wrong.without_value()),
            fault => fault,
        };
        Self { place, fault }
    }

    /// The parser's reason, without the value, which may be a password.
    fn syntax(file: &str, text: &str, error: &toml::de::Error) -> Self {
        let before = error.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
        let left = last_line(before);
        let mut message = Cow::from(error.message().to_string());
        // for a duplicate key the last item is marked
        let twice = error.span().filter(|_| message == "duplicate key").and_then(|span| text.get(span));
        let key = match twice {
            Some(item) => format!("{}{item}", left.trim_start_matches(['[', ' '])),
            None => left.split_once('=').map_or(String::new(), |(key, _)| key.trim().into()),
        };
        if twice.is_some() && left.starts_with('[') {
            message = "duplicate key: the table is begun above, by its name in brackets or by a dotted key".into();
        }
        Self {
            place: Place::behind(file, before, Some(key).filter(|key| is_known(key))),
            fault: Fault::Syntax(message),
        }
    }
}

impl Errors {
    /// The most faults that are told.
    const MOST: usize = 20;

    /// The faults of the keys of a file, each key with its first; fails if there are any.
    pub(super) fn check(file: &str, text: &str, faults: Vec<Objection>) -> Result<(), Self> {
        let keyed = Keyed::of(text);
        let mut found: Vec<(Option<usize>, Objection)> = Vec::new();
        for (key, fault) in faults {
            if !found.iter().any(|(_, (known, _))| *known == key) {
                found.push((keyed.offset(&key), (key, fault)));
            }
        }
        // a default may be at fault only beside the wrong values of its table
        let set: Vec<_> =
            found.iter().filter(|(at, _)| at.is_some()).map(|(_, (key, _))| table_of(key).to_string()).collect();
        found.retain(|(at, (key, _))| at.is_some() || !set.iter().any(|table| table == table_of(key)));
        found.sort_by_key(|(at, _)| at.unwrap_or(usize::MAX));
        let more = found.len().saturating_sub(Self::MOST);
        let told = found.into_iter().take(Self::MOST);
        let told: Vec<_> = told.map(|(_, (key, fault))| Error::key(file, text, &key, fault)).collect();
        if told.is_empty() { Ok(()) } else { Err(Self { told, more }) }
    }

    /// The reasons why a text is no table of values.
    pub(super) fn unread(file: &str, text: &str, error: &toml::de::Error) -> Self {
        if text.trim_start_matches('\u{feff}').trim_start().starts_with('{') {
            return Error::file(file, Fault::Syntax(JSON.into())).into();
        }
        let numbers = Keyed::of(text).beyond().into_iter().map(|key| (key, Fault::MustBe(NUMBERS.into())));
        Self::check(file, text, numbers.collect()).err().unwrap_or_else(|| Error::syntax(file, text, error).into())
    }
}

impl From<Error> for Errors {
    fn from(error: Error) -> Self {
        Self { told: vec![error], more: 0 }
    }
}

/// One line for each error.
impl fmt::Display for Errors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lines: Vec<_> = self.told.iter().map(Error::to_string).collect();
        f.write_str(&lines.join("\n"))?;
        match (self.told.first(), self.more) {
            (None, _) | (_, 0) => Ok(()),
            (Some(first), more) => write!(f, "\n{}: {more} more errors", first.place.file),
        }
    }
}

impl std::error::Error for Errors {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.told.first().and_then(std::error::Error::source)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.place, self.fault)
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match &self.fault {
            Fault::File(error) => Some(error),
            Fault::Value(wrong) => Some(wrong),
            _ => None,
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(error) => error.fmt(f),
            Self::Syntax(words) | Self::Conflict(words) => f.write_str(words),
            Self::Key(words) => f.write_str(words),
            Self::Value(wrong) => wrong.fmt(f),
            Self::MustBe(remedy) => write!(f, "must be {remedy}"),
            Self::Feature(remedy, missing) => write!(f, "must be {remedy}: {missing}"),
        }
    }
}

/// True if it is a known key, and so not a part of a text of several lines.
fn is_known(key: &str) -> bool {
    let item = key.rsplit('.').next().unwrap_or_default().trim();
    let is_there = |before, after| keys::REFERENCE.contains(&format!("{before}{item}{after}"));
    !item.is_empty()
        && item.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
        && [(" ", " = "), ("\n", " = "), ("[", "]")].into_iter().any(|(before, after)| is_there(before, after))
}

/// The text about an unknown key: the nearest key, or those that are `known` in its place. `elsewhere` are the keys of
/// all tables.
pub(super) fn unknown(key: &str, known: &[&str], elsewhere: &[String]) -> String {
    let near = nearest(key, known.iter().copied());
    let other = || elsewhere.iter().map(String::as_str).find(|path| path.rsplit('.').next() == Some(key));
    match near.or_else(other) {
        Some(meant) => format!("unknown key; the nearest is {meant}"),
        None => format!("unknown key; there are {}", known.join(", ")),
    }
}

/// The text about a dotted key below the head of a table, so that the table counts as a part of it: `tls.hls.part` for
/// `hls.part` below `[tls]`.
pub(super) fn below_a_table(key: &str, tables: &[&str]) -> Option<String> {
    let (above, meant) = key.split_once('.')?;
    let (table, alone) = meant.split_once('.')?;
    let words = match split_index(above).0 == table {
        true => format!("below [{table}] write {alone} alone, or put {meant} above the first table"),
        false => format!("put {meant} above the first table, or {alone} below [{table}]"),
    };
    tables.contains(&table).then(|| format!("unknown key: {words}"))
}
