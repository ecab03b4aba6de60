//! A page of a ring: consecutive slots, and the blocks that contain their bytes.
//!
//! The block of a small frame costs as much as the frame itself. So small frames that are not packed yet are joined
//! into one block, which stays charged while any part of it is held.
//!
//! A closed page moves to memory of its exact size. Memory that is shrunk in place would leave a hole that is too small
//! for the next page, so the next page reuses the old room.

use std::collections::VecDeque;

use bytes::Bytes;

use super::{Item, Seq, Slot};
use crate::budget::{Account, BlockMut, Lease, OverBudget, Paid};
use crate::media::{Frame, Kind, Ticks};

/// The most slots of a page.
pub(super) const SLOTS: usize = 32;
/// The longest frame, in bytes, that is joined with others: a longer one is worth its own block.
const MAX_JOINED: usize = 2 << 10;
/// The most bytes of a block of several frames: a viewer that holds one of them holds all.
const MAX_BLOCK: usize = 4 << 10;
/// The slots that a page has room for at first, for a ring that keeps only a few frames, as that of a radio.
const FIRST_SLOTS: usize = 4;

/// A page.
#[derive(Debug, Default)]
pub(super) struct Page {
    /// The number of the first slot that is kept.
    first: Seq,
    /// The decode time that those of the rows are relative to, in milliseconds.
    at: Ticks,
    /// The arrival that those of the rows are relative to, in the unit of the ring.
    came: u32,
    rows: VecDeque<Row>,
    /// The blocks, in the order of the rows. A row has its own, or shares one with its neighbours.
    blocks: VecDeque<Bytes>,
    /// The number of dropped blocks, which is that of the first kept one.
    gone: u8,
    /// The number of last rows that were not tried for joining.
    loose: u8,
    /// The number of slots that can be added.
    room: u8,
    lease: Option<Lease>,
}

/// A slot without its bytes. They are the part of its block before the bytes of the later rows in that block.
#[derive(Clone, Copy, Debug)]
pub(super) struct Row {
    dts: Ticks,
    cts: i32,
    len: u32,
    /// The decode time relative to that of the page, in milliseconds.
    at: i16,
    /// The arrival relative to that of the page, in milliseconds.
    came: u16,
    /// The number of its block in the page.
    block: u8,
    /// `None` for an announcement of tracks, which the ring keeps.
    kind: Option<Kind>,
    track: u8,
    marks: Marks,
}

// A ring holds thousands of rows, so growth must be noticed.
const _: () = assert!(size_of::<Row>() <= 24);

/// Marks of a slot, one bit each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Marks(u8);

impl Marks {
    const KEY: Self = Self(1);
    /// A viewer may begin here.
    pub(super) const START: Self = Self(2);
    /// Pictures before it were lost.
    pub(super) const GAP: Self = Self(4);

    fn of(marks: [(Self, bool); 3]) -> Self {
        Self(marks.into_iter().filter(|(_, is_set)| *is_set).fold(0, |bits, (mark, _)| bits | mark.0))
    }
}

impl Row {
    /// The bytes of its frame.
    pub(super) fn len(&self) -> usize {
        self.len as usize
    }

    /// True if it has the mark.
    pub(super) fn has(&self, mark: Marks) -> bool {
        self.marks.0 & mark.0 != 0
    }

    /// True if it is an announcement of tracks.
    pub(super) fn is_news(&self) -> bool {
        self.kind.is_none()
    }
}

impl Page {
    /// The bytes of a full page. A queue that grows has room for twice its elements, and for them once more while they
    /// are moved. The same is true of the ring's queues of pages and of starts.
    pub(super) const COST: usize = Self::cost(SLOTS, SLOTS);

    /// The bytes of a page with its first slot.
    pub(super) const FIRST_COST: usize = Self::cost(FIRST_SLOTS, FIRST_SLOTS);

    const fn cost(rows: usize, blocks: usize) -> usize {
        let row = size_of::<Row>() + 3 * size_of::<Seq>();
        3 * size_of::<Self>() + rows * row + blocks * size_of::<Bytes>()
    }

    /// An empty page in the room of a closed one; its first slot will be `first`.
    pub(super) fn begin(first: Seq, spare: Option<Self>) -> Self {
        Self { first, room: SLOTS as u8, ..spare.unwrap_or_default() }
    }

    /// The number of the first slot that is kept.
    pub(super) fn first(&self) -> Seq {
        self.first
    }

    /// The number of slots.
    pub(super) fn len(&self) -> usize {
        self.rows.len()
    }

    /// True if all its slots are dropped, and no more can be added.
    pub(super) fn is_spent(&self) -> bool {
        self.room == 0 && self.rows.is_empty()
    }

    /// True if a slot with these times belongs to this page.
    pub(super) fn fits(&self, at: Ticks, came: u32) -> bool {
        self.room > 0 && (self.rows.is_empty() || self.times(at, came).is_some())
    }

    /// The times relative to the page, as in a row.
    fn times(&self, at: Ticks, came: u32) -> Option<(i16, u16)> {
        let at = at.0.checked_sub(self.at.0).and_then(|at| i16::try_from(at).ok())?;
        Some((at, u16::try_from(came.wrapping_sub(self.came)).ok()?))
    }

    /// The bytes that are charged for the next slot; 0 if there is room for it.
    pub(super) fn next_cost(&self) -> usize {
        let count = self.rows.len();
        let has_room = self.rows.capacity().min(self.blocks.capacity()) > count;
        if has_room { 0 } else { Self::cost(Self::grown(count), Self::grown(count)) }
    }

    fn grown(count: usize) -> usize {
        (2 * count).clamp(FIRST_SLOTS, SLOTS)
    }

    /// Makes room for the next slot.
    pub(super) fn reserve(&mut self, account: &Account) -> Result<(), OverBudget> {
        let cost = self.next_cost();
        if cost > 0 {
            let lease = account.charge(cost)?;
            let count = Self::grown(self.rows.len());
            self.rows.reserve_exact(count - self.rows.len());
            self.blocks.reserve_exact(count - self.blocks.len());
            self.lease = Some(lease);
        }
        Ok(())
    }

    /// Appends a slot that fits and has room; returns the bytes of its frame.
    pub(super) fn push(&mut self, slot: Slot) -> Result<usize, OverBudget> {
        let Slot { item, at, start, gap, came } = slot;
        if self.rows.is_empty() {
            (self.at, self.came) = (at, came);
        }
        let block = self.gone + self.blocks.len() as u8;
        let (since, after) = self.times(at, came).unwrap_or_default();
        let marks = |key| Marks::of([(Marks::KEY, key), (Marks::START, start), (Marks::GAP, gap)]);
        let news =
            Row { dts: at, cts: 0, len: 0, at: since, came: after, block, kind: None, track: 0, marks: marks(false) };
        let (row, bytes) = match item {
            Item::Tracks(_) => (news, Bytes::new()),
            Item::Frame(Frame { dts, cts, kind, track, key, data }) => {
                let (wanted, limit) = (data.len(), u32::MAX as usize);
                let len = u32::try_from(wanted).map_err(|_| OverBudget { wanted, limit })?;
                (Row { dts, cts, len, kind: Some(kind), track, marks: marks(key), ..news }, data.share())
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
        self.rows.get(self.place(seq)?)
    }

    fn place(&self, seq: Seq) -> Option<usize> {
        usize::try_from(seq.checked_sub(self.first)?).ok()
    }

    /// The decode time of a row, in milliseconds.
    pub(super) fn at(&self, row: &Row) -> Ticks {
        self.at + Ticks(row.at.into())
    }

    /// The arrival of a row, in the unit of the ring.
    pub(super) fn came(&self, row: &Row) -> u32 {
        self.came.wrapping_add(row.came.into())
    }

    /// The frame of a slot, whose bytes are shared; `None` for an announcement.
    pub(super) fn frame(&self, seq: Seq) -> Option<Frame> {
        let place = self.place(seq)?;
        let row = self.rows.get(place)?;
        let Row { dts, cts, kind, track, .. } = *row;
        let block = self.blocks.get(usize::from(row.block.checked_sub(self.gone)?))?;
        let behind = self.rows.range(place..).take_while(|next| next.block == row.block).map(Row::len).sum();
        let from = block.len().checked_sub(behind)?;
        let data = block.get(from..from.checked_add(row.len())?)?;
        Some(Frame { dts, cts, kind: kind?, track, key: row.has(Marks::KEY), data: Paid::of(block.slice_ref(data)) })
    }

    /// Drops the oldest slot, and its block unless other slots share it.
    pub(super) fn evict(&mut self) -> Option<Row> {
        let row = self.rows.pop_front()?;
        self.first += 1;
        let next = self.rows.front().map_or(u8::MAX, |row| row.block);
        while self.gone < next && self.blocks.pop_front().is_some() {
            self.gone += 1;
        }
        Some(row)
    }

    /// Closes the page. Returns its room, unless there is no memory to move the slots to.
    pub(super) fn close(&mut self, account: &Account) -> Option<Self> {
        self.room = 0;
        let lease = account.charge(Self::cost(self.rows.len(), self.blocks.len())).ok()?;
        let (rows, blocks) = (moved(&mut self.rows), moved(&mut self.blocks));
        let lease = self.lease.replace(lease);
        Some(Self { rows, blocks, lease, ..Self::default() })
    }

    /// Joins the small frames from the slot `from` on that were not tried yet, if there are at least `least`. Frames
    /// for which there is no memory stay in their blocks.
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
            let number = self.gone + self.blocks.len() as u8;
            let run = run(&loose);
            match shared(loose.range(..run), account) {
                Some(block) => {
                    rows.by_ref().take(run).for_each(|row| row.block = number);
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

/// Moves the elements of a queue to one of the exact size; returns the old one, which is empty.
fn moved<T>(queue: &mut VecDeque<T>) -> VecDeque<T> {
    let mut exact = VecDeque::with_capacity(queue.len());
    exact.extend(queue.drain(..));
    std::mem::replace(queue, exact)
}

/// The number of leading frames that are joined into one block; at least one.
fn run(frames: &VecDeque<Bytes>) -> usize {
    let mut room = MAX_BLOCK;
    let fits = |frame: &&Bytes| {
        let left = room.checked_sub(frame.len()).filter(|_| frame.len() <= MAX_JOINED);
        room = left.unwrap_or(room);
        left.is_some()
    };
    frames.iter().take_while(fits).count().max(1)
}

/// A block of several frames; `None` for a single frame, or without memory.
fn shared<'a>(frames: impl ExactSizeIterator<Item = &'a Bytes> + Clone, account: &Account) -> Option<Bytes> {
    if frames.len() < 2 {
        return None;
    }
    let mut block = BlockMut::new(account, frames.clone().map(Bytes::len).sum()).ok()?;
    frames.for_each(|frame| _ = block.fill(frame));
    Some(block.freeze())
}

#[cfg(test)]
mod tests;
