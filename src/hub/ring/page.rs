//! A page of a ring: slots that came one after the other, and the blocks that their bytes are in.
//!
//! A small frame costs as much for its block as for itself. So those that nobody has packed yet are
//! put together: into one block, which is charged as long as somebody holds a part of it.

use std::collections::VecDeque;

use bytes::Bytes;

use super::{Item, Seq, Slot};
use crate::budget::{Account, BlockMut, Lease, OverBudget, Paid};
use crate::media::{Frame, Kind, Ticks};

/// The slots of a page, at most.
pub(super) const SLOTS: usize = 32;
/// A longer frame stays in the block that it came in, in bytes: it is worth one.
const SMALL: usize = 2 << 10;
/// The most bytes of a block of several frames: a viewer that holds one of them holds all.
const SHARED: usize = 4 << 10;
const _: () = assert!(SHARED <= u16::MAX as usize, "offsets have 16 bits");

/// A page. It has room for all of its slots from the start, and gives back what it did not need once it is closed.
#[derive(Debug)]
pub(super) struct Page {
    /// The number of the first slot that is still there.
    first: Seq,
    rows: VecDeque<Row>,
    /// In the order of the rows. A row has one of its own, or shares it with those before and behind.
    blocks: VecDeque<Bytes>,
    /// Blocks that are gone: the number of the first that is still there.
    gone: u16,
    /// So many of the last rows have not been put together with others.
    loose: u16,
    /// So many slots more fit.
    room: u16,
    lease: Lease,
}

/// A slot without its bytes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Row {
    pub(super) at: Ticks,
    dts: Ticks,
    cts: i32,
    /// The time of its arrival, as the ring counts it.
    pub(super) came: u32,
    len: u32,
    /// The place of its first byte in its block.
    offset: u16,
    /// The number of its block in the page.
    block: u16,
    /// `None` for news of the tracks, which the ring has.
    kind: Option<Kind>,
    track: u8,
    key: bool,
    pub(super) start: bool,
    pub(super) gap: bool,
}

// A ring holds thousands: growth must be noticed.
const _: () = assert!(size_of::<Row>() <= 40);

impl Row {
    /// The bytes of its frame.
    pub(super) fn len(&self) -> usize {
        self.len as usize
    }

    /// Whether it is news of the tracks.
    pub(super) fn is_news(&self) -> bool {
        self.kind.is_none()
    }
}

impl Page {
    /// The bytes of an open page. A queue that grows holds its elements twice over, and once more while they are
    /// moved: so does the ring hold its pages, and the numbers of slots with which viewers may begin.
    pub(super) const COST: usize = Self::cost(SLOTS, SLOTS);

    const fn cost(rows: usize, blocks: usize) -> usize {
        let row = size_of::<Row>() + 3 * size_of::<Seq>();
        3 * size_of::<Self>() + rows * row + blocks * size_of::<Bytes>()
    }

    /// An empty page, whose first slot will be `first`.
    pub(super) fn new(first: Seq, account: &Account) -> Result<Self, OverBudget> {
        let lease = account.charge(Self::COST)?;
        let (rows, blocks) = (VecDeque::with_capacity(SLOTS), VecDeque::with_capacity(SLOTS));
        Ok(Self { first, rows, blocks, gone: 0, loose: 0, room: SLOTS as u16, lease })
    }

    /// The number of the first slot that is still there.
    pub(super) fn first(&self) -> Seq {
        self.first
    }

    /// The slots that are there.
    pub(super) fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether it takes no more slots.
    pub(super) fn is_full(&self) -> bool {
        self.room == 0
    }

    /// Whether all its slots are gone, and no more come.
    pub(super) fn is_spent(&self) -> bool {
        self.is_full() && self.rows.is_empty()
    }

    /// Appends a slot; gives the bytes of its frame.
    pub(super) fn push(&mut self, slot: Slot) -> Result<usize, OverBudget> {
        let Slot { item, at, start, gap, came } = slot;
        let block = self.gone + self.blocks.len() as u16;
        let news =
            Row { at, dts: at, cts: 0, came, len: 0, offset: 0, block, kind: None, track: 0, key: false, start, gap };
        let (row, bytes) = match item {
            Item::Tracks(_) => (news, Bytes::new()),
            Item::Frame(Frame { dts, cts, kind, track, key, data }) => {
                let (wanted, limit) = (data.len(), u32::MAX as usize);
                let len = u32::try_from(wanted).map_err(|_| OverBudget { wanted, limit })?;
                (Row { dts, cts, len, kind: Some(kind), track, key, ..news }, data.share())
            }
        };
        self.blocks.push_back(bytes);
        self.rows.push_back(row);
        self.loose += 1;
        self.room = self.room.saturating_sub(1);
        Ok(row.len())
    }

    /// The row of a slot.
    pub(super) fn row(&self, seq: Seq) -> Option<&Row> {
        self.rows.get(usize::try_from(seq.checked_sub(self.first)?).ok()?)
    }

    /// The frame of a row, whose bytes are shared; `None` for news.
    pub(super) fn frame(&self, row: &Row) -> Option<Frame> {
        let Row { dts, cts, kind, track, key, offset, .. } = *row;
        let block = self.blocks.get(usize::from(row.block.checked_sub(self.gone)?))?;
        let (_, part) = block.split_at_checked(usize::from(offset))?;
        let (part, _) = part.split_at_checked(row.len())?;
        Some(Frame { dts, cts, kind: kind?, track, key, data: Paid::of(block.slice_ref(part)) })
    }

    /// Drops the oldest slot, and its block unless others share it.
    pub(super) fn evict(&mut self) -> Option<Row> {
        let row = self.rows.pop_front()?;
        self.first += 1;
        let next = self.rows.front().map_or(u16::MAX, |row| row.block);
        while self.gone < next && self.blocks.pop_front().is_some() {
            self.gone += 1;
        }
        Some(row)
    }

    /// No more slots come.
    pub(super) fn close(&mut self) {
        self.room = 0;
        self.rows.shrink_to_fit();
        self.blocks.shrink_to_fit();
        self.lease.shrink(Self::cost(self.rows.capacity(), self.blocks.capacity()));
    }

    /// Puts small frames from the slot `from` on together that have not been yet, if they are `least` or more. Those
    /// for which there is no room stay where they are.
    pub(super) fn join(&mut self, from: Seq, least: usize, account: &Account) {
        let passed = usize::try_from(from.saturating_sub(self.first)).unwrap_or(usize::MAX);
        let count = self.rows.len().saturating_sub(passed).min(self.loose.into());
        if count < least {
            return;
        }
        self.loose = 0;
        let mut loose = self.blocks.split_off(self.blocks.len() - count);
        let mut rows = self.rows.range_mut(self.rows.len() - count..);
        while !loose.is_empty() {
            let number = self.gone + self.blocks.len() as u16;
            let run = run(&loose);
            match shared(loose.range(..run), account) {
                Some(block) => {
                    let mut offset = 0;
                    for row in rows.by_ref().take(run) {
                        (row.block, row.offset) = (number, offset);
                        offset = offset.saturating_add(row.len as u16);
                    }
                    loose.drain(..run);
                    self.blocks.push_back(block);
                }
                None => {
                    (number..).zip(rows.by_ref().take(run)).for_each(|(number, row)| row.block = number);
                    self.blocks.extend(loose.drain(..run));
                }
            }
        }
    }
}

/// The number of the first frames that go into one block; one at least.
fn run(frames: &VecDeque<Bytes>) -> usize {
    let mut room = SHARED;
    let fits = |frame: &&Bytes| {
        let left = room.checked_sub(frame.len()).filter(|_| frame.len() <= SMALL);
        room = left.unwrap_or(room);
        left.is_some()
    };
    frames.iter().take_while(fits).count().max(1)
}

/// A block of several frames; `None` for one alone, and where there is no room.
fn shared<'a>(frames: impl ExactSizeIterator<Item = &'a Bytes> + Clone, account: &Account) -> Option<Bytes> {
    if frames.len() < 2 {
        return None;
    }
    let mut block = BlockMut::new(account, frames.clone().map(Bytes::len).sum()).ok()?;
    frames.for_each(|frame| _ = block.fill(frame));
    Some(block.freeze())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::budget::BLOCK_OVERHEAD;
    use crate::hub::ring::Announcement;

    /// A page and its account, with frames of so many bytes; `None` stands for news of the tracks.
    fn page(frames: impl IntoIterator<Item = Option<usize>>) -> (Page, Account) {
        let account = Account::root("test", 1 << 20);
        let mut page = Page::new(100, &account).unwrap();
        for (number, len) in (0..).zip(frames) {
            let item = len.map_or(Item::Tracks(Announcement { tracks: Arc::default(), discontinuity: false }), |len| {
                let data = Paid::copy(&account, &vec![number; len]).unwrap();
                Item::Frame(Frame { dts: Ticks(7), cts: 1, kind: Kind::Video, track: 2, key: true, data })
            });
            let slot = Slot { item, at: Ticks(number.into()), start: false, gap: false, came: 0 };
            assert_eq!(page.push(slot), Ok(len.unwrap_or(0)));
        }
        (page, account)
    }

    /// The bytes of the frame of a slot.
    fn data(page: &Page, seq: Seq) -> Option<Bytes> {
        page.frame(page.row(seq)?).map(|frame| frame.data.share())
    }

    fn holds(page: &Page, frames: &[Option<usize>]) {
        for (number, len) in (0..).zip(frames) {
            let seq = 100 + Seq::from(number);
            assert_eq!(data(page, seq), len.filter(|_| seq >= page.first).map(|len| vec![number; len].into()), "{seq}");
        }
    }

    #[test]
    fn small_frames_share_a_block() {
        let frames = [Some(100); SLOTS];
        let (mut page, account) = page(frames);
        assert_eq!(account.used(), Page::COST + SLOTS * (100 + BLOCK_OVERHEAD));
        page.join(0, 2, &account);
        holds(&page, &frames);
        assert_eq!(account.used(), Page::COST + SLOTS * 100 + BLOCK_OVERHEAD);
        page.close();
        assert_eq!(account.used(), Page::cost(SLOTS, 1) + SLOTS * 100 + BLOCK_OVERHEAD);
        holds(&page, &frames);
        drop(page);
        assert_eq!(account.used(), 0);
    }

    #[test]
    fn each_block_goes_with_its_last_slot_whatever_the_order_of_sizes_is() {
        let frames = [0, 9, 50_000, 1, 2, SMALL, SMALL + 1, 3, 0, 60_000, 60_000].map(Some);
        let frames = [&frames[..5], &[None], &frames[5..], &[None, Some(5)]].concat();
        let (mut page, account) = page(frames.clone());
        page.join(0, 2, &account);
        let blocks = [9, 50_000, 3 + SMALL, SMALL + 1, 3, 60_000, 60_000, 5];
        let mut left: usize = blocks.iter().map(|len| len + BLOCK_OVERHEAD).sum();
        assert_eq!(account.used() - Page::COST, left);
        let last = [1, 2, 6, 7, 9, 10, 11, 13];
        for at in 0..frames.len() {
            holds(&page, &frames);
            assert!(page.evict().is_some());
            left -= last.iter().position(|last| *last == at).map_or(0, |block| blocks[block] + BLOCK_OVERHEAD);
            assert_eq!(account.used() - Page::COST, left, "{at}");
        }
        assert!(page.evict().is_none() && page.blocks.is_empty());
    }

    #[test]
    fn frames_that_somebody_has_packed_stay_where_they_are() {
        let frames = [Some(100); 6];
        let (mut page, account) = page(frames);
        page.join(103, 2, &account);
        assert_eq!((page.blocks.len(), data(&page, 102).unwrap().len()), (4, 100));
        holds(&page, &frames);
        // what was looked at is not looked at again
        page.join(0, 2, &account);
        assert_eq!(page.blocks.len(), 4);
        (0..4).for_each(|_| _ = page.evict());
        holds(&page, &frames);
    }

    #[test]
    fn a_frame_that_is_held_keeps_its_block_charged_and_no_more() {
        let (mut page, account) = page([Some(SMALL - 1); SLOTS]);
        page.join(0, 2, &account);
        let held = data(&page, 110);
        drop(page);
        assert!((SMALL..=SHARED + BLOCK_OVERHEAD).contains(&account.used()), "{}", account.used());
        drop(held);
        assert_eq!(account.used(), 0);
    }

    #[test]
    fn frames_stay_where_they_are_if_there_is_no_room() {
        let frames = [Some(100); SLOTS];
        let (mut page, account) = page(frames);
        account.set_limit(account.used() + 100);
        page.join(0, 2, &account);
        assert_eq!(page.blocks.len(), SLOTS);
        holds(&page, &frames);
    }

    #[test]
    fn news_of_tracks_has_no_frame() {
        let (mut page, account) = page([Some(1), None, Some(1)]);
        page.join(0, 2, &account);
        assert!(page.row(101).is_some_and(Row::is_news));
        assert_eq!((page.blocks.len(), data(&page, 101)), (1, None));
    }
}
