//! The faults of single keys of a file: a missing feature, an unknown key, a value that cannot be read.

use super::error::{Objection, below_a_table, unknown};
use super::features::{FEATURES, is_compiled};
use super::keys::{leaves, merge, missing_switches, nest};
use super::port::PORTS;
use super::{Config, Fault, MissingFeature, Wrong};

/// A key of a file, with its value.
type Said = (String, toml::Value);

/// Tables that can occur repeatedly.
const LISTS: [&str; 7] = ["access", "pull", "push", "record", "notify", "exec", "tls.more"];

/// Tables that only one feature reads, besides those of its name and the keys of ports.
const OF_FEATURES: [(&str, &str); 9] = [
    ("access", "auth"),
    ("rtmp.auth", "auth"),
    ("hls", "http"),
    ("metrics", "http"),
    ("recording", "record"),
    ("notifications", "notify"),
    ("exec", "notify"),
    ("commands", "notify"),
    ("log.kept", "api"),
];

/// Keys of a password that have no effect without `rtsp.auth`.
const PASSWORDS: [&str; 2] = ["rtsp.password", "rtsp.user"];

/// The keys that a file sets without effect, because a feature is missing: switches that are on, and others whose
/// values differ from those of `base`.
pub(super) fn lacking(said: &[Said], base: &toml::Table) -> Vec<Objection> {
    let known = leaves(base);
    let fault = |key: &str, remedy, feature| (key.to_string(), Fault::Feature(remedy, MissingFeature(feature)));
    let switches = missing_switches().filter(|(key, _)| said.contains(&(key.to_string(), true.into())));
    // an empty table sets nothing
    let new = said.iter().filter(|pair| !pair.1.is_table() && !known.contains(pair));
    let missing = |key: &str| missing_keys().find(|(table, _)| is_within(key, table));
    let others = new.filter_map(|(key, _)| missing(key).map(|(_, feature)| fault(key, "left out", feature)));
    switches.map(|(key, feature)| fault(key, "false", feature)).chain(others).collect()
}

/// The keys and tables of missing features; of several for one key the first counts.
fn missing_keys() -> impl Iterator<Item = (&'static str, &'static str)> {
    let of_ports = PORTS.into_iter().flat_map(|port| port.features.iter().map(|feature| (port.key, *feature)));
    let of_features = FEATURES.into_iter().map(|(name, _)| (name, name));
    of_ports.chain(of_features).chain(OF_FEATURES).filter(|(_, feature)| !is_compiled(feature))
}

/// A user or password of a file that does not say whether anybody is asked for it.
pub(super) fn unasked(said: &[Said]) -> Option<Objection> {
    let sets =
        |key: &str| said.iter().any(|(name, value)| name == key && value.as_str().is_some_and(|text| !text.is_empty()));
    let asks = said.iter().any(|(name, _)| name == "rtsp.auth");
    let key = PASSWORDS.into_iter().find(|key| sets(key) && !asks)?;
    let words = "needs rtsp.auth: \"digest\" or \"basic\" asks clients for it, \"off\" does not";
    Some((key.into(), Fault::Conflict(words.into())))
}

/// The keys of `own` whose values make the valid `base` invalid.
pub(super) fn unreadable(base: &toml::Table, own: &toml::Table) -> Vec<Objection> {
    let probe = Probe { base, all: leaves(base).into_iter().map(|(key, _)| key).collect() };
    leaves(own).into_iter().flat_map(|(key, value)| probe.faults(&key, &value)).collect()
}

/// The tests of one key after another in a valid configuration.
struct Probe<'a> {
    base: &'a toml::Table,
    /// All keys of `base`.
    all: Vec<String>,
}

impl Probe<'_> {
    /// The reason why `key` cannot have `value`.
    fn wrong(&self, key: &str, value: toml::Value) -> Option<Wrong> {
        let mut probe = self.base.clone();
        merge(&mut probe, nest(key, value));
        Config::of(probe).err()
    }

    /// The faults of `key` with `value`: one at most, or those of each entry of a list of tables.
    fn faults(&self, key: &str, value: &toml::Value) -> Vec<Objection> {
        let Some(wrong) = self.wrong(key, value.clone()) else { return Vec::new() };
        if let Some(list) = LISTS.into_iter().find(|list| is_within(key, list))
            && (list != key || value.is_table())
        {
            let words = format!("write [[{list}]], with two brackets");
            return vec![(list.into(), Fault::Conflict(words.into()))];
        }
        let entries = value.as_array().into_iter().flatten().enumerate();
        let entries: Vec<_> = entries.flat_map(|(at, entry)| self.entry_faults(key, at, entry)).collect();
        if entries.is_empty() { vec![self.fault(key.into(), wrong)] } else { entries }
    }

    /// The faults of an entry of the list `key`.
    fn entry_faults(&self, key: &str, at: usize, entry: &toml::Value) -> Vec<Objection> {
        let (mut faults, mut rest) = (Vec::new(), entry.clone());
        while let Some(wrong) = self.wrong(key, vec![rest.clone()].into()) {
            // without the field at fault the reason is another, or none
            let without = |field: &str| {
                let mut rest = rest.as_table().cloned().unwrap_or_default();
                rest.remove(field);
                rest
            };
            let is_at_fault = |field: &&String| self.wrong(key, vec![without(field)].into()).as_ref() != Some(&wrong);
            let mut fields = rest.as_table().into_iter().flat_map(toml::Table::keys);
            let field = match wrong {
                // a key that had a wrong value is missing now, or an unknown one is probably meant to be it
                Wrong::Missing(name) if entry.get(name).is_some() || has_unknown(&faults) => break,
                Wrong::Missing(_) => None,
                _ => fields.find(is_at_fault).cloned(),
            };
            let Some(field) = field else {
                faults.push(self.fault(format!("{key}[{at}]"), wrong));
                break;
            };
            faults.push(self.fault(format!("{key}[{at}].{field}{}", rest_of(rest.get(&field))), wrong));
            rest = without(&field).into();
        }
        faults
    }

    /// The fault of a key for this reason. An unknown one comes with the key that is probably meant.
    fn fault(&self, key: String, wrong: Wrong) -> Objection {
        let Wrong::Unknown { key: name, known } = wrong else { return (key, Fault::Value(wrong)) };
        let tables = self.base.iter().filter(|(_, value)| value.is_table());
        let tables: Vec<_> = tables.map(|(key, _)| key.as_str()).collect();
        let words = below_a_table(&key, &tables).unwrap_or_else(|| unknown(&name, known, &self.all));
        (unknown_part(&key, &name, self.base).into(), Fault::Key(words))
    }
}

/// True if one of these keys is unknown.
fn has_unknown(faults: &[Objection]) -> bool {
    faults.iter().any(|(_, fault)| matches!(fault, Fault::Key(_)))
}

/// True if `key` is that of `table`, or of something in it.
fn is_within(key: &str, table: &str) -> bool {
    key.strip_prefix(table).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

/// The names below a key that is a table, down to its first value, each after a dot.
fn rest_of(value: Option<&toml::Value>) -> String {
    let below = value.and_then(toml::Value::as_table).map(leaves).unwrap_or_default();
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
