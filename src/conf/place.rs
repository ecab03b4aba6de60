//! The place of a key in a file.

use std::fmt;
use std::num::NonZeroUsize;

/// A place in a configuration: the beginning of a message about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The name of the file.
    pub file: String,
    /// The line, if known.
    pub line: Option<NonZeroUsize>,
    /// The column, if the text of the line is at fault.
    pub column: Option<NonZeroUsize>,
    /// The key, such as `rtsp.listen`, or `pull[1].url` for the second table; `None` for the whole file.
    pub key: Option<String>,
}

impl Place {
    /// The whole file.
    pub(super) fn file(file: &str) -> Self {
        Self { file: file.into(), line: None, column: None, key: None }
    }

    /// The place of `key` in `text`, which may leave it out.
    pub(super) fn key(file: &str, text: &str, key: &str) -> Self {
        Self { line: line_of(text, key), key: Some(key.into()), ..Self::file(file) }
    }

    /// The place after `before`, where `key` is set, if known.
    pub(super) fn behind(file: &str, before: &str, key: Option<String>) -> Self {
        let column = last_line(before).chars().count();
        Self { line: Some(line_behind(before)), column: NonZeroUsize::MIN.checked_add(column), key, ..Self::file(file) }
    }

    /// Whether the value there may be, or contain, a password.
    pub(super) fn is_secret(&self) -> bool {
        let is_secret = |key: &String| key.ends_with("password") || key.starts_with("pull") || key.starts_with("push");
        self.key.as_ref().is_some_and(is_secret)
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.file)?;
        match (self.line, self.column) {
            (Some(line), Some(column)) => write!(f, "line {line}, column {column}: ")?,
            (Some(line), None) => write!(f, "line {line}: ")?,
            _ => {}
        }
        let Some(key) = &self.key else { return Ok(()) };
        // the line distinguishes several tables of one name
        let names: Vec<_> = key.split('.').map(|item| split_index(item).0).collect();
        write!(f, "{}: ", names.join("."))
    }
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

fn line_behind(before: &str) -> NonZeroUsize {
    NonZeroUsize::MIN.saturating_add(before.matches('\n').count())
}

/// The line that sets `key`.
fn line_of(text: &str, key: &str) -> Option<NonZeroUsize> {
    use toml::de::DeValue;
    let whole = toml::de::DeTable::parse(text).ok()?;
    let mut table = whole.get_ref();
    let mut at = None;
    for item in key.split('.') {
        let (item, index) = split_index(item);
        let found = table.iter().find(|(name, _)| name.get_ref() == item);
        // a key that an entry leaves out is missing in the entry
        let Some((name, value)) = found else { break };
        at = Some(name.span().start);
        match (value.get_ref(), index) {
            (DeValue::Table(inner), _) => table = inner,
            (DeValue::Array(list), Some(index)) => {
                let entry = list.get(index)?;
                at = Some(entry.span().start);
                let DeValue::Table(inner) = entry.get_ref() else { break };
                table = inner;
            }
            _ => break,
        }
    }
    text.get(..at?).map(line_behind)
}
