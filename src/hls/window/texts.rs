//! Playlists as they are sent: written once for all who ask, in blocks that are paid for.

use std::fmt;

use bytes::Bytes;

use super::Window;
use crate::budget::{Account, BlockMut, OverBudget};
use crate::container::m3u8::{Part, Playlist};

/// The byte behind each name of a file in a shared playlist: in its place each player gets the text that it
/// alone is to show. No playlist has it otherwise.
pub const MARK: u8 = 1;
/// The same as text.
const MARKED: &str = "\u{1}";

/// Playlists may have one part in so many of a stream's memory. That is more than one needs; but slow readers
/// hold on to old ones.
pub(super) const TEXTS: usize = 8;

/// Playlists of one version, by what they tell.
#[derive(Debug)]
pub(super) struct Texts {
    pub(super) account: Account,
    version: u64,
    known: [Option<Bytes>; 3],
}

/// The kinds of playlists that are kept.
#[derive(Clone, Copy, Debug)]
enum Telling {
    Live,
    Changes,
    All,
}

impl Texts {
    pub(super) fn new(account: &Account) -> Self {
        Self { account: account.child("playlists", account.limit() / TEXTS), version: 0, known: Default::default() }
    }
}

impl Window {
    /// The playlist, with a `MARK` behind each file's name; with `skip` without the segments
    /// that players know.
    pub fn playlist(&mut self, skip: bool) -> Result<Bytes, OverBudget> {
        let telling = if skip { Telling::Changes } else { Telling::Live };
        self.shared(telling, |window| window.live(skip, window.rules.part, MARKED))
    }

    /// All that is kept, as if nothing followed.
    pub fn record(&mut self) -> Result<Bytes, OverBudget> {
        self.shared(Telling::All, |window| window.all(MARKED))
    }

    fn shared(
        &mut self,
        telling: Telling,
        write: impl Fn(&mut Self) -> Result<Bytes, OverBudget>,
    ) -> Result<Bytes, OverBudget> {
        if self.texts.version != self.version {
            // they make way for the new ones
            self.texts.known = Default::default();
        }
        if let Some(Some(known)) = self.texts.known.get(telling as usize) {
            return Ok(known.clone());
        }
        let mut written = write(self);
        // segments make way; but not for more than playlists may have
        while let Err(refusal) = written
            && refusal.limit > self.texts.account.limit()
            && self.make_room()
        {
            written = write(self);
        }
        let text = written?;
        if self.texts.version != self.version {
            self.texts.known = Default::default();
            self.texts.version = self.version;
        }
        if let Some(place) = self.texts.known.get_mut(telling as usize) {
            *place = Some(text.clone());
        }
        Ok(text)
    }

    /// Writes a playlist into a block of its size.
    pub(super) fn write(&self, playlist: &Playlist<'_>, mark: &str) -> Result<Bytes, OverBudget> {
        let open = playlist.low_latency.iter().filter_map(|low| low.open.as_ref());
        let parts: usize = playlist.entries.iter().chain(open).map(|entry| entry.parts.len()).sum();
        let _draft = self.texts.account.charge(size_of_val(&*playlist.entries) + parts * size_of::<Part>())?;
        let mut count = Count(0);
        // counting does not fail, and a block of that size has room
        let _ = playlist.write(&mut count, mark);
        let mut block = Filling(BlockMut::new(&self.texts.account, count.0)?);
        let _ = playlist.write(&mut block, mark);
        Ok(block.0.freeze())
    }
}

/// A playlist as it is sent to a player that is to show `own`.
#[cfg(test)]
pub(in crate::hls) fn told(playlist: Result<Bytes, OverBudget>, own: &str) -> String {
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
