//! The keys of recordings, and their faults.

use std::path::Path;

use super::error::Objection;
use super::hints::Hint;
use super::value::tables;
use super::{Config, Error, Fault, FileSize, Keys, Size, Time};
use crate::disk::followed;
use crate::hub::{Name, have_common};

tables! {
    /// Streams that are written to files.
    pub struct Record {
        pub streams: String,
        pub path: String,
        pub format: FileFormat = FileFormat::default(),
        pub length: Time = Time::default(),
        pub size: FileSize = FileSize::default(),
        pub daily: bool = false,
        pub keep_size: FileSize = FileSize::default(),
        pub keep_total: FileSize = FileSize::default(),
        pub keep_age: Time = Time::default(),
        pub keep_free: FileSize = FileSize::default(),
        pub mounted: bool = false,
        pub start: Start = Start::default(),
    }

    /// The keys for all recordings together.
    pub struct Recording {
        pub max: usize,
        pub memory: Size,
        pub sync: Time => live,
        pub http: bool => live,
    }
}

/// The format of a recording's files.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[allow(missing_docs, reason = "the formats' own names")]
pub enum FileFormat {
    #[default]
    Flv,
    Ts,
    Fmp4,
    /// Segments of MPEG-TS in a folder of the stream's name, with a playlist.
    Hls,
}

/// The time from which a rule records.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Start {
    /// As soon as a stream is published.
    #[default]
    Always,
    /// Once the API is asked to.
    Api,
}

/// The least memory of a recording, in bytes: with less, bytes that wait for the disk do not fit.
const MIN_RECORDING: usize = 192 << 10;

impl Config {
    /// The most files that are written at once.
    pub fn recordings(&self) -> usize {
        if self.record.is_empty() { 0 } else { self.recording.max }
    }

    /// The most bytes that wait for the disk.
    pub fn recording_memory(&self) -> usize {
        if self.record.is_empty() { 0 } else { self.recording.memory.0 }
    }
}

/// Keys of recordings that are probably unintended.
pub(super) fn hints(config: &Config) -> Vec<Hint> {
    let rules = config.followed().record;
    let of_one = |at| Record::hints(&rules, at).map(move |(key, words)| (format!("record[{at}].{key}"), words));
    (0..rules.len()).flat_map(of_one).collect()
}

/// The faults of the keys of recordings.
pub(super) fn objections(config: &Config) -> Vec<Objection> {
    let must_be = |key: String, remedy: &'static str| (key, Fault::MustBe(remedy.into()));
    let entry = |(at, record): (usize, &Record)| {
        record.objections().map(move |(key, remedy)| must_be(format!("record[{at}].{key}"), remedy))
    };
    let mut faults: Vec<_> = config.record.iter().enumerate().flat_map(entry).collect();
    let same = |one: &Record, other: &Record| one.streams == other.streams && one.goes_where(other);
    let entries = config.record.iter().enumerate();
    let twice = entries.filter(|(at, one)| config.record.iter().take(*at).any(|before| same(before, one)));
    let remedy = "another one: a table before it has the same streams, path and format";
    faults.extend(twice.map(|(at, _)| must_be(format!("record[{at}]"), remedy)));
    let in_store = |record: &Record| {
        record.format == FileFormat::Hls && config.hls.store.0.as_deref() == Some(Path::new(&record.path))
    };
    let Recording { max, memory, .. } = &config.recording;
    let wrong = [
        (
            config.record.iter().any(in_store),
            "hls.store",
            "another folder than that of a [[record]] with format = \"hls\"",
        ),
        (*max == 0 && !config.record.is_empty(), "recording.max", "at least 1"),
        (
            memory.0 < max.saturating_mul(MIN_RECORDING),
            "recording.memory",
            "at least \"192KiB\" for each of recording.max",
        ),
    ];
    let wrong = wrong.into_iter().filter(|(wrong, ..)| *wrong);
    faults.extend(wrong.map(|(_, key, remedy)| must_be(key.into(), remedy)));
    faults
}

impl Config {
    /// The same configuration with links in the paths of rules resolved: rules for the same folder share its keeper.
    pub fn followed(&self) -> Self {
        let mut config = self.clone();
        for rule in &mut config.record {
            if let Some(path) = followed(Path::new(&rule.path)).to_str() {
                rule.path = path.into();
            }
        }
        config
    }

    /// A folder that is used twice because of links: the key, and its fault.
    pub fn refused_link(&self) -> Option<(String, Fault)> {
        let store = followed(self.hls.store.0.as_deref().filter(|_| self.hls.enable)?);
        let is_store = |rule: &Record| rule.format == FileFormat::Hls && store == followed(Path::new(&rule.path));
        let at = self.record.iter().position(is_store)?;
        let words = "leads to the folder of hls.store: format = \"hls\" needs a folder of its own";
        Some((format!("record[{at}].path"), Fault::Conflict(words.into())))
    }
}

impl Keys {
    /// Checks that links in the folders of `config`, which is made of these keys, do not lead to a folder in use.
    pub fn check_links(&self, config: &Config) -> Result<(), Error> {
        match config.refused_link() {
            Some((key, fault)) => Err(Error { place: self.place(&key), fault }),
            None => Ok(()),
        }
    }
}

impl Record {
    /// True if this rule continues the files of the other: the two differ at most in what is kept, and in when they
    /// record.
    pub fn goes_on_from(&self, other: &Self) -> bool {
        let Self { keep_size, keep_total, keep_age, keep_free, start, .. } = *self;
        *self == Self { keep_size, keep_total, keep_age, keep_free, start, ..other.clone() }
    }

    /// Keys of `all[at]` that are probably unintended: each with the text that says why.
    pub fn hints(all: &[Self], at: usize) -> impl Iterator<Item = (&'static str, &'static str)> + use<> {
        let (before, rest) = all.split_at(at.min(all.len()));
        let hints = rest.first().map(|one| [one.keep_hint(), one.twice_hint(before)]);
        hints.into_iter().flatten().flatten()
    }

    fn keep_hint(&self) -> Option<(&'static str, &'static str)> {
        let is_of_many = self.streams.contains(['*', '?']) && self.keep_size.0 > 0;
        let is_unbounded = self.keep_total.0 == 0 && self.keep_free.0 == 0;
        let words = "applies to each stream, so nothing limits all of them together: set keep_total or keep_free";
        (is_of_many && is_unbounded).then_some(("keep_size", words))
    }

    fn twice_hint(&self, before: &[Self]) -> Option<(&'static str, &'static str)> {
        let words =
            "matches streams that a table before it records with the same path and format: these are recorded twice";
        let is_twice = |one: &Self| self.goes_where(one) && have_common(&self.streams, &one.streams);
        before.iter().any(is_twice).then_some(("streams", words))
    }

    /// True if both write the same format to the same folder.
    fn goes_where(&self, other: &Self) -> bool {
        self.format == other.format && Path::new(&self.path) == Path::new(&other.path)
    }

    /// Its faults: the keys, and the values allowed.
    fn objections(&self) -> impl Iterator<Item = (&'static str, &'static str)> + use<> {
        let wrong = [
            (self.streams.is_empty(), "streams", "\"*\" for all, or a pattern of names"),
            (
                !Name::may_match(&self.streams),
                "streams",
                "a pattern that a name can match: names have no / and no space",
            ),
            (!self.path.starts_with('/'), "path", "the absolute path of a folder"),
            (!self.length.0.is_zero() && self.length.0.as_secs() < 1, "length", "at least \"1s\""),
            (self.size.0 > 0 && self.size.0 < 64 << 10, "size", "at least \"64KiB\""),
        ];
        wrong.into_iter().filter(|(wrong, ..)| *wrong).map(|(_, key, remedy)| (key, remedy))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_recorded_twice_is_said() {
        let twice = |first: &str, second: &str| {
            let table = |said: &str| format!("[[record]]\n{said}\n");
            let config =
                Config::parse("test", &format!("profile = \"box\"\n{}{}", table(first), table(second))).unwrap();
            Record::hints(&config.record, 1).map(|(key, _)| key).collect::<Vec<_>>()
        };
        let all = "streams = \"*\"\npath = \"/m\"";
        assert_eq!(twice(all, "streams = \"cam*\"\npath = \"/m/\""), ["streams"]);
        assert_eq!(twice(all, "streams = \"cam*\"\npath = \"/n\""), [""; 0]);
        assert_eq!(twice(all, "streams = \"cam*\"\npath = \"/m\"\nformat = \"ts\""), [""; 0]);
        assert_eq!(twice("streams = \"a*\"\npath = \"/m\"", "streams = \"b*\"\npath = \"/m\""), [""; 0]);
    }
}
