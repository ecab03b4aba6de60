//! Hours of a stream across every wrap that its times have.

use std::sync::Arc;
use std::task::{Context, Waker};
use std::time::{Duration, Instant};

use runnel::budget::Account;
use runnel::container::{FORMS, Form};
use runnel::hub::{Hub, Name, Publisher, Step, Viewer};
use runnel::media::{Codec, Frame, Kind, Track};
use runnel::proto::rtmp;

use crate::limits::LIMITS;
use crate::reader;
use crate::records::{frame, track};
use crate::sweep::one_in;
#[cfg(feature = "http")]
use crate::ts;

/// 24 bits of milliseconds wrap after 4.66 hours, 31 and 32 after weeks, and 33
/// bits of 90 kHz after 26.5 hours.
const WRAPS: [i64; 4] = [1 << 24, 1 << 31, 1 << 32, (1 << 33) / 90];

/// The seconds that each lasts: four hours, or a part of them.
fn length() -> i64 {
    4 * 3600 / one_in() as i64
}

/// The times at which streams start whose middle is a wrap, in milliseconds, and 0.
fn starts() -> impl Iterator<Item = i64> {
    [0].into_iter().chain(WRAPS.map(|wrap| wrap - 500 * length()))
}

/// A publisher on a clock of its own, and one viewer, who gives what it was sent.
fn played(form: &'static Form, start: i64) -> Vec<u8> {
    let account = Account::root("streams", LIMITS.stream_memory);
    let hub = Hub::new(LIMITS, account);
    let name = Name::new("long").unwrap();
    let (tracks, begun) = ([track(0, Codec::H264), track(0, Codec::Aac)], Instant::now());
    let mut publisher = hub.publish(&name, "TEST1", begun).unwrap();
    let mut viewer = hub.play(&name, form).unwrap();
    tracks.iter().for_each(|track| {
        publisher.track(track.clone());
    });
    let mut out = Vec::new();
    // a picture and a sound a second, and a key frame every ten
    for second in 0..length() {
        let now = begun + Duration::from_secs(second as u64);
        for track in &tracks {
            let key = second % 10 == 0 || track.codec == Codec::Aac;
            publish(&mut publisher, track, start + 1000 * second, key, now);
        }
        publisher.flush();
        drain(&mut viewer, &mut out);
    }
    assert_eq!(hub.traffic().skips, 0);
    out
}

fn publish(publisher: &mut Publisher, track: &Track, at: i64, key: bool, now: Instant) {
    let made = frame(track, at, if key { 80 } else { -40 }, key, 60);
    let cts = if made.kind == Kind::Video { made.cts } else { 0 };
    let data = publisher.paid(&made.data).unwrap();
    publisher.publish(Frame { cts, data, ..made }, now).unwrap();
}

fn drain(viewer: &mut Viewer, out: &mut Vec<u8>) {
    let mut units: Vec<Arc<_>> = Vec::new();
    let cx = Context::from_waker(Waker::noop());
    while viewer.poll_next(&cx, &mut units, Step { units: 8, bytes: 1 << 20 }).is_ready() {
        for unit in units.drain(..) {
            unit.packed.slices().for_each(|slice| out.extend_from_slice(slice));
        }
    }
}

/// The frames of both tracks: every second one of each, in order.
fn every_second(frames: &[Frame], start: i64) {
    for kind in [Kind::Video, Kind::Audio] {
        let times = frames.iter().filter(|frame| frame.kind == kind).map(|frame| frame.dts.0);
        let expected = (0..length()).map(|second| start + 1000 * second);
        assert!(times.eq(expected), "{kind:?} from {start}");
    }
}

#[test]
fn flv() {
    for start in starts() {
        let found = reader::flv(&played(FORMS[0], start));
        every_second(&found.frames, start);
        assert_eq!(found.tracks.len(), 2, "nothing is announced anew");
    }
}

#[test]
fn messages() {
    for start in starts() {
        let found = reader::rtmp(&played(&rtmp::RTMP, start));
        every_second(&found.frames, start);
        assert_eq!(found.tracks.len(), 2, "nothing is announced anew");
    }
}

#[cfg(feature = "http")]
#[test]
fn transport_streams() {
    for start in starts() {
        let ts = ts::read(&played(&runnel::container::TS, start)).unwrap();
        let [video, audio] = &ts.streams[..] else { panic!("{} streams", ts.streams.len()) };
        let at = |ms: i64| ((start + ms + 700) * 90) as u64 & 0x1_ffff_ffff;
        for (stream, early) in [(video, -40), (audio, 0)] {
            assert_eq!(stream.pes.len(), length() as usize);
            for (second, pes) in (0..).zip(&stream.pes) {
                let cts = if early != 0 && second % 10 == 0 { 80 } else { early };
                assert_eq!((pes.dts, pes.pts), (at(1000 * second), at(1000 * second + cts)));
                assert!(!pes.discontinuity || second == 0, "only where the viewer begins");
            }
        }
        // the reader itself refuses references that are more than 100 ms apart
        assert!(ts.pcrs.len() as i64 > (length() - 4) * 10);
        assert!(ts.pcrs.iter().skip(1).all(|(_, jump)| !jump));
    }
}
