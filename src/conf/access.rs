//! The rules of who may do what, and their faults.

use std::net::IpAddr;

use super::callback::{Authority, Format, KeyUrl};
use super::endpoint::Endpoint;
use super::error::Objection;
use super::secret::Secret;
use super::stored::Stored;
use super::value::{Value, tables};
use super::{Auth, Config, Fault, Hint, Wrong};
use crate::hub::{Name, matches};
use crate::net::Network;
use crate::proto::Url;
use crate::proto::jwt::Key;
use crate::proto::scheme::{RTMP, RTSP};

tables! {
    /// A rule of who may do what.
    pub struct Access {
        pub action: Actions = Actions::default(),
        pub streams: String = "*".into(),
        pub from: Vec<Network> = Vec::new(),
        pub protocols: Protocols = Protocols::default(),
        pub allow: bool = false,
        pub deny: bool = false,
        pub user: String = String::new(),
        pub password: Option<Stored> = None,
        pub secret: Option<Secret> = None,
        pub dangerous_secret: Option<Secret> = None,
        pub signed: Option<Secret> = None,
        pub secure_link: Option<Secret> = None,
        pub jwt: Option<Key> = None,
        pub jwt_file: String = String::new(),
        pub jwks: Option<KeyUrl> = None,
        pub jwt_claim: String = "mediamtx_permissions".into(),
        pub callback: Option<Endpoint> = None,
        pub format: Format = Format::default(),
        pub fail_open: bool = false,
        pub ca: String = String::new(),
        pub insecure: bool = false,
    }
}

/// The demand of a rule on the requests that it matches.
#[derive(Clone, Copy, Debug)]
pub enum Demand<'a> {
    /// Nothing: they may.
    Nothing,
    /// They may not.
    Leave,
    /// A user and the password.
    User(&'a str, &'a Stored),
    /// lal's `lal_secret` in the query: made with the first, or the second itself.
    Lal(Option<&'a Secret>, Option<&'a Secret>),
    /// A link signed with this key.
    Signed(&'a Secret),
    /// A link of nginx's secure_link_md5 with this expression.
    SecureLink(&'a Secret),
    /// A token: its key, and the claim that says what it permits.
    Token(TokenKey<'a>, &'a str),
    /// The leave of this server; with `true` players are let in where it does not answer.
    Callback(Authority<'a>, bool),
}

/// The key of tokens.
#[derive(Clone, Copy, Debug)]
pub enum TokenKey<'a> {
    /// The key itself.
    Own(&'a Key),
    /// That of a file.
    File(&'a str),
    /// One of those at a URL, with the file of the authorities to believe for it.
    Set(&'a Url, &'a str),
}

/// The actions that a rule is about; all if there are none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Actions(Vec<&'static str>);

/// The protocols that a rule is about; all if there are none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Protocols(Vec<&'static str>);

/// The most rules.
const MOST: usize = 64;
const ACTIONS: [&str; 6] = ["publish", "play", "record", "api", "api:read", "metrics"];
const PROTOCOLS: [&str; 5] = ["rtmp", "rtsp", "http", "ws", "hls"];
/// The variables that nginx's expression may have.
pub const VARIABLES: [&str; 3] = ["$secure_link_expires", "$uri", "$remote_addr"];

impl Access {
    /// True if it is about one of these actions, and this protocol, stream, and address. What has no stream is part of
    /// all of them.
    pub fn is_about(&self, actions: &[&str], protocol: &str, stream: Option<&str>, from: IpAddr) -> bool {
        self.may_be_about(actions, protocol, from)
            && (self.streams == "*" || stream.is_some_and(|name| matches(&self.streams, name)))
    }

    /// The same for some stream.
    pub fn may_be_about(&self, actions: &[&str], protocol: &str, from: IpAddr) -> bool {
        let of = |words: &[&str], word| words.is_empty() || words.contains(&word);
        actions.iter().any(|action| of(&self.action.0, action))
            && of(&self.protocols.0, protocol)
            && (self.from.is_empty() || self.from.iter().any(|network| network.contains(from)))
    }

    /// True if it names this action itself: one without any is about all, but names none.
    pub fn names(&self, action: &str) -> bool {
        self.action.0.contains(&action)
    }

    /// True if it is about these actions alone.
    pub(super) fn is_only_about(&self, actions: &[&str]) -> bool {
        !self.action.0.is_empty() && self.action.0.iter().all(|action| actions.contains(action))
    }

    /// True if it is about all streams and addresses.
    fn is_about_all(&self) -> bool {
        self.streams == "*" && self.from.is_empty()
    }

    /// Its demand. A rule without any, which the check refuses, lets nobody in.
    pub fn demand(&self) -> Demand<'_> {
        if let Some(authority) = self.authority() {
            return Demand::Callback(authority, self.fail_open);
        }
        match self {
            Self { allow: true, .. } => Demand::Nothing,
            Self { user, password: Some(stored), .. } => Demand::User(user, stored),
            Self { secret, dangerous_secret: written, .. } if secret.is_some() || written.is_some() => {
                Demand::Lal(secret.as_ref(), written.as_ref())
            }
            Self { signed: Some(key), .. } => Demand::Signed(key),
            Self { secure_link: Some(expression), .. } => Demand::SecureLink(expression),
            Self { jwt: Some(key), jwt_claim, .. } => Demand::Token(TokenKey::Own(key), jwt_claim),
            Self { jwt_file, jwt_claim, .. } if !jwt_file.is_empty() => {
                Demand::Token(TokenKey::File(jwt_file), jwt_claim)
            }
            Self { jwks: Some(KeyUrl(url)), ca, jwt_claim, .. } => Demand::Token(TokenKey::Set(url, ca), jwt_claim),
            _ => Demand::Leave,
        }
    }

    /// Its faults: the keys, and the values allowed.
    fn objections(&self, auth: Auth) -> impl Iterator<Item = (&'static str, &'static str)> + use<> {
        let demands = [
            self.allow,
            self.deny,
            !self.user.is_empty() || self.password.is_some(),
            self.secret.is_some() || self.dangerous_secret.is_some(),
            self.signed.is_some(),
            self.secure_link.is_some(),
            self.jwt.is_some() || !self.jwt_file.is_empty() || self.jwks.is_some(),
            self.callback.is_some(),
        ];
        let has_key = self.jwt.is_some() || !self.jwt_file.is_empty();
        let is_hashed = matches!(self.password, Some(Stored::Sha256(_) | Stored::Pbkdf2(_)));
        let is_for_rtsp = self.protocols.0.is_empty() || self.protocols.0.contains(&RTSP.name);
        let expression = self.secure_link.as_ref().map_or("", |link| &link.0);
        let wrong = [
            (!Name::may_match(&self.streams), "streams", "a pattern that a name can match: one has no / and no blank"),
            (
                demands.iter().filter(|is_made| **is_made).count() != 1,
                "",
                "a rule with exactly one of allow, deny, user with password, secret, signed, secure_link, jwt, callback",
            ),
            (self.user.is_empty() && self.password.is_some(), "user", "set, with password"),
            (!self.user.is_empty() && self.password.is_none(), "password", "set, with user"),
            (self.jwt.is_some() && !self.jwt_file.is_empty(), "jwt_file", "left out where jwt is set"),
            (has_key && self.jwks.is_some(), "jwks", "left out where jwt or jwt_file is set"),
            (
                !self.jwt_file.is_empty() && !self.jwt_file.starts_with('/'),
                "jwt_file",
                "the path of a file, from the root on",
            ),
            (self.jwt_claim.is_empty(), "jwt_claim", "the name of a claim"),
            (
                without_variables(expression).contains('$'),
                "secure_link",
                "an expression with $secure_link_expires, $uri and $remote_addr, and no other variables",
            ),
            (
                is_hashed && is_for_rtsp && auth == Auth::Digest,
                "password",
                "the password itself or ha1:, or protocols without \"rtsp\": rtsp.auth asks for a Digest, which no \
                 other hash can check",
            ),
        ];
        let of_servers = self.rows_of_servers();
        wrong.into_iter().chain(of_servers).filter(|(wrong, ..)| *wrong).map(|(_, key, remedy)| (key, remedy))
    }
}

fn without_variables(expression: &str) -> String {
    VARIABLES.iter().fold(expression.into(), |rest: String, variable| rest.replace(variable, ""))
}

/// The faults of the rules.
pub(super) fn objections(config: &Config) -> Vec<Objection> {
    let too_many =
        (config.access.len() > MOST).then(|| (format!("access[{MOST}]"), Fault::MustBe("one of 64 at most".into())));
    let of_rule = |(at, rule): (usize, &Access)| {
        let faults = rule.objections(config.rtsp.auth);
        faults.map(move |(key, remedy)| {
            let key = if key.is_empty() { format!("access[{at}]") } else { format!("access[{at}].{key}") };
            (key, Fault::MustBe(remedy.into()))
        })
    };
    too_many.into_iter().chain(config.access.iter().take(MOST).enumerate().flat_map(of_rule)).collect()
}

/// The hint about a rule that lets everybody change the state of the server.
pub(super) fn hints(config: &Config) -> Option<Hint> {
    let is_about = |rule: &Access| {
        rule.names("api") && rule.is_about_all() && (rule.protocols.0.is_empty() || rule.protocols.0.contains(&"http"))
    };
    let at = config.access.iter().position(is_about).filter(|_| config.api.enable)?;
    let words = "lets everybody who reaches the ports of the API change the state of the server: from says who may";
    config.access.get(at)?.allow.then(|| (format!("access[{at}].allow"), words))
}

impl Config {
    /// The number of rules whose passwords take long to check.
    pub fn slow_passwords(&self) -> usize {
        self.access.iter().filter(|rule| matches!(rule.password, Some(Stored::Pbkdf2(_)))).count()
    }

    /// True if a rule about RTMP has a user whose password is plain.
    pub fn has_users_of_rtmp(&self) -> bool {
        let is_about = |rule: &Access| rule.protocols.0.is_empty() || rule.protocols.0.contains(&RTMP.name);
        self.access.iter().any(|rule| matches!(rule.password, Some(Stored::Plain(_))) && is_about(rule))
    }

    /// The files of keys, with the keys that name them.
    pub fn key_files(&self) -> impl Iterator<Item = (String, &str)> {
        let rules = self.access.iter().enumerate().filter(|(_, rule)| !rule.jwt_file.is_empty());
        rules.map(|(at, rule)| (format!("access[{at}].jwt_file"), rule.jwt_file.as_str()))
    }

    /// True if a rule restricts who may play by HLS.
    pub fn guards_hls(&self) -> bool {
        let is_about = |words: &[&str], word| words.is_empty() || words.contains(&word);
        let is_guard =
            |rule: &Access| !rule.allow && is_about(&rule.action.0, "play") && is_about(&rule.protocols.0, "hls");
        self.access.iter().any(is_guard)
    }

    /// True if a rule restricts the action for all streams and addresses.
    pub fn restricts(&self, action: &str) -> bool {
        let is_about = |rule: &&Access| (rule.action.0.is_empty() || rule.names(action)) && rule.is_about_all();
        self.access.iter().find(is_about).is_some_and(|rule| !rule.allow)
    }
}

/// Reads one of `known`, or a list of them.
fn words(
    value: toml::Value,
    known: &'static [&'static str],
    expected: &'static str,
) -> Result<Vec<&'static str>, Wrong> {
    let all = if let toml::Value::Array(all) = value { all } else { vec![value] };
    let word = |value: &toml::Value| known.iter().copied().find(|known| value.as_str() == Some(known));
    let words = all.iter().map(|value| word(value).ok_or_else(|| Wrong::of_value(value, expected)));
    words.collect()
}

impl Value for Actions {
    fn read(value: toml::Value) -> Result<Self, Wrong> {
        words(value, &ACTIONS, "one of \"publish\", \"play\", \"record\", \"api\", \"api:read\", \"metrics\"").map(Self)
    }
}

impl Value for Protocols {
    fn read(value: toml::Value) -> Result<Self, Wrong> {
        words(value, &PROTOCOLS, "one of \"rtmp\", \"rtsp\", \"http\", \"ws\", \"hls\"").map(Self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(rules: &str) -> Config {
        Config::parse("test", &format!("profile = \"tiny\"\n{rules}")).unwrap()
    }

    #[test]
    fn an_action_is_restricted_by_the_first_rule_about_all_streams_and_addresses() {
        const DENY: &str = "[[access]]\ndeny = true\n";
        let restricts = |rules: &str| config(rules).restricts("publish");
        for rules in [
            "",
            "[[access]]\naction = \"publish\"\nstreams = \"x*\"\ndeny = true\n",
            "[[access]]\nfrom = [\"192.0.2.0/24\"]\ndeny = true\n",
            "[[access]]\naction = \"play\"\ndeny = true\n",
            &format!("[[access]]\nallow = true\n{DENY}"),
        ] {
            assert!(!restricts(rules), "{rules}");
        }
        for rules in [
            DENY,
            &format!("[[access]]\nfrom = [\"192.0.2.0/24\"]\nallow = true\n{DENY}"),
            "[[access]]\naction = \"publish\"\nuser = \"one\"\npassword = \"first\"\n",
        ] {
            assert!(restricts(rules), "{rules}");
        }
    }

    #[test]
    fn changes_for_everybody_are_told() {
        let told = |rules: &str| hints(&config(rules)).map(|(key, _)| key);
        let open = "[[access]]\naction = [\"play\", \"api\"]\nallow = true\n";
        let near = "[[access]]\naction = \"api\"\nfrom = [\"192.0.2.0/24\"]\nallow = true\n";
        assert_eq!(told(open).as_deref(), Some("access[0].allow"));
        assert_eq!(told(&format!("{near}{open}")).as_deref(), Some("access[1].allow"));
        for rules in [
            near,
            "[[access]]\nallow = true\n",
            &format!("[[access]]\naction = \"api\"\ndeny = true\n{open}"),
            &format!("{open}[api]\nenable = false\n"),
        ] {
            assert_eq!(told(rules), None, "{rules}");
        }
    }
}
