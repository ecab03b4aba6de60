//! The ring: a stream's newest frames, with numbers that only grow.

mod page;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use self::page::{Marks, Page, Row, SLOTS};
use crate::budget::{Account, Lease, OverBudget};
use crate::media::{Frame, MAX_TRACKS, Ticks, Track, Tracks};

/// The number of a slot since the stream began.
pub(super) type Seq = u64;

/// The content of a slot.
#[derive(Clone, Debug)]
pub(super) enum Item {
    /// A frame.
    Frame(Frame),
    /// The tracks from here on.
    Tracks(Announcement),
}

/// New or changed tracks in mid-stream.
#[derive(Clone, Debug)]
pub(super) struct Announcement {
    pub(super) tracks: Arc<Tracks>,
    /// The frames after it do not continue the frames before it.
    pub(super) discontinuity: bool,
}

/// A slot, as it is put into the ring and read from it.
#[derive(Debug)]
pub(super) struct Slot {
    pub(super) item: Item,
    /// Decode time in milliseconds.
    pub(super) at: Ticks,
    /// True if a viewer may begin here.
    pub(super) start: bool,
    /// Pictures before it were lost.
    pub(super) gap: bool,
    /// The arrival, in milliseconds since the first arrival, which wrap; set by `push`.
    pub(super) came: u32,
}

/// The part of a page's cost for one slot.
const SHARE: usize = Page::COST / SLOTS;

/// The least number of small frames that are joined at once, while they are in the processor's cache. Fewer wait until
/// more follow or their page is closed.
const MIN_JOINED: usize = 4;

/// Slots `tail..head`.
#[derive(Debug, Default)]
pub(super) struct Ring {
    pages: VecDeque<Page>,
    /// The allocation of the last closed page, for the next one.
    spare: Option<Page>,
    tail: Seq,
    head: Seq,
    starts: VecDeque<Seq>,
    /// The announcements that are kept.
    news: VecDeque<News>,
    /// The last announcement that was dropped, and its number.
    told: Option<(Seq, Arc<Tracks>)>,
    arrivals: Option<Arrivals>,
    /// The time of the last slot at which a viewer may begin, and the milliseconds from the one before it.
    period: (Option<Ticks>, Option<i64>),
    /// The cost of the slots without packed units.
    bytes: usize,
}

/// An announcement and its number.
#[derive(Debug)]
struct News {
    seq: Seq,
    announcement: Announcement,
    _lease: Lease,
}

impl News {
    /// Bytes: its tracks, and its place in a queue that grows.
    const COST: usize = 3 * size_of::<Self>() + MAX_TRACKS * size_of::<Track>();
}

/// The base of the arrival times of slots: an `Instant` in each slot would cost more than a count of milliseconds.
#[derive(Debug)]
struct Arrivals {
    /// The first arrival, which slots count from.
    began: Instant,
    newest: Instant,
}

impl Arrivals {
    fn ms(&self) -> u32 {
        self.newest.saturating_duration_since(self.began).as_millis() as u32
    }
}

impl Ring {
    /// The number of the oldest slot.
    pub(super) fn tail(&self) -> Seq {
        self.tail
    }

    /// The number of the next slot.
    pub(super) fn head(&self) -> Seq {
        self.head
    }

    /// The slot of that number, if the ring has it. The bytes of a frame are shared.
    pub(super) fn slot(&self, seq: Seq) -> Option<Slot> {
        let (page, row) = self.row(seq)?;
        let item = match page.frame(seq) {
            Some(frame) => Item::Frame(frame),
            None => Item::Tracks(self.announcement(seq)?.clone()),
        };
        let (start, gap) = (row.has(Marks::START), row.has(Marks::GAP));
        Some(Slot { item, at: page.at(row), start, gap, came: page.came(row) })
    }

    /// The decode time of the slot of that number, in milliseconds.
    pub(super) fn time(&self, seq: Seq) -> Option<Ticks> {
        self.row(seq).map(|(page, row)| page.at(row))
    }

    fn row(&self, seq: Seq) -> Option<(&Page, &Row)> {
        let page = self.page(seq)?;
        Some((page, page.row(seq)?))
    }

    fn page(&self, seq: Seq) -> Option<&Page> {
        let behind = self.pages.partition_point(|page| page.first() <= seq);
        self.pages.get(behind.checked_sub(1)?)
    }

    fn announcement(&self, seq: Seq) -> Option<&Announcement> {
        let at = self.news.binary_search_by_key(&seq, |news| news.seq).ok()?;
        self.news.get(at).map(|news| &news.announcement)
    }

    /// The tracks from that number on, if it is an announcement.
    pub(super) fn tracks(&self, seq: Seq) -> Option<&Arc<Tracks>> {
        self.announcement(seq).map(|news| &news.tracks)
    }

    /// Adds the new tracks in `tracks` to the announcement of that number.
    pub(super) fn complete(&mut self, seq: Seq, tracks: &Tracks) {
        if let Some(news) = self.news.iter_mut().find(|news| news.seq == seq) {
            Arc::make_mut(&mut news.announcement.tracks).complete(tracks);
        }
    }

    /// The newest number at which a viewer may begin.
    pub(super) fn newest_start(&self) -> Option<Seq> {
        self.starts.back().copied()
    }

    /// The frames at which viewers may begin, the newest first.
    pub(super) fn starts(&self) -> impl Iterator<Item = Frame> {
        self.starts.iter().rev().filter_map(|seq| self.page(*seq)?.frame(*seq))
    }

    /// The milliseconds between the last two slots at which a viewer may begin.
    pub(super) fn period(&self) -> Option<i64> {
        self.period.1
    }

    /// The first number from `from` on at which a viewer may begin.
    pub(super) fn start_from(&self, from: Seq) -> Option<Seq> {
        self.starts.iter().copied().find(|seq| *seq >= from)
    }

    /// The tracks of the last dropped announcement, if its number is `from` or later.
    pub(super) fn announced_since(&self, from: Seq) -> Option<&Arc<Tracks>> {
        self.told.as_ref().filter(|(at, _)| *at >= from).map(|(_, tracks)| tracks)
    }

    /// The cost of the slots without packed units.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// The arrival of the newest frame.
    pub(super) fn newest_arrival(&self) -> Option<Instant> {
        self.arrivals.as_ref().map(|arrivals| arrivals.newest)
    }

    /// True if the ring has no slot.
    pub(super) fn is_empty(&self) -> bool {
        self.head == self.tail
    }

    /// Sets the arrival of the slots that are pushed from here on.
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

    /// Closes the last page if the next slot, of the time `at`, does not belong there, and joins its small frames. A
    /// page also ends where viewers begin (`start`), because all before that is dropped together, unless the page is
    /// nearly empty.
    pub(super) fn turn(&mut self, at: Ticks, start: bool, packed: Seq, account: &Account) {
        let came = self.came();
        let turns = |page: &&mut Page| !page.fits(at, came) || start && page.len() >= SLOTS / 4;
        // while there is a spare room, the last page is closed already
        let open = self.pages.back_mut().filter(|_| self.spare.is_none());
        if let Some(page) = open.filter(turns) {
            page.join(packed, 2, account);
            self.spare = page.close(account);
        }
    }

    /// The bytes that the next slot, of the time `at`, costs beside its frame.
    pub(super) fn next_cost(&self, at: Ticks) -> usize {
        let page = self.pages.back().filter(|page| page.fits(at, self.came())).or(self.spare.as_ref());
        page.map_or(Page::FIRST_COST, Page::next_cost)
    }

    /// The newest arrival in the unit of slots.
    fn came(&self) -> u32 {
        self.arrivals.as_ref().map_or(0, Arrivals::ms)
    }

    /// Joins the last small frames if they are worth a block. Frames before the slot `packed` are left out, because
    /// packed units share their bytes.
    pub(super) fn join(&mut self, packed: Seq, account: &Account) {
        self.pages.back_mut().into_iter().for_each(|page| page.join(packed, MIN_JOINED, account));
    }

    /// Appends a slot.
    pub(super) fn push(&mut self, mut slot: Slot, account: &Account) -> Result<(), OverBudget> {
        slot.came = self.came();
        let news = match &slot.item {
            Item::Tracks(announcement) => Some((announcement.clone(), account.charge(News::COST)?)),
            Item::Frame(_) => None,
        };
        let (seq, at, start) = (self.head, slot.at, slot.start);
        match self.pages.back_mut().filter(|page| page.fits(slot.at, slot.came)) {
            Some(page) => page.reserve(account)?,
            None => {
                let mut page = Page::begin(seq, self.spare.take());
                page.reserve(account)?;
                // most rings keep about ten pages; a queue that doubles would leave half of its room unused
                self.pages.reserve_exact(1 + self.pages.len() / 4);
                self.pages.push_back(page);
            }
        }
        self.bytes += self.pages.back_mut().map_or(Ok(0), |page| page.push(slot))? + SHARE;
        self.head += 1;
        if start {
            self.starts.push_back(seq);
            self.period = (Some(at), self.period.0.map(|last| (at - last).0));
        }
        self.news.extend(news.map(|(announcement, lease)| News { seq, announcement, _lease: lease }));
        Ok(())
    }

    /// Drops the oldest slot; false if there is none.
    pub(super) fn evict(&mut self) -> bool {
        let Some(row) = self.pages.front_mut().and_then(Page::evict) else { return false };
        self.bytes -= row.len() + SHARE;
        if row.has(Marks::START) {
            self.starts.pop_front();
        }
        if row.is_news() {
            self.told = self.news.pop_front().map(|news| (news.seq, news.announcement.tracks));
        }
        self.tail += 1;
        if self.pages.front().is_some_and(Page::is_spent) {
            self.pages.pop_front();
        }
        true
    }

    /// Drops slots that are no longer needed: all before the `gops`-th newest start, except those younger than `age`
    /// milliseconds.
    pub(super) fn trim(&mut self, gops: usize, age: i64) {
        let Some(before) = self.nth_start(gops).filter(|before| *before > self.tail) else { return };
        let Some(newest) = self.head.checked_sub(1).and_then(|seq| self.time(seq)) else { return };
        while self.tail < before && self.time(self.tail).is_some_and(|at| (newest - at).0 > age) {
            self.evict();
        }
    }

    /// The `nth` newest number at which a viewer may begin, counted from 1.
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
        (self.pages, self.spare, self.starts, self.news, self.period) = Default::default();
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
        Slot { item: Item::Frame(frame), at: Ticks(at), start, gap: false, came: 0 }
    }

    fn push(ring: &mut Ring, account: &Account, slot: Slot) {
        ring.turn(slot.at, slot.start, 0, account);
        ring.push(slot, account).unwrap();
    }

    fn account() -> Account {
        Account::root("test", 1 << 20)
    }

    #[test]
    fn numbers_go_on_when_the_oldest_are_dropped() {
        let (mut ring, account) = (Ring::default(), account());
        (0..10).for_each(|n| push(&mut ring, &account, slot(n * 40, n % 5 == 0)));
        assert_eq!((ring.tail(), ring.head(), ring.newest_start()), (0, 10, Some(5)));
        assert_eq!(ring.period(), Some(200));
        assert!(ring.evict());
        assert_eq!((ring.tail(), ring.head(), ring.start_from(0)), (1, 10, Some(5)));
        assert!(ring.slot(0).is_none() && ring.slot(10).is_none());
        assert_eq!(ring.slot(5).unwrap().at, Ticks(200));
    }

    #[test]
    fn a_slot_costs_something_only_where_its_page_grows() {
        let (mut ring, account, mut grown) = (Ring::default(), account(), 0);
        for n in 0..1000 {
            let slot = slot(n * 40, n % 50 == 0);
            ring.turn(slot.at, slot.start, 0, &account);
            let (cost, used) = (ring.next_cost(slot.at), account.used());
            ring.push(slot, &account).unwrap();
            assert!(account.used() - used <= cost, "{n}");
            grown += usize::from(cost > 0);
            ring.trim(2, 0);
        }
        // later pages have the room of the first, and closed ones only that of their slots
        assert_eq!(grown, SLOTS.ilog2() as usize - 1);
        assert!(account.used() <= Page::COST + (ring.head - ring.tail) as usize * SHARE);
        ring.clear();
        assert_eq!(account.used(), 0);
    }

    #[test]
    fn slots_know_when_they_came_whatever_their_times_are() {
        let (mut ring, account, now) = (Ring::default(), account(), Instant::now());
        assert!(ring.arrival(&slot(0, true)).is_none());
        // the milliseconds of slots wrap within these
        let came: Vec<_> = [0, 40, 40, 4_294_900_000, 4_294_967_400].map(|ms| now + Duration::from_millis(ms)).into();
        for came in &came[1..] {
            ring.arrive(*came);
            push(&mut ring, &account, slot(0, true));
        }
        ring.arrive(now);
        let found: Vec<_> = (2..4).filter_map(|seq| ring.arrival(&ring.slot(seq)?)).collect();
        assert_eq!(found, came[3..]);
    }

    #[test]
    fn trimming_keeps_whole_gops_and_what_is_young() {
        let (mut ring, account) = (Ring::default(), account());
        (0..20).for_each(|n| push(&mut ring, &account, slot(n * 100, n % 5 == 0)));
        ring.trim(2, 5000);
        assert_eq!(ring.tail(), 0);
        ring.trim(2, 300);
        assert_eq!((ring.tail(), ring.starts.len()), (10, 2));
        ring.trim(5, 0);
        assert_eq!(ring.tail(), 10);
    }
}
