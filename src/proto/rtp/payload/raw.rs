//! Audio that packets carry unchanged: G.711 and linear samples (RFC 3551), Opus (RFC 7587).

use super::{Error, Format, Incoming, MAX_PAYLOAD, Pack, Packet, Payload, Unpack, Unpacked};
use crate::budget::Room;
use crate::codec::{self, opus};
use crate::media::{Codec, Frame, Hz, Params, Track};

/// Reads each packet as one frame, without a copy.
struct Whole {
    max: usize,
    /// Bytes of a sample in all channels; an incomplete sample is cut off.
    step: usize,
}

impl Unpack for Whole {
    fn packet(&mut self, packet: &Packet, _room: &dyn Room, out: &mut dyn FnMut(Unpacked)) -> Result<(), Error> {
        let len = packet.payload.len() - packet.payload.len() % self.step;
        if len > self.max {
            return Err(Error::TooLong);
        }
        if len > 0 {
            out(Unpacked::Frame { time: packet.timestamp, key: true, data: packet.payload.slice(..len) });
        }
        Ok(())
    }

    fn gap(&mut self) {}
}

/// A reader of samples. RFC 3551 sections 4.5.14 and 4.5.11.
pub(super) fn samples(codec: Codec, format: &Format, max: usize) -> Incoming {
    let channels = format.channels.max(1);
    let params = Params { sample_rate: format.clock.get(), channels, ..Params::default() };
    Incoming { codec, params: Some(params), unpack: Box::new(Whole { max, step: step(codec, channels) }) }
}

fn step(codec: Codec, channels: u8) -> usize {
    usize::from(channels) * if codec == Codec::L16 { 2 } else { 1 }
}

/// A reader of Opus. Decoders can decode any stream to two channels, so a track is mono only if its description
/// declares it. RFC 7587 section 6.1.
pub(super) fn opus(format: &Format, max: usize) -> Incoming {
    let declared = format.parameter("sprop-stereo").or_else(|| format.parameter("stereo"));
    let channels = if declared == Some("0") { 1 } else { 2 };
    let head = opus::Head { channels, pre_skip: 0, sample_rate: opus::RATE, family: 0 };
    let params = codec::params(Codec::Opus, head.write().to_vec().into()).ok();
    Incoming { codec: Codec::Opus, params, unpack: Box::new(Whole { max, step: 1 }) }
}

/// Packs samples.
struct Samples {
    step: usize,
}

impl Pack for Samples {
    fn frame(&self, frame: &Frame, out: &mut dyn FnMut(Payload<'_>)) {
        let most = MAX_PAYLOAD / self.step;
        let (mut rest, mut later) = (frame.data.share(), 0);
        while rest.len() >= self.step {
            let samples = (rest.len() / self.step).min(most);
            let body = rest.split_to(samples * self.step);
            out(Payload { head: &[], body, later, marker: false });
            later += samples as u32;
        }
    }
}

/// Codec, sample rate, channels, and their static payload type. RFC 3551 table 4.
const STATIC_TYPES: [(Codec, u32, u8, u8); 4] =
    [(Codec::Pcmu, 8000, 1, 0), (Codec::Pcma, 8000, 1, 8), (Codec::L16, 44_100, 2, 10), (Codec::L16, 44_100, 1, 11)];

/// The format and the packer of samples; `None` if rate or channels are unknown.
pub(super) fn outgoing_samples(track: &Track) -> Option<(Format, Box<dyn Pack>)> {
    let (codec, rate, channels) = (track.codec, track.params.sample_rate, track.params.channels);
    let known = STATIC_TYPES.iter().find(|row| (row.0, row.1, row.2) == (codec, rate, channels));
    let dynamic = match codec {
        Codec::Pcma => 102,
        Codec::Pcmu => 103,
        _ => 104,
    };
    let kind = known.map_or(dynamic, |row| row.3);
    let step = step(codec, channels);
    let sane = rate > 0 && (1..=MAX_PAYLOAD).contains(&step);
    sane.then(|| (super::format(kind, codec.name(), Hz::new(rate), channels, []), Box::new(Samples { step }) as _))
}

/// Packs Opus packets, which are sent whole or not at all: RFC 7587 defines no fragments. Only packets of more than
/// 20 ms at the highest bit rates are too long.
struct Opus;

impl Pack for Opus {
    fn frame(&self, frame: &Frame, out: &mut dyn FnMut(Payload<'_>)) {
        if (1..=MAX_PAYLOAD).contains(&frame.data.len()) {
            out(Payload { head: &[], body: frame.data.share(), later: 0, marker: false });
        }
    }
}

/// The format and the packer, always with 48000 Hz and two channels, whatever the content. RFC 7587 section 7,
/// which does not support more channels.
pub(super) fn outgoing_opus(track: &Track) -> Option<(Format, Box<dyn Pack>)> {
    let stereo = match track.params.channels {
        1 => "0",
        2 => "1",
        _ => return None,
    };
    // RFC 7587 does not support several streams in a packet either
    if !opus::Head::is_usual(&track.params.record) {
        return None;
    }
    let format = super::format(101, "OPUS", Hz::new(opus::RATE), 2, [("sprop-stereo", stereo.to_owned())]);
    Some((format, Box::new(Opus)))
}

#[cfg(test)]
mod tests {
    use super::super::tests::{Bench, frame, track};
    use super::super::{incoming, outgoing};
    use super::*;

    fn audio(codec: Codec, sample_rate: u32, channels: u8) -> Track {
        track(codec, Params { sample_rate, channels, ..Params::default() })
    }

    #[test]
    fn static_payload_types_where_there_are_any() {
        let kinds = [
            (Codec::Pcma, 8000, 1, 8),
            (Codec::Pcma, 16_000, 1, 102),
            (Codec::Pcmu, 8000, 1, 0),
            (Codec::Pcmu, 8000, 2, 103),
            (Codec::L16, 44_100, 2, 10),
            (Codec::L16, 44_100, 1, 11),
            (Codec::L16, 48_000, 2, 104),
        ];
        for (codec, rate, channels, kind) in kinds {
            let (format, _) = outgoing(&audio(codec, rate, channels)).unwrap();
            assert_eq!((format.payload_type, format.clock.get(), format.channels), (kind, rate, channels));
            let incoming = incoming(&format, 1000).unwrap();
            assert_eq!(incoming.codec, codec);
            assert_eq!(incoming.params.unwrap(), audio(codec, rate, channels).params);
        }
        assert!(outgoing(&audio(Codec::L16, 0, 2)).is_none() && outgoing(&audio(Codec::L16, 8000, 0)).is_none());
    }

    #[test]
    fn long_stretches_are_cut_between_samples() {
        let track = audio(Codec::L16, 48_000, 3);
        let mut bench = Bench::new(&track);
        let data: Vec<u8> = (0..6000).map(|at| at as u8).collect();
        let frames = bench.send(&frame(&track, true, &data), 900);
        let times: Vec<u32> = frames.iter().map(|(time, ..)| *time).collect();
        assert_eq!(times, [900, 1131, 1362, 1593, 1824]);
        assert_eq!(frames.iter().flat_map(|(.., data)| data.to_vec()).collect::<Vec<_>>(), data);
        assert_eq!(bench.account.peak(), 0, "sound is not copied");
    }

    #[test]
    fn half_samples_are_cut_off() {
        let track = audio(Codec::L16, 48_000, 2);
        let mut bench = Bench::new(&track);
        assert_eq!(bench.raw(false, 5, &[1, 2, 3, 4, 5]).unwrap()[0].2, [1, 2, 3, 4][..]);
        assert!(bench.raw(false, 5, &[1, 2, 3]).unwrap().is_empty());
        bench.unpack = incoming(&bench.format, 7).unwrap().unpack;
        assert_eq!(bench.raw(false, 5, &[1; 8]), Err(Error::TooLong));
    }

    #[test]
    fn opus_is_stereo_unless_it_says_otherwise() {
        for (fmtp, channels) in [("", 2), ("sprop-stereo=0", 1), ("sprop-stereo=1", 2), ("stereo=0", 1)] {
            let fmtp = fmtp.split_once('=').map(|(name, value)| (name, value.to_owned()));
            let format = super::super::format(101, "OPUS", Hz::new(48_000), 2, fmtp);
            let params = incoming(&format, 1000).unwrap().params.unwrap();
            assert_eq!((params.channels, params.sample_rate, params.record.len()), (channels, 48_000, 19));
            let (again, _) = outgoing(&track(Codec::Opus, params)).unwrap();
            assert_eq!(again.parameter("sprop-stereo"), Some(["0", "1"][usize::from(channels) - 1]));
        }
    }
}
