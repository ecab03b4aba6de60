//! The shares of `hls.memory`: equal for all streams that play.

use super::super::Server;
use super::streams::{Entries, Hls};
use super::{is_live, lock};

impl Hls {
    /// Gives each stream an equal share of the memory, whatever its bit rate. A share is never less than one of
    /// `hls.streams`, and windows continue in it with shorter segments. Names without a publisher get none.
    pub(super) fn share_out(&self, server: &Server, entries: &Entries) {
        let plays = entries.iter().filter(|(name, entry)| is_live(server, name) || entry.is_playable());
        let part = self.account.limit() / plays.count().max(1);
        entries.values().for_each(|entry| lock(&entry.state).window.set_room(part));
    }
}
