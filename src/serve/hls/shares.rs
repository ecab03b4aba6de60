//! Parts of `hls.memory`: equal ones, for each stream that plays.

use super::super::Server;
use super::streams::{Entries, Hls};
use super::{is_live, lock};

impl Hls {
    /// Gives each stream an equal part of the memory, whatever it sends: it is never less than one of
    /// `hls.streams`, and windows go on in it with shorter segments. Names that nobody publishes take
    /// none of the others'.
    pub(super) fn share_out(&self, server: &Server, entries: &Entries) {
        let plays = entries.iter().filter(|(name, entry)| is_live(server, name) || entry.is_playable());
        let part = self.account.limit() / plays.count().max(1);
        entries.values().for_each(|entry| lock(&entry.state).window.set_room(part));
    }
}
