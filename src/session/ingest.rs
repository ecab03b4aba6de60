//! The input of a publisher, the same for every protocol.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use crate::reactor::Timer;

use super::admit::Grant;
use super::core::{Core, time_of_day};
use super::sender::sent_away;
use crate::budget::OverBudget;
use crate::conf::Config;
use crate::container::{Error, Event, uncarried};
use crate::hub::{Doubt, Lost, Publisher};
use crate::media::{Frame, Kind, Track};
use crate::net::{Close, Conn, bits};

/// The right to publish, and the rate of reads.
pub struct Ingest {
    /// The stream.
    pub publisher: Publisher,
    /// The leave and the session.
    pub grant: Grant,
    /// True if a frame has arrived since the last read, or the publisher was just admitted.
    pub active: bool,
    /// The beat after which the next read begins.
    pause: Option<u32>,
    silence: Duration,
    /// The number of bytes read at once from which the socket's buffer may soon be full.
    burst: usize,
    /// The number of frames lost on input.
    losses: u32,
    /// The number of lost messages of script data.
    data_losses: u32,
    /// True if the stream has the time of day; from then on it is set once a second.
    timed: bool,
    /// The number of frames that are accepted before other tasks get their turn.
    left: usize,
    /// The end of the wait for the second kind of track.
    wait: Option<Timer>,
}

/// The most frames in one turn: a read of 64 KiB has 16 bytes for each of them, headers included, and no sender of live
/// media uses so few. Further frames are lost.
const MAX_FRAMES: usize = 4096;

/// The reason why a frame was lost.
pub enum Loss {
    /// It is longer than `streams.max_frame`.
    TooLong,
    /// It does not conform to its codec.
    Malformed(&'static str),
    /// It was lost on the network.
    Missing,
    /// Too many frames arrived in one turn.
    TooMany,
    /// There was no memory for it.
    OverBudget(OverBudget),
}

impl Ingest {
    /// The input of an admitted publisher.
    pub fn new((mut publisher, grant): (Publisher, Grant), config: &Config) -> Self {
        let who = &grant.who;
        if !who.told {
            publisher.hush();
        }
        if who.ip().is_some_and(|peer| publisher.stream().feeds(bits(peer))) {
            publisher.doubt(Doubt::Fed);
        }
        Self {
            publisher,
            grant,
            active: true,
            pause: None,
            silence: config.publish.silence.0,
            burst: config.publish.receive_buffer.0 / 4,
            losses: 0,
            data_losses: 0,
            timed: false,
            left: usize::MAX,
            wait: None,
        }
    }

    /// Logs the reason why it ends.
    pub fn ends(&mut self, why: impl std::fmt::Display) {
        let Self { publisher, grant, .. } = self;
        grant.who.ends(format_args!("stops publishing {}: {why}", publisher.stream().name()), publisher.moved());
    }

    /// Resets the frames of a turn, after other tasks had theirs.
    pub fn begin_turn(&mut self) {
        self.left = MAX_FRAMES;
    }

    /// Ready when it is time to read; true if a pause has ended.
    pub fn poll_turn(&mut self, cx: &Context<'_>, core: &Core) -> Poll<Result<bool, Close>> {
        self.begin_turn();
        if let Poll::Ready(why) = self.publisher.poll_dismissed(cx) {
            return Poll::Ready(Err(sent_away(why)));
        }
        self.poll_wait(cx);
        let Some(number) = self.pause else { return Poll::Ready(Ok(false)) };
        ready!(core.cadence.poll_after(cx, number));
        self.pause = None;
        Poll::Ready(Ok(true))
    }

    /// Lets viewers begin once the wait for the second kind of track is over: the publisher may send nothing for a
    /// while.
    fn poll_wait(&mut self, cx: &Context<'_>) {
        let Some(end) = self.publisher.waits_until() else {
            self.wait = None;
            return;
        };
        let timer = self.wait.get_or_insert_with(|| Timer::at(end));
        if Pin::new(timer).poll(&mut Context::from_waker(cx.waker())).is_ready() {
            self.publisher.end_wait();
        }
    }

    /// Sets a new or changed track.
    pub fn track(&mut self, track: Track) {
        log::debug!("{} track {} is {}", self.grant.who, track.id, track.codec.name());
        self.publisher.track(track);
    }

    /// Processes an event of a container's reader.
    pub fn take(&mut self, event: Event, now: Instant) -> Result<(), Close> {
        match event {
            Event::Track(track) => self.track(track),
            Event::Frame(frame) => self.frame(frame, now)?,
            Event::Unsupported(kind, name) if self.grant.who.told => {
                log::warn!("{} {}", self.grant.who, uncarried(kind, name));
            }
            Event::SequenceEnd(_) | Event::Unsupported(..) => {}
        }
        Ok(())
    }

    /// Publishes a frame; a loss after which later frames are usable is no reason to end.
    pub fn frame(&mut self, frame: Frame, now: Instant) -> Result<(), Close> {
        self.active = true;
        let Some(left) = self.left.checked_sub(1) else {
            self.lost(frame.kind, &Loss::TooMany);
            return Ok(());
        };
        self.left = left;
        match self.publisher.publish(frame, now) {
            Err(Lost::Dismissed(why)) => Err(sent_away(why)),
            Err(Lost::Echo) => Err(Close::refused("it sends back what was published here")),
            _ => Ok(()),
        }
    }

    /// True if other tasks get their turn before the next frame.
    #[cfg(feature = "rtsp")]
    pub fn is_spent(&self) -> bool {
        self.left == 0
    }

    /// Counts a lost frame.
    pub fn lost(&mut self, kind: Kind, loss: &Loss) {
        self.losses = self.losses.saturating_add(1);
        if is_logged(self.losses) && self.grant.who.told {
            let kind = if kind == Kind::Video { "a video" } else { "an audio" };
            log::warn!("{} {kind} frame is lost, {} so far: {loss}", self.grant.who, self.losses);
        }
        match loss {
            Loss::OverBudget(_) => self.publisher.starved(kind),
            _ => self.publisher.lost(kind),
        }
    }

    /// Counts skipped script data.
    pub fn data_lost(&mut self, why: &dyn std::fmt::Display) {
        self.data_losses = self.data_losses.saturating_add(1);
        if is_logged(self.data_losses) && self.grant.who.told {
            log::warn!("{} script data is passed over, {} times so far: {why}", self.grant.who, self.data_losses);
        }
        self.publisher.data_lost();
    }

    /// Wakes the viewers.
    pub fn show(&mut self) {
        // first, so that viewers have the time of day when they begin
        self.timed = self.timed || self.publisher.time_of_day(time_of_day());
        self.publisher.flush();
    }

    /// Wakes the viewers after a read. The next read waits as long as the load requires, unless so burst was read that
    /// the socket's buffer may fill.
    pub fn handed_over(&mut self, conn: &Conn, bytes: usize, core: &Core) {
        self.show();
        if std::mem::take(&mut self.active) {
            conn.expect_input(self.silence);
        }
        let pace = self.publisher.pace();
        if !pace.is_zero() && bytes < self.burst {
            self.pause = Some(core.cadence.number());
        }
    }
}

/// The first, the 16th, the 256th and so on, to limit the lines in the log.
fn is_logged(count: u32) -> bool {
    count.is_power_of_two() && count.trailing_zeros().is_multiple_of(4)
}

impl From<Error> for Loss {
    fn from(error: Error) -> Self {
        match error {
            Error::Malformed(what) => Self::Malformed(what),
            Error::OverBudget(refusal) => Self::OverBudget(refusal),
        }
    }
}

impl std::fmt::Display for Loss {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::TooLong => f.write_str("it is longer than streams.max_frame"),
            Self::Malformed(what) => f.write_str(what),
            Self::TooMany => f.write_str("too many have come at once"),
            Self::Missing => f.write_str("packets are missing"),
            Self::OverBudget(refusal) => refusal.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use smol::future::or;

    use super::*;
    use crate::hub::Name;
    use crate::media::{Codec, Hz, Params, Ticks};
    use crate::reactor::block_on;

    #[test]
    fn a_picture_without_sound_is_shown_although_nothing_follows() {
        let config = Config::parse("test", "profile = \"box\"").unwrap();
        let core = Core::new(config.clone(), crate::registry::costs(), Arc::default());
        let admitted = core.publish(&Name::new("a").unwrap(), "TESTPUB", Instant::now()).ok().unwrap();
        let mut ingest = Ingest::new(admitted, &config);
        ingest.track(Track { id: 0, codec: Codec::H264, clock: Hz::MS, params: Params::default() });
        let data = ingest.publisher.paid(&[0, 0, 0, 1, 0x65]).unwrap();
        let picture = Frame { dts: Ticks(0), cts: 0, kind: Kind::Video, track: 0, key: true, data };
        ingest.frame(picture, Instant::now()).unwrap();
        ingest.show();
        let stream = ingest.publisher.stream().clone();
        assert!(!stream.is_open(), "sound may still come");
        let is_open = std::future::poll_fn(|cx| {
            assert!(matches!(ingest.poll_turn(cx, &core), Poll::Ready(Ok(_))));
            if stream.is_open() { Poll::Ready(true) } else { Poll::Pending }
        });
        let late = async {
            Timer::after(Duration::from_secs(20)).await;
            false
        };
        assert!(block_on(or(is_open, late)));
    }
}
