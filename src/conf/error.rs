//! The error of a refused configuration, with the line and the key.

use std::fmt;

use super::keys;

/// The reason to refuse a configuration: the place, the fault, and the remedy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    pub(super) file: String,
    pub(super) what: String,
}

impl Error {
    pub(super) fn key(file: &str, text: &str, key: &str, remedy: &str) -> Self {
        Self::key_is(file, text, key, &format!("must be {remedy}"))
    }

    /// `key` is a path such as `rtsp.listen`, or `pull[1].url` for the second table.
    pub(super) fn key_is(file: &str, text: &str, key: &str, what: &str) -> Self {
        let line = line_of(text, key).map_or(String::new(), |line| format!("line {line}: "));
        // the line tells which of several tables it is
        let key: String = key.split('.').map(|item| split_index(item).0).collect::<Vec<_>>().join(".");
        let what = if is_secret(&key) { without_value(what) } else { what.into() };
        Self { file: file.into(), what: format!("{line}{key}: {}", humane(&what)) }
    }

    /// The place and the reason, without the value there: it may be a password.
    pub(super) fn syntax(file: &str, text: &str, error: &toml::de::Error) -> Self {
        let before = error.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
        let line = before.matches('\n').count() + 1;
        let left = before.rsplit('\n').next().unwrap_or_default();
        let column = left.chars().count() + 1;
        let mut message = error.message();
        // of a key that is there twice the last item is marked
        let twice = error.span().filter(|_| message == "duplicate key").and_then(|span| text.get(span));
        let key = match twice {
            Some(item) => format!("{}{item}", left.trim_start_matches(['[', ' '])),
            None => left.split_once('=').map_or(String::new(), |(key, _)| key.trim().into()),
        };
        let key = if is_known(&key) { format!("{key}: ") } else { String::new() };
        if twice.is_some() && left.starts_with('[') {
            message = "duplicate key: the table is begun above, by its name in brackets or by a dotted key";
        }
        Self { file: file.into(), what: format!("line {line}, column {column}: {key}{message}") }
    }

    /// Whether the file sets the key.
    pub(super) fn has_line(&self) -> bool {
        self.what.starts_with("line ")
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.file, self.what)
    }
}

impl std::error::Error for Error {}

/// Whether its value may be, or hold, a password.
fn is_secret(key: &str) -> bool {
    key.ends_with("password") || key.starts_with("pull") || key.starts_with("push")
}

/// Whether it is a key of ours, and so no part of a text that runs over several lines.
fn is_known(key: &str) -> bool {
    let item = key.rsplit('.').next().unwrap_or_default().trim();
    let is_there = |before, after| keys::REFERENCE.contains(&format!("{before}{item}{after}"));
    !item.is_empty()
        && item.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
        && [(" ", " = "), ("\n", " = "), ("[", "]")].into_iter().any(|(before, after)| is_there(before, after))
}

/// The parser's words about a wrong value, without the value.
fn without_value(message: &str) -> String {
    match (message.split_once(": "), message.rsplit_once(", expected ")) {
        // it stands in quotation marks
        (Some((wrong, value)), Some((_, expected))) if value.contains(['"', '`']) => {
            format!("{wrong}, expected {expected}")
        }
        _ => message.into(),
    }
}

/// Puts the message of the TOML reader into plain words.
fn humane(message: &str) -> String {
    if let Some(key) = message.strip_prefix("missing field ") {
        return format!("{} is missing", key.trim_matches('`'));
    }
    match message.rsplit_once("expected ") {
        Some((before, words)) => match nearest_word(before, words) {
            Some(word) => format!("{message}; the nearest is {word:?}"),
            None => message.into(),
        },
        None => message.into(),
    }
}

/// The one that is meant, where a few words are expected and there is another text.
fn nearest_word<'a>(before: &str, words: &'a str) -> Option<&'a str> {
    words.strip_prefix("one of ").unwrap_or(words).strip_prefix('"')?;
    let (_, wrong) = before.split_once("string \"")?;
    let (wrong, _) = wrong.rsplit_once('"')?;
    nearest(wrong, words.split('"').skip(1).step_by(2))
}

/// The name that differs by few letters.
fn nearest<'a>(word: &str, names: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let near = names.map(|name| (distance(word, name), name)).min()?;
    Some(near).filter(|(distance, name)| *distance <= 1 + name.len().min(word.len()) / 4).map(|(_, name)| name)
}

/// `pull[1]` as `pull` and 1.
fn split_index(item: &str) -> (&str, Option<usize>) {
    let indexed = item.strip_suffix(']').and_then(|item| item.split_once('['));
    indexed.map_or((item, None), |(name, index)| (name, index.parse().ok()))
}

/// The line that sets `key`, counted from 1.
fn line_of(text: &str, key: &str) -> Option<usize> {
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
    let before = text.get(..at?)?;
    Some(before.matches('\n').count() + 1)
}

/// The words about an unknown key, from those of `Entries`: the key that is meant, or the keys that
/// there are. `elsewhere` are the keys of all tables.
pub(super) fn unknown(what: &str, elsewhere: &[String]) -> Option<String> {
    let mut names = what.strip_prefix("unknown field `")?.split('`').step_by(2);
    let key = names.next()?;
    let there: Vec<_> = names.collect();
    let near = nearest(key, there.iter().copied());
    let other = || elsewhere.iter().map(String::as_str).find(|path| path.rsplit('.').next() == Some(key));
    Some(match near.or_else(other) {
        Some(meant) => format!("unknown key; the nearest is {meant}"),
        None => format!("unknown key; there are {}", there.join(", ")),
    })
}

/// The words about a dotted key that stands below the head of a table, so that the table counts as
/// a part of it: `tls.hls.part` for `hls.part` below `[tls]`.
pub(super) fn below_a_table(key: &str, tables: &[&str]) -> Option<String> {
    let (above, meant) = key.split_once('.')?;
    let (table, alone) = meant.split_once('.')?;
    let words = match split_index(above).0 == table {
        true => format!("below [{table}] write {alone} alone, or put {meant} above the first table"),
        false => format!("put {meant} above the first table, or {alone} below [{table}]"),
    };
    tables.contains(&table).then(|| format!("unknown key: {words}"))
}

/// Letters to add, take away, change or swap with their neighbours until the one is the other
/// (optimal string alignment).
fn distance(one: &str, other: &str) -> usize {
    let other: Vec<u8> = other.bytes().collect();
    let (mut two_above, mut above): (Vec<usize>, Vec<usize>) = (Vec::new(), (0..=other.len()).collect());
    let mut before = None;
    for (at, letter) in one.bytes().enumerate() {
        let mut row = vec![at + 1];
        for (column, wanted) in other.iter().enumerate() {
            let of = |row: &[usize], column: usize| row.get(column).copied().unwrap_or(usize::MAX - 1);
            let changed = of(&above, column) + usize::from(letter != *wanted);
            let mut best = changed.min(of(&row, column) + 1).min(of(&above, column + 1) + 1);
            if let Some(left) = column.checked_sub(1)
                && before == Some(*wanted)
                && other.get(left) == Some(&letter)
            {
                best = best.min(of(&two_above, left) + 1);
            }
            row.push(best);
        }
        before = Some(letter);
        two_above = std::mem::replace(&mut above, row);
    }
    above.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances_are_counted_in_letters() {
        for (one, other, letters) in [
            ("max", "maxx", 1),
            ("", "abc", 3),
            ("kitten", "sitting", 3),
            ("a", "a", 0),
            ("hsl", "hls", 1),
            ("ab", "ba", 1),
        ] {
            assert_eq!((distance(one, other), distance(other, one)), (letters, letters), "{one} {other}");
        }
    }
}
