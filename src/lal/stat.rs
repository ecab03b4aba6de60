//! lal's words for a server, and for its streams ("groups") with their sessions.

use std::net::SocketAddr;
use std::time::Instant;

use serde::{Serialize, Serializer};

use super::list::List;
use super::role::{Id, Shown, app};
use super::{Base, Role, Stamp, Zone};
use crate::budget::OverBudget;
use crate::hub::{Pulse, Stream};
use crate::media::{Kind, Track, Wall};
use crate::session::{Core, Flow, JsonText, Session, time_of_day};

/// The state of a server, as lal tells it.
#[derive(Serialize)]
pub struct LalInfo<'a> {
    server_id: &'a str,
    bin_info: Shown<BinInfo>,
    lal_version: &'static str,
    api_version: &'static str,
    notify_version: &'static str,
    #[serde(rename = "WebUiVersion")]
    web_ui_version: &'static str,
    start_time: Stamp<'a>,
}

/// The program, in lal's words; what a reproducible program does not know is empty.
struct BinInfo;

/// A stream without its sessions.
#[derive(Serialize)]
struct Group<'a> {
    stream_name: &'a str,
    app_name: &'a str,
    audio_codec: &'static str,
    video_codec: &'static str,
    video_width: u32,
    video_height: u32,
    #[serde(rename = "pub")]
    publisher: StatSession<'a>,
}

/// A session. What there is none of is empty, or 0.
#[derive(Default, Serialize)]
struct StatSession<'a> {
    session_id: Shown<Id>,
    protocol: &'static str,
    base_type: &'static str,
    remote_addr: Shown<SocketAddr>,
    start_time: Shown<Stamp<'a>>,
    read_bytes_sum: u64,
    wrote_bytes_sum: u64,
    bitrate_kbits: u32,
    read_bitrate_kbits: u32,
    write_bitrate_kbits: u32,
}

/// The pictures of the latest seconds, and the present.
struct Frames(Pulse, Instant, Wall);

/// The pictures of one second.
#[derive(Serialize)]
struct Second {
    unix_sec: u64,
    v: u16,
}

/// The versions of lal's interfaces that these are.
const VERSIONS: [&str; 4] = ["v0.37.4", "v0.4.9", "v0.2.5", "v0.0.3"];

impl<'a> LalInfo<'a> {
    /// The server, with times in `zone`.
    pub fn of(core: &Core, server_id: &'a str, zone: &'a Zone) -> Self {
        let [lal_version, api_version, notify_version, web_ui_version] = VERSIONS;
        let (bin_info, start_time) = (Shown(Some(BinInfo)), Stamp(core.started, zone));
        Self { server_id, bin_info, lal_version, api_version, notify_version, web_ui_version, start_time }
    }
}

impl std::fmt::Display for BinInfo {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (version, os, arch) = (env!("CARGO_PKG_VERSION"), std::env::consts::OS, std::env::consts::ARCH);
        write!(f, "GitTag=runnel-{version}. GitCommitLog=. GitStatus=. BuildTime=. GoVersion=. runtime={os}/{arch}.")
    }
}

/// Writes `null`, or the list of all streams that have sessions, by name.
pub fn write_groups(text: &mut JsonText<'_>, core: &Core, zone: &Zone) -> Result<(), OverBudget> {
    let mut streams = core.hub.streams();
    streams.retain(|stream| stream.is_used());
    streams.sort_unstable_by(|one, other| one.name().cmp(other.name()));
    let mut list = List::default();
    for stream in streams {
        list.next(text)?;
        write_group(text, core, &stream, zone)?;
    }
    list.end(text)
}

/// Writes a stream with its sessions.
pub fn write_group(text: &mut JsonText<'_>, core: &Core, stream: &Stream, zone: &Zone) -> Result<(), OverBudget> {
    let first = first_session(core, stream);
    let input = first.as_ref().and_then(|(session, flow)| Some((session, Role::of(session)?, *flow)));
    let told = |base| {
        let input = input.filter(|(_, role, _): &(_, Role, _)| role.base == base);
        input.map_or_else(StatSession::default, |(session, role, flow)| StatSession::of(session, role, flow, zone))
    };
    let tracks = stream.tracks();
    let [audio, video] = [Kind::Audio, Kind::Video].map(|kind| tracks.first(kind));
    let codec = |track: Option<&Track>| track.map_or("", |track| track.codec.name());
    text.open(&Group {
        stream_name: stream.name().as_str(),
        app_name: first.as_ref().map_or("", |(session, _)| app(&session.url)),
        audio_codec: codec(audio),
        video_codec: codec(video),
        video_width: video.map_or(0, |track| track.params.width),
        video_height: video.map_or(0, |track| track.params.height),
        publisher: told(Base::Pub),
    })?;
    text.put(",\"subs\":")?;
    let mut subs = List::default();
    core.visit_sessions(stream, |session, flow| {
        let Some(role) = Role::of(session).filter(|role| role.base == Base::Sub) else { return Ok(()) };
        subs.next(text)?;
        text.value(&StatSession::of(session, role, flow, zone))
    })?;
    subs.end(text)?;
    text.put(",\"pull\":")?;
    text.value(&told(Base::Pull))?;
    text.put(",\"in_frame_per_sec\":")?;
    text.value(&Frames(stream.pulse(), Instant::now(), time_of_day()))?;
    text.put("}")
}

/// The first session of a stream: its publisher, if it has one.
fn first_session(core: &Core, stream: &Stream) -> Option<(Session, Flow)> {
    let mut first = None;
    // the error ends the visit
    let _ = core.visit_sessions(stream, |session, flow| {
        first = Some((session.clone(), flow));
        Err(())
    });
    first
}

impl<'a> StatSession<'a> {
    fn of(session: &Session, role: Role, flow: Flow, zone: &'a Zone) -> Self {
        let (read, wrote) = match role.base.is_input() {
            true => (flow, Flow::default()),
            false => (Flow::default(), flow),
        };
        Self {
            session_id: Shown(Some(Id(session.id))),
            protocol: role.protocol,
            base_type: role.base.name(),
            remote_addr: Shown(session.peer),
            start_time: Shown(Some(Stamp(session.since, zone))),
            read_bytes_sum: read.bytes,
            wrote_bytes_sum: wrote.bytes,
            bitrate_kbits: flow.kbits,
            read_bitrate_kbits: read.kbits,
            write_bitrate_kbits: wrote.kbits,
        }
    }
}

impl Serialize for Frames {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self(pulse, now, Wall(wall)) = self;
        let second = |(since, v)| Second { unix_sec: wall.saturating_sub(since).as_secs(), v };
        serializer.collect_seq(pulse.latest(*now).map(second))
    }
}
