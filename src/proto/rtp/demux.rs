//! A publisher's packets to frames: each track has a clock of its own, and all
//! get one time line.

mod frames;

use std::time::{Duration, Instant};

use bytes::Bytes;

use self::frames::Frames;
use super::order::{Order, Step};
use super::payload::{Incoming, incoming};
use super::reception::Reception;
use super::rtcp::{self, Ntp, Report};
use super::{Error, Format, Packet};
use crate::budget::Room;
use crate::media::{Codec, Frame, Hz, Kind, Ticks, Track};

/// An event from a publisher's packets.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// A track is new or has changed.
    Track(Track),
    /// A frame of a track that was announced.
    Frame(Frame),
    /// A frame or a part of one is lost: on the way, or for this reason.
    Lost(Kind, Option<Error>),
}

/// All tracks of one publisher.
pub struct Demux {
    max_frame: usize,
    patience: Duration,
    lanes: Vec<Lane>,
    /// The arrival of the first packet.
    begun: Option<Instant>,
    /// The track that had a time first: others are moved to fit it.
    first: Option<usize>,
}

struct Lane {
    order: Order,
    reception: Reception,
    /// Packets of other types than this are passed over; any type if `None`.
    only: Option<u8>,
    /// The sender of the last packet, its timestamp, and its arrival.
    heard: Option<Heard>,
    /// The timestamp with which it begins, at the moment at which all others begin.
    start: Option<u32>,
    /// The time of day and the timestamp of the last sender report.
    sender: Option<(Ntp, u32)>,
    /// A report of a sender whose packets have not come yet, and when it came.
    early: Option<(u32, (Ntp, u32), Instant)>,
    /// The offset to other tracks was settled by what the sender says.
    aligned: bool,
    /// The track whose report has contradicted that offset since, and by how much.
    doubt: Option<(usize, i64)>,
    frames: Frames,
}

#[derive(Clone, Copy)]
struct Heard {
    ssrc: u32,
    timestamp: u32,
    at: Instant,
}

/// The time of the first frame: pictures may be decoded before that.
const START: Duration = Duration::from_secs(1);
/// Sender reports that move a track by so much are wrong, in microseconds.
const MAX_SKEW: i64 = 10_000_000;
/// A clock that goes on is at most so far from where it should be, in microseconds.
const MAX_STEP: i64 = 1_000_000;
/// Once tracks are aligned, so much is put up with.
const DRIFT: i64 = 100_000;

impl Demux {
    /// Frames have at most `max_frame` bytes; packets wait for late ones at most
    /// for `patience`.
    pub fn new(max_frame: usize, patience: Duration) -> Self {
        Self { max_frame, patience, lanes: Vec::new(), begun: None, first: None }
    }

    /// Packets of the track of that number wait for late ones at most for `patience` from here
    /// on. Those that wait are let go of.
    pub fn set_patience(&mut self, number: usize, patience: Duration) {
        if let Some(lane) = self.lanes.get_mut(number) {
            lane.order = Order::new(patience);
        }
    }

    /// Adds a track of the first of `formats` that has a place here, and gives its
    /// number; `None` if none has.
    pub fn add(&mut self, formats: &[Format]) -> Option<usize> {
        let found = formats.iter().find_map(|format| Some((format, incoming(format, self.max_frame)?)));
        let (format, Incoming { codec, params, unpack }) = found?;
        let same_kind = self.lanes.iter().filter(|lane| lane.frames.track.codec.kind() == codec.kind()).count();
        let known = params.is_some();
        let track = Track { id: same_kind as u8, codec, clock: format.clock, params: params.unwrap_or_default() };
        let frames = Frames::new(track, known, unpack);
        self.lanes.push(Lane {
            order: Order::new(self.patience),
            reception: Reception::default(),
            // devices that know one type only may well send another number
            only: (formats.len() > 1).then_some(format.payload_type),
            heard: None,
            start: None,
            sender: None,
            early: None,
            aligned: false,
            doubt: None,
            frames,
        });
        Some(self.lanes.len() - 1)
    }

    /// A track begins with `timestamp`, at the same moment as all others that this is known
    /// of. Later sender reports override it.
    pub fn begin_at(&mut self, number: usize, timestamp: u32) {
        if let Some(lane) = self.lanes.get_mut(number) {
            lane.start = Some(timestamp);
        }
    }

    /// Whether the track of that number is picture or sound.
    pub fn kind(&self, number: usize) -> Kind {
        self.lanes.get(number).map_or(Kind::Video, |lane| lane.frames.track.codec.kind())
    }

    /// The tracks of which enough is known, before the first packet.
    pub fn tracks(&self) -> impl Iterator<Item = &Track> {
        // a track that is told twice makes viewers that have not begun wait for the next key frame
        let known = self.lanes.iter().filter(|lane| lane.frames.known);
        let tracks = known.map(|lane| &lane.frames.track);
        tracks.filter(|track| !track.params.record.is_empty() || !needs_record(track.codec))
    }

    /// Takes a packet of the track of that number.
    pub fn rtp(&mut self, number: usize, now: Instant, data: &Bytes, room: &dyn Room, out: &mut dyn FnMut(Event)) {
        if rtcp::is_rtcp(data) {
            return self.rtcp(number, now, data);
        }
        let time = self.time(now);
        let Some(lane) = self.lanes.get_mut(number) else { return };
        let packet = match Packet::parse(data) {
            Ok(packet) => packet,
            Err(error) => return out(Event::Lost(lane.frames.track.codec.kind(), Some(error))),
        };
        if lane.only.is_some_and(|only| only != packet.payload_type) {
            return;
        }
        let changed = lane.hear(&packet, now);
        lane.reception.packet(&packet, lane.frames.track.clock, now);
        let early = lane.early.take_if(|(ssrc, ..)| changed && *ssrc == packet.ssrc);
        if let Some((_, report, came)) = early {
            self.believe(number, report, came);
        }
        self.feed(number, time, |order, out| order.push(packet, now, out), room, out);
    }

    /// Gives up on packets that were waited for long enough.
    pub fn flush(&mut self, now: Instant, room: &dyn Room, out: &mut dyn FnMut(Event)) {
        let time = self.time(now);
        for number in 0..self.lanes.len() {
            self.feed(number, time, |order, out| order.flush(now, out), room, out);
        }
    }

    /// The time of the stream by arrival.
    fn time(&mut self, now: Instant) -> Duration {
        START + now.saturating_duration_since(*self.begun.get_or_insert(now))
    }

    /// Makes frames of what `step` lets go on, and finds the track's place when the
    /// first of them is there.
    fn feed(
        &mut self,
        number: usize,
        time: Duration,
        step: impl FnOnce(&mut Order, &mut dyn FnMut(Step)),
        room: &dyn Room,
        out: &mut dyn FnMut(Event),
    ) {
        let report = self.time_by_reports(number);
        let Some(Lane { order, frames, .. }) = self.lanes.get_mut(number) else { return };
        let had_base = frames.base.is_some();
        step(order, &mut |step| frames.step(step, report, time, room, out));
        if !had_base && frames.base.is_some() {
            self.first.get_or_insert(number);
            self.align(None);
        }
    }

    /// Takes an RTCP packet of the track of that number.
    pub fn rtcp(&mut self, number: usize, now: Instant, data: &[u8]) {
        for report in rtcp::reports(data) {
            let Some(lane) = self.lanes.get_mut(number) else { return };
            let Report::Sender { ssrc, ntp, timestamp } = report else { continue };
            // a sender without a clock says 0: section 6.4.1 of RFC 3550
            if ntp == Ntp(0) {
                continue;
            }
            match lane.heard {
                Some(heard) if heard.ssrc != ssrc => lane.early = Some((ssrc, (ntp, timestamp), now)),
                _ => self.believe(number, (ntp, timestamp), now),
            }
        }
    }

    /// Takes a report of a track's sender that came at `now`.
    fn believe(&mut self, number: usize, report: (Ntp, u32), now: Instant) {
        let Some(lane) = self.lanes.get_mut(number) else { return };
        lane.reception.sender_report(report.0, now);
        if lane.sender.replace(report).is_none() {
            // the server's timestamps of the beginning were less exact
            self.lanes.iter_mut().for_each(|lane| lane.aligned = false);
        }
        self.align(Some(number));
    }

    /// The tracks whose times leap from the next frame on, because reports say so, and by
    /// how much. Each leap is told once.
    pub fn moves(&mut self) -> impl Iterator<Item = (&Track, Ticks)> {
        let frames = self.lanes.iter_mut().map(|lane| &mut lane.frames).filter(|frames| frames.moved != Ticks(0));
        frames.map(|frames| (&frames.track, std::mem::take(&mut frames.moved)))
    }

    /// Whether packets wait for late ones.
    pub fn is_waiting(&self) -> bool {
        self.lanes.iter().any(|lane| lane.order.is_waiting())
    }

    /// A receiver report on the track of that number.
    pub fn report(&mut self, number: usize, now: Instant, ssrc: u32, out: &mut Vec<u8>) {
        let block = self.lanes.get_mut(number).and_then(|lane| lane.reception.report(now));
        rtcp::write_receiver_report(out, ssrc, block);
    }

    /// A time of the stream, on the lane's clock, and the timestamp that belongs to it
    /// if the sender has said how the lane lies to the first one: in reports, or else
    /// where both begin. The first lane itself goes by arrival.
    fn time_by_reports(&self, number: usize) -> Option<(Ticks, u32)> {
        let first = self.lanes.get(self.first.filter(|first| *first != number)?)?;
        let lane = self.lanes.get(number)?;
        let (first_timestamp, timestamp, later) = match (first.sender, lane.sender) {
            (Some((first_ntp, first)), Some((ntp, timestamp))) => (first, timestamp, ntp.since(first_ntp)),
            _ => (first.start?, lane.start?, 0),
        };
        let first_time = first.frames.look(first_timestamp) - first.frames.base?;
        let first_time = first_time.rescale(first.frames.track.clock, MICROSECONDS);
        Some(((first_time + Ticks(later)).rescale(MICROSECONDS, lane.frames.track.clock), timestamp))
    }

    /// Moves tracks to the times that their sender reports give: sound rather than pictures.
    /// The report of `reporter` is new.
    fn align(&mut self, reporter: Option<usize>) {
        let Some(first) = self.first else { return };
        for number in (0..self.lanes.len()).filter(|number| *number != first) {
            let report = self.time_by_reports(number);
            let Some(lane) = self.lanes.get_mut(number) else { continue };
            let (Some((time, timestamp)), Some(base)) = (report, lane.frames.base) else { continue };
            let wanted = lane.frames.look(timestamp) - time;
            let clock = lane.frames.track.clock;
            let skew = (wanted - base).rescale(clock, MICROSECONDS).0;
            if skew.abs() > MAX_SKEW {
                continue;
            }
            let was_aligned = std::mem::replace(&mut lane.aligned, true);
            if skew.abs() <= if was_aligned { DRIFT } else { 0 } {
                lane.doubt = None;
                continue;
            }
            if was_aligned && !lane.is_confirmed(reporter, skew) {
                continue;
            }
            let moves_first = lane.frames.track.codec.kind() == Kind::Video;
            match self.lanes.get_mut(first) {
                Some(lane) if moves_first && lane.frames.track.codec.kind() == Kind::Audio => {
                    let clock = lane.frames.track.clock;
                    let wanted = lane.frames.base.map(|base| base - Ticks(skew).rescale(MICROSECONDS, clock));
                    lane.frames.move_to(wanted, skew);
                }
                _ => {
                    if let Some(lane) = self.lanes.get_mut(number) {
                        lane.frames.move_to(Some(wanted), skew);
                    }
                }
            }
        }
    }
}

impl Lane {
    /// Notes the sender of a packet; true if it is another than before.
    fn hear(&mut self, packet: &Packet, now: Instant) -> bool {
        let Packet { ssrc, timestamp, .. } = *packet;
        let before = self.heard.replace(Heard { ssrc, timestamp, at: now });
        let Some(before) = before.filter(|before| before.ssrc != ssrc) else { return false };
        if !self.continues(before, packet, now) {
            self.another_sender();
        }
        true
    }

    /// Whether a packet goes on where that of another sender left off: some cameras
    /// change their SSRC with each key frame, but neither their count nor their clock.
    fn continues(&self, before: Heard, packet: &Packet, now: Instant) -> bool {
        let clock = self.frames.track.clock;
        let passed = i64::try_from(now.saturating_duration_since(before.at).as_micros()).unwrap_or(i64::MAX);
        let step = Ticks(i64::from(packet.timestamp.wrapping_sub(before.timestamp) as i32));
        let step = step.rescale(clock, MICROSECONDS).0;
        (-MAX_STEP..=passed.saturating_add(MAX_STEP)).contains(&step) && self.order.follows(packet.sequence)
    }

    /// Whether the report of the same track before this one gave the same offset. A single one
    /// may have a time of day that was set since the other track's report.
    fn is_confirmed(&mut self, reporter: Option<usize>, skew: i64) -> bool {
        match (self.doubt, reporter) {
            (Some((by, before)), Some(reporter)) if by == reporter && (skew - before).abs() <= DRIFT => {
                self.doubt = None;
                true
            }
            (Some((by, _)), Some(reporter)) if by != reporter => false,
            (_, Some(reporter)) => {
                self.doubt = Some((reporter, skew));
                false
            }
            (_, None) => false,
        }
    }

    /// Its clock has nothing to do with the one before.
    fn another_sender(&mut self) {
        self.order.restart();
        (self.start, self.sender) = (None, None);
        (self.aligned, self.doubt) = (false, None);
        self.frames.restart();
    }
}

/// Whether nothing can be decoded before a record is known.
fn needs_record(codec: Codec) -> bool {
    matches!(codec, Codec::H264 | Codec::H265 | Codec::Aac | Codec::Opus | Codec::Av1 | Codec::Flac | Codec::Vp9)
}

const MICROSECONDS: Hz = Hz::new(1_000_000);
