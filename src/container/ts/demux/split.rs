//! Splits a stream of sound into frames, which may cross the borders of PES packets.

use bytes::Bytes;

use super::section::Coding;
use crate::budget::Room;
use crate::codec::{aac, ac3, mp3, opus};
use crate::container::{Coded, Error, Event, FrameNormalizer};
use crate::media::{Hz, Ticks};
use crate::wire::{Reader, Short};

/// The state of a stream of sound between two PES packets.
#[derive(Debug, Default)]
pub(super) struct Split {
    /// The beginning of a frame that ends in the next packet.
    rest: Vec<u8>,
    /// The last time in a packet, and the number of samples received since.
    last_time: Option<(i64, u32)>,
    /// The decoder record that was reported last.
    record: Bytes,
}

/// The maximum number of bytes kept of an incomplete frame: ADTS has 13 bits for the length.
const MAX_INCOMPLETE: usize = 8 << 10;

/// The content at the beginning of some bytes.
enum Front {
    Frame(Found),
    /// The beginning of a frame that is not complete.
    Part,
    /// Not the beginning of a frame.
    Noise,
}

/// A frame and its header.
struct Found {
    /// The lengths of the header, and of the header with the frame.
    header: usize,
    end: usize,
    samples: u32,
    rate: u32,
    /// The decoder record, if the header gives one.
    record: Option<[u8; 2]>,
}

impl Split {
    /// Reads the data of a PES packet; `pts` is the presentation time of the first frame that begins in it.
    pub(super) fn sound(
        &mut self,
        (coding, place): (Coding, u8),
        data: Bytes,
        mut pts: Option<i64>,
        normal: &mut FrameNormalizer,
        room: &dyn Room,
        event: &mut dyn FnMut(Event),
    ) -> Result<(), Error> {
        let mut event = |news| event(news);
        // `pts` does not apply to a frame that began in the packet before
        let mut is_carried = !self.rest.is_empty();
        let mut data = self.join(data, room)?;
        let mut noise = false;
        loop {
            if !is_carried && let Some(pts) = pts.take() {
                self.last_time = Some((pts, 0));
            }
            let found = match front(coding, &data) {
                Front::Frame(found) => found,
                Front::Part => break,
                Front::Noise => {
                    noise = true;
                    let next = data.iter().skip(1).position(|byte| *byte == sync(coding));
                    data = data.slice(next.map_or(data.len(), |at| at + 1)..);
                    continue;
                }
            };
            is_carried = false;
            let frame = data.slice(found.header.min(found.end)..found.end);
            data = data.slice(found.end..);
            let Some((last_time, samples)) = &mut self.last_time else { continue };
            let dts = Ticks(*last_time) + Ticks((*samples).into()).rescale(Hz::new(found.rate), Hz::MPEG);
            *samples = samples.saturating_add(found.samples);
            let (codec, clock) = (coding.codec(), Hz::MPEG);
            if let Some(record) = self.news(coding, &found) {
                normal.record(codec, place, clock, &record, room, &mut event)?;
            }
            let coded = Coded { codec, track: place, clock, dts, cts: 0, key: true, data: frame };
            normal.frame(coded, room, &mut event)?;
        }
        // bytes before the first frame are the end of a frame that was missed
        let has_begun = self.last_time.is_some();
        self.rest = data.get(..MAX_INCOMPLETE).unwrap_or(&data).to_vec();
        if noise && has_begun { Err(Error::Malformed("no frame begins where one should")) } else { Ok(()) }
    }

    /// The bytes that were kept, followed by `data`.
    fn join(&mut self, data: Bytes, room: &dyn Room) -> Result<Bytes, Error> {
        if self.rest.is_empty() {
            return Ok(data);
        }
        let rest = std::mem::take(&mut self.rest);
        let mut block = room.block(rest.len() + data.len())?;
        block.fill(&rest);
        block.fill(&data);
        Ok(block.freeze())
    }

    /// The decoder record, if it changed.
    fn news(&mut self, coding: Coding, found: &Found) -> Option<Bytes> {
        let record = match (coding, found.record) {
            (Coding::Opus(channels), _) => opus_head(channels),
            (_, Some(record)) => Bytes::copy_from_slice(&record),
            _ => return None,
        };
        let is_news = record != self.record;
        self.record = record.clone();
        is_news.then_some(record)
    }
}

/// OpusHead of a stream with the usual channel order. RFC 7845 section 5.1.
fn opus_head(channels: u8) -> Bytes {
    let head = opus::Head { channels, pre_skip: 0, sample_rate: opus::RATE, family: 0 };
    Bytes::copy_from_slice(&head.write())
}

/// The byte with which each frame begins.
fn sync(coding: Coding) -> u8 {
    match coding {
        Coding::Ac3 | Coding::Eac3 => 0x0b,
        Coding::Opus(_) => 0x7f,
        _ => 0xff,
    }
}

/// The number of bytes that always contain a whole header.
const MAX_HEADER: usize = 16;

/// Parses the beginning of `data`.
fn front(coding: Coding, data: &[u8]) -> Front {
    let found = match coding {
        Coding::Aac => aac::Adts::parse(data).ok().map(|header| Found {
            header: header.header_len,
            end: header.frame_len,
            samples: aac::SAMPLES,
            rate: header.sample_rate,
            record: Some(header.config),
        }),
        Coding::Ac3 | Coding::Eac3 => ac3::Header::parse(data).ok().map(|header| Found {
            header: 0,
            end: header.frame_len,
            samples: header.samples,
            rate: header.sample_rate,
            record: None,
        }),
        Coding::Opus(_) => return opus_front(data).unwrap_or(Front::Part),
        _ => mp3::Header::parse(data).ok().map(|header| Found {
            header: 0,
            end: header.frame_len,
            samples: header.samples,
            rate: header.sample_rate,
            record: None,
        }),
    };
    match found {
        Some(found) if found.end > data.len() => Front::Part,
        Some(found) if found.end > 0 => Front::Frame(found),
        None if data.len() < MAX_HEADER => Front::Part,
        _ => Front::Noise,
    }
}

/// Parses opus_control_header() and the packet. Draft ETSI TS "Opus Interactive Audio Codec; Transport
/// Multiplexing".
fn opus_front(data: &[u8]) -> Result<Front, Short> {
    let mut fields = Reader::new(data);
    let prefix = fields.u16()?;
    if prefix & 0xffe0 != 0x7fe0 {
        return Ok(Front::Noise);
    }
    let mut size: usize = 0;
    loop {
        let byte = fields.u8()?;
        size += usize::from(byte);
        if byte != 255 {
            break;
        }
    }
    for trim in [0x10, 0x08] {
        fields.take(if prefix & trim != 0 { 2 } else { 0 })?;
    }
    if prefix & 0x04 != 0 {
        let extension = fields.u8()?;
        fields.take(extension.into())?;
    }
    let header = data.len() - fields.len();
    let Some(samples) = opus::duration(fields.take(size)?) else { return Ok(Front::Noise) };
    Ok(Front::Frame(Found { header, end: header + size, samples, rate: opus::RATE, record: None }))
}
