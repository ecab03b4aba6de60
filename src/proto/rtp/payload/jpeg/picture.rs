//! The headers of a baseline JPEG before its scan. ITU-T T.81 annex B, JFIF 1.02.

use super::tables::{HUFFMAN, Quantizers};
use crate::wire::{Reader, Short, Writer};

/// Markers. Table B.1.
const SOI: u16 = 0xffd8;
const APP0: u16 = 0xffe0;
const DQT: u16 = 0xffdb;
const DHT: u16 = 0xffc4;
const SOF0: u16 = 0xffc0;
const DRI: u16 = 0xffdd;
const SOS: u16 = 0xffda;
/// End of image.
pub(super) const EOI: [u8; 2] = [0xff, 0xd9];

/// The parameters of a picture with three components. Chroma has half the width, or half the width and height.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Picture {
    pub(super) width: u16,
    pub(super) height: u16,
    /// Chroma has half the height, too.
    pub(super) half_height: bool,
    /// Blocks between restart markers; 0 without markers.
    pub(super) restart: u16,
    pub(super) quantizers: Quantizers,
}

/// The component identifiers in the frame header: luma, then the two of chroma.
const COMPONENTS: [u8; 3] = [1, 2, 3];

impl Picture {
    /// Writes the headers before the scan.
    pub(super) fn write(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(640);
        out.u16(SOI);
        segment(&mut out, APP0, b"JFIF\0\x01\x02\x00\x00\x01\x00\x01\x00\x00");
        for (id, table) in (0..).zip(&self.quantizers) {
            segment(&mut out, DQT, &[&[id], &table[..]].concat());
        }
        if self.restart > 0 {
            segment(&mut out, DRI, &self.restart.to_be_bytes());
        }
        let [[h1, h0], [w1, w0]] = [self.height, self.width].map(u16::to_be_bytes);
        let mut frame = vec![8, h1, h0, w1, w0, 3];
        for (id, sampling) in COMPONENTS.iter().zip([self.luma_sampling(), 0x11, 0x11]) {
            frame.bytes(&[*id, sampling, u8::from(*id > 1)]);
        }
        segment(&mut out, SOF0, &frame);
        for table in &HUFFMAN {
            segment(&mut out, DHT, &[&[table.class_and_id], &table.counts[..], table.values].concat());
        }
        segment(&mut out, SOS, &[3, 1, 0x00, 2, 0x11, 3, 0x11, 0, 63, 0]);
        out
    }

    fn luma_sampling(&self) -> u8 {
        if self.half_height { 0x22 } else { 0x21 }
    }

    /// Reads the headers before the scan, and gives the rest. `None` if RFC 2435 cannot carry the picture: other
    /// Huffman tables, other components, other coding.
    pub(super) fn read(data: &[u8]) -> Option<(Self, &[u8])> {
        let mut r = Reader::new(data);
        (r.u16() == Ok(SOI)).then_some(())?;
        let mut picture = Self { width: 0, height: 0, half_height: false, restart: 0, quantizers: [[0; 64]; 2] };
        let mut tables = [None; 4];
        let mut selectors = [0; 3];
        loop {
            let marker = r.u16().ok()?;
            let length = usize::from(r.u16().ok()?).checked_sub(2)?;
            let mut body = Reader::new(r.take(length).ok()?);
            match marker {
                DQT => read_quantizers(&mut body, &mut tables)?,
                DHT => check_huffman(&mut body)?,
                DRI => picture.restart = body.u16().ok()?,
                SOF0 => selectors = picture.read_frame(&mut body)?,
                0xffc1..=0xffcf => return None, // progressive, lossless, arithmetic
                SOS => break,
                _ => {}
            }
        }
        let [luma, blue, red] = selectors;
        let table = |selector: u8| tables.get(usize::from(selector)).copied().flatten();
        picture.quantizers = [table(luma)?, table(blue)?];
        (blue == red && picture.width > 0).then_some((picture, r.rest()))
    }

    /// Reads the frame header, and gives the quantizer of each component.
    fn read_frame(&mut self, body: &mut Reader) -> Option<[u8; 3]> {
        let precision = body.u8().ok()?;
        (self.height, self.width) = (body.u16().ok()?, body.u16().ok()?);
        let count = body.u8().ok()?;
        let [_, luma, first, _, blue_sampling, second, _, red_sampling, third] = body.array().ok()?;
        self.half_height = luma == 0x22;
        let fits = precision == 8 && count == 3 && self.luma_sampling() == luma;
        (fits && blue_sampling == 0x11 && red_sampling == 0x11).then_some([first, second, third])
    }
}

fn segment(out: &mut Vec<u8>, marker: u16, body: &[u8]) {
    out.u16(marker);
    out.u16(body.len() as u16 + 2);
    out.bytes(body);
}

fn read_quantizers(body: &mut Reader, tables: &mut [Option<[u8; 64]>; 4]) -> Option<()> {
    while let Ok(id) = body.u8() {
        // the upper half is the precision, which is 0 (8 bits) in baseline
        *tables.get_mut(usize::from(id))? = Some(body.array().ok()?);
    }
    Some(())
}

fn check_huffman(body: &mut Reader) -> Option<()> {
    while let Ok(id) = body.u8() {
        let known = HUFFMAN.iter().find(|table| table.class_and_id == id)?;
        let read = |body: &mut Reader| -> Result<bool, Short> {
            Ok(body.array() == Ok(known.counts) && body.take(known.values.len())? == known.values)
        };
        read(body).ok().filter(|same| *same)?;
    }
    Some(())
}
