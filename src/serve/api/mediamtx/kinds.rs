//! The lists of sessions: which sessions stand in which, and by which id.

use super::ids::Uuid;
use crate::session::{Core, Session};

/// A list of sessions.
#[derive(Debug)]
pub(super) struct Kind {
    /// Its name in URLs.
    pub list: &'static str,
    /// The word for one of its sessions where a path tells of it.
    pub role: &'static str,
    /// The beginnings of the ids that its sessions have in the log.
    ids: &'static [&'static str],
    /// True if its sessions are those under TLS.
    tls: bool,
    /// The fields of a session.
    pub fields: Fields,
}

/// The fields of a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fields {
    Rtmp,
    Rtsp,
    /// Those of the connection of a session of RTSP, which cannot be ended apart from it.
    Connection,
    Hls,
}

const RTMP: &[&str] = &["RTMPPUBSUB"];
const RTSP: &[&str] = &["RTSPPUB", "RTSPSUB"];
/// All players over HTTP: MediaMTX has no others than those of HLS.
const HTTP: &[&str] = &["HLSSUB", "FLVPUBSUB", "TSPUBSUB", "MP4PUBSUB"];

/// The lists, those of sessions before those of their connections. Protocols that are not there have empty ones.
const KINDS: &[Kind] = &[
    Kind { list: "rtspsessions", role: "rtspSession", ids: RTSP, tls: false, fields: Fields::Rtsp },
    Kind { list: "rtspssessions", role: "rtspsSession", ids: RTSP, tls: true, fields: Fields::Rtsp },
    Kind { list: "rtspconns", role: "rtspConn", ids: RTSP, tls: false, fields: Fields::Connection },
    Kind { list: "rtspsconns", role: "rtspsConn", ids: RTSP, tls: true, fields: Fields::Connection },
    Kind { list: "rtmpconns", role: "rtmpConn", ids: RTMP, tls: false, fields: Fields::Rtmp },
    Kind { list: "rtmpsconns", role: "rtmpsConn", ids: RTMP, tls: true, fields: Fields::Rtmp },
    Kind { list: "hlssessions", role: "hlsSession", ids: HTTP, tls: false, fields: Fields::Hls },
    Kind { list: "srtconns", role: "srtConn", ids: &[], tls: false, fields: Fields::Rtmp },
    Kind { list: "webrtcsessions", role: "webRTCSession", ids: &[], tls: false, fields: Fields::Rtmp },
];

impl Kind {
    /// The list of that name.
    pub(super) fn named(list: &str) -> Option<&'static Self> {
        KINDS.iter().find(|kind| kind.list == list)
    }

    /// The list that has a session; `None` for those of the server itself.
    pub(super) fn of(session: &Session) -> Option<&'static Self> {
        KINDS.iter().find(|kind| kind.has(session))
    }

    /// True if a session stands in the list.
    pub(super) fn has(&self, session: &Session) -> bool {
        self.ids.contains(&session.id.kind) && self.tls == session.tls
    }

    /// The id of a session in the list.
    pub(super) fn id(&self, core: &Core, session: &Session) -> Uuid {
        let id = Uuid::of(core, session);
        if self.fields == Fields::Connection { id.of_connection() } else { id }
    }
}
