//! Parts of `hls.memory`: equal ones, for each stream that plays.

use std::fmt;

use super::super::Server;
use super::{Denied, Entries, Hls, is_live, lock};
use crate::hub::Name;

/// What a stream has of the memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Share {
    /// It needs none: nobody publishes it.
    None,
    /// A part like all others.
    Equal,
    /// None: the others would have too little, and it goes.
    Denied,
}

impl Hls {
    /// Gives each stream an equal part of the memory. Names that nobody publishes take none of the
    /// others', and one that would leave them too little gets none.
    pub(super) fn share_out(&self, server: &Server, entries: &Entries) {
        for (name, entry) in entries {
            let share = {
                let mut state = lock(&entry.state);
                let needs = is_live(server, name) || state.window.is_playable();
                if !needs {
                    state.share = Share::None;
                }
                if needs { state.share } else { Share::Equal }
            };
            if share == Share::None {
                let has_room = self.has_room(name, entries);
                lock(&entry.state).share = if has_room { Share::Equal } else { Share::Denied };
                if !has_room {
                    lock(&entry.task).take();
                }
            }
        }
        let part = self.part(shares(entries));
        entries.values().for_each(|entry| lock(&entry.state).window.set_room(part));
        lock(&self.told).retain(|name| is_live(server, name));
    }

    /// Whether those that have a part have enough left when `name` gets one too; the log says once if
    /// they have not.
    pub(super) fn has_room(&self, name: &Name, entries: &Entries) -> bool {
        let part = self.part(shares(entries) + 1);
        let most = entries.iter().filter(|one| one.0 != name).map(|(other, entry)| {
            let state = lock(&entry.state);
            (if state.share == Share::Equal { state.window.least_room() } else { 0 }, other)
        });
        let Some((least, other)) = most.max().filter(|(least, _)| *least > part) else { return true };
        if lock(&self.told).insert(name.clone()) {
            let wants = least.saturating_mul(shares(entries) + 1).div_ceil(1 << 20);
            log::warn!(
                "stream={name} HLS: hls.memory has no room for it beside what plays: {other} alone needs {} KiB, and would have {} KiB; {wants} MiB would do",
                least >> 10,
                part >> 10
            );
        }
        false
    }

    fn part(&self, shares: usize) -> usize {
        self.account.limit() / shares.max(1)
    }
}

/// As many have a part.
fn shares(entries: &Entries) -> usize {
    entries.values().filter(|entry| lock(&entry.state).share == Share::Equal).count()
}

impl Denied {
    /// The label in the metrics.
    pub(in super::super) fn label(&self) -> &'static str {
        match self {
            Self::Streams => "streams",
            Self::Memory => "memory",
            Self::Hub(refused) => refused.label(),
        }
    }
}

impl fmt::Display for Denied {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Streams => f.write_str("no more streams have segments: hls.streams is reached"),
            Self::Memory => f.write_str("hls.memory has no room for segments of one more stream"),
            Self::Hub(refused) => refused.fmt(f),
        }
    }
}
