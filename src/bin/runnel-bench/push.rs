//! Publishing: one schedule for all publishers, which sends each message when
//! it is due.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::rc::Rc;
use std::time::{Duration, Instant};

use runnel::proto::rtmp::kind;
use runnel::reactor::Timer;
use smol::LocalExecutor;

use crate::args::Args;
use crate::failed::Failed;
use crate::file::{Media, Message};
use crate::link::Link;
use crate::stamp::{Stamping, Stamps};
use crate::tally::{Arrival, Shared};
use crate::voice::Voice;

/// Connects all publishers, then publishes for ever.
pub async fn run(executor: Rc<LocalExecutor<'static>>, args: Rc<Args>, tally: Shared, media: Rc<Media>) {
    let begun = Instant::now();
    let mut tasks = Vec::new();
    for number in 0..args.sessions {
        let start = begun + args.start(number);
        if start > Instant::now() {
            Timer::at(start).await;
        }
        tasks.push(executor.spawn(connect(args.clone(), tally.clone(), media.clone(), number)));
    }
    let mut publishers = Vec::new();
    for task in tasks {
        publishers.extend(task.await);
    }
    let stamps = Stamps::start();
    let origin = stamps.align(Instant::now());
    let stamp = (args.stamping != Stamping::None).then(|| stamps.of(origin));
    let inside = args.stamping == Stamping::Pictures;
    Schedule { origin, stamp, inside, media, tally, publishers }.run().await;
}

/// A publisher that may begin; `None` if it was refused.
async fn connect(args: Rc<Args>, tally: Shared, media: Rc<Media>, number: usize) -> Option<Publisher> {
    let begun = Instant::now();
    match Publisher::connect(&args, &media, number).await {
        Ok(publisher) => {
            tally.borrow_mut().started(begun.elapsed());
            Some(publisher)
        }
        Err(why) => {
            tally.borrow_mut().ended(false, &why);
            None
        }
    }
}

struct Schedule {
    /// The moment at which the file begins for a publisher without delay, and its stamp.
    origin: Instant,
    stamp: Option<u32>,
    /// Some pictures hold the stamp.
    inside: bool,
    media: Rc<Media>,
    tally: Shared,
    publishers: Vec<Publisher>,
}

impl Schedule {
    async fn run(mut self) {
        // milliseconds after the origin, and the publisher that sends then
        let mut turns: BinaryHeap<_> =
            self.publishers.iter().enumerate().map(|(index, publisher)| Reverse((publisher.delay, index))).collect();
        let mut in_a_row = 0;
        while let Some(Reverse((due, index))) = turns.pop() {
            let at = self.origin + Duration::from_millis(due);
            if at > Instant::now() {
                Timer::at(at).await;
                in_a_row = 0;
            } else if in_a_row >= IN_A_ROW {
                smol::future::yield_now().await;
                in_a_row = 0;
            }
            in_a_row += 1;
            if let Some(due) = self.turn(index, due, at) {
                turns.push(Reverse((due, index)));
            }
        }
    }

    /// Sends a publisher's next message; gives the time of the one after it, or
    /// `None` if the publisher is lost.
    fn turn(&mut self, index: usize, due: u64, at: Instant) -> Option<u64> {
        let publisher = self.publishers.get_mut(index)?;
        let message = self.media.frames.get(publisher.next)?;
        let timestamp = match self.stamp {
            Some(stamp) => stamp.wrapping_add(due as u32),
            None => (due - publisher.delay) as u32,
        };
        let mut tally = self.tally.borrow_mut();
        match publisher.send(&self.media, message, timestamp, self.inside) {
            Ok(bytes) => tally.moved(bytes),
            Err(why) => {
                tally.ended(true, &why);
                return None;
            }
        }
        tally.frame(Arrival { key: message.key, gap: false, age: Some(at.elapsed()) });
        Some(publisher.advance(&self.media))
    }
}

/// One publisher.
struct Publisher {
    link: Link,
    voice: Voice,
    /// The milliseconds by which it begins later than the first.
    delay: u64,
    /// The file was sent so many times, and this frame of it is next.
    rounds: u64,
    next: usize,
    sent: u64,
    pictures: u64,
}

impl Publisher {
    async fn connect(args: &Args, media: &Media, number: usize) -> Result<Self, Failed> {
        let target = args.target(number)?;
        let mut link = Link::open(&target).await?;
        let voice = Voice::connect(&mut link, &target, number, media).await?;
        let delay = args.spread_ms * number as u64 / args.sessions as u64;
        Ok(Self { link, voice, delay, rounds: 0, next: 0, sent: 0, pictures: 0 })
    }

    /// Sends a message, before the first of all the head; gives the number of
    /// bytes that the socket took.
    fn send(&mut self, media: &Media, message: &Message, timestamp: u32, inside: bool) -> Result<usize, Failed> {
        if self.sent == 0 {
            self.voice.begin(media, timestamp);
        }
        let picture = message.kind == kind::VIDEO;
        self.pictures += u64::from(picture);
        let stamped = inside && picture && self.pictures.is_multiple_of(STAMPED);
        self.voice.say(media, message, timestamp, stamped);
        self.sent += 1;
        if self.sent.is_multiple_of(LISTEN) {
            self.voice.listen(&mut self.link)?;
        }
        let bytes = self.link.send(self.voice.transmit())?;
        if self.voice.transmit().len() > MAX_BACKLOG {
            return Err(Failed::server("the server does not read"));
        }
        Ok(bytes)
    }

    /// Goes to the next frame; gives the time at which it is due.
    fn advance(&mut self, media: &Media) -> u64 {
        self.next += 1;
        if self.next >= media.frames.len() {
            (self.next, self.rounds) = (0, self.rounds + 1);
        }
        let at = media.frames.get(self.next).map_or(0, |frame| frame.at);
        self.delay + self.rounds * media.length + at
    }
}

/// Messages that are sent before others get their turn.
const IN_A_ROW: usize = 256;
/// One of so many pictures is stamped, key frame or not: one more packet
/// for each of them would be an additional load.
const STAMPED: u64 = 7;
/// The server's messages are read after so many of ours.
const LISTEN: u64 = 64;
/// The most bytes that may wait for the socket.
const MAX_BACKLOG: usize = 8 << 20;
