//! Sessions: `/v3/LIST/list`, `/v3/LIST/get/ID` and `/v3/LIST/kick/ID` for each list in the table of kinds, and the
//! makers of HLS segments.

use serde::Serialize;

use super::ids::Uuid;
use super::kinds::{Fields, Kind};
use super::reply::{Written, done, list, nothing, refuse, time, written};
use crate::conf::{Config, MASK};
use crate::proto::http::{Request, Status};
use crate::serve::http::{Answer, Exchange};
use crate::session::{Core, Flow, JsonText, Part, Session};

/// A session, with the fields that its kind has. Nothing is known of users and programs, and a query may have secrets.
#[derive(Default, Serialize)]
#[serde(rename_all = "camelCase")]
struct Told<'a> {
    id: String,
    created: String,
    remote_addr: String,
    outbound_bytes: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    state: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    path: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    query: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    user: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    user_agent: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    inbound_bytes: Option<u64>,
    /// The older words for both.
    #[serde(skip_serializing_if = "Option::is_none")]
    bytes_received: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    bytes_sent: Option<u64>,
}

/// What makes the segments of a stream. It is there since somebody asked for them.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Muxer<'a> {
    path: &'a str,
    created: String,
    last_request: String,
    outbound_bytes: u64,
    outbound_frames_discarded: u64,
    bytes_sent: u64,
}

/// What a request wants: a list, or an item of it.
enum Asked<'a> {
    List,
    One(&'a str),
    Kick(&'a str),
}

/// What RTSP counts at MediaMTX, and is not counted here.
const UNCOUNTED: &str = ",\"transport\":null,\"profile\":null,\
    \"inboundRTPPackets\":0,\"inboundRTPPacketsLost\":0,\"inboundRTPPacketsInError\":0,\"inboundRTPPacketsJitter\":0,\
    \"inboundRTCPPackets\":0,\"inboundRTCPPacketsInError\":0,\"outboundRTPPackets\":0,\
    \"outboundRTPPacketsReportedLost\":0,\"outboundRTPPacketsDiscarded\":0,\"outboundRTCPPackets\":0,\
    \"rtpPacketsReceived\":0,\"rtpPacketsSent\":0,\"rtpPacketsLost\":0,\"rtpPacketsInError\":0,\
    \"rtpPacketsJitter\":0,\"rtcpPacketsReceived\":0,\"rtcpPacketsSent\":0,\"rtcpPacketsInError\":0";

/// The sessions that make segments have ids that begin so.
const MUXER: &str = "HLSMUXER";
const MUXERS: &str = "hlsmuxers";

const NO_ID: &str = "the id is not a UUID";
const NO_SESSION: &str = "there is no session of that id";

/// True if a request is about a list of sessions, or one of them.
pub(in crate::serve) fn are_asked_for(config: &Config, request: &Request) -> bool {
    config.api.enable && asked(&request.path).is_some_and(|(list, _)| list == MUXERS || Kind::named(list).is_some())
}

/// `GET /v3/LIST/list` and `GET /v3/LIST/get/ID`.
pub(in crate::serve) fn tell(exchange: Exchange) -> Answer {
    let core = &exchange.server.core;
    let (name, one) = match asked(&exchange.request.path) {
        Some((name, Asked::List)) => (name, None),
        Some((name, Asked::One(one))) => (name, Some(one)),
        _ => return nothing(exchange),
    };
    let Some(kind) = Kind::named(name) else { return muxers(&exchange, one) };
    let Some(id) = one else { return sessions(&exchange, kind) };
    let Some(id) = Uuid::parse(id) else { return refuse(&exchange, Status::BAD_REQUEST, NO_ID) };
    match find(core, &|session| kind.has(session) && kind.id(core, session) == id) {
        Some((session, flow)) => written(&exchange, &mut |text| write(text, core, kind, &session, flow)),
        None => refuse(&exchange, Status::NOT_FOUND, NO_SESSION),
    }
}

/// `POST /v3/LIST/kick/ID`: ends a session.
pub(in crate::serve) fn kick(exchange: Exchange) -> Answer {
    let core = &exchange.server.core;
    let Some((name, Asked::Kick(id))) = asked(&exchange.request.path) else { return nothing(exchange) };
    let Some(kind) = Kind::named(name).filter(|kind| kind.fields != Fields::Connection) else {
        return nothing(exchange);
    };
    let Some(id) = Uuid::parse(id) else { return refuse(&exchange, Status::BAD_REQUEST, NO_ID) };
    let ticket = core.find_session(|session| kind.has(session) && kind.id(core, session) == id);
    let ended = ticket.and_then(|ticket| core.session_id(ticket).filter(|_| core.kick(ticket)));
    match ended {
        Some(session) => {
            log::info!("{session} is ended by the API, peer={}", exchange.peer);
            done(&exchange)
        }
        None => refuse(&exchange, Status::NOT_FOUND, NO_SESSION),
    }
}

/// The list that a path names, and what of it.
fn asked(path: &str) -> Option<(&str, Asked<'_>)> {
    let (list, rest) = path.strip_prefix("/v3/")?.split_once('/')?;
    match rest.split_once('/') {
        None if rest == "list" => Some((list, Asked::List)),
        Some(("get", item)) => Some((list, Asked::One(item))),
        Some(("kick", item)) => Some((list, Asked::Kick(item))),
        _ => None,
    }
}

/// The sessions of a list.
fn sessions(exchange: &Exchange, kind: &Kind) -> Answer {
    let core = &exchange.server.core;
    list(exchange, &mut |list| {
        visit(core, &mut |session, flow| match kind.has(session) {
            true => list.item(|text| write(text, core, kind, session, flow)),
            false => Ok(()),
        })
    })
}

/// The makers of segments, or that of one stream.
fn muxers(exchange: &Exchange, path: Option<&str>) -> Answer {
    let core = &exchange.server.core;
    let Some(path) = path else {
        return list(exchange, &mut |list| {
            visit(core, &mut |session, flow| match session.id.kind {
                MUXER => list.item(|text| text.value(&Muxer::of(session, flow))),
                _ => Ok(()),
            })
        });
    };
    match find(core, &|session| session.id.kind == MUXER && session.stream.as_str() == path) {
        Some((session, flow)) => written(exchange, &mut |text| text.value(&Muxer::of(&session, flow))),
        None => refuse(exchange, Status::NOT_FOUND, "there is no muxer of that path"),
    }
}

/// Shows all sessions, by the names of their streams.
fn visit(core: &Core, take: &mut dyn FnMut(&Session, Flow) -> Written) -> Written {
    let mut streams = core.hub.streams();
    streams.sort_unstable_by(|one, other| one.name().cmp(other.name()));
    streams.iter().try_for_each(|stream| core.visit_sessions(stream, &mut *take))
}

/// The first session that fits.
fn find(core: &Core, is_it: &dyn Fn(&Session) -> bool) -> Option<(Session, Flow)> {
    let mut found = None;
    // nothing is written, so that there is no error
    let _ = visit(core, &mut |session, flow| {
        if found.is_none() && is_it(session) {
            found = Some((session.clone(), flow));
        }
        Ok(())
    });
    found
}

/// Writes a session with the fields of its kind.
fn write(text: &mut JsonText<'_>, core: &Core, kind: &Kind, session: &Session, flow: Flow) -> Written {
    text.open(&Told::of(core, kind, session, flow))?;
    let id = Uuid::of(core, session);
    match kind.fields {
        Fields::Rtmp => text.put(",\"outboundFramesDiscarded\":0}"),
        Fields::Rtsp => {
            text.put(UNCOUNTED)?;
            text.put(&format!(",\"conns\":[\"{}\"]}}", id.of_connection()))
        }
        Fields::Connection => text.put(&format!(",\"session\":\"{id}\",\"tunnel\":\"\"}}")),
        Fields::Hls => text.put(",\"isCDN\":false}"),
    }
}

impl<'a> Told<'a> {
    fn of(core: &Core, kind: &Kind, session: &'a Session, flow: Flow) -> Self {
        let (state, [inbound, outbound]) = match session.part {
            Part::Publishes => ("publish", [flow.bytes, 0]),
            Part::Plays(_) => ("read", [0, flow.bytes]),
        };
        let goes_both_ways = kind.fields != Fields::Hls;
        let mut told = Self {
            id: kind.id(core, session).to_string(),
            created: time(session.since),
            remote_addr: session.peer.map_or(String::new(), |peer| peer.to_string()),
            outbound_bytes: outbound,
            inbound_bytes: goes_both_ways.then_some(inbound),
            bytes_received: goes_both_ways.then_some(inbound),
            bytes_sent: goes_both_ways.then_some(outbound),
            ..Self::default()
        };
        if kind.fields != Fields::Connection {
            told.state = goes_both_ways.then_some(state);
            told.path = Some(session.stream.as_str());
            told.query = Some(if session.url.contains('?') { MASK } else { "" });
            (told.user, told.user_agent) = (Some(""), Some(""));
        }
        told
    }
}

impl<'a> Muxer<'a> {
    fn of(session: &'a Session, flow: Flow) -> Self {
        Self {
            path: session.stream.as_str(),
            created: time(session.since),
            last_request: time(session.since),
            outbound_bytes: flow.bytes,
            outbound_frames_discarded: 0,
            bytes_sent: flow.bytes,
        }
    }
}
