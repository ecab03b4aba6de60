//! The ring: a stream's newest frames, numbered without end.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::budget::Lease;
use crate::media::{Frame, Ticks, Tracks};

/// The number of a slot since the stream began.
pub(super) type Seq = u64;

/// The content of a slot.
#[derive(Clone, Debug)]
pub(super) enum Item {
    /// A frame.
    Frame(Frame),
    /// The tracks that the stream has from here on.
    Tracks(Announcement),
}

/// New or changed tracks in mid-stream.
#[derive(Clone, Debug)]
pub(super) struct Announcement {
    pub(super) tracks: Arc<Tracks>,
    /// The frames after it do not continue those before it.
    pub(super) discontinuity: bool,
}

/// An item and what holding it costs.
#[derive(Debug)]
pub(super) struct Slot {
    pub(super) item: Item,
    /// Decode time in milliseconds.
    pub(super) at: Ticks,
    /// A viewer may begin here.
    pub(super) start: bool,
    /// Pictures before it were lost.
    pub(super) gap: bool,
    /// The time of its arrival, in milliseconds since the first one, which wrap; set as it is pushed.
    pub(super) came: u32,
    pub(super) _lease: Lease,
}

/// The bytes that a slot costs beside its frame: a queue that grows holds its elements twice over, and once
/// more while they are moved.
pub(super) const SLOT_COST: usize = 3 * (size_of::<Slot>() + size_of::<Seq>());

impl Slot {
    fn bytes(&self) -> usize {
        let data = if let Item::Frame(frame) = &self.item { frame.data.len() } else { 0 };
        data.saturating_add(SLOT_COST)
    }
}

/// Slots `tail..head`.
#[derive(Debug, Default)]
pub(super) struct Ring {
    slots: VecDeque<Slot>,
    tail: Seq,
    starts: VecDeque<Seq>,
    /// The last announcement that is gone, and its number.
    told: Option<(Seq, Arc<Tracks>)>,
    arrivals: Option<Arrivals>,
    /// The cost of the slots without packed forms.
    bytes: usize,
}

/// The times from which the arrivals of slots are counted: an `Instant` in each slot would cost more than a
/// count of milliseconds.
#[derive(Debug)]
struct Arrivals {
    /// The first arrival, from which slots count.
    began: Instant,
    newest: Instant,
}

impl Arrivals {
    fn ms(&self) -> u32 {
        self.newest.saturating_duration_since(self.began).as_millis() as u32
    }
}

impl Ring {
    /// The oldest number that is still there.
    pub(super) fn tail(&self) -> Seq {
        self.tail
    }

    /// The number that comes next.
    pub(super) fn head(&self) -> Seq {
        self.tail + self.slots.len() as Seq
    }

    /// The slot of that number, if it is still or already there.
    pub(super) fn slot(&self, seq: Seq) -> Option<&Slot> {
        let index = usize::try_from(seq.checked_sub(self.tail)?).ok()?;
        self.slots.get(index)
    }

    /// The tracks from that number on, if that is its news.
    pub(super) fn tracks(&self, seq: Seq) -> Option<&Arc<Tracks>> {
        match &self.slot(seq)?.item {
            Item::Tracks(news) => Some(&news.tracks),
            Item::Frame(_) => None,
        }
    }

    /// Adds what is new in `tracks` to those that were announced with that number.
    pub(super) fn complete(&mut self, seq: Seq, tracks: &Tracks) {
        let index = seq.checked_sub(self.tail).and_then(|index| usize::try_from(index).ok());
        let slot = index.and_then(|index| self.slots.get_mut(index));
        if let Some(Slot { item: Item::Tracks(news), .. }) = slot {
            Arc::make_mut(&mut news.tracks).complete(tracks);
        }
    }

    /// The newest number at which a viewer may begin.
    pub(super) fn newest_start(&self) -> Option<Seq> {
        self.starts.back().copied()
    }

    /// The frames that viewers may begin with, the newest first.
    pub(super) fn starts(&self) -> impl Iterator<Item = &Frame> {
        let slots = self.starts.iter().rev().filter_map(|seq| self.slot(*seq));
        slots.filter_map(|slot| if let Item::Frame(frame) = &slot.item { Some(frame) } else { None })
    }

    /// The first number not before `from` where a viewer may begin.
    pub(super) fn start_from(&self, from: Seq) -> Option<Seq> {
        self.starts.iter().copied().find(|seq| *seq >= from)
    }

    /// The tracks that were announced last among what is gone, if that was at
    /// `from` or later.
    pub(super) fn announced_since(&self, from: Seq) -> Option<&Arc<Tracks>> {
        self.told.as_ref().filter(|(at, _)| *at >= from).map(|(_, tracks)| tracks)
    }

    /// The cost of the slots without packed forms.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// The arrival of the newest frame.
    pub(super) fn newest_arrival(&self) -> Option<Instant> {
        self.arrivals.as_ref().map(|arrivals| arrivals.newest)
    }

    /// Whether no slot is there.
    pub(super) fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }

    /// Slots that are pushed from here on arrived at `now`.
    pub(super) fn arrive(&mut self, now: Instant) {
        let arrivals = self.arrivals.get_or_insert(Arrivals { began: now, newest: now });
        arrivals.newest = arrivals.newest.max(now);
    }

    /// The time at which a slot arrived, to the millisecond.
    pub(super) fn arrival(&self, slot: &Slot) -> Option<Instant> {
        let arrivals = self.arrivals.as_ref()?;
        let ago = arrivals.ms().wrapping_sub(slot.came);
        arrivals.newest.checked_sub(Duration::from_millis(ago.into()))
    }

    /// Appends a slot.
    pub(super) fn push(&mut self, mut slot: Slot) {
        slot.came = self.arrivals.as_ref().map_or(0, Arrivals::ms);
        if slot.start {
            self.starts.push_back(self.head());
        }
        self.bytes += slot.bytes();
        self.slots.push_back(slot);
    }

    /// Drops the oldest slot; false if there is none.
    pub(super) fn evict(&mut self) -> bool {
        let Some(slot) = self.slots.pop_front() else { return false };
        self.bytes -= slot.bytes();
        if slot.start {
            self.starts.pop_front();
        }
        if let Item::Tracks(news) = slot.item {
            self.told = Some((self.tail, news.tracks));
        }
        self.tail += 1;
        true
    }

    /// Drops slots that are no longer needed: all before the `gops`-th newest
    /// start, but none that is younger than `age` milliseconds.
    pub(super) fn trim(&mut self, gops: usize, age: i64) {
        let Some(newest) = self.slots.back().map(|slot| slot.at) else { return };
        let Some(before) = self.nth_start(gops) else { return };
        while self.tail < before && self.slots.front().is_some_and(|slot| (newest - slot.at).0 > age) {
            self.evict();
        }
    }

    /// The `nth` newest number where a viewer may begin, counted from 1.
    pub(super) fn nth_start(&self, nth: usize) -> Option<Seq> {
        self.starts.len().checked_sub(nth).and_then(|index| self.starts.get(index)).copied()
    }

    /// Drops all before `seq`.
    pub(super) fn drop_before(&mut self, seq: Seq) {
        while self.tail < seq && self.evict() {}
    }

    /// Drops everything.
    pub(super) fn clear(&mut self) {
        while self.evict() {}
        self.slots.shrink_to_fit();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::budget::Account;
    use crate::media::Kind;

    fn slot(at: i64, start: bool) -> Slot {
        let data = bytes::Bytes::new().into();
        let frame = Frame { dts: Ticks(at), cts: 0, kind: Kind::Video, track: 0, key: start, data };
        let lease = Account::root("test", 1).charge(0).unwrap();
        Slot { item: Item::Frame(frame), at: Ticks(at), start, gap: false, came: 0, _lease: lease }
    }

    #[test]
    fn numbers_go_on_when_the_oldest_are_dropped() {
        let mut ring = Ring::default();
        (0..10).for_each(|n| ring.push(slot(n * 40, n % 5 == 0)));
        assert_eq!((ring.tail(), ring.head(), ring.newest_start()), (0, 10, Some(5)));
        assert!(ring.evict());
        assert_eq!((ring.tail(), ring.head(), ring.start_from(0)), (1, 10, Some(5)));
        assert!(ring.slot(0).is_none() && ring.slot(10).is_none());
        assert_eq!(ring.slot(5).unwrap().at, Ticks(200));
    }

    #[test]
    fn slots_know_when_they_came_whatever_their_times_are() {
        let (mut ring, now) = (Ring::default(), Instant::now());
        assert!(ring.arrival(&slot(0, true)).is_none());
        // the milliseconds of slots wrap within these
        let came: Vec<_> = [0, 40, 40, 4_294_900_000, 4_294_967_400].map(|ms| now + Duration::from_millis(ms)).into();
        for came in &came[1..] {
            ring.arrive(*came);
            ring.push(slot(0, true));
        }
        ring.arrive(now);
        let found: Vec<_> = ring.slots.iter().skip(2).filter_map(|slot| ring.arrival(slot)).collect();
        assert_eq!(found, came[3..]);
    }

    #[test]
    fn trimming_keeps_whole_gops_and_what_is_young() {
        let mut ring = Ring::default();
        (0..20).for_each(|n| ring.push(slot(n * 100, n % 5 == 0)));
        ring.trim(2, 5000);
        assert_eq!(ring.tail(), 0);
        ring.trim(2, 300);
        assert_eq!((ring.tail(), ring.starts.len()), (10, 2));
        ring.trim(5, 0);
        assert_eq!(ring.tail(), 10);
    }
}
