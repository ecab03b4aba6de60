//! A playlist is made what its folder is: after a loss of power, a kill, and others' hands.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs::{self, OpenOptions};
use std::io::{self, BufRead, BufReader, BufWriter, ErrorKind, Read, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::names::Sums;
use super::sorted::{Lines, Sorter};
use super::{END, GAP, HEAD, Listed, NAME, bring_folder, entry, file, head_for, name_parts, number, probe, write_head};
use crate::wire::percent_decode;

/// No line is longer.
const LONGEST: u64 = 1024;

/// A folder of segments.
pub struct Segments<'a> {
    /// Its folder.
    pub folder: &'a Path,
    /// The stream that the segments are of.
    pub stream: &'a str,
    /// Whether what is written is brought to the disk.
    pub sync: bool,
    /// Takes one away that is empty, and says so.
    pub remove_empty: &'a dyn Fn(&Path) -> bool,
    /// Whether it is not whole yet.
    pub is_busy: &'a dyn Fn(&Path) -> bool,
}

/// What may be done between steps of a long work, which ends where that fails.
pub type Pause<'a> = &'a mut dyn FnMut() -> io::Result<()>;

/// Shows the name of a segment, its begin and its number.
type Show<'a> = dyn FnMut(&str, (u64, u64)) -> io::Result<()> + 'a;

/// The faults of a playlist.
struct Wrong {
    /// What was compared.
    sums: Sums,
    /// Some that are listed are not there.
    gone: bool,
    damaged: bool,
    /// What plays and is not listed, in its order: the begin, the number and the milliseconds
    /// in so many hexadecimal digits, and the name.
    found: Lines,
    count: usize,
    longest: Duration,
}

/// Hexadecimal digits of a begin and a number, and of milliseconds.
const ORDER: usize = 32;
const MILLIS: usize = 8;

/// Takes what is gone or empty out of the playlist, and adds what plays but is not in it.
pub fn mend(segments: &Segments<'_>, pause: Pause<'_>) -> io::Result<()> {
    let folder = segments.folder;
    let path = folder.join(NAME);
    if let Err(error) = each(folder, &mut |_| {})
        && file::is_useless(&path, &error)
    {
        log::warn!("{} cannot be read: {error}: it is written anew", path.display());
        file::put_aside(&path)?;
    }
    let wrong = look(segments, pause)?;
    if !wrong.gone && !wrong.damaged && wrong.count == 0 {
        return Ok(());
    }
    if wrong.count > 0 {
        log::info!("{}: segments that play and are listed again: {}", folder.display(), wrong.count);
    }
    let is_gone =
        |name: &str| wrong.sums.differ(name) && (order(name, segments.stream).is_none() || !folder.join(name).exists());
    rewrite(folder, segments.sync, &is_gone, wrong.found, wrong.longest)
}

/// Takes segments that are gone out of the playlists in their folders.
pub fn forget(gone: &[PathBuf], sync: bool) -> io::Result<()> {
    let folders: BTreeSet<&Path> = gone.iter().filter_map(|path| path.parent()).collect();
    for folder in folders {
        let names: BTreeSet<&OsStr> =
            gone.iter().filter(|path| path.parent() == Some(folder)).filter_map(|path| path.file_name()).collect();
        rewrite(folder, sync, &|name| names.contains(OsStr::new(name)), Lines::none(), Duration::ZERO)?;
    }
    Ok(())
}

fn look(segments: &Segments<'_>, pause: Pause<'_>) -> io::Result<Wrong> {
    let mut sums = Sums::default();
    let damaged = each(segments.folder, &mut |entry| sums.listed(&entry.name))?;
    walk(segments, &mut |name, _| {
        if !(segments.remove_empty)(&segments.folder.join(name)) {
            sums.there(name);
        }
        pause()
    })?;
    let (mut behind, mut gone, mut count, mut longest) = (0..0, false, 0, Duration::ZERO);
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
        walk(segments, &mut |name, (begun, number)| {
            pause()?;
            let path = segments.folder.join(name);
            if !known.covers(name) || known.see(name) || !name.ends_with(".ts") || (segments.is_busy)(&path) {
                return Ok(());
            }
            let Some(duration) = probe::duration(&path) else { return Ok(()) };
            let millis = u32::try_from(duration.as_millis()).unwrap_or(u32::MAX);
            (count, longest) = (count + 1, longest.max(duration));
            found.add(format!("{begun:016x}{number:016x}{millis:0MILLIS$x}{name}"))
        })?;
        gone |= known.are_missing();
    }
    Ok(Wrong { gone, damaged, found: found.into_lines()?, count, longest, sums })
}

/// Shows the segments of the folder, and what they are ordered by.
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
struct Entry {
    gap: bool,
    map: Option<String>,
    duration: String,
    /// As it stands there, and what it means.
    uri: String,
    name: String,
}

/// Shows all entries; whether some lines were not to be read. There need be no playlist.
fn each(folder: &Path, show: &mut dyn FnMut(&mut Entry)) -> io::Result<bool> {
    let mut file = match file::open(&folder.join(NAME), OpenOptions::new().read(true)) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(false),
        file => BufReader::new(file?),
    };
    let mut left = file::FAULTS;
    let (mut entry, mut text) = (Entry::default(), Vec::new());
    let (mut damaged, mut first, mut ended) = (false, true, false);
    loop {
        text.clear();
        if (&mut file).take(LONGEST).read_until(b'\n', &mut text)? == 0 {
            // without its end players would wait for more
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
            // one without its duration is what a loss of power has left
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

/// Writes the playlist anew beside the old one, whose place it takes when it is whole:
/// without those that are gone, and with those that were found, which are in order.
fn rewrite(
    folder: &Path,
    sync: bool,
    is_gone: &dyn Fn(&str) -> bool,
    mut found: Lines,
    longest: Duration,
) -> io::Result<()> {
    let (path, new) = (folder.join(NAME), folder.join(format!("{NAME}.bak")));
    let mut head = [0; HEAD];
    let known =
        file::open(&path, OpenOptions::new().read(true)).and_then(|mut file| file.read_exact(&mut head)).is_ok();
    let head = if known { &head[..] } else { &[] };
    let target = head_for(longest).max(number(head, "#EXT-X-TARGETDURATION:"));
    let mut out = BufWriter::new(file::make(&new)?);
    out.write_all(write_head(target, number(head, "#EXT-X-VERSION:").max(3)).as_bytes())?;
    let mut result = Ok(());
    let (mut last, mut map) = (None, None);
    // the entry before is not the one that it continues
    let mut torn = false;
    each(folder, &mut |one| {
        map = one.map.take().or(map.take());
        if is_gone(&one.name) {
            torn = true;
            return;
        }
        let order = order_of(&one.name);
        let mut write = || {
            while found.first().and_then(Found::of).is_some_and(|found| Some(found.order) < order) {
                add(&mut out, found.next()?, &mut last)?;
                torn = true;
            }
            let gap = if last.is_some() && (one.gap || torn && !continues(last, order)) { GAP } else { "" };
            let map = map.take().map_or(String::new(), |map| format!("{map}\n"));
            (last, torn) = (Some(order), false);
            write!(out, "{gap}{map}{}\n{}\n", one.duration, one.uri)
        };
        if result.is_ok() {
            result = write();
        }
    })?;
    result?;
    while found.first().is_some() {
        add(&mut out, found.next()?, &mut last)?;
    }
    out.write_all(END.as_bytes())?;
    let file = out.into_inner().map_err(io::IntoInnerError::into_error)?;
    if sync {
        file.sync_all()?;
    }
    fs::rename(new, path)?;
    bring_folder(folder, sync)
}

/// A segment that was found.
struct Found<'a> {
    order: (u64, u64),
    duration: Duration,
    name: &'a str,
}

impl<'a> Found<'a> {
    fn of(line: &'a str) -> Option<Self> {
        let part = |from: usize, len| u64::from_str_radix(line.get(from..from + len)?, 16).ok();
        let order = (part(0, ORDER / 2)?, part(ORDER / 2, ORDER / 2)?);
        let duration = Duration::from_millis(part(ORDER, MILLIS)?);
        Some(Self { order, duration, name: line.get(ORDER + MILLIS..)? })
    }
}

/// Writes an entry for a segment that was found.
fn add(out: &mut dyn Write, line: Option<String>, last: &mut Option<Option<(u64, u64)>>) -> io::Result<()> {
    let Some(Found { order, duration, name }) = line.as_deref().and_then(Found::of) else { return Ok(()) };
    let discontinuity = last.is_some() && !continues(*last, Some(order));
    *last = Some(Some(order));
    out.write_all(entry(name, &Listed { duration, discontinuity, map: None }, false).as_bytes())
}

/// Whether a segment is the next of the session that the last one was of.
fn continues(last: Option<Option<(u64, u64)>>, next: Option<(u64, u64)>) -> bool {
    matches!((last, next), (Some(Some((_, last))), Some((_, next))) if next == last.wrapping_add(1) && next > 0)
}

/// The begin of a segment of the stream, and its number.
fn order(name: &str, stream: &str) -> Option<(u64, u64)> {
    let (stem, extension) = name.rsplit_once('.')?;
    let is_its = ["ts", "m4s", "mp4"].contains(&extension) && name_parts(true, stem)?.0 == stream;
    order_of(name).filter(|_| is_its)
}

fn order_of(name: &str) -> Option<(u64, u64)> {
    let stem = name.rsplit_once('.')?.0;
    Some((name_parts(true, stem)?.1, stem.rsplit_once('-')?.1.parse().ok()?))
}
