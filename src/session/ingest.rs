//! A publisher on a connection, the same for every protocol.

use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use super::admit::Grant;
use super::core::{Core, time_of_day};
use super::sender::sent_away;
use crate::budget::OverBudget;
use crate::conf::Config;
use crate::container::{Error, Event, uncarried};
use crate::hub::{Doubt, Lost, Publisher};
use crate::media::{Frame, Kind, Track};
use crate::net::{Close, Conn, bits};

/// The right to publish, and how fast to read.
pub struct Ingest {
    /// The stream.
    pub publisher: Publisher,
    /// The leave to do so, and the session.
    pub grant: Grant,
    /// A frame has come since the last read, or it has just been let in.
    pub active: bool,
    /// The next read waits for the beat after this one.
    pause: Option<u32>,
    silence: Duration,
    /// So many bytes at once may soon fill the socket's buffer.
    much: usize,
    /// Frames that were lost on the way in.
    losses: u32,
    /// Messages of script data that were lost.
    data_losses: u32,
    /// The stream was told the time of day; from then on it is once a second.
    timed: bool,
    /// So many frames more are taken before others get their turn.
    left: usize,
}

/// The most frames that one turn takes in: a read of 64 KiB has 16 bytes for each of them with all that
/// stands before it, and no sender of live media needs so few. What is beyond is lost.
const FRAMES: usize = 4096;

/// The reason why a frame did not get in.
pub enum Loss {
    /// It is longer than `streams.max_frame`.
    TooLong,
    /// It is not what its codec says.
    Malformed(&'static str),
    /// It did not come.
    Missing,
    /// Too many have come before it since others had their turn.
    TooMany,
    /// There was no room.
    OverBudget(OverBudget),
}

impl Ingest {
    /// The side of a publisher that was let in.
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
            much: config.publish.receive_buffer.0 / 4,
            losses: 0,
            data_losses: 0,
            timed: false,
            left: usize::MAX,
        }
    }

    /// Tells the log why it ends.
    pub fn ends(&mut self, why: impl std::fmt::Display) {
        let Self { publisher, grant, .. } = self;
        grant.who.ends(format_args!("stops publishing {}: {why}", publisher.stream().name()), publisher.moved());
    }

    /// Others have had their turn.
    pub fn begin_turn(&mut self) {
        self.left = FRAMES;
    }

    /// Ready when it is time to read; true if a pause has ended.
    pub fn poll_turn(&mut self, cx: &Context<'_>, core: &Core) -> Poll<Result<bool, Close>> {
        self.begin_turn();
        if let Poll::Ready(why) = self.publisher.poll_dismissed(cx) {
            return Poll::Ready(Err(sent_away(why)));
        }
        let Some(number) = self.pause else { return Poll::Ready(Ok(false)) };
        ready!(core.cadence.poll_after(cx, number));
        self.pause = None;
        Poll::Ready(Ok(true))
    }

    /// A track is announced, or is another from here on.
    pub fn track(&mut self, track: Track) {
        log::debug!("{} track {} is {}", self.grant.who, track.id, track.codec.name());
        self.publisher.track(track);
    }

    /// Takes what a container's reader has found.
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

    /// Takes a frame; a loss that others follow is no reason to end.
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

    /// Whether others are to have their turn before another frame is taken.
    #[cfg(feature = "rtsp")]
    pub fn is_spent(&self) -> bool {
        self.left == 0
    }

    /// A frame did not get in.
    pub fn lost(&mut self, kind: Kind, loss: &Loss) {
        self.losses = self.losses.saturating_add(1);
        if is_told(self.losses) && self.grant.who.told {
            let kind = if kind == Kind::Video { "a video" } else { "an audio" };
            log::warn!("{} {kind} frame is lost, {} so far: {loss}", self.grant.who, self.losses);
        }
        match loss {
            Loss::OverBudget(_) => self.publisher.starved(kind),
            _ => self.publisher.lost(kind),
        }
    }

    /// Script data is passed over.
    pub fn data_lost(&mut self, why: &dyn std::fmt::Display) {
        self.data_losses = self.data_losses.saturating_add(1);
        if is_told(self.data_losses) && self.grant.who.told {
            log::warn!("{} script data is passed over, {} times so far: {why}", self.grant.who, self.data_losses);
        }
        self.publisher.data_lost();
    }

    /// Viewers are woken.
    pub fn show(&mut self) {
        // before they begin, so that they can tell what time it is
        self.timed = self.timed || self.publisher.time_of_day(time_of_day());
        self.publisher.flush();
    }

    /// After a read: viewers are woken, and the next read waits as long as the
    /// load asks for, unless so much came that the socket's buffer may fill.
    pub fn handed_over(&mut self, conn: &Conn, bytes: usize, core: &Core) {
        self.show();
        if std::mem::take(&mut self.active) {
            conn.expect_input(self.silence);
        }
        let pace = self.publisher.pace();
        if !pace.is_zero() && bytes < self.much {
            self.pause = Some(core.cadence.number());
        }
    }
}

/// The first, the 16th, the 256th ...: a log that floods is no log.
fn is_told(count: u32) -> bool {
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
