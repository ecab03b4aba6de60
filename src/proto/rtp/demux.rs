//! Reads frames from a publisher's packets. Each track has its own clock; all tracks get one time line.

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
    /// A frame or a part of it is lost: in the network, or for this reason.
    Lost(Kind, Option<Error>),
}

/// All tracks of one publisher.
pub struct Demux {
    max_frame: usize,
    patience: Duration,
    lanes: Vec<Lane>,
    /// The arrival time of the first packet.
    begun: Option<Instant>,
    /// The track that got a time line first; the other tracks are aligned with it.
    first: Option<usize>,
}

struct Lane {
    order: Order,
    reception: Reception,
    /// The payload type that is accepted; any type if `None`.
    only: Option<u8>,
    /// The sender, timestamp and arrival time of the last packet.
    last_packet: Option<LastPacket>,
    /// The timestamp of the track's start, which is the same moment for all tracks.
    start: Option<u32>,
    /// The wall-clock time and the timestamp in the last sender report.
    sender: Option<(Ntp, u32)>,
    /// A report of a sender without packets so far, and its arrival time.
    early: Option<(u32, (Ntp, u32), Instant)>,
    /// The offset to the first track was set from sender reports or start timestamps.
    aligned: bool,
    /// The track whose report has since contradicted that offset, and the difference in microseconds.
    contradicted: Option<(usize, i64)>,
    frames: Frames,
}

#[derive(Clone, Copy)]
struct LastPacket {
    ssrc: u32,
    timestamp: u32,
    at: Instant,
}

/// The time of the first frame; later than 0 because pictures may be decoded before it.
const START: Duration = Duration::from_secs(1);
/// Sender reports that move a track by more than this are wrong, in microseconds.
const MAX_SKEW: i64 = 10_000_000;
/// The maximum deviation from the expected time for a sender that continues another's clock, in microseconds.
const MAX_STEP: i64 = 1_000_000;
/// The deviation of aligned tracks that is tolerated, in microseconds.
const DRIFT: i64 = 100_000;

impl Demux {
    /// A reader of frames of at most `max_frame` bytes. Packets wait for late ones no longer than `patience`.
    pub fn new(max_frame: usize, patience: Duration) -> Self {
        Self { max_frame, patience, lanes: Vec::new(), begun: None, first: None }
    }

    /// Sets the longest time that packets of track `number` wait for late ones. Packets that are waiting now are
    /// dropped.
    pub fn set_patience(&mut self, number: usize, patience: Duration) {
        if let Some(lane) = self.lanes.get_mut(number) {
            lane.order = Order::new(patience);
        }
    }

    /// Adds a track with the first supported format of `formats`, and gives its number; `None` if no format is
    /// supported.
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
            // devices with a single type may send another number than they declared
            only: (formats.len() > 1).then_some(format.payload_type),
            last_packet: None,
            start: None,
            sender: None,
            early: None,
            aligned: false,
            contradicted: None,
            frames,
        });
        Some(self.lanes.len() - 1)
    }

    /// Sets the timestamp of the track's start, which is the same moment for all tracks that have one. Later sender
    /// reports override it.
    pub fn begin_at(&mut self, number: usize, timestamp: u32) {
        if let Some(lane) = self.lanes.get_mut(number) {
            lane.start = Some(timestamp);
        }
    }

    /// The kind of track `number`: video or audio.
    pub fn kind(&self, number: usize) -> Kind {
        self.lanes.get(number).map_or(Kind::Video, |lane| lane.frames.track.codec.kind())
    }

    /// The tracks whose parameters are complete before the first packet.
    pub fn tracks(&self) -> impl Iterator<Item = &Track> {
        // an incomplete track is announced again, and new viewers would then wait for the next key frame
        let known = self.lanes.iter().filter(|lane| lane.frames.known);
        let tracks = known.map(|lane| &lane.frames.track);
        tracks.filter(|track| !track.params.record.is_empty() || !needs_record(track.codec))
    }

    /// Reads a packet of track `number`.
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
        let changed = lane.note_sender(&packet, now);
        lane.reception.packet(&packet, lane.frames.track.clock, now);
        let early = lane.early.take_if(|(ssrc, ..)| changed && *ssrc == packet.ssrc);
        if let Some((_, report, came)) = early {
            self.apply_report(number, report, came);
        }
        self.release(number, time, |order, out| order.push(packet, now, out), room, out);
    }

    /// Gives up waiting for packets that are overdue.
    pub fn flush(&mut self, now: Instant, room: &dyn Room, out: &mut dyn FnMut(Event)) {
        let time = self.time(now);
        for number in 0..self.lanes.len() {
            self.release(number, time, |order, out| order.flush(now, out), room, out);
        }
    }

    /// The time of the stream, by arrival.
    fn time(&mut self, now: Instant) -> Duration {
        START + now.saturating_duration_since(*self.begun.get_or_insert(now))
    }

    /// Reads frames from the packets that `step` releases, and aligns the track at its first frame.
    fn release(
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

    /// Reads an RTCP packet of track `number`.
    pub fn rtcp(&mut self, number: usize, now: Instant, data: &[u8]) {
        for report in rtcp::reports(data) {
            let Some(lane) = self.lanes.get_mut(number) else { return };
            let Report::Sender { ssrc, ntp, timestamp } = report else { continue };
            // a sender without a clock sends 0: RFC 3550 section 6.4.1
            if ntp == Ntp(0) {
                continue;
            }
            match lane.last_packet {
                Some(last_packet) if last_packet.ssrc != ssrc => lane.early = Some((ssrc, (ntp, timestamp), now)),
                _ => self.apply_report(number, (ntp, timestamp), now),
            }
        }
    }

    /// Applies a report of a track's sender that arrived at `now`.
    fn apply_report(&mut self, number: usize, report: (Ntp, u32), now: Instant) {
        let Some(lane) = self.lanes.get_mut(number) else { return };
        lane.reception.sender_report(report.0, now);
        if lane.sender.replace(report).is_none() {
            // the start timestamps from the server were less exact
            self.lanes.iter_mut().for_each(|lane| lane.aligned = false);
        }
        self.align(Some(number));
    }

    /// The tracks whose times jump with the next frame because of reports, and by how much. Each jump is given
    /// once.
    pub fn moves(&mut self) -> impl Iterator<Item = (&Track, Ticks)> {
        let frames = self.lanes.iter_mut().map(|lane| &mut lane.frames).filter(|frames| frames.moved != Ticks(0));
        frames.map(|frames| (&frames.track, std::mem::take(&mut frames.moved)))
    }

    /// True if packets are waiting for late ones.
    pub fn is_waiting(&self) -> bool {
        self.lanes.iter().any(|lane| lane.order.is_waiting())
    }

    /// Writes a receiver report about track `number`.
    pub fn report(&mut self, number: usize, now: Instant, ssrc: u32, out: &mut Vec<u8>) {
        let block = self.lanes.get_mut(number).and_then(|lane| lane.reception.report(now));
        rtcp::write_receiver_report(out, ssrc, block);
    }

    /// A time of the stream on the lane's clock, and the timestamp for it. Both follow from the lane's offset to
    /// the first lane, which sender reports give, or else the start timestamps. `None` if the offset is unknown,
    /// and for the first lane itself, which is timed by arrival.
    fn time_by_reports(&self, number: usize) -> Option<(Ticks, u32)> {
        let first = self.lanes.get(self.first.filter(|first| *first != number)?)?;
        let lane = self.lanes.get(number)?;
        let (first_timestamp, timestamp, later) = match (first.sender, lane.sender) {
            (Some((first_ntp, first)), Some((ntp, timestamp))) => (first, timestamp, ntp.since(first_ntp)),
            _ => (first.start?, lane.start?, 0),
        };
        let first_time = first.frames.time_of(first_timestamp) - first.frames.base?;
        let first_time = first_time.rescale(first.frames.track.clock, MICROSECONDS);
        Some(((first_time + Ticks(later)).rescale(MICROSECONDS, lane.frames.track.clock), timestamp))
    }

    /// Moves tracks to the times of their sender reports; audio is moved rather than video. `reporter` is the track
    /// with a new report.
    fn align(&mut self, reporter: Option<usize>) {
        let Some(first) = self.first else { return };
        for number in (0..self.lanes.len()).filter(|number| *number != first) {
            let report = self.time_by_reports(number);
            let Some(lane) = self.lanes.get_mut(number) else { continue };
            let (Some((time, timestamp)), Some(base)) = (report, lane.frames.base) else { continue };
            let wanted = lane.frames.time_of(timestamp) - time;
            let clock = lane.frames.track.clock;
            let skew = (wanted - base).rescale(clock, MICROSECONDS).0;
            if skew.abs() > MAX_SKEW {
                continue;
            }
            let was_aligned = std::mem::replace(&mut lane.aligned, true);
            if skew.abs() <= if was_aligned { DRIFT } else { 0 } {
                lane.contradicted = None;
                continue;
            }
            if was_aligned && !lane.is_confirmed(reporter, skew) {
                continue;
            }
            let is_video = lane.frames.track.codec.kind() == Kind::Video;
            match self.lanes.get_mut(first) {
                Some(lane) if is_video && lane.frames.track.codec.kind() == Kind::Audio => {
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
    /// Stores the sender of a packet; true if it changed.
    fn note_sender(&mut self, packet: &Packet, now: Instant) -> bool {
        let Packet { ssrc, timestamp, .. } = *packet;
        let before = self.last_packet.replace(LastPacket { ssrc, timestamp, at: now });
        let Some(before) = before.filter(|before| before.ssrc != ssrc) else { return false };
        if !self.continues(before, packet, now) {
            self.forget_sender();
        }
        true
    }

    /// True if a packet continues the stream of the previous sender. Some cameras change their SSRC at each key
    /// frame, but neither their sequence numbers nor their clock.
    fn continues(&self, before: LastPacket, packet: &Packet, now: Instant) -> bool {
        let clock = self.frames.track.clock;
        let passed = i64::try_from(now.saturating_duration_since(before.at).as_micros()).unwrap_or(i64::MAX);
        let step = Ticks(i64::from(packet.timestamp.wrapping_sub(before.timestamp) as i32));
        let step = step.rescale(clock, MICROSECONDS).0;
        (-MAX_STEP..=passed.saturating_add(MAX_STEP)).contains(&step) && self.order.follows(packet.sequence)
    }

    /// True if the previous report of the same track gave the same offset. A single report is not enough: the wall
    /// clock may have been set since the other track's report.
    fn is_confirmed(&mut self, reporter: Option<usize>, skew: i64) -> bool {
        match (self.contradicted, reporter) {
            (Some((by, before)), Some(reporter)) if by == reporter && (skew - before).abs() <= DRIFT => {
                self.contradicted = None;
                true
            }
            (Some((by, _)), Some(reporter)) if by != reporter => false,
            (_, Some(reporter)) => {
                self.contradicted = Some((reporter, skew));
                false
            }
            (_, None) => false,
        }
    }

    /// Forgets the clock of the previous sender.
    fn forget_sender(&mut self) {
        self.order.restart();
        (self.start, self.sender) = (None, None);
        (self.aligned, self.contradicted) = (false, None);
        self.frames.restart();
    }
}

/// True if frames can be decoded only with a record.
fn needs_record(codec: Codec) -> bool {
    matches!(codec, Codec::H264 | Codec::H265 | Codec::Aac | Codec::Opus | Codec::Av1 | Codec::Flac | Codec::Vp9)
}

const MICROSECONDS: Hz = Hz::new(1_000_000);
