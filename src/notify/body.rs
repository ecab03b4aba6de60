//! The bodies of events: lal's, byte for byte where it has one.

use bytes::Bytes;
use serde::Serialize;

use super::queue::Lost;
use crate::budget::{Account, OverBudget};
use crate::conf::{Config, Event};
use crate::lal::{Base, LalInfo, Role, SessionEvent, Zone, write_groups};
use crate::session::{Connection, Core, Fact, JsonText, Refused, Segment, Session, SessionNews};

/// `on_rtmp_connect`.
#[derive(Serialize)]
struct Connect<'a> {
    server_id: &'a str,
    session_id: String,
    remote_addr: String,
    app: &'a str,
    #[serde(rename = "flashVer")]
    agent: &'a str,
    #[serde(rename = "tcUrl")]
    url: &'a str,
}

/// `on_hls_make_ts`.
#[derive(Serialize)]
struct MakeTs<'a> {
    server_id: &'a str,
    event: &'a str,
    stream_name: &'a str,
    cwd: String,
    ts_file: String,
    live_m3u8_file: String,
    record_m3u8_file: String,
    id: u64,
    /// In seconds; 0 at the beginning.
    duration: f64,
}

/// `on_auth_fail`.
#[derive(Serialize)]
struct AuthFail<'a> {
    server_id: &'a str,
    session_id: String,
    remote_addr: String,
    stream_name: &'a str,
    reason: &'a str,
    count: u32,
}

/// `on_lost`.
#[derive(Serialize)]
struct LostEvents<'a> {
    server_id: &'a str,
    from: u32,
    to: u32,
    count: u32,
}

/// The ids of recordings.
const RECORD: &str = "RECORD";
/// The role of a recording, for which lal has none.
const RECORDING: Role = Role { protocol: "RECORD", base: Base::Sub };

/// The event that a fact is, if receivers are told of it.
pub(super) fn event(fact: &Fact) -> Option<Event> {
    let of_session = |session: &Session, [publishes, plays, pulls, pushes, records]: [Event; 5]| {
        Some(match role(session)? {
            RECORDING => records,
            Role { base: Base::Pub, .. } => publishes,
            Role { base: Base::Sub, .. } => plays,
            Role { base: Base::Pull, .. } => pulls,
            Role { base: Base::Push, .. } => pushes,
        })
    };
    use Event::*;
    match fact {
        Fact::Begins(news) => of_session(&news.session, [PubStart, SubStart, PullStart, PushStart, RecordStart]),
        Fact::Ends(news) => of_session(&news.session, [PubStop, SubStop, PullStop, PushStop, RecordStop]),
        Fact::Connects(_) => Some(Connect),
        Fact::Refused(_) => Some(AuthFail),
        Fact::Segment(_) => Some(Segment),
        Fact::File(_) => None,
    }
}

/// The body of the event that a fact is.
pub(super) fn of(core: &Core, fact: &Fact) -> String {
    let config = core.config();
    let server_id = config.server_id.as_str();
    match fact {
        Fact::Begins(news) | Fact::Ends(news) => {
            let SessionNews { session, has_publisher, has_player, bytes } = news;
            let has = [*has_publisher, *has_player];
            role(session)
                .map_or_else(String::new, |role| json(&SessionEvent::of(server_id, session, role, *bytes, has)))
        }
        Fact::Connects(Connection { id, peer, app, agent, url }) => {
            let (session_id, remote_addr) = (format!("{}{}", id.kind, id.number), peer.to_string());
            json(&Connect { server_id, session_id, remote_addr, app, agent, url })
        }
        Fact::Refused(Refused { why: reason, id, stream, peer, count }) => json(&AuthFail {
            server_id,
            session_id: id.map_or(String::new(), |id| format!("{}{}", id.kind, id.number)),
            remote_addr: peer.map_or(String::new(), |peer| peer.to_string()),
            stream_name: stream.as_ref().map_or("", |stream| stream.as_str()),
            reason,
            count: *count,
        }),
        Fact::Segment(segment) => json(&MakeTs::of(server_id, segment, &config)),
        Fact::File(_) => String::new(),
    }
}

/// `on_server_start`, and `on_server_stop`.
pub(super) fn server(core: &Core) -> String {
    json(&LalInfo::of(core, &core.config().server_id, Zone::local()))
}

/// `on_lost`.
pub(super) fn lost(core: &Core, Lost { from, to, count }: Lost) -> String {
    json(&LostEvents { server_id: &core.config().server_id, from, to, count })
}

/// `on_update`: the state of all streams, charged to `account`.
pub(super) fn update(core: &Core, account: &Account) -> Result<Bytes, OverBudget> {
    let config = core.config();
    let mut text = JsonText::new(account);
    text.put("{\"server_id\":")?;
    text.value(&config.server_id)?;
    text.put(",\"groups\":")?;
    write_groups(&mut text, core, Zone::local())?;
    text.put("}")?;
    text.whole()
}

/// The role of a session of which receivers are told.
fn role(session: &Session) -> Option<Role> {
    if session.id.kind == RECORD { Some(RECORDING) } else { Role::of(session) }
}

/// None of these values fails: their keys are texts.
fn json(value: &impl Serialize) -> String {
    serde_json::to_string(value).unwrap_or_default()
}

impl<'a> MakeTs<'a> {
    /// A segment in the folder of `hls.store`, or at its path of HTTP.
    fn of(server_id: &'a str, segment: &'a Segment, config: &Config) -> Self {
        let Segment { stream, number: id, file, length } = segment;
        let store = config.hls.store.0.as_ref().map(|folder| folder.display().to_string());
        let folder = if store.is_some() { stream.to_string() } else { format!("hls/{stream}") };
        Self {
            server_id,
            event: if length.is_some() { "close" } else { "open" },
            stream_name: stream.as_str(),
            cwd: store.unwrap_or_default(),
            ts_file: format!("{folder}/{file}"),
            live_m3u8_file: format!("{folder}/playlist.m3u8"),
            record_m3u8_file: format!("{folder}/record.m3u8"),
            id: *id,
            duration: length.map_or(0.0, |length| length.as_secs_f64()),
        }
    }
}
