//! Publishing: one schedule for all publishers, which sends each message when
//! it is due.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::rc::Rc;
use std::time::{Duration, Instant};

use async_io::Timer;
use runnel::budget::Account;
use runnel::proto::Machine;
use runnel::proto::rtmp::{Client, ClientEvent, Role};
use smol::LocalExecutor;

use crate::args::Args;
use crate::file::{Media, Message};
use crate::link::Link;
use crate::play::MAX_MESSAGE;
use crate::stamp::Stamps;
use crate::tally::{Arrival, Shared};

/// Connects all publishers, then publishes for ever.
pub async fn run(executor: Rc<LocalExecutor<'static>>, args: Rc<Args>, tally: Shared, media: Rc<Media>) {
    let begun = Instant::now();
    let mut tasks = Vec::new();
    for number in 0..args.sessions {
        let start = begun + args.start(number);
        if start > Instant::now() {
            Timer::at(start).await;
        }
        tasks.push(executor.spawn(connect(args.clone(), tally.clone(), number)));
    }
    let mut publishers = Vec::new();
    for task in tasks {
        publishers.extend(task.await);
    }
    let stamps = Stamps::start();
    let origin = stamps.align(Instant::now());
    Schedule { stamp: args.stamp.then(|| stamps.of(origin)), origin, media, tally, publishers }.run().await;
}

/// A publisher that may begin; `None` if it was refused.
async fn connect(args: Rc<Args>, tally: Shared, number: usize) -> Option<Publisher> {
    let begun = Instant::now();
    match Publisher::connect(&args, number).await {
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
    /// When the file begins for a publisher without delay, and the stamp of that moment.
    origin: Instant,
    stamp: Option<u32>,
    media: Rc<Media>,
    tally: Shared,
    publishers: Vec<Publisher>,
}

impl Schedule {
    async fn run(mut self) {
        // milliseconds after the origin, and whose turn it is then
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
        match publisher.send(&self.media.head, message, timestamp) {
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
    client: Client,
    /// How much later than the first it begins, in milliseconds.
    delay: u64,
    /// The file was sent so many times, and this frame of it is next.
    rounds: u64,
    next: usize,
    sent: u64,
}

impl Publisher {
    async fn connect(args: &Args, number: usize) -> Result<Self, String> {
        let target = args.target(number)?;
        let (app, name) = target.app_and_name();
        let account = Account::root("session", usize::MAX);
        let mut client = Client::new(Role::Publish, &target.host, app, name, MAX_MESSAGE, number as u64, account);
        let mut link = Link::open(target.address).await?;
        let mut started = false;
        while !started {
            link.turn(&mut client, |event| {
                started |= event == ClientEvent::Started;
                not_refused(event)
            })
            .await?;
        }
        let delay = args.spread_ms * number as u64 / args.sessions as u64;
        Ok(Self { link, client, delay, rounds: 0, next: 0, sent: 0 })
    }

    /// Sends a message, before the first of all the head; gives the number of
    /// bytes that the socket took.
    fn send(&mut self, head: &[Message], message: &Message, timestamp: u32) -> Result<usize, String> {
        let before = if self.sent == 0 { head } else { &[] };
        for message in before.iter().chain([message]) {
            self.client.send_media(message.kind, timestamp, &message.body);
        }
        self.sent += 1;
        if self.sent.is_multiple_of(LISTEN) {
            while self.link.read(&mut self.client, not_refused)?.is_some() {}
        }
        let bytes = self.link.send(self.client.transmit())?;
        if self.client.transmit().len() > MAX_BACKLOG {
            return Err("the server does not read".into());
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

fn not_refused(event: ClientEvent) -> Result<(), String> {
    match event {
        ClientEvent::Refused(why) => Err(format!("refused: {why}")),
        _ => Ok(()),
    }
}

/// Messages that are sent before others get their turn.
const IN_A_ROW: usize = 256;
/// What the server says is read after so many messages.
const LISTEN: u64 = 64;
/// The most bytes that may wait for the socket.
const MAX_BACKLOG: usize = 8 << 20;
