//! RTP as a form: packets whose bodies are shared with the frames. All viewers get the same sequence numbers, so
//! they all receive the same bytes. The transport chooses ports and channels.

use std::hash::{BuildHasher, RandomState};
use std::sync::OnceLock;
use std::time::Duration;

use bytes::Bytes;

use super::payload::{Pack, outgoing};
use super::rtcp::{Ntp, Sent, write_sender_report};
use super::{Format, header};
use crate::budget::{Account, OverBudget};
use crate::codec::{aac, opus};
use crate::container::{Form, Mux, Packed, Piece};
use crate::media::{Codec, Frame, Hz, Kind, Ticks, Track, Tracks, Wall};

/// The first track of each kind: video on channel 0 with its reports on 1, audio on 2 with its reports on 3.
pub static RTP: Form = Form::own("rtp", mux);

fn mux() -> Box<dyn Mux> {
    Box::new(Rtp::default())
}

#[derive(Default)]
struct Rtp {
    lanes: Vec<Lane>,
    /// A time of the stream, and the wall-clock time at it.
    wall: Option<(Ticks, Wall)>,
}

struct Lane {
    track: Track,
    format: Format,
    pack: Box<dyn Pack>,
    sequence: u16,
    sent: Sent,
    /// The time of the last sender report, in milliseconds.
    reported: Option<Ticks>,
    /// The expected time of the next audio frame, in ticks, if there is no gap.
    next: Option<Ticks>,
}

/// The interval between sender reports, in milliseconds. RFC 3550 section 6.2.
const REPORT_INTERVAL: i64 = 4000;
/// A wall clock that deviates by more than this was set: the reports follow it at once.
const CLOCK_SET: Duration = Duration::from_secs(5);
/// The maximum step towards the wall clock each second, so that viewers' clocks do not jump when frames arrive
/// early or late.
const MAX_CLOCK_STEP: Duration = Duration::from_millis(1);
/// The maximum rounding error of audio times in milliseconds.
const MAX_ROUNDING: i64 = 2;

/// The synchronization source of all packets of one kind. RFC 3550 section 8.1: it must differ between the tracks
/// of a session, and must not be easy to guess.
pub fn ssrc(kind: Kind) -> u32 {
    random_number("ssrc", kind)
}

/// The timestamp in packets of a kind for `time` on their clock. It has a random offset. RFC 3550 section 5.1.
pub fn timestamp(kind: Kind, time: Ticks) -> u32 {
    (time.0 as u32).wrapping_add(random_number("timestamp", kind))
}

/// A random number for `what` and `kind`, constant while the program runs.
fn random_number(what: &str, kind: Kind) -> u32 {
    static SEED: OnceLock<RandomState> = OnceLock::new();
    SEED.get_or_init(RandomState::new).hash_one((what, kind)) as u32
}

/// The channel for packets of a kind; its reports use the next channel.
pub fn channel(kind: Kind) -> u8 {
    match kind {
        Kind::Video => 0,
        Kind::Audio => 2,
    }
}

/// The formats that a viewer is offered, video before audio: those of the first track of each kind, if it can be
/// packed.
pub fn offers(tracks: &Tracks) -> Vec<(Kind, Format)> {
    let offer = |kind| Some((kind, outgoing(tracks.find(kind, 0)?)?.0));
    [Kind::Video, Kind::Audio].into_iter().filter_map(offer).collect()
}

impl Mux for Rtp {
    fn carries(&self, track: &Track) -> bool {
        track.id == 0 && outgoing(track).is_some()
    }

    /// Sender reports, with which a viewer can synchronize the tracks from the start.
    fn head(&self, _: &Tracks, at: Ticks) -> Packed {
        let mut pieces = self.lanes.iter().filter_map(|lane| lane.report(at, self.wall?));
        pieces.next().map_or_else(|| Vec::new().into(), |first| Packed::new(first, pieces.collect()))
    }

    fn announce(&mut self, tracks: &Tracks, _: &[&Track], _: Ticks) -> Packed {
        self.lanes.retain(|lane| tracks.iter().any(|track| (track.codec.kind(), track.id) == lane.name()));
        for track in tracks.iter().filter(|track| track.id == 0) {
            self.adopt(track);
        }
        Vec::new().into()
    }

    fn time_of_day(&mut self, at: Ticks, wall: Wall) {
        let Some(anchor) = self.wall else {
            self.wall = Some((at, wall));
            return;
        };
        let due = later(anchor, at);
        let off = due.0.abs_diff(wall.0);
        let step = if off > CLOCK_SET { off } else { off.min(MAX_CLOCK_STEP) };
        self.wall = Some((at, Wall(if wall < due { due.0 - step } else { due.0 + step })));
    }

    fn cost(&self, frame: &Frame) -> usize {
        let Some(lane) = self.lane(frame.kind) else { return 0 };
        let mut count: usize = 0;
        lane.pack.frame(frame, &mut |_| count += 1);
        // a growing Vec holds its elements twice while they are moved
        if count > 1 { 2 * (count + 1) * size_of::<Piece>() } else { 0 }
    }

    fn frame(&mut self, track: &Track, frame: &Frame, _: &Account) -> Result<Option<Packed>, OverBudget> {
        let wall = self.wall;
        let lane = self.lanes.iter_mut().find(|lane| lane.name() == (frame.kind, frame.track));
        Ok(lane.and_then(|lane| lane.frame(track, frame, wall)))
    }
}

impl Rtp {
    fn lane(&self, kind: Kind) -> Option<&Lane> {
        self.lanes.iter().find(|lane| lane.name() == (kind, 0))
    }

    /// Adds a track, or replaces one and keeps its numbers.
    fn adopt(&mut self, track: &Track) {
        let known = self.lanes.iter_mut().find(|lane| lane.name() == (track.codec.kind(), track.id));
        if known.as_ref().is_some_and(|lane| lane.track == *track) {
            return;
        }
        let Some((format, pack)) = outgoing(track) else { return };
        let track = track.clone();
        match known {
            Some(lane) => (lane.track, lane.format, lane.pack) = (track, format, pack),
            None => {
                let sequence = ssrc(track.codec.kind()) as u16;
                let sent = Sent::default();
                self.lanes.push(Lane { track, format, pack, sequence, sent, reported: None, next: None });
            }
        }
    }
}

impl Lane {
    fn name(&self) -> (Kind, u8) {
        (self.track.codec.kind(), self.track.id)
    }

    fn channel(&self) -> u8 {
        channel(self.track.codec.kind())
    }

    fn ssrc(&self) -> u32 {
        ssrc(self.track.codec.kind())
    }

    fn frame(&mut self, track: &Track, frame: &Frame, wall: Option<(Ticks, Wall)>) -> Option<Packed> {
        let at = frame.dts.rescale(track.clock, Hz::MS);
        let time = self.time(track, frame);
        let due = self.reported.is_none_or(|last| !(0..REPORT_INTERVAL).contains(&(at - last).0));
        let report = wall.filter(|_| due).and_then(|wall| self.report(at, wall));
        if report.is_some() {
            self.reported = Some(at);
        }
        let (kind, channel, ssrc, payload_type) = (frame.kind, self.channel(), self.ssrc(), self.format.payload_type);
        let Self { pack, sequence, sent, .. } = self;
        let mut pieces = Vec::new();
        pack.frame(frame, &mut |payload| {
            let time = timestamp(kind, time + Ticks(payload.later.into()));
            let mut head = header(payload_type, payload.marker, *sequence, time, ssrc).to_vec();
            head.extend_from_slice(payload.head);
            *sequence = sequence.wrapping_add(1);
            sent.packets = sent.packets.wrapping_add(1);
            sent.octets = sent.octets.wrapping_add((payload.head.len() + payload.body.len()) as u32);
            pieces.push(Piece::new(&head, payload.body).on_channel(channel));
        });
        pieces.extend(report);
        let mut pieces = pieces.into_iter();
        Some(Packed::new(pieces.next()?, pieces.collect()))
    }

    /// The presentation time of a frame, on the format's clock. Audio times that were rounded to milliseconds are
    /// made exact again.
    fn time(&mut self, track: &Track, frame: &Frame) -> Ticks {
        let clock = self.format.clock;
        let shown = (frame.dts + Ticks(frame.cts.into())).rescale(track.clock, clock);
        if track.clock == clock || frame.kind == Kind::Video {
            return shown;
        }
        let rounding = Ticks(MAX_ROUNDING).rescale(Hz::MS, clock).0;
        let time = self.next.filter(|next| (*next - shown).0.abs() <= rounding).unwrap_or(shown);
        self.next = duration(track.codec, &frame.data).map(|ticks| time + Ticks(ticks.into()));
        time
    }

    /// A sender report for the time `at` in milliseconds.
    fn report(&self, at: Ticks, wall: (Ticks, Wall)) -> Option<Piece> {
        let mut data = Vec::new();
        let time = timestamp(self.track.codec.kind(), at.rescale(Hz::MS, self.format.clock));
        write_sender_report(&mut data, self.ssrc(), Ntp::from_wall(later(wall, at)), time, self.sent);
        Some(Piece::new(&[], Bytes::from(data)).on_channel(self.channel() + 1))
    }
}

/// The duration of an audio frame on its codec's clock, which is also the format's.
fn duration(codec: Codec, data: &[u8]) -> Option<u32> {
    match codec {
        Codec::Aac => Some(aac::SAMPLES),
        Codec::Opus => opus::duration(data),
        _ => None,
    }
}

/// The wall-clock time at `at`, given the wall-clock time `wall` at `then`.
fn later((then, wall): (Ticks, Wall), at: Ticks) -> Wall {
    let distance = (at - then).0;
    let ms = Duration::from_millis(distance.unsigned_abs());
    Wall(if distance < 0 { wall.0.saturating_sub(ms) } else { wall.0.saturating_add(ms) })
}
