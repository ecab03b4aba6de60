//! A viewer: what it is told, and how it watches for gaps.

use std::time::Instant;

use runnel::media::Kind;

use crate::args::Args;
use crate::failed::Failed;
use crate::glance::Glance;
use crate::sei;
use crate::stamp::{Stamping, Stamps};
use crate::tally::{Arrival, Shared};

/// A message to a viewer, by whatever protocol.
#[derive(Debug, PartialEq)]
pub enum Heard {
    Frame(Seen),
    /// The wait for the first picture begins now, and not with the connection.
    Asked,
    /// The server does not let it play, and why.
    Refused(String),
    Other,
}

/// The facts of a frame that are looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seen {
    pub kind: Kind,
    /// Milliseconds; 32 bits that wrap.
    pub timestamp: u32,
    pub key: bool,
    /// Packets are missing, of it or before it.
    pub torn: bool,
    /// The stamp of the time at which it was due, if it says so itself.
    pub due: Option<u32>,
}

impl Heard {
    /// An FLV tag, of which `begin` is enough if it has the two first bytes.
    pub fn tag(kind: Kind, timestamp: u32, begin: &[u8]) -> Self {
        match Glance::at(kind, begin) {
            Glance::Frame { key } => Self::Frame(Seen { kind, timestamp, key, torn: false, due: sei::stamp(begin) }),
            Glance::Other => Self::Other,
        }
    }
}

/// One viewer.
pub struct Viewer {
    pub tally: Shared,
    /// A picture has come that can be shown.
    pub started: bool,
    begun: Instant,
    stamps: Stamps,
    stamping: Stamping,
    /// A step between pictures from here on is a gap, in milliseconds.
    too_long: i32,
    last_video: Option<u32>,
    last_audio: Option<u32>,
}

impl Viewer {
    pub fn new(args: &Args, tally: &Shared, stamps: Stamps) -> Self {
        let too_long = args.frame_ms.map_or(MAX_STEP, |frame| (frame * 1.9).ceil() as i32);
        Self {
            tally: tally.clone(),
            stamps,
            started: false,
            begun: Instant::now(),
            stamping: args.stamping,
            too_long,
            last_video: None,
            last_audio: None,
        }
    }

    /// Takes note; an error ends the session.
    pub fn hear(&mut self, what: Heard) -> Result<(), Failed> {
        match what {
            Heard::Frame(seen) => self.frame(seen),
            Heard::Asked => self.begun = Instant::now(),
            Heard::Refused(why) => return Err(Failed::server(format!("refused: {why}"))),
            Heard::Other => {}
        }
        Ok(())
    }

    /// A segment has come whole. Playing begins with the first.
    pub fn segment(&mut self, begun: Instant, gap: bool) {
        let mut tally = self.tally.borrow_mut();
        if !std::mem::replace(&mut self.started, true) {
            tally.started(begun.elapsed());
        }
        tally.frame(Arrival { key: true, gap, age: None });
    }

    fn frame(&mut self, seen: Seen) {
        let Seen { kind, timestamp, key, torn, due } = seen;
        let now = Instant::now();
        let (last, too_long) = match kind {
            Kind::Video => (&mut self.last_video, self.too_long),
            Kind::Audio => (&mut self.last_audio, MAX_STEP),
        };
        let step = last.replace(timestamp).map_or(0, |last| timestamp.wrapping_sub(last) as i32);
        let gap = torn || !(0..=too_long).contains(&step);
        let stamp = match self.stamping {
            Stamping::None => None,
            Stamping::Times => Some(timestamp),
            Stamping::Pictures => due,
        };
        let age = stamp.map(|stamp| self.stamps.age(stamp, now));
        let mut tally = self.tally.borrow_mut();
        if key && !self.started {
            self.started = true;
            tally.started(now.duration_since(self.begun));
        }
        tally.frame(Arrival { key, gap, age });
    }
}

/// A longer step is a gap in any stream, in milliseconds.
const MAX_STEP: i32 = 1000;
