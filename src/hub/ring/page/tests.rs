use std::sync::Arc;

use super::*;
use crate::budget::BLOCK_OVERHEAD;
use crate::hub::ring::Announcement;

/// A page and its account, with frames of these lengths; `None` is an announcement of tracks.
fn page(frames: impl IntoIterator<Item = Option<usize>>) -> (Page, Account) {
    let account = Account::root("test", 1 << 20);
    let mut page = Page::begin(100, None);
    for (number, len) in (0..).zip(frames) {
        let item = len.map_or(Item::Tracks(Announcement { tracks: Arc::default(), discontinuity: false }), |len| {
            let data = Paid::copy(&account, &vec![number; len]).unwrap();
            Item::Frame(Frame { dts: Ticks(7), cts: 1, kind: Kind::Video, track: 2, key: true, data })
        });
        let slot = Slot { item, at: Ticks(number.into()), start: false, gap: false, came: 0 };
        assert!(page.fits(slot.at, slot.came));
        page.reserve(&account).unwrap();
        assert_eq!(page.push(slot), Ok(len.unwrap_or(0)));
    }
    (page, account)
}

/// The bytes of the frame of a slot.
fn data(page: &Page, seq: Seq) -> Option<Bytes> {
    page.frame(seq).map(|frame| frame.data.share())
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
    let room = page.close(&account).unwrap();
    assert_eq!(account.used(), Page::COST + Page::cost(SLOTS, 1) + SLOTS * 100 + BLOCK_OVERHEAD);
    assert_eq!(Page::begin(132, Some(room)).next_cost(), 0);
    assert_eq!(account.used(), Page::cost(SLOTS, 1) + SLOTS * 100 + BLOCK_OVERHEAD);
    holds(&page, &frames);
    drop(page);
    assert_eq!(account.used(), 0);
}

#[test]
fn each_block_goes_with_its_last_slot_whatever_the_order_of_sizes_is() {
    let frames = [0, 9, 50_000, 1, 2, MAX_JOINED, MAX_JOINED + 1, 3, 0, 60_000, 60_000].map(Some);
    let frames = [&frames[..5], &[None], &frames[5..], &[None, Some(5)]].concat();
    let (mut page, account) = page(frames.clone());
    let cost = Page::cost(16, 16);
    page.join(0, 2, &account);
    let blocks = [9, 50_000, 3 + MAX_JOINED, MAX_JOINED + 1, 3, 60_000, 60_000, 5];
    let mut left: usize = blocks.iter().map(|len| len + BLOCK_OVERHEAD).sum();
    assert_eq!(account.used() - cost, left);
    let last = [1, 2, 6, 7, 9, 10, 11, 13];
    for at in 0..frames.len() {
        holds(&page, &frames);
        assert!(page.evict().is_some());
        left -= last.iter().position(|last| *last == at).map_or(0, |block| blocks[block] + BLOCK_OVERHEAD);
        assert_eq!(account.used() - cost, left, "{at}");
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
    // frames that were tried are not tried again
    page.join(0, 2, &account);
    assert_eq!(page.blocks.len(), 4);
    (0..4).for_each(|_| _ = page.evict());
    holds(&page, &frames);
}

#[test]
fn a_frame_that_is_held_keeps_its_block_charged_and_no_more() {
    let (mut page, account) = page([Some(MAX_JOINED - 1); SLOTS]);
    page.join(0, 2, &account);
    let held = data(&page, 110);
    drop(page);
    assert!((MAX_JOINED..=MAX_BLOCK + BLOCK_OVERHEAD).contains(&account.used()), "{}", account.used());
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
#[test]
fn a_page_grows_as_slots_come_and_costs_little_if_few_stay() {
    let (mut page, account) = page([Some(0); 2]);
    assert_eq!(account.used(), Page::cost(FIRST_SLOTS, FIRST_SLOTS) + 2 * BLOCK_OVERHEAD);
    for number in 2..SLOTS {
        let data = Paid::of(Bytes::new());
        let item = Item::Frame(Frame { dts: Ticks(7), cts: 1, kind: Kind::Audio, track: 0, key: true, data });
        page.reserve(&account).unwrap();
        page.push(Slot { item, at: Ticks(number as i64), start: true, gap: false, came: 0 }).unwrap();
        assert!(page.evict().is_some());
    }
    assert_eq!(account.used(), Page::cost(FIRST_SLOTS, FIRST_SLOTS));
    assert!(!page.fits(Ticks(40), 0) && page.len() == 2);
}

#[test]
fn a_slot_far_from_the_first_one_goes_elsewhere_and_times_are_whole() {
    let (mut page, account) = page([Some(1)]);
    let (day, hour) = (Ticks(86_400_000), 3_600_000);
    assert!(!page.fits(day, 0) && !page.fits(Ticks(0), hour) && !page.fits(Ticks(i64::MIN), 0));
    assert!(page.evict().is_some() && page.fits(day, hour));
    for (at, came) in [(day, hour), (day - Ticks(30_000), hour + 60_000)] {
        let item = Item::Tracks(Announcement { tracks: Arc::default(), discontinuity: false });
        assert!(page.fits(at, came));
        page.reserve(&account).unwrap();
        page.push(Slot { item, at, start: false, gap: true, came }).unwrap();
        let row = page.row(page.first + page.len() as Seq - 1).unwrap();
        assert_eq!((page.at(row), page.came(row), row.has(Marks::GAP)), (at, came, true));
    }
}
