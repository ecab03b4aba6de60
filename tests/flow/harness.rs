//! A hub, a clock, publishers that make frames and viewers that read tags.

use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::time::{Duration, Instant};

use bytes::Bytes;
use runnel::budget::Account;
use runnel::container::{Form, flv, forms};
use runnel::hub::{Conflict, Hub, Limits, Lost, Name, Next, Publisher, Step, Viewer};
use runnel::media::{Codec, Frame, Hz, Kind, Params, Ticks, Track};
use runnel::wire::Reader;

pub const LIMITS: Limits = Limits {
    streams: 4,
    viewers: 8,
    stream_memory: 256 << 10,
    max_frame: 64 << 10,
    gops: 2,
    conflict: Conflict::Refuse,
    silent_audio: false,
    resume: Duration::from_secs(30),
    latency: Duration::from_millis(100),
};

/// A hub and the time.
pub struct World {
    pub hub: Arc<Hub>,
    pub account: Account,
    pub now: Instant,
}

impl World {
    pub fn new(limits: Limits) -> Self {
        let account = Account::root("streams", limits.streams * limits.stream_memory);
        Self { hub: Hub::new(limits, account.clone()), account, now: Instant::now() }
    }

    pub fn publish(&self, name: &str) -> Source {
        Source::new(self.hub.publish(&Name::new(name).unwrap(), "TEST1", self.now).unwrap())
    }

    pub fn play(&self, name: &str, form: &str) -> Player {
        Player::new(self.hub.play(&Name::new(name).unwrap(), form_named(form)).unwrap())
    }

    /// Lets time pass.
    pub fn pass(&mut self, ms: u64) {
        self.now += Duration::from_millis(ms);
    }
}

pub fn form_named(name: &str) -> &'static Form {
    forms().find(|form| form.name == name).unwrap()
}

/// A publisher of 25 pictures a second, a key frame every second, and AAC.
pub struct Source {
    pub publisher: Publisher,
    /// The time of the next picture, in milliseconds.
    pub at: i64,
    pictures: u32,
    pub picture_bytes: usize,
    /// Pictures from one key frame to the next.
    pub gop: u32,
}

/// avcC of a 640x360 stream, from `ffmpeg -f lavfi -i testsrc2=s=640x360 -c:v libx264 -profile:v baseline`.
pub const AVCC: &[u8] = &[
    0x01, 0x42, 0xc0, 0x1e, 0xff, 0xe1, 0x00, 0x18, 0x67, 0x42, 0xc0, 0x1e, 0xda, 0x02, 0x80, 0xbf, 0xe5, 0xc0, 0x5a,
    0x80, 0x80, 0x80, 0xa0, 0x00, 0x00, 0x03, 0x00, 0x20, 0x00, 0x00, 0x07, 0x81, 0x01, 0x00, 0x04, 0x68, 0xce, 0x3c,
    0x80,
];

pub fn track(codec: Codec, record: &'static [u8]) -> Track {
    let params = Params { record: Bytes::from_static(record), ..Params::default() };
    Track { id: 0, codec, clock: Hz::MS, params }
}

impl Source {
    pub fn new(publisher: Publisher) -> Self {
        Self { publisher, at: 0, pictures: 0, picture_bytes: 500, gop: 25 }
    }

    /// H.264 and AAC.
    pub fn with_tracks(mut self) -> Self {
        self.publisher.track(track(Codec::H264, AVCC));
        self.publisher.track(track(Codec::Aac, &[0x12, 0x10]));
        self
    }

    /// Publishes a picture and the sound that belongs to it.
    pub fn picture(&mut self, now: Instant) -> Result<(), Lost> {
        let key = self.pictures.is_multiple_of(self.gop);
        self.pictures += 1;
        let result = self.frame(Kind::Video, key, self.picture_bytes, now);
        if self.publisher.track(track(Codec::Aac, &[0x12, 0x10])) == runnel::media::Change::Same {
            let _ = self.frame(Kind::Audio, true, 100, now);
        }
        self.at += 40;
        self.publisher.flush();
        result
    }

    /// Publishes one frame at the source's time.
    pub fn frame(&mut self, kind: Kind, key: bool, bytes: usize, now: Instant) -> Result<(), Lost> {
        let mut data = vec![0; bytes];
        let unit = (bytes - 4) as u32;
        data[..4].copy_from_slice(&unit.to_be_bytes());
        data[4] = if key { 0x65 } else { 0x41 };
        let data = self.publisher.paid(&data).map_err(|refusal| {
            self.publisher.starved(kind);
            Lost::OverBudget(refusal)
        })?;
        let frame = Frame { dts: Ticks(self.at), cts: 0, kind, track: 0, key, data };
        self.publisher.publish(frame, now)
    }

    /// Publishes until a key frame gets through.
    pub fn pictures_until_key(&mut self, now: Instant) {
        self.pictures = 0;
        let through = (0..60).find(|_| self.picture(now).is_ok());
        assert!(through.is_some(), "no key frame gets through");
    }

    pub fn pictures(&mut self, count: u32, now: Instant) {
        for _ in 0..count {
            self.picture(now).unwrap();
        }
    }
}

/// A viewer that keeps what it is sent.
pub struct Player {
    pub viewer: Viewer,
    pub bytes: Vec<u8>,
    /// The number of times that a new head was needed which the form cannot give in mid-stream.
    pub heads: usize,
}

struct Noop;

impl Wake for Noop {
    fn wake(self: Arc<Self>) {}
}

impl Player {
    fn new(viewer: Viewer) -> Self {
        Self { viewer, bytes: Vec::new(), heads: 0 }
    }

    /// Takes all that is there; gives how many units that were.
    pub fn drain(&mut self) -> usize {
        let waker = Waker::from(Arc::new(Noop));
        let cx = Context::from_waker(&waker);
        let mut count = 0;
        let mut units = Vec::new();
        while let Poll::Ready(next) = self.viewer.poll_next(&cx, &mut units, Step { units: 8, bytes: 1 << 20 }) {
            self.heads += usize::from(next == Next::Head);
            for unit in units.drain(..) {
                count += 1;
                unit.packed.slices().for_each(|slice| self.bytes.extend_from_slice(slice));
            }
        }
        count
    }

    /// The FLV tags that were sent: kind, time and first bytes.
    pub fn tags(&self) -> Vec<(flv::TagKind, i64, Vec<u8>)> {
        let mut reader = Reader::new(&self.bytes);
        if reader.is_empty() {
            return Vec::new();
        }
        reader.take(13).unwrap();
        let mut tags = Vec::new();
        while !reader.is_empty() {
            let tag = flv::read_tag(&mut reader).unwrap();
            tags.push((tag.kind.unwrap(), i64::from(tag.timestamp), tag.body.iter().take(8).copied().collect()));
        }
        tags
    }

    /// The times of the frames of one kind, sequence headers left out.
    pub fn times(&self, kind: flv::TagKind) -> Vec<i64> {
        let frames = self.tags().into_iter().filter(|(of, _, head)| *of == kind && head[1] == 1);
        frames.map(|(_, time, _)| time).collect()
    }
}

pub use flv::TagKind::{Audio, Script, Video};
