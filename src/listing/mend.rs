//! Makes a playlist agree with its folder, after a power failure, a kill, or changes by users.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs::{self, OpenOptions};
use std::io::{self, BufRead, BufReader, ErrorKind, Read};
use std::path::{Path, PathBuf};

use super::names::Sums;
use super::rewrite::{self, rewrite};
use super::sorted::{Lines, Sorter};
use super::{END, GAP, NAME, file, name_parts};
use crate::wire::percent_decode;

/// The maximum length of a line in bytes.
const MAX_LINE: u64 = 1024;

/// A folder with the segments of a stream.
pub struct Segments<'a> {
    /// The path of the folder.
    pub folder: &'a Path,
    /// The name of the stream.
    pub stream: &'a str,
    /// True if writes are synced to the disk.
    pub sync: bool,
    /// Deletes a file if it is empty; true if it did.
    pub remove_empty: &'a dyn Fn(&Path) -> bool,
    /// True if a segment is not complete yet.
    pub is_busy: &'a dyn Fn(&Path) -> bool,
}

/// Work to do between the steps of a long operation, which ends if this fails.
pub type Pause<'a> = &'a mut dyn FnMut() -> io::Result<()>;

/// Receives the name of a segment, its start time and its number.
type Show<'a> = dyn FnMut(&str, Order) -> io::Result<()> + 'a;

/// The start time of a segment in milliseconds since 1970, and its number.
pub(super) type Order = (u64, u64);

/// The differences between a playlist and its folder.
pub struct Wrong {
    /// The sums of both, which were compared.
    sums: Sums,
    /// Some listed segments are missing.
    gone: bool,
    damaged: bool,
    /// The playable segments that are not listed, with initialization files that they may need.
    found: Lines,
    lacks: bool,
}

/// Removes missing and empty segments from the playlist, and adds playable segments that are not listed.
pub fn mend(segments: &Segments<'_>, pause: Pause<'_>) -> io::Result<()> {
    let wrong = look(segments, pause)?;
    correct(segments, wrong)
}

/// Rewrites the playlist if it is wrong.
pub fn correct(segments: &Segments<'_>, wrong: Wrong) -> io::Result<()> {
    let folder = segments.folder;
    if !wrong.gone && !wrong.damaged && !wrong.lacks {
        return Ok(());
    }
    let is_gone =
        |name: &str| wrong.sums.differ(name) && (order(name, segments.stream).is_none() || !folder.join(name).exists());
    let listed = rewrite(folder, segments.sync, &is_gone, wrong.found)?;
    if listed > 0 {
        log::info!("{}: segments that play and are listed again: {listed}", folder.display());
    }
    Ok(())
}

/// Removes deleted segments from the playlists in their folders.
pub fn forget(gone: &[PathBuf], sync: bool) -> io::Result<()> {
    let folders: BTreeSet<&Path> = gone.iter().filter_map(|path| path.parent()).collect();
    for folder in folders {
        let names: BTreeSet<&OsStr> =
            gone.iter().filter(|path| path.parent() == Some(folder)).filter_map(|path| path.file_name()).collect();
        rewrite(folder, sync, &|name| names.contains(OsStr::new(name)), Lines::none())?;
    }
    Ok(())
}

/// Compares the playlist with its folder. Busy segments may be added to both meanwhile.
pub fn look(segments: &Segments<'_>, pause: Pause<'_>) -> io::Result<Wrong> {
    let path = segments.folder.join(NAME);
    if let Err(error) = each(segments.folder, &mut |_| {})
        && file::is_useless(&path, &error)
    {
        log::warn!("{} cannot be read: {error}: it is written anew", path.display());
        file::put_aside(&path)?;
    }
    let (mut sums, mut has_head) = (Sums::default(), false);
    let damaged = each(segments.folder, &mut |entry| sums.listed(&entry.name))?;
    walk(segments, &mut |name, _| {
        if !(segments.remove_empty)(&segments.folder.join(name)) {
            // an initialization file is not a segment
            if name.ends_with(".mp4") { has_head = true } else { sums.there(name) }
        }
        pause()
    })?;
    let (mut behind, mut gone, mut lacks) = (0..0, false, false);
    let mut found = Sorter::new(segments.folder);
    while let Some(mut known) = sums.next(&behind) {
        behind = known.parts();
        let mut result = Ok(());
        each(segments.folder, &mut |entry| {
            if result.is_ok() {
                result = known.listed(&entry.name);
            }
        })?;
        result?;
        known.sort();
        walk(segments, &mut |name, order| {
            pause()?;
            let path = segments.folder.join(name);
            let may_play = name.ends_with(".ts") || has_head && name.ends_with(".m4s");
            if !known.covers(name) || known.see(name) || !may_play || (segments.is_busy)(&path) {
                return Ok(());
            }
            let Some(line) = rewrite::segment(&path, name, order) else { return Ok(()) };
            lacks = true;
            found.add(line)
        })?;
        gone |= known.are_missing();
    }
    if lacks {
        walk(segments, &mut |name, order| rewrite::head(name, order).map_or(Ok(()), |line| found.add(line)))?;
    }
    Ok(Wrong { gone, damaged, found: found.into_lines()?, lacks, sums })
}

/// Passes the segments of the folder to `show`, with their order.
fn walk(segments: &Segments<'_>, show: &mut Show<'_>) -> io::Result<()> {
    for file in fs::read_dir(segments.folder)? {
        let file = file?.file_name();
        if let Some((name, order)) = file.to_str().and_then(|name| Some((name, order(name, segments.stream)?))) {
            show(name, order)?;
        }
    }
    Ok(())
}

/// An entry of a playlist.
#[derive(Default)]
pub(super) struct Entry {
    pub(super) gap: bool,
    pub(super) map: Option<String>,
    pub(super) duration: String,
    /// The URI in the playlist, and its decoded name.
    pub(super) uri: String,
    pub(super) name: String,
}

/// Passes all entries to `show`. Gives whether some lines are invalid. A missing playlist has no entries.
pub(super) fn each(folder: &Path, show: &mut dyn FnMut(&mut Entry)) -> io::Result<bool> {
    let mut file = match file::open(&folder.join(NAME), OpenOptions::new().read(true)) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(false),
        file => BufReader::new(file?),
    };
    let mut left = file::FAULTS;
    let (mut entry, mut text) = (Entry::default(), Vec::new());
    let (mut damaged, mut first, mut ended) = (false, true, false);
    loop {
        text.clear();
        if (&mut file).take(MAX_LINE).read_until(b'\n', &mut text)? == 0 {
            // without the end tag players would wait for further segments
            return Ok(damaged || first || !ended);
        }
        if left == 0 {
            return Ok(true);
        }
        let line = std::str::from_utf8(&text).ok().and_then(|line| line.strip_suffix('\n'));
        let line = line.filter(|line| !line.contains('\0'));
        damaged |= line.is_none() || std::mem::take(&mut first) && line != Some("#EXTM3U");
        let Some(line) = line.map(|line| line.strip_suffix('\r').unwrap_or(line)) else {
            entry = Entry::default();
            left = left.saturating_sub(text.len());
            continue;
        };
        ended = line == END.trim_end();
        if line == GAP.trim_end() {
            entry.gap = true;
        } else if line.starts_with("#EXT-X-MAP:") {
            entry.map = Some(line.into());
        } else if line.starts_with("#EXTINF:") {
            entry.duration = line.into();
        } else if !line.is_empty() && !line.starts_with('#') {
            // an entry without its duration was left by a power failure
            if entry.duration.is_empty() {
                damaged = true;
                left = left.saturating_sub(text.len());
            }
            if let Some(name) = percent_decode(line).filter(|_| !entry.duration.is_empty()) {
                (entry.uri, entry.name) = (line.into(), name);
                show(&mut entry);
            }
            entry = Entry::default();
        }
    }
}

/// The order of a file that belongs to the stream.
fn order(name: &str, stream: &str) -> Option<Order> {
    let (stem, extension) = name.rsplit_once('.')?;
    let is_its = ["ts", "m4s", "mp4"].contains(&extension) && name_parts(true, stem)?.0 == stream;
    order_of(name).filter(|_| is_its)
}

pub(super) fn order_of(name: &str) -> Option<Order> {
    let stem = name.rsplit_once('.')?.0;
    Some((name_parts(true, stem)?.1, stem.rsplit_once('-')?.1.parse().ok()?))
}
