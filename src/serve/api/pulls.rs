//! lal's API for streams that are pulled from other servers.

use std::future::poll_fn;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use smol::future::or;

use super::lal::{parameter, read};
use super::reply::said;
use crate::conf::Source;
use crate::hub::Name;
use crate::lal::{Base, Outcome, Role};
use crate::reactor::Timer;
use crate::serve::http::{Answer, Exchange};
use crate::session::{MAX_RELAY_URL, Relay, RelayState, Session, Terms, Way};

/// A stream to pull. `debug_dump_packet`, a file for what RTSP sends, is passed over: nothing is written to a disk.
#[derive(Deserialize)]
pub(super) struct Pull {
    url: String,
    #[serde(default)]
    stream_name: String,
    #[serde(default = "ten_seconds")]
    pull_timeout_ms: i64,
    #[serde(default)]
    pull_retry_num: i64,
    #[serde(default = "never")]
    auto_stop_pull_after_no_out_ms: i64,
    #[serde(default)]
    rtsp_mode: i64,
}

/// The answer of lal to a pull that begins.
#[derive(Serialize)]
struct Begun<'a> {
    stream_name: &'a str,
    session_id: String,
}

/// The answer of lal to a pull that ends.
#[derive(Serialize)]
struct Stopped {
    session_id: String,
}

#[derive(Deserialize)]
pub(super) struct Stop {
    stream_name: String,
}

/// The time for a pull to begin where the client says none.
const TIMEOUT: Duration = Duration::from_secs(10);
/// The longest time that a client may name.
const LONGEST: Duration = Duration::from_secs(365 * 86_400);
/// The longest wait for the relays to begin a pull.
const BEGINS_WITHIN: Duration = Duration::from_secs(5);

/// `POST /api/ctrl/start_relay_pull`. The answer says that an attempt has begun, not that it succeeds.
pub(in crate::serve) fn begin(exchange: Exchange) -> Answer {
    let refuse = |exchange: &Exchange, why: Outcome| {
        let none = Begun { stream_name: "", session_id: String::new() };
        said(exchange, &why.with(&none))
    };
    let (name, relay, terms) = match read::<Pull>(&exchange).ok_or(Outcome::NoParameter).and_then(Pull::wanted) {
        Ok(wanted) => wanted,
        Err(why) => return refuse(&exchange, why),
    };
    let core = &exchange.server.core;
    let stream = core.hub.find(&name);
    if stream.as_ref().is_some_and(|stream| stream.is_live()) {
        return refuse(&exchange, Outcome::NoPull("lal.logic: in stream already exist at group"));
    }
    let waits = terms.idle == Some(Duration::ZERO) && !stream.is_some_and(|stream| stream.is_watched());
    let url = relay.url.clone();
    let Ok(number) = core.relays.replace(relay, terms) else {
        return refuse(&exchange, Outcome::NoPull("api.pulls streams are pulled or pushed already"));
    };
    log::info!("stream={name} is pulled from {url} by the API, peer={}", exchange.peer);
    if waits {
        return refuse(&exchange, Outcome::NoPull("should auto stop pull"));
    }
    Answer::later(async move {
        let core = exchange.server.core.clone();
        let begun = poll_fn(|cx| core.relays.poll_begun(number, cx));
        let begun = or(begun, async {
            Timer::after(BEGINS_WITHIN).await;
            None
        })
        .await;
        Ok(match begun {
            Some(RelayState::Runs(id)) => {
                let data = Begun { stream_name: name.as_str(), session_id: id.text() };
                said(&exchange, &Outcome::Done.with(&data))
            }
            _ => refuse(&exchange, Outcome::NoPull("relay pull not enable")),
        })
    })
}

/// `GET /api/ctrl/stop_relay_pull?stream_name=NAME`, or `POST` with that name in the query or the body. A pull of the
/// configuration begins again after its pause.
pub(in crate::serve) fn stop(exchange: Exchange) -> Answer {
    let asked = parameter(&exchange.request.query, "stream_name")
        .or_else(|| read::<Stop>(&exchange).map(|stop| stop.stream_name));
    let refuse = |why: Outcome| said(&exchange, &why.with(&Stopped { session_id: String::new() }));
    let Some(asked) = asked else { return refuse(Outcome::NoParameter) };
    let Ok(name) = Name::new(&asked) else { return refuse(Outcome::NoGroup) };
    let core = &exchange.server.core;
    let is_pull = |one: &Session| one.stream == name && Role::of(one).is_some_and(|role| role.base == Base::Pull);
    let running = core.find_session(is_pull);
    let by_api = core.relays.remove(|one| one.way == Way::Pull && one.stream == name.as_str()).ok();
    let id = match (&by_api, running) {
        (Some(RelayState::Runs(id)), _) => Some(*id),
        (_, Some(ticket)) => core.session_id(ticket).filter(|_| core.kick(ticket)),
        _ => None,
    };
    match id {
        Some(id) => {
            log::info!("{id} stream={name} is no longer pulled: the API says so, peer={}", exchange.peer);
            said(&exchange, &Outcome::Done.with(&Stopped { session_id: id.text() }))
        }
        None if by_api.is_some() || core.hub.find(&name).is_some_and(|stream| stream.is_used()) => {
            refuse(Outcome::NoSession)
        }
        None => refuse(Outcome::NoGroup),
    }
}

impl Pull {
    /// The pull as the relays know it, with its stream.
    pub(super) fn wanted(self) -> Result<(Name, Relay, Terms), Outcome> {
        if self.url.is_empty() || self.url.len() > MAX_RELAY_URL {
            return Err(Outcome::NoParameter);
        }
        let url =
            Source::parse(&self.url).map_err(|_| Outcome::NoPull("the url is none that a stream is pulled from"))?.0;
        let path = url.path.split(['?', '#']).next().unwrap_or_default().trim_end_matches('/');
        let last = path.rsplit('/').next().unwrap_or_default();
        let stream = if self.stream_name.is_empty() { Name::of_url(last) } else { Name::new(&self.stream_name) };
        let stream = stream.map_err(|_| Outcome::NoParameter)?;
        let terms = Terms {
            udp: self.rtsp_mode == 1,
            timeout: millis(self.pull_timeout_ms).filter(|time| !time.is_zero()).unwrap_or(TIMEOUT),
            retries: u32::try_from(self.pull_retry_num).ok(),
            idle: millis(self.auto_stop_pull_after_no_out_ms),
        };
        let relay = Relay { way: Way::Pull, stream: stream.to_string(), url };
        Ok((stream, relay, terms))
    }
}

/// A time; `None` if it is negative.
fn millis(number: i64) -> Option<Duration> {
    u64::try_from(number).ok().map(Duration::from_millis).map(|time| time.min(LONGEST))
}

fn ten_seconds() -> i64 {
    10_000
}

fn never() -> i64 {
    -1
}
