//! Reads frames from one track's ordered packets, and puts them on the stream's time line.

use std::time::Duration;

use super::super::decode_time::DecodeTimes;
use super::super::order::Step;
use super::super::payload::{Unpack, Unpacked};
use super::{Event, MAX_SKEW, MICROSECONDS};
use crate::budget::{Paid, Room};
use crate::codec::{h264, h265};
use crate::media::{Codec, Frame, Kind, Params, Ticks, Track, Unwrap};

/// The frames of a track, read from its ordered packets.
pub(super) struct Frames {
    pub(super) track: Track,
    /// The session description gives all parameters of the track.
    pub(super) known: bool,
    unpack: Box<dyn Unpack>,
    unwrap: Unwrap,
    /// The sender's time at the stream's time 0, and the value to which it slews.
    pub(super) base: Option<Ticks>,
    wanted: Option<Ticks>,
    /// The jump of the time line that was not reported yet.
    pub(super) moved: Ticks,
    /// The presentation time of the last frame, on the sender's clock.
    last: Ticks,
    times: DecodeTimes,
}

/// A larger offset is corrected by a jump, in microseconds.
const MAX_SLEW: i64 = 500_000;
/// A smaller offset is corrected by 1/16 of the time that passes.
const SLEW: i64 = 16;

impl Frames {
    /// A reader for `track`; `known` if a description gives all its parameters.
    pub(super) fn new(track: Track, known: bool, unpack: Box<dyn Unpack>) -> Self {
        let mut times = DecodeTimes::default();
        if known {
            times.set_depth(depth(track.codec, &track.params));
        }
        let (unwrap, moved, last) = Default::default();
        Self { track, known, unpack, unwrap, base: None, wanted: None, moved, last, times }
    }

    /// Reads a packet, or handles a gap. `report` is a time of the stream and its timestamp, if they are known.
    /// Otherwise the first frame gets the time `now`.
    pub(super) fn step(
        &mut self,
        step: Step,
        report: Option<(Ticks, u32)>,
        now: Duration,
        room: &dyn Room,
        out: &mut dyn FnMut(Event),
    ) {
        let kind = self.track.codec.kind();
        let packet = match step {
            Step::Packet(packet) => packet,
            Step::Gap(_) => {
                self.unpack.gap();
                return out(Event::Lost(kind, None));
            }
        };
        let Self { track, unpack, unwrap, base: known, wanted, last, times, known: _, moved: _ } = self;
        let unpacked = unpack.packet(&packet, room, &mut |unpacked| match unpacked {
            Unpacked::Params(params) => {
                track.params = params;
                times.set_depth(depth(track.codec, &track.params));
                out(Event::Track(track.clone()));
            }
            Unpacked::Frame { time, key, data } => {
                let time = unwrap.next(time);
                let arrived = Ticks(i64::try_from(now.as_micros()).unwrap_or(i64::MAX));
                let base = *known.get_or_insert_with(|| {
                    let by_arrival = time - arrived.rescale(MICROSECONDS, track.clock);
                    let by_report = report.map(|(at, timestamp)| unwrap.clone().next(timestamp) - at);
                    let skew = |base: &Ticks| (*base - by_arrival).rescale(track.clock, MICROSECONDS).0.abs();
                    by_report.filter(|base| skew(base) <= MAX_SKEW).unwrap_or(by_arrival)
                });
                let base = slew(known, *wanted, (time - *last).0.unsigned_abs()).unwrap_or(base);
                *last = time;
                let shown = time - base;
                let dts = if kind == Kind::Video { times.next(shown, key) } else { shown };
                let cts = i32::try_from((shown - dts).0).unwrap_or(0);
                out(Event::Frame(Frame { dts, cts, kind, track: track.id, key, data: Paid::of(data) }));
            }
        });
        if let Err(error) = unpacked {
            out(Event::Lost(kind, Some(error)));
        }
    }

    /// Moves the time line. An offset `skew` (microseconds) that is small is corrected gradually, so that time
    /// never stands still between frames.
    pub(super) fn move_to(&mut self, wanted: Option<Ticks>, skew: i64) {
        self.wanted = wanted;
        if let (true, Some(base), Some(wanted)) = (skew.abs() > MAX_SLEW, self.base, wanted) {
            self.moved = self.moved + (base - wanted);
            self.base = Some(wanted);
        }
    }

    /// The time of a timestamp, without a change of the clock's state.
    pub(super) fn time_of(&self, timestamp: u32) -> Ticks {
        self.unwrap.clone().next(timestamp)
    }

    /// Begins a new clock with an unknown offset.
    pub(super) fn restart(&mut self) {
        self.unpack.gap();
        self.unwrap = Unwrap::default();
        (self.base, self.wanted, self.moved) = (None, None, Ticks::default());
    }
}

/// Moves `base` towards `wanted` by a small part of the time since the last frame.
fn slew(base: &mut Option<Ticks>, wanted: Option<Ticks>, passed: u64) -> Option<Ticks> {
    if let (Some(base), Some(wanted)) = (base.as_mut(), wanted) {
        let most = i64::try_from(passed).unwrap_or(i64::MAX) / SLEW;
        *base = *base + Ticks((wanted - *base).0.clamp(-most, most));
    }
    *base
}

/// The reordering depth that the decoder record gives.
fn depth(codec: Codec, params: &Params) -> usize {
    let depth = match codec {
        Codec::H264 => {
            h264::Record::parse(&params.record).ok().and_then(|record| h264::reorder_depth(record.sps.first()?))
        }
        Codec::H265 => {
            h265::Record::parse(&params.record).ok().and_then(|record| h265::reorder_depth(record.sps.first()?))
        }
        _ => None,
    };
    depth.unwrap_or(0)
}
