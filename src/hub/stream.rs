//! A stream: its publisher, its ring, and the viewers that wait for the next frames.

use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Waker};
use std::time::{Duration, Instant};

use super::echo::Last;
use super::form::{Packer, Unit};
use super::hold::{Dismissal, Hold, Measure, Pressed, SQUEEZED};
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
    /// Viewers may begin at this number or later: before it, other decoder
    /// records applied.
    pub(super) epoch: Seq,
    /// It is known which kinds of tracks the stream has.
    pub(super) settled: bool,
    /// The number of the slot that announced a returned publisher's tracks, as long as that is not known of it.
    pub(super) returned: Option<Seq>,
    /// Pictures were lost that come before the next key frame.
    pub(super) gap: bool,
    pub(super) publisher: Option<Occupant>,
    /// The last time that a publisher came, or that a publisher or a viewer left.
    pub(super) left: Instant,
    /// The time at which the last publisher left.
    pub(super) unpublished: Instant,
    /// Those who read events know that there is something to begin with.
    pub(super) told_open: bool,
    /// The frames that it has left behind.
    pub(super) last: Last,
    /// Servers that it is sent to.
    pub(super) fed: Vec<u128>,
    pub(super) packers: Vec<Packer>,
    /// The log is told of its publisher at the level for debugging alone.
    hushed: bool,
    pub(super) viewers: Vec<Waiter>,
    pub(super) traffic: Traffic,
    /// The time of the newest frame in milliseconds when the time of day was told last, and that time of day.
    wall: Option<(Ticks, Wall)>,
}

/// The time for which viewers may still take frames of a publisher that is gone.
const LEFTOVERS: Duration = Duration::from_secs(3);

/// A viewer that is behind by more than so many groups of pictures and so many
/// milliseconds skips.
const LAG: (usize, i64) = (3, 3000);

/// The session that publishes.
pub(super) struct Occupant {
    /// The connection, as the log calls it.
    pub(super) who: Arc<str>,
    /// The bits of its address; `None` where many come from one.
    pub(super) peer: Option<u128>,
    /// To tell it that it was replaced.
    pub(super) waker: Option<Waker>,
    /// The session, if it is in the list.
    pub(super) ticket: Option<Ticket>,
    /// Bytes of frames so far.
    pub(super) moved: u64,
    /// The operator ends it.
    pub(super) kicked: bool,
}

/// The slot is no longer there.
pub(super) struct Gone;

/// The place of a viewer, or of a connection that waits for the stream.
#[derive(Default)]
pub(super) struct Waiter {
    taken: bool,
    /// The number that it takes next; the greatest of all if any will do.
    pub(super) next: Seq,
    /// It has sent all there was.
    armed: bool,
    /// It gives way while it waits for a publisher.
    gives_way: Option<Waits>,
    /// It has no place among the viewers: it is a connection that waits, or sends to those that have.
    is_guest: bool,
    /// It is sent away. If it has given way, its place among the viewers is another's.
    pub(super) dismissed: Option<Dismissal>,
    /// The session, if it is in the list.
    pub(super) ticket: Option<Ticket>,
    /// The session that is sent to for it.
    pub(super) listens_to: Option<Ticket>,
    /// It has begun to play.
    pub(super) began: bool,
    /// Bytes sent so far, as its last turn knew.
    pub(super) moved: u64,
    pub(super) waker: Option<Waker>,
    /// The batch it is in the middle of sending, once its socket took no more.
    hold: Option<Hold>,
}

/// The bits of the address of a connection that gives way, and the time since which it waits.
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

    /// Whether somebody publishes.
    pub fn is_live(&self) -> bool {
        self.lock().publisher.is_some()
    }

    /// The bits of the address it is published from; `None` if nobody counts what that has.
    pub fn publisher_peer(&self) -> Option<u128> {
        self.lock().publisher.as_ref().and_then(|occupant| occupant.peer)
    }

    /// The session that publishes, if it is in the list.
    pub fn publisher(&self) -> Option<Ticket> {
        self.lock().publisher.as_ref().and_then(|occupant| occupant.ticket)
    }

    /// Whether there is something that a new viewer can begin with. If not, an event tells when there is.
    pub fn is_open(&self) -> bool {
        let mut state = self.lock();
        let is_open = state.start().is_some();
        state.told_open &= is_open;
        is_open
    }

    /// Whether somebody watches, or waits to.
    pub fn is_watched(&self) -> bool {
        self.lock().is_watched()
    }

    /// The stream at this moment.
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

    /// Says what time of day it is: the newest frame has just come. False if there
    /// is none.
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

    /// Whether it counts against `streams.max`: it is published, or still has frames.
    pub(super) fn is_occupied(&self) -> bool {
        let state = self.lock();
        state.publisher.is_some() || !state.ring.is_empty()
    }

    /// Whether its publisher is one of too many, of whom the log is not told.
    pub fn is_hushed(&self) -> bool {
        self.lock().hushed
    }

    /// Whether nobody has used it for `resume`.
    pub(super) fn is_idle(&self, now: Instant, resume: Duration) -> bool {
        let state = self.lock();
        let published = state.ring.head() > 0;
        let unused = now.saturating_duration_since(state.left);
        state.publisher.is_none() && (unused >= resume || !published)
    }

    /// Drops what is left of a publisher that is gone, once viewers have had the
    /// time to take it: the stream no longer counts against `streams.max`.
    pub(super) fn drop_leftovers(&self, now: Instant) {
        let mut state = self.lock();
        if state.publisher.is_none() && now.saturating_duration_since(state.unpublished) >= LEFTOVERS {
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
    /// Whether the log is told of the publisher at the level for debugging alone.
    pub(super) fn hush(&mut self, hushed: bool) {
        self.hushed = hushed;
        self.packers.iter_mut().for_each(|packer| packer.hushed = hushed);
    }

    /// Appends a frame, making room for it and for the largest that may follow
    /// by dropping the oldest slots.
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

    /// Whether half of the memory that the ring may have is taken.
    pub(super) fn is_filling(&self, account: &Account, limits: &Limits) -> bool {
        self.cost() >= account.limit().saturating_sub(limits.max_frame) / 2
    }

    /// The cost of the ring with packed forms.
    fn cost(&self) -> usize {
        self.ring.bytes() + self.packers.iter().map(Packer::cost).sum::<usize>()
    }

    /// Drops the slots that nobody needs: those before the `gops`-th newest key frame that every viewer has
    /// taken, and those so old that a viewer that has not taken them is to skip.
    fn retire(&mut self, gops: usize) {
        self.ring.trim(LAG.0, LAG.1);
        let Some(keep) = self.ring.nth_start(gops).filter(|keep| *keep > self.ring.tail()) else {
            return self.forget_units();
        };
        let needed = self.viewers.iter().filter(|waiter| waiter.taken).map(|waiter| waiter.next).min();
        self.ring.drop_before(keep.min(needed.unwrap_or(keep)));
        self.forget_units();
    }

    /// Drops the oldest slot and what it was packed to; false if there is none.
    fn evict(&mut self) -> bool {
        let gone = self.ring.evict();
        self.forget_units();
        gone
    }

    /// Drops the units of slots that the ring has dropped.
    pub(super) fn forget_units(&mut self) {
        let Self { ring, packers, .. } = self;
        for packer in packers.iter_mut().filter(|packer| packer.viewers > 0) {
            packer.base(ring);
        }
    }

    /// Drops the oldest slots until there is room for `bytes`, and says whether that
    /// was needed. An account has room for two frames of the largest size: if the ring
    /// has to give up everything, viewers hold what it has dropped before. What somebody else
    /// has paid for takes room as well.
    pub(super) fn make_room(&mut self, account: &Account, bytes: usize) -> bool {
        let room = |ring: &Ring| account.available().min(account.limit().saturating_sub(ring.bytes()));
        if room(&self.ring) >= bytes {
            return false;
        }
        while room(&self.ring) < bytes && self.evict() {}
        self.press(bytes.saturating_sub(account.available()), Measure::AnyGoes);
        true
    }

    /// Has viewers that hold what the ring has dropped let go of it, until those that are to hold `wanted`
    /// bytes: one at a time, by the mildest measure up to `most`, the one that has taken nothing for the
    /// longest time first.
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

    /// Appends news of the tracks. Viewers begin after it if what came before
    /// needs other decoder records.
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

    /// Whether somebody watches, or waits to.
    pub(super) fn is_watched(&self) -> bool {
        self.viewers.iter().any(|waiter| waiter.taken)
    }

    /// Whether it is known which kinds of tracks the stream has.
    pub(super) fn settle(&mut self, settled: bool) {
        (self.settled, self.returned) = (settled, None);
    }

    /// The number at which a viewer that joins now begins; `None` as long as it cannot.
    pub(super) fn start(&self) -> Option<Seq> {
        let newest = self.ring.newest_start().filter(|seq| *seq >= self.epoch);
        newest.filter(|_| self.settled && self.publisher.is_some())
    }

    /// Has the packer at `at` begin at `start`, because its first viewer does.
    pub(super) fn wake_packer(&mut self, at: usize, start: Seq, tracks: &Arc<Tracks>, time: Ticks) {
        let wall = self.wall;
        let Some(packer) = self.packers.get_mut(at) else { return };
        packer.wake(start, tracks, time);
        if let Some((at, wall)) = wall {
            packer.time_of_day(at, wall);
        }
    }

    /// The number behind the last slot that is packed: packed forms share the bytes of the slots before it.
    fn packed(&self) -> Seq {
        self.packers.iter().filter(|packer| packer.viewers > 0).map(Packer::end).max().unwrap_or(0)
    }

    /// Puts small frames together that have come since the last time, before somebody packs them.
    pub(super) fn join(&mut self, account: &Account) {
        self.ring.join(self.packed(), account);
    }

    /// Wakes all viewers that have sent what there was.
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

    /// The place of the packer of `form`.
    pub(super) fn packer(&mut self, name: &Name, form: &'static Form) -> u16 {
        let known = self.packers.iter().position(|packer| std::ptr::eq(packer.form, form));
        let at = known.unwrap_or_else(|| {
            self.packers.push(Packer::new(name.clone(), form, self.hushed));
            self.packers.len() - 1
        });
        u16::try_from(at).unwrap_or(u16::MAX)
    }

    /// The slot `seq` in one form, `None` if that has no place for it. While
    /// there is no room, the oldest slots go, and that one may be among them.
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

    /// A seat for a viewer, or for one that has no place among them.
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

    /// Remembers to wake the viewer in `seat`; if `armed`, for the next frame.
    pub(super) fn wait(&mut self, seat: usize, armed: bool, cx: &Context<'_>) {
        let Some(waiter) = self.viewers.get_mut(seat) else { return };
        waiter.armed = armed;
        match &mut waiter.waker {
            Some(waker) => waker.clone_from(cx.waker()),
            none => *none = Some(cx.waker().clone()),
        }
    }

    /// Remembers which number the viewer in `seat` takes next.
    pub(super) fn advance(&mut self, seat: usize, next: Seq) {
        if let Some(waiter) = self.viewers.get_mut(seat) {
            waiter.next = next;
        }
    }

    /// The viewer in `seat` has sent what it held.
    pub(super) fn let_go(&mut self, seat: usize) {
        if let Some(waiter) = self.viewers.get_mut(seat) {
            waiter.hold = None;
        }
    }

    /// The viewer in `seat` holds but the unit that it is in the middle of sending, which is that of
    /// the slot `from` and has so many `bytes`.
    pub(super) fn gave_up(&mut self, seat: usize, from: Seq, bytes: u32) {
        if let Some(hold) = self.viewers.get_mut(seat).and_then(|waiter| waiter.hold.as_mut()) {
            hold.gave_up(from, bytes);
        }
    }

    /// Remembers that the viewer in `seat` is in the middle of sending `hold`, and the time since which its
    /// socket has taken nothing, which begins anew if it has `progressed`. Gives the step that the viewer is
    /// to take, unless it is sent away.
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

    /// The one in `seat` gives way to others while nobody publishes, once there is nothing left to take.
    pub(super) fn give_way(&mut self, seat: usize, peer: Option<u128>) {
        if let Some(waiter) = self.viewers.get_mut(seat) {
            waiter.gives_way = Some(Waits { peer, since: Instant::now() });
        }
    }

    /// The one in `seat` does so no more.
    pub(super) fn stay(&mut self, seat: usize) {
        if let Some(waiter) = self.viewers.get_mut(seat) {
            waiter.gives_way = None;
        }
    }

    /// The connections that give way now, by the numbers of their seats; with `guests` also those that are no
    /// viewers. One in the middle of sending a batch does not.
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

    /// Sends the one in `seat` away if it still waits: whether it was a viewer.
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

    /// The viewer in `seat` is that of a session.
    pub(super) fn name_as(&mut self, seat: usize, ticket: Ticket) {
        if let Some(waiter) = self.viewers.get_mut(seat) {
            waiter.ticket = Some(ticket);
        }
    }

    /// The viewer in `seat` gets what the session `ticket` sends.
    pub(super) fn listen(&mut self, seat: usize, ticket: Ticket) {
        if let Some(waiter) = self.viewers.get_mut(seat) {
            waiter.listens_to = Some(ticket);
        }
    }

    /// The viewer in `seat` has a turn: it has been sent so many bytes.
    pub(super) fn count(&mut self, seat: usize, moved: u64, began: bool) {
        if let Some(waiter) = self.viewers.get_mut(seat) {
            (waiter.moved, waiter.began) = (moved, began);
        }
    }

    /// Whether the one in `seat` has a place among the viewers.
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
