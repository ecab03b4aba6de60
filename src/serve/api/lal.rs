//! lal's API (<https://pengrl.com/lal/#/HTTPAPI>): its paths, parameters, outcomes and JSON. The status is always 200,
//! unless the server refuses to answer.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::reply::{outcome, said, told};
use crate::hub::Name;
use crate::lal::{Base, LalInfo, Outcome, Role, Zone, write_group, write_groups};
use crate::serve::http::{Answer, Exchange};
use crate::session::Session;
use crate::wire::percent_decode;

/// The longest body of a request, in bytes.
pub(in crate::serve) const MAX_BODY: usize = 4 << 10;

/// The table of refused addresses is full.
const FULL: Outcome = Outcome::Other("api.blacklist addresses are refused already");
/// An address is not refused.
const NOT_LISTED: Outcome = Outcome::Other("ip not found");

#[derive(Deserialize)]
pub(super) struct Kick {
    stream_name: String,
    session_id: String,
}

#[derive(Deserialize)]
pub(super) struct Refused {
    ip: IpAddr,
    duration_sec: u32,
}

#[derive(Deserialize)]
pub(super) struct Address {
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
    said(&exchange, &Outcome::Done.with(&info))
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
        return said(&exchange, &Outcome::NoParameter.with_null());
    };
    let core = &exchange.server.core;
    let stream = Name::new(&name).ok().and_then(|name| core.hub.find(&name)).filter(|stream| stream.is_used());
    let Some(stream) = stream else {
        return said(&exchange, &Outcome::NoGroup.with_null());
    };
    told(&exchange, |text| {
        text.put(&Outcome::Done.before_data())?;
        write_group(text, core, &stream, Zone::local())?;
        text.put("}")
    })
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
    said(&exchange, &Outcome::Done.with(&Rows { ips }))
}

/// The answer of lal where it has no path.
pub(in crate::serve) fn nothing(exchange: Exchange) -> Answer {
    outcome(&exchange, &Outcome::NoPage)
}

/// The body of a request; `None` if a field is missing or of another type. Fields that are not known are passed over.
pub(super) fn read<'a, T: Deserialize<'a>>(exchange: &'a Exchange) -> Option<T> {
    parse(&exchange.request.body)
}

/// A body by its type.
pub(super) fn parse<'a, T: Deserialize<'a>>(body: &'a [u8]) -> Option<T> {
    serde_json::from_slice(body).ok()
}

/// A parameter of a query, decoded; `None` if it is missing or empty.
pub(super) fn parameter(query: &str, name: &str) -> Option<String> {
    let mut pairs = query.split('&').filter_map(|pair| pair.split_once('='));
    let (_, value) = pairs.find(|(key, _)| *key == name)?;
    percent_decode(value).filter(|value| !value.is_empty())
}
