//! A stream: its publisher, its ring, and the viewers that wait for frames.

use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Waker};
use std::time::{Duration, Instant};

use super::echo::Last;
use super::form::{Packer, Unit};
use super::gauges::Rates;
use super::hold::{Dismissal, Hold, Measure, Pressed, SQUEEZED};
use super::occupant::Occupant;
use super::pulse::Pulse;
use super::ring::{Announcement, Item, Ring, Seq, Slot};
use super::timeline::Timeline;
use super::{FormStats, Limits, Name, StreamStats, Ticket, Traffic, Waiting, lock};
use crate::budget::{Account, OverBudget};
use crate::container::Form;
use crate::media::{Frame, Ticks, Tracks, Wall};

/// A stream by its name.
pub struct Stream {
    name: Name,
    account: Account,
    pub(super) limits: Limits,
    state: Mutex<State>,
}

pub(super) struct State {
    pub(super) ring: Ring,
    pub(super) timeline: Timeline,
    pub(super) tracks: Arc<Tracks>,
    /// The first number at which viewers may begin: before it, other decoder records applied.
    pub(super) epoch: Seq,
    /// True if the kinds of the stream's tracks are known.
    pub(super) settled: bool,
    /// The number of the slot that announced the tracks of a returned publisher, until their kinds are known.
    pub(super) returned: Option<Seq>,
    /// Pictures before the next key frame were lost.
    pub(super) gap: bool,
    pub(super) publisher: Option<Occupant>,
    /// The last time that a publisher joined, or that a publisher or a viewer left.
    pub(super) left: Instant,
    /// The time at which the last publisher left.
    pub(super) unpublished: Instant,
    /// Readers of events were notified that a viewer can begin.
    pub(super) told_open: bool,
    /// The last frames of the previous publisher.
    pub(super) last: Last,
    /// Servers to which the stream is pushed.
    pub(super) fed: Vec<u128>,
    pub(super) packers: Vec<Packer>,
    /// Its publisher is logged for debugging only.
    hushed: bool,
    pub(super) viewers: Vec<Waiter>,
    pub(super) traffic: Traffic,
    pub(super) pulse: Pulse,
    pub(super) rates: Rates,
    /// The newest time in milliseconds when the time of day was set last, and that time of day.
    wall: Option<(Ticks, Wall)>,
}

/// The time that viewers may still take frames after the publisher has left.
const LEFTOVER_TIME: Duration = Duration::from_secs(3);

/// A viewer skips if it is behind by more than this number of groups of pictures and this number of milliseconds.
const MAX_LAG: (usize, i64) = (3, 3000);

/// The error for a slot that was dropped.
pub(super) struct Gone;

/// The place of a viewer, or of a connection that waits for the stream.
#[derive(Default)]
pub(super) struct Waiter {
    taken: bool,
    /// The number that it takes next; the maximum if it takes any.
    pub(super) next: Seq,
    /// It has sent all frames.
    armed: bool,
    /// Set if it gives way while it waits for a publisher.
    gives_way: Option<Waits>,
    /// It takes no place among the viewers: it waits, or sends to viewers that have places.
    is_guest: bool,
    /// Set once it is dismissed. If it gave way, another viewer has its place.
    pub(super) dismissed: Option<Dismissal>,
    /// The session, if it is in the list.
    pub(super) ticket: Option<Ticket>,
    /// The session that sends the stream to it.
    pub(super) listens_to: Option<Ticket>,
    /// It has begun to play.
    pub(super) began: bool,
    /// Bytes sent as of its last turn.
    pub(super) moved: u64,
    /// The number of times that it was too far behind, and skipped to a key frame.
    pub(super) skips: u32,
    pub(super) waker: Option<Waker>,
    /// The batch that it is sending, once its socket has accepted no more.
    pub(super) hold: Option<Hold>,
}

/// The bits of the address of a connection that gives way, and the start of its wait.
#[derive(Clone, Copy)]
struct Waits {
    peer: Option<u128>,
    since: Instant,
}

impl Stream {
    pub(super) fn new(name: Name, account: Account, limits: Limits) -> Self {
        let state = State {
            ring: Ring::default(),
            timeline: Timeline::default(),
            tracks: Arc::default(),
            epoch: 0,
            settled: false,
            returned: None,
            gap: false,
            publisher: None,
            left: Instant::now(),
            unpublished: Instant::now(),
            told_open: false,
            last: Last::default(),
            fed: Vec::new(),
            packers: Vec::new(),
            hushed: false,
            viewers: Vec::new(),
            traffic: Traffic::default(),
            pulse: Pulse::default(),
            rates: Rates::default(),
            wall: None,
        };
        Self { name, account, limits, state: Mutex::new(state) }
    }

    /// The name.
    pub fn name(&self) -> &Name {
        &self.name
    }

    /// The account that the stream's memory is charged to.
    pub fn account(&self) -> &Account {
        &self.account
    }

    /// True if the stream has a publisher.
    pub fn is_live(&self) -> bool {
        self.lock().publisher.is_some()
    }

    /// The bits of the publisher's address; `None` if that address is not counted.
    pub fn publisher_peer(&self) -> Option<u128> {
        self.lock().publisher.as_ref().and_then(|occupant| occupant.peer)
    }

    /// The session that publishes, if it is in the list.
    pub fn publisher(&self) -> Option<Ticket> {
        self.lock().publisher.as_ref().and_then(|occupant| occupant.ticket)
    }

    /// True if a new viewer can begin. If not, an event follows once it can.
    pub fn is_open(&self) -> bool {
        let mut state = self.lock();
        let is_open = state.start().is_some();
        state.told_open &= is_open;
        is_open
    }

    /// True if the stream has viewers, waiting ones included.
    pub fn is_watched(&self) -> bool {
        self.lock().is_watched()
    }

    /// True if the stream has a publisher or viewers, waiting ones included.
    pub fn is_used(&self) -> bool {
        let state = self.lock();
        state.publisher.is_some() || state.is_watched()
    }

    /// The statistics at this moment.
    pub fn stats(&self) -> StreamStats {
        let state = self.lock();
        let forms = state.packers.iter().filter(|packer| packer.viewers > 0);
        StreamStats {
            publisher: state.publisher.as_ref().map(|occupant| occupant.who.to_string()),
            codecs: state.tracks.iter().map(|track| track.codec.name()).collect(),
            traffic: state.traffic,
            forms: forms.map(form_stats).collect(),
        }
    }

    /// Sets the time of day at which the newest frame arrived. False if there is none.
    pub(super) fn time_of_day(&self, wall: Wall) -> bool {
        let mut state = self.lock();
        let newest = state.timeline.newest();
        if state.publisher.is_none() || state.ring.is_empty() || state.wall.is_some_and(|(at, _)| at == newest) {
            return false;
        }
        state.wall = Some((newest, wall));
        let watched = state.packers.iter_mut().filter(|packer| packer.viewers > 0);
        watched.for_each(|packer| packer.time_of_day(newest, wall));
        true
    }

    /// True if it counts against `streams.max`: it has a publisher or frames.
    pub(super) fn is_occupied(&self) -> bool {
        let state = self.lock();
        state.publisher.is_some() || !state.ring.is_empty()
    }

    /// True if its publisher is logged for debugging only, because there are many.
    pub fn is_hushed(&self) -> bool {
        self.lock().hushed
    }

    /// True if it was not used for `resume`.
    pub(super) fn is_idle(&self, now: Instant, resume: Duration) -> bool {
        let state = self.lock();
        let published = state.ring.head() > 0;
        let unused = now.saturating_duration_since(state.left);
        state.publisher.is_none() && (unused >= resume || !published)
    }

    /// Drops the frames of a publisher that has left, after viewers had time to take them: the stream no longer counts
    /// against `streams.max`.
    pub(super) fn drop_leftovers(&self, now: Instant) {
        let mut state = self.lock();
        if state.publisher.is_none() && now.saturating_duration_since(state.unpublished) >= LEFTOVER_TIME {
            state.ring.clear();
            state.forget_units();
        }
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }
}

fn form_stats(packer: &Packer) -> FormStats {
    let missing = packer.missing().map(|track| track.codec.name()).collect();
    FormStats { form: packer.form.name, viewers: packer.viewers, missing }
}

impl State {
    /// Sets whether the publisher is logged for debugging only.
    pub(super) fn hush(&mut self, hushed: bool) {
        self.hushed = hushed;
        self.packers.iter_mut().for_each(|packer| packer.hushed = hushed);
    }

    /// Appends a frame. The oldest slots are dropped to make room for it and for the largest that may follow.
    pub(super) fn push_frame(
        &mut self,
        frame: Frame,
        at: Ticks,
        start: bool,
        account: &Account,
        limits: &Limits,
    ) -> Result<(), OverBudget> {
        self.ring.turn(at, start, self.packed(), account);
        let largest = limits.max_frame.max(frame.data.len());
        let was_tight = self.make_room(account, largest.saturating_add(self.ring.next_cost(at)));
        let gap = start && self.gap;
        self.ring.push(Slot { item: Item::Frame(frame), at, start, gap, came: 0 }, account)?;
        self.gap &= !gap;
        if was_tight {
            let (cost, room) = (self.cost(), account.limit().saturating_sub(limits.max_frame));
            let squeezed = SQUEEZED.into_iter().find(|(parts, _)| cost < room / parts);
            squeezed.into_iter().for_each(|(_, most)| self.press(1, most));
        }
        self.retire(limits.gops);
        Ok(())
    }

    /// True if half of the ring's memory is used.
    pub(super) fn is_filling(&self, account: &Account, limits: &Limits) -> bool {
        self.cost() >= account.limit().saturating_sub(limits.max_frame) / 2
    }

    /// The cost of the ring with packed units.
    fn cost(&self) -> usize {
        self.ring.bytes() + self.packers.iter().map(Packer::cost).sum::<usize>()
    }

    /// Drops the slots that are not needed: those before the `gops`-th newest key frame that every viewer has taken,
    /// and those so old that a viewer which has not taken them has to skip.
    fn retire(&mut self, gops: usize) {
        self.ring.trim(MAX_LAG.0, MAX_LAG.1);
        let Some(keep) = self.ring.nth_start(gops).filter(|keep| *keep > self.ring.tail()) else {
            return self.forget_units();
        };
        let needed = self.viewers.iter().filter(|waiter| waiter.taken).map(|waiter| waiter.next).min();
        self.ring.drop_before(keep.min(needed.unwrap_or(keep)));
        self.forget_units();
    }

    /// Drops the oldest slot and its packed units; false if there is none.
    fn evict(&mut self) -> bool {
        let gone = self.ring.evict();
        self.forget_units();
        gone
    }

    /// Drops the units of dropped slots.
    pub(super) fn forget_units(&mut self) {
        let Self { ring, packers, .. } = self;
        for packer in packers.iter_mut().filter(|packer| packer.viewers > 0) {
            packer.base(ring);
        }
    }

    /// Drops the oldest slots until there is room for `bytes`, and returns whether that was needed. An account has room
    /// for two frames of the largest size: if the ring drops everything, viewers still hold slots that it dropped
    /// before. Frames charged to other accounts count as well.
    pub(super) fn make_room(&mut self, account: &Account, bytes: usize) -> bool {
        let room = |ring: &Ring| account.available().min(account.limit().saturating_sub(ring.bytes()));
        if room(&self.ring) >= bytes {
            return false;
        }
        while room(&self.ring) < bytes && self.evict() {}
        self.press(bytes.saturating_sub(account.available()), Measure::AnyGoes);
        true
    }

    /// Makes viewers release slots that the ring has dropped, until those that are to release them hold `wanted` bytes.
    /// It takes one viewer at a time, by the mildest measure up to `most`, the one whose socket has accepted nothing
    /// for the longest time first.
    fn press(&mut self, wanted: usize, most: Measure) {
        let (tail, head, now) = (self.ring.tail(), self.ring.head(), self.ring.newest_arrival());
        let holds = self.viewers.iter().filter_map(|waiter| waiter.hold.as_ref());
        let going: usize = holds.filter(|hold| hold.pressed).map(|hold| hold.bytes as usize).sum();
        if going >= wanted {
            return;
        }
        let ranked = self.viewers.iter_mut().filter_map(|waiter| {
            let behind = waiter.next < head;
            let hold = waiter.hold.as_mut().filter(|hold| hold.from < tail)?;
            let measure = hold.measure(now, behind).filter(|measure| *measure <= most)?;
            Some(((measure, hold.since), hold, waiter.waker.as_ref()))
        });
        let first = ranked.min_by_key(|(rank, ..)| *rank);
        if let Some((_, hold, waker)) = first {
            hold.pressed = true;
            waker.into_iter().for_each(Waker::wake_by_ref);
        }
    }

    /// Appends an announcement of tracks. Viewers begin after it if earlier frames need other decoder records.
    pub(super) fn push_tracks(
        &mut self,
        tracks: Arc<Tracks>,
        breaks: bool,
        discontinuity: bool,
        account: &Account,
    ) -> Result<(), OverBudget> {
        let (item, seq) = (Item::Tracks(Announcement { tracks: tracks.clone(), discontinuity }), self.ring.head());
        let at = self.timeline.newest();
        self.ring.turn(at, false, self.packed(), account);
        self.ring.push(Slot { item, at, start: false, gap: false, came: 0 }, account)?;
        if breaks {
            self.epoch = seq + 1;
        }
        match self.returned {
            _ if discontinuity => self.returned = Some(seq),
            Some(seq) => self.ring.complete(seq, &tracks),
            None => {}
        }
        self.tracks = tracks;
        Ok(())
    }

    /// True if the stream has viewers, waiting ones included.
    pub(super) fn is_watched(&self) -> bool {
        self.viewers.iter().any(|waiter| waiter.taken)
    }

    /// Sets whether the kinds of the stream's tracks are known.
    pub(super) fn settle(&mut self, settled: bool) {
        (self.settled, self.returned) = (settled, None);
    }

    /// The number at which a viewer that joins now begins; `None` while it cannot.
    pub(super) fn start(&self) -> Option<Seq> {
        let newest = self.ring.newest_start().filter(|seq| *seq >= self.epoch);
        newest.filter(|_| self.settled && self.publisher.is_some())
    }

    /// Starts the packer at `at` with the slot `start`, for its first viewer.
    pub(super) fn wake_packer(&mut self, at: usize, start: Seq, tracks: &Arc<Tracks>, time: Ticks) {
        let wall = self.wall;
        let Some(packer) = self.packers.get_mut(at) else { return };
        packer.wake(start, tracks, time);
        if let Some((at, wall)) = wall {
            packer.time_of_day(at, wall);
        }
    }

    /// The number after the last packed slot: packed units share the bytes of the slots before it.
    fn packed(&self) -> Seq {
        self.packers.iter().filter(|packer| packer.viewers > 0).map(Packer::end).max().unwrap_or(0)
    }

    /// Joins the small frames since the last call, before they are packed.
    pub(super) fn join(&mut self, account: &Account) {
        self.ring.join(self.packed(), account);
    }

    /// Wakes all viewers that have sent all frames.
    pub(super) fn wake(&mut self) {
        for waiter in &mut self.viewers {
            if waiter.armed
                && let Some(waker) = &waiter.waker
            {
                waiter.armed = false;
                waker.wake_by_ref();
            }
        }
    }

    /// Counts bytes that viewers have received. The publisher is woken for the first.
    pub(super) fn received(&mut self, bytes: u64) {
        let is_first = bytes > 0 && self.traffic.bytes_out == 0;
        self.traffic.bytes_out += bytes;
        if is_first && let Some(waker) = self.publisher.as_ref().and_then(|occupant| occupant.waker.as_ref()) {
            waker.wake_by_ref();
        }
    }

    /// The index of the packer of `form`.
    pub(super) fn packer(&mut self, name: &Name, form: &'static Form) -> u16 {
        let known = self.packers.iter().position(|packer| std::ptr::eq(packer.form, form));
        let at = known.unwrap_or_else(|| {
            self.packers.push(Packer::new(name.clone(), form, self.hushed));
            self.packers.len() - 1
        });
        u16::try_from(at).unwrap_or(u16::MAX)
    }

    /// The slot `seq` in one form, `None` if the form cannot carry it. While there is no memory, the oldest slots are
    /// dropped, possibly including that one.
    pub(super) fn unit(&mut self, packer: usize, seq: Seq, account: &Account) -> Result<Option<Arc<Unit>>, Gone> {
        while seq >= self.ring.tail() {
            let State { ring, packers, .. } = self;
            match packers.get_mut(packer).ok_or(Gone)?.unit(ring, seq, account) {
                Ok(unit) => return Ok(unit),
                Err(_) => self.evict(),
            };
        }
        Err(Gone)
    }

    pub(super) fn watched(&self) -> bool {
        self.packers.iter().any(|packer| packer.viewers > 0)
    }

    /// A seat for a viewer, or for a guest without a place among them.
    pub(super) fn seat(&mut self, is_guest: bool) -> usize {
        let free = self.viewers.iter().position(|waiter| !waiter.taken);
        let seat = free.unwrap_or(self.viewers.len());
        if free.is_none() {
            self.viewers.push(Waiter::default());
        }
        if let Some(waiter) = self.viewers.get_mut(seat) {
            (waiter.taken, waiter.next, waiter.is_guest) = (true, Seq::MAX, is_guest);
        }
        seat
    }

    /// Stores the waker of the viewer in `seat`; if `armed`, for the next frame.
    pub(super) fn wait(&mut self, seat: usize, armed: bool, cx: &Context<'_>) {
        let Some(waiter) = self.viewers.get_mut(seat) else { return };
        waiter.armed = armed;
        match &mut waiter.waker {
            Some(waker) => waker.clone_from(cx.waker()),
            none => *none = Some(cx.waker().clone()),
        }
    }

    /// Stores the number that the viewer in `seat` takes next.
    pub(super) fn advance(&mut self, seat: usize, next: Seq) {
        if let Some(waiter) = self.viewers.get_mut(seat) {
            waiter.next = next;
        }
    }

    /// The viewer in `seat` has sent its batch.
    pub(super) fn let_go(&mut self, seat: usize) {
        if let Some(waiter) = self.viewers.get_mut(seat) {
            waiter.hold = None;
        }
    }

    /// The viewer in `seat` holds only the unit that is partly sent: that of the slot `from`, with that number of
    /// `bytes`.
    pub(super) fn gave_up(&mut self, seat: usize, from: Seq, bytes: u32) {
        if let Some(hold) = self.viewers.get_mut(seat).and_then(|waiter| waiter.hold.as_mut()) {
            hold.gave_up(from, bytes);
        }
    }

    /// Stores that the viewer in `seat` is sending `hold`, and the time since which its socket has accepted nothing,
    /// which restarts if it has `progressed`. Returns the step for the viewer, unless it is dismissed.
    pub(super) fn hold(&mut self, seat: usize, hold: Hold, progressed: bool) -> Result<Pressed, Dismissal> {
        let Some(waiter) = self.viewers.get_mut(seat) else { return Ok(Pressed::No) };
        match &mut waiter.hold {
            Some(known) if progressed => known.since = hold.since,
            Some(_) => {}
            none => *none = Some(hold),
        }
        let pressed = waiter.hold.as_ref().map_or(Pressed::No, Hold::pressed);
        waiter.dismissed.map_or(Ok(pressed), Err)
    }

    /// The viewer or guest in `seat` gives way while there is no publisher and nothing left to send.
    pub(super) fn give_way(&mut self, seat: usize, peer: Option<u128>) {
        if let Some(waiter) = self.viewers.get_mut(seat) {
            waiter.gives_way = Some(Waits { peer, since: Instant::now() });
        }
    }

    /// The viewer or guest in `seat` no longer gives way.
    pub(super) fn stay(&mut self, seat: usize) {
        if let Some(waiter) = self.viewers.get_mut(seat) {
            waiter.gives_way = None;
        }
    }

    /// The connections that can give way now, by the numbers of their seats; with `guests` also those that are no
    /// viewers. A connection that is sending a batch is not among them.
    pub(super) fn waiting(&self, guests: bool) -> impl Iterator<Item = Waiting> {
        let waits = move |(seat, waiter): (usize, &Waiter)| {
            let Waits { peer, since } = waiter.gives_way.filter(|_| guests || !waiter.is_guest)?;
            let since = since.max(self.unpublished);
            let waits = waiter.dismissed.is_none() && waiter.hold.is_none();
            waits.then_some(Waiting { peer, since, number: seat as u64 })
        };
        let is_over = self.publisher.is_none() && self.ring.is_empty();
        self.viewers
            .get(..if is_over { self.viewers.len() } else { 0 })
            .unwrap_or_default()
            .iter()
            .enumerate()
            .filter_map(waits)
    }

    /// Dismisses the viewer or guest in `seat` if it still waits; returns whether it was a viewer.
    pub(super) fn dismiss(&mut self, seat: usize) -> Option<bool> {
        self.waiting(true).find(|one| one.number == seat as u64)?;
        let waiter = self.viewers.get_mut(seat)?;
        waiter.dismissed = Some(Dismissal::GaveWay);
        waiter.waker.iter().for_each(Waker::wake_by_ref);
        Some(!waiter.is_guest)
    }

    pub(super) fn dismissal(&self, seat: usize) -> Option<Dismissal> {
        self.viewers.get(seat).and_then(|waiter| waiter.dismissed)
    }

    /// Sets the session of the viewer in `seat`.
    pub(super) fn name_as(&mut self, seat: usize, ticket: Ticket) {
        if let Some(waiter) = self.viewers.get_mut(seat) {
            waiter.ticket = Some(ticket);
        }
    }

    /// The viewer in `seat` is sent to by the session `ticket`.
    pub(super) fn listen(&mut self, seat: usize, ticket: Ticket) {
        if let Some(waiter) = self.viewers.get_mut(seat) {
            waiter.listens_to = Some(ticket);
        }
    }

    /// Stores the bytes sent to the viewer in `seat`, and whether it has begun to play.
    pub(super) fn count(&mut self, seat: usize, moved: u64, began: bool) {
        if let Some(waiter) = self.viewers.get_mut(seat) {
            (waiter.moved, waiter.began) = (moved, began);
        }
    }

    /// Counts that the viewer in `seat` skips to a key frame.
    pub(super) fn skips(&mut self, seat: usize) {
        self.traffic.skips += 1;
        if let Some(waiter) = self.viewers.get_mut(seat) {
            waiter.skips = waiter.skips.saturating_add(1);
        }
    }

    /// True if the one in `seat` has a place among the viewers.
    pub(super) fn has_place(&self, seat: usize) -> bool {
        self.viewers.get(seat).is_some_and(|waiter| !waiter.is_guest && waiter.dismissed != Some(Dismissal::GaveWay))
    }

    pub(super) fn leave(&mut self, seat: usize) {
        if let Some(waiter) = self.viewers.get_mut(seat) {
            *waiter = Waiter::default();
        }
        if self.viewers.iter().all(|waiter| !waiter.taken) {
            self.viewers = Vec::new();
        }
    }
}
