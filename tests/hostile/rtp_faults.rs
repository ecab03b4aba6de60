//! Damaged packets, reports and session descriptions.

use std::time::{Duration, Instant};

use bytes::Bytes;
use runnel::budget::Account;
use runnel::media::Codec;
use runnel::proto::rtp::{self, Demux, Event, Format, rtcp};
use runnel::proto::rtsp::sdp::Description;

use crate::damaged;
use crate::packets::packets;

const ROOM: usize = 64 << 10;
const MAX_FRAME: usize = 16 << 10;
/// The length that the header in `records::data` has.
const MP3_FRAME: usize = 417;
const CODECS: [Codec; 8] =
    [Codec::H264, Codec::H265, Codec::Av1, Codec::Aac, Codec::Mp3, Codec::Opus, Codec::Pcma, Codec::Pcmu];

fn reader(format: &Format) -> Demux {
    let mut demux = Demux::new(MAX_FRAME, Duration::from_millis(100));
    assert_eq!(demux.add(std::slice::from_ref(format)), Some(0), "{format:?}");
    demux
}

/// Packets cost a reader no more than its room, and nothing afterwards.
fn heard(format: &Format, packets: &[(u8, &[u8])]) -> usize {
    let (account, now) = (Account::root("stream", ROOM), Instant::now());
    let (mut demux, mut frames, mut count) = (reader(format), Vec::new(), 0);
    for (channel, data) in packets {
        let mut out = |event| {
            count += 1;
            if let Event::Frame(frame) = event {
                assert!(frame.data.len() <= MAX_FRAME);
                frames.push(frame);
            }
        };
        match channel % 2 {
            0 => demux.rtp(0, now, &Bytes::copy_from_slice(data), &account, &mut out),
            _ => demux.rtcp(0, now, data),
        }
    }
    demux.flush(now + Duration::from_secs(1), &account, &mut |_| count += 1);
    let mut report = Vec::new();
    demux.report(0, now + Duration::from_secs(1), 1, &mut report);
    assert!(report.len() <= 100 && account.peak() <= ROOM);
    let bytes: usize = packets.iter().map(|(_, data)| data.len()).sum();
    assert!(count <= bytes + 2, "{count} events of {bytes} bytes");
    drop((demux, frames));
    assert_eq!(account.used(), 0);
    count
}

#[test]
fn packets_of_every_codec() {
    for codec in CODECS {
        let len = if codec == Codec::Mp3 { MP3_FRAME } else { 120 };
        let (format, all) = packets(codec, len);
        let whole: Vec<_> = all.iter().map(|(channel, data)| (*channel, &data[..])).collect();
        assert!(heard(&format, &whole) >= 2, "{codec:?}");
        for at in 0..whole.len() {
            damaged(whole[at].1, |data| {
                let mut copy = whole.clone();
                copy[at].1 = data;
                heard(&format, &copy);
            });
        }
    }
}

#[test]
fn fragments_of_every_codec() {
    for codec in [Codec::H264, Codec::H265, Codec::Av1, Codec::Aac] {
        let (format, all) = packets(codec, 3000);
        let whole: Vec<_> = all.iter().map(|(channel, data)| (*channel, &data[..])).collect();
        for at in 0..whole.len() {
            let (head, body) = whole[at].1.split_at(whole[at].1.len().min(20));
            damaged(head, |head| {
                let mut copy = whole.clone();
                let data = [head, body].concat();
                copy[at].1 = &data;
                heard(&format, &copy);
            });
        }
    }
}

#[test]
fn reports_of_no_length_and_of_false_length_are_passed_over() {
    let (format, all) = packets(Codec::H264, 100);
    let picture = (0, &all[0].1[..]);
    let mut bad: Vec<Vec<u8>> =
        vec![vec![], vec![0x80], vec![0x80, 200], vec![0x80, 200, 0], vec![0; 4], vec![0xff; 3]];
    for words in [0u16, 1, 2, 5, 6, 7, 100, 0x3fff, 0x7fff, 0xffff] {
        for kind in 192..=223 {
            for flags in [0x80, 0x81, 0x9f, 0xa0, 0x00] {
                bad.push([&[flags, kind][..], &words.to_be_bytes(), &[0; 24]].concat());
            }
        }
    }
    for report in &bad {
        assert!(rtcp::reports(report).count() <= 16);
        for channel in [0, 1] {
            heard(&format, &[picture, (channel, report), picture]);
        }
    }
}

#[test]
fn a_report_on_nothing_divides_by_nothing() {
    let (format, all) = packets(Codec::H264, 100);
    let (account, now) = (Account::root("stream", ROOM), Instant::now());
    let mut demux = reader(&format);
    let reported = |demux: &mut Demux, number| {
        let mut report = Vec::new();
        demux.report(number, now, 1, &mut report);
        assert_eq!(rtcp::reports(&report).collect::<Vec<_>>(), [rtcp::Report::Receiver]);
    };
    reported(&mut demux, 0);
    reported(&mut demux, 9); // there is no such track
    let mut packet = all[0].1.clone();
    // the same number, an older one, and one half a circle away
    for sequence in [1000u16, 1000, 999, 33_768, 1000] {
        packet[2..4].copy_from_slice(&sequence.to_be_bytes());
        demux.rtp(0, now, &Bytes::copy_from_slice(&packet), &account, &mut |_| {});
        reported(&mut demux, 0);
        reported(&mut demux, 0);
    }
    demux.rtp(9, now, &Bytes::copy_from_slice(&packet), &account, &mut |_| panic!("of a track that is none"));
    demux.rtcp(9, now, &all.last().unwrap().1);
}

#[test]
fn frames_beyond_all_measure_are_lost_and_the_next_is_heard() {
    let (format, all) = packets(Codec::H264, 100);
    let (account, now) = (Account::root("stream", ROOM), Instant::now());
    let mut demux = reader(&format);
    let (mut lost, mut frames) = (0, 0);
    let mut out = |event| match event {
        Event::Frame(_) => frames += 1,
        Event::Lost(..) => lost += 1,
        Event::Track(_) => {}
    };
    for sequence in 0..100u16 {
        let head = rtp::header(96, false, sequence, 0, 1);
        let fragment = if sequence == 0 { 0x85 } else { 0x05 };
        let data = [&head[..], &[0x7c, fragment, 0x88], &[9; 1000]].concat();
        demux.rtp(0, now, &data.into(), &account, &mut out);
    }
    for (sequence, (_, data)) in (100u16..).zip(all.iter().filter(|(channel, _)| *channel == 0)) {
        let mut data = data.clone();
        data[2..4].copy_from_slice(&sequence.to_be_bytes());
        data[8..12].copy_from_slice(&1u32.to_be_bytes());
        demux.rtp(0, now, &data.into(), &account, &mut out);
    }
    assert_eq!((lost, frames), (1, 2));
    assert!(account.peak() <= 2 * MAX_FRAME + 1024, "{}", account.peak());
}

#[test]
fn session_descriptions_of_every_size_stay_small() {
    let lines = |line: &str| line.repeat(16_000 / line.len());
    let media = "m=video 0 RTP/AVP 96\r\n";
    for text in [
        lines(media),
        format!("m=video 0 RTP/AVP{}\r\n", lines(" 96")),
        format!("m=video 0 RTP/AVP{}\r\n", (0..4000).map(|n| format!(" {n}")).collect::<String>()),
        format!("{media}{}", lines("a=rtpmap:96 H264/90000\r\n")),
        format!("{media}a=rtpmap:96 H264/90000\r\n{}", lines("a=fmtp:96 a=b;c=d\r\n")),
        format!("{media}a=rtpmap:96 H264/90000\r\na=fmtp:96 {}\r\n", lines("a=b;")),
        format!("{media}a=rtpmap:96 H264/90000\r\na=fmtp:96 sprop-parameter-sets={}\r\n", lines("aO48gA==,")),
        format!("{media}a=rtpmap:96 H264/90000\r\na=fmtp:96 sprop-parameter-sets={}\r\n", lines("Z2QAHqzZQKAv")),
        format!("{media}a=rtpmap:96 {}/90000\r\n", lines("H264")),
        format!(
            "m=audio 0 RTP/AVP 97\r\na=rtpmap:97 MPEG4-GENERIC/4294967295/255\r\na=fmtp:97 config={}\r\n",
            lines("12")
        ),
        format!("{media}a=control:{}\r\n", lines("x")),
        lines("\r"),
        format!("{media}{}", lines("=")),
    ] {
        let Ok(description) = Description::parse(&text) else { continue };
        let medias = &description.medias;
        assert!(medias.len() <= 16 && medias.iter().all(|media| media.formats.len() <= 32), "{}", &text[..60]);
        let mut demux = Demux::new(MAX_FRAME, Duration::ZERO);
        let numbers: Vec<_> = medias.iter().map(|media| demux.add(&media.formats)).collect();
        assert!(numbers.iter().flatten().max().is_none_or(|last| *last < 16));
        let records: usize = demux.tracks().map(|track| track.params.record.len()).sum();
        assert!(records <= 16 << 10, "{records} bytes of {}", &text[..60]);
    }
    assert!(Description::parse(&lines(media).repeat(2)).is_err());
}
