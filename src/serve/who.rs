//! The identity of a session, in every line of the log that is about it:
//! `id=RTMPPUBSUB1 stream=test110 peer=192.0.2.7:40112`.

use std::fmt;
#[cfg(feature = "http")]
use std::net::IpAddr;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::Instant;

use super::Server;
use super::flood::Flood;
use crate::hub::Name;

/// Kinds of sessions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(dead_code, reason = "a feature has its own")]
pub(crate) enum Kind {
    RtmpPubSub,
    RtmpPull,
    RtmpPush,
    RtspSrvCmd,
    RtspPub,
    RtspSub,
    RtspPull,
    RtspPush,
    FlvPubSub,
    TsPubSub,
    Mp4PubSub,
    HlsSub,
    HlsMuxer,
    FilePull,
    File,
    Record,
}

/// The prefixes of ids, in the order of `Kind`: lal's words, where it has one.
const PREFIXES: [&str; 16] = [
    "RTMPPUBSUB",
    "RTMPPULL",
    "RTMPPUSH",
    "RTSPSRVCMD",
    "RTSPPUB",
    "RTSPSUB",
    "RTSPPULL",
    "RTSPPUSH",
    "FLVPUBSUB",
    "TSPUBSUB",
    "MP4PUBSUB",
    "HLSSUB",
    "HLSMUXER",
    "FILEPULL",
    "FILE",
    "RECORD",
];

/// The count of each kind.
#[derive(Default)]
pub(super) struct Ids([AtomicUsize; PREFIXES.len()]);

/// A session: its id, and as far as they are known its stream and its peer.
#[derive(Clone, Debug)]
pub(crate) struct Who {
    kind: Kind,
    /// Counted from 1 for each kind.
    number: usize,
    stream: Option<Name>,
    peer: Option<SocketAddr>,
    /// Its peer has not begun so many that the log is not told of this one.
    pub(super) told: bool,
    /// The time at which it began with its stream.
    begun: Option<Instant>,
}

/// So much is refused to a peer in a row before not all of it is logged.
const REFUSED: u32 = 5;

impl Ids {
    /// A new session.
    pub(super) fn who(&self, kind: Kind) -> Who {
        let count = self.0.get(kind as usize).map_or(0, |count| count.fetch_add(1, Relaxed));
        Who { kind, number: count.wrapping_add(1), stream: None, peer: None, told: true, begun: None }
    }
}

impl Server {
    /// A new session.
    pub(crate) fn who(&self, kind: Kind) -> Who {
        self.ids.who(kind)
    }

    /// Counts what a session was refused, and tells the log, unless it has heard much of
    /// the same.
    pub(super) fn refused(&self, label: &'static str, who: &Who, said: fmt::Arguments<'_>) {
        self.tally.refused(label);
        if who.passes(&self.flood, label, REFUSED) {
            log::warn!("{who} {said}");
        }
    }

    /// The same of who has no session.
    pub(super) fn refused_guest(&self, label: &'static str, peer: SocketAddr, said: fmt::Arguments<'_>) {
        self.tally.refused(label);
        if self.flood.passes(label, peer.ip(), REFUSED) {
            log::warn!("peer={} {said}", canonical(peer));
        }
    }
}

impl Who {
    /// Somebody at this address.
    pub(crate) fn at(mut self, peer: SocketAddr) -> Self {
        self.peer = Some(canonical(peer));
        self
    }

    /// It has to do with this stream.
    pub(crate) fn of(mut self, name: &Name) -> Self {
        self.stream = Some(name.clone());
        self
    }

    /// The same peer does something else.
    pub(super) fn turns(&self, server: &Server, kind: Kind) -> Self {
        Self { peer: self.peer, ..server.who(kind) }
    }

    /// It begins with a stream.
    pub(crate) fn begins(&mut self, flood: &Flood, name: &Name, said: fmt::Arguments<'_>) {
        self.stream = Some(name.clone());
        self.told = self.peer.is_none_or(|peer| flood.passes_session(peer.ip()));
        self.begun = Some(Instant::now());
        if self.told {
            log::info!("{self} {said}");
        }
    }

    /// It has ended, and has moved so many bytes of media.
    pub(crate) fn ends(&mut self, said: fmt::Arguments<'_>, bytes: u64) {
        match self.begun.take().map(|begun| begun.elapsed()) {
            Some(time) if self.told => {
                log::info!("{self} {said} ({bytes} bytes in {}.{} s)", time.as_secs(), time.subsec_millis() / 100);
            }
            _ => log::debug!("{self} {said}"),
        }
        self.stream = None;
    }

    /// The address of its peer.
    #[cfg(feature = "http")]
    pub(super) fn ip(&self) -> Option<IpAddr> {
        self.peer.map(|peer| peer.ip())
    }

    fn passes(&self, flood: &Flood, kind: &'static str, few: u32) -> bool {
        self.peer.is_none_or(|peer| flood.passes(kind, peer.ip(), few))
    }
}

/// As it is written for people.
pub(super) fn canonical(peer: SocketAddr) -> SocketAddr {
    SocketAddr::new(peer.ip().to_canonical(), peer.port())
}

impl fmt::Display for Who {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let prefix = PREFIXES.get(self.kind as usize).unwrap_or(&"");
        write!(f, "id={prefix}{}", self.number)?;
        if let Some(stream) = &self.stream {
            write!(f, " stream={stream}")?;
        }
        self.peer.map_or(Ok(()), |peer| write!(f, " peer={peer}"))
    }
}
