//! RTP as a form: packets with bodies shared with the frames. Every viewer gets the
//! same sequence numbers, so all of them send the same bytes; on which port or
//! channel is the transport's affair.

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

/// The first track of each kind: pictures on channel 0 with their reports on 1,
/// sound on 2 and 3.
pub static RTP: Form = Form::own("rtp", mux);

fn mux() -> Box<dyn Mux> {
    Box::new(Rtp::default())
}

#[derive(Default)]
struct Rtp {
    lanes: Vec<Lane>,
    /// The time of day at a time of the stream.
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
    /// The time at which the next frame of sound begins, in ticks, if it follows without a gap.
    next: Option<Ticks>,
}

/// Sender reports are so far apart, in milliseconds. RFC 3550 section 6.2.
const REPORT: i64 = 4000;
/// A time of day that is off by so much was set: reports follow it at once.
const CLOCK_SET: Duration = Duration::from_secs(5);
/// Else they follow it by so much a second, so that no viewer's clock jumps when
/// frames come early or late.
const CLOCK_STEP: Duration = Duration::from_millis(1);
/// Sound whose times are given in milliseconds is off by at most so many of them.
const ROUNDING: i64 = 2;

/// The synchronization source of all packets of one kind. RFC 3550 section 8.1 asks
/// that the tracks of a session differ, and that a guess is not easy.
pub fn ssrc(kind: Kind) -> u32 {
    secret("ssrc", kind)
}

/// The timestamp in packets of a kind for `time` on their clock: it begins at a random
/// number. RFC 3550 section 5.1.
pub fn timestamp(kind: Kind, time: Ticks) -> u32 {
    (time.0 as u32).wrapping_add(secret("timestamp", kind))
}

/// The same number for the same thing as long as the program runs.
fn secret(what: &str, kind: Kind) -> u32 {
    static SEED: OnceLock<RandomState> = OnceLock::new();
    SEED.get_or_init(RandomState::new).hash_one((what, kind)) as u32
}

/// The channel on which packets of a kind go; reports go on the next.
pub fn channel(kind: Kind) -> u8 {
    match kind {
        Kind::Video => 0,
        Kind::Audio => 2,
    }
}

/// The formats that a viewer is offered: of the first track of each kind, if it can be
/// packed, pictures before sound.
pub fn offers(tracks: &Tracks) -> Vec<(Kind, Format)> {
    let offer = |kind| Some((kind, outgoing(tracks.find(kind, 0)?)?.0));
    [Kind::Video, Kind::Audio].into_iter().filter_map(offer).collect()
}

impl Mux for Rtp {
    fn carries(&self, track: &Track) -> bool {
        track.id == 0 && outgoing(track).is_some()
    }

    /// Sender reports: a viewer knows from the start how the tracks belong together.
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
        let step = if off > CLOCK_SET { off } else { off.min(CLOCK_STEP) };
        self.wall = Some((at, Wall(if wall < due { due.0 - step } else { due.0 + step })));
    }

    fn cost(&self, frame: &Frame) -> usize {
        let Some(lane) = self.lane(frame.kind) else { return 0 };
        let mut count: usize = 0;
        lane.pack.frame(frame, &mut |_| count += 1);
        // a list that grows is held twice while it is moved
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

    /// Takes over a track; one that is there already keeps its numbers.
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
        let due = self.reported.is_none_or(|last| !(0..REPORT).contains(&(at - last).0));
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

    /// The time at which a frame is shown, on the format's clock. Sound whose times were
    /// rounded to milliseconds gets its even steps back.
    fn time(&mut self, track: &Track, frame: &Frame) -> Ticks {
        let clock = self.format.clock;
        let shown = (frame.dts + Ticks(frame.cts.into())).rescale(track.clock, clock);
        if track.clock == clock || frame.kind == Kind::Video {
            return shown;
        }
        let rounding = Ticks(ROUNDING).rescale(Hz::MS, clock).0;
        let time = self.next.filter(|next| (*next - shown).0.abs() <= rounding).unwrap_or(shown);
        self.next = duration(track.codec, &frame.data).map(|ticks| time + Ticks(ticks.into()));
        time
    }

    /// A sender report for the time `at`, in milliseconds.
    fn report(&self, at: Ticks, wall: (Ticks, Wall)) -> Option<Piece> {
        let mut data = Vec::new();
        let time = timestamp(self.track.codec.kind(), at.rescale(Hz::MS, self.format.clock));
        write_sender_report(&mut data, self.ssrc(), Ntp::from_wall(later(wall, at)), time, self.sent);
        Some(Piece::new(&[], Bytes::from(data)).on_channel(self.channel() + 1))
    }
}

/// The duration of a frame of sound on its codec's own clock, which is the format's too.
fn duration(codec: Codec, data: &[u8]) -> Option<u32> {
    match codec {
        Codec::Aac => Some(aac::SAMPLES),
        Codec::Opus => opus::duration(data),
        _ => None,
    }
}

/// The time of day at `at`, if it was `wall` at another time.
fn later((then, wall): (Ticks, Wall), at: Ticks) -> Wall {
    let distance = (at - then).0;
    let ms = Duration::from_millis(distance.unsigned_abs());
    Wall(if distance < 0 { wall.0.saturating_sub(ms) } else { wall.0.saturating_add(ms) })
}
