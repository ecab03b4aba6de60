//! The newest recordings: `GET /api/record/list`.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::fs;
use std::sync::Arc;

use super::folder::Folder;
use super::index::State;
use crate::listing;
use crate::session::{MOST_TOLD, Told};

/// The maximum number of streams in segments that are collected in one pass over the index, and the maximum number
/// of passes.
const MAX_STREAMS: usize = 256;
const MAX_PASSES: usize = 8;

/// The request: `stream=NAME`, and `before=UNIX_MS` for recordings that began earlier.
struct Wanted<'a> {
    stream: Option<&'a str>,
    before: u64,
    newest: BinaryHeap<Reverse<Listed>>,
}

/// The recordings that `query` asks for. Those that cannot be read are left out.
pub(super) fn list(folders: &[Arc<Folder>], query: &str) -> Vec<Told> {
    let wanted = |name: &str| query.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='));
    let before = wanted("before").and_then(|before| before.parse().ok()).unwrap_or(u64::MAX);
    let mut wanted = Wanted { stream: wanted("stream"), before, newest: BinaryHeap::new() };
    for (number, folder) in folders.iter().enumerate().filter(|(_, folder)| folder.is_there()) {
        wanted.look(folder, number);
    }
    let mut newest = wanted.newest.into_sorted_vec();
    // of two recordings with one name the first is served
    newest.sort_by_key(|Reverse(one)| one.folder);
    newest.iter().filter_map(|Reverse(one)| one.tell(folders.get(one.folder)?)).collect()
}

/// The entry of a recording. A recording in segments is listed by its playlist, with all segments that still exist.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Listed {
    /// The start time in milliseconds since 1970.
    begun: u64,
    stream: String,
    name: String,
    /// The size of all segments; `None` for a file, whose size is read from it.
    size: Option<u64>,
    /// The index of its folder.
    folder: usize,
}

/// The segments of a limited number of streams, in the order of the streams' names.
#[derive(Default)]
struct Segments {
    /// The start of the first segment of a stream, and the size of all.
    streams: BTreeMap<String, (u64, u64)>,
    /// Streams up to this name were collected before.
    after: String,
    /// Further streams follow.
    more: bool,
}

impl Segments {
    fn next(before: Self) -> Self {
        let after = before.streams.into_iter().next_back().map(|(stream, _)| stream).unwrap_or_default();
        Self { after, ..Self::default() }
    }

    fn take(&mut self, stream: &str, begun: u64, size: impl FnOnce() -> u64) {
        if stream <= self.after.as_str() {
            return;
        }
        if !self.streams.contains_key(stream) {
            if self.streams.len() >= MAX_STREAMS {
                self.more = true;
                match self.streams.last_entry() {
                    Some(last) if last.key().as_str() > stream => _ = last.remove(),
                    _ => return,
                }
            }
            self.streams.insert(stream.into(), (begun, 0));
        }
        if let Some((first, bytes)) = self.streams.get_mut(stream) {
            (*first, *bytes) = (begun.min(*first), bytes.saturating_add(size()));
        }
    }
}

impl Wanted<'_> {
    fn look(&mut self, folder: &Folder, number: usize) {
        let mut segments = Segments::default();
        for pass in 0..MAX_PASSES {
            each(folder, &mut |name, size| {
                let Some(known) = folder.known(name) else { return };
                let (begun, stream) = (known.begun, known.stream);
                if self.stream.is_some_and(|wanted| wanted != stream) {
                    return;
                }
                let size_of = || fs::metadata(folder.path().join(name)).map_or(0, |about| about.len());
                if known.is_segment {
                    segments.take(stream, begun, || size.unwrap_or_else(size_of));
                } else if pass == 0 {
                    let one = || Listed { begun, stream: stream.into(), name: name.into(), size: None, folder: number };
                    self.add(begun, one);
                }
            });
            for (stream, (begun, size)) in &segments.streams {
                let (stream, name) = (stream.clone(), format!("{stream}/{}", listing::NAME));
                self.add(*begun, || Listed { begun: *begun, stream, name, size: Some(*size), folder: number });
            }
            if !segments.more {
                return;
            }
            segments = Segments::next(segments);
        }
    }

    fn add(&mut self, begun: u64, one: impl FnOnce() -> Listed) {
        let is_late = self.newest.len() >= MOST_TOLD && self.newest.peek().is_some_and(|last| begun < last.0.begun);
        if begun >= self.before || is_late {
            return;
        }
        self.newest.push(Reverse(one()));
        if self.newest.len() > MOST_TOLD {
            self.newest.pop();
        }
    }
}

/// Passes all names of a folder to `show`, with their sizes if the index has them.
pub(super) fn each(folder: &Folder, show: &mut dyn FnMut(&str, Option<u64>)) {
    // a card that cannot be written to has no index; a missing card has no files
    let _ = if folder.index.is_readable() {
        let shown = folder.index.each(&mut |line| match line.state {
            State::Gone => {}
            State::Open => show(line.name, None),
            State::Whole => show(line.name, Some(line.size)),
        });
        shown.map(drop)
    } else {
        folder.walk(&mut |name| {
            show(name, None);
            Ok(())
        })
    };
}

impl Listed {
    fn tell(&self, folder: &Folder) -> Option<Told> {
        let Self { begun, stream, name, size, .. } = self;
        let path = folder.path().join(if size.is_some() { stream } else { name });
        // the file was deleted, and the index is not mended yet
        let about = fs::metadata(path).ok()?;
        let size = size.unwrap_or(about.len());
        let (stream, file) = (stream.clone(), name.clone());
        Some(Told { stream, file, begun: *begun, bytes: size, ..Told::default() })
    }
}
