//! lal's API (<https://pengrl.com/lal/#/HTTPAPI>): its paths, parameters, outcomes and JSON. The status is always 200,
//! unless the server refuses to answer.

use std::future::poll_fn;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use smol::future::or;

use super::reply::{changed, outcome, told};
use crate::conf::Source;
use crate::hub::Name;
use crate::lal::{Base, LalInfo, Outcome, Role, Zone, write_group, write_groups};
use crate::reactor::Timer;
use crate::serve::http::{Answer, Exchange};
use crate::session::{MAX_PULL_URL, PullState, Session, WantedPull};
use crate::wire::percent_decode;

/// The longest body of a request, in bytes.
pub(in crate::serve) const MAX_BODY: usize = 4 << 10;

/// The time for a pull to begin where the client says none.
const TIMEOUT: Duration = Duration::from_secs(10);
/// The longest time that a client may name.
const LONGEST: Duration = Duration::from_secs(365 * 86_400);
/// The longest wait for the relays to begin a pull.
const BEGINS_WITHIN: Duration = Duration::from_secs(5);
/// The table of refused addresses is full.
const FULL: Outcome = Outcome::Other("api.blacklist addresses are refused already");
/// An address is not refused.
const NOT_LISTED: Outcome = Outcome::Other("ip not found");

/// A stream to pull. `debug_dump_packet`, a file for what RTSP sends, is passed over: nothing is written to a disk.
#[derive(Deserialize)]
struct Pull {
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

/// What lal tells of a pull that begins.
#[derive(Serialize)]
struct Begun<'a> {
    stream_name: &'a str,
    session_id: String,
}

/// What lal tells of a pull that ends.
#[derive(Serialize)]
struct Stopped {
    session_id: String,
}

#[derive(Deserialize)]
struct Stop {
    stream_name: String,
}

#[derive(Deserialize)]
struct Kick {
    stream_name: String,
    session_id: String,
}

#[derive(Deserialize)]
struct Refused {
    ip: IpAddr,
    duration_sec: u32,
}

#[derive(Deserialize)]
struct Address {
    ip: IpAddr,
}

/// A refused address.
#[derive(Serialize)]
struct Row {
    ip: IpAddr,
    left_sec: u64,
}

/// The refused addresses; `null` for none.
#[derive(Serialize)]
struct Rows {
    ips: Option<Vec<Row>>,
}

/// `GET /api/stat/lal_info`.
pub(in crate::serve) fn info(exchange: Exchange) -> Answer {
    let info = LalInfo::of(&exchange.server.core, &exchange.config.server_id, Zone::local());
    told(&exchange, |text| text.put(&Outcome::Done.with(&info)))
}

/// `GET /api/stat/all_group`.
pub(in crate::serve) fn groups(exchange: Exchange) -> Answer {
    told(&exchange, |text| {
        text.put(&Outcome::Done.before_data())?;
        text.put("{\"groups\":")?;
        write_groups(text, &exchange.server.core, Zone::local())?;
        text.put("}}")
    })
}

/// `GET /api/stat/group?stream_name=NAME`.
pub(in crate::serve) fn group(exchange: Exchange) -> Answer {
    let Some(name) = parameter(&exchange.request.query, "stream_name") else {
        return told(&exchange, |text| text.put(&Outcome::NoParameter.with_null()));
    };
    let core = &exchange.server.core;
    let stream = Name::new(&name).ok().and_then(|name| core.hub.find(&name)).filter(|stream| stream.is_used());
    let Some(stream) = stream else {
        return told(&exchange, |text| text.put(&Outcome::NoGroup.with_null()));
    };
    told(&exchange, |text| {
        text.put(&Outcome::Done.before_data())?;
        write_group(text, core, &stream, Zone::local())?;
        text.put("}")
    })
}

/// `POST /api/ctrl/start_relay_pull`. The answer says that an attempt has begun, not that it succeeds.
pub(in crate::serve) fn pull(exchange: Exchange) -> Answer {
    let refuse = |exchange: &Exchange, why: Outcome| {
        let none = Begun { stream_name: "", session_id: String::new() };
        changed(exchange, &why.with(&none))
    };
    let wanted = match read::<Pull>(&exchange).ok_or(Outcome::NoParameter).and_then(Pull::wanted) {
        Ok(wanted) => wanted,
        Err(why) => return refuse(&exchange, why),
    };
    let core = &exchange.server.core;
    let stream = core.hub.find(&wanted.stream);
    if stream.as_ref().is_some_and(|stream| stream.is_live()) {
        return refuse(&exchange, Outcome::NoPull("lal.logic: in stream already exist at group"));
    }
    let waits = wanted.idle == Some(Duration::ZERO) && !stream.is_some_and(|stream| stream.is_watched());
    let (name, url) = (wanted.stream.clone(), wanted.url.clone());
    let Ok(number) = core.pulls.want(wanted) else {
        return refuse(&exchange, Outcome::NoPull("api.pulls streams are pulled already"));
    };
    log::info!("stream={name} is pulled from {url} by the API, peer={}", exchange.peer);
    if waits {
        return refuse(&exchange, Outcome::NoPull("should auto stop pull"));
    }
    Answer::later(async move {
        let core = exchange.server.core.clone();
        let begun = poll_fn(|cx| core.pulls.poll_begun(number, cx));
        let begun = or(begun, async {
            Timer::after(BEGINS_WITHIN).await;
            None
        })
        .await;
        Ok(match begun {
            Some(PullState::Runs(id)) => {
                let data = Begun { stream_name: name.as_str(), session_id: id.text() };
                changed(&exchange, &Outcome::Done.with(&data))
            }
            _ => refuse(&exchange, Outcome::NoPull("relay pull not enable")),
        })
    })
}

/// `GET /api/ctrl/stop_relay_pull?stream_name=NAME`, or `POST` with that name in the query or the body. A pull of the
/// configuration begins again after its pause.
pub(in crate::serve) fn stop_pull(exchange: Exchange) -> Answer {
    let asked = parameter(&exchange.request.query, "stream_name")
        .or_else(|| read::<Stop>(&exchange).map(|stop| stop.stream_name));
    let refuse = |why: Outcome| changed(&exchange, &why.with(&Stopped { session_id: String::new() }));
    let Some(asked) = asked else { return refuse(Outcome::NoParameter) };
    let Ok(name) = Name::new(&asked) else { return refuse(Outcome::NoGroup) };
    let core = &exchange.server.core;
    let is_pull = |one: &Session| one.stream == name && Role::of(one).is_some_and(|role| role.base == Base::Pull);
    let running = core.find_session(is_pull);
    let by_api = core.pulls.stop(&name);
    let id = match (&by_api, running) {
        (Some(PullState::Runs(id)), _) => Some(*id),
        (_, Some(ticket)) => core.session_id(ticket).filter(|_| core.kick(ticket)),
        _ => None,
    };
    match id {
        Some(id) => {
            log::info!("{id} stream={name} is no longer pulled: the API says so, peer={}", exchange.peer);
            changed(&exchange, &Outcome::Done.with(&Stopped { session_id: id.text() }))
        }
        None if by_api.is_some() || core.hub.find(&name).is_some_and(|stream| stream.is_used()) => {
            refuse(Outcome::NoSession)
        }
        None => refuse(Outcome::NoGroup),
    }
}

/// `POST /api/ctrl/kick_session`: `{"stream_name":"NAME","session_id":"FLVPUBSUB1"}`.
pub(in crate::serve) fn kick(exchange: Exchange) -> Answer {
    let Some(Kick { stream_name, session_id }) = read(&exchange) else {
        return outcome(&exchange, &Outcome::NoParameter);
    };
    let core = &exchange.server.core;
    let stream = Name::new(&stream_name).ok().and_then(|name| core.hub.find(&name));
    let Some(stream) = stream.filter(|stream| stream.is_used()) else {
        return outcome(&exchange, &Outcome::NoGroup);
    };
    // the server's own sessions are not lal's
    let may_go = |one: &Session| Role::of(one).is_some_and(|role| role.base != Base::Push);
    let is_it = |one: &Session| one.stream == *stream.name() && one.id.is_written(&session_id) && may_go(one);
    let is_gone = core.find_session(is_it).is_some_and(|ticket| core.kick(ticket));
    if is_gone {
        log::info!("id={session_id} stream={stream_name} is ended by the API, peer={}", exchange.peer);
    }
    outcome(&exchange, if is_gone { &Outcome::Done } else { &Outcome::NoSession })
}

/// `POST /api/ctrl/add_ip_blacklist`: `{"ip":"192.0.2.1","duration_sec":60}`.
pub(in crate::serve) fn refuse(exchange: Exchange) -> Answer {
    let Some(Refused { ip, duration_sec }) = read(&exchange) else {
        return outcome(&exchange, &Outcome::NoParameter);
    };
    let time = Duration::from_secs(duration_sec.into());
    let is_added = exchange.server.core.blacklist.add(ip, time, Instant::now()).is_ok();
    if is_added {
        log::info!("{ip} is refused for {duration_sec} s by the API, peer={}", exchange.peer);
    }
    outcome(&exchange, if is_added { &Outcome::Done } else { &FULL })
}

/// `POST /api/ctrl/remove_ip_blacklist`: `{"ip":"192.0.2.1"}`. lal has no such path.
pub(in crate::serve) fn admit(exchange: Exchange) -> Answer {
    let Some(Address { ip }) = read(&exchange) else { return outcome(&exchange, &Outcome::NoParameter) };
    let is_removed = exchange.server.core.blacklist.remove(ip, Instant::now());
    outcome(&exchange, if is_removed { &Outcome::Done } else { &NOT_LISTED })
}

/// `GET /api/stat/ip_blacklist`. lal has no such path.
pub(in crate::serve) fn refused(exchange: Exchange) -> Answer {
    let rows = exchange.server.core.blacklist.list(Instant::now());
    let mut rows = rows.into_iter().map(|(ip, left)| Row { ip, left_sec: left.as_secs() }).peekable();
    let ips = rows.peek().is_some().then(|| rows.collect());
    told(&exchange, |text| text.put(&Outcome::Done.with(&Rows { ips })))
}

/// What lal answers where it has no path.
pub(in crate::serve) fn nothing(exchange: Exchange) -> Answer {
    told(&exchange, |text| text.put(&Outcome::NoPage.alone()))
}

impl Pull {
    /// The pull as the relays know it.
    fn wanted(self) -> Result<WantedPull, Outcome> {
        if self.url.is_empty() || self.url.len() > MAX_PULL_URL {
            return Err(Outcome::NoParameter);
        }
        let url =
            Source::parse(&self.url).map_err(|_| Outcome::NoPull("the url is none that a stream is pulled from"))?.0;
        let path = url.path.split(['?', '#']).next().unwrap_or_default().trim_end_matches('/');
        let last = path.rsplit('/').next().unwrap_or_default();
        let stream = if self.stream_name.is_empty() { Name::of_url(last) } else { Name::new(&self.stream_name) };
        Ok(WantedPull {
            stream: stream.map_err(|_| Outcome::NoParameter)?,
            url,
            udp: self.rtsp_mode == 1,
            timeout: millis(self.pull_timeout_ms).filter(|time| !time.is_zero()).unwrap_or(TIMEOUT),
            retries: u32::try_from(self.pull_retry_num).ok(),
            idle: millis(self.auto_stop_pull_after_no_out_ms),
        })
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

/// The body of a request; `None` if a field is missing or of another type. Fields that are not known are passed over.
fn read<'a, T: Deserialize<'a>>(exchange: &'a Exchange) -> Option<T> {
    serde_json::from_slice(&exchange.request.body).ok()
}

/// A parameter of a query, decoded; `None` if it is missing or empty.
fn parameter(query: &str, name: &str) -> Option<String> {
    let mut pairs = query.split('&').filter_map(|pair| pair.split_once('='));
    let (_, value) = pairs.find(|(key, _)| *key == name)?;
    percent_decode(value).filter(|value| !value.is_empty())
}
