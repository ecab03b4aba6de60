//! Drives machines over conversations that were written down before.

#![allow(dead_code, reason = "each test uses a part")]

#[path = "sweep.rs"]
mod sweep;

use std::fmt::Debug;

use runnel::budget::{Account, Greetings};
#[cfg(feature = "rtsp")]
use runnel::proto::rtsp::{self, ClientEvent, Event, Status};
#[cfg(feature = "http")]
use runnel::proto::ws;
#[cfg(feature = "rtsp")]
use runnel::proto::{AuthScheme, Error, Secret};
use runnel::proto::{Blame, Machine, http, rtmp};
pub use sweep::one_in;

/// The longest body of a POST that is asked for.
const POSTED: usize = 100;

/// A driver's answers to events, as the server's own would be.
pub trait React: Machine {
    fn react(&mut self, event: &Self::Event);
}

/// All that a machine made of a conversation.
#[derive(Debug, PartialEq)]
pub struct Outcome<E> {
    pub events: Vec<E>,
    pub sent: Vec<u8>,
    pub error: Option<String>,
    /// The byte of the conversation that the error is about.
    pub place: Option<usize>,
    /// Bytes that it had no use for yet.
    pub left: usize,
    /// The most bytes that stood in `transmit` at once.
    pub most_sent: usize,
}

/// Feeds `data` to `machine` in pieces that end at `cuts`, and at its end.
pub fn converse<M: React>(machine: &mut M, data: &[u8], cuts: impl IntoIterator<Item = usize>) -> Outcome<M::Event> {
    let mut outcome = Outcome { events: Vec::new(), sent: Vec::new(), error: None, place: None, left: 0, most_sent: 0 };
    outcome.take(machine); // a client speaks first
    let mut at = 0;
    for end in cuts.into_iter().chain([data.len()]) {
        while at < end && outcome.error.is_none() {
            match machine.input(&data[at..end]) {
                Ok(0) => break,
                Ok(used) => {
                    assert!(used <= end - at, "it used more than there was");
                    at += used;
                }
                Err(error) => {
                    outcome.place = (error.blame() != Blame::Limit).then_some(at + error.used());
                    outcome.error = Some(error.to_string());
                }
            }
            outcome.take(machine);
        }
    }
    outcome.left = data.len() - at;
    outcome
}

/// Cuts `data` at every single place, at random places and everywhere, and
/// compares with what comes of it in one piece, which is given back.
pub fn invariant<M>(new: impl Fn() -> M, data: &[u8]) -> Vec<M::Event>
where
    M: React,
    M::Event: Debug + PartialEq,
{
    invariant_at(1..data.len(), new, data)
}

/// The same, but single cuts are made in these places alone.
pub fn invariant_at<M>(places: impl Iterator<Item = usize>, new: impl Fn() -> M, data: &[u8]) -> Vec<M::Event>
where
    M: React,
    M::Event: Debug + PartialEq,
{
    let whole = converse(&mut new(), data, []);
    let same = |cuts: Vec<usize>, how: &str| {
        let outcome = converse(&mut new(), data, cuts);
        assert_eq!((&outcome.events, &outcome.error), (&whole.events, &whole.error), "{how}");
        assert_eq!(outcome.place, whole.place, "{how}");
        assert!(outcome.sent == whole.sent, "{how}: the answers differ");
    };
    places.step_by(one_in()).for_each(|at| same(vec![at], &format!("cut at {at}")));
    let mut dice = Dice(42);
    for longest in [3, 17, 100, 1500] {
        for n in (0..10).step_by(one_in()) {
            same(dice.cuts(data.len(), longest), &format!("try {n} of at most {longest}"));
        }
    }
    same((1..data.len()).collect(), "byte by byte");
    whole.events
}

/// `bad` behind `good` ends the conversation for this reason, at the byte `at` of `bad`, however all of it is cut.
pub fn refused<M>(new: impl Fn() -> M, good: &[u8], bad: &[u8], (why, at): (&str, usize))
where
    M: React,
    M::Event: Debug + PartialEq,
{
    let talk = [good, bad, &[0x55; 20]].concat();
    invariant_at(good.len()..talk.len(), &new, &talk);
    let outcome = converse(&mut new(), &talk, []);
    assert_eq!((outcome.error.as_deref(), outcome.place), (Some(why), Some(good.len() + at)));
}

/// Offers what is left after every byte, twice over.
pub fn patient<M: React>(new: impl Fn() -> M, data: &[u8]) {
    let mut machine = new();
    let (mut at, mut refused) = (0, 0);
    for end in 1..=data.len() {
        while at < end {
            let used = machine.input(&data[at..end]).unwrap_or_else(|error| panic!("{error}"));
            if used == 0 {
                assert!(machine.event().is_none(), "an event out of nothing, at {end}");
                assert_eq!(machine.input(&data[at..end]).ok(), Some(0), "another answer to the same bytes, at {end}");
                refused += 1;
                break;
            }
            at += used;
            while let Some(event) = machine.event() {
                machine.react(&event);
            }
        }
    }
    assert!(at == data.len() && refused > 0);
}

impl<E> Outcome<E> {
    fn take<M: React<Event = E>>(&mut self, machine: &mut M) {
        while let Some(event) = machine.event() {
            machine.react(&event);
            self.events.push(event);
        }
        self.most_sent = self.most_sent.max(machine.transmit().len());
        self.sent.append(machine.transmit());
    }
}

impl React for rtmp::Server {
    fn react(&mut self, event: &rtmp::Event) {
        if let rtmp::Event::Publish(_) | rtmp::Event::Play(_) = event {
            self.accept();
        }
    }
}

impl React for rtmp::Client {
    fn react(&mut self, _: &rtmp::ClientEvent) {}
}

impl React for http::Server {
    fn react(&mut self, event: &http::Event) {
        match event {
            http::Event::Request(request) => {
                let most = if request.method == http::Method::Post { POSTED } else { 0 };
                let room = Account::root("bodies", 64 << 10);
                match self.read_body(request.clone(), most, &Greetings::new(&room, 48 << 10, 16 << 10)) {
                    Ok(None) => {}
                    Ok(Some(request)) => self.answer(http::Status::OK, &[], request.path.as_bytes()),
                    Err(status) => self.answer(status, &[], &[]),
                }
            }
            http::Event::Bad(status) => self.answer(*status, &[], &[]),
        }
    }
}

#[cfg(feature = "rtsp")]
impl React for rtsp::Server {
    fn react(&mut self, event: &Event) {
        match event {
            Event::Describe(target) => self.described(&format!("v=0\r\ns={}\r\nm=video 0 RTP/AVP 96\r\n", target.name)),
            Event::Setup { transports, .. } => match transports.first() {
                Some(transport) => self.set_up(transport),
                None => self.refuse(Status::UNSUPPORTED_TRANSPORT),
            },
            Event::Play => self.playing(&[(0, Some(7), Some(9000)), (1, None, None)]),
            Event::Announce(..) | Event::Record | Event::Pause | Event::Teardown => self.accept(),
            Event::Packet { .. } | Event::Lost { .. } => {}
        }
    }
}

/// A server that is used by the password of one user alone.
#[cfg(feature = "rtsp")]
pub struct Guarded {
    server: rtsp::Server,
    /// Its name and its password.
    user: (&'static str, &'static str),
    /// The error that a challenge ended in.
    over: Option<Error>,
}

#[cfg(feature = "rtsp")]
impl Guarded {
    pub fn new(server: rtsp::Server, user: (&'static str, &'static str)) -> Self {
        Self { server, user, over: None }
    }
}

#[cfg(feature = "rtsp")]
impl Machine for Guarded {
    type Event = Event;

    fn input(&mut self, data: &[u8]) -> Result<usize, Error> {
        self.over.map_or_else(|| self.server.input(data), Err)
    }

    fn event(&mut self) -> Option<Event> {
        self.server.event()
    }

    fn transmit(&mut self) -> &mut Vec<u8> {
        self.server.transmit()
    }
}

#[cfg(feature = "rtsp")]
impl React for Guarded {
    fn react(&mut self, event: &Event) {
        const SCHEMES: [AuthScheme; 2] = [AuthScheme::Digest, AuthScheme::Basic];
        if let Event::Describe(_) | Event::Announce(..) | Event::Setup { .. } = event {
            let given = self.server.take_credentials();
            if let Err(lack) = given.prove(self.user.0, Secret::Password(self.user.1), &SCHEMES) {
                self.over = self.server.challenge(lack, &SCHEMES).err();
                return;
            }
        }
        self.server.react(event);
    }
}

#[cfg(feature = "rtsp")]
impl React for rtsp::Client {
    fn react(&mut self, event: &ClientEvent) {
        match event {
            ClientEvent::Described(description) => self.choose(0..description.medias.len()),
            ClientEvent::WantsPorts(track) => {
                let port = 6000 + 2 * *track as u16;
                self.ports(Some((port, port + 1)));
            }
            _ => {}
        }
    }
}

#[cfg(feature = "http")]
impl React for ws::Server {
    fn react(&mut self, _: &ws::Event) {}
}

/// Numbers that look random and are the same in every run.
pub struct Dice(pub u64);

impl Dice {
    /// A number below `end`.
    pub fn below(&mut self, end: usize) -> usize {
        // xorshift64*
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) as usize % end
    }

    /// The places at which to cut `len` bytes into pieces of at most `longest`.
    pub fn cuts(&mut self, len: usize, longest: usize) -> Vec<usize> {
        let mut cuts = Vec::new();
        let mut at = 0;
        while at < len {
            at += 1 + self.below(longest);
            cuts.push(at.min(len));
        }
        cuts
    }
}
