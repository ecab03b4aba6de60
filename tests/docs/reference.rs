//! conf/reference.toml has every key, explains it, and tells the truth.

use std::path::{Path, PathBuf};

use runnel::conf::{Config, Profile, Wrong};

fn conf(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("conf").join(name)
}

fn reference() -> String {
    std::fs::read_to_string(conf("reference.toml")).unwrap()
}

/// A key of the reference: its table, its name, and the number of its line from 0.
struct Key {
    table: String,
    name: String,
    line: usize,
}

fn keys() -> Vec<Key> {
    let (mut table, mut keys) = (String::new(), Vec::new());
    for (line, text) in reference().lines().enumerate() {
        if let Some(name) = text.strip_prefix('[') {
            table = name.trim_end_matches(']').to_string();
        } else if let Some((name, _)) = text.split_once(" = ").filter(|_| !text.starts_with('#')) {
            keys.push(Key { table: table.clone(), name: name.to_string(), line });
        }
    }
    assert!(keys.len() > 30, "{} keys", keys.len());
    keys
}

#[test]
fn every_file_is_read_and_fits_in_its_memory() {
    for (name, kib) in [("tiny.toml", 9728), ("router.toml", 26 << 10), ("box.toml", 112 << 10)] {
        let config = Config::load(&conf(name)).unwrap_or_else(|error| panic!("{error}"));
        let plan = runnel::registry::plan(&config);
        assert!(plan.fits(), "{name}\n{plan}");
        assert_eq!(plan.limit, kib << 10, "{name}");
    }
}

#[test]
fn a_profile_by_name_is_the_file_of_that_name() {
    for name in ["tiny", "router", "box"] {
        let by_name = Config::parse("test", &format!("profile = {name:?}")).unwrap();
        assert_eq!(by_name, Config::load(&conf(&format!("{name}.toml"))).unwrap());
    }
}

#[test]
fn the_reference_has_the_values_that_apply_without_a_file() {
    assert_eq!(Config::load(&conf("reference.toml")).unwrap(), Config::embedded().unwrap());
}

/// Nothing else fills in for a key, so the reference has all there are; and no
/// key is unknown, so it has no others.
#[test]
fn without_any_one_of_its_keys_the_reference_is_no_configuration() {
    let config = |text: &str| Config::of(toml::from_str(text).unwrap());
    let whole = config(&reference()).unwrap();
    assert_eq!(Config { profile: Profile::Box, ..whole }, Config::load(&conf("box.toml")).unwrap());
    for key in keys() {
        let lines = reference();
        let lines: Vec<_> =
            lines.lines().enumerate().filter(|(line, _)| *line != key.line).map(|(_, line)| line).collect();
        let error = config(&lines.join("\n")).err();
        let error = error.unwrap_or_else(|| panic!("{}.{} may be left out", key.table, key.name));
        assert!(matches!(error, Wrong::Missing(name) if name == key.name), "{error}");
    }
}

#[test]
fn every_key_has_a_comment_above_it() {
    let text = reference();
    let lines: Vec<_> = text.lines().collect();
    let bare = keys().into_iter().filter(|key| !lines[key.line - 1].starts_with("# "));
    let bare: Vec<_> = bare.map(|key| format!("line {}: {}.{}", key.line + 1, key.table, key.name)).collect();
    assert!(bare.is_empty(), "no comment above\n{}", bare.join("\n"));
}

#[test]
fn the_keys_that_follow_a_signal_are_marked() {
    let text = reference();
    let lines: Vec<_> = text.lines().collect();
    let name = |key: &Key| if key.table.is_empty() { key.name.clone() } else { format!("{}.{}", key.table, key.name) };
    let all = keys();
    let (marked, others): (Vec<_>, Vec<_>) = all.iter().partition(|key| lines[key.line - 1].ends_with("(live)"));
    assert!(marked.iter().all(|key| Config::is_live(&name(key))) && marked.len() > 30);
    assert!(!others.iter().any(|key| Config::is_live(&name(key))) && others.len() > 30);
}

#[test]
fn every_key_can_be_set_alone() {
    let text = reference();
    let lines: Vec<_> = text.lines().collect();
    for key in keys() {
        let table = if key.table.is_empty() { String::new() } else { format!("[{}]\n", key.table) };
        let own = Config::parse("test", &format!("{table}{}", lines[key.line]));
        assert_eq!(own.unwrap(), Config::embedded().unwrap(), "{}.{}", key.table, key.name);
    }
}
