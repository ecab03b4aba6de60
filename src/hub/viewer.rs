//! A viewer: a cursor in the ring.

use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Instant;

use super::form::{Unit, head_cost};
use super::hold::{Dismissal, Hold, Pressed};
use super::ring::Seq;
use super::stream::{Gone, State};
use super::{EventKind, Hub, SessionId, Stream, Ticket};
use crate::container::Form;
use crate::media::{Kind, Tracks};

/// The right to play a stream in one form; returned when dropped.
pub struct Viewer {
    hub: Arc<Hub>,
    stream: Arc<Stream>,
    /// The session of the viewer.
    id: Option<SessionId>,
    /// The index of its packer in the stream, which has one for each form.
    packer: u16,
    seat: usize,
    cursor: Cursor,
    oldest: bool,
    /// True if a part of a unit may be dropped.
    cuts: bool,
    /// Units are skipped until one at which a viewer may begin.
    opening: bool,
    /// Units were missed before the next one.
    gap: bool,
    /// Bytes sent since they were last added to the stream's.
    sent: u64,
    /// All bytes sent.
    moved: u64,
    /// True if bytes were sent since the last `poll_pressed`.
    progressed: bool,
    /// The stream knows of the batch that is being sent.
    holds: bool,
    /// It has taken all frames, and its task is woken for more.
    waits: bool,
    /// The first number of the last batch, and the bytes of that batch.
    batch: Seq,
    batch_bytes: u32,
    /// The stream's tracks when they were last read.
    tracks: Arc<Tracks>,
    /// The tracks that this viewer was sent.
    told: Arc<Tracks>,
}

/// The result of a viewer's turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// More units for the same head.
    Units,
    /// The next unit needs a new head, which the form cannot send in mid-stream: a file or an answer ends here. A
    /// viewer that continues begins another with it.
    Head,
    /// The viewer is dismissed.
    Dismissed(Dismissal),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Cursor {
    /// Nothing was sent yet.
    Before,
    /// This number comes next.
    At(Seq),
    /// The first number from here on at which decoding can begin.
    From(Seq),
}

/// The bounds of one batch.
#[derive(Clone, Copy, Debug)]
pub struct Step {
    /// The most units.
    pub units: usize,
    /// The number of bytes after which no further unit is added.
    pub bytes: usize,
}

impl Viewer {
    pub(super) fn join(hub: Arc<Hub>, stream: Arc<Stream>, form: &'static Form, is_guest: bool) -> Self {
        let mut state = stream.lock();
        let packer = state.packer(stream.name(), form);
        let is_first = !state.is_watched();
        let seat = state.seat(is_guest);
        drop(state);
        if is_first {
            hub.events.tell(stream.name(), EventKind::Watched);
        }
        Self {
            hub,
            stream,
            id: None,
            packer,
            seat,
            cursor: Cursor::Before,
            oldest: false,
            cuts: false,
            opening: true,
            gap: false,
            sent: 0,
            progressed: false,
            holds: false,
            waits: false,
            moved: 0,
            batch: 0,
            batch_bytes: 0,
            tracks: Arc::default(),
            told: Arc::default(),
        }
    }

    /// The stream.
    pub fn stream(&self) -> &Arc<Stream> {
        &self.stream
    }

    /// Sets the session of the viewer.
    pub fn of(mut self, id: SessionId, ticket: Ticket) -> Self {
        self.id = Some(id);
        self.stream.lock().name_as(self.seat, ticket);
        self
    }

    /// The viewer is sent to by the session `ticket` of its stream, which sends to many.
    pub fn listens_to(&self, ticket: Ticket) {
        self.stream.lock().listen(self.seat, ticket);
    }

    /// Marks the viewer as one that is sent packets: it can stop in the middle of a unit.
    pub fn in_packets(mut self) -> Self {
        self.cuts = true;
        self
    }

    /// Lets the viewer begin at the oldest key frame, not at the newest.
    pub fn from_oldest(mut self) -> Self {
        self.oldest = true;
        self
    }

    /// Lets the viewer give way to others while there is no publisher. It comes from `peer`; `None` if many clients
    /// share that address.
    pub fn giving_way(self, peer: Option<u128>) -> Self {
        self.stream.lock().give_way(self.seat, peer);
        self
    }

    /// The viewer no longer gives way: what it has received is for others to find.
    pub fn stay(&self) {
        self.stream.lock().stay(self.seat);
    }

    /// Ready once the viewer is dismissed. For a viewer that takes no units at the moment.
    pub fn poll_dismissed(&self, cx: &Context<'_>) -> Poll<Dismissal> {
        let mut state = self.stream.lock();
        state.wait(self.seat, false, cx);
        state.dismissal(self.seat).map_or(Poll::Pending, Poll::Ready)
    }

    /// True if the viewer is dismissed.
    pub fn is_dismissed(&self) -> bool {
        self.stream.lock().dismissal(self.seat).is_some()
    }

    /// The stream's tracks; pending until a viewer can begin.
    pub fn poll_tracks(&mut self, cx: &Context<'_>) -> Poll<Arc<Tracks>> {
        let mut state = self.stream.lock();
        if state.start().is_some() {
            self.tracks = state.tracks.clone();
            return Poll::Ready(self.tracks.clone());
        }
        state.wait(self.seat, true, cx);
        Poll::Pending
    }

    /// The stream's tracks once they can be described. That may be before a viewer can begin: as soon as the decoder
    /// record of the pictures is known.
    pub fn poll_described(&mut self, cx: &Context<'_>) -> Poll<Arc<Tracks>> {
        let state = self.stream.lock();
        let pictures = state.tracks.find(Kind::Video, 0);
        let is_known = pictures.is_some_and(|track| !track.params.record.is_empty());
        if is_known && state.settled && state.publisher.is_some() {
            self.tracks = state.tracks.clone();
            return Poll::Ready(self.tracks.clone());
        }
        drop(state);
        self.poll_tracks(cx)
    }

    /// The stream's tracks as of the last `poll_tracks` or `poll_next`.
    pub fn tracks(&self) -> &Arc<Tracks> {
        &self.tracks
    }

    /// The tracks of the last units from `poll_next`.
    pub(super) fn told(&self) -> &Arc<Tracks> {
        &self.told
    }

    /// Resets the viewer: `poll_next` begins again at the newest key frame.
    pub fn rewind(&mut self) {
        let stream = self.stream.clone();
        let mut state = stream.lock();
        self.leave_form(&mut state);
        state.advance(self.seat, Seq::MAX);
        drop(state);
        (self.cursor, self.opening) = (Cursor::Before, true);
    }

    /// Continues in another form, and begins again.
    pub fn pack_as(&mut self, form: &'static Form) {
        self.rewind();
        self.packer = self.stream.lock().packer(self.stream.name(), form);
    }

    /// Counts sent bytes.
    pub fn sent(&mut self, bytes: usize) {
        self.sent += bytes as u64;
        self.progressed |= bytes > 0;
        self.moved += bytes as u64;
    }

    /// Counts bytes that stay on this machine: they belong to the session, but not to the traffic.
    pub fn kept(&mut self, bytes: usize) {
        self.moved += bytes as u64;
    }

    /// Bytes sent so far.
    pub fn moved(&self) -> u64 {
        self.moved
    }

    /// Appends the next units to `out`; pending while there are none. The task is woken for more, also if the units
    /// taken are all there are (`is_waiting`).
    pub fn poll_next(&mut self, cx: &Context<'_>, out: &mut Vec<Arc<Unit>>, step: Step) -> Poll<Next> {
        let stream = self.stream.clone();
        let mut state = stream.lock();
        state.received(std::mem::take(&mut self.sent));
        if std::mem::take(&mut self.holds) {
            state.let_go(self.seat);
        }
        if let Some(why) = state.dismissal(self.seat) {
            return Poll::Ready(Next::Dismissed(why));
        }
        let began = self.cursor != Cursor::Before || self.begin(&mut state, out);
        state.count(self.seat, self.moved, began);
        if !began {
            state.wait(self.seat, true, cx);
            return Poll::Pending;
        }
        if !Arc::ptr_eq(&self.tracks, &state.tracks) {
            self.tracks = state.tracks.clone();
        }
        let next = self.fill(&mut state, out, step);
        let seq = if let Cursor::At(seq) = self.cursor { seq } else { Seq::MAX };
        state.advance(self.seat, seq);
        let is_nothing = out.is_empty() && next == Next::Units;
        self.waits = is_nothing || self.cursor == Cursor::At(state.ring.head());
        if self.waits {
            state.wait(self.seat, true, cx);
        }
        if is_nothing { Poll::Pending } else { Poll::Ready(next) }
    }

    /// True if the last `poll_next` took all units. The task is woken for more, and need not call before, unless it has
    /// called `poll_pressed` since.
    pub fn is_waiting(&self) -> bool {
        self.waits
    }

    /// True if units before the last ones from `poll_next` were missed by this viewer.
    pub fn take_gap(&mut self) -> bool {
        std::mem::take(&mut self.gap)
    }

    /// The step for this viewer because it holds frames that the ring has dropped while memory is needed. Called while
    /// a batch is not fully sent; wakes the task when the answer may have changed. A dismissed viewer gets the reason.
    pub fn poll_pressed(&mut self, cx: &Context<'_>, now: Instant) -> Result<Pressed, Dismissal> {
        let mut state = self.stream.lock();
        state.wait(self.seat, false, cx);
        (self.holds, self.waits) = (true, false);
        let hold = Hold::new(self.batch, self.batch_bytes, now, self.cuts);
        state.hold(self.seat, hold, std::mem::take(&mut self.progressed))
    }

    /// Only `unit`, which is partly sent, is still held of the batch, with that number of bytes. If there was more
    /// behind it, the viewer `skips` to the next key frame.
    pub fn gave_up(&mut self, unit: Option<&Arc<Unit>>, bytes: usize, skips: bool) {
        let stream = self.stream.clone();
        let mut state = stream.lock();
        let packer = state.packers.get(usize::from(self.packer));
        // a unit made for one viewer was never in the ring
        let from = unit
            .filter(|unit| unit.came.is_some())
            .map_or(Seq::MAX, |unit| packer.and_then(|packer| packer.number(unit)).unwrap_or_default());
        state.gave_up(self.seat, from, u32::try_from(bytes).unwrap_or(u32::MAX));
        if let Cursor::At(next) = self.cursor
            && skips
        {
            self.cursor = self.skip(&mut state, next);
            state.advance(self.seat, Seq::MAX);
        }
    }

    /// All of the batch is sent.
    pub fn let_go(&mut self) {
        let held = std::mem::take(&mut self.holds);
        // a file that is pushed stands at its start until its stream has sent something
        let is_first = self.sent > 0 && self.sent == self.moved;
        if !held && !is_first {
            return;
        }
        let mut state = self.stream.lock();
        state.received(std::mem::take(&mut self.sent));
        if held {
            state.let_go(self.seat);
        }
    }

    /// Removes this viewer from its form, if it has begun.
    fn leave_form(&self, state: &mut State) {
        if self.cursor == Cursor::Before {
            return;
        }
        let Some(packer) = state.packers.get_mut(usize::from(self.packer)) else { return };
        packer.viewers -= 1;
        if packer.viewers == 0 {
            packer.sleep();
        }
    }

    /// Begins at the newest key frame; false while there is none.
    fn begin(&mut self, state: &mut State, out: &mut Vec<Arc<Unit>>) -> bool {
        let Some(mut start) = state.start() else { return false };
        let Some(packer) = state.packers.get_mut(usize::from(self.packer)) else { return false };
        if self.oldest {
            let from = if packer.viewers > 0 { packer.base(&state.ring).max(state.epoch) } else { state.epoch };
            start = state.ring.start_from(from).unwrap_or(start);
        }
        let Some(at) = state.ring.time(start) else { return false };
        let tracks = state.tracks.clone();
        let Ok(lease) = self.stream.account().charge(head_cost(&tracks)) else { return false };
        if packer.viewers == 0 {
            state.wake_packer(self.packer.into(), start, &tracks, at);
        }
        let Some(packer) = state.packers.get_mut(usize::from(self.packer)) else { return false };
        packer.viewers += 1;
        let head = packer.head(&tracks, at);
        if !head.is_empty() {
            out.push(Unit::head(head, at, lease));
        }
        self.cursor = Cursor::At(start);
        self.told = tracks;
        true
    }

    /// Takes units until the batch is full, no unit is left, or a new head is needed.
    fn fill(&mut self, state: &mut State, out: &mut Vec<Arc<Unit>>, step: Step) -> Next {
        let mut bytes = 0;
        let mut first = None;
        while out.len() < step.units && bytes < step.bytes && self.cursor != Cursor::At(state.ring.head()) {
            self.catch_up(state);
            if self.is_early(state) {
                break;
            }
            if matches!(self.cursor, Cursor::From(_))
                && let Some(next) = self.update_tracks(state, &state.tracks, out)
            {
                return next;
            }
            let Some(seq) = self.next_number(state, out) else { break };
            first.get_or_insert(seq);
            self.cursor = Cursor::At(seq + 1);
            let unit = match state.unit(self.packer.into(), seq, self.stream.account()) {
                Ok(Some(unit)) => unit,
                Ok(None) => continue,
                Err(Gone) => {
                    self.cursor = self.skip(state, 0);
                    continue;
                }
            };
            if unit.track.is_empty()
                && let Some(tracks) = state.ring.tracks(seq)
                && let Some(next) = self.update_tracks(state, tracks, out)
            {
                self.cursor = Cursor::At(seq);
                self.took(first.unwrap_or(seq), bytes);
                return next;
            }
            self.opening &= !unit.start;
            if self.opening {
                continue;
            }
            bytes += unit.packed.len();
            out.push(unit);
        }
        self.took(first.unwrap_or(Seq::MAX), bytes);
        if bytes > 0 {
            // packing leaves room for the next frame, as publishing does
            state.make_room(self.stream.account(), self.stream.limits.max_frame);
        }
        Next::Units
    }

    fn took(&mut self, first: Seq, bytes: usize) {
        (self.batch, self.batch_bytes) = (first, u32::try_from(bytes).unwrap_or(u32::MAX));
    }

    /// Updates the tracks. If the form cannot announce them in mid-stream, a new head is needed first; before that the
    /// units taken are sent.
    fn update_tracks(&mut self, state: &State, tracks: &Arc<Tracks>, taken: &[Arc<Unit>]) -> Option<Next> {
        let packer = state.packers.get(usize::from(self.packer))?;
        let fits = packer.can_announce(&self.told, tracks);
        if !fits && !taken.is_empty() {
            return Some(Next::Units);
        }
        self.told = tracks.clone();
        (!fits).then_some(Next::Head)
    }

    /// True if this viewer has to wait until the tracks of a returned publisher are known: otherwise it would end
    /// because a track seems to be missing.
    fn is_early(&self, state: &State) -> bool {
        let Some(returned) = state.returned else { return false };
        let is_next = match self.cursor {
            Cursor::At(seq) => seq == returned,
            Cursor::From(_) => true,
            Cursor::Before => false,
        };
        let Some(packer) = state.packers.get(usize::from(self.packer)).filter(|_| is_next) else { return false };
        let mut all = Tracks::clone(&state.tracks);
        all.complete(&self.told);
        packer.can_announce(&self.told, &all) && !packer.can_announce(&self.told, &state.tracks)
    }

    /// Moves a viewer whose next slot was dropped to the newest key frame.
    fn catch_up(&mut self, state: &mut State) {
        let Some(packer) = state.packers.get_mut(usize::from(self.packer)) else { return };
        let base = packer.base(&state.ring);
        if matches!(self.cursor, Cursor::At(seq) if seq < base) {
            self.cursor = self.skip(state, 0);
        }
    }

    /// The cursor after the next unit was dropped: the newest key frame, or the first from `next` on.
    fn skip(&self, state: &mut State, next: Seq) -> Cursor {
        state.skips(self.seat);
        let form = state.packers.get(usize::from(self.packer)).map_or("", |packer| packer.form.name);
        if let Some(id) = self.id {
            log::debug!("{id} stream={} is too far behind and skips: {form}", self.stream.name());
        }
        let newest = state.ring.newest_start().unwrap_or(state.ring.head());
        Cursor::From(newest.max(next))
    }

    /// The number to take next. A viewer that has skipped is sent the tracks again, because it may have missed a
    /// change.
    fn next_number(&mut self, state: &mut State, out: &mut Vec<Arc<Unit>>) -> Option<Seq> {
        let State { ring, packers, tracks, .. } = state;
        match self.cursor {
            Cursor::Before => None,
            Cursor::At(seq) => Some(seq).filter(|seq| *seq < ring.head()),
            // the missed units are between those taken and the next
            Cursor::From(_) if !out.is_empty() => None,
            Cursor::From(seq) => {
                let packer = packers.get_mut(usize::from(self.packer))?;
                let start = ring.start_from(seq.max(packer.base(ring)))?;
                let at = ring.time(start)?;
                let lease = self.stream.account().charge(head_cost(tracks)).ok()?;
                let reminder = packer.remind(tracks, at);
                if !reminder.is_empty() {
                    out.push(Unit::head(reminder, at, lease));
                }
                (self.opening, self.gap) = (true, true);
                Some(start)
            }
        }
    }
}

impl Drop for Viewer {
    fn drop(&mut self) {
        let mut state = self.stream.lock();
        if state.has_place(self.seat) {
            self.hub.sessions.viewer_leaves();
        }
        state.received(self.sent);
        state.left = Instant::now();
        state.leave(self.seat);
        if self.cursor == Cursor::Before {
            return;
        }
        self.leave_form(&mut state);
        if state.publisher.is_none() && !state.watched() {
            state.ring.clear();
        }
    }
}
