//! Answers that are remembered for a while.

use std::time::{Duration, Instant};

use super::answer::Ruling;

/// The digest of a question.
pub(super) type Mark = [u8; 16];

/// An answer that is remembered.
#[derive(Debug)]
pub(super) struct Known {
    mark: Mark,
    until: Instant,
    ruling: Ruling,
}

/// The answers of one server.
#[derive(Debug, Default)]
pub(super) struct Memory(Vec<Known>);

/// The most answers that are remembered: beyond that, the one that ends first is forgotten.
pub(super) const MOST_KNOWN: usize = 128;
/// The time for which a leave is remembered.
const ALLOWED: Duration = Duration::from_secs(30);
/// The same for a refusal.
const REFUSED: Duration = Duration::from_secs(5);

impl Memory {
    pub(super) fn find(&self, mark: &Mark, now: Instant) -> Option<Ruling> {
        self.0.iter().find(|one| one.mark == *mark && now < one.until).map(|one| one.ruling)
    }

    pub(super) fn add(&mut self, mark: Mark, ruling: Ruling, now: Instant) {
        self.0.retain(|one| now < one.until && one.mark != mark);
        if self.0.len() >= MOST_KNOWN
            && let Some(first) = self.0.iter().enumerate().min_by_key(|(_, one)| one.until).map(|(at, _)| at)
        {
            self.0.swap_remove(first);
        }
        self.0.reserve_exact(if self.0.capacity() == 0 { MOST_KNOWN } else { 0 });
        let until = now + if ruling == Ruling::Allow { ALLOWED } else { REFUSED };
        self.0.push(Known { mark, until, ruling });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_leave_is_remembered_longer_than_a_refusal_and_the_memory_does_not_grow() {
        let (mut memory, start) = (Memory::default(), Instant::now());
        let mark = |at: usize| u128::to_le_bytes(at as u128);
        memory.add(mark(0), Ruling::Allow, start);
        memory.add(mark(1), Ruling::Deny, start);
        let at = |millis| start + Duration::from_millis(millis);
        assert_eq!((memory.find(&mark(1), at(4999)), memory.find(&mark(1), at(5000))), (Some(Ruling::Deny), None));
        assert_eq!((memory.find(&mark(0), at(29_999)), memory.find(&mark(0), at(30_000))), (Some(Ruling::Allow), None));
        memory.add(mark(0), Ruling::Challenge, at(1));
        assert_eq!(memory.find(&mark(0), at(1)), Some(Ruling::Challenge), "the newest counts");
        (2..MOST_KNOWN + 9).for_each(|one| memory.add(mark(one), Ruling::Allow, at(2)));
        assert_eq!((memory.0.len(), memory.0.capacity()), (MOST_KNOWN, MOST_KNOWN));
        assert_eq!(memory.find(&mark(1), at(2)), None, "it ends first");
    }
}
