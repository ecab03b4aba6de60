//! A playlist is made what its folder is: after a loss of power, a kill, and others' hands.
//!
//! Nothing here grows with the number of segments: where there are many, the folder is gone
//! through several times.

use std::collections::{BTreeSet, BinaryHeap};
use std::ffi::OsStr;
use std::fs::{self, File};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::{self, BufRead, BufReader, BufWriter, ErrorKind, Read, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::{END, GAP, HEAD, Listed, NAME, bring_folder, entry, head_for, name_parts, number, probe, write_head};
use crate::wire::percent_decode;

/// So many names are known at once, by their hashes.
const KNOWN: usize = 4 << 10;
/// So many are taken out at once.
const GONE: usize = 1 << 10;
/// So many segments are taken up at once.
const FOUND: usize = 256;
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

/// A segment by its name.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Found {
    order: (u64, u64),
    name: String,
}

/// The faults of a playlist.
#[derive(Default)]
struct Wrong {
    /// Hashes of names that are listed, but not there.
    gone: BTreeSet<u64>,
    /// The first of those that are there, but not listed.
    found: Vec<Found>,
    damaged: bool,
    more: bool,
}

/// Takes what is gone or empty out of the playlist, and adds what plays but is not in it.
pub fn mend(segments: &Segments<'_>) -> io::Result<()> {
    let mut after = None;
    loop {
        let wrong = look(segments, after.as_ref())?;
        let mut found = Vec::new();
        for Found { order, name } in wrong.found {
            if let Some(duration) = probe::duration(&segments.folder.join(&name)) {
                log::info!("{} plays and is listed again", segments.folder.join(&name).display());
                found.push((order, name.clone(), duration));
            }
            after = Some(Found { order, name });
        }
        if !wrong.gone.is_empty() || !found.is_empty() || wrong.damaged {
            rewrite(segments.folder, segments.sync, &|name| wrong.gone.contains(&hash(name)), &found)?;
        }
        if !wrong.more {
            return Ok(());
        }
    }
}

/// Takes segments that are gone out of the playlists in their folders.
pub fn forget(gone: &[PathBuf], sync: bool) -> io::Result<()> {
    let folders: BTreeSet<&Path> = gone.iter().filter_map(|path| path.parent()).collect();
    for folder in folders {
        let names: BTreeSet<&OsStr> =
            gone.iter().filter(|path| path.parent() == Some(folder)).filter_map(|path| path.file_name()).collect();
        rewrite(folder, sync, &|name| names.contains(OsStr::new(name)), &[])?;
    }
    Ok(())
}

fn look(segments: &Segments<'_>, after: Option<&Found>) -> io::Result<Wrong> {
    let mut wrong = Wrong::default();
    let mut listed = 0;
    wrong.damaged = each(segments.folder, &mut |_| listed += 1)?;
    let parts = listed / KNOWN + 1;
    let mut found = BinaryHeap::new();
    for part in 0..parts {
        let mut known = Vec::new();
        each(segments.folder, &mut |entry| {
            let hash = hash(&entry.name);
            if in_part(hash, parts) == part {
                known.push((hash, false));
            }
        })?;
        known.sort_unstable();
        // one that is listed twice is there as well
        known.dedup();
        for file in fs::read_dir(segments.folder)? {
            let file = file?.file_name();
            let Some((name, order)) = file.to_str().and_then(|name| Some((name, order(name, segments.stream)?))) else {
                continue;
            };
            let (hash, path) = (hash(name), segments.folder.join(name));
            if in_part(hash, parts) != part || (segments.remove_empty)(&path) {
                continue;
            }
            if let Ok(at) = known.binary_search_by_key(&hash, |(known, _)| *known) {
                known.get_mut(at).into_iter().for_each(|(_, seen)| *seen = true);
            } else if name.ends_with(".ts") && !(segments.is_busy)(&path) {
                let one = Found { order, name: name.into() };
                if after.is_none_or(|after| one > *after) {
                    found.push(one);
                }
                if found.len() > FOUND {
                    found.pop(); // the youngest of them
                    wrong.more = true;
                }
            }
        }
        let gone = known.iter().filter(|(_, seen)| !seen).map(|(hash, _)| *hash);
        wrong.gone.extend(gone.take(GONE - wrong.gone.len()));
        if wrong.gone.len() >= GONE {
            wrong.more = true;
            break;
        }
    }
    wrong.found = found.into_sorted_vec();
    Ok(wrong)
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
    let mut file = match File::open(folder.join(NAME)) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(false),
        file => BufReader::new(file?),
    };
    let (mut entry, mut text) = (Entry::default(), Vec::new());
    let (mut damaged, mut first, mut ended) = (false, true, false);
    loop {
        text.clear();
        if (&mut file).take(LONGEST).read_until(b'\n', &mut text)? == 0 {
            // without its end players would wait for more
            return Ok(damaged || first || !ended);
        }
        let line = std::str::from_utf8(&text).ok().and_then(|line| line.strip_suffix('\n'));
        let line = line.filter(|line| !line.contains('\0'));
        damaged |= line.is_none() || std::mem::take(&mut first) && line != Some("#EXTM3U");
        let Some(line) = line.map(|line| line.strip_suffix('\r').unwrap_or(line)) else {
            entry = Entry::default();
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
            damaged |= entry.duration.is_empty();
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
    found: &[((u64, u64), String, Duration)],
) -> io::Result<()> {
    let (path, new) = (folder.join(NAME), folder.join(format!("{NAME}.bak")));
    let mut head = [0; HEAD];
    let known = File::open(&path).and_then(|mut file| file.read_exact(&mut head)).is_ok();
    let head = if known { &head[..] } else { &[] };
    let target = found.iter().map(|(_, _, duration)| head_for(*duration)).max().unwrap_or(1);
    let target = target.max(number(head, "#EXT-X-TARGETDURATION:"));
    let mut out = BufWriter::new(File::create(&new)?);
    out.write_all(write_head(target, number(head, "#EXT-X-VERSION:").max(3)).as_bytes())?;
    let mut result = Ok(());
    let (mut found, mut last, mut map) = (found.iter().peekable(), None, None);
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
            while let Some((_, name, duration)) = found.next_if(|(order_found, ..)| Some(*order_found) < order) {
                add(&mut out, name, *duration, &mut last)?;
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
    found.try_for_each(|(_, name, duration)| add(&mut out, name, *duration, &mut last))?;
    out.write_all(END.as_bytes())?;
    let file = out.into_inner().map_err(io::IntoInnerError::into_error)?;
    if sync {
        file.sync_all()?;
    }
    fs::rename(new, path)?;
    bring_folder(folder, sync)
}

/// Writes an entry for a segment that was found.
fn add(out: &mut dyn Write, name: &str, duration: Duration, last: &mut Option<Option<(u64, u64)>>) -> io::Result<()> {
    let order = order_of(name);
    let discontinuity = last.is_some() && !continues(*last, order);
    *last = Some(order);
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

fn in_part(hash: u64, parts: usize) -> usize {
    // the remainder is less than `parts`
    usize::try_from(hash % parts as u64).unwrap_or(0)
}

fn hash(name: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    name.hash(&mut hasher);
    hasher.finish()
}
