//! A publisher of a stream.

use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use super::hold::Dismissal;
use super::keyless::{KEYLESS_TIME, Keyless};
use super::occupant::Occupant;
use super::silence::Silence;
use super::stream::State;
use super::{Conflict, EventKind, Hub, Refused, Stream, Ticket};
use crate::budget::{Account, BLOCK_OVERHEAD, BlockMut, OverBudget, Paid, Room};
use crate::media::{Change, Frame, Hz, Info, Kind, MAX_TRACKS, Ticks, Track, Tracks, Wall};

/// The right to publish a stream; returned when dropped.
pub struct Publisher {
    hub: Arc<Hub>,
    stream: Arc<Stream>,
    who: Arc<str>,
    tracks: Tracks,
    /// The changes of tracks since the last frame.
    news: News,
    /// Pictures are skipped until a key frame: at the start, and after a loss.
    wants_key: bool,
    keyless: Keyless,
    /// No further kinds of tracks follow.
    complete: bool,
    settling: Settling,
    silence: Option<Silence>,
    moved: u64,
    joined: Instant,
    /// Its start and end are logged for debugging only.
    hushed: bool,
    /// Set until it has shown that it is no echo.
    doubt: Option<Doubt>,
    /// The stream is pulled from another server.
    pulled: bool,
}

/// The reason why a publisher may send back frames of this server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Doubt {
    /// It is pulled from another server: an echo is refused.
    Pulled,
    /// It comes from a server to which the stream is pushed. Encoders there may begin again with the same picture, so
    /// known frames are skipped for a while.
    Fed,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum News {
    None,
    Added,
    /// No viewer may begin before it: earlier frames need other decoder records, or lack pictures.
    Breaks,
    /// A new publisher.
    Restarted,
}

/// The wait for the second kind of track.
#[derive(Clone, Copy)]
enum Settling {
    /// No frame has arrived.
    Before,
    /// The arrival of the first frame, and its stream time in milliseconds.
    Since(Instant, Ticks),
    /// Viewers are admitted.
    Done,
}

/// The reason why a frame was not put into the ring.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lost {
    /// The publisher is dismissed.
    Dismissed(Dismissal),
    /// There was no memory for it.
    OverBudget(OverBudget),
    /// It follows a lost picture, or precedes the first key frame.
    Undecodable,
    /// The publisher sends back a frame of this server.
    Echo,
}

/// The time in which other servers may send back frames of a publisher that has left: they notice by `publish.silence`.
const ECHO_MEMORY: Duration = Duration::from_secs(30);
/// The time after a publisher's start in which an echo arrives.
const ECHO_TIME: Duration = Duration::from_secs(2);
/// The longest wait for the second kind of track before viewers are admitted.
const MAX_SETTLE: Duration = Duration::from_millis(300);
/// The milliseconds of one kind of track within which most publishers send the other kind.
const INTERLEAVED: i64 = 100;

impl Publisher {
    pub(super) fn join(hub: Arc<Hub>, stream: Arc<Stream>, who: &str, now: Instant) -> Result<Self, Refused> {
        let who: Arc<str> = who.into();
        let conflict = hub.limits().conflict;
        let mut state = stream.lock();
        if let Some(occupant) = &mut state.publisher {
            if conflict == Conflict::Refuse {
                return Err(Refused::Taken);
            }
            log::debug!("{} is replaced by {who} on {}", occupant.who, stream.name());
            occupant.waker.take().into_iter().for_each(|waker| waker.wake());
        }
        state.publisher =
            Some(Occupant { who: who.clone(), peer: None, waker: None, ticket: None, moved: 0, kicked: false });
        state.settle(false);
        state.hush(false);
        state.timeline.resume();
        state.left = now;
        let restarted = state.ring.head() > 0;
        drop(state);
        hub.sessions.publisher_joins();
        let news = if restarted { News::Restarted } else { News::None };
        Ok(Self {
            hub,
            stream,
            who,
            tracks: Tracks::default(),
            news,
            wants_key: true,
            keyless: Keyless::default(),
            complete: false,
            settling: Settling::Before,
            silence: None,
            moved: 0,
            joined: now,
            hushed: false,
            doubt: None,
            pulled: false,
        })
    }

    /// Sets the address of the publisher; `None` if many clients share that address.
    pub fn coming_from(self, peer: Option<u128>) -> Self {
        self.with_occupant(|occupant| occupant.peer = peer)
    }

    /// Sets the session of the publisher.
    pub fn of(self, ticket: Ticket) -> Self {
        self.with_occupant(|occupant| occupant.ticket = Some(ticket))
    }

    fn with_occupant(self, change: impl FnOnce(&mut Occupant)) -> Self {
        let mut state = self.stream.lock();
        if self.is_current(&state)
            && let Some(occupant) = &mut state.publisher
        {
            change(occupant);
        }
        drop(state);
        self
    }

    /// The stream.
    pub fn stream(&self) -> &Arc<Stream> {
        &self.stream
    }

    /// Logs the publisher and its stream for debugging only.
    pub fn hush(&mut self) {
        self.hushed = true;
        let mut state = self.stream.lock();
        if self.is_current(&state) {
            state.hush(true);
        }
    }

    /// The level at which the log gets messages that are no fault.
    fn level(&self, news: log::Level) -> log::Level {
        if self.hushed { log::Level::Debug } else { news }
    }

    /// The publisher may send back frames of this server, for the reason `why`.
    pub fn doubt(&mut self, why: Doubt) {
        self.doubt = Some(why);
        self.pulled |= why == Doubt::Pulled;
    }

    /// Bytes of frames so far.
    pub fn moved(&self) -> u64 {
        self.moved
    }

    /// The account that incoming frames are to be charged to.
    pub fn account(&self) -> &Account {
        self.stream.account()
    }

    /// A copy of `data`, charged to the stream, for a frame.
    pub fn paid(&self, data: &[u8]) -> Result<Paid, OverBudget> {
        Paid::copy(self.account(), data)
    }

    /// Room for frames that are assembled from parts.
    pub fn room(&self) -> EvictingRoom {
        EvictingRoom(self.stream.clone())
    }

    /// The time that input gathers before it is passed on.
    pub fn pace(&self) -> Duration {
        self.hub.pace()
    }

    /// Announces a new track, or a track's new parameters.
    pub fn track(&mut self, track: Track) -> Change {
        let kind = track.codec.kind();
        if kind == Kind::Audio && self.silence.take().is_some() {
            log::log!(self.level(log::Level::Info), "{} sound has come: silence ends", self.who);
        }
        let is_further = track.id > 0;
        let change = self.tracks.set(track);
        let news = match change {
            Change::Added if kind == Kind::Audio || is_further => News::Added,
            Change::Added | Change::Replaced => News::Breaks,
            Change::Same | Change::Refused => News::None,
        };
        if news == News::Breaks && kind == Kind::Video {
            self.wants_key = true;
        }
        if news == News::Breaks && self.news != News::Restarted || self.news == News::None {
            self.news = news;
        }
        change
    }

    /// No further kinds of tracks follow, so viewers need not wait for them.
    pub fn complete(&mut self) {
        self.complete = true;
    }

    /// Takes over the publisher's description of its stream, for viewers that join from now on.
    pub fn info(&mut self, info: Info) {
        self.tracks.info = info.clone();
        let mut state = self.stream.lock();
        if self.is_current(&state) {
            Arc::make_mut(&mut state.tracks).info = info;
        }
    }

    /// Puts a frame into the ring; viewers see it after `flush`. Whichever account its bytes are charged to, the ring
    /// holds no more of them than the limit of the stream's own account.
    pub fn publish(&mut self, frame: Frame, now: Instant) -> Result<(), Lost> {
        let stream = self.stream.clone();
        let mut state = stream.lock();
        self.check_echo(&state, &frame, now)?;
        self.admit(&mut state, &frame, now)?;
        state.ring.arrive(now);
        let (frame, at) = self.place(&mut state, frame, now);
        if frame.kind == Kind::Video {
            self.keep_silence(&mut state, at, now);
        }
        self.push(&mut state, frame, at, now)
    }

    /// Moves the times of a track against the other tracks on purpose, from its next frame on: its clock was not set.
    pub fn shift(&self, track: &Track, by: Ticks) {
        let mut state = self.stream.lock();
        if self.is_current(&state) {
            state.timeline.shift(self.slot(track.codec.kind(), track.id).0, by.rescale(track.clock, Hz::MS).0);
        }
    }

    /// Sets the time of day at which the newest frame arrived. False if there is no frame yet.
    pub fn time_of_day(&self, wall: Wall) -> bool {
        self.stream.time_of_day(wall)
    }

    /// Makes the published frames visible to viewers.
    pub fn flush(&self) {
        let mut state = self.stream.lock();
        state.join(self.stream.account());
        state.wake();
        let is_open = state.start().is_some();
        if std::mem::replace(&mut state.told_open, is_open) != is_open && is_open {
            drop(state);
            self.hub.events.tell(self.stream.name(), EventKind::Open);
        }
    }

    /// The time at which the wait for the second kind of track ends, while it lasts. If no frame has arrived by then,
    /// `end_wait` lets viewers begin; else frames do.
    pub fn waits_until(&self) -> Option<Instant> {
        match self.settling {
            Settling::Since(begun, _) => Some(begun + MAX_SETTLE),
            Settling::Before | Settling::Done => None,
        }
    }

    /// Ends the wait for the second kind of track, and wakes the viewers. If there is no memory to announce the tracks,
    /// the next frame tries again.
    pub fn end_wait(&mut self) {
        let stream = self.stream.clone();
        let mut state = stream.lock();
        let waits = self.waits_until().is_some() && self.is_current(&state);
        if waits && self.admit_viewers(&mut state).is_ok() {
            drop(state);
            self.flush();
        }
    }

    /// Counts a frame that was lost before it arrived here.
    pub fn lost(&mut self, kind: Kind) {
        self.count_lost(&mut self.stream.clone().lock(), kind);
    }

    fn count_lost(&mut self, state: &mut State, kind: Kind) {
        state.traffic.lost += 1;
        if kind == Kind::Video {
            (self.wants_key, state.gap) = (true, true);
        }
    }

    /// Counts other data that was lost before it arrived here.
    pub fn data_lost(&mut self) {
        self.stream.lock().traffic.lost += 1;
    }

    /// Reports that there was no memory to receive a frame, although the ring leaves some for it: viewers that hold
    /// dropped slots have to release them.
    pub fn starved(&mut self, kind: Kind) {
        self.lost(kind);
        let mut state = self.stream.lock();
        state.make_room(self.stream.account(), self.stream.limits.max_frame);
    }

    /// Ready once the publisher is dismissed.
    pub fn poll_dismissed(&self, cx: &Context<'_>) -> Poll<Dismissal> {
        match self.occupant(&mut self.stream.lock()) {
            Ok(occupant) => {
                occupant.wait(cx);
                Poll::Pending
            }
            Err(why) => Poll::Ready(why),
        }
    }

    /// Ready once a viewer of the stream has received something.
    pub fn poll_received(&self, cx: &Context<'_>) -> Poll<()> {
        let mut state = self.stream.lock();
        if state.traffic.bytes_out > 0 {
            return Poll::Ready(());
        }
        if let Ok(occupant) = self.occupant(&mut state) {
            occupant.wait(cx);
        }
        Poll::Pending
    }

    /// Its place in the stream, unless it is dismissed.
    fn occupant<'a>(&self, state: &'a mut State) -> Result<&'a mut Occupant, Dismissal> {
        match &mut state.publisher {
            Some(occupant) if !Arc::ptr_eq(&occupant.who, &self.who) => Err(Dismissal::Replaced),
            Some(occupant) if occupant.kicked => Err(Dismissal::Kicked),
            Some(occupant) => Ok(occupant),
            None => Err(Dismissal::Replaced),
        }
    }

    /// True if it still is the publisher.
    fn is_current(&self, state: &State) -> bool {
        state.publisher.as_ref().is_some_and(|occupant| Arc::ptr_eq(&occupant.who, &self.who))
    }

    /// Counts a frame and decides whether it can be used.
    fn admit(&mut self, state: &mut State, frame: &Frame, now: Instant) -> Result<(), Lost> {
        let occupant = self.occupant(state).map_err(Lost::Dismissed)?;
        occupant.moved += frame.data.len() as u64;
        self.moved = occupant.moved;
        state.traffic.frames += 1;
        state.traffic.bytes_in += frame.data.len() as u64;
        let (wanted, limit) = (frame.data.len(), self.stream.account().limit());
        if wanted > limit {
            // the frame is larger than the limit of this stream: it is charged to another account
            self.count_lost(state, frame.kind);
            return Err(Lost::OverBudget(OverBudget { wanted, limit }));
        }
        if frame.kind == Kind::Video {
            state.pulse.count(now);
            self.wants_key &= !frame.key;
            if self.wants_key {
                if self.keyless.is_due(now) {
                    let secs = KEYLESS_TIME.as_secs();
                    log::log!(
                        self.level(log::Level::Warn),
                        "{} no key frame of {} has come for {secs} s: pictures wait",
                        self.who,
                        self.stream.name()
                    );
                }
                return Err(Lost::Undecodable);
            }
            if self.keyless.has_ended() {
                let level = self.level(log::Level::Info);
                log::log!(level, "{} pictures of {} go on", self.who, self.stream.name());
            }
        }
        Ok(())
    }

    /// Gives a frame its stream time, and returns that in milliseconds.
    fn place(&self, state: &mut State, mut frame: Frame, now: Instant) -> (Frame, Ticks) {
        let (slot, clock) = self.slot(frame.kind, frame.track);
        let mapped = state.timeline.map(slot, frame.dts, clock, now);
        if let Some(apart) = mapped.apart.filter(|_| !self.hushed) {
            let (who, name) = (&self.who, self.stream.name());
            log::warn!("{who} tracks of {name} begin {apart} ms apart: they are aligned by their arrival");
        }
        frame.dts = mapped.dts;
        let at = frame.dts.rescale(clock, Hz::MS);
        (frame, at)
    }

    /// The index of a track in the timeline, and its clock rate.
    fn slot(&self, kind: Kind, id: u8) -> (usize, Hz) {
        let unknown = (MAX_TRACKS + usize::from(kind == Kind::Audio), Hz::MS);
        self.tracks.place(kind, id).map_or(unknown, |(place, track)| (place, track.clock))
    }

    /// Puts a frame with its stream time into the ring.
    fn push(&mut self, state: &mut State, frame: Frame, at: Ticks, now: Instant) -> Result<(), Lost> {
        let (account, kind) = (self.stream.account().clone(), frame.kind);
        let pushed = self.announce(state).and_then(|()| {
            let start = self.is_start(&frame);
            let limits = &self.stream.limits;
            state.push_frame(frame, at, start, &account, limits)
        });
        if let Err(refusal) = pushed {
            self.count_lost(state, kind);
            return Err(Lost::OverBudget(refusal));
        }
        self.settle(state, at, now).map_err(Lost::OverBudget)
    }

    /// Refuses a known frame while the publisher is in doubt.
    fn check_echo(&mut self, state: &State, frame: &Frame, now: Instant) -> Result<(), Lost> {
        let Some(doubt) = self.doubt else { return Ok(()) };
        let is_start = self.is_start(frame);
        let is_recent = now.saturating_duration_since(state.unpublished) < ECHO_MEMORY;
        let is_known = is_start && is_recent && state.last.has(frame);
        match doubt {
            Doubt::Pulled if is_start && is_known => return Err(Lost::Echo),
            Doubt::Pulled if !is_start => return Ok(()),
            Doubt::Fed if (!is_start || is_known) && now.saturating_duration_since(self.joined) < ECHO_TIME => {
                return Err(Lost::Undecodable);
            }
            Doubt::Pulled | Doubt::Fed => self.doubt = None,
        }
        Ok(())
    }

    /// True if viewers may begin at the frame.
    fn is_start(&self, frame: &Frame) -> bool {
        frame.key && (frame.kind == Kind::Video && frame.track == 0 || !self.tracks.has_video())
    }

    /// Announces the tracks if they have changed. A clock that was set is no change: the stream's times continue.
    fn announce(&mut self, state: &mut State) -> Result<(), OverBudget> {
        if self.news == News::None {
            return Ok(());
        }
        let discontinuity = self.news == News::Restarted;
        let breaks = discontinuity || self.news == News::Breaks;
        state.push_tracks(Arc::new(self.tracks.clone()), breaks, discontinuity, self.stream.account())?;
        self.news = News::None;
        Ok(())
    }

    /// Admits viewers once both kinds of tracks are there, or the second has not arrived in time. That happens before
    /// memory for later frames needs the first key frame's.
    fn settle(&mut self, state: &mut State, at: Ticks, now: Instant) -> Result<(), OverBudget> {
        let (begun, first) = match self.settling {
            Settling::Before => (now, at),
            Settling::Since(begun, first) => (begun, first),
            Settling::Done => return Ok(()),
        };
        self.settling = Settling::Since(begun, first);
        let in_time = now.saturating_duration_since(begun) < MAX_SETTLE
            && ((at - first).0 < INTERLEAVED || !state.is_filling(self.stream.account(), &self.stream.limits));
        if !self.has_both() && !self.complete && in_time {
            return Ok(());
        }
        self.admit_viewers(state)
    }

    /// Admits viewers, with the tracks that are there.
    fn admit_viewers(&mut self, state: &mut State) -> Result<(), OverBudget> {
        let codecs: Vec<_> = self.tracks.iter().map(|track| track.codec.name()).collect();
        let level = self.level(log::Level::Info);
        log::log!(level, "{} {} carries {}", self.who, self.stream.name(), codecs.join(", "));
        if !self.has_both() && self.tracks.has_video() && self.stream.limits.silent_audio {
            self.silence = Some(Silence::default());
            self.tracks.set(Silence::track());
            self.news = News::Added;
            self.announce(state)?;
        }
        self.settling = Settling::Done;
        state.settle(true);
        Ok(())
    }

    fn has_both(&self) -> bool {
        self.tracks.has_video() && self.tracks.has_audio()
    }

    /// Adds silent frames up to a picture at `at`, if there is no sound.
    fn keep_silence(&mut self, state: &mut State, at: Ticks, now: Instant) {
        while let Some(frame) = self.silence.as_mut().and_then(|silence| silence.next(at)) {
            let at = frame.dts;
            state.timeline.begin_behind(at);
            // no memory for silence must not cost the picture
            if self.push(state, frame, at, now).is_err() {
                break;
            }
        }
    }
}

/// The memory in which a publisher's frames are assembled: the ring drops older slots for it.
pub struct EvictingRoom(Arc<Stream>);

impl Room for EvictingRoom {
    fn block(&self, capacity: usize) -> Result<BlockMut, OverBudget> {
        let account = self.0.account();
        BlockMut::new(account, capacity).or_else(|_| {
            self.0.lock().make_room(account, capacity.saturating_add(BLOCK_OVERHEAD));
            BlockMut::new(account, capacity)
        })
    }
}

impl Drop for Publisher {
    fn drop(&mut self) {
        self.hub.sessions.publisher_leaves();
        let mut state = self.stream.lock();
        if self.is_current(&state) {
            let State { ring, last, .. } = &mut *state;
            if self.pulled {
                last.forget()
            } else {
                last.note(ring)
            }
            state.publisher = None;
            state.settle(false);
            state.told_open = false;
            state.left = Instant::now();
            state.unpublished = state.left;
            state.wake(); // for the last frames
            if !state.watched() {
                state.ring.clear();
            }
            drop(state);
            self.hub.events.tell(self.stream.name(), EventKind::Unpublished);
        }
    }
}
