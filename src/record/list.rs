//! What was recorded, as JSON: `GET /api/record/list`.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::fs;
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use super::folder::{Folder, Known};
use super::index::{Line, State};
use crate::listing;
use crate::session::{MOST_TOLD, Told};
use crate::wire::iso8601;

/// Of so many streams in segments it is known where what is left of the oldest begins.
const STREAMS: usize = 256;

/// The question: `stream=NAME`, and `before=UNIX_MS` for those that began earlier.
struct Wanted<'a> {
    stream: Option<&'a str>,
    before: u64,
    newest: BinaryHeap<Reverse<Listed>>,
}

/// Of the streams that `query` asks for. What cannot be read is not there.
pub(super) fn list(folders: &[Arc<Folder>], query: &str) -> Vec<Told> {
    let wanted = |name: &str| query.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='));
    let before = wanted("before").and_then(|before| before.parse().ok()).unwrap_or(u64::MAX);
    let mut wanted = Wanted { stream: wanted("stream"), before, newest: BinaryHeap::new() };
    for (number, folder) in folders.iter().enumerate().filter(|(_, folder)| folder.is_there()) {
        wanted.look(folder, number);
    }
    let newest = wanted.newest.into_sorted_vec();
    let told = newest.iter().filter_map(|Reverse(one)| {
        let Listed { begun, stream, name, .. } = one;
        // the index is not mended yet
        let about = fs::metadata(folders.get(one.folder)?.path().join(name)).ok()?;
        let size = about.len();
        let playlist = format!("{stream}/{}", listing::NAME);
        let file = if name.contains('/') { &playlist } else { name };
        let date = iso8601(UNIX_EPOCH + Duration::from_millis(*begun));
        // names have nothing that JSON would have to escape
        let text = format!(
            "{{\"stream_name\":\"{stream}\",\"file\":\"/record/{file}\",\"size\":{size},\"begin_unix_ms\":{begun},\"begin\":\"{date}\"}}"
        );
        Some(Told { begun: *begun, text })
    });
    told.collect()
}

/// What is told of a recording: of one in segments the first that is left stands for it.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Listed {
    /// In milliseconds since 1970.
    begun: u64,
    stream: String,
    name: String,
    /// The number of its folder.
    folder: usize,
}

impl Wanted<'_> {
    fn look(&mut self, folder: &Folder, number: usize) {
        let mut oldest: HashMap<String, Listed> = HashMap::new();
        let mut see = |name: &str| {
            let Some(known) = folder.known(name) else { return };
            if self.stream.is_some_and(|stream| stream != known.stream) {
                return;
            }
            let one = || Listed::new(&known, name, number);
            if !known.is_segment {
                return self.add(&known, one);
            }
            // what is left of the oldest session may have no beginning
            let is_full = oldest.len() >= STREAMS;
            match oldest.get_mut(known.stream) {
                Some(other) if known.begun < other.begun => *other = one(),
                None if !is_full => _ = oldest.insert(known.stream.into(), one()),
                _ => {}
            }
            if known.number == 0 {
                self.add(&known, one);
            }
        };
        // a card that cannot be written to has none; one that is not there has nothing
        let _ = if folder.index.is_readable() {
            let mut see = |line: Line<'_>| {
                if line.state != State::Gone {
                    see(line.name)
                }
            };
            folder.index.each(&mut see).map(drop)
        } else {
            folder.walk(&mut |name| {
                see(name);
                Ok(())
            })
        };
        for (_, one) in oldest {
            if let Some(known) = Known::of(&one.name.clone()).filter(|known| known.number > 0) {
                self.add(&known, || one);
            }
        }
    }

    fn add(&mut self, known: &Known<'_>, one: impl FnOnce() -> Listed) {
        let is_late =
            self.newest.len() >= MOST_TOLD && self.newest.peek().is_some_and(|last| known.begun < last.0.begun);
        if known.begun >= self.before || is_late {
            return;
        }
        self.newest.push(Reverse(one()));
        if self.newest.len() > MOST_TOLD {
            self.newest.pop();
        }
    }
}

impl Listed {
    fn new(known: &Known<'_>, name: &str, folder: usize) -> Self {
        Self { begun: known.begun, stream: known.stream.into(), name: name.into(), folder }
    }
}
