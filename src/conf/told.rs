//! The configuration as others may read it: keys with their values and lines, without secrets.

use std::num::NonZeroUsize;

use super::Keys;
use super::place::{Keyed, holds_secret};
use super::secret::MASK;
use crate::proto::Url;

/// A key and its value.
#[derive(Clone, Debug, PartialEq)]
pub struct Told {
    /// The key, such as `rtsp.listen`, or `pull[1].url` for the second table.
    pub key: String,
    /// The value in the file, else its default. Secrets are masked.
    pub value: toml::Value,
    /// The value that is in effect, if it is another: that of the file needs a restart.
    pub running: Option<toml::Value>,
    /// The line of the file that sets it.
    pub line: Option<NonZeroUsize>,
}

/// The list whose items after the first are arguments of a program, which may be secrets.
const COMMAND: &str = "command";

impl Keys {
    /// The keys that the file sets, and with `all` those of which it has the defaults.
    pub fn told(&self, all: bool) -> Vec<Told> {
        let (in_effect, keyed) = (entries(self.table()), Keyed::of(self.text()));
        let own: toml::Table = toml::from_str(self.text()).unwrap_or_default();
        let tell = |(key, value): (String, toml::Value)| {
            let running = in_effect.iter().find(|(known, _)| *known == key).map(|(_, running)| running);
            let running = running.filter(|running| **running != value).cloned();
            Told {
                value: masked(&key, value),
                running: running.map(|running| masked(&key, running)),
                line: keyed.line(&key),
                key,
            }
        };
        let mut told: Vec<_> = entries(&own).into_iter().map(tell).collect();
        told.sort_by_key(|one| one.line);
        if all {
            let is_told = |key: &String| told.iter().any(|one| one.key == *key);
            let rest: Vec<_> = in_effect.iter().filter(|(key, _)| !is_told(key)).cloned().collect();
            told.extend(rest.into_iter().map(|(key, value)| Told {
                value: masked(&key, value),
                running: None,
                line: None,
                key,
            }));
        }
        told
    }
}

/// All keys of a table with their values, also those of tables in lists.
fn entries(table: &toml::Table) -> Vec<(String, toml::Value)> {
    let mut out = Vec::new();
    table.iter().for_each(|(key, value)| entries_below(key.clone(), value, &mut out));
    out
}

fn entries_below(key: String, value: &toml::Value, out: &mut Vec<(String, toml::Value)>) {
    match value {
        toml::Value::Table(table) => {
            table.iter().for_each(|(name, value)| entries_below(format!("{key}.{name}"), value, out));
        }
        toml::Value::Array(list) if list.iter().any(toml::Value::is_table) => {
            list.iter().enumerate().for_each(|(at, value)| entries_below(format!("{key}[{at}]"), value, out));
        }
        value => out.push((key, value.clone())),
    }
}

/// The value of a key without secrets.
fn masked(key: &str, value: toml::Value) -> toml::Value {
    match value {
        toml::Value::String(text) if text.is_empty() => text.into(),
        _ if holds_secret(key) => MASK.into(),
        toml::Value::String(text) => without_password(text).into(),
        toml::Value::Array(list) => {
            let is_argument = |at: usize| at > 0 && key.rsplit('.').next() == Some(COMMAND);
            let item = |(at, one)| if is_argument(at) { MASK.into() } else { masked(key, one) };
            list.into_iter().enumerate().map(item).collect::<Vec<_>>().into()
        }
        value => value,
    }
}

/// A text, or the URL that it is without what may be a secret there.
fn without_password(text: String) -> String {
    if !text.contains("://") {
        return text;
    }
    match Url::parse(&text) {
        Ok(url) => url.masked(),
        Err(_) if text.contains('@') => MASK.into(),
        Err(_) => text,
    }
}

#[cfg(all(test, feature = "auth", feature = "notify", feature = "rtsp", feature = "record"))]
mod tests {
    use super::*;
    use crate::conf::{Config, REFERENCE, Wrong};

    /// Names that may be those of secrets.
    const SUSPICIOUS: [&str; 8] = ["pass", "secret", "key", "token", "sign", "link", "jwt", "credential"];
    /// Those that are none: files of keys, and the name of a claim.
    const NO_SECRETS: [&str; 4] = ["tls.key", "tls.more.key", "access.jwt_file", "access.jwt_claim"];
    /// The lists of tables.
    const LISTS: [&str; 7] = ["access", "pull", "push", "record", "notify", "exec", "tls.more"];

    fn told(text: &str, all: bool) -> Vec<Told> {
        Keys::parse("r.toml", text).unwrap().1.told(all)
    }

    /// All keys that a file may set.
    fn all_keys() -> Vec<String> {
        let reference: toml::Table = toml::from_str(REFERENCE).unwrap();
        let mut keys: Vec<_> = entries(&reference).into_iter().map(|(key, _)| key).collect();
        for list in LISTS {
            let table: toml::Table = toml::from_str(&format!("[[{list}]]\nnothing = 1\n")).unwrap();
            let mut base: toml::Table = toml::from_str(REFERENCE).unwrap();
            crate::conf::keys::merge(&mut base, table);
            let Err(Wrong::Unknown { known, .. }) = Config::of(base) else { panic!("{list}") };
            keys.extend(known.iter().map(|key| format!("{list}.{key}")));
        }
        keys
    }

    #[test]
    fn each_key_whose_name_may_be_that_of_a_secret_is_masked() {
        let keys = all_keys();
        assert!(keys.len() > 100 && NO_SECRETS.iter().all(|key| keys.iter().any(|one| one == key)), "{keys:?}");
        let suspicious = keys.iter().filter(|key| SUSPICIOUS.iter().any(|word| key.contains(word)));
        for key in suspicious.filter(|key| !NO_SECRETS.contains(&key.as_str())) {
            assert_eq!(masked(key, "hidden".into()), MASK.into(), "{key}");
            assert_eq!(masked(key, vec!["hidden"].into()), MASK.into(), "{key}");
        }
    }

    #[test]
    fn a_url_shows_no_password_under_any_key() {
        for key in all_keys() {
            for url in [
                "rtsp://admin:hidden@h:554/cam",
                "rtmp://h/live/hidden",
                "https://h/a?token=hidden",
                "rtsp://admin:p/hidden@h/a",
                "rtsp://admin:hid@den@h/a b",
                "http://hidden@",
            ] {
                let shown = format!("{:?}", masked(&key, vec![url].into()));
                assert!(!shown.contains("hid") && !shown.contains("den"), "{key}: {shown}");
            }
        }
    }

    #[test]
    fn no_secret_of_a_file_is_shown() {
        let text = "profile = \"tiny\"\nrtsp.auth = \"digest\"\nrtsp.user = \"a\"\nrtsp.password = \"hidden1\"\n\
            [[access]]\nuser = \"a\"\npassword = \"hidden2\"\n\
            [[access]]\nsecret = \"hidden3\"\ndangerous_secret = \"hidden4\"\n\
            [[access]]\nsigned = \"hidden5\"\n[[access]]\nsecure_link = \"hidden6 $uri\"\n\
            [[access]]\njwt = \"hidden7 of thirty-two bytes or more\"\n\
            [[pull]]\nstream = \"a\"\nurl = \"rtsp://u:hidden8@h/a\"\n[[push]]\nstream = \"b\"\nurl = \"rtmp://h/hidden9\"\n\
            [[notify]]\nurl = \"http://u:hidden10@h/hidden11\"\nsecret = \"hidden12\"\n\
            [[exec]]\non = [\"play\"]\ncommand = [\"/bin/true\", \"--password\", \"hidden13\"]\n";
        for all in [false, true] {
            let told = told(text, all);
            let secrets = told.iter().filter(|one| format!("{:?}", one.value).contains(MASK)).count();
            assert_eq!(secrets, 12, "{told:?}");
            assert!(!format!("{told:?}").contains("hidden"), "{told:?}");
        }
    }

    #[test]
    fn keys_have_their_lines_and_what_waits_for_a_restart_beside_what_runs() {
        let text = "profile = \"tiny\"\n[viewers]\nmax = 8\n\n[[pull]]\nstream = \"a\"\nurl = \"rtsp://h/a\"\n";
        let line = |told: &[Told], key: &str| {
            told.iter().find(|one| one.key == key).and_then(|one| one.line).map_or(0, NonZeroUsize::get)
        };
        let first = told(text, false);
        let keys: Vec<_> = first.iter().map(|one| (one.key.as_str(), line(&first, &one.key))).collect();
        assert_eq!(keys, [("profile", 1), ("viewers.max", 3), ("pull[0].stream", 6), ("pull[0].url", 7)]);
        let mut keys = Keys::parse("r.toml", text).unwrap().1;
        keys.adopt(&Keys::parse("r.toml", "profile = \"tiny\"\nviewers.max = 9\nhls.start = 2\n").unwrap().1);
        let told = keys.told(true);
        let of = |key: &str| told.iter().find(|one| one.key == key).unwrap().clone();
        assert_eq!((of("viewers.max").value, of("viewers.max").running), (9.into(), Some(8.into())));
        assert_eq!((of("hls.start").running, line(&told, "hls.start")), (None, 3));
        assert_eq!((of("http.listen").line, line(&told, "viewers.max")), (None, 2));
    }
}
