//! Relays that lead back to the server itself, which would receive only its own stream.

use std::borrow::Cow;
use std::net::IpAddr;

use super::error::Objection;
use super::{Config, Fault, Origin, Pull, Push, Source};
use crate::hub::matches;
use crate::proto::{Target, Url};

/// The words about a `{name}` that is to be the name of one stream.
const NO_PATTERN: &str = "{name} stands for the name only with a pattern such as stream = \"*\"; write the name";

/// A relay from one stream of this server to another.
struct Loop<'a> {
    table: &'static str,
    at: usize,
    /// A name, or a pattern of a push.
    from: Cow<'a, str>,
    /// The URL from which the pattern makes names.
    url: Option<&'a Url>,
    /// The target name, or an example of it.
    to: String,
}

impl Loop<'_> {
    /// The name under which `name` is relayed, if it is.
    fn next(&self, name: &str) -> Option<String> {
        let to = || self.url.map_or_else(|| self.to.clone(), |url| name_of(&url.of_stream(name)));
        matches(&self.from, name).then(to)
    }

    /// True if other relays of `all` lead back to the start.
    fn leads_back(&self, all: &[Self]) -> bool {
        let mut names = vec![self.to.clone()];
        let mut at = 0;
        // patterns could make ever longer names
        while let Some(name) = names.get(at).filter(|_| at <= all.len()).cloned() {
            if matches(&self.from, &name) {
                return true;
            }
            let next: Vec<_> =
                all.iter().filter_map(|one| one.next(&name)).filter(|next| !names.contains(next)).collect();
            names.extend(next);
            at += 1;
        }
        false
    }
}

/// The name of the stream at a URL of this server.
fn name_of(url: &Url) -> String {
    Target::of_url(&url.target()).name
}

impl Config {
    /// The reason why a URL cannot be that of one more relay of a stream: it leads back to this server, or has
    /// placeholders without a meaning.
    pub fn refuses_relay(&self, is_push: bool, stream: &str, url: &Url) -> Option<Fault> {
        let (mut pulls, mut pushes, stream) = (self.pull.clone(), self.push.clone(), stream.to_string());
        let (udp, ca, insecure) = (false, String::new(), false);
        let mut words = None;
        if is_push {
            let push = Push { stream, url: Source(url.clone()), udp, ca, insecure };
            words = placeholder(&push).map(Fault::Conflict);
            pushes.push(push);
        } else {
            pulls.push(Pull { stream, url: Origin(url.clone()), on_demand: false, udp, ca, insecure });
        }
        words.or_else(|| self.circle_of(&pulls, &pushes).map(|(_, fault)| fault))
    }

    /// A relay between a stream and itself.
    pub(super) fn circle(&self) -> Option<Objection> {
        self.circle_of(&self.pull, &self.push)
    }

    fn circle_of(&self, pulls: &[Pull], pushes: &[Push]) -> Option<Objection> {
        let pulled = pulls.iter().enumerate().map(|(at, pull)| {
            let from = name_of(&pull.url.0).into();
            (&pull.url.0, Loop { table: "pull", at, from, url: None, to: pull.stream.clone() })
        });
        let pushed = pushes.iter().enumerate().map(|(at, push)| {
            // an example of a name that matches the pattern
            let name = push.stream.replace(['*', '?'], "x");
            let url = Some(&push.url.0).filter(|_| push.is_pattern());
            let to = url.map_or_else(|| name_of(&push.url.0), |url| name_of(&url.of_stream(&name)));
            (&push.url.0, Loop { table: "push", at, from: push.stream.as_str().into(), url, to })
        });
        let own: Vec<_> = pulled.chain(pushed).filter(|(url, _)| self.is_own(url)).map(|(_, one)| one).collect();
        let direct = own.iter().find(|one| matches(&one.from, &one.to)).map(|one| (one, ""));
        let found =
            direct.or_else(|| own.iter().find(|one| one.leads_back(&own)).map(|one| (one, "by way of other tables ")));
        found.map(|(Loop { table, at, .. }, way)| {
            let words = format!("must be that of another stream: {way}this one leads back to it");
            (format!("{table}[{at}].url"), Fault::Conflict(words.into()))
        })
    }

    /// The relays that repeat another.
    pub(super) fn same_relays(&self) -> impl Iterator<Item = Objection> {
        let repeats = |(at, pull): &(usize, &Pull)| self.pull.iter().take(*at).any(|one| one.stream == pull.stream);
        let pulled = self.pull.iter().enumerate().filter(repeats);
        let pulled = pulled
            .map(|(at, _)| (format!("pull[{at}].stream"), "another one: a table before it pulls the same stream"));
        let is_same = |one: &Push, other: &Push| one.stream == other.stream && one.url == other.url;
        let repeats = move |(at, push): &(usize, &Push)| self.push.iter().take(*at).any(|one| is_same(one, push));
        let pushed = self.push.iter().enumerate().filter(repeats);
        let pushed =
            pushed.map(|(at, _)| (format!("push[{at}]"), "another one: a table before it has the same stream and url"));
        pulled.chain(pushed).map(|(key, remedy)| (key, Fault::MustBe(remedy.into())))
    }

    /// The placeholders without a meaning.
    pub(super) fn placeholders(&self) -> impl Iterator<Item = Objection> {
        let pushes = self.push.iter().enumerate();
        pushes.filter_map(|(at, push)| Some((format!("push[{at}].url"), Fault::Conflict(placeholder(push)?))))
    }

    /// True if the URL is that of a port of this server.
    fn is_own(&self, url: &Url) -> bool {
        self.listens().any(|(port, own)| {
            let (at, own) = (own.0.ip().to_canonical(), own.0.port());
            let host: Option<IpAddr> = url.host.parse().ok().map(|host: IpAddr| host.to_canonical());
            let is_here = match host {
                Some(host) => host == at || at.is_unspecified() && host.is_loopback(),
                None => url.host.eq_ignore_ascii_case("localhost") && (at.is_unspecified() || at.is_loopback()),
            };
            port.scheme == url.scheme() && own == url.server_port() && is_here
        })
    }
}

/// The text about a placeholder without a meaning.
fn placeholder(push: &Push) -> Option<Cow<'static, str>> {
    let words = push.url.0.path.split('{').skip(1).filter_map(|rest| rest.split_once('}'));
    let is_word = |word: &str| !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_alphanumeric());
    let mut words = words.map(|(word, _)| word).filter(|word| is_word(word));
    match push.is_pattern() {
        true => words
            .find(|word| *word != "name")
            .map(|word| format!("must have no {{{word}}}: {{name}} is the only placeholder").into()),
        false => words.find(|word| *word == "name").map(|_| NO_PATTERN.into()),
    }
}
