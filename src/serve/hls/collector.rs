//! The collector: a viewer of one stream that fills its window.

use std::sync::{Arc, Weak};
use std::task::Poll;

use super::entry::Entry;
use super::{MUXER, lock, packing};
use crate::hls::{Packing, Window};
use crate::hub::{Next, Step, Viewer};
use crate::media::Tracks;
use crate::session::{Flood, Grant, News, Subject};

/// The stream that is collected.
pub(super) struct Source<W> {
    pub(super) viewer: Viewer,
    pub(super) _grant: Grant,
    /// Makes an empty window of a packing, if the tracks decide the packing.
    pub(super) window: Option<W>,
}

/// The packing that the tracks have decided, and those tracks.
struct Choice {
    packing: Packing,
    tracks: Arc<Tracks>,
}

/// The most that a collector takes at once.
const STEP: Step = Step { units: 64, bytes: 256 << 10 };

/// Collects the units of the stream, until the entry is removed.
pub(super) async fn collect(
    entry: Weak<Entry>,
    mut source: Source<impl Fn(Packing) -> Window>,
    (flood, news): (Arc<Flood>, Arc<News>),
) {
    let mut units = Vec::new();
    let mut choice = None;
    if let Some(window) = source.window.take() {
        choice = choose(&entry, &mut source.viewer, window).await;
        if choice.is_none() {
            return;
        }
    }
    let viewer = &mut source.viewer;
    loop {
        // a new head is one of the units, and becomes a map
        let next = std::future::poll_fn(|cx| viewer.poll_next(cx, &mut units, STEP)).await;
        if matches!(next, Next::Dismissed(_)) {
            return dismiss(&entry);
        }
        let Some(entry) = entry.upgrade() else { return };
        let gap = viewer.take_gap();
        let told = || !viewer.stream().is_hushed() && flood.passes_session(Subject::Own(MUXER));
        entry.take(&units, gap, told);
        entry.tell(viewer.stream().name(), &news);
        viewer.sent(units.iter().map(|unit| unit.packed.len()).sum());
        units.clear();
        // from here on the end of the stream is played from segments
        viewer.stay();
        if choice.as_mut().is_some_and(|choice| choice.is_lost(viewer)) {
            let mut state = lock(&entry.state);
            let level = if state.who.told { log::Level::Info } else { log::Level::Debug };
            log::log!(level, "{} HLS: its tracks are no longer those of MPEG-TS: a new playlist", state.who);
            return state.end();
        }
        drop(entry);
        smol::future::yield_now().await;
    }
}

/// Waits for the tracks, which decide the packing; `None` if nothing is to be collected.
async fn choose(entry: &Weak<Entry>, viewer: &mut Viewer, window: impl Fn(Packing) -> Window) -> Option<Choice> {
    let tracks = std::future::poll_fn(|cx| match viewer.poll_tracks(cx) {
        Poll::Pending if viewer.is_dismissed() => Poll::Ready(None),
        tracks => tracks.map(Some),
    });
    let Some(tracks) = tracks.await else {
        dismiss(entry);
        return None;
    };
    let packing = packing::suited(&tracks);
    viewer.pack_as(packing::form(packing));
    lock(&entry.upgrade()?.state).window = window(packing);
    Some(Choice { packing, tracks })
}

impl Choice {
    /// True if the tracks have changed, and the packing no longer carries them.
    fn is_lost(&mut self, viewer: &Viewer) -> bool {
        if Arc::ptr_eq(&self.tracks, viewer.tracks()) {
            return false;
        }
        self.tracks = viewer.tracks().clone();
        packing::is_lost(self.packing, &self.tracks)
    }
}

/// Dismisses the collector: waiting and later requests start another.
fn dismiss(entry: &Weak<Entry>) {
    if let Some(entry) = entry.upgrade() {
        lock(&entry.state).dismiss();
    }
}
