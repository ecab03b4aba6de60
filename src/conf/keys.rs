//! Configurations as text: every key with its value. A profile overrides the reference, and a file its profile.

use std::io;
use std::path::Path;

use super::error::{below_a_table, unknown};
use super::features::{FEATURES, is_compiled};
use super::port::PORTS;
use super::value::Value;
use super::{Config, Error, Fault, MissingFeature, Place, Profile, Wrong};
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

/// The text about a file in the format of other servers.
const JSON: &str = "this is JSON; the configuration is TOML: runnel --reference prints all keys";

/// Tables that can occur repeatedly.
const LISTS: [&str; 4] = ["pull", "push", "record", "tls.more"];

/// A switch that is on by default and not that of a port, and the feature that it needs.
const SWITCH: (&str, &str) = ("hls.enable", "http");

/// Tables that only one feature reads, besides those of its name and the keys of ports.
const OF_FEATURES: [(&str, &str); 2] = [("hls", "http"), ("recording", "record")];

impl Keys {
    /// Reads the file at `path`, which may be a pipe.
    pub fn load(path: &Path) -> Result<(Config, Self), Error> {
        Self::of(path, disk::read_once(path))
    }

    /// As `load`, from the bytes that were `read` of the file.
    pub fn of(path: &Path, read: io::Result<Vec<u8>>) -> Result<(Config, Self), Error> {
        let file = path.display().to_string();
        let text = read.and_then(|bytes| String::from_utf8(bytes).map_err(|_| io::Error::other("is no text in UTF-8")));
        match text {
            Ok(text) => Self::parse(&file, &text),
            Err(error) => Err(Error::file(&file, Fault::File(error))),
        }
    }

    /// Reads `text`; `file` is its name in errors.
    pub fn parse(file: &str, text: &str) -> Result<(Config, Self), Error> {
        let fail = |error: toml::de::Error| match text.trim_start_matches('\u{feff}').trim_start().starts_with('{') {
            true => Error::file(file, Fault::Syntax(JSON.into())),
            false => Error::syntax(file, text, &error),
        };
        // each layer overrides the one before; unknown keys and wrong types are found in the layer that has them, with
        // their line
        let mut own: toml::Table = toml::from_str(text).map_err(fail)?;
        let profile = match own.remove("profile") {
            Some(name) => {
                Profile::read(name).map_err(|wrong| Error::key(file, text, "profile", Fault::Value(wrong)))?
            }
            None => Profile::Auto,
        };
        let base = base(profile).map_err(fail)?;
        let mut said = Vec::new();
        leaves("", &own, &mut said);
        for (key, feature) in missing_switches() {
            if said.contains(&(key.to_string(), true.into())) {
                return Err(Error::key(file, text, key, Fault::Feature("false", MissingFeature(feature))));
            }
        }
        if let Some((key, feature)) = in_vain(&said, &base) {
            return Err(Error::key(file, text, key, Fault::Feature("left out", MissingFeature(feature))));
        }
        let sets = |key: &str| said.iter().any(|(name, value)| name == key && value.as_str() != Some(""));
        let unasked = ["rtsp.password", "rtsp.user"].into_iter().find(|key| sets(key) && !sets("rtsp.auth"));
        let mut merged = base.clone();
        merge(&mut merged, own.clone());
        let mut known = Vec::new();
        leaves("", &base, &mut known);
        said.retain(|pair| !known.contains(pair));
        let names = said.into_iter().map(|(key, _)| key).collect();
        let keys = Self { table: merged, file: file.into(), text: text.into(), own: names };
        let config = keys.config().map_err(|wrong| locate(file, text, &base, &own, wrong))?;
        if let Some(key) = unasked {
            let words = "must come with rtsp.auth: \"digest\" or \"basic\", or \"off\" for nobody to be asked";
            return Err(Error::key(file, text, key, Fault::Conflict(words.into())));
        }
        config.check(file, text)?;
        Ok((config, keys))
    }

    /// Takes over the keys of `new` that may change in a running server.
    pub fn adopt(&mut self, new: &Self) -> Changes {
        let (mut before, mut after) = (Vec::new(), Vec::new());
        leaves("", &self.table, &mut before);
        leaves("", &new.table, &mut after);
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
        changes
    }

    /// The configuration of the keys, unless they are in conflict: those of `file` may be, with others that need a
    /// restart.
    pub fn checked(&self, file: &str) -> Result<Config, Error> {
        let config = self.config().map_err(|wrong| Error::file(file, Fault::Value(wrong)))?;
        config.check(file, "").map(|()| config)
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
fn missing_switches() -> impl Iterator<Item = (&'static str, &'static str)> {
    let of_ports = PORTS.into_iter().filter_map(|port| Some((port.switch, *port.features.first()?)));
    of_ports.chain([SWITCH]).filter(|(_, feature)| !is_compiled(feature))
}

/// The keys and tables of missing features; of several for one key the first counts.
fn missing_keys() -> impl Iterator<Item = (&'static str, &'static str)> {
    let of_ports = PORTS.into_iter().flat_map(|port| port.features.iter().map(|feature| (port.key, *feature)));
    let of_features = FEATURES.into_iter().map(|(name, _)| (name, name));
    of_ports.chain(of_features).chain(OF_FEATURES).filter(|(_, feature)| !is_compiled(feature))
}

/// The first key that a file sets without effect: its value differs from that of `base`, and the feature that would
/// read it is missing. Returns the key and the feature.
fn in_vain<'a>(said: &'a [(String, toml::Value)], base: &toml::Table) -> Option<(&'a str, &'static str)> {
    let mut known = Vec::new();
    leaves("", base, &mut known);
    let is_in =
        |key: &str, table: &str| key.strip_prefix(table).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'));
    // an empty table sets nothing
    let mut new = said.iter().filter(|pair| !pair.1.is_table() && !known.contains(pair));
    let missing = |key: &str| missing_keys().find(|(table, _)| is_in(key, table));
    new.find_map(|(key, _)| missing(key).map(|(_, feature)| (key.as_str(), feature)))
}

/// Overrides values of `base` by those of `over`, table by table.
fn merge(base: &mut toml::Table, over: toml::Table) {
    for (key, value) in over {
        match (base.get_mut(&key), value) {
            (Some(toml::Value::Table(below)), toml::Value::Table(above)) => merge(below, above),
            (_, value) => {
                base.insert(key, value);
            }
        }
    }
}

/// Finds the key at fault: the one whose value makes the valid base invalid.
fn locate(file: &str, text: &str, base: &toml::Table, own: &toml::Table, wrong: Wrong) -> Error {
    let mut keys = Vec::new();
    leaves("", own, &mut keys);
    let objection = |key: &str, value: toml::Value| {
        let mut probe = base.clone();
        merge(&mut probe, nest(key, value));
        Config::of(probe).err()
    };
    let guilty = keys.into_iter().find_map(|(key, value)| Some((objection(&key, value.clone())?, key, value)));
    let Some((mut wrong, mut key, value)) = guilty else { return Error::file(file, Fault::Value(wrong)) };
    let is_in = |list: &&&str| key.strip_prefix(**list).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'));
    if let Some(list) = LISTS.iter().find(is_in).filter(|list| **list != key || value.is_table()) {
        let words = format!("write [[{list}]], with two brackets");
        return Error::key(file, text, list, Fault::Conflict(words.into()));
    }
    let entries = value.as_array().into_iter().flatten().enumerate();
    let mut faulty = entries.filter_map(|(at, entry)| Some((objection(&key, vec![entry.clone()].into())?, at, entry)));
    if let Some((why, at, entry)) = faulty.next() {
        // without the field at fault the objection is another, or none
        let without = |field: &String| {
            let mut rest = entry.as_table().cloned().unwrap_or_default();
            rest.remove(field);
            objection(&key, vec![rest].into())
        };
        let mut fields = entry.as_table().into_iter().flat_map(toml::Table::keys);
        let field = fields.find(|field| !matches!(why, Wrong::Missing(_)) && without(field).as_ref() != Some(&why));
        let field = field.map_or(String::new(), |field| format!(".{field}{}", rest_of(entry.get(field))));
        key = format!("{key}[{at}]{field}");
        wrong = why;
    }
    let mut all = Vec::new();
    leaves("", base, &mut all);
    let all: Vec<_> = all.into_iter().map(|(key, _)| key).collect();
    let tables: Vec<_> = base.iter().filter(|(_, value)| value.is_table()).map(|(key, _)| key.as_str()).collect();
    match wrong {
        Wrong::Unknown { key: name, known } => {
            let words = below_a_table(&key, &tables).unwrap_or_else(|| unknown(&name, known, &all));
            Error::key(file, text, unknown_part(&key, &name, base), Fault::Key(words))
        }
        wrong => Error::key(file, text, &key, Fault::Value(wrong)),
    }
}

/// The names below a key that is a table, down to its first value, each after a dot.
fn rest_of(value: Option<&toml::Value>) -> String {
    let mut below = Vec::new();
    if let Some(table) = value.and_then(toml::Value::as_table) {
        leaves("", table, &mut below);
    }
    below.first().map_or(String::new(), |(key, _)| format!(".{key}"))
}

/// The part of `key` up to the unknown name. Before it the same name may be that of a table.
fn unknown_part<'a>(key: &'a str, name: &str, base: &toml::Table) -> &'a str {
    let mut end = 0;
    let mut table = Some(base);
    for item in key.split('.') {
        end += item.len();
        let inner = table.and_then(|table| table.get(item));
        if item == name && inner.is_none() {
            break;
        }
        table = inner.and_then(toml::Value::as_table);
        end += 1;
    }
    key.get(..end).unwrap_or(key)
}

fn leaves(path: &str, table: &toml::Table, out: &mut Vec<(String, toml::Value)>) {
    for (key, value) in table {
        let key = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
        match value {
            toml::Value::Table(inner) if !inner.is_empty() => leaves(&key, inner, out),
            value => out.push((key, value.clone())),
        }
    }
}

fn nest(key: &str, value: toml::Value) -> toml::Table {
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
