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

/// The count of the sessions of each kind.
#[derive(Default)]
pub struct Ids(Mutex<BTreeMap<&'static str, u32>>);

/// A session: its id, and as far as they are known its stream and its peer.
#[derive(Clone, Debug)]
pub struct Who {
    id: SessionId,
    stream: Option<Name>,
    peer: Option<SocketAddr>,
    /// Its peer has not begun so many that the log is not told of this one.
    pub told: bool,
    /// The time at which it began with its stream.
    begun: Option<Instant>,
}

/// So much is refused to a peer in a row before not all of it is logged.
pub(super) const REFUSED: u32 = 5;

impl Ids {
    /// A new session.
    pub fn who(&self, kind: &'static str) -> Who {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let count = counts.entry(kind).or_default();
        *count = count.wrapping_add(1);
        Who { id: SessionId { kind, number: *count }, stream: None, peer: None, told: true, begun: None }
    }
}

impl Who {
    /// Somebody at this address.
    pub fn at(mut self, peer: SocketAddr) -> Self {
        self.peer = Some(canonical(peer));
        self
    }

    /// It has to do with this stream.
    pub fn of(mut self, name: &Name) -> Self {
        self.stream = Some(name.clone());
        self
    }

    /// The id that its viewer is called by.
    pub fn id(&self) -> SessionId {
        self.id
    }

    /// The same peer does something else.
    pub fn turns(&self, core: &Core, kind: &'static str) -> Self {
        Self { peer: self.peer, ..core.who(kind) }
    }

    /// It begins with a stream.
    pub fn begins(&mut self, flood: &Flood, name: &Name, said: fmt::Arguments<'_>) {
        self.stream = Some(name.clone());
        self.told = flood.passes_session(self.subject());
        self.begun = Some(Instant::now());
        if self.told {
            log::info!("{self} {said}");
        }
    }

    /// The level at which the log is told of what it does.
    pub fn level(&self) -> log::Level {
        if self.told { log::Level::Info } else { log::Level::Debug }
    }

    /// Whether it has begun with its stream, and not ended.
    pub fn has_begun(&self) -> bool {
        self.begun.is_some()
    }

    /// It has ended, and has moved so many bytes of media.
    pub fn ends(&mut self, said: fmt::Arguments<'_>, bytes: u64) {
        match self.begun.take().map(|begun| begun.elapsed()) {
            Some(time) if self.told => {
                log::info!("{self} {said} ({bytes} bytes in {}.{} s)", time.as_secs(), time.subsec_millis() / 100);
            }
            _ => log::debug!("{self} {said}"),
        }
        self.stream = None;
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

    /// The one whose lines of the log are bounded together: its peer, or what the server does by itself.
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
