//! A network that loses, delays and repeats packets, and who reads what is left.

use std::time::{Duration, Instant};

use runnel::budget::Account;
use runnel::media::{Frame, Hz, Kind, Ticks, Track};
use runnel::proto::rtp::{Demux, Event, Format};

use crate::drive::Dice;
use crate::source::Packet;

pub const PATIENCE: Duration = Duration::from_millis(100);
/// The time between two looks of the receiver at the clock.
pub const TICK: Duration = Duration::from_millis(10);
/// The time from a stream's begin to the first trouble: a loss before the first packet is nobody's.
pub const CALM: Duration = Duration::from_millis(500);

/// The faults of the network on the way of packets.
#[derive(Clone, Copy, Default)]
pub struct Network {
    /// Of a thousand packets.
    pub lost: usize,
    /// So many more are lost with one that is.
    pub burst: usize,
    /// Of a thousand packets.
    pub twice: usize,
    /// The longest delay in milliseconds.
    pub delay: usize,
}

impl Network {
    /// The packets in the order of arrival.
    pub fn carry(self, packets: &[Packet], dice: &mut Dice) -> Vec<Packet> {
        let (mut out, mut losing) = (Vec::new(), 0);
        for packet in packets {
            let calm = packet.at < CALM;
            if !calm && losing == 0 && dice.below(1000) < self.lost {
                losing = 1 + dice.below(self.burst + 1);
            }
            if losing > 0 {
                losing -= 1;
                continue;
            }
            let copies = if !calm && dice.below(1000) < self.twice { 2 } else { 1 };
            for _ in 0..copies {
                let delay = if calm { 0 } else { dice.below(1000 * self.delay + 1) as u64 };
                out.push(Packet { at: packet.at + Duration::from_micros(delay), ..packet.clone() });
            }
        }
        out.sort_by_key(|packet| packet.at);
        out
    }
}

/// An event that a receiver was given.
#[derive(Debug)]
pub enum Got {
    Frame(Frame),
    Lost(Kind),
}

/// A reader of packets on a clock of its own.
pub struct Receiver {
    pub demux: Demux,
    pub account: Account,
    pub tracks: Vec<Track>,
    pub got: Vec<(Duration, Got)>,
    /// The ticks by which the demuxer moved each track.
    pub moves: Vec<(Kind, i64)>,
    begun: Instant,
    now: Duration,
}

impl Receiver {
    pub fn new(formats: &[Format]) -> Self {
        let mut demux = Demux::new(256 << 10, PATIENCE);
        formats.iter().enumerate().for_each(|(number, format)| {
            assert_eq!(demux.add(std::slice::from_ref(format)), Some(number));
        });
        let tracks = demux.tracks().cloned().collect();
        let account = Account::root("stream", 4 << 20);
        Self { demux, account, tracks, got: Vec::new(), moves: Vec::new(), begun: Instant::now(), now: Duration::ZERO }
    }

    /// As RTP-Info says, both tracks begin at the same moment.
    pub fn begin_at(&mut self, timestamps: [u32; 2]) {
        (0..).zip(timestamps).for_each(|(number, timestamp)| self.demux.begin_at(number, timestamp));
    }

    /// Takes all packets at their times, and looks at the clock in between.
    pub fn receive(&mut self, packets: &[Packet]) {
        for packet in packets {
            self.wait(packet.at);
            self.take(packet);
            let moves = self.demux.moves().map(|(track, by)| (track.codec.kind(), by.0));
            self.moves.extend(moves);
        }
        self.wait(self.now + PATIENCE + TICK);
    }

    fn take(&mut self, packet: &Packet) {
        let Self { demux, account, tracks, got, begun, now, .. } = self;
        let number = usize::from(packet.channel / 2);
        if packet.is_report() {
            return demux.rtcp(number, *begun + *now, &packet.data);
        }
        demux.rtp(number, *begun + *now, &packet.bytes(), account, &mut |event| note(event, *now, tracks, got));
    }

    fn wait(&mut self, until: Duration) {
        while self.now + TICK <= until {
            self.now += TICK;
            let Self { demux, account, tracks, got, begun, now, .. } = self;
            demux.flush(*begun + *now, account, &mut |event| note(event, *now, tracks, got));
        }
        self.now = self.now.max(until);
    }

    /// The frames of a kind.
    pub fn frames(&self, kind: Kind) -> Vec<&Frame> {
        let frames = self.got.iter().filter_map(|(_, got)| match got {
            Got::Frame(frame) => Some(frame),
            Got::Lost(..) => None,
        });
        frames.filter(|frame| frame.kind == kind).collect()
    }

    /// The number of losses that were reported.
    pub fn losses(&self) -> usize {
        self.got.iter().filter(|(_, got)| matches!(got, Got::Lost(..))).count()
    }
}

fn note(event: Event, now: Duration, tracks: &mut Vec<Track>, got: &mut Vec<(Duration, Got)>) {
    match event {
        Event::Track(track) => tracks.push(track),
        Event::Frame(frame) => got.push((now, Got::Frame(frame))),
        Event::Lost(kind, _) => got.push((now, Got::Lost(kind))),
    }
}

/// When a frame is shown, in ticks.
pub fn shown(frame: &Frame) -> i64 {
    frame.dts.0 + i64::from(frame.cts)
}

/// When a frame is shown, in microseconds.
pub fn micros(frame: &Frame, clock: Hz) -> i64 {
    Ticks(shown(frame)).rescale(clock, Hz::new(1_000_000)).0
}
