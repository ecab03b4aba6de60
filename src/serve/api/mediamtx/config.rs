//! The configuration, as far as MediaMTX has the same: the server, and paths with a `source`, which are pulls. Those of
//! the API can be added, changed and deleted; the rest is in the server's file.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::recordings::is_recorded;
use super::reply::{done, list, name_in, object, refuse};
use super::sources::{Pull, Sources, USUAL};
use crate::conf::{Config, Source};
use crate::hub::{Conflict, Name};
use crate::proto::http::Status;
use crate::proto::{MASK, Url};
use crate::serve::api::lal::read;
use crate::serve::http::{Answer, Exchange};
use crate::session::MAX_RELAY_URL;

/// The server's configuration.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Global {
    log_level: String,
    api: bool,
    api_address: String,
    metrics: bool,
    playback: bool,
    rtsp: bool,
    rtsp_address: String,
    rtmp: bool,
    rtmp_address: String,
    hls: bool,
    hls_address: String,
    webrtc: bool,
    srt: bool,
}

/// The configuration of a path.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct PathConf<'a> {
    name: &'a str,
    source: String,
    source_on_demand: bool,
    source_on_demand_start_timeout: String,
    source_on_demand_close_after: String,
    max_readers: u32,
    record: bool,
    override_publisher: bool,
    rtsp_transport: &'static str,
}

/// A path as a client wants it. Other fields are passed over.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Wanted {
    source: Option<String>,
    source_on_demand: Option<bool>,
    source_on_demand_start_timeout: Option<String>,
    source_on_demand_close_after: Option<String>,
    rtsp_transport: Option<String>,
    record: Option<bool>,
}

/// The change of a path that a client wants.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Change {
    Add,
    /// The fields that are not there stay as they are.
    Patch,
    Replace,
}

/// The configuration of all other paths.
pub(super) const ALL: &str = "all_others";
/// The source of a path that somebody publishes.
const PUBLISHER: &str = "publisher";
/// The longest time that a client may name.
const LONGEST: Duration = Duration::from_secs(365 * 86_400);
const UNITS: [(&str, u64); 5] = [("ms", 1), ("s", 1000), ("m", 60_000), ("h", 3_600_000), ("d", 86_400_000)];

const NOT_FOUND: &str = "path not found";
const OF_FILE: &str = "the path is a [[pull]] in the server's configuration file, which the API does not change";
const NO_SOURCE: &str = "source is missing, or \"publisher\": every name may be published without a path of its own";

/// `GET /v3/config/global/get`.
pub(in crate::serve) fn global(exchange: Exchange) -> Answer {
    let config = &exchange.config;
    let global = Global {
        log_level: config.log.level.0.as_str().to_ascii_lowercase(),
        api: true,
        api_address: config.api.listen.to_string(),
        metrics: true,
        playback: false,
        rtsp: config.rtsp.enable,
        rtsp_address: config.rtsp.listen.to_string(),
        rtmp: config.rtmp.enable,
        rtmp_address: config.rtmp.listen.to_string(),
        hls: config.hls.enable,
        hls_address: config.http.listen.to_string(),
        webrtc: false,
        srt: false,
    };
    object(&exchange, &global)
}

/// `GET /v3/config/pathdefaults/get`.
pub(in crate::serve) fn defaults(exchange: Exchange) -> Answer {
    object(&exchange, &PathConf::of_publishers(&exchange.config, ""))
}

/// `GET /v3/config/paths/list`.
pub(in crate::serve) fn tell(exchange: Exchange) -> Answer {
    let (config, sources) = (&exchange.config, Sources::of(&exchange));
    list(&exchange, &mut |list| {
        list.item(|text| text.value(&PathConf::of_publishers(config, ALL)))?;
        sources.all().try_for_each(|pull| list.item(|text| text.value(&PathConf::of_pull(config, pull))))
    })
}

/// `GET /v3/config/paths/get/NAME`.
pub(in crate::serve) fn get(exchange: Exchange) -> Answer {
    const START: &str = "/v3/config/paths/get/";
    let (config, sources) = (&exchange.config, Sources::of(&exchange));
    if exchange.request.path.strip_prefix(START) == Some(ALL) {
        return object(&exchange, &PathConf::of_publishers(config, ALL));
    }
    match name_in(&exchange, START).and_then(|name| sources.all().find(|pull| pull.name == name)) {
        Some(pull) => object(&exchange, &PathConf::of_pull(config, pull)),
        None => refuse(&exchange, Status::NOT_FOUND, NOT_FOUND),
    }
}

/// `POST /v3/config/paths/add/NAME`.
pub(in crate::serve) fn add(exchange: Exchange) -> Answer {
    change(&exchange, "/v3/config/paths/add/", Change::Add)
}

/// `PATCH /v3/config/paths/patch/NAME`.
pub(in crate::serve) fn patch(exchange: Exchange) -> Answer {
    change(&exchange, "/v3/config/paths/patch/", Change::Patch)
}

/// `POST /v3/config/paths/replace/NAME`.
pub(in crate::serve) fn replace(exchange: Exchange) -> Answer {
    change(&exchange, "/v3/config/paths/replace/", Change::Replace)
}

/// `DELETE /v3/config/paths/delete/NAME`.
pub(in crate::serve) fn delete(exchange: Exchange) -> Answer {
    let Some(name) = name_in(&exchange, "/v3/config/paths/delete/") else {
        return refuse(&exchange, Status::NOT_FOUND, NOT_FOUND);
    };
    if Sources::end(&exchange.server.core, &name) {
        log::info!("stream={name} is no longer pulled: the API says so, peer={}", exchange.peer);
        return done(&exchange);
    }
    match Sources::of(&exchange).has(&name) {
        true => refuse(&exchange, Status::BAD_REQUEST, OF_FILE),
        false => refuse(&exchange, Status::NOT_FOUND, NOT_FOUND),
    }
}

/// `PATCH` of what only the server's file can change.
pub(in crate::serve) fn fixed(exchange: Exchange) -> Answer {
    let why = "the API does not change this: edit the server's configuration file, and reload it";
    refuse(&exchange, Status::BAD_REQUEST, why)
}

/// Adds or changes a pull.
fn change(exchange: &Exchange, start: &str, change: Change) -> Answer {
    let bad = |why: &str| refuse(exchange, Status::BAD_REQUEST, why);
    let Some(name) = name_in(exchange, start) else { return bad("invalid path name") };
    let Some(wanted) = read::<Wanted>(exchange) else { return bad("the body is no JSON of a path") };
    let sources = Sources::of(exchange);
    let present = sources.by_api(&name);
    match (change, present) {
        (Change::Add, Some(_)) => return bad("path already exists"),
        (_, None) if sources.has(&name) => return bad(OF_FILE),
        (Change::Patch | Change::Replace, None) => return refuse(exchange, Status::NOT_FOUND, NOT_FOUND),
        _ => {}
    }
    if wanted.record == Some(true) && !is_recorded(&exchange.config, name.as_str()) {
        return bad("record: what is recorded is said by [[record]] in the server's configuration file");
    }
    let before = present.filter(|_| change == Change::Patch);
    let pull = match wanted.pull(&name, before) {
        Ok(pull) => pull,
        Err(why) => return bad(why),
    };
    // one that runs is not interrupted for nothing
    if present == Some(&pull) {
        return done(exchange);
    }
    if let Some(fault) = exchange.config.refuses_relay(false, name.as_str(), &pull.url) {
        return bad(&format!("source: {fault}"));
    }
    let url = pull.url.clone();
    if Sources::begin(&exchange.server.core, pull).is_err() {
        return bad("api.pulls streams are pulled or pushed already");
    }
    log::info!("stream={name} is pulled from {url} by the API, peer={}", exchange.peer);
    done(exchange)
}

impl Wanted {
    /// The pull as the relays know it. Fields that are missing have their values `before`, or the usual ones.
    fn pull(&self, name: &Name, before: Option<&Pull>) -> Result<Pull, &'static str> {
        let source = self.source.as_deref().filter(|source| !source.is_empty() && *source != PUBLISHER);
        let url = match (source, before) {
            (Some(source), _) => url(source)?,
            (None, Some(before)) if self.source.is_none() => before.url.clone(),
            _ => return Err(NO_SOURCE),
        };
        let udp = match self.rtsp_transport.as_deref() {
            None => before.is_some_and(|pull| pull.udp),
            Some("udp") => true,
            Some("tcp" | "automatic" | "") => false,
            Some(_) => return Err("rtspTransport is none of udp, tcp, automatic"),
        };
        let time = |text: &Option<String>, present: Option<Duration>| match text.as_deref() {
            Some(text) => duration(text).ok_or("a time is not written as 10s or 1m30s"),
            None => Ok(present.unwrap_or(USUAL)),
        };
        let close = time(&self.source_on_demand_close_after, before.and_then(|pull| pull.idle))?;
        let on_demand = self.source_on_demand.unwrap_or_else(|| before.is_some_and(|pull| pull.idle.is_some()));
        let timeout = time(&self.source_on_demand_start_timeout, before.map(|pull| pull.timeout))?;
        Ok(Pull { name: name.clone(), url, udp, timeout, idle: on_demand.then_some(close) })
    }
}

/// True if a body is that of a path.
#[cfg(fuzzing)]
pub(in crate::serve::api) fn is_understood(body: &[u8]) -> bool {
    let wanted = crate::serve::api::lal::parse::<Wanted>(body);
    wanted.zip(Name::new("a").ok()).is_some_and(|(wanted, name)| wanted.pull(&name, None).is_ok())
}

/// The URL of a source.
fn url(source: &str) -> Result<Url, &'static str> {
    if source.len() > MAX_RELAY_URL {
        return Err("source is too long");
    }
    if source.contains(MASK) {
        return Err("source: it is masked, give it in full");
    }
    Source::parse(source).map(|Source(url)| url).map_err(|_| "source is no URL that a stream is pulled from")
}

/// A time as Go writes it: `10s`, `1m30s`, `500ms`. Parts of the units are not known.
fn duration(text: &str) -> Option<Duration> {
    let (mut rest, mut millis) = (text, 0u64);
    while !rest.is_empty() {
        let (number, unit) = rest.split_at(rest.find(|c: char| !c.is_ascii_digit())?);
        let end = unit.find(|c: char| c.is_ascii_digit()).unwrap_or(unit.len());
        let (unit, after) = unit.split_at(end);
        let (_, factor) = UNITS.iter().find(|(name, _)| *name == unit)?;
        millis = millis.checked_add(number.parse::<u64>().ok()?.checked_mul(*factor)?)?;
        rest = after;
    }
    (!text.is_empty()).then(|| Duration::from_millis(millis).min(LONGEST))
}

/// A time as Go reads it.
fn written(time: Duration) -> String {
    match time.subsec_millis() {
        0 => format!("{}s", time.as_secs()),
        _ => format!("{}ms", time.as_millis()),
    }
}

impl<'a> PathConf<'a> {
    /// The configuration of paths that clients publish.
    fn of_publishers(config: &Config, name: &'a str) -> Self {
        Self {
            name,
            source: PUBLISHER.into(),
            source_on_demand: false,
            source_on_demand_start_timeout: written(USUAL),
            source_on_demand_close_after: written(USUAL),
            max_readers: 0,
            record: is_recorded(config, name),
            override_publisher: config.publish.conflict == Conflict::Replace,
            rtsp_transport: "automatic",
        }
    }

    /// The configuration of a path with a source, without what may be secret.
    fn of_pull(config: &Config, pull: &'a Pull) -> Self {
        Self {
            source: pull.url.masked(),
            source_on_demand: pull.idle.is_some(),
            source_on_demand_start_timeout: written(pull.timeout),
            source_on_demand_close_after: written(pull.idle.unwrap_or(USUAL)),
            rtsp_transport: if pull.udp { "udp" } else { "automatic" },
            ..Self::of_publishers(config, pull.name.as_str())
        }
    }
}
