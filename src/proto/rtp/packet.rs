//! The RTP header. RFC 3550 section 5.1.

use bytes::Bytes;

use super::Error;
use crate::wire::Reader;

/// A packet without its header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Packet {
    /// Set on the last packet of a picture, or the first after silence.
    pub marker: bool,
    /// The payload type, which the session description defines.
    pub payload_type: u8,
    /// Increases by one with each packet; wraps.
    pub sequence: u16,
    /// The presentation time on the track's clock; wraps.
    pub timestamp: u32,
    /// The synchronization source: the sender.
    pub ssrc: u32,
    /// The payload, without contributing sources, header extension and padding.
    pub payload: Bytes,
}

/// Bytes of a header without contributing sources and extension.
pub const HEADER: usize = 12;

impl Packet {
    /// Parses a packet; the payload is a slice of `data`.
    pub fn parse(data: &Bytes) -> Result<Self, Error> {
        let mut r = Reader::new(data);
        let [flags, kind] = r.array()?;
        if flags >> 6 != 2 {
            return Err(Error::Malformed("RTP version"));
        }
        let (sequence, timestamp, ssrc) = (r.u16()?, r.u32()?, r.u32()?);
        let _contributing = r.take(usize::from(flags & 15) * 4)?;
        if flags & 0x10 != 0 {
            let _profile = r.u16()?;
            let words = r.u16()?;
            r.take(usize::from(words) * 4)?;
        }
        let mut payload = r.rest();
        if flags & 0x20 != 0 {
            let padding = payload.last().copied().map_or(0, usize::from);
            let len = payload.len().checked_sub(padding).filter(|_| padding > 0);
            payload = len.and_then(|len| payload.get(..len)).ok_or(Error::Malformed("RTP padding"))?;
        }
        let payload = data.slice_ref(payload);
        Ok(Self { marker: kind & 0x80 != 0, payload_type: kind & 0x7f, sequence, timestamp, ssrc, payload })
    }
}

/// The header of a packet without contributing sources and extension.
pub fn header(payload_type: u8, marker: bool, sequence: u16, timestamp: u32, ssrc: u32) -> [u8; HEADER] {
    let [s0, s1] = sequence.to_be_bytes();
    let [t0, t1, t2, t3] = timestamp.to_be_bytes();
    let [x0, x1, x2, x3] = ssrc.to_be_bytes();
    [0x80, payload_type & 0x7f | u8::from(marker) << 7, s0, s1, t0, t1, t2, t3, x0, x1, x2, x3]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(data: &[u8]) -> Result<Packet, Error> {
        Packet::parse(&Bytes::copy_from_slice(data))
    }

    #[test]
    fn a_header_is_read_as_it_was_written() {
        let data = [&header(96, true, 65535, 7, 0xdead_beef)[..], b"body"].concat();
        let packet = parse(&data).unwrap();
        assert_eq!((packet.marker, packet.payload_type, packet.sequence), (true, 96, 65535));
        assert_eq!((packet.timestamp, packet.ssrc, &packet.payload[..]), (7, 0xdead_beef, &b"body"[..]));
    }

    #[test]
    fn sources_extension_and_padding_are_passed_over() {
        let mut data = header(8, false, 1, 2, 3).to_vec();
        data[0] |= 0x32;
        data.extend([9; 8]); // two contributing sources
        data.extend([0xbe, 0xde, 0, 1, 1, 2, 3, 4]);
        data.extend(b"sound");
        data.extend([0, 0, 3]);
        assert_eq!(&parse(&data).unwrap().payload[..], b"sound");
    }

    #[test]
    fn lies_are_refused() {
        let mut data = [&header(8, false, 1, 2, 3)[..], b"abc"].concat();
        for (flags, why) in [(0x40, "version"), (0xa0, "padding"), (0x8f, "sources"), (0x90, "extension")] {
            data[0] = flags;
            assert!(parse(&data).is_err(), "{why}");
        }
        data[0] = 0xa0;
        data[14] = 0;
        assert!(parse(&data).is_err(), "padding of no bytes");
        data[14] = 3;
        assert_eq!(parse(&data).unwrap().payload.len(), 0);
    }
}
