//! Retention: the oldest recordings of each stream are deleted first, in the order of the index.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::folder::{Folder, Known};
use super::heal;
use super::index::{Line, State};
use super::layout::FileLayout;
use crate::conf::Record;
use crate::listing;

/// The maximum number of recordings deleted in one call.
const MAX_DELETED: usize = 256;
/// The maximum number of deleted recordings that are logged by name: a publisher can cause many short files.
const MAX_NAMED: usize = 16;
/// The maximum number of streams that are counted separately; all others together count as one.
const MAX_STREAMS: usize = 512;
/// Playlists are rewritten when segments are deleted. To do that less often, a further 1/64 of the limit is deleted
/// with them.
const MARGIN: u64 = 64;
/// Milliseconds from 1970 to 2020. A recording with an earlier time in its name began before the device's clock was
/// set, so its age is unknown.
const CLOCK_SET: u64 = 1_577_836_800_000;

/// The recordings of a stream.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Usage {
    bytes: u64,
    count: usize,
    /// The number of those that are not being written.
    whole: usize,
    /// The size of the newest, which is kept.
    newest: u64,
    /// The maximum size of all recordings of the stream.
    most: u64,
}

/// The streams, by the hashes of their names.
type Streams = BTreeMap<u64, Usage>;

/// A recording to delete.
struct Victim {
    at: Option<u64>,
    path: PathBuf,
}

/// The result of a deletion.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Done {
    /// Some files did not exist any more: the index must be mended.
    pub(super) missed: bool,
    /// Further recordings must be deleted.
    pub(super) more: bool,
}

/// True if the rule deletes nothing.
pub(super) fn keeps_all(rule: &Record) -> bool {
    rule.keep_size.0 == 0 && rule.keep_total.0 == 0 && rule.keep_age.0.is_zero() && rule.keep_free.0 == 0
}

/// Deletes recordings that exceed the rule's limits of size or age. If the index is incomplete, for example because
/// the disk was full, the oldest are chosen by their names. If the folder cannot be read either, the index is used
/// anyway.
pub(super) fn enforce(folder: &Folder, rule: &Record, has_all: bool) -> io::Result<Done> {
    let is_usable = folder.index.is_usable();
    let oldest = match has_all && is_usable {
        true => None,
        false => heal::oldest(folder).map(Some).or_else(|error| if is_usable { Ok(None) } else { Err(error) })?,
    };
    let size_of = |name: &str| fs::metadata(folder.path().join(name)).map_or(0, |about| about.len());
    let mut streams = Streams::new();
    let busy = folder.busy.lock().clone();
    let is_whole = |name: &str| !busy.contains(&folder.path().join(name));
    if oldest.is_none() {
        folder.index.each(&mut |line| {
            if let Some((known, size)) = counts(folder, rule, &line) {
                hold(&mut streams, known.stream, size, is_whole(line.name));
            }
        })?;
    } else {
        folder.walk(&mut |name| {
            if let Some(known) = Known::of(name).filter(|known| known.is_of(rule)) {
                hold(&mut streams, known.stream, size_of(name), is_whole(name));
            }
            Ok(())
        })?;
    }
    let free = if rule.keep_free.0 > 0 { free(folder.path())? } else { u64::MAX };
    limit(rule, &mut streams, free);
    let mut choice = Choice::new(folder, rule, streams, busy);
    match oldest {
        None => _ = folder.index.each(&mut |line| choice.see(&line, Some(line.at)))?,
        Some(oldest) => oldest.iter().for_each(|one| {
            choice.see(&Line { at: 0, state: State::Whole, size: size_of(&one.name), name: &one.name }, None);
        }),
    }
    delete(folder, rule, &choice.victims)
}

/// The parsed name and the size of a line of the rule's streams.
fn counts<'a>(folder: &Folder, rule: &Record, line: &Line<'a>) -> Option<(Known<'a>, u64)> {
    let known = Known::of(line.name).filter(|known| known.is_of(rule))?;
    let size = match line.state {
        State::Gone => return None,
        State::Open => fs::metadata(folder.path().join(line.name)).map_or(0, |about| about.len()),
        State::Whole => line.size,
    };
    Some((known, size))
}

/// The key under which a stream is counted.
fn place(streams: &Streams, stream: &str) -> u64 {
    let hash = listing::hash(stream);
    if streams.len() < MAX_STREAMS || streams.contains_key(&hash) { hash } else { 0 }
}

fn hold(streams: &mut Streams, stream: &str, size: u64, is_whole: bool) {
    let held = streams.entry(place(streams, stream)).or_default();
    held.bytes += size;
    held.newest = size;
    held.count += 1;
    held.whole += usize::from(is_whole);
}

/// Sets the maximum size of each stream, so that the total stays within the limits. The largest streams are reduced
/// first.
fn limit(rule: &Record, streams: &mut Streams, free: u64) {
    let margin = |most: u64| if FileLayout::of(rule.format).is_segments() { most - most / MARGIN } else { most };
    let own = if rule.keep_size.0 > 0 { rule.keep_size.0 } else { u64::MAX };
    for held in streams.values_mut() {
        held.most = if held.bytes > own { margin(own) } else { held.bytes };
    }
    let all: u64 = streams.values().map(|held| held.most).sum();
    let lacking = rule.keep_free.0.saturating_sub(free);
    // bytes that are deleted anyway also free space
    let going: u64 = streams.values().map(|held| held.bytes - held.most).sum();
    let mut most = all.saturating_sub(lacking.saturating_sub(going));
    if rule.keep_total.0 > 0 && all > rule.keep_total.0 {
        most = most.min(margin(rule.keep_total.0));
    }
    if most >= all {
        return;
    }
    let level = level(streams, most);
    for held in streams.values_mut() {
        held.most = held.most.min(level);
    }
}

/// The largest maximum per stream with which the total is not above `most`, given that the newest recordings are
/// kept.
fn level(streams: &Streams, most: u64) -> u64 {
    let all = |level: u64| streams.values().map(|held| held.most.min(level).max(held.newest)).sum::<u64>();
    let (mut low, mut high) = (0, most);
    while low < high {
        let middle = high - (high - low) / 2;
        (low, high) = if all(middle) <= most { (middle, high) } else { (low, middle - 1) };
    }
    low
}

/// Chooses the recordings to delete, in one pass over the index.
struct Choice<'a> {
    folder: &'a Folder,
    rule: &'a Record,
    streams: Streams,
    busy: Vec<PathBuf>,
    now: Duration,
    victims: Vec<Victim>,
}

impl<'a> Choice<'a> {
    fn new(folder: &'a Folder, rule: &'a Record, streams: Streams, busy: Vec<PathBuf>) -> Self {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self { folder, rule, streams, busy, now, victims: Vec::new() }
    }

    fn see(&mut self, line: &Line<'_>, at: Option<u64>) {
        let Some((known, size)) = counts(self.folder, self.rule, line) else { return };
        let Some(held) = self.streams.get_mut(&place(&self.streams, known.stream)) else { return };
        held.count = held.count.saturating_sub(1);
        let path = self.folder.path().join(line.name);
        if self.busy.contains(&path) {
            return;
        }
        held.whole = held.whole.saturating_sub(1);
        if self.victims.len() >= MAX_DELETED {
            return;
        }
        // the newest of a stream was only just closed, even if the clock suggests that it is old
        let too_old = held.whole > 0 && is_too_old(self.rule, self.now, known.begun, &path);
        let too_much = held.bytes > held.most && held.count > 0;
        if too_old || too_much {
            held.bytes = held.bytes.saturating_sub(size);
            self.victims.push(Victim { at, path });
        }
    }
}

/// True if a recording ended too long ago, by the date of its file.
fn is_too_old(rule: &Record, now: Duration, begun: u64, path: &Path) -> bool {
    let is_old = |time: Duration| now.saturating_sub(time) > rule.keep_age.0;
    let ended = || match fs::metadata(path).and_then(|about| about.modified()) {
        Ok(ended) => Some(ended.duration_since(UNIX_EPOCH).unwrap_or_default()),
        // the deletion handles it
        Err(error) => (error.kind() == ErrorKind::NotFound).then_some(Duration::ZERO),
    };
    !rule.keep_age.0.is_zero()
        && begun >= CLOCK_SET
        && is_old(Duration::from_millis(begun))
        && ended().is_some_and(is_old)
}

fn delete(folder: &Folder, rule: &Record, victims: &[Victim]) -> io::Result<Done> {
    let (mut lines, mut gone) = (Vec::new(), Vec::new());
    let mut done = Done { missed: false, more: victims.len() >= MAX_DELETED };
    let mut deleted = 0_usize;
    for Victim { at, path } in victims {
        match fs::remove_file(path) {
            Err(error) if error.kind() == ErrorKind::NotFound => done.missed = true,
            Err(error) => {
                log::warn!("{} cannot be deleted: {error}", path.display());
                break;
            }
            Ok(()) => {
                deleted += 1;
                let level = if deleted > MAX_NAMED { log::Level::Debug } else { log::Level::Info };
                log::log!(level, "deleted {}, the oldest recording of its stream", path.display());
            }
        }
        lines.extend(at);
        gone.push(path.clone());
    }
    if deleted > MAX_NAMED {
        log::info!("deleted {} more recordings, each the oldest of its stream", deleted - MAX_NAMED);
    }
    if gone.is_empty() {
        return Ok(done);
    }
    if !lines.is_empty() {
        folder.index.remove(&lines)?;
    }
    if FileLayout::of(rule.format).is_segments() {
        listing::forget(&gone, folder.index.syncs())?;
    }
    Ok(done)
}

fn free(path: &Path) -> io::Result<u64> {
    let about = rustix::fs::statvfs(path)?;
    Ok(about.f_bavail.saturating_mul(about.f_frsize))
}
