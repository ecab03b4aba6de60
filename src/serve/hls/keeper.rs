//! The keeper of one stream: a task that writes the files of its window to its folder.

use std::sync::Weak;
use std::task::{Context, Poll};
use std::time::Duration;
use std::{fmt, io};

use crate::reactor::Timer;
use bytes::Bytes;

use super::entry::Entry;
use super::lock;
use super::store::{Folder, Written};
use crate::hls::Unstored;
use crate::session::Who;

/// The pause before a failed write is tried again.
const PAUSE: Duration = Duration::from_secs(2);

/// Writes the files of a stream's window, until the entry is removed.
pub(super) async fn keep(entry: Weak<Entry>, who: Who, folder: Folder) {
    let mut keeper = Keeper { entry, who, folder, last: Last::default(), trouble: String::new() };
    while keeper.step().await.is_some() {}
}

struct Keeper {
    entry: Weak<Entry>,
    who: Who,
    folder: Folder,
    last: Last,
    /// The fault that was logged last.
    trouble: String,
}

/// The id and the map of the last segment written: if the next one follows it, the list needs no mark.
#[derive(Clone, Default)]
struct Last(Option<(u64, Option<String>)>);

impl Last {
    /// Marks a segment that does not follow the last.
    fn join(&mut self, next: &mut Unstored) {
        let Some(about) = &mut next.about else { return };
        let follows = self.0.take().is_some_and(|(id, map)| id + 1 == about.id && map == about.map);
        about.discontinuity |= !follows;
        self.0 = Some((about.id, about.map.clone()));
    }
}

impl Keeper {
    /// Writes the next file; `None` if nothing more is to be done.
    async fn step(&mut self) -> Option<()> {
        let next = std::future::poll_fn(|cx| match self.entry.upgrade() {
            Some(entry) => entry.poll_unstored(cx).map(Some),
            None => Poll::Ready(None),
        });
        match next.await? {
            Some(next) => self.write(next).await,
            None => self.end().await,
        }
    }

    async fn write(&mut self, mut next: Unstored) -> Option<()> {
        let before = self.last.clone();
        self.last.join(&mut next);
        let file = next.name.clone();
        let result = self.folder.written(move |to| to.write(&next)).await;
        if let Ok(Written::Nowhere) = result {
            self.begin_anew()?;
            return Some(());
        }
        let (playlist, gone) = self.entry.upgrade()?.stored(result.is_ok().then_some(&file));
        let failed = result.is_err();
        let shown = self.folder.written(move |to| to.show(playlist, &gone)).await;
        match result.map(drop).and(shown) {
            Ok(()) if !self.trouble.is_empty() => {
                self.tell(log::Level::Info, format_args!("HLS goes on at {}", self.folder.path.display()));
                self.trouble.clear();
            }
            Ok(()) => {}
            Err(error) => self.complain(&error),
        }
        if failed {
            self.last = before;
            Timer::after(PAUSE).await;
        }
        Some(())
    }

    /// Writes the end of the list.
    async fn end(&mut self) -> Option<()> {
        if !self.folder.ward.is_used() {
            return None; // nothing was ever written
        }
        let (playlist, gone) = self.entry.upgrade()?.stored(None);
        let told = playlist.is_some();
        match self.folder.written(move |to| to.show(playlist, &gone)).await {
            Ok(()) if told => return None,
            Ok(()) => {}
            Err(error) => self.complain(&error),
        }
        Timer::after(PAUSE).await;
        Some(())
    }

    /// Starts again after the files were deleted: all segments in memory are written again.
    fn begin_anew(&mut self) -> Option<()> {
        let lost = self.entry.upgrade()?.forget_stored();
        self.last = Last::default();
        let path = self.folder.path.display();
        self.tell(
            log::Level::Warn,
            format_args!(
                "HLS: {path} was deleted, or its disk removed: it is created again, and {lost} segments are lost"
            ),
        );
        Some(())
    }

    fn complain(&mut self, error: &io::Error) {
        let words = error.to_string();
        if self.trouble != words {
            let path = self.folder.path.display();
            self.tell(log::Level::Error, format_args!("HLS: {path}: {words}: segments stay in memory"));
            self.trouble = words;
        }
    }

    /// Logs a line, for debugging only if the entry is not logged.
    fn tell(&self, level: log::Level, said: fmt::Arguments<'_>) {
        let is_told = self.entry.upgrade().is_none_or(|entry| lock(&entry.state).who.told);
        log::log!(if is_told { level } else { log::Level::Debug }, "{} {said}", self.who);
    }
}

impl Entry {
    /// The next file for the disk; `None` if there will be no more.
    fn poll_unstored(&self, cx: &Context<'_>) -> Poll<Option<Unstored>> {
        let mut state = lock(&self.state);
        match state.window.unstored() {
            None if !state.ended => state.wait(cx),
            next => Poll::Ready(next),
        }
    }

    /// Notes that the disk has written a file, or has failed. Returns the playlist to write now, unless more files come
    /// first, and the files to delete.
    fn stored(&self, name: Option<&String>) -> (Option<Bytes>, Vec<String>) {
        let mut state = lock(&self.state);
        if let Some(name) = name {
            state.window.stored(name);
        }
        let is_all = (name.is_some() || state.ended) && state.window.unstored().is_none();
        // without memory for it now, it is written with the next segment
        let playlist = if is_all { state.window.stored_playlist().ok() } else { None };
        (playlist, state.window.take_gone())
    }

    /// Notes that the disk has lost all files; returns the number of lost segments.
    fn forget_stored(&self) -> usize {
        let mut state = lock(&self.state);
        let lost = state.window.forget_stored();
        state.wake();
        lost
    }
}
