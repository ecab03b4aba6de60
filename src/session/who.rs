//! The identity of a session, in every line of the log that is about it:
//! `id=RTMPPUBSUB1 stream=test110 peer=192.0.2.7:40112`.

use std::collections::BTreeMap;
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use super::core::Core;
use super::flood::{Flood, Subject};
use crate::hub::{Name, SessionId};
use crate::net::canonical;

/// The number of sessions of each kind.
#[derive(Default)]
pub struct Ids(Mutex<BTreeMap<&'static str, u32>>);

/// A session: its id, and its stream and peer if they are known.
#[derive(Clone, Debug)]
pub struct Who {
    id: SessionId,
    stream: Option<Name>,
    peer: Option<SocketAddr>,
    /// True if its connection is under TLS.
    pub(super) tls: bool,
    /// True if it is logged: its peer has not begun too many sessions.
    pub told: bool,
    /// The time at which it began with its stream.
    begun: Option<Instant>,
    /// The bytes of media that it had moved at its end.
    moved: u64,
}

/// The number of refusals of one peer in a row that are logged.
pub(super) const LOGGED_REFUSALS: u32 = 5;

impl Ids {
    /// A new session.
    pub fn who(&self, kind: &'static str) -> Who {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let count = counts.entry(kind).or_default();
        *count = count.wrapping_add(1);
        let id = SessionId { kind, number: *count };
        Who { id, stream: None, peer: None, tls: false, told: true, begun: None, moved: 0 }
    }
}

impl Who {
    /// Sets the peer.
    pub fn at(mut self, peer: SocketAddr) -> Self {
        self.peer = Some(canonical(peer));
        self
    }

    /// Sets whether its connection is under TLS.
    pub fn under_tls(self, tls: bool) -> Self {
        Self { tls, ..self }
    }

    /// Sets the stream.
    pub fn of(mut self, name: &Name) -> Self {
        self.stream = Some(name.clone());
        self
    }

    /// The id, which its viewer has too.
    pub fn id(&self) -> SessionId {
        self.id
    }

    /// A new session of the same peer.
    pub fn turns(&self, core: &Core, kind: &'static str) -> Self {
        Self { peer: self.peer, tls: self.tls, ..core.who(kind) }
    }

    /// Begins with a stream, which is logged.
    pub fn begins(&mut self, flood: &Flood, name: &Name, said: fmt::Arguments<'_>) {
        self.stream = Some(name.clone());
        self.told = flood.passes_session(self.subject());
        self.begun = Some(Instant::now());
        if self.told {
            log::info!("{self} {said}");
        }
    }

    /// The level at which its actions are logged.
    pub fn level(&self) -> log::Level {
        if self.told { log::Level::Info } else { log::Level::Debug }
    }

    /// True if it has begun with its stream and not ended.
    pub fn has_begun(&self) -> bool {
        self.begun.is_some()
    }

    /// Ends, which is logged with the number of bytes of media.
    pub fn ends(&mut self, said: fmt::Arguments<'_>, bytes: u64) {
        match self.begun.take().map(|begun| begun.elapsed()) {
            Some(time) if self.told => {
                log::info!("{self} {said} ({bytes} bytes in {}.{} s)", time.as_secs(), time.subsec_millis() / 100);
            }
            _ => log::debug!("{self} {said}"),
        }
        self.stream = None;
        self.moved = bytes;
    }

    /// The bytes of media that it had moved when it ended.
    pub(super) fn moved(&self) -> u64 {
        self.moved
    }

    /// Its stream.
    pub(super) fn stream(&self) -> Option<&Name> {
        self.stream.as_ref()
    }

    /// Its peer.
    pub fn peer(&self) -> Option<SocketAddr> {
        self.peer
    }

    /// The address of its peer.
    pub fn ip(&self) -> Option<IpAddr> {
        self.peer.map(|peer| peer.ip())
    }

    pub(super) fn passes(&self, flood: &Flood, kind: &'static str, few: u32) -> bool {
        flood.passes(kind, self.subject(), few)
    }

    /// The subject by which its lines in the log are limited: its peer, or the kind of the server's own session.
    pub fn subject(&self) -> Subject {
        self.ip().map_or(Subject::Own(self.id.kind), Subject::Peer)
    }
}

impl fmt::Display for Who {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.id.fmt(f)?;
        if let Some(stream) = &self.stream {
            write!(f, " stream={stream}")?;
        }
        self.peer.map_or(Ok(()), |peer| write!(f, " peer={peer}"))
    }
}
