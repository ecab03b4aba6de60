//! Makes the index agree with the folder: others delete files, and copy some in.
//!
//! Nothing here grows with the number of files. News of recordings is heard at each pause: it adds
//! lines to the index, and files that are busy are passed over.

use std::collections::BinaryHeap;
use std::fs;
use std::io;

use super::folder::{Folder, Known};
use super::index::{Line, State, write};
use crate::listing::{Pause, Sorter, Sums};

/// So many of the oldest are told of at once, and so many that nobody ended are looked at.
const OLDEST: usize = 256;
/// So many lines of files that are gone may stay in the index; more go if they are over half of its lines.
const DEAD: usize = 1 << 10;

/// A recording by the order that its name tells.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Stranger {
    begun: u64,
    number: u64,
    pub(super) name: String,
}

/// The differences between an index and its folder.
pub(super) struct Faults {
    /// Files that are not in it, in the order that the names tell: the begin, the number and the size in
    /// so many hexadecimal digits, and the name.
    strangers: Sorter,
    /// It is to be written anew.
    stale: bool,
    /// Something was not right.
    any: bool,
}

/// Hexadecimal digits of a begin, and of all before the name.
const BEGUN: usize = 16;
const BEFORE_NAME: usize = 2 * BEGUN + SIZE;
const SIZE: usize = 12;

/// Compares the index with the folder, and marks what is gone. `thorough` is for a start: a loss
/// of power leaves files that are empty, and some that nobody ended.
pub(super) fn look(folder: &Folder, thorough: bool, pause: Pause<'_>) -> io::Result<Faults> {
    folder.index.replace_useless()?;
    let mut any = thorough && settle(folder)?;
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
            // the thread that writes marks a file as busy before this can ask
            if !known.covers(name) || known.see(name) || folder.busy.has(&path) {
                return Ok(());
            }
            // one that is gone again has no line
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
    let stale = damaged || strange || dead > DEAD && dead > lines / 2;
    Ok(Faults { strangers, stale, any: any || damaged || strange })
}

/// Mends the index; whether anything was wrong with it. Files that have come are put before the
/// first that began later, and before `first`, with which this run has begun.
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

/// The oldest recordings of the folder by their names, where there is no index to go by.
pub(super) fn oldest(folder: &Folder) -> io::Result<Vec<Stranger>> {
    let mut oldest = BinaryHeap::new();
    folder.walk(&mut |name| {
        if let Some(Known { begun, number, .. }) = Known::of(name) {
            oldest.push(Stranger { begun, number, name: name.into() });
        }
        if oldest.len() > OLDEST {
            oldest.pop(); // the youngest of them
        }
        Ok(())
    })?;
    let busy = folder.busy.lock().clone();
    let mut oldest = oldest.into_sorted_vec();
    oldest.retain(|one| !busy.contains(&folder.path().join(&one.name)));
    Ok(oldest)
}

/// Files that were being written when the power failed are whole now, as far as they go.
fn settle(folder: &Folder) -> io::Result<bool> {
    let mut open = Vec::new();
    folder.index.each(&mut |line: Line<'_>| {
        if line.state == State::Open && open.len() < OLDEST && folder.known(line.name).is_some() {
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
