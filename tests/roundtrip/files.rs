//! Frames that were written into files are read from them again.

use runnel::budget::Account;
use runnel::media::{Codec, Hz, Kind, Ticks, Track};

use crate::records::{data, frame, record, track};
use crate::storage::{Found, Memory, Movie, codecs, read, written};

fn found(file: Vec<u8>) -> Found {
    let account = Account::root("stream", 16 << 20);
    let found = read(&mut Memory(file), &account);
    assert_eq!((found.fault, &found.lost[..]), (None, &[][..]));
    found
}

/// Half a second of one track, with pictures out of order where the codec has that.
fn frames(track: &Track, len: usize) -> Vec<runnel::media::Frame> {
    let video = track.codec.kind() == Kind::Video;
    let step = match track.codec {
        Codec::Aac => 23,
        Codec::Mp3 => 26,
        Codec::Ac3 | Codec::Eac3 => 32,
        _ => 20,
    };
    let cts = |at: i64| if track.codec.is_nal() { [80, 160, 0][at as usize % 3] } else { 0 };
    (0..25).map(|at| frame(track, 700 + step * at, cts(at), !video || at % 10 == 0, len)).collect()
}

#[test]
fn every_codec_in_every_kind_of_file() {
    for form in ["flv", "ts", "mp4"] {
        for (codec, len) in codecs(form) {
            let (track, what) = (track(0, codec), format!("{codec:?} in {form}"));
            let sent = frames(&track, len);
            let found = found(written(form, std::slice::from_ref(&track), &sent));
            assert_eq!(found.tracks.len(), 1, "{what}");
            let got = &found.tracks[0];
            assert_eq!(got.codec, codec, "{what}");
            if codec.kind() == Kind::Audio {
                let sound = |track: &Track| (track.params.sample_rate, track.params.channels);
                assert_eq!(sound(got), sound(&track), "{what}");
            } else {
                assert_eq!(got.params.width, track.params.width, "{what}");
            }
            assert_eq!(found.frames.len(), sent.len(), "{what}");
            let ms = |ticks: Ticks, clock| ticks.rescale(clock, Hz::MS).0;
            for (sent, frame) in sent.iter().zip(&found.frames) {
                assert!(sent.data == frame.data && sent.key == frame.key, "{what}");
                let moved = ms(frame.dts - found.frames[0].dts, got.clock) - (sent.dts.0 - 700);
                assert!((-1..=1).contains(&moved) || codec.kind() == Kind::Audio, "{what}: {moved} ms");
                assert!(moved.abs() < 50, "{what}: {moved} ms");
                assert_eq!(ms(Ticks(frame.cts.into()), got.clock), i64::from(sent.cts), "{what}");
            }
        }
    }
}

#[test]
fn picture_and_sound_in_the_order_of_their_times() {
    let list = [track(0, Codec::H264), track(0, Codec::Aac)];
    let mut sent: Vec<_> = list.iter().flat_map(|track| frames(track, 200)).collect();
    sent.sort_by_key(|frame| frame.dts);
    for form in ["flv", "ts", "mp4"] {
        let found = found(written(form, &list, &sent));
        let data = |frames: &[runnel::media::Frame], kind| -> Vec<_> {
            frames.iter().filter(|frame| frame.kind == kind).map(|frame| frame.data.clone()).collect()
        };
        for kind in [Kind::Video, Kind::Audio] {
            assert_eq!(data(&found.frames, kind), data(&sent, kind), "{form} {kind:?}");
        }
    }
}

#[test]
fn movies_with_all_kinds_of_tables() {
    let samples: Vec<_> = (0..31).map(|at| data(Codec::H264, at % 10 == 0, 40 + at).to_vec()).collect();
    for (odd, moov_first) in [(false, true), (true, false)] {
        let found = found(Movie::file(record(Codec::H264), &samples, odd, moov_first));
        assert_eq!(found.tracks, [Track { clock: Hz::MPEG, ..track(0, Codec::H264) }]);
        assert_eq!(found.frames.len(), samples.len());
        for (at, (frame, sample)) in (0..).zip(found.frames.iter().zip(&samples)) {
            let cts = if at == 0 { 3600 } else { 7200 };
            assert_eq!((frame.dts, frame.cts), (Ticks(90_000 - 3600 + 3600 * at), cts), "{at}");
            assert_eq!((&frame.data[..], frame.key), (&sample[..], at % 10 == 0), "{at}");
        }
    }
}

#[test]
fn packets_that_are_missing_cost_the_frames_in_them() {
    let track = track(0, Codec::H264);
    let sent: Vec<_> = (0..30).map(|at| frame(&track, 40 * at, 0, at % 10 == 0, 1000)).collect();
    let file = written("ts", std::slice::from_ref(&track), &sent);
    let packets: Vec<_> = file.chunks(188).collect();
    // two packets of the middle, and some bytes that are no packet
    let file = [&packets[..80].concat()[..], b"noise that is no packet", &packets[82..].concat()].concat();
    let found = read(&mut Memory(file), &Account::root("stream", 1 << 20));
    assert_eq!((found.fault, found.lost.len()), (None, 1));
    assert!((27..30).contains(&found.frames.len()), "{}", found.frames.len());
    assert!(found.frames.iter().all(|frame| sent.iter().any(|sent| sent.data == frame.data)));
}

#[test]
fn times_of_33_bits_go_on_across_their_wrap() {
    let track = track(0, Codec::Aac);
    let start = (1 << 33) / 90 - 1000;
    let sent: Vec<_> = (0..100).map(|at| frame(&track, start + 23 * at, 0, true, 100)).collect();
    let found = found(written("ts", std::slice::from_ref(&track), &sent));
    let times: Vec<_> = found.frames.iter().map(|frame| frame.dts.0 - found.frames[0].dts.0).collect();
    assert_eq!(times, (0..100).map(|at| 23 * 90 * at).collect::<Vec<_>>());
}
