//! `hls.store`: the folders of streams, each with a task that writes the files of its window there.

use std::sync::{Arc, Mutex};

use smol::Task;

use super::super::Server;
use super::entry::Entry;
use super::tidy::{Seat, Tidy};
use super::{keeper, lock};
use crate::conf::{self, Config};
use crate::hls::Delete;
use crate::hub::Name;
use crate::session::Who;

/// The folders of streams, if segments are stored on a disk.
pub(super) struct Disk(Option<Arc<Tidy>>);

/// The folder of a stream on the disk.
pub(super) struct Shelf {
    seat: Seat,
    /// Dropped with the entry, which ends the writing.
    keeper: Mutex<Option<Task<()>>>,
}

impl Disk {
    pub(super) fn new(config: &conf::Hls) -> Self {
        Self(config.store.0.clone().map(Tidy::new))
    }

    /// The folder of a stream that begins.
    pub(super) fn begins(&self, server: &Server, name: &Name, delete: Option<Delete>) -> Option<Shelf> {
        let seat = self.0.as_ref()?.begins(name, delete?, syncs(&server.core.config()));
        Some(Shelf { seat, keeper: Mutex::default() })
    }

    /// Tidies the leftovers of streams in the background.
    pub(super) fn tidy(&self, server: &Server, delete: Option<Delete>) {
        if let (Some(tidy), Some(delete)) = (&self.0, delete)
            && tidy.follow(delete, syncs(&server.core.config()))
        {
            server.core.executor.spawn(tidy.clone().run()).detach();
        }
    }
}

impl Shelf {
    /// Starts writing the files of the entry.
    pub(super) fn keep(&self, server: &Server, entry: &Arc<Entry>, who: Who) {
        let keep = keeper::keep(Arc::downgrade(entry), who, self.seat.folder.clone());
        *lock(&self.keeper) = Some(server.core.executor.spawn(keep));
    }

    /// Removes the entry. `delete` is the present rule for streams.
    pub(super) fn leave(&self, delete: Option<Delete>) {
        let (folder, keeper) = (&self.seat.folder, lock(&self.keeper).take());
        let is_told = keeper.is_none_or(|keeper| keeper.is_finished());
        // the rule from the stream's start applies, unless all is kept by now
        if folder.is_cleared() && delete != Some(Delete::Never) {
            self.seat.ends(folder.delete);
        } else if !is_told && folder.ward.is_used() {
            self.seat.ends(Delete::Never);
        }
    }

    /// True if files are written there.
    pub(super) fn is_kept(&self) -> bool {
        lock(&self.keeper).is_some()
    }

    /// True if files of it are not on the disk yet.
    pub(super) fn is_storing(&self) -> bool {
        lock(&self.keeper).as_ref().is_some_and(|keeper| !keeper.is_finished())
    }
}

/// True if written files are synced to the disk.
fn syncs(config: &Config) -> bool {
    !config.recording.sync.0.is_zero()
}
