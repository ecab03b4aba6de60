//! Makes the index agree with the folder, in which users delete and add files.
//!
//! Memory does not grow with the number of files. Messages about recordings are handled at each pause: they add
//! lines to the index, and files that are busy are skipped.

use std::collections::BinaryHeap;
use std::fs;
use std::io;

use super::folder::{Folder, Known};
use super::index::{Line, State, write};
use crate::listing::{Pause, Sorter, Sums};

/// The maximum number of oldest recordings found at once, and of unfinished ones checked.
const MAX_OLDEST: usize = 256;
/// The maximum number of lines of deleted files in the index, unless they are less than half of its lines.
const MAX_DELETED_LINES: usize = 1 << 10;

/// A recording, ordered by its name's time and number.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Unlisted {
    begun: u64,
    number: u64,
    pub(super) name: String,
}

/// The differences between an index and its folder.
pub(super) struct Faults {
    /// Files that are not in the index, in the order of their names. A line consists of the start, the number and
    /// the size in fixed-length hexadecimal digits, and the name.
    strangers: Sorter,
    /// The index must be rewritten.
    stale: bool,
    /// A difference was found.
    any: bool,
}

/// The number of hexadecimal digits of a start, and of all fields before the name.
const BEGUN: usize = 16;
const BEFORE_NAME: usize = 2 * BEGUN + SIZE;
const SIZE: usize = 12;

/// Compares the index with the folder, and marks deleted files. `thorough` is for a start: a power failure leaves
/// empty files and unfinished ones.
pub(super) fn look(folder: &Folder, thorough: bool, pause: Pause<'_>) -> io::Result<Faults> {
    folder.index.replace_useless()?;
    let mut any = thorough && end_unfinished(folder)?;
    let (mut sums, mut lines, mut dead) = (Sums::default(), 0, 0);
    let damaged = folder.index.each(&mut |line| {
        lines += 1;
        if line.state == State::Gone {
            dead += 1;
        } else if folder.known(line.name).is_some() {
            sums.listed(line.name);
        }
    })?;
    folder.walk(&mut |name| {
        if !(thorough && folder.remove_empty(&folder.path().join(name))) {
            sums.there(name);
        }
        pause()
    })?;
    let (mut behind, mut strangers, mut strange) = (0..0, Sorter::new(folder.path()), false);
    while let Some(mut known) = sums.next(&behind) {
        behind = known.parts();
        let mut result = Ok(());
        folder.index.each(&mut |line| {
            if result.is_ok() && line.state != State::Gone && folder.known(line.name).is_some() {
                result = known.listed(line.name);
            }
        })?;
        result?;
        known.sort();
        folder.walk(&mut |name| {
            pause()?;
            let path = folder.path().join(name);
            // the writer marks a file as busy before it is visible in the folder
            if !known.covers(name) || known.see(name) || folder.busy.has(&path) {
                return Ok(());
            }
            // a file that was deleted meanwhile gets no line
            let (Some(Known { begun, number, .. }), Ok(about)) = (Known::of(name), fs::metadata(&path)) else {
                return Ok(());
            };
            strange = true;
            let size = about.len().min((1 << (4 * SIZE)) - 1);
            strangers.add(format!("{begun:0BEGUN$x}{number:0BEGUN$x}{size:0SIZE$x}{name}"))
        })?;
        if known.are_missing() {
            let busy = folder.busy.lock().clone();
            let gone =
                folder.index.mark(&|name| known.is_missing(name) && !busy.contains(&folder.path().join(name)))?;
            dead += gone;
            any |= gone > 0;
        }
    }
    let stale = damaged || strange || dead > MAX_DELETED_LINES && dead > lines / 2;
    Ok(Faults { strangers, stale, any: any || damaged || strange })
}

/// Mends the index. Gives whether it was wrong. New files are placed before the first recording that began later,
/// and before `first`, the first recording of this run.
pub(super) fn mend(folder: &Folder, first: Option<&str>, faults: Faults) -> io::Result<bool> {
    if !faults.stale {
        return Ok(faults.any);
    }
    let mut strangers = faults.strangers.into_lines()?;
    folder.index.rewrite(&mut |line, out| {
        let of_this_run = line.is_none_or(|line| Some(line.name) == first);
        let before = line.and_then(|line| Known::of(line.name)).map_or(0, |known| known.begun);
        let number = |text: Option<&str>| u64::from_str_radix(text?, 16).ok();
        let is_next = |line: &str| of_this_run || number(line.get(..BEGUN)).is_some_and(|begun| begun < before);
        while strangers.first().is_some_and(is_next) {
            let next = strangers.next()?.unwrap_or_default();
            if let (Some(size), Some(name)) = (number(next.get(2 * BEGUN..BEFORE_NAME)), next.get(BEFORE_NAME..)) {
                out.write_all(write(State::Whole, size, name).as_bytes())?;
            }
        }
        Ok(())
    })?;
    Ok(faults.any)
}

/// The oldest recordings of the folder by their names, if the index cannot be used.
pub(super) fn oldest(folder: &Folder) -> io::Result<Vec<Unlisted>> {
    let mut oldest = BinaryHeap::new();
    folder.walk(&mut |name| {
        if let Some(Known { begun, number, .. }) = Known::of(name) {
            oldest.push(Unlisted { begun, number, name: name.into() });
        }
        if oldest.len() > MAX_OLDEST {
            oldest.pop(); // the newest of them
        }
        Ok(())
    })?;
    let busy = folder.busy.lock().clone();
    let mut oldest = oldest.into_sorted_vec();
    oldest.retain(|one| !busy.contains(&folder.path().join(&one.name)));
    Ok(oldest)
}

/// Marks files that were being written at a power failure as complete, and removes empty ones.
fn end_unfinished(folder: &Folder) -> io::Result<bool> {
    let mut open = Vec::new();
    folder.index.each(&mut |line: Line<'_>| {
        if line.state == State::Open && open.len() < MAX_OLDEST && folder.known(line.name).is_some() {
            open.push((line.at, line.name.to_string()));
        }
    })?;
    let mut settled = false;
    for (at, name) in open {
        let path = folder.path().join(&name);
        if folder.busy.has(&path) {
            continue;
        }
        let size = fs::metadata(&path).map_or(0, |about| about.len());
        let state = if size == 0 { State::Gone } else { State::Whole };
        folder.remove_empty(&path);
        folder.index.set(at, state, size, &name)?;
        settled = true;
    }
    Ok(settled)
}
