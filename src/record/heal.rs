//! The index is made what the folder is: others delete files, and copy some in.
//!
//! Nothing here grows with the number of files: where there are many, the folder is gone
//! through several times.

use std::collections::BinaryHeap;
use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::{self, ErrorKind};

use super::folder::{Folder, Known};
use super::index::{Line, State, write};

/// So many names are known at once, by their hashes.
const KNOWN: usize = 4 << 10;
/// So many that are not in the index are held at once.
const STRANGERS: usize = 256;

/// A recording that is not in the index, in the order that its name tells.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Stranger {
    pub(super) begun: u64,
    number: u64,
    pub(super) name: String,
}

/// The oldest of those that are not in the index, and whether there are more.
#[derive(Default)]
struct Batch {
    /// The oldest last.
    rest: Vec<Stranger>,
    newest: Option<Stranger>,
    more: bool,
}

/// Mends the index; whether anything was wrong with it. What has come is put before the
/// first that began later, and before `first`, with which this run has begun. `thorough`
/// is for a start: a loss of power leaves files that are empty, and some that nobody ended.
pub(super) fn heal(folder: &Folder, first: Option<&str>, thorough: bool) -> io::Result<bool> {
    let mut wrong = false;
    if thorough {
        wrong |= settle(folder)?;
    }
    let (batch, gone) = look(folder, None, thorough)?;
    let damaged = match folder.index.each(&mut |_| {}) {
        Err(error) if error.kind() == ErrorKind::NotFound => false,
        damaged => damaged?,
    };
    if damaged || !batch.rest.is_empty() {
        merge(folder, first, batch)?;
        wrong = true;
    }
    Ok(wrong || gone > 0)
}

/// The oldest recordings of the folder, where there is no index.
pub(super) fn oldest(folder: &Folder) -> io::Result<Vec<Stranger>> {
    let mut batch = look(folder, None, false)?.0;
    batch.rest.reverse();
    Ok(batch.rest)
}

/// Files that were being written when the power failed are whole now, as far as they go.
fn settle(folder: &Folder) -> io::Result<bool> {
    let mut open = Vec::new();
    let mut note = |line: Line<'_>| {
        if line.state == State::Open && open.len() < STRANGERS && folder.known(line.name).is_some() {
            open.push((line.at, line.name.to_string()));
        }
    };
    match folder.index.each(&mut note) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(false),
        each => each?,
    };
    let mut settled = false;
    for (at, name) in open {
        let path = folder.path.join(&name);
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

/// Compares the folder with the index: marks what is gone, and how many these are, and finds
/// the oldest strangers `after` the one given.
fn look(folder: &Folder, after: Option<&Stranger>, thorough: bool) -> io::Result<(Batch, usize)> {
    let mut lines = 0;
    let counted = folder.index.each(&mut |line| lines += usize::from(line.state != State::Gone));
    if let Err(error) = counted
        && error.kind() != ErrorKind::NotFound
    {
        return Err(error);
    }
    let parts = lines / KNOWN + 1;
    let (mut strangers, mut more, mut gone) = (BinaryHeap::new(), false, 0);
    for part in 0..parts {
        let mut known = names(folder, part, parts)?;
        folder.walk(&mut |name| {
            let hash = hash(name);
            if in_part(hash, parts) != part || thorough && folder.remove_empty(&folder.path.join(name)) {
                return;
            }
            if let Ok(at) = known.binary_search_by_key(&hash, |(known, _)| *known) {
                known.get_mut(at).into_iter().for_each(|(_, seen)| *seen = true);
                return;
            }
            let Some(Known { begun, number, .. }) = Known::of(name) else { return };
            let stranger = Stranger { begun, number, name: name.into() };
            if after.is_none_or(|after| stranger > *after) {
                strangers.push(stranger);
            }
            if strangers.len() > STRANGERS {
                strangers.pop(); // the youngest of them
                more = true;
            }
        })?;
        known.retain(|(_, seen)| !seen);
        if !known.is_empty() {
            gone += forget(folder, &known)?;
        }
    }
    // whoever writes says so before it makes a file
    let busy = folder.busy.lock().clone();
    let newest = strangers.peek().cloned();
    let mut rest = strangers.into_sorted_vec();
    rest.retain(|stranger| !busy.contains(&folder.path.join(&stranger.name)));
    rest.reverse();
    Ok((Batch { rest, newest, more }, gone))
}

/// The hashes of the names of a part of the index, in their order.
fn names(folder: &Folder, part: usize, parts: usize) -> io::Result<Vec<(u64, bool)>> {
    let mut known = Vec::new();
    let each = folder.index.each(&mut |line| {
        let hash = hash(line.name);
        if line.state != State::Gone && in_part(hash, parts) == part && folder.known(line.name).is_some() {
            known.push((hash, false));
        }
    });
    if let Err(error) = each
        && error.kind() != ErrorKind::NotFound
    {
        return Err(error);
    }
    known.sort_unstable();
    known.dedup();
    Ok(known)
}

/// Marks those whose names have these hashes.
fn forget(folder: &Folder, missing: &[(u64, bool)]) -> io::Result<usize> {
    let busy = folder.busy.lock().clone();
    let mut gone = Vec::new();
    folder.index.each(&mut |line| {
        let is_missing = missing.binary_search(&(hash(line.name), false)).is_ok();
        if is_missing && line.state != State::Gone && !busy.contains(&folder.path.join(line.name)) {
            gone.push(line.at);
        }
    })?;
    folder.index.remove(&gone)?;
    Ok(gone.len())
}

/// Writes the index anew with those that have come.
fn merge(folder: &Folder, first: Option<&str>, mut batch: Batch) -> io::Result<()> {
    folder.index.rewrite(&mut |line, out| {
        let of_this_run = line.is_none_or(|line| Some(line.name) == first);
        let begun = line.and_then(|line| Known::of(line.name)).map_or(0, |known| known.begun);
        while let Some(next) = batch.next(folder)? {
            if !of_this_run && next.begun >= begun {
                batch.rest.push(next);
                break;
            }
            // one that is gone again has no line
            if let Ok(about) = fs::metadata(folder.path.join(&next.name)) {
                out.write_all(write(State::Whole, about.len(), &next.name).as_bytes())?;
            }
        }
        Ok(())
    })
}

impl Batch {
    fn next(&mut self, folder: &Folder) -> io::Result<Option<Stranger>> {
        while self.rest.is_empty() && self.more {
            let newest = self.newest.take();
            *self = look(folder, newest.as_ref(), false)?.0;
        }
        Ok(self.rest.pop())
    }
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
