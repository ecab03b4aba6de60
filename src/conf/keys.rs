//! Configurations as text: every key with its value. A profile overrides the reference, and a file its profile.

use std::io;
use std::path::Path;

use super::faults::{lacking, unasked, unreadable};
use super::features::is_compiled;
use super::place::table_of;
use super::port::PORTS;
use super::value::Value;
use super::{Config, Error, Errors, Fault, Place, Profile, Wrong};
use crate::budget::Plan;
use crate::disk;

/// Every key with its value.
#[derive(Clone, Debug)]
pub struct Keys {
    table: toml::Table,
    /// The name and the text of their file, to locate later faults.
    file: String,
    text: String,
    /// The keys that the file sets to other values than its profile.
    own: Vec<String>,
}

/// The keys that differ in a new configuration.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// The keys that are applied.
    pub live: Vec<String>,
    /// The keys that need a restart.
    pub restart: Vec<String>,
}

/// Every key with a comment, and the values that all profiles share: a profile contains only differences.
pub const REFERENCE: &str = include_str!("../../conf/reference.toml");

/// A switch that is on by default and not that of a port, and the feature that it needs.
const SWITCH: (&str, &str) = ("hls.enable", "http");

impl Keys {
    /// Reads the file at `path`, which may be a pipe.
    pub fn load(path: &Path) -> Result<(Config, Self), Errors> {
        Self::of(path, disk::read_once(path))
    }

    /// As `load`, from the bytes that were `read` of the file.
    pub fn of(path: &Path, read: io::Result<Vec<u8>>) -> Result<(Config, Self), Errors> {
        let file = path.display().to_string();
        let text =
            read.and_then(|bytes| String::from_utf8(bytes).map_err(|_| io::Error::other("is not text in UTF-8")));
        match text {
            Ok(text) => Self::parse(&file, &text),
            Err(error) => Err(Error::file(&file, Fault::File(error)).into()),
        }
    }

    /// Reads `text`; `file` is its name in errors.
    pub fn parse(file: &str, text: &str) -> Result<(Config, Self), Errors> {
        // each layer overrides the one before; unknown keys and wrong types are found in the layer that has them, with
        // their line
        let mut own: toml::Table = toml::from_str(text).map_err(|error| Errors::unread(file, text, &error))?;
        let profile = own.remove("profile").map_or(Ok(Profile::Auto), Profile::read);
        let base =
            base(*profile.as_ref().unwrap_or(&Profile::Auto)).map_err(|error| Errors::unread(file, text, &error))?;
        let (mut said, known) = (leaves(&own), leaves(&base));
        let mut faults: Vec<_> =
            profile.err().map(|wrong| ("profile".into(), Fault::Value(wrong))).into_iter().collect();
        faults.extend(lacking(&said, &base));
        faults.extend(unreadable(&base, &own));
        faults.extend(unasked(&said));
        // tables without a fault have the values that the file gives them, and are checked
        let is_sound = |key: &str| !faults.iter().any(|(wrong, _)| table_of(wrong) == table_of(key));
        let mut merged = base;
        merge(&mut merged, own.into_iter().filter(|(table, _)| is_sound(table)).collect());
        let config = Config::of(merged.clone()).map_err(|wrong| Error::file(file, Fault::Value(wrong)))?;
        let sets = |key: &str| said.iter().any(|(name, _)| name == key);
        let mut objections = config.objections(&sets);
        objections.retain(|(key, _)| is_sound(key));
        faults.extend(objections);
        Errors::check(file, text, faults)?;
        said.retain(|pair| !known.contains(pair));
        let own = said.into_iter().map(|(key, _)| key).collect();
        Ok((config, Self { table: merged, file: file.into(), text: text.into(), own }))
    }

    /// Takes over the keys of `new` that may change in a running server, and its text: later faults have their places there.
    pub fn adopt(&mut self, new: &Self) -> Changes {
        let (before, after) = (leaves(&self.table), leaves(&new.table));
        let mut changes = Changes::default();
        // both have every key, and in the same order
        for (key, value) in after.into_iter().filter(|pair| !before.contains(pair)) {
            if Config::is_live(&key) {
                merge(&mut self.table, nest(&key, value));
                changes.live.push(key);
            } else {
                changes.restart.push(key);
            }
        }
        (self.text, self.own) = (new.text.clone(), new.own.clone());
        changes
    }

    /// The configuration of the keys, unless they are in conflict: those of `file` may be, with others that need a
    /// restart.
    pub fn checked(&self, file: &str) -> Result<Config, Error> {
        let config = self.config().map_err(|wrong| Error::file(file, Fault::Value(wrong)))?;
        match config.objections(&|_| false).into_iter().next() {
            Some(objection) => Err(Error::somewhere(file, objection)),
            None => Ok(config),
        }
    }

    /// The configuration of the keys.
    pub fn config(&self) -> Result<Config, Wrong> {
        Config::of(self.table.clone())
    }

    /// The place of `key` in the file: `pull[1].url` is that of the second table.
    pub fn place(&self, key: &str) -> Place {
        Place::key(&self.file, &self.text, key)
    }

    /// The largest profile whose `plan` with the file takes no more than `limit` bytes, and its worst case.
    pub fn fitting(&self, limit: usize, plan: fn(&Config) -> Plan) -> Option<(Profile, usize)> {
        let worst_case = |profile| {
            let mut own: toml::Table = toml::from_str(&self.text).ok()?;
            own.remove("profile");
            let mut merged = base(profile).ok()?;
            merge(&mut merged, own);
            let plan = plan(&Config::of(merged).ok()?);
            (plan.fits() && plan.total() <= limit).then(|| (profile, plan.total()))
        };
        [Profile::Box, Profile::Router, Profile::Tiny].into_iter().find_map(worst_case)
    }

    /// The keys that the file sets to other values than its profile.
    pub(super) fn own(&self) -> &[String] {
        &self.own
    }

    /// The values in effect.
    pub(super) fn table(&self) -> &toml::Table {
        &self.table
    }

    /// The text of the file.
    pub(super) fn text(&self) -> &str {
        &self.text
    }

    /// The name of the file.
    pub fn file(&self) -> &str {
        &self.file
    }
}

/// Every key with its value in a profile.
fn base(profile: Profile) -> Result<toml::Table, toml::de::Error> {
    let mut base: toml::Table = toml::from_str(REFERENCE)?;
    merge(&mut base, toml::from_str(profile.text())?);
    missing_switches().for_each(|(key, _)| merge(&mut base, nest(key, false.into())));
    Ok(base)
}

/// The switches without their feature. A default is not a demand: a missing feature is off.
pub(super) fn missing_switches() -> impl Iterator<Item = (&'static str, &'static str)> {
    let of_ports = PORTS.into_iter().filter_map(|port| Some((port.switch, *port.features.first()?)));
    of_ports.chain([SWITCH]).filter(|(_, feature)| !is_compiled(feature))
}

/// Overrides values of `base` by those of `over`, table by table.
pub(super) fn merge(base: &mut toml::Table, over: toml::Table) {
    for (key, value) in over {
        match (base.get_mut(&key), value) {
            (Some(toml::Value::Table(below)), toml::Value::Table(above)) => merge(below, above),
            (_, value) => {
                base.insert(key, value);
            }
        }
    }
}

/// The keys of a table that are none themselves, each with its value.
pub(super) fn leaves(table: &toml::Table) -> Vec<(String, toml::Value)> {
    let mut out = Vec::new();
    leaves_below("", table, &mut out);
    out
}

fn leaves_below(path: &str, table: &toml::Table, out: &mut Vec<(String, toml::Value)>) {
    for (key, value) in table {
        let key = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
        match value {
            toml::Value::Table(inner) if !inner.is_empty() => leaves_below(&key, inner, out),
            value => out.push((key, value.clone())),
        }
    }
}

/// The table with one value, that of `key`.
pub(super) fn nest(key: &str, value: toml::Value) -> toml::Table {
    let (first, rest) = key.split_once('.').map_or((key, None), |(first, rest)| (first, Some(rest)));
    let value = rest.map_or(value.clone(), |rest| toml::Value::Table(nest(rest, value)));
    toml::Table::from_iter([(first.to_string(), value)])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(text: &str) -> Keys {
        Keys::parse("test", text).unwrap().1
    }

    #[test]
    fn what_can_change_changes_and_what_cannot_is_said() {
        let mut running = keys("profile = \"tiny\"\n");
        let new = keys("profile = \"tiny\"\nviewers.max = 8\nviewers.slow = \"3s\"\nlog.level = \"debug\"\n");
        let changes = running.adopt(&new);
        assert_eq!(changes.restart, ["viewers.max"]);
        assert_eq!(changes.live, ["log.level", "viewers.slow"]);
        let config = running.config().unwrap();
        assert_eq!((config.viewers.max, config.log.level.0), (16, log::LevelFilter::Debug));
        assert_eq!(config.viewers.slow, new.config().unwrap().viewers.slow);
        assert_eq!(running.adopt(&new).live, [""; 0], "the rest is said again, what was taken over is not");
    }

    #[cfg(feature = "rtmp")]
    #[test]
    fn what_contradicts_what_needs_a_restart_is_refused() {
        let pull = |name| format!("[[pull]]\nstream = \"{name}\"\nurl = \"rtmp://h/a/{name}\"\n");
        let mut running = keys("streams.max = 1\n");
        let changes = running.adopt(&keys(&format!("streams.max = 2\n{}{}", pull("a"), pull("b"))));
        assert_eq!((changes.restart, changes.live), (vec!["streams.max".into()], vec!["pull".into()]));
        let why = running.checked("r.toml").unwrap_err().to_string();
        assert!(why.starts_with("r.toml: pull: must be ") && why.contains("streams.max"), "{why}");
        running.adopt(&keys(&pull("a")));
        assert_eq!(running.checked("r.toml").unwrap().pull.len(), 1);
    }
}
