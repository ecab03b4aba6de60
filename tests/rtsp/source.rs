//! Pictures and sound, and the packets that a viewer is sent for them.

use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use bytes::Bytes;
use runnel::budget::Account;
use runnel::hub::{Conflict, Hub, Limits, Name, Step};
use runnel::media::{Codec, Frame, Hz, Kind, Ticks, Track, Wall};
use runnel::proto::rtp::{self, Format, RTP};

use crate::drive::Dice;
use crate::records;

const LIMITS: Limits = Limits {
    streams: 1,
    viewers: 1,
    stream_memory: 4 << 20,
    max_frame: 256 << 10,
    gops: 2,
    conflict: Conflict::Refuse,
    silent_audio: false,
    resume: Duration::from_secs(30),
    latency: Duration::ZERO,
};

/// The clocks of pictures and sound.
pub const CLOCKS: [Hz; 2] = [Hz::MPEG, Hz::new(44_100)];
/// The time between two pictures, in ticks.
const PICTURE: i64 = 3600;
/// Samples of a frame of AAC.
const SOUND: i64 = 1024;
/// Pictures from one key frame to the next: one, and threes of which the first overtakes.
const GROUP: i64 = 25;

/// A packet, and when it goes.
#[derive(Clone, Debug)]
pub struct Packet {
    pub at: Duration,
    pub channel: u8,
    pub data: Vec<u8>,
}

/// A stream as its publisher has it, and as it goes to a viewer.
pub struct Source {
    pub frames: Vec<Frame>,
    pub formats: Vec<Format>,
    pub packets: Vec<Packet>,
}

/// Tracks whose clocks are those of the packets.
pub fn tracks() -> [Track; 2] {
    let [video, audio] = [Codec::H264, Codec::Aac].map(|codec| records::track(0, codec));
    [Track { clock: CLOCKS[0], ..video }, Track { clock: CLOCKS[1], ..audio }]
}

impl Source {
    /// So many seconds, with pictures of up to `largest` bytes.
    pub fn new(seed: u64, seconds: i64, largest: usize) -> Self {
        let mut dice = Dice(seed);
        let pictures = (0..25 * seconds).map(|number| picture(number, largest, &mut dice));
        let mut frames: Vec<_> = pictures.collect();
        frames.extend((0..seconds * 44_100 / SOUND).map(|number| sound(number, &mut dice)));
        frames.sort_by_key(sent);
        let (formats, packets) = packets(&frames);
        Self { frames, formats, packets }
    }

    /// The frames of a kind.
    pub fn of(&self, kind: Kind) -> Vec<&Frame> {
        self.frames.iter().filter(|frame| frame.kind == kind).collect()
    }
}

/// When a frame leaves its encoder.
fn sent(frame: &Frame) -> Duration {
    let clock = CLOCKS[usize::from(frame.kind == Kind::Audio)];
    Duration::from_micros(frame.dts.rescale(clock, Hz::new(1_000_000)).0 as u64)
}

/// Pictures as I P B B P B B, each in one to three slices, some behind SEI.
fn picture(number: i64, largest: usize, dice: &mut Dice) -> Frame {
    let key = number % GROUP == 0;
    let ahead = if key { 0 } else { [2, -1, -1][(number % GROUP - 1) as usize % 3] };
    let header = if key { 0x65 } else { 0x41 };
    let mut data = Vec::new();
    if number % 5 == 0 {
        unit(&mut data, &[6, 5], 20 + dice.below(50), dice);
    }
    for slice in 0..1 + dice.below(3) {
        let first = if slice == 0 { 0x88 } else { 0x5a };
        unit(&mut data, &[header, first], 1 + dice.below(largest / 3), dice);
    }
    // one picture may overtake another
    let (dts, cts) = (Ticks(number * PICTURE), ((ahead + 1) * PICTURE) as i32);
    Frame { dts, cts, kind: Kind::Video, track: 0, key, data: records::paid(&data) }
}

/// A NAL unit behind its length.
fn unit(data: &mut Vec<u8>, begin: &[u8], len: usize, dice: &mut Dice) {
    data.extend(((begin.len() + len) as u32).to_be_bytes());
    data.extend_from_slice(begin);
    // no zeros, which would want emulation prevention
    data.extend((0..len).map(|_| 1 + dice.below(255) as u8));
}

fn sound(number: i64, dice: &mut Dice) -> Frame {
    let data: Vec<u8> = (0..50 + dice.below(300)).map(|_| dice.below(256) as u8).collect();
    Frame { dts: Ticks(number * SOUND), cts: 0, kind: Kind::Audio, track: 0, key: true, data: records::paid(&data) }
}

/// Lets a hub pack the frames for a viewer, who is there from the start.
fn packets(frames: &[Frame]) -> (Vec<Format>, Vec<Packet>) {
    let (hub, name) = (Hub::new(LIMITS, Account::root("streams", LIMITS.stream_memory)), Name::new("a").unwrap());
    let begun = Instant::now();
    let mut publisher = hub.publish(&name, "TEST1", begun).unwrap();
    tracks().into_iter().for_each(|track| {
        publisher.track(track);
    });
    let mut viewer = hub.play(&name, &RTP).unwrap();
    let cx = Context::from_waker(Waker::noop());
    let (mut packets, mut units, mut formats) = (Vec::new(), Vec::new(), Vec::new());
    for frame in frames {
        let at = sent(frame);
        let data = publisher.paid(&frame.data).unwrap();
        publisher.publish(Frame { data, ..frame.clone() }, begun + at).unwrap();
        hub.time_of_day(Wall(Duration::from_secs(1_700_000_000) + at));
        if let Poll::Ready(tracks) = viewer.poll_tracks(&cx) {
            formats = rtp::offers(&tracks).into_iter().map(|(_, format)| format).collect();
        }
        while viewer.poll_next(&cx, &mut units, Step { units: 8, bytes: 1 << 20 }).is_ready() {
            for piece in units.drain(..).flat_map(|unit| unit.packed.pieces().cloned().collect::<Vec<_>>()) {
                let data = [piece.head.bytes(), &piece.body].concat();
                packets.push(Packet { at, channel: piece.channel(), data });
            }
        }
    }
    packets.retain(|packet| !packet.data.is_empty());
    (formats, packets)
}

impl Packet {
    pub fn is_report(&self) -> bool {
        self.channel % 2 == 1
    }

    pub fn sequence(&self) -> u16 {
        u16::from_be_bytes([self.data[2], self.data[3]])
    }

    /// The place of the timestamp, in packets and in sender reports.
    fn timestamp_at(&self) -> std::ops::Range<usize> {
        if self.is_report() { 16..20 } else { 4..8 }
    }

    pub fn timestamp(&self) -> u32 {
        u32::from_be_bytes(self.data[self.timestamp_at()].try_into().unwrap())
    }

    /// The same with its numbers and times moved, across their wraps.
    pub fn moved(mut self, sequence: u16, timestamp: u32) -> Self {
        let (at, timestamp) = (self.timestamp_at(), self.timestamp().wrapping_add(timestamp));
        self.data[at].copy_from_slice(&timestamp.to_be_bytes());
        if !self.is_report() {
            let sequence = self.sequence().wrapping_add(sequence);
            self.data[2..4].copy_from_slice(&sequence.to_be_bytes());
        }
        self
    }

    /// The same so many seconds later.
    pub fn later(mut self, seconds: u8) -> Self {
        self.at += Duration::from_secs(seconds.into());
        if self.is_report() {
            self.data[11] += seconds; // of a time of day at which nothing is carried
        }
        self
    }

    /// The same from another sender, whom `id` tells from others.
    pub fn of_another_sender(mut self, id: u8) -> Self {
        let at = if self.is_report() { 4 } else { 8 };
        self.data[at] ^= id;
        self
    }

    pub fn bytes(&self) -> Bytes {
        Bytes::copy_from_slice(&self.data)
    }
}
