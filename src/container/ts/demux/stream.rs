//! One elementary stream: its PES packets and the times of their frames. Section 2.4.3.6.

use bytes::Bytes;

use super::Lost;
use super::packet::{Counter, Follows, Packet};
use super::section::Coding;
use super::split::Split;
use crate::budget::{Overflow, Room, Rope};
use crate::container::file::TOO_LONG;
use crate::container::{Coded, Error, Event, FrameNormalizer};
use crate::media::{Hz, Kind, Ticks, nal};
use crate::wire::{Reader, Short};

/// A stream, and the PES packet that is being collected.
#[derive(Debug)]
pub(super) struct Stream {
    pub(super) pid: u16,
    pub(super) coding: Coding,
    /// The track's index among those of its kind.
    pub(super) place: u8,
    counter: Counter,
    rope: Rope,
    /// The payload length in the packet's header; 0 if it gives none.
    wanted: usize,
    /// The times in the packet's header, if it has any.
    times: Option<Times>,
    /// Splits sound into frames.
    split: Split,
    /// The packet that is being received is lost.
    lost: bool,
}

/// PTS and DTS, of 33 bits, which wrap.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Times {
    pts: u64,
    dts: u64,
}

impl Stream {
    pub(super) fn new(pid: u16, coding: Coding, max_frame: usize) -> Self {
        Self {
            pid,
            coding,
            place: 0,
            counter: Counter::default(),
            rope: Rope::new(max_frame),
            wanted: 0,
            times: None,
            split: Split::default(),
            lost: true,
        }
    }

    /// Reads a packet of this stream.
    pub(super) fn packet(
        &mut self,
        packet: &Packet,
        normal: &mut FrameNormalizer,
        time: &mut Option<i64>,
        room: &dyn Room,
        event: &mut dyn FnMut(Event),
    ) -> Result<(), Lost> {
        let kind = self.coding.kind();
        let mut result = Ok(());
        match self.counter.follow(packet) {
            Follows::Again => return Ok(()),
            // after a splice the next PES packet begins here, and the current one is complete
            Follows::Gap if packet.discontinuity && packet.start => {}
            Follows::Gap if !self.lost => {
                self.give_up();
                self.split = Split::default();
                result = Err((kind, Error::Malformed("packets are missing")));
            }
            _ => {}
        }
        let mut payload = packet.payload;
        if packet.start {
            let header = header(payload);
            // a picture may take several PES packets, of which only the first has times
            let goes_on = kind == Kind::Video && !self.lost && matches!(header, Ok((_, _, None)));
            if !goes_on {
                result = result.and(self.finish(normal, time, room, event));
            }
            let Ok((header, wanted, times)) = header else {
                self.lost = true;
                return result;
            };
            if !goes_on {
                // a picture ends where the next begins
                self.wanted = if kind == Kind::Video { 0 } else { wanted };
                (self.times, self.lost) = (times, false);
            }
            payload = payload.get(header..).unwrap_or_default();
        }
        if self.lost {
            return result;
        }
        if let Err(overflow) = self.rope.push(payload, room) {
            self.give_up();
            let error = match overflow {
                Overflow::TooLong => TOO_LONG,
                Overflow::OverBudget(refusal) => refusal.into(),
            };
            return Err((kind, error));
        }
        if self.wanted > 0 && self.rope.len() >= self.wanted {
            result = result.and(self.finish(normal, time, room, event));
        }
        result
    }

    /// Reads the frames of the collected packet, which is complete.
    pub(super) fn finish(
        &mut self,
        normal: &mut FrameNormalizer,
        time: &mut Option<i64>,
        room: &dyn Room,
        event: &mut dyn FnMut(Event),
    ) -> Result<(), Lost> {
        if self.rope.is_empty() {
            return Ok(());
        }
        let kind = self.coding.kind();
        let data = self.rope.finish(room).map_err(|refusal| (kind, refusal.into()))?;
        let times = self.times.take().map(|times| {
            let dts = unwrap(times.dts, time);
            (dts, wrapped(times.pts.wrapping_sub(times.dts)))
        });
        let read = match (kind, times) {
            (Kind::Video, Some((dts, cts))) => self.picture(data, dts, cts as i32, normal, room, event),
            (Kind::Video, None) => Err(Error::Malformed("a picture without a time")),
            (Kind::Audio, times) => {
                let pts = times.map(|(dts, cts)| dts.saturating_add(cts));
                self.split.sound((self.coding, self.place), data, pts, normal, room, event)
            }
        };
        read.map_err(|error| (kind, error))
    }

    fn give_up(&mut self) {
        self.rope.clear();
        self.lost = true;
    }

    /// Reads a picture: start codes are replaced by length prefixes.
    fn picture(
        &self,
        data: Bytes,
        dts: i64,
        cts: i32,
        normal: &mut FrameNormalizer,
        room: &dyn Room,
        event: &mut dyn FnMut(Event),
    ) -> Result<(), Error> {
        let mut block = room.block(nal::byte_stream(&data).map(|unit| unit.len() + 4).sum())?;
        for unit in nal::byte_stream(&data) {
            block.fill(&(unit.len() as u32).to_be_bytes());
            block.fill(unit);
        }
        drop(data);
        let data = block.freeze();
        let (codec, track) = (self.coding.codec(), self.place);
        // broadcasts mark no key frames: every recovery point counts
        let key = true;
        let coded = Coded { codec, track, clock: Hz::MPEG, dts: Ticks(dts), cts, key, data };
        normal.frame(coded, room, &mut |news| event(news))
    }
}

/// Parses a PES header: its length, the length of the payload if it is given, and the times.
fn header(data: &[u8]) -> Result<(usize, usize, Option<Times>), Short> {
    let mut fields = Reader::new(data);
    let (1, _stream_id) = (fields.u24()?, fields.u8()?) else { return Err(Short) };
    let length = usize::from(fields.u16()?);
    let flags = fields.u16()?;
    let extra = usize::from(fields.u8()?);
    if flags & 0xc000 != 0x8000 {
        return Err(Short); // a kind of packet without times
    }
    let mut optional = Reader::new(fields.take(extra)?);
    let times = match flags >> 6 & 3 {
        2 | 3 => {
            let pts = timestamp(&mut optional)?;
            let dts = if flags & 0x40 != 0 { timestamp(&mut optional)? } else { pts };
            Some(Times { pts, dts })
        }
        _ => None,
    };
    let header = 9 + extra;
    Ok((header, (length + 6).saturating_sub(header).min(if length == 0 { 0 } else { usize::MAX }), times))
}

/// Reads 33 bits in three parts, each followed by a marker bit.
fn timestamp(fields: &mut Reader) -> Result<u64, Short> {
    let [a, b, c, d, e] = fields.array::<5>()?.map(u64::from);
    Ok((a & 0x0e) << 29 | b << 22 | (c & 0xfe) << 14 | d << 7 | e >> 1)
}

/// A difference of 33 bits as a signed number.
fn wrapped(distance: u64) -> i64 {
    ((distance << 31) as i64) >> 31
}

/// The time without wraps that is nearest to the last time of any stream.
fn unwrap(timestamp: u64, last: &mut Option<i64>) -> i64 {
    let time = match *last {
        None => timestamp as i64,
        Some(last) => last.saturating_add(wrapped(timestamp.wrapping_sub(last as u64))),
    };
    *last = Some(time);
    time
}
