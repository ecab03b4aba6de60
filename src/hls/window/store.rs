//! Segments that are stored on a disk, and then dropped from memory.

use std::sync::Arc;
use std::time::Duration;

use super::{Delete, Window};
use crate::hls::playlist::PARTS_TOLD;
use crate::hls::segment::{File, Segment};

/// A file that is to be written next.
#[derive(Debug)]
pub struct Unstored {
    /// Its name.
    pub name: String,
    /// Its bytes.
    pub content: File,
    /// The segment's entry in lists; `None` for a head.
    pub about: Option<About>,
}

/// The entry of a segment in lists.
#[derive(Debug, PartialEq, Eq)]
pub struct About {
    /// Its number, from 0 on.
    pub id: u64,
    /// Its duration.
    pub duration: Duration,
    /// True if it does not continue the last one.
    pub discontinuity: bool,
    /// The head that players read before it.
    pub map: Option<String>,
}

impl Window {
    /// The next file that is not on the disk yet: a segment, or the head before it.
    pub fn unstored(&self) -> Option<Unstored> {
        self.rules.store?;
        let segment = self.segments.iter().find(|segment| !segment.stored)?;
        if let Some(map) = segment.map.as_ref().filter(|map| self.stored_map.as_ref() != Some(map)) {
            let content = (Arc::from([map.bytes.clone()]), map.bytes.len());
            return Some(Unstored { name: map.file.clone(), content, about: None });
        }
        let about = About {
            id: segment.id,
            duration: segment.duration,
            discontinuity: segment.discontinuity,
            map: segment.map.as_ref().map(|map| map.file.clone()),
        };
        let name = format!("{}{}", segment.stem, self.extension());
        Some(Unstored { name, content: segment.file(), about: Some(about) })
    }

    /// True if a listed segment is on the disk.
    pub fn is_stored(&self, name: &str) -> bool {
        let stem = name.strip_suffix(self.extension());
        self.segments.iter().any(|segment| segment.stored && stem == Some(&segment.stem))
    }

    /// Notes that a file is on the disk: players receive it from there.
    pub fn stored(&mut self, name: &str) {
        let extension = self.extension();
        let is_it = |segment: &Segment| name.strip_suffix(extension) == Some(&segment.stem);
        if let Some(segment) = self.segments.iter_mut().find(|segment| is_it(segment)) {
            segment.stored = true;
            if std::mem::take(&mut self.behind) {
                self.tell(log::Level::Info, format_args!("segments are on the disk again"));
            }
            return self.let_go();
        }
        let mut maps = self.segments.iter().filter_map(|segment| segment.map.as_ref());
        match maps.find(|map| map.file == name) {
            Some(map) => self.stored_map = Some(map.clone()),
            // it was dropped while it was being written
            None if self.rules.store == Some(Delete::Soon) => self.gone.push(name.into()),
            None => {}
        }
    }

    /// The files on the disk that are no longer listed; each is returned once.
    pub fn take_gone(&mut self) -> Vec<String> {
        std::mem::take(&mut self.gone)
    }

    /// Notes that the disk has lost all files: segments that were only there are no longer listed, and those in memory
    /// are written again. Returns the number of lost segments.
    pub fn forget_stored(&mut self) -> usize {
        self.stored_map = None;
        let is_gone = |segment: &Segment| segment.stored && segment.parts.is_empty();
        let lost = self.segments.iter().rposition(is_gone).map_or(0, |last| last + 1);
        (0..lost).for_each(|_| _ = self.drop_first());
        self.segments.iter_mut().for_each(|segment| segment.stored = false);
        lost
    }

    /// Drops the bytes of segments on the disk, except those whose parts are listed.
    fn let_go(&mut self) {
        let (target, has_parts) = (self.target(), self.rules.part.is_some());
        let mut behind = Duration::ZERO;
        for segment in self.segments.iter_mut().rev() {
            let told = has_parts && behind < target * PARTS_TOLD;
            behind += segment.duration;
            if segment.stored && !told {
                segment.parts = Vec::new();
            }
        }
    }

    /// Notes that a segment was dropped.
    pub(super) fn leave(&mut self, gone: &Segment) {
        if self.rules.store.is_some() && !gone.stored && !std::mem::replace(&mut self.behind, true) {
            self.tell(log::Level::Warn, format_args!("a segment is gone before it is on the disk, which is too slow"));
        }
        if self.rules.store != Some(Delete::Soon) || !gone.stored {
            return;
        }
        self.gone.push(format!("{}{}", gone.stem, self.extension()));
        if let Some(map) = &gone.map {
            let mut others = self.segments.iter().filter_map(|segment| segment.map.as_ref()).chain(&self.map);
            if others.all(|other| other != map) {
                self.gone.push(map.file.clone());
            }
        }
    }
}
