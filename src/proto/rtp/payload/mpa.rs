//! MP3 as MPEG audio. RFC 2250 section 3.
//!
//! Layers 1 and 2 are refused, because runnel does not carry them.

use bytes::Bytes;

use super::assembly::Rope;
use super::{Error, Format, Incoming, MAX_FRAMES, MAX_PAYLOAD, Pack, Packet, Payload, TOO_MANY, Unpack, Unpacked};
use crate::budget::Room;
use crate::codec::mp3;
use crate::media::{Codec, Frame, Hz, Params, Ticks};
use crate::wire::Reader;

/// The clock, independent of the sample rate. Section 2.
const CLOCK: Hz = Hz::MPEG;

/// Reads MPEG audio frames.
struct Reading {
    max: usize,
    /// The sample rate and the channels that were last announced.
    known: Option<(u32, u8)>,
    /// Timestamp and length of the frame whose fragments are being collected.
    begun: Option<(u32, usize)>,
    parts: Rope,
    /// Fragments are skipped up to the next frame.
    lost: bool,
}

impl Reading {
    /// Reads whole frames, and the first part of a frame that exceeds the packet.
    fn frames(
        &mut self,
        mut time: u32,
        mut data: Bytes,
        room: &dyn Room,
        out: &mut dyn FnMut(Unpacked),
    ) -> Result<(), Error> {
        let mut count = 0;
        while !data.is_empty() {
            let header = match header(&data) {
                Ok(_) if count == MAX_FRAMES => return Err(TOO_MANY),
                Ok(header) => header,
                Err(error) if count == 0 => return Err(error),
                Err(_) => return Ok(()), // some senders pad their packets
            };
            self.news(&header, out);
            if header.frame_len > self.max {
                return Err(Error::TooLong);
            }
            if header.frame_len > data.len() {
                self.begun = Some((time, header.frame_len));
                return Ok(self.parts.push(&data, room)?);
            }
            out(Unpacked::Frame { time, key: true, data: data.split_to(header.frame_len) });
            time = time.wrapping_add(ticks(&header));
            count += 1;
        }
        Ok(())
    }

    fn news(&mut self, header: &mp3::Header, out: &mut dyn FnMut(Unpacked)) {
        let (sample_rate, channels) = (header.sample_rate, header.channels);
        if self.known.replace((sample_rate, channels)) != Some((sample_rate, channels)) {
            out(Unpacked::Params(Params { sample_rate, channels, ..Params::default() }));
        }
    }

    /// Adds a part of a frame after its first `offset` bytes.
    fn fragment(
        &mut self,
        time: u32,
        offset: usize,
        data: &[u8],
        room: &dyn Room,
        out: &mut dyn FnMut(Unpacked),
    ) -> Result<(), Error> {
        let Some((begun, len)) = self.begun else {
            return Err(Error::Malformed("a fragment whose beginning is missing"));
        };
        if begun != time || offset != self.parts.len() || offset + data.len() > len {
            return Err(Error::Malformed("Frag_offset"));
        }
        self.parts.push(data, room)?;
        if self.parts.len() == len {
            self.begun = None;
            out(Unpacked::Frame { time, key: true, data: self.parts.finish(room)? });
        }
        Ok(())
    }

    fn give_up(&mut self, lost: bool) {
        self.begun = None;
        self.parts.clear();
        self.lost = lost;
    }
}

impl Unpack for Reading {
    fn packet(&mut self, packet: &Packet, room: &dyn Room, out: &mut dyn FnMut(Unpacked)) -> Result<(), Error> {
        let mut r = Reader::new(&packet.payload);
        let [_, _, high, low] = r.array()?;
        let offset = usize::from(u16::from_be_bytes([high, low]));
        let data = packet.payload.slice_ref(r.rest());
        let done = if offset == 0 {
            self.give_up(false);
            self.frames(packet.timestamp, data, room, out)
        } else if self.lost {
            return Ok(());
        } else {
            self.fragment(packet.timestamp, offset, &data, room, out)
        };
        if done.is_err() {
            self.give_up(true);
        }
        done
    }

    fn gap(&mut self) {
        self.give_up(true);
    }
}

fn header(data: &[u8]) -> Result<mp3::Header, Error> {
    let header = mp3::Header::parse(data)?;
    if header.layer == 3 { Ok(header) } else { Err(Error::Malformed("MPEG audio of layer 1 or 2")) }
}

fn ticks(header: &mp3::Header) -> u32 {
    Ticks(header.samples.into()).rescale(Hz::new(header.sample_rate), CLOCK).0 as u32
}

/// A reader; the frames contain all parameters.
pub(super) fn incoming(max: usize) -> Incoming {
    let reading = Reading { max, known: None, begun: None, parts: Rope::new(max), lost: false };
    Incoming { codec: Codec::Mp3, params: None, unpack: Box::new(reading) }
}

/// Packs one frame or fragment per packet.
struct Cutting;

impl Pack for Cutting {
    fn frame(&self, frame: &Frame, out: &mut dyn FnMut(Payload<'_>)) {
        let (mut rest, mut later) = (frame.data.share(), 0u32);
        while let Ok(header) = header(&rest) {
            let mut data = rest.split_to(header.frame_len.min(rest.len()));
            let mut offset = 0u16;
            while !data.is_empty() {
                let body = data.split_to(data.len().min(MAX_PAYLOAD - 4));
                let [high, low] = offset.to_be_bytes();
                offset = offset.wrapping_add(body.len() as u16); // frames have at most 1729 bytes
                out(Payload { head: &[0, 0, high, low], body, later, marker: false });
            }
            later = later.wrapping_add(ticks(&header));
        }
    }
}

/// The static payload type. RFC 3551 section 4.5.13.
pub(super) fn outgoing() -> Option<(Format, Box<dyn Pack>)> {
    Some((super::format(14, "MPA", CLOCK, 1, []), Box::new(Cutting)))
}

#[cfg(test)]
mod tests {
    use super::super::tests::{Bench, frame, mp3, track, unit};
    use super::*;

    /// 128 kbit/s and 44100 Hz: 417 bytes.
    const SHORT: [u8; 4] = [0xff, 0xfb, 0x90, 0];
    /// 320 kbit/s and 32000 Hz: 1440 bytes.
    const LONG: [u8; 4] = [0xff, 0xfb, 0xe8, 0xc0];

    #[test]
    fn frames_of_a_packet_follow_each_other() {
        let mut bench = Bench::new(&mp3());
        assert!(bench.params.is_empty());
        let one = unit(&SHORT, 417);
        let got = bench.raw(true, 10, &[&[0; 4], &one[..], &one, &[0, 0]].concat()).unwrap();
        assert_eq!(got, [(10, true, one.clone().into()), (10 + 2351, true, one.clone().into())]);
        let params = Params { sample_rate: 44_100, channels: 2, ..Params::default() };
        assert_eq!(bench.params, [params]);
        let both = frame(&mp3(), true, &[&one[..], &one].concat());
        assert_eq!(bench.send(&both, 20).iter().map(|got| got.0).collect::<Vec<_>>(), [20, 20 + 2351]);
        bench.raw(true, 30, &[&[0; 4], &unit(&LONG, 1440)[..]].concat()).unwrap();
        assert_eq!((bench.params.len(), bench.params[1].channels), (2, 1));
        assert_eq!(bench.account.peak(), 0);
    }

    #[test]
    fn fragments_fit_or_are_passed_over() {
        let mut bench = Bench::new(&mp3());
        let long = unit(&LONG, 1440);
        let part =
            |offset: usize, len: usize| [&[0, 0, (offset >> 8) as u8, offset as u8], &long[offset..][..len]].concat();
        bench.raw(false, 1, &part(0, 700)).unwrap();
        assert!(bench.raw(false, 1, &part(701, 9)).is_err());
        assert_eq!(bench.raw(false, 1, &part(710, 9)), Ok(vec![]));
        bench.raw(false, 2, &part(0, 700)).unwrap();
        bench.raw(false, 2, &part(700, 700)).unwrap();
        assert_eq!(bench.raw(false, 2, &part(1400, 40)), Ok(vec![(2, true, long.clone().into())]));
        assert!(bench.raw(false, 2, &part(700, 40)).is_err());
        bench.unpack.gap();
        assert_eq!(bench.raw(false, 2, &part(700, 40)), Ok(vec![]));
        assert_eq!(bench.account.used(), 0);
    }

    #[test]
    fn no_sender_has_so_many_frames_in_a_packet() {
        // 8 kbit/s and 24000 Hz
        let frames = |count| [&[0; 4], &unit(&[0xff, 0xf3, 0x14, 0xc0], 24).repeat(count)[..]].concat();
        let mut bench = Bench::new(&mp3());
        assert_eq!(bench.count(&frames(256)), (256, false));
        assert_eq!(bench.count(&frames(2000)), (256, true), "what is beyond is lost");
    }

    #[test]
    fn other_layers_are_refused() {
        let mut bench = Bench::new(&track(Codec::Mp3, Params::default()));
        let layer_2 = [&[0; 4], &unit(&[0xff, 0xfd, 0x90, 0], 500)[..]].concat();
        assert_eq!(bench.raw(true, 0, &layer_2), Err(Error::Malformed("MPEG audio of layer 1 or 2")));
    }
}
