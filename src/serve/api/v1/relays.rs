//! Relays: streams that are pulled from other servers and pushed to them.

use std::fmt;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::reply::{done, list, object, refuse};
use crate::conf::{Config, Fault, Source, Wrong};
use crate::hub::{InvalidName, Name};
use crate::proto::http::Status;
use crate::proto::{MASK, Url};
use crate::serve::api::lal::parameter;
use crate::serve::http::{Answer, Exchange};
use crate::session::{Core, MAX_RELAY_URL, NotAdded, NotRemoved, Relay, RelayRow, RelayState, Terms, Way};
use crate::wire::percent_decode;

/// A relay.
#[derive(Serialize)]
struct Told<'a> {
    kind: &'static str,
    stream: &'a str,
    /// Without what may be secret.
    url: String,
    /// `config` or `api`.
    origin: &'static str,
    /// `waits`, `connecting`, `running`, `pause` or `ended`.
    state: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    session: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_error: Option<&'a str>,
    /// Seconds to the next attempt.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_attempt_s: Option<u64>,
}

/// A relay that a client wants.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wanted {
    kind: String,
    stream: String,
    url: String,
    #[serde(default)]
    udp: bool,
    timeout_s: Option<u32>,
    retries: Option<u32>,
    idle_s: Option<u32>,
}

/// The reason why a relay cannot be.
enum Unfit {
    Body(serde_json::Error),
    Kind,
    Stream(String),
    LongUrl,
    Url(Wrong),
    MaskedUrl,
    OfPulls,
    NoTime,
    Relay(Fault),
}

/// The paths of relays, before kind and name.
const PATH: &str = "/api/v1/relays/";
/// The time for a pull to begin where the client says none.
const TIMEOUT: Duration = Duration::from_secs(10);
/// The ways, and their words.
const WAYS: [(Way, &str); 2] = [(Way::Pull, "pull"), (Way::Push, "push")];

/// `GET /api/v1/relays`.
pub(in crate::serve) fn tell(exchange: Exchange) -> Answer {
    let core = &exchange.server.core;
    let now = Instant::now();
    list(&exchange, core.relays.list(), |text, row| text.value(&Told::of(core, &row, now)))
}

/// `POST /api/v1/relays`. The answer is the relay, whose first attempt has yet to begin.
pub(in crate::serve) fn add(exchange: Exchange) -> Answer {
    let core = &exchange.server.core;
    let wanted = serde_json::from_slice::<Wanted>(&exchange.request.body).map_err(Unfit::Body);
    let (relay, terms) = match wanted.and_then(|wanted| wanted.checked(&core.config())) {
        Ok(wanted) => wanted,
        Err(why) => return refuse(&exchange, Status::BAD_REQUEST, &why.to_string()),
    };
    let (word, stream, url) = (word(relay.way), relay.stream.clone(), relay.url.clone());
    match core.relays.add(relay, terms) {
        Ok(number) => {
            log::info!("stream={stream} {word} {url} is added by the API, peer={}", exchange.peer);
            match core.relays.get(number) {
                Some(row) => object(&exchange, &Told::of(core, &row, Instant::now())),
                None => done(&exchange),
            }
        }
        Err(NotAdded::Exists) => refuse(&exchange, Status::CONFLICT, "there is such a relay"),
        Err(NotAdded::Full) => refuse(&exchange, Status::UNAVAILABLE, "api.pulls relays are there already"),
    }
}

/// `DELETE /api/v1/relays/pull/NAME` and `DELETE /api/v1/relays/push/NAME?url=URL`. The URL may be the one that is
/// listed, and is not needed where the stream has one push.
pub(in crate::serve) fn remove(exchange: Exchange) -> Answer {
    let rest = exchange.request.path.strip_prefix(PATH).unwrap_or_default();
    let asked = rest.split_once('/').and_then(|(kind, name)| {
        let (way, _) = WAYS.into_iter().find(|(_, word)| *word == kind)?;
        Some((way, percent_decode(name)?))
    });
    let Some((way, stream)) = asked else {
        return refuse(&exchange, Status::NOT_FOUND, "there is no such relay");
    };
    let url = parameter(&exchange.request.query, "url");
    let full = url.as_ref().and_then(|url| Url::parse(url).ok());
    let is_it = |one: &Relay| {
        let has_url = url.as_ref().is_none_or(|url| full.as_ref() == Some(&one.url) || *url == one.url.masked());
        one.way == way && one.stream == stream && has_url
    };
    let (status, why) = match exchange.server.core.relays.remove(is_it) {
        Ok(_) => {
            log::info!("stream={stream} {} is removed by the API, peer={}", word(way), exchange.peer);
            return done(&exchange);
        }
        Err(NotRemoved::Unknown) => (Status::NOT_FOUND, "there is no such relay"),
        Err(NotRemoved::Configured) => {
            (Status::CONFLICT, "the configuration has it: remove it there, and reload the configuration")
        }
        Err(NotRemoved::Several) => {
            (Status::CONFLICT, "there are several of them: say which by url=, with its secrets")
        }
    };
    refuse(&exchange, status, why)
}

impl<'a> Told<'a> {
    fn of(core: &Core, row: &'a RelayRow, now: Instant) -> Self {
        let RelayRow { relay, terms, state, last_error } = row;
        let is_there = |id| core.find_session(|one| one.id == id).is_some();
        let (state, session, next) = match state {
            RelayState::Waits => ("waits", None, None),
            RelayState::Runs(id) => (if is_there(*id) { "running" } else { "connecting" }, Some(id.text()), None),
            RelayState::Pauses(_, until) => ("pause", None, Some(until.saturating_duration_since(now))),
            RelayState::Ended(_) => ("ended", None, None),
        };
        Self {
            kind: word(relay.way),
            stream: &relay.stream,
            url: relay.url.masked(),
            origin: if terms.is_some() { "api" } else { "config" },
            state,
            session,
            last_error: last_error.as_deref(),
            next_attempt_s: next.map(|time| time.as_millis().div_ceil(1000).try_into().unwrap_or(u64::MAX)),
        }
    }
}

impl Wanted {
    /// The relay, if it is one.
    fn checked(self, config: &Config) -> Result<(Relay, Terms), Unfit> {
        let known = WAYS.into_iter().find(|(_, word)| *word == self.kind);
        let (way, _) = known.ok_or(Unfit::Kind)?;
        if Name::new(&self.stream).is_err() {
            return Err(Unfit::Stream(self.stream));
        }
        if self.url.len() > MAX_RELAY_URL {
            return Err(Unfit::LongUrl);
        }
        let Source(url) = Source::parse(&self.url).map_err(Unfit::Url)?;
        if self.url.contains(MASK) {
            return Err(Unfit::MaskedUrl);
        }
        if way == Way::Push && (self.timeout_s.is_some() || self.retries.is_some() || self.idle_s.is_some()) {
            return Err(Unfit::OfPulls);
        }
        if self.timeout_s == Some(0) {
            return Err(Unfit::NoTime);
        }
        if let Some(fault) = config.refuses_relay(way == Way::Push, &self.stream, &url) {
            return Err(Unfit::Relay(fault));
        }
        let seconds = |number: u32| Duration::from_secs(number.into());
        let (timeout, idle) = (self.timeout_s.map_or(TIMEOUT, seconds), self.idle_s.map(seconds));
        let terms = Terms { udp: self.udp, timeout, retries: self.retries, idle };
        Ok((Relay { way, stream: self.stream, url }, terms))
    }
}

/// In the words of the configuration, where it has any.
impl fmt::Display for Unfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Body(error) => error.fmt(f),
            Self::Kind => f.write_str("kind: must be \"pull\" or \"push\""),
            Self::Stream(stream) => write!(f, "stream: {stream:?} is {InvalidName}"),
            Self::LongUrl => write!(f, "url: must be of {MAX_RELAY_URL} bytes at most"),
            Self::Url(wrong) => write!(f, "url: {wrong}"),
            Self::MaskedUrl => write!(f, "url: {MASK} stands for a secret that is not shown: write the secret"),
            Self::OfPulls => f.write_str("timeout_s, retries and idle_s are those of pulls"),
            Self::NoTime => f.write_str("timeout_s: must be at least 1"),
            Self::Relay(fault) => write!(f, "url: {fault}"),
        }
    }
}

fn word(way: Way) -> &'static str {
    match way {
        Way::Pull => "pull",
        Way::Push => "push",
    }
}
