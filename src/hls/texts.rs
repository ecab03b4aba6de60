//! Playlists as they are sent: written once for all players, in blocks that are charged.

use std::fmt;

use bytes::Bytes;

use crate::budget::{Account, BlockMut, OverBudget};
use crate::container::m3u8::{Part, Playlist};

/// The byte after each name of a file in a shared playlist: it is replaced by text for each player. It occurs nowhere
/// else in a playlist.
pub const MARK: u8 = 1;
/// The same as text.
pub(super) const MARKED: &str = "\u{1}";

/// Playlists may use one part in this number of a stream's memory. That is more than one playlist needs, but slow
/// readers hold old ones.
pub(super) const MEMORY_SHARE: usize = 8;

/// The playlists of one version, by kind.
#[derive(Debug)]
pub(super) struct Texts {
    pub(super) account: Account,
    version: u64,
    known: [Option<Bytes>; 3],
}

/// The kinds of playlists that are cached.
#[derive(Clone, Copy, Debug)]
pub(super) enum Telling {
    Live,
    Changes,
    All,
}

impl Texts {
    /// An empty cache for a stream whose account is `account`.
    pub(super) fn new(account: &Account) -> Self {
        Self {
            account: account.child("playlists", account.limit() / MEMORY_SHARE),
            version: 0,
            known: Default::default(),
        }
    }

    /// Sets the memory of the stream.
    pub(super) fn set_room(&self, bytes: usize) {
        self.account.set_limit(bytes / MEMORY_SHARE);
    }

    /// True if freeing other memory may help, because the refusal is not for the playlists' own limit.
    pub(super) fn may_be_helped(&self, refusal: &OverBudget) -> bool {
        refusal.limit > self.account.limit()
    }

    /// The text of that version, if it is cached. Texts of other versions are dropped.
    pub(super) fn known(&mut self, telling: Telling, version: u64) -> Option<Bytes> {
        if self.version != version {
            (self.known, self.version) = (Default::default(), version);
        }
        self.known.get(telling as usize).cloned().flatten()
    }

    /// Caches a text of that version.
    pub(super) fn keep(&mut self, telling: Telling, version: u64, text: &Bytes) {
        self.known(telling, version);
        if let Some(place) = self.known.get_mut(telling as usize) {
            *place = Some(text.clone());
        }
    }

    /// Writes a playlist into a block of its size, with `mark` after each file's name.
    pub(super) fn write(&self, playlist: &Playlist<'_>, mark: &str) -> Result<Bytes, OverBudget> {
        let open = playlist.low_latency.iter().filter_map(|low| low.open.as_ref());
        let parts: usize = playlist.entries.iter().chain(open).map(|entry| entry.parts.len()).sum();
        let _draft = self.account.charge(size_of_val(&*playlist.entries) + parts * size_of::<Part>())?;
        let mut count = Count(0);
        // counting does not fail, and a block of that size has room
        let _ = playlist.write(&mut count, mark);
        let mut block = Filling(BlockMut::new(&self.account, count.0)?);
        let _ = playlist.write(&mut block, mark);
        Ok(block.0.freeze())
    }
}

/// A playlist as it is sent to a player whose text is `own`.
#[cfg(test)]
pub(super) fn told(playlist: Result<Bytes, OverBudget>, own: &str) -> String {
    String::from_utf8(playlist.unwrap().to_vec()).unwrap().replace(char::from(MARK), own)
}

struct Count(usize);

impl fmt::Write for Count {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.0 += text.len();
        Ok(())
    }
}

struct Filling(BlockMut);

impl fmt::Write for Filling {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.0.fill(text.as_bytes());
        Ok(())
    }
}
