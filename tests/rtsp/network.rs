//! From a publisher through the hub to a viewer, over a network that does what
//! networks do, and back to frames.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use runnel::media::{Frame, Hz, Kind};
use runnel::proto::rtp::Format;

use crate::drive::{Dice, one_in};
use crate::receiver::{Got, Network, PATIENCE, Receiver, TICK, micros, shown};
use crate::source::{CLOCKS, Packet, Source};

const KINDS: [Kind; 2] = [Kind::Video, Kind::Audio];

fn received(source: &Source, packets: &[Packet]) -> Receiver {
    let mut receiver = Receiver::new(&source.formats);
    receiver.receive(packets);
    receiver
}

/// All frames came, with all that belongs to them.
fn complete(source: &Source, receiver: &Receiver, what: &str) {
    for kind in KINDS {
        let (sent, got) = (source.of(kind), receiver.frames(kind));
        assert_eq!(got.len(), sent.len(), "{what}: {kind:?}");
        let begins = shown(got[0]) - shown(sent[0]);
        for (at, (sent, got)) in sent.iter().zip(&got).enumerate() {
            assert!(sent.data == got.data && sent.key == got.key, "{what}: {kind:?} {at} is another");
            assert_eq!(shown(got) - shown(sent), begins, "{what}: {kind:?} {at} is shown at another time");
        }
    }
    assert_eq!(receiver.losses(), 0, "{what}");
}

/// Pictures are decoded in their order, and not after they are shown.
fn decodable(receiver: &Receiver, what: &str) {
    let pictures = receiver.frames(Kind::Video);
    assert!(pictures.windows(2).all(|pair| pair[0].dts < pair[1].dts), "{what}");
    assert!(pictures.iter().all(|picture| picture.cts >= 0), "{what}");
}

/// The time by which sound is further behind the pictures than it should be, in microseconds.
fn apart(source: &Source, receiver: &Receiver) -> i64 {
    let off = |kind, clock| {
        let (sent, got) = (source.of(kind), receiver.frames(kind));
        micros(got.last().unwrap(), clock) - micros(sent.last().unwrap(), clock)
    };
    off(Kind::Audio, CLOCKS[1]) - off(Kind::Video, CLOCKS[0])
}

#[test]
fn what_is_late_and_what_comes_twice_costs_nothing() {
    for seed in (1..=8).step_by(one_in()) {
        let source = Source::new(seed, 10, 20_000);
        for network in [
            Network::default(),
            Network { delay: 5, ..Network::default() },
            Network { delay: 95, twice: 100, ..Network::default() },
            Network { delay: 40, twice: 1000, ..Network::default() },
        ] {
            let what = format!("seed {seed}, {} ms", network.delay);
            let receiver = received(&source, &network.carry(&source.packets, &mut Dice(seed)));
            complete(&source, &receiver, &what);
            decodable(&receiver, &what);
            let apart = apart(&source, &receiver);
            assert!(apart.abs() <= 2000, "{what}: sound is {apart} us late");
        }
    }
}

#[test]
fn tracks_are_announced_once() {
    let source = Source::new(3, 5, 9000);
    let receiver = received(&source, &source.packets);
    assert_eq!(receiver.tracks, crate::source::tracks());
}

#[test]
fn what_only_frames_tell_is_not_announced_before_them() {
    let format = |encoding: &str, clock| Format {
        payload_type: 96,
        encoding: encoding.into(),
        clock: Hz::new(clock),
        channels: 1,
        fmtp: Vec::new(),
    };
    for (encoding, clock, count) in [("PCMA", 8000, 1), ("MPA", 90_000, 0), ("JPEG", 90_000, 0), ("H264", 90_000, 0)] {
        assert_eq!(Receiver::new(&[format(encoding, clock)]).tracks.len(), count, "{encoding}");
    }
}

/// The frame that was sent, for each that came; without SEI, which
/// may be lost alone and is missed by nobody. Frames differ early: to compare them costs
/// less than to hash all of each.
struct Known(BTreeMap<Vec<u8>, usize>);

impl Known {
    fn new(sent: &[&Frame]) -> Self {
        Self(sent.iter().enumerate().map(|(at, frame)| (Self::core(frame), at)).collect())
    }

    fn core(frame: &Frame) -> Vec<u8> {
        let data = &frame.data[..];
        match (frame.kind, data) {
            (Kind::Video, [a, b, c, d, 6, ..]) => data[4 + u32::from_be_bytes([*a, *b, *c, *d]) as usize..].to_vec(),
            _ => data.to_vec(),
        }
    }

    fn number(&self, frame: &Frame) -> Option<usize> {
        self.0.get(&Self::core(frame)).copied()
    }
}

/// The frames that were sent came in order, and those that are missing were reported at their places.
fn honest(source: &Source, receiver: &Receiver, what: &str) {
    for kind in KINDS {
        let sent = source.of(kind);
        let (known, mut next, mut reported) = (Known::new(&sent), 0, false);
        for (_, got) in &receiver.got {
            match got {
                Got::Lost(of) => reported |= *of == kind,
                Got::Frame(frame) if frame.kind == kind => {
                    let number =
                        known.number(frame).unwrap_or_else(|| panic!("{what}: a damaged {kind:?} behind {next}"));
                    assert!(number >= next, "{what}: {kind:?} {number} comes behind {next}");
                    assert!(number == next || reported, "{what}: nobody said that {kind:?} {next} is lost");
                    assert_eq!(frame.key, sent[number].key, "{what}: {kind:?} {number}");
                    (next, reported) = (number + 1, false);
                }
                Got::Frame(_) => {}
            }
        }
        assert!(next > sent.len() * 9 / 10, "{what}: nothing came after {kind:?} {next}");
    }
}

#[test]
fn what_is_lost_is_said_and_nothing_damaged_comes_out() {
    for seed in (1..=10).step_by(one_in()) {
        let source = Source::new(seed, 10, 20_000);
        for network in [
            Network { lost: 10, ..Network::default() },
            Network { lost: 200, ..Network::default() },
            Network { lost: 20, delay: 95, twice: 100, ..Network::default() },
            Network { lost: 5, burst: 40, delay: 20, ..Network::default() },
            Network { lost: 2, burst: 300, ..Network::default() },
        ] {
            let what = format!("seed {seed}, {} of 1000 lost, in bursts of {}", network.lost, network.burst);
            let receiver = received(&source, &network.carry(&source.packets, &mut Dice(seed)));
            honest(&source, &receiver, &what);
            decodable(&receiver, &what);
            assert!(receiver.losses() > 0, "{what}");
            drop(receiver.demux);
            drop(receiver.got);
            assert_eq!(receiver.account.used(), 0, "{what}");
        }
    }
}

#[test]
fn a_lost_packet_costs_one_frame() {
    let source = Source::new(5, 6, 20_000);
    let late = (0..source.packets.len()).filter(|at| source.packets[*at].at > Duration::from_secs(1));
    for at in late.step_by(7 * one_in()) {
        if source.packets[at].is_report() {
            continue;
        }
        let mut packets = source.packets.clone();
        packets.remove(at);
        let receiver = received(&source, &packets);
        honest(&source, &receiver, &format!("without packet {at}"));
        let got = receiver.frames(Kind::Video).len() + receiver.frames(Kind::Audio).len();
        assert!(got + 1 >= source.frames.len(), "packet {at} costs {} frames", source.frames.len() - got);
    }
}

/// When the last packet of each picture came, by how much later than the first it is shown.
fn arrivals(packets: &[Packet]) -> HashMap<u32, Duration> {
    let pictures: Vec<_> = packets.iter().filter(|packet| packet.channel == 0).collect();
    let mut last = HashMap::new();
    for packet in &pictures {
        let later = packet.timestamp().wrapping_sub(pictures[0].timestamp());
        last.entry(later).and_modify(|at: &mut Duration| *at = packet.at.max(*at)).or_insert(packet.at);
    }
    last
}

#[test]
fn nobody_waits_longer_than_patience() {
    for seed in (1..=10).step_by(one_in()) {
        let source = Source::new(seed, 10, 20_000);
        for delay in [0, 60, 95] {
            let network = Network { lost: 30, delay, ..Network::default() };
            let packets = network.carry(&source.packets, &mut Dice(seed));
            let receiver = received(&source, &packets);
            let (arrivals, sent) = (arrivals(&packets), source.of(Kind::Video));
            let known = Known::new(&sent);
            let pictures = receiver.got.iter().filter_map(|(at, got)| match got {
                Got::Frame(frame) if frame.kind == Kind::Video => Some((*at, frame)),
                _ => None,
            });
            for (at, frame) in pictures {
                let number = known.number(frame).unwrap();
                let waited = at - arrivals[&((shown(sent[number]) - shown(sent[0])) as u32)];
                assert!(waited <= PATIENCE + TICK, "seed {seed}, {delay} ms: picture {number} waits for {waited:?}");
            }
        }
    }
}

/// The packets with the numbers of each track moved so that they wrap in mid-stream.
fn across_the_wraps(source: &Source) -> Vec<Packet> {
    let middle = |channel| {
        let mut of = source.packets.iter().filter(|packet| packet.channel == channel);
        let count = of.clone().count();
        let packet = of.nth(count / 2).unwrap();
        (packet.sequence().wrapping_neg(), packet.timestamp().wrapping_neg())
    };
    let by = [middle(0), middle(2)];
    let moved = |packet: &Packet| {
        let (sequence, timestamp) = by[usize::from(packet.channel / 2)];
        packet.clone().moved(sequence, timestamp)
    };
    source.packets.iter().map(moved).collect()
}

#[test]
fn numbers_and_times_that_wrap_change_nothing() {
    for seed in (1..=4).step_by(one_in()) {
        let source = Source::new(seed, 20, 9000);
        let packets = across_the_wraps(&source);
        let times: Vec<_> = packets.iter().filter(|packet| packet.channel == 0).map(Packet::timestamp).collect();
        assert!(times[0] > u32::MAX / 2 && *times.last().unwrap() < u32::MAX / 2);
        for delay in [0, 90] {
            let packets = Network { delay, ..Network::default() }.carry(&packets, &mut Dice(seed));
            let receiver = received(&source, &packets);
            complete(&source, &receiver, &format!("seed {seed}, {delay} ms"));
            decodable(&receiver, "across the wraps");
            let apart = apart(&source, &receiver);
            assert!(apart.abs() <= 2000, "seed {seed}, {delay} ms: sound is {apart} us late");
        }
    }
}

#[test]
fn a_sender_that_starts_anew_is_followed() {
    let source = Source::new(9, 8, 9000);
    let again =
        source.packets.iter().map(|packet| packet.clone().moved(31_000, 0x9234_5678).of_another_sender(9).later(9));
    let packets: Vec<_> = source.packets.iter().cloned().chain(again).collect();
    let receiver = received(&source, &packets);
    decodable(&receiver, "after the second start");
    for (kind, clock) in KINDS.into_iter().zip(CLOCKS) {
        let (sent, got) = (source.of(kind), receiver.frames(kind));
        assert_eq!(got.len(), 2 * sent.len(), "{kind:?}");
        assert!(sent.iter().chain(&sent).zip(&got).all(|(sent, got)| sent.data == got.data), "{kind:?}");
        let between = micros(got[sent.len()], clock) - micros(got[0], clock);
        assert!((between - 9_000_000).abs() < 50_000, "{kind:?}: the clocks went on, but by {between} us");
    }
    let apart = apart(&source, &receiver);
    assert!(apart.abs() <= 2000, "sound is {apart} us late");
}

/// As some cameras do it: SSRC is another with each key frame, and nothing else is.
#[test]
fn a_sender_that_is_another_with_each_key_frame_but_goes_on_costs_nothing() {
    for seed in (1..=4).step_by(one_in()) {
        let source = Source::new(seed, 8, 9000);
        let each = |packet: &Packet| packet.clone().of_another_sender(packet.at.as_secs() as u8);
        let packets: Vec<_> = across_the_wraps(&source).iter().map(each).collect();
        for network in [Network::default(), Network { delay: 95, twice: 100, ..Network::default() }] {
            let what = format!("seed {seed}, {} ms", network.delay);
            let receiver = received(&source, &network.carry(&packets, &mut Dice(seed)));
            complete(&source, &receiver, &what);
            decodable(&receiver, &what);
            let apart = apart(&source, &receiver);
            assert!(apart.abs() <= 2000, "{what}: sound is {apart} us late");
        }
    }
}
