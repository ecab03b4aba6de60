//! The segments and parts that a window lists, and when.

use std::time::Duration;

use bytes::Bytes;

use super::{Ask, Found, MIN_LISTED, Packing, SPARE, Window};
use crate::budget::OverBudget;
use crate::hls::playlist::View;
use crate::hls::segment::Segment;
use crate::hls::texts::{MARKED, Telling};

impl Window {
    /// Tells if a playlist has what is asked for.
    pub fn answers(&self, ask: &Ask) -> Found<()> {
        let Some(number) = ask.segment.filter(|_| self.rules.part.is_some() && !self.ended) else {
            return if self.is_playable() || self.ended { Found::Now(()) } else { Found::Later };
        };
        // a number of an earlier playlist
        let Some(mut wanted) = number.checked_sub(self.first.segment) else { return self.answers(&Ask::default()) };
        let mut part = ask.part;
        // a part beyond the last of a segment is the first of the next. RFC 8216bis section 6.2.5.2
        let beyond = |last: &Segment| last.id == wanted && part.is_some_and(|part| part >= last.parts.len());
        if self.segments.back().is_some_and(beyond) {
            (wanted, part) = (wanted + 1, Some(0));
        }
        let parts = self.open.as_ref().map_or(0, |open| open.about.parts.len());
        match wanted.checked_sub(self.next_id) {
            None => Found::Now(()),
            Some(0) if part.is_some_and(|part| part < parts) && self.is_playable() => Found::Now(()),
            Some(0..=1) => Found::Later,
            // further ahead than the next segment
            Some(_) => Found::Never,
        }
    }

    /// The playlist, with a `MARK` after each file's name; with `skip` without the segments that players know.
    pub fn playlist(&mut self, skip: bool) -> Result<Bytes, OverBudget> {
        let telling = if skip { Telling::Changes } else { Telling::Live };
        self.shared(telling, |window| {
            window.cut.tell(window.open.as_ref());
            window.texts.write(&window.view().live(window.rules.part, skip), MARKED)
        })
    }

    /// All segments that are kept, as a playlist that has ended.
    pub fn record(&mut self) -> Result<Bytes, OverBudget> {
        self.shared(Telling::All, |window| window.texts.write(&window.view().all(), MARKED))
    }

    /// The playlist of whole segments for the folder on a disk.
    pub fn stored_playlist(&mut self) -> Result<Bytes, OverBudget> {
        self.cut.tell(self.open.as_ref());
        self.texts.write(&self.view().live(None, false), "")
    }

    /// The cached text, or a new one.
    fn shared(
        &mut self,
        telling: Telling,
        write: impl Fn(&mut Self) -> Result<Bytes, OverBudget>,
    ) -> Result<Bytes, OverBudget> {
        if let Some(known) = self.texts.known(telling, self.version) {
            return Ok(known);
        }
        let mut written = write(self);
        // segments are dropped for it, but not above the limit of playlists
        while let Err(refusal) = written
            && self.texts.may_be_helped(&refusal)
            && self.make_room()
        {
            written = write(self);
        }
        let text = written?;
        self.texts.keep(telling, self.version, &text);
        Ok(text)
    }

    fn view(&self) -> View<'_> {
        View {
            segments: &self.segments,
            open: self.open.as_ref(),
            from: self.first_listed(),
            first: self.first,
            next_id: self.next_id,
            discontinuities_gone: self.discontinuities_gone,
            target: self.cut.target(),
            start: self.rules.start,
            extension: self.extension(),
            keeps: self.keeps(),
            ended: self.ended,
        }
    }

    /// The index of the playlist's first segment. If memory is short it leaves out the segments that are dropped next,
    /// because players with an older playlist still request them.
    fn first_listed(&self) -> usize {
        let count = self.segments.len();
        let spare = if self.pressed { SPARE } else { 0 };
        count - count.saturating_sub(spare).max(MIN_LISTED).min(self.rules.listed).min(count)
    }

    pub(super) fn extension(&self) -> &'static str {
        match self.rules.packing {
            Packing::Ts => ".ts",
            Packing::Mp4 => ".m4s",
        }
    }

    pub(super) fn target(&self) -> Duration {
        Duration::from_secs(self.cut.target())
    }
}
