//! Rewrites a playlist without deleted segments, and with those that were found.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Read, Write};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::time::Duration;

use super::fragments;
use super::mend::{Entry, Order, each, order_of};
use super::sorted::Lines;
use super::{END, GAP, HEAD, Listed, NAME, bring_folder, entry, file, head_for, map_line, number, probe, write_head};

/// A file that is in no playlist, stored as a line that can be sorted. The line consists of the start time, the
/// kind, the number and the length in hexadecimal digits, and the name.
struct Found<'a> {
    order: Order,
    kind: u64,
    length: u64,
    name: &'a str,
}

/// The number of hexadecimal digits of each field.
const BEGUN: usize = 16;
const KIND: usize = 1;
const NUMBER: usize = 16;
const LENGTH: usize = 8;
/// The kinds of files. An initialization file comes before segments of the same time. The length of `PACKETS` is in
/// milliseconds, that of `FRAGMENTS` and above in ticks of one of the tracks.
const HEADS: u64 = 0;
const PACKETS: u64 = 1;
const FRAGMENTS: u64 = 2;
/// Tracks that are added up to this many milliseconds after a segment's start belong to it, and so does their
/// initialization file.
const JOIN_TIME: u64 = 300;

/// The line of a segment; `None` if it cannot be played.
pub(super) fn segment(path: &Path, name: &str, order: Order) -> Option<String> {
    let (kind, length) = match name.ends_with(".ts") {
        true => (PACKETS, probe::duration(path)?.as_millis()),
        false => fragments_of(path)?,
    };
    Some(line(order, kind, u32::try_from(length).unwrap_or(u32::MAX), name))
}

/// The line of an initialization file; `None` for other files.
pub(super) fn head(name: &str, (begun, number): Order) -> Option<String> {
    name.ends_with(".mp4").then(|| line((begun.saturating_sub(JOIN_TIME), number), HEADS, 0, name))
}

fn line((begun, number): Order, kind: u64, length: u32, name: &str) -> String {
    format!("{begun:0BEGUN$x}{kind:0KIND$x}{number:0NUMBER$x}{length:0LENGTH$x}{name}")
}

/// The kind and the length of a fragmented MP4, by the video track if there is one.
fn fragments_of(path: &Path) -> Option<(u64, u128)> {
    let ticks = fragments::ticks(path).ok()?;
    let (kind, ticks) = (FRAGMENTS..).zip(ticks).find(|(_, ticks)| *ticks > 0)?;
    Some((kind, ticks.into()))
}

impl<'a> Found<'a> {
    fn of(line: &'a str) -> Option<Self> {
        let mut at = 0;
        let mut next = |len| {
            at += len;
            u64::from_str_radix(line.get(at - len..at)?, 16).ok()
        };
        let (begun, kind, number, length) = (next(BEGUN)?, next(KIND)?, next(NUMBER)?, next(LENGTH)?);
        Some(Self { order: (begun, number), kind, length, name: line.get(at..)? })
    }
}

/// The new playlist.
struct New<'a> {
    folder: &'a Path,
    out: BufWriter<File>,
    found: Lines,
    /// The last entry.
    last: Option<Option<Order>>,
    /// Entries were left out since the last one that was written.
    left_out: bool,
    /// EXT-X-MAP of the copied entries, whether it must be written, and that of the last written entry.
    map: Option<String>,
    map_is_due: bool,
    last_map: Option<String>,
    /// The last initialization file that was found, and the timescales of its tracks.
    head: Option<(String, Vec<u32>)>,
    longest: Duration,
    version: u64,
    added: usize,
}

/// Writes a new playlist, which replaces the old one when it is complete. It does not contain deleted segments, and
/// contains `found`, which must be sorted. Gives the number of entries from `found`.
pub(super) fn rewrite(folder: &Path, sync: bool, is_gone: &dyn Fn(&str) -> bool, found: Lines) -> io::Result<usize> {
    let (path, unfinished) = (folder.join(NAME), folder.join(format!("{NAME}.bak")));
    let mut head = [0; HEAD];
    let known =
        file::open(&path, OpenOptions::new().read(true)).and_then(|mut file| file.read_exact(&mut head)).is_ok();
    let head = if known { &head[..] } else { &[] };
    let mut new = New {
        folder,
        out: BufWriter::new(file::make(&unfinished)?),
        found,
        last: None,
        left_out: false,
        map: None,
        map_is_due: false,
        last_map: None,
        head: None,
        longest: Duration::ZERO,
        version: number(head, "#EXT-X-VERSION:").max(3),
        added: 0,
    };
    // overwritten at the end, when the longest duration is known
    new.out.write_all(&[b'\n'; HEAD])?;
    let mut result = Ok(());
    each(folder, &mut |one| {
        if result.is_ok() {
            result = new.take(one, is_gone(&one.name));
        }
    })?;
    result?;
    while new.found.first().is_some() {
        new.add()?;
    }
    new.out.write_all(END.as_bytes())?;
    let target = head_for(new.longest).max(number(head, "#EXT-X-TARGETDURATION:"));
    let head = write_head(target, new.version);
    let file = new.out.into_inner().map_err(io::IntoInnerError::into_error)?;
    file.write_all_at(head.as_bytes(), 0)?;
    if sync {
        file.sync_all()?;
    }
    fs::rename(unfinished, path)?;
    bring_folder(folder, sync)?;
    Ok(new.added)
}

impl New<'_> {
    /// Copies an entry, after the found segments that precede it.
    fn take(&mut self, one: &mut Entry, is_gone: bool) -> io::Result<()> {
        if let Some(map) = one.map.take() {
            (self.map, self.map_is_due) = (Some(map), true);
        }
        if is_gone {
            self.left_out = true;
            return Ok(());
        }
        let order = order_of(&one.name);
        while self.found.first().and_then(Found::of).is_some_and(|found| Some(found.order) < order) {
            self.add()?;
        }
        if self.last.is_some() && (one.gap || self.left_out && !continues(self.last, order)) {
            self.out.write_all(GAP.as_bytes())?;
        }
        if let Some(map) = self.map.clone()
            && (std::mem::take(&mut self.map_is_due) || self.last_map != self.map)
        {
            writeln!(self.out, "{map}")?;
            self.last_map = Some(map);
        }
        (self.last, self.left_out) = (Some(order), false);
        write!(self.out, "{}\n{}\n", one.duration, one.uri)
    }

    /// Writes an entry for the next found segment. A fragment uses the last initialization file before it.
    fn add(&mut self) -> io::Result<()> {
        let line = self.found.next()?;
        let Some(Found { order, kind, length, name }) = line.as_deref().and_then(Found::of) else { return Ok(()) };
        if kind == HEADS {
            self.head = timescales_of(&self.folder.join(name)).map(|scales| (name.to_string(), scales));
            return Ok(());
        }
        let (mut millis, mut map) = (length, None);
        if let Some(track) = kind.checked_sub(FRAGMENTS) {
            let Some((head, scales)) = &self.head else { return Ok(()) };
            let scale = usize::try_from(track).ok().and_then(|track| scales.get(track).copied()).unwrap_or(0);
            let Some(length) = (1000 * length).checked_div(scale.into()) else { return Ok(()) };
            (millis, map) = (length, Some(head.clone()));
            self.version = self.version.max(6);
        }
        let (first, next_map) = (self.last.is_none(), map.as_deref().map(map_line));
        let changes = next_map.is_some() && next_map != self.last_map;
        let discontinuity = changes || !continues(self.last, Some(order));
        (self.last, self.left_out) = (Some(Some(order)), true);
        self.last_map = next_map.or(self.last_map.take());
        self.added += 1;
        let duration = Duration::from_millis(millis);
        self.longest = self.longest.max(duration);
        self.out.write_all(entry(name, &Listed { duration, discontinuity, map }, first).as_bytes())
    }
}

fn timescales_of(path: &Path) -> Option<Vec<u32>> {
    fragments::timescales(path).ok().map(Vec::from)
}

/// True if a segment is the next in the session of the last one.
fn continues(last: Option<Option<Order>>, next: Option<Order>) -> bool {
    matches!((last, next), (Some(Some((_, last))), Some((_, next))) if next == last.wrapping_add(1) && next > 0)
}
