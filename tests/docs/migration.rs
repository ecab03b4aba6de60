//! `runnel import`, and the page that tells what each key of lal becomes.

use std::fs::read_to_string;
use std::path::Path;

use runnel::conf::Config;

use crate::program::{File, run};

/// A file with all keys of lal, each with a value that has an effect.
const ALL: &str = include_str!("lal.json");

/// Exit code, standard output and standard error.
fn import(json: &str) -> (Option<i32>, String, String) {
    let file = File::new(json);
    let output = run(&["import", file.0.to_str().unwrap()]);
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    (output.status.code(), text(&output.stdout), text(&output.stderr))
}

#[test]
fn all_keys_of_lal_are_translated_or_told() {
    let (code, toml, err) = import(ALL);
    assert_eq!((code, err.as_str()), (Some(0), ""));
    assert!(!toml.contains("no key of lal"), "{toml}");
    let config = Config::parse("imported", &toml).unwrap();
    assert_eq!(config.rtmp.listen.0.port(), 1936);
    assert_eq!((config.tls.cert.as_str(), config.tls.rtsp_listen.0.port()), ("/etc/lal/cert.pem", 5323));
    assert_eq!((config.hls.segment.0.as_millis(), config.hls.segments), (4000, 5));
    assert_eq!((config.rtsp.user.as_str(), config.rtsp.password.as_str()), ("u", "p"));
    assert_eq!((config.record.len(), config.push.len(), config.access.len(), config.notify.len()), (2, 1, 2, 2));
    assert_eq!(config.server_id, "7");
}

#[test]
fn the_page_names_all_keys_of_lal() {
    let page = read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/migration.md")).unwrap();
    let told: Vec<_> = page.lines().filter_map(|line| line.strip_prefix("| ")).collect();
    let told = told.iter().filter_map(|line| line.split(" | ").next()).flat_map(|cell| cell.split(", "));
    let mut told: Vec<_> = told.filter(|key| *key != "lal").map(String::from).collect();
    let tables: toml::Table = toml::from_str(&as_toml(ALL)).unwrap();
    let mut keys: Vec<_> = tables
        .iter()
        .flat_map(|(name, value)| match value.as_table() {
            Some(keys) => keys.keys().map(|key| format!("{name}.{key}")).collect(),
            None => vec![name.clone()],
        })
        .collect();
    told.sort_unstable();
    keys.sort_unstable();
    assert_eq!(told, keys);
}

/// JSON of one table in a line as TOML.
fn as_toml(json: &str) -> String {
    let lines = json.lines().filter_map(|line| line.trim().trim_end_matches(',').split_once(": "));
    lines.map(|(key, value)| format!("{key} = {}\n", value.replace("\": ", "\" = "))).collect()
}

#[test]
fn a_value_that_needs_a_correction_is_named() {
    let (code, toml, err) = import(r#"{"record": {"enable_flv": true, "flv_out_path": "./flv"}}"#);
    assert!(code == Some(78) && toml.contains("path = \"./flv\""), "{toml}");
    assert!(err.contains("record.path: must be the absolute path of a folder"), "{err}");
}

#[test]
fn what_is_not_lals_is_refused() {
    let (code, toml, err) = import("[rtmp]\n");
    assert_eq!((code, toml.as_str()), (Some(65), ""));
    assert!(err.contains("this is no JSON of lal's: "), "{err}");
    assert_eq!(run(&["import"]).status.code(), Some(64));
    assert_eq!(run(&["import", "/nothing/there"]).status.code(), Some(65));
}
