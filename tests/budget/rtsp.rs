//! Publishers and viewers by RTSP: what machines, readers and packets cost.

use std::time::{Duration, Instant};

use runnel::budget::Account;
use runnel::container::{Form, Mux};
use runnel::hub::{Hub, Name, Publisher};
use runnel::media::{Codec, Frame, Ticks, Track, Tracks};
use runnel::proto::Machine;
use runnel::proto::rtp::{self, Demux, Event, RTP};
use runnel::proto::rtsp;
use runnel::proto::rtsp::auth::Challenger;
use runnel::proto::rtsp::sdp::{self, Offer};

use crate::limits::LIMITS;
use crate::meter::{NOISE, alone};
use crate::records::{frame, track};
use crate::streams::{STREAM, Seat, Temper};

/// The most that a connection keeps beside its account, of the 6 KiB in `session::connections`.
const CONNECTION: usize = 4 << 10;
/// The part of these that a viewer may cost.
const VIEWER: usize = 1 << 10;
const MACHINE: rtsp::Limits = rtsp::Limits { max_message: 12 << 10, max_answers: 16 << 10, timeout: 60 };
const URL: &str = "rtsp://127.0.0.1/live/a";

/// The bytes that a client sends inside its connection, made before anything is measured.
struct Talk {
    /// Up to RECORD.
    begin: Vec<u8>,
    /// The packets of a second and a key frame, with `$` before each.
    packets: Vec<Vec<u8>>,
}

impl Talk {
    fn new(picture: usize) -> Self {
        let mut tracks = Tracks::default();
        tracks.set(track(0, Codec::H264));
        tracks.set(track(0, Codec::Aac));
        let list: Vec<_> = tracks.iter().cloned().collect();
        let mut mux = (RTP.mux)();
        mux.announce(&tracks, &[], Ticks(0));
        let account = Account::root("packets", 64 << 20);
        let mut packets = Vec::new();
        for at in 0..25 {
            for track in &list {
                let len = if track.codec == Codec::Aac { 300 } else { picture };
                let frame = frame(track, 40 * at, 0, at == 0 || track.codec == Codec::Aac, len);
                packets.extend(packed(&mut *mux, track, &frame, &account));
            }
        }
        Self { begin: requests(&tracks), packets }
    }
}

fn packed(mux: &mut dyn Mux, track: &Track, frame: &Frame, account: &Account) -> Vec<Vec<u8>> {
    let packed = mux.frame(track, frame, account).unwrap().unwrap();
    let inside = packed.pieces().map(|piece| {
        let mut out = Vec::new();
        rtsp::packet_header(piece.channel(), piece.len(), &mut out);
        [&out[..], piece.head.bytes(), &piece.body].concat()
    });
    inside.collect()
}

/// ANNOUNCE, SETUP twice, and RECORD.
fn requests(tracks: &Tracks) -> Vec<u8> {
    let offers = rtp::offers(tracks);
    let offers: Vec<_> =
        offers.iter().map(|(kind, format)| Offer { format, kind: *kind, control: "streamid=0" }).collect();
    let sdp = sdp::write("a", "127.0.0.1", &offers);
    let mut text = format!("ANNOUNCE {URL} RTSP/1.0\r\nCSeq: 1\r\nContent-Length: {}\r\n\r\n{sdp}", sdp.len());
    for track in 0..2 {
        let channels = format!("{}-{}", 2 * track, 2 * track + 1);
        text += &format!(
            "SETUP {URL}/{track} RTSP/1.0\r\nCSeq: 2\r\nTransport: RTP/AVP/TCP;interleaved={channels};mode=record\r\n\r\n"
        );
    }
    (text + &format!("RECORD {URL} RTSP/1.0\r\nCSeq: 3\r\n\r\n")).into_bytes()
}

/// A server's side of one publisher, without its socket.
struct Side {
    machine: rtsp::Server,
    demux: Demux,
    publisher: Publisher,
    now: Instant,
}

impl Side {
    fn new(hub: &std::sync::Arc<Hub>, now: Instant) -> Self {
        let publisher = hub.publish(&Name::new("a").unwrap(), "TEST1", now).unwrap();
        let account = publisher.account().clone();
        let machine = rtsp::Server::new(MACHINE, Challenger::new([7; 16]), "0123456789abcdef".into(), account);
        let demux = Demux::new(LIMITS.max_frame, Duration::ZERO);
        Self { machine, demux, publisher, now }
    }

    fn hear(&mut self, mut data: &[u8]) {
        while !data.is_empty() {
            let used = self.machine.input(data).unwrap();
            assert!(used > 0);
            data = &data[used..];
            while let Some(event) = self.machine.event() {
                self.react(event);
            }
        }
        self.machine.transmit().clear();
        self.machine.transmit().shrink_to_fit();
        self.publisher.flush();
    }

    fn react(&mut self, event: rtsp::Event) {
        let Self { machine, demux, publisher, now } = self;
        match event {
            rtsp::Event::Announce(_, description) => {
                description.medias.iter().for_each(|media| assert!(demux.add(&media.formats).is_some()));
                machine.accept();
            }
            rtsp::Event::Setup { transports, .. } => machine.set_up(&transports[0]),
            rtsp::Event::Record => {
                demux.tracks().for_each(|track| _ = publisher.track(track.clone()));
                machine.accept();
            }
            rtsp::Event::Packet { channel, data } => {
                let room = publisher.room();
                demux.rtp(usize::from(channel / 2), *now, &data, &room, &mut |event| match event {
                    Event::Track(track) => _ = publisher.track(track),
                    Event::Frame(frame) => drop(publisher.publish(frame, *now)),
                    Event::Lost(kind, _) => publisher.lost(kind),
                });
            }
            rtsp::Event::Lost { .. } => publisher.starved(runnel::media::Kind::Video),
            other => panic!("{other:?}"),
        }
    }
}

/// Moves a packet by a second and by the numbers of its track.
fn advance(packet: &mut [u8], count: u16) {
    let clock: u32 = if packet[1] == 0 { 90_000 } else { 44_100 };
    let sequence = u16::from_be_bytes([packet[6], packet[7]]).wrapping_add(count);
    packet[6..8].copy_from_slice(&sequence.to_be_bytes());
    let time = u32::from_be_bytes(packet[8..12].try_into().unwrap()).wrapping_add(clock);
    packet[8..12].copy_from_slice(&time.to_be_bytes());
}

/// Publishes a minute for viewers of every temper; heap and ledger agree.
fn agrees(picture: usize, viewers: usize) {
    let alone = alone();
    let mut talk = Talk::new(picture);
    let count = |channel| talk.packets.iter().filter(|packet| packet[1] == channel).count() as u16;
    let counts = [count(0), count(2)];
    let meter = alone.meter();
    let account = Account::root("streams", LIMITS.stream_memory);
    let hub = Hub::new(LIMITS, account.clone());
    let now = Instant::now();
    let mut side = Side::new(&hub, now);
    side.hear(&talk.begin);
    let mut seats: Vec<Seat> = (0..viewers).map(|number| seat(&hub, &RTP, number)).collect();
    for second in 0..60 {
        side.now = now + Duration::from_secs(second);
        for packet in &mut talk.packets {
            side.hear(packet);
            seats.iter_mut().for_each(Seat::poll);
            seats.retain_mut(Seat::stays);
            let track = usize::from(packet[1] / 2);
            advance(packet, counts[track]);
        }
    }
    let (heap, ledger) = (meter.peak(), account.peak());
    let allowed = ledger + STREAM + CONNECTION + viewers * VIEWER + NOISE;
    assert!(heap <= allowed, "pictures of {picture} bytes, {viewers} viewers: {heap}, the ledger has {ledger}");
    let traffic = hub.traffic();
    assert!(traffic.frames >= 60 * 45, "{} frames", traffic.frames);
    drop((seats, side));
    for time in [2, 4] {
        hub.sweep(now + Duration::from_secs(60) + time * LIMITS.resume);
    }
    assert_eq!((account.used(), hub.streams().len()), (0, 0), "the ledger, after the last close");
    drop(hub);
    assert!(meter.held() <= NOISE, "{} bytes are left", meter.held());
}

fn seat(hub: &std::sync::Arc<Hub>, form: &'static Form, number: usize) -> Seat {
    let temper = [Temper::Quick, Temper::Stuck, Temper::Absent][number % 3];
    Seat { viewer: hub.play(&Name::new("a").unwrap(), form).unwrap(), temper, batch: Vec::new() }
}

#[test]
fn the_heap_of_publishers_and_viewers_by_rtsp_is_what_the_ledger_says() {
    for (picture, viewers) in [(500, 0), (500, 21), (5000, 7), (60_000, 21)] {
        agrees(picture, viewers);
    }
}
