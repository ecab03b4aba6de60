//! Servers that rules ask: whether a client may, and for the keys of tokens.

use std::net::IpAddr;

use super::access::Access;
use super::endpoint::Endpoint;
use super::features::is_compiled;
use super::value::Value;
use super::{Config, MissingFeature, Wrong};
use crate::proto::Url;

/// A server that is asked whether a client may.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Authority<'a> {
    /// Its URL.
    pub url: &'a Url,
    /// The file with the authorities to believe for it; empty for those of browsers.
    pub ca: &'a str,
    /// Any certificate is believed.
    pub insecure: bool,
    /// The questions that it understands.
    pub format: Format,
}

/// The format of questions to a server.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Format {
    /// That of MediaMTX's `authHTTPAddress`.
    #[default]
    MediaMtx,
    /// That of SRS's `http_hooks`: `on_publish` and `on_play`.
    Srs,
}

/// The URL of a set of keys: `https`, or `http` to an address from which nobody else answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyUrl(pub Url);

/// A server that the rules ask: the key of its `ca`, its URL, its `ca`, and the most connections to it at once.
pub type Asked<'a> = (String, &'a Url, &'a String, usize);

/// A fault of a rule: whether it has it, the key, and the values allowed.
pub(super) type Row = (bool, &'static str, &'static str);

impl Access {
    /// The server that is asked whether a client may, if the rule says so.
    pub fn authority(&self) -> Option<Authority<'_>> {
        let Self { ca, insecure, format, .. } = self;
        self.callback.as_ref().map(|Endpoint(url)| Authority { url, ca, insecure: *insecure, format: *format })
    }

    /// The URL of its keys, with the file of the authorities to believe for it.
    fn key_set(&self) -> Option<(&Url, &str)> {
        self.jwks.as_ref().map(|KeyUrl(url)| (url, self.ca.as_str()))
    }

    /// The faults of what it asks a server.
    pub(super) fn rows_of_servers(&self) -> [Row; 5] {
        let (asks, has_keys) = (self.callback.is_some(), self.jwks.is_some());
        let is_of_srs = asks && self.format == Format::Srs;
        [
            (!asks && self.format != Format::default(), "format", "left out where there is no callback"),
            (!asks && self.fail_open, "fail_open", "left out where there is no callback"),
            (!asks && self.insecure, "insecure", "left out where there is no callback"),
            (!asks && !has_keys && !self.ca.is_empty(), "ca", "left out where there is no callback and no jwks"),
            (
                is_of_srs && !self.is_only_about(&["publish", "play"]),
                "action",
                "\"publish\", \"play\", or a list of both: SRS asks about nothing else",
            ),
        ]
    }
}

impl Config {
    /// The servers that are asked whether a client may, each once.
    pub fn authorities(&self) -> Vec<Authority<'_>> {
        self.rules_with(Access::authority).map(|(_, authority)| authority).collect()
    }

    /// The URLs of keys, each once, with the file of the authorities to believe for it.
    pub fn key_sets(&self) -> Vec<(&Url, &str)> {
        self.rules_with(Access::key_set).map(|(_, set)| set).collect()
    }

    /// All servers that the rules ask, each once.
    pub fn asked(&self) -> impl Iterator<Item = Asked<'_>> {
        let may = self.rules_with(Access::authority).map(|(at, one)| (at, one.url, self.questions()));
        let keys = self.rules_with(Access::key_set).map(|(at, (url, _))| (at, url, 1));
        let ca = |at: usize| self.access.get(at).map(|rule| &rule.ca);
        may.chain(keys).filter_map(move |(at, url, most)| Some((format!("access[{at}].ca"), url, ca(at)?, most)))
    }

    /// The parts of the rules without repetitions, each with the first rule that has it.
    fn rules_with<'a, T: PartialEq + 'a>(
        &'a self,
        part: fn(&'a Access) -> Option<T>,
    ) -> impl Iterator<Item = (usize, T)> {
        let all = self.access.iter().map(part).enumerate();
        let is_first =
            move |at: usize, one: &T| !self.access.iter().take(at).any(|rule| part(rule).as_ref() == Some(one));
        all.filter_map(move |(at, one)| one.filter(|one| is_first(at, one)).map(|one| (at, one)))
    }
}

impl Value for Format {
    fn read(value: toml::Value) -> Result<Self, Wrong> {
        match value.as_str() {
            Some("mediamtx") => Ok(Self::MediaMtx),
            Some("srs") => Ok(Self::Srs),
            _ => Err(Wrong::of_value(&value, "\"mediamtx\" or \"srs\"")),
        }
    }
}

impl Value for KeyUrl {
    fn read(value: toml::Value) -> Result<Self, Wrong> {
        if !is_compiled("tls") {
            return Err(Wrong::Feature(MissingFeature("tls"))); // its library checks the signatures
        }
        let expected = "https://, or http:// to a loopback or private address: who answers in its place makes tokens";
        let Endpoint(url) = Endpoint::read(value.clone())?;
        let is_near = url.host.parse().is_ok_and(is_near);
        (url.is_tls() || is_near).then_some(Self(url)).ok_or_else(|| Wrong::of_value(&value, expected).without_value())
    }
}

/// True if an address is one of this machine or of a private network. RFC 1918, RFC 4193.
fn is_near(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(address) => address.is_loopback() || address.is_private() || address.is_link_local(),
        IpAddr::V6(address) => address.is_loopback() || address.is_unique_local() || address.is_unicast_link_local(),
    }
}

#[cfg(all(test, feature = "http", feature = "tls"))]
mod tests {
    use super::*;

    #[test]
    fn servers_that_several_rules_ask_are_counted_once() {
        let rule = |keys: &str| format!("[[access]]\n{keys}\n");
        let ask =
            |action: &str, more: &str| rule(&format!("action = {action:?}\ncallback = \"https://h/may\"\n{more}"));
        let keys = rule("jwks = \"https://h/keys\"\nca = \"/ca\"");
        let text = [
            "profile = \"router\"
"
            .into(),
            ask("publish", ""),
            ask("play", "fail_open = true"),
            ask("play", "format = \"srs\""),
            keys,
        ]
        .concat();
        let config = Config::parse("test", &text).unwrap();
        let asked: Vec<_> =
            config.asked().map(|(key, url, ca, most)| (key, url.path.as_str(), ca.as_str(), most)).collect();
        let expected = [(0, "/may", "", 8), (2, "/may", "", 8), (3, "/keys", "/ca", 1)];
        assert_eq!(asked, expected.map(|(at, path, ca, most)| (format!("access[{at}].ca"), path, ca, most)));
        assert_eq!((config.authorities().len(), config.key_sets().len()), (2, 1));
        let without = Config::parse("test", "profile = \"router\"\n").unwrap();
        assert_eq!(config.descriptors() - without.descriptors(), 17);
        assert_eq!(config.tls_connections() - without.tls_connections(), 17);
    }

    #[test]
    fn keys_come_from_whom_nobody_can_replace() {
        let read = |url: &str| KeyUrl::read(url.into());
        for good in
            ["https://h/keys", "http://127.0.0.1:9/keys", "http://[::1]/keys", "http://10.1.2.3/", "http://[fd00::1]/"]
        {
            assert!(read(good).is_ok(), "{good}");
        }
        for bad in ["http://192.0.2.1/keys", "http://u:hidden@h/keys", "http://[2001:db8::1]/", "rtmp://127.0.0.1/"] {
            let why = read(bad).unwrap_err().to_string();
            assert!(!why.contains("hidden"), "{why}");
        }
    }
}
