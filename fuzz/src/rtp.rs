//! Packets of every format, reports, and the descriptions of both.

use std::sync::OnceLock;
use std::time::{Duration, Instant};

use bytes::Bytes;
use runnel::budget::Account;
use runnel::container;
use runnel::media::{Codec, Tracks};
use runnel::proto::Url;
use runnel::proto::rtp::{self, Demux, Event, Format, rtcp};
use runnel::proto::rtsp::Transport;
use runnel::proto::rtsp::sdp::{self, Description, Offer};

use crate::containers::Line;
use crate::packets::packets as known;
use crate::pieces::{join, pieces};
use crate::records;
use crate::rtsp_talks;

const ROOM: usize = 256 << 10;
const MAX_FRAME: usize = 16 << 10;

/// A format of each kind, with what devices say of it.
const FORMATS: &str = "v=0\r\n\
    m=video 0 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\n\
    a=fmtp:96 packetization-mode=1; sprop-parameter-sets=Z2QAHqzZQKAv+XARAAADAAEAAAMAMg8WLZY=,aO+Pyw==\r\n\
    m=video 0 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\n\
    m=video 0 RTP/AVP 96\r\na=rtpmap:96 H265/90000\r\n\
    m=video 0 RTP/AVP 96\r\na=rtpmap:96 H265/90000\r\na=fmtp:96 sprop-max-don-diff=1\r\n\
    m=video 0 RTP/AVP 96\r\na=rtpmap:96 AV1/90000\r\n\
    m=video 0 RTP/AVP 26\r\n\
    m=audio 0 RTP/AVP 96\r\na=rtpmap:96 MPEG4-GENERIC/44100/2\r\n\
    a=fmtp:96 mode=AAC-hbr;sizelength=13;indexlength=3;indexdeltalength=3;config=1210\r\n\
    m=audio 0 RTP/AVP 96\r\na=rtpmap:96 MPEG4-GENERIC/16000/1\r\n\
    a=fmtp:96 mode=AAC-lbr;sizelength=6;indexlength=2;indexdeltalength=2;config=1408\r\n\
    m=audio 0 RTP/AVP 96\r\na=rtpmap:96 MPEG4-GENERIC/44100/2\r\na=fmtp:96 mode=generic;config=1210;sizelength=16;\
    indexlength=16;indexdeltalength=16;ctsdeltalength=12;dtsdeltalength=12;randomaccessindication=1;\
    auxiliarydatasizelength=8\r\n\
    m=audio 0 RTP/AVP 96\r\na=rtpmap:96 MP4A-LATM/44100\r\na=fmtp:96 cpresent=0;config=40002420\r\n\
    m=audio 0 RTP/AVP 96\r\na=rtpmap:96 MP4A-LATM/44100\r\na=fmtp:96 cpresent=1\r\n\
    m=audio 0 RTP/AVP 14\r\n\
    m=audio 0 RTP/AVP 96\r\na=rtpmap:96 opus/48000/2\r\n\
    m=audio 0 RTP/AVP 0\r\n\
    m=audio 0 RTP/AVP 8\r\n\
    m=audio 0 RTP/AVP 10\r\n\
    m=audio 0 RTP/AVP 96\r\na=rtpmap:96 L16/8000/1\r\n";

fn formats() -> &'static [Vec<Format>] {
    static READ: OnceLock<Vec<Vec<Format>>> = OnceLock::new();
    // more medias than one description may have
    let read = |media| Description::parse(&format!("v=0\r\nm={media}")).unwrap().medias.remove(0).formats;
    READ.get_or_init(|| medias().map(read).collect())
}

fn medias() -> impl Iterator<Item = &'static str> {
    FORMATS.split("\r\nm=").skip(1)
}

/// A piece is a report.
const REPORT: u8 = 1;
/// It is a whole packet; else a header is put before it.
const WHOLE: u8 = 2;
/// Its marker bit.
const MARKER: u8 = 4;
/// The one before it was lost.
const LOSS: u8 = 8;
/// It comes after the next two.
const LATE: u8 = 16;
/// It belongs to the second track.
const SECOND: u8 = 32;

/// Readers hold no more than their room, and nothing afterwards;
/// and every form takes it.
pub fn packets(data: &[u8]) {
    let Some(([first, second], data)) = data.split_first_chunk() else { return };
    let formats = formats();
    let mut demux = Demux::new(MAX_FRAME, Duration::from_millis(100));
    let chosen = [first, second].map(|number| formats.get(usize::from(*number)));
    let numbers = chosen.map(|formats| formats.and_then(|formats| demux.add(formats)));
    let account = Account::root("stream", ROOM);
    let mut heard = Heard::new(&demux);
    let (mut now, mut sequence, mut timestamp) = (Instant::now(), 0u16, 0u32);
    let mut bytes = 0;
    for piece in pieces(data) {
        let Some(number) = numbers[usize::from(piece.flags & SECOND != 0)] else { continue };
        now += Duration::from_millis(piece.step.clamp(0, 100_000) as u64);
        timestamp = timestamp.wrapping_add((piece.step as u32).wrapping_mul(90));
        bytes += rtp::HEADER + piece.data.len();
        if piece.flags & REPORT != 0 {
            demux.rtcp(number, now, piece.data);
            continue;
        }
        let packet = if piece.flags & WHOLE != 0 {
            piece.data.to_vec()
        } else {
            sequence = sequence.wrapping_add(if piece.flags & LOSS != 0 { 2 } else { 1 });
            let sent = sequence.wrapping_sub(if piece.flags & LATE != 0 { 3 } else { 0 });
            let header = rtp::header(96, piece.flags & MARKER != 0, sent, timestamp, 1 + number as u32);
            [&header[..], piece.data].concat()
        };
        demux.rtp(number, now, &packet.into(), &account, &mut |event| heard.take(event));
        assert!(demux.moves().count() <= 2);
    }
    now += Duration::from_secs(1);
    demux.flush(now, &account, &mut |event| heard.take(event));
    assert!(!demux.is_waiting(), "packets wait for ever");
    let mut report = Vec::new();
    numbers.into_iter().flatten().for_each(|number| demux.report(number, now, 1, &mut report));
    assert!(report.len() <= 200 && account.peak() <= ROOM);
    assert!(heard.count <= 2 * bytes + 8, "{} events of {bytes} bytes", heard.count);
    heard.line.pack(&Account::root("forms", ROOM));
    drop((demux, heard));
    assert_eq!(account.used(), 0);
}

/// The readers' events.
struct Heard {
    line: Line,
    count: usize,
}

impl Heard {
    fn new(demux: &Demux) -> Self {
        let mut line = Line::default();
        demux.tracks().for_each(|track| line.take(container::Event::Track(track.clone())));
        Self { line, count: 0 }
    }

    fn take(&mut self, event: Event) {
        self.count += 1;
        match event {
            Event::Track(track) => self.line.take(container::Event::Track(track)),
            Event::Frame(frame) => {
                assert!(frame.data.len() <= MAX_FRAME);
                self.line.take(container::Event::Frame(frame));
            }
            Event::Lost(..) => {}
        }
    }
}

/// Two frames of each codec in packets of ours, and what they say in reports.
pub fn packet_seeds() -> Vec<Vec<u8>> {
    let codecs = [
        (0, Codec::H264, 120),
        (1, Codec::H264, 3000),
        (2, Codec::H265, 120),
        (3, Codec::H265, 3000),
        (4, Codec::Av1, 3000),
        (6, Codec::Aac, 120),
        (6, Codec::Aac, 3000),
        (11, Codec::Mp3, 417),
        (12, Codec::Opus, 120),
        (13, Codec::Pcmu, 120),
        (14, Codec::Pcma, 120),
    ];
    let mut seeds: Vec<_> =
        codecs.into_iter().map(|(format, codec, len)| seed(format, &known(codec, len).1, 0)).collect();
    let sound: Vec<_> = known(Codec::Aac, 120).1;
    seeds.push([seed(0, &known(Codec::H264, 120).1, 6), seed(6, &sound, 0)[2..].to_vec()].concat());
    seeds.extend(bare().map(|(format, payload)| {
        join([(MARKER, 40, &payload[..]), (MARKER | LOSS, 40, &payload), (MARKER | LATE, 0, &payload)])
            .into_iter()
            .fold(vec![format, 255], |mut seed, byte| {
                seed.push(byte);
                seed
            })
    }));
    seeds
}

fn seed(format: u8, packets: &[(u8, Vec<u8>)], second: u8) -> Vec<u8> {
    let pieces = packets.iter().map(|(channel, data)| (if channel % 2 == 1 { REPORT } else { WHOLE }, 40, &data[..]));
    [vec![format, if second == 0 { 255 } else { second }], join(pieces)].concat()
}

/// Payloads that we do not write ourselves.
fn bare() -> impl Iterator<Item = (u8, Vec<u8>)> {
    let aggregated = "18 0005 6742c01eda 0003 68ce38 0004 65888410";
    let jpeg = "00 000000 00 01 28 14 ffd8ffdb0102030405060708";
    let restarted = "00 000000 40 ff 28 14 0010 c000 00 00 0080 000102030405060708090a0b0c0d0e0f";
    [
        (1, aggregated),
        (1, "7c 85 8884 01020304"),
        (2, "60 01 0004 40010c01 0004 42010101 0003 4401c0"),
        (3, "62 01 93 0102030405"),
        (4, "10 0a0b0000000cc5036936be4010"),
        (5, jpeg),
        (5, restarted),
        (7, "0010 2418 0102030405060708090a0b0c"),
        (8, "0020 0004 0001 0102030405060708"),
        (9, "06 010203040506 05 0102030405"),
        (10, "40002420 06 010203040506"),
        (11, "00000000 fffb9064 0102030405060708"),
        (15, "0001 0203 0405 0607"),
        (16, "0001 0203"),
    ]
    .into_iter()
    .map(|(format, text)| (format, records::hex(text)))
}

/// Reports of receivers and senders.
pub fn reports(data: &[u8]) {
    let count = rtcp::reports(data).count();
    assert!(count <= 1 + data.len() / 4, "{count} reports of {} bytes", data.len());
    let _ = rtcp::is_rtcp(data);
    let _ = rtp::Packet::parse(&Bytes::copy_from_slice(data));
}

pub fn report_seeds() -> Vec<Vec<u8>> {
    let mut sender = Vec::new();
    rtcp::write_sender_report(&mut sender, 1, rtcp::Ntp(1 << 60), 90_000, rtcp::Sent::default());
    let mut receiver = Vec::new();
    rtcp::write_receiver_report(&mut receiver, 1, None);
    rtcp::write_bye(&mut receiver, 1);
    let both = [sender.clone(), receiver.clone()].concat();
    let extended = records::hex("b2e0 0001 00000001 00000002 00000003 00000004 bede0001 10ff0000 0102030405 03");
    vec![sender, receiver, both, extended]
}

/// The description of tracks before the first packet.
pub fn descriptions(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let transports = Transport::parse_all(&text);
    assert!(transports.len() <= 1 + text.len() / 4);
    transports.iter().for_each(|transport| assert!(transport.to_string().len() <= text.len() + 200));
    let Ok(Description { control, medias }) = Description::parse(&text) else { return };
    assert!(medias.len() <= 16 && medias.iter().all(|media| media.formats.len() <= 32));
    let base = sdp::base(control.as_deref(), None, rtsp_talks::URL);
    for control in medias.iter().filter_map(|media| media.control.as_deref()) {
        let _ = Url::parse(&sdp::resolve(&base, control));
    }
    let mut demux = Demux::new(MAX_FRAME, Duration::ZERO);
    let numbers: Vec<_> = medias.iter().filter_map(|media| demux.add(&media.formats)).collect();
    assert!(numbers.len() <= 16);
    let mut tracks = Tracks::default();
    for track in demux.tracks() {
        assert!(track.params.record.len() <= 16 << 10);
        tracks.set(track.clone());
    }
    let offers = rtp::offers(&tracks);
    let offers: Vec<_> =
        offers.iter().map(|(kind, format)| Offer { format, kind: *kind, control: "streamid=0" }).collect();
    let ours = sdp::write(&text, "10.0.0.1", &offers);
    let read = Description::parse(&ours).map_or(0, |ours| ours.medias.len());
    assert!(ours.len() > 8192 || read == offers.len(), "{ours}");
    // and what comes on these tracks
    let (account, now, mut heard) = (Account::root("stream", ROOM), Instant::now(), Heard::new(&demux));
    for number in numbers {
        for sequence in 0..3 {
            let packet = [&rtp::header(96, true, sequence, 0, 1)[..], &data[..data.len().min(200)]].concat();
            demux.rtp(number, now, &packet.into(), &account, &mut |event| heard.take(event));
        }
    }
    drop((demux, heard));
    assert_eq!(account.used(), 0);
}

pub fn description_seeds() -> Vec<Vec<u8>> {
    let medias: Vec<_> = medias().collect();
    let mut seeds: Vec<Vec<u8>> =
        medias.chunks(4).map(|some| format!("v=0\r\nm={}", some.join("\r\nm=")).into_bytes()).collect();
    seeds.push(rtsp_talks::sdp("trackID=").into_bytes());
    seeds.push(
        b"RTP/AVP/TCP;unicast;interleaved=0-1;mode=record,RTP/AVP;multicast;destination=239.1.2.3;port=5000-5001;\
          ttl=16,RTP/AVP/UDP;unicast;client_port=5000-5001;server_port=7000;source=10.0.0.1;ssrc= 12ab"
            .to_vec(),
    );
    seeds
}
