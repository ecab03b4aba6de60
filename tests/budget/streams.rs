//! Streams: rings, packed forms and viewers of every temper.

use std::sync::Arc;
use std::task::{Context, Waker};
use std::time::Instant;

use runnel::budget::{Account, BLOCK_OVERHEAD};
use runnel::container::{Form, forms};
use runnel::hub::{Hub, Name, Pressed, Publisher, Step, Unit, Viewer};
use runnel::media::{Codec, Frame, Ticks, Track};
use runnel::proto::rtmp;

use crate::limits::LIMITS;
use crate::meter::{Alone, Meter, NOISE, alone};
use crate::records::{frame, record, track};

/// The cost of a stream beside its account, at most: itself, its packers, what grows in steps.
pub const STREAM: usize = 64 << 10;
/// The most that a viewer costs, of the 6 KiB that the plan has for its connection.
const VIEWER: usize = 1 << 10;
/// The most that a socket is given at once.
const BATCH: Step = Step { units: 32, bytes: 64 << 10 };

/// The ways in which viewers take what they are sent.
#[derive(Clone, Copy, PartialEq)]
pub enum Temper {
    /// All at once.
    Quick,
    /// One batch, which it holds for ever.
    Stuck,
    /// Nothing ever.
    Absent,
}

pub struct Seat {
    pub viewer: Viewer,
    pub temper: Temper,
    pub batch: Vec<Arc<Unit>>,
}

impl Seat {
    pub fn poll(&mut self) {
        match self.temper {
            Temper::Quick => self.take(|_| {}),
            Temper::Stuck if self.batch.is_empty() => {
                let cx = Context::from_waker(Waker::noop());
                let _ = self.viewer.poll_next(&cx, &mut self.batch, BATCH);
            }
            Temper::Stuck | Temper::Absent => {}
        }
    }

    /// Takes all that there is.
    pub fn take(&mut self, mut each: impl FnMut(&Unit)) {
        let cx = Context::from_waker(Waker::noop());
        while self.viewer.poll_next(&cx, &mut self.batch, BATCH).is_ready() {
            self.batch.drain(..).for_each(|unit| each(&unit));
        }
    }

    /// True if it must let go, as a connection asks while it cannot send.
    pub fn stays(&mut self) -> bool {
        if self.batch.is_empty() {
            return true;
        }
        let pressed = self.viewer.poll_pressed(&Context::from_waker(Waker::noop()), Instant::now());
        if pressed == Ok(Pressed::GiveUp) {
            let skips = self.batch.len() > 1;
            self.batch.truncate(1);
            let bytes = self.batch.iter().map(|unit| unit.packed.len()).sum();
            self.viewer.gave_up(self.batch.first(), bytes, skips);
        }
        pressed != Ok(Pressed::Go)
    }
}

/// Frames that are there before anything is measured.
pub struct Source {
    pub tracks: [Track; 2],
    key: Frame,
    picture: Frame,
    sound: Frame,
    /// Pictures from one key frame to the next.
    gop: i64,
}

impl Source {
    pub fn new(picture: usize, sound: usize, gop: i64) -> Self {
        let [video, audio] = [track(0, Codec::H264), track(0, Codec::Aac)];
        let (key, picture) = (frame(&video, 0, 0, true, picture), frame(&video, 0, 0, false, picture));
        Self { key, picture, sound: frame(&audio, 0, 0, true, sound), tracks: [video, audio], gop }
    }

    /// The number of pictures that fill a ring twice.
    fn count(&self) -> i64 {
        let each = self.picture.data.len() + self.sound.data.len() + 2 * (BLOCK_OVERHEAD + size_of::<Frame>());
        (2 * LIMITS.stream_memory / each) as i64
    }

    /// Publishes what belongs to one moment.
    pub fn send(&self, publisher: &mut Publisher, at: i64, now: Instant) {
        let picture = if at % self.gop == 0 { &self.key } else { &self.picture };
        for frame in [picture, &self.sound] {
            match publisher.paid(&frame.data) {
                Ok(data) => drop(publisher.publish(Frame { dts: Ticks(40 * at), data, ..*frame }, now)),
                Err(_) => publisher.starved(frame.kind),
            }
        }
        publisher.flush();
    }
}

/// Publishes until the ring has been full twice, for viewers of every form and
/// temper; gives the peaks of heap and ledger.
fn run(meter: &Meter, source: &Source, viewers: usize) -> (usize, usize) {
    let account = Account::root("streams", 2 * LIMITS.stream_memory);
    let hub = Hub::new(LIMITS, account.clone());
    let (name, now) = (Name::new("a").unwrap(), Instant::now());
    let mut publisher = hub.publish(&name, "TEST1", now).unwrap();
    source.tracks.iter().for_each(|track| {
        publisher.track(track.clone());
    });
    let forms: Vec<&'static Form> = forms().chain(rtmp::RTMP.all()).collect();
    let mut seats = Vec::with_capacity(viewers);
    for at in 0..source.count() {
        source.send(&mut publisher, at, now);
        if seats.len() < viewers {
            let viewer = hub.play(&name, forms[seats.len() % forms.len()]).unwrap();
            let temper = [Temper::Quick, Temper::Stuck, Temper::Absent][seats.len() / forms.len() % 3];
            seats.push(Seat { viewer, temper, batch: Vec::new() });
        }
        seats.iter_mut().for_each(Seat::poll);
        seats.retain_mut(Seat::stays);
    }
    let peaks = (meter.peak(), account.peak());
    drop((seats, publisher));
    for time in [2, 4] {
        hub.sweep(now + time * LIMITS.resume);
    }
    assert_eq!((account.used(), hub.streams().len()), (0, 0), "the ledger, after the last close");
    peaks
}

/// Heap and ledger agree for pictures and sounds of these sizes, with key frames
/// and without, however many watch.
fn agree(alone: &Alone, picture: usize, sound: usize) {
    for gop in [25, i64::MAX] {
        let source = Source::new(picture, sound, gop);
        for viewers in [0, 1, 7, 21, 64] {
            let meter = alone.meter();
            let (heap, ledger) = run(&meter, &source, viewers);
            let allowed = ledger + STREAM + viewers * VIEWER + NOISE;
            assert!(heap <= allowed, "pictures of {picture} bytes, {viewers} viewers: {heap}, the ledger has {ledger}");
            assert!(meter.held() <= NOISE, "{} bytes are left after the last close", meter.held());
        }
    }
}

#[test]
fn the_heap_is_what_the_ledger_says() {
    let alone = alone();
    for (picture, sound) in [(500, 100), (5000, 300), (60_000, 300), (200_000, 300)] {
        agree(&alone, picture, sound);
    }
}

#[test]
fn the_heap_is_what_the_ledger_says_of_thousands_of_small_frames() {
    let alone = alone();
    for (picture, sound) in [(5, 5), (60, 20)] {
        agree(&alone, picture, sound);
    }
}

/// The most bytes that a small frame costs beside its own, in heap and ledger, where frames come one by one and where
/// many come at once.
const BESIDE: [(i64, usize); 2] = [(2, 120), (12, 96)];

#[test]
fn a_ring_of_small_frames_costs_little_beside_them() {
    let alone = alone();
    let account = Account::root("streams", 2 * LIMITS.stream_memory);
    let sound = frame(&track(0, Codec::Aac), 0, 0, true, 188);
    let (name, now, count) = (Name::new("a").unwrap(), Instant::now(), 2000);
    for (flush, most) in BESIDE {
        let hub = Hub::new(LIMITS, account.clone());
        let mut publisher = hub.publish(&name, "TEST1", now).unwrap();
        publisher.track(track(0, Codec::H264));
        publisher.track(track(0, Codec::Aac));
        let meter = alone.meter();
        for at in 0..count {
            let data = publisher.paid(&sound.data).unwrap();
            publisher.publish(Frame { dts: Ticks(23 * at), data, ..sound }, now).unwrap();
            if at % flush == 0 {
                publisher.flush();
            }
        }
        for (whose, bytes) in [("heap", meter.held()), ("ledger", account.used())] {
            let each = bytes / count as usize;
            assert!(each <= sound.data.len() + most, "{whose}: a frame of {} bytes costs {each}", sound.data.len());
        }
        assert!(meter.peak() <= account.peak() + NOISE, "{} {}", meter.peak(), account.peak());
    }
}

/// A record may be as long as a frame. It is kept once, not once for each viewer.
#[test]
fn long_records_are_not_multiplied_by_viewers() {
    let alone = alone();
    let mut record = record(Codec::H264);
    record.resize(200 << 10, 0); // what follows the sets is read by nobody
    let params = runnel::codec::params(Codec::H264, record.into());
    let Ok(params) = params else { return }; // to refuse it is as good
    let video = Track { params, ..track(0, Codec::H264) };
    let source = Source { tracks: [video, track(0, Codec::Aac)], ..Source::new(500, 100, 25) };
    let (one, _) = run(&alone.meter(), &source, 1);
    let (heap, ledger) = run(&alone.meter(), &source, 21);
    let allowed = ledger + STREAM + 21 * VIEWER + NOISE;
    assert!(heap <= allowed, "{heap} bytes for 21 viewers, {one} for one, and the ledger has {ledger}");
}
