//! Streams: what each carries, who publishes it, and how it does.

use std::sync::Arc;
use std::time::Instant;

use serde::Serialize;

use super::reply::{Memory, Seconds, done, item, kbps, list, no_room, refuse, time, written};
use crate::budget::OverBudget;
use crate::hub::{Gauges, Name, Stream, Traffic};
use crate::media::{Kind, Track};
use crate::proto::http::Status;
use crate::serve::http::{Answer, Exchange};
use crate::session::{Charged, Company, Core, JsonText};

/// A stream, as in lists and in the state of events.
#[derive(Serialize)]
pub(super) struct Told<'a> {
    name: &'a str,
    live: bool,
    /// The session that publishes.
    #[serde(skip_serializing_if = "Option::is_none")]
    publisher: Option<String>,
    /// The time at which that began.
    #[serde(skip_serializing_if = "Option::is_none")]
    since: Option<String>,
    pub viewers: usize,
    recording: bool,
    pub kbps_in: u64,
    pub kbps_out: u64,
    tracks: Vec<TrackTold>,
}

/// A track. What is not known is left out.
#[derive(Serialize)]
struct TrackTold {
    kind: &'static str,
    codec: &'static str,
    #[serde(skip_serializing_if = "is_zero")]
    width: u32,
    #[serde(skip_serializing_if = "is_zero")]
    height: u32,
    #[serde(skip_serializing_if = "is_zero")]
    sample_rate: u32,
    #[serde(skip_serializing_if = "is_zero")]
    channels: u32,
}

/// The sums of a stream since it was first asked for.
#[derive(Serialize)]
struct TrafficTold {
    bytes_in: u64,
    bytes_out: u64,
    frames: u64,
    frames_lost: u64,
    skips: u64,
}

/// The viewers of a form, recordings and what cuts HLS included.
#[derive(Serialize)]
struct FormTold<'a> {
    form: &'static str,
    viewers: usize,
    /// The codecs of tracks that it cannot carry.
    missing: &'a [&'static str],
}

/// The stream that a request names is not there.
const NONE: &str = "there is no stream of that name";

/// `GET /api/v1/streams`.
pub(in crate::serve) fn tell(exchange: Exchange) -> Answer {
    let core = &exchange.server.core;
    let Ok(Charged { items, lease: _lease }) = core.streams_by_name() else { return no_room(&exchange) };
    list(&exchange, items, |text, stream| {
        write(text, core, &stream, &stream.gauges(Instant::now()))?;
        text.put("}")
    })
}

/// `GET /api/v1/streams/NAME`.
pub(in crate::serve) fn tell_one(exchange: Exchange) -> Answer {
    match asked(&exchange) {
        Some(stream) => written(&exchange, |text| write_all(text, &exchange.server.core, &stream)),
        None => refuse(&exchange, Status::NOT_FOUND, NONE),
    }
}

/// `DELETE /api/v1/streams/NAME`: ends its publisher. A pull of the configuration begins again after its pause.
pub(in crate::serve) fn end(exchange: Exchange) -> Answer {
    let Some(stream) = asked(&exchange) else { return refuse(&exchange, Status::NOT_FOUND, NONE) };
    if !stream.publisher().is_some_and(|ticket| exchange.server.core.kick(ticket)) {
        return refuse(&exchange, Status::NOT_FOUND, "the stream has no publisher");
    }
    log::info!("stream={} is ended by the API, peer={}", stream.name(), exchange.peer);
    done(&exchange)
}

/// The stream that a path names, if somebody publishes or plays it.
fn asked(exchange: &Exchange) -> Option<Arc<Stream>> {
    let name = Name::new(&item(exchange, "/api/v1/streams/", "")?).ok()?;
    exchange.server.core.hub.find(&name).filter(|stream| stream.is_used())
}

/// Writes a stream as in lists, without its end.
fn write(text: &mut JsonText<'_>, core: &Core, stream: &Stream, gauges: &Gauges) -> Result<(), OverBudget> {
    text.open(&Told::of(core, stream, gauges))?;
    if gauges.tracks.has_video() {
        text.put(&format!(",\"fps\":{}.{}", gauges.pictures / 10, gauges.pictures % 10))?;
    }
    gauges.key_frames.map_or(Ok(()), |time| text.put(&format!(",\"gop_s\":{}", Seconds(time))))
}

/// Writes a stream with all that is known.
fn write_all(text: &mut JsonText<'_>, core: &Core, stream: &Stream) -> Result<(), OverBudget> {
    let gauges = stream.gauges(Instant::now());
    write(text, core, stream, &gauges)?;
    text.put(",\"traffic\":")?;
    text.value(&TrafficTold::of(&gauges.traffic))?;
    text.put(",\"memory\":")?;
    text.value(&Memory::of(stream.account()))?;
    text.put(",\"forms\":")?;
    text.array(stream.stats().forms, |text, one| {
        text.value(&FormTold { form: one.form, viewers: one.viewers, missing: &one.missing })
    })?;
    text.put("}")
}

impl<'a> Told<'a> {
    /// A stream with its gauges.
    pub(super) fn of(core: &Core, stream: &'a Stream, gauges: &Gauges) -> Self {
        let Company { publisher, viewers, is_recorded } = core.company(stream);
        Self {
            name: stream.name().as_str(),
            live: stream.is_live(),
            publisher: publisher.as_ref().map(|one| one.id.text()),
            since: publisher.map(|one| time(one.since)),
            viewers,
            recording: is_recorded,
            kbps_in: kbps(gauges.received),
            kbps_out: kbps(gauges.sent),
            tracks: gauges.tracks.iter().map(TrackTold::of).collect(),
        }
    }
}

impl TrackTold {
    fn of(track: &Track) -> Self {
        let params = &track.params;
        Self {
            kind: if track.codec.kind() == Kind::Video { "video" } else { "audio" },
            codec: track.codec.name(),
            width: params.width,
            height: params.height,
            sample_rate: params.sample_rate,
            channels: params.channels.into(),
        }
    }
}

impl TrafficTold {
    fn of(&Traffic { bytes_in, bytes_out, frames, lost: frames_lost, skips }: &Traffic) -> Self {
        Self { bytes_in, bytes_out, frames, frames_lost, skips }
    }
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde passes references")]
fn is_zero(number: &u32) -> bool {
    *number == 0
}
