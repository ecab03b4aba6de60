//! The names that a list has, compared with those that a folder has, in memory that does not
//! grow with their number.
//!
//! First both are summed up, part by part: where the sums are the same, so are the names.
//! The other parts are then looked at, as many as may be known at once.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::io;
use std::ops::Range;

/// Names are told apart by their hashes.
const PARTS: usize = 512;
/// So many names of a list are known at once, as far as parts can be put together.
const KNOWN: usize = 2 << 10;
/// So many of one part may be known.
const MOST: usize = 8 << 10;
/// The bit of a known hash that says that the folder has it.
const SEEN: u64 = 1;

/// The sums of a list and of a folder.
pub struct Sums(Vec<Part>);

#[derive(Clone, Copy, Default)]
struct Part {
    /// Names in the list.
    listed: usize,
    /// The hashes of the list's names, less those of the folder's.
    difference: u64,
}

/// The names of some parts of the list.
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
    /// The list has it.
    pub fn listed(&mut self, name: &str) {
        let hash = hash(name);
        if let Some(part) = self.0.get_mut(part_of(hash)) {
            part.listed += 1;
            part.difference = part.difference.wrapping_add(hash);
        }
    }

    /// The folder has it.
    pub fn there(&mut self, name: &str) {
        let hash = hash(name);
        if let Some(part) = self.0.get_mut(part_of(hash)) {
            part.difference = part.difference.wrapping_sub(hash);
        }
    }

    /// Whether the list and the folder differ where this name would be.
    pub fn differ(&self, name: &str) -> bool {
        self.0.get(part_of(hash(name))).is_some_and(|part| part.difference != 0)
    }

    /// Those of the parts behind `behind` that differ and can be looked at together, if there are any.
    pub fn next(&self, behind: &Range<usize>) -> Option<Known<'_>> {
        let (mut parts, mut listed) = (behind.end..behind.end, 0);
        for (at, part) in self.0.iter().enumerate().skip(behind.end).filter(|(_, part)| part.difference != 0) {
            if listed > 0 && listed + part.listed > KNOWN {
                break;
            }
            (parts.end, listed) = (at + 1, listed + part.listed);
        }
        let hashes = Vec::with_capacity(listed.min(MOST));
        (!parts.is_empty()).then_some(Known { sums: self, parts, hashes })
    }
}

impl Known<'_> {
    /// The parts whose names these are.
    pub fn parts(&self) -> Range<usize> {
        self.parts.clone()
    }

    /// Whether a name is of these parts.
    pub fn covers(&self, name: &str) -> bool {
        self.parts.contains(&part_of(hash(name))) && self.sums.differ(name)
    }

    /// The list has it, which all are told of before the first is seen.
    pub fn listed(&mut self, name: &str) -> io::Result<()> {
        if !self.covers(name) {
            return Ok(());
        }
        if self.hashes.len() == MOST {
            self.sort();
        }
        if self.hashes.len() == MOST {
            return Err(io::Error::other("more recordings than can be told apart"));
        }
        self.hashes.push(hash(name) & !SEEN);
        Ok(())
    }

    /// All that are listed are known.
    pub fn sort(&mut self) {
        self.hashes.sort_unstable();
        self.hashes.dedup();
    }

    /// The folder has it; whether the list has it too.
    pub fn see(&mut self, name: &str) -> bool {
        let found = self.find(name).and_then(|at| self.hashes.get_mut(at));
        found.map(|hash| *hash |= SEEN).is_some()
    }

    /// Whether the list has a name that the folder has not.
    pub fn is_missing(&self, name: &str) -> bool {
        self.find(name).and_then(|at| self.hashes.get(at)).is_some_and(|hash| hash & SEEN == 0)
    }

    /// Whether the list has any that the folder has not.
    pub fn are_missing(&self) -> bool {
        self.hashes.iter().any(|hash| hash & SEEN == 0)
    }

    fn find(&self, name: &str) -> Option<usize> {
        let wanted = hash(name) & !SEEN;
        self.hashes.binary_search_by_key(&wanted, |hash| hash & !SEEN).ok()
    }
}

fn part_of(hash: u64) -> usize {
    // the highest bits: the lowest is for other use
    usize::try_from(hash >> 32).unwrap_or(0) % PARTS
}

/// The hash by which a name is known.
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
        // of 30,000 the list lacks two, and the folder one
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
            assert!(known.hashes.len() <= KNOWN && known.hashes.capacity() <= KNOWN, "{}", known.hashes.len());
            missing += known.hashes.len();
        }
        assert_eq!(missing, 30_000);
        // the same name again and again
        let mut sums = Sums::default();
        (0..30_000).for_each(|_| sums.listed("cam-1.flv"));
        let mut known = sums.next(&(0..0)).unwrap();
        (0..30_000).for_each(|_| known.listed("cam-1.flv").unwrap());
        known.sort();
        assert_eq!((known.hashes.len(), known.hashes.capacity()), (1, MOST));
    }
}
