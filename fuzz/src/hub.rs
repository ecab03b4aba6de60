//! A stream from the tags of its publishers to viewers in every form and segments.

use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant, SystemTime};

use bytes::Bytes;
use runnel::budget::{Account, BlockMut};
use runnel::container::flv::Demux;
use runnel::container::{Event, SAMPLES, TS, forms};
use runnel::hls::{Ask, Numbers, Packing, Rules, Window};
use runnel::hub::{Conflict, Hub, Limits, Name, Publisher, Step, Unit, Viewer};
use runnel::media::{Kind, Ticks, Wall};
use runnel::proto::{rtmp, rtp};

use crate::containers::{SOUND, tag_seeds};
use crate::pieces::{join, pieces};
use crate::{records, tags};
use runnel::media::Codec;

const MEMORY: usize = 256 << 10;
const LIMITS: Limits = Limits {
    streams: 2,
    viewers: 16,
    stream_memory: MEMORY,
    max_frame: 64 << 10,
    gops: 2,
    conflict: Conflict::Replace,
    silent_audio: false,
    resume: Duration::from_secs(30),
    latency: Duration::from_millis(100),
};

/// A piece begins with another publisher.
const ANOTHER: u8 = 2;
/// Viewers are shown all frames so far.
const SHOW: u8 = 4;
/// So much time passes before it, in units of 20 ms.
const WAIT: u8 = 0x78;

/// A stream stays within its memory, and all that it held is given back.
pub fn streams(data: &[u8]) {
    let Some((options, data)) = data.split_first() else { return };
    let account = Account::root("streams", 2 * MEMORY);
    let limits = Limits { silent_audio: options & 1 != 0, gops: 1 + usize::from(options >> 1 & 1), ..LIMITS };
    let world = World { hub: Hub::new(limits, account.clone()), name: Name::new("test").unwrap() };
    let begun = Instant::now();
    let (mut now, mut at, mut line) = (begun, 0, Times::default());
    let mut publisher = world.publish(now);
    let mut viewers = world.viewers();
    let parted = options & 4 != 0;
    let segments = Account::root("segments", MEMORY);
    let mut windows = [(&TS, Packing::Ts), (&SAMPLES, Packing::Mp4)].map(|(form, packing)| {
        let window = Window::new("test", rules(packing, parted), segments.clone(), Numbers::default());
        (world.hub.play(&world.name, form).unwrap().from_oldest(), window)
    });
    let mut demux = Demux::default();
    for piece in pieces(data) {
        if piece.flags & ANOTHER != 0 {
            (publisher, demux) = (world.publish(now), Demux::default());
        }
        now += Duration::from_millis(u64::from((piece.flags & WAIT) >> 3) * 20);
        at += piece.step;
        let kind = if piece.flags & SOUND == 0 { Kind::Video } else { Kind::Audio };
        receive(&mut publisher, &mut demux, kind, Ticks(at), piece.data, now);
        if piece.flags & SHOW == 0 {
            continue;
        }
        publisher.time_of_day(Wall(Duration::from_secs(1_700_000_000) + (now - begun)));
        publisher.flush();
        let elapsed = (now - begun).as_millis() as i64;
        viewers.iter_mut().for_each(|viewer| take(viewer, |unit| line.follow(unit.at.0, elapsed)));
        for (viewer, window) in &mut windows {
            window.look(now, SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000) + (now - begun));
            take(viewer, |unit| window.push(unit));
        }
        world.hub.sweep(now);
    }
    for (_, window) in &mut windows {
        window.end();
        check(window);
    }
    drop((viewers, windows, publisher, demux));
    assert!(account.peak() <= 2 * MEMORY && segments.peak() <= MEMORY);
    drop(world);
    assert_eq!((account.used(), segments.used()), (0, 0));
}

/// The times of all units in milliseconds.
#[derive(Default)]
struct Times {
    range: Option<(i64, i64)>,
}

/// So much further than the time that has passed the stream's may be, with disorder.
const AHEAD: i64 = 62_000;
/// Tracks are no further apart, nor units in disorder.
const BEHIND: i64 = 12_000;

impl Times {
    /// A stream's time neither runs away nor back.
    fn follow(&mut self, at: i64, elapsed: i64) {
        let (first, newest) = self.range.get_or_insert((at, at));
        (*first, *newest) = (at.min(*first), at.max(*newest));
        assert!(*newest - *first <= elapsed + AHEAD, "{at} ms of {first} in {elapsed}");
        assert!(at >= *newest - BEHIND, "{at} ms behind {newest}");
    }
}

struct World {
    hub: Arc<Hub>,
    name: Name,
}

impl World {
    fn publish(&self, now: Instant) -> Publisher {
        self.hub.publish(&self.name, "TEST", now).unwrap()
    }

    /// One in each form; of RTMP and RTP too.
    fn viewers(&self) -> Vec<Viewer> {
        let forms = forms().chain(rtmp::RTMP.all()).chain([&rtp::RTP]);
        forms.map(|form| self.hub.play(&self.name, form).unwrap()).collect()
    }
}

fn receive(publisher: &mut Publisher, demux: &mut Demux, kind: Kind, at: Ticks, body: &[u8], now: Instant) {
    // as a message is received: into a block that is charged first
    let Ok(body): Result<Bytes, _> = BlockMut::copy(&publisher.room(), body) else {
        return publisher.starved(kind);
    };
    let (mut found, room) = (Vec::new(), publisher.room());
    if demux.tag(kind, at, &body, &room, |event| found.push(event)).is_err() {
        publisher.lost(kind);
    }
    for event in found {
        match event {
            Event::Track(track) => drop(publisher.track(track)),
            Event::Frame(frame) => drop(publisher.publish(frame, now)),
            Event::SequenceEnd(_) | Event::Unsupported(..) => {}
        }
    }
}

fn take(viewer: &mut Viewer, mut each: impl FnMut(&Unit)) {
    let cx = Context::from_waker(Waker::noop());
    let mut units: Vec<Arc<Unit>> = Vec::new();
    while let Poll::Ready(_) = viewer.poll_next(&cx, &mut units, Step { units: 8, bytes: 64 << 10 }) {
        for unit in units.drain(..) {
            assert_eq!(unit.packed.slices().map(<[u8]>::len).sum::<usize>(), unit.packed.len());
            assert!(unit.at >= Ticks(0), "before the beginning: {:?}", unit.at);
            each(&unit);
        }
    }
}

fn rules(packing: Packing, parted: bool) -> Rules {
    Rules {
        target: Duration::from_secs(2),
        listed: 4,
        start: 3,
        record: false,
        part: parted.then_some(Duration::from_millis(200)),
        packing,
        store: None,
    }
}

/// A playlist's segments are there, and begin in order.
fn check(window: &mut Window) {
    if !window.is_playable() {
        return;
    }
    window.answers(&Ask::default());
    // without room for it there is none
    let Ok(text) = window.playlist(false) else { return };
    let marked = String::from_utf8(text.to_vec()).expect("a text");
    let playlist = marked.replace(char::from(runnel::hls::MARK), "");
    assert!(playlist.len() <= 64 << 10, "{} bytes of playlist", playlist.len());
    let target = value(&playlist, "#EXT-X-TARGETDURATION:").expect("a target duration");
    for line in playlist.lines() {
        if let Some(duration) = value(line, "#EXTINF:") {
            assert!(duration.round() <= target, "{duration} s of {target} in\n{playlist}");
        }
        if !line.is_empty() && !line.starts_with('#') {
            let found = window.file(line);
            assert!(matches!(found, runnel::hls::Found::Now(_)), "{line} is {found:?}");
        }
    }
}

fn value(text: &str, tag: &str) -> Option<f64> {
    let rest = text.split_once(tag)?.1;
    rest.split([',', '\n', '\r']).next()?.parse().ok()
}

pub fn stream_seeds() -> Vec<Vec<u8>> {
    let picture = |key| tags::legacy(if key { 1 } else { 2 }, 7, 1, 0, &records::data(Codec::H264, key, 40));
    let starts = [
        tags::legacy(1, 7, 0, 0, &records::record(Codec::H264)),
        [&[0xaf, 0], &records::record(Codec::Aac)[..]].concat(),
    ];
    let sound = [&[0xaf, 1], &records::data(Codec::Aac, true, 24)[..]].concat();
    let (key, other) = (picture(true), picture(false));
    let mut parts: Vec<(u8, u8, &[u8])> = vec![(0, 0, &starts[0]), (SOUND, 0, &starts[1])];
    for number in 0..60 {
        let picture = if number % 10 == 0 { &key } else { &other };
        parts.push((SHOW | 0x50, 100, picture));
        parts.push((SOUND, 100, &sound));
        if number == 30 {
            parts.extend([(ANOTHER, 0, &starts[0][..]), (SOUND, 0, &starts[1])]);
        }
    }
    let stream = join(parts);
    let mut seeds: Vec<Vec<u8>> = [0u8, 1, 6].map(|options| [&[options], &stream[..]].concat()).into();
    seeds.extend(tag_seeds().into_iter().map(|seed| [&[2], &seed[..]].concat()));
    seeds
}
