//! Compares the names in a list with those in a folder, in memory that does not grow with their number.
//!
//! First both are summed up in parts: where the sums are equal, the names are equal too. Then the other parts are
//! compared in detail, as many at once as fit into memory.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::io;
use std::ops::Range;

/// The number of parts, to which names are assigned by their hashes.
const PARTS: usize = 512;
/// The maximum number of listed names kept at once if several parts are compared together.
const MAX_KNOWN: usize = 2 << 10;
/// The maximum number of names kept of a single part.
const MAX_OF_PART: usize = 8 << 10;
/// The bit of a stored hash that marks a name as found in the folder.
const SEEN: u64 = 1;

/// The sums of a list and of a folder.
pub struct Sums(Vec<Part>);

#[derive(Clone, Copy, Default)]
struct Part {
    /// The number of names in the list.
    listed: usize,
    /// The sum of the hashes in the list minus the sum of the hashes in the folder.
    difference: u64,
}

/// The listed names of some parts.
pub struct Known<'a> {
    sums: &'a Sums,
    parts: Range<usize>,
    hashes: Vec<u64>,
}

impl Default for Sums {
    fn default() -> Self {
        Self(vec![Part::default(); PARTS])
    }
}

impl Sums {
    /// Adds a name of the list.
    pub fn listed(&mut self, name: &str) {
        let hash = hash(name);
        if let Some(part) = self.0.get_mut(part_of(hash)) {
            part.listed += 1;
            part.difference = part.difference.wrapping_add(hash);
        }
    }

    /// Adds a name of the folder.
    pub fn there(&mut self, name: &str) {
        let hash = hash(name);
        if let Some(part) = self.0.get_mut(part_of(hash)) {
            part.difference = part.difference.wrapping_sub(hash);
        }
    }

    /// True if the list and the folder differ in the part of this name.
    pub fn differ(&self, name: &str) -> bool {
        self.0.get(part_of(hash(name))).is_some_and(|part| part.difference != 0)
    }

    /// The next parts after `behind` that differ and fit into memory together; `None` if there are none.
    pub fn next(&self, behind: &Range<usize>) -> Option<Known<'_>> {
        let (mut parts, mut listed) = (behind.end..behind.end, 0);
        for (at, part) in self.0.iter().enumerate().skip(behind.end).filter(|(_, part)| part.difference != 0) {
            if listed > 0 && listed + part.listed > MAX_KNOWN {
                break;
            }
            (parts.end, listed) = (at + 1, listed + part.listed);
        }
        let hashes = Vec::with_capacity(listed.min(MAX_OF_PART));
        (!parts.is_empty()).then_some(Known { sums: self, parts, hashes })
    }
}

impl Known<'_> {
    /// The parts that are covered.
    pub fn parts(&self) -> Range<usize> {
        self.parts.clone()
    }

    /// True if a name belongs to these parts.
    pub fn covers(&self, name: &str) -> bool {
        self.parts.contains(&part_of(hash(name))) && self.sums.differ(name)
    }

    /// Adds a name of the list. All must be added before the first call of `see`.
    pub fn listed(&mut self, name: &str) -> io::Result<()> {
        if !self.covers(name) {
            return Ok(());
        }
        if self.hashes.len() == MAX_OF_PART {
            self.sort();
        }
        if self.hashes.len() == MAX_OF_PART {
            return Err(io::Error::other("more recordings than can be told apart"));
        }
        self.hashes.push(hash(name) & !SEEN);
        Ok(())
    }

    /// Sorts the hashes, after all listed names were added.
    pub fn sort(&mut self) {
        self.hashes.sort_unstable();
        self.hashes.dedup();
    }

    /// Marks a name of the folder as found; true if it is listed.
    pub fn see(&mut self, name: &str) -> bool {
        let found = self.find(name).and_then(|at| self.hashes.get_mut(at));
        found.map(|hash| *hash |= SEEN).is_some()
    }

    /// True if a name is listed but not in the folder.
    pub fn is_missing(&self, name: &str) -> bool {
        self.find(name).and_then(|at| self.hashes.get(at)).is_some_and(|hash| hash & SEEN == 0)
    }

    /// True if any listed name is not in the folder.
    pub fn are_missing(&self) -> bool {
        self.hashes.iter().any(|hash| hash & SEEN == 0)
    }

    fn find(&self, name: &str) -> Option<usize> {
        let wanted = hash(name) & !SEEN;
        self.hashes.binary_search_by_key(&wanted, |hash| hash & !SEEN).ok()
    }
}

fn part_of(hash: u64) -> usize {
    // the upper bits, because the lowest is `SEEN`
    usize::try_from(hash >> 32).unwrap_or(0) % PARTS
}

/// The hash that identifies a name.
pub fn hash(name: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    name.hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_differs_is_looked_at_and_all_of_it() {
        let name = |at: usize| format!("cam-{at}.flv");
        let mut sums = Sums::default();
        // of 30,000 names two are missing in the list, and one in the folder
        let (list, folder) = (|at: &usize| ![7, 8].contains(at), |at: &usize| *at != 29_000);
        (0..30_000).filter(list).for_each(|at| sums.listed(&name(at)));
        (0..30_000).filter(folder).for_each(|at| sums.there(&name(at)));
        let (mut behind, mut strange, mut missing, mut known_at_all) = (0..0, Vec::new(), Vec::new(), 0);
        while let Some(mut known) = sums.next(&behind) {
            behind = known.parts();
            (0..30_000).filter(list).for_each(|at| known.listed(&name(at)).unwrap());
            known.sort();
            known_at_all += known.hashes.len();
            strange.extend((0..30_000).filter(folder).filter(|at| known.covers(&name(*at)) && !known.see(&name(*at))));
            missing.extend((0..30_000).filter(list).filter(|at| known.is_missing(&name(*at))));
            assert_eq!(known.are_missing(), !missing.is_empty());
        }
        assert_eq!((strange, missing), (vec![7, 8], vec![29_000]));
        assert!(known_at_all < 1000, "{known_at_all}");
    }

    #[test]
    fn where_all_differ_no_more_are_known_at_once() {
        let name = |at: usize| format!("cam-{at}.flv");
        let mut sums = Sums::default();
        (0..30_000).for_each(|at| sums.listed(&name(at)));
        let (mut behind, mut missing) = (0..0, 0);
        while let Some(mut known) = sums.next(&behind) {
            behind = known.parts();
            (0..30_000).for_each(|at| known.listed(&name(at)).unwrap());
            known.sort();
            assert!(known.hashes.len() <= MAX_KNOWN && known.hashes.capacity() <= MAX_KNOWN, "{}", known.hashes.len());
            missing += known.hashes.len();
        }
        assert_eq!(missing, 30_000);
        // the same name repeatedly
        let mut sums = Sums::default();
        (0..30_000).for_each(|_| sums.listed("cam-1.flv"));
        let mut known = sums.next(&(0..0)).unwrap();
        (0..30_000).for_each(|_| known.listed("cam-1.flv").unwrap());
        known.sort();
        assert_eq!((known.hashes.len(), known.hashes.capacity()), (1, MAX_OF_PART));
    }
}
