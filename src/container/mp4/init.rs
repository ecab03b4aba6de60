//! The head of a file: it describes the tracks and declares that fragments follow. ISO/IEC 14496-12 sections 4.3,
//! 8.2 to 8.8.

use super::boxes::{boxed, full};
use super::clock::timescale;
use super::entry;
use crate::media::{Kind, Track, Tracks};
use crate::wire::Writer;

/// `track_ID`, the same for the first track of a kind in all files.
pub(super) fn id(kind: Kind) -> u32 {
    match kind {
        Kind::Video => 1,
        Kind::Audio => 2,
    }
}

/// Writes `ftyp` and `moov`; empty if no track is carried.
pub(super) fn write(tracks: &Tracks) -> Vec<u8> {
    let carried: Vec<_> = tracks.iter().filter(|track| entry::is_carried(track)).collect();
    let mut out = Vec::new();
    if carried.is_empty() {
        return out;
    }
    boxed(&mut out, b"ftyp", |out| {
        out.bytes(b"iso6");
        out.u32(0);
        out.bytes(b"iso6cmfcmp41");
    });
    boxed(&mut out, b"moov", |out| {
        movie_header(out);
        for track in &carried {
            boxed(out, b"trak", |out| trak(out, track));
        }
        boxed(out, b"mvex", |out| {
            for track in &carried {
                extends(out, track);
            }
        });
    });
    out
}

fn movie_header(out: &mut Vec<u8>) {
    full(out, b"mvhd", 0, 0, |out| {
        out.bytes(&[0; 8]);
        out.u32(1000); // timescale
        out.u32(0);
        out.u32(0x0001_0000); // rate
        out.u16(0x0100); // volume
        out.bytes(&[0; 10]);
        matrix(out);
        out.bytes(&[0; 24]);
        out.u32(3); // next_track_ID
    });
}

fn trak(out: &mut Vec<u8>, track: &Track) {
    let video = track.codec.kind() == Kind::Video;
    full(out, b"tkhd", 0, 7, |out| {
        out.bytes(&[0; 8]);
        out.u32(id(track.codec.kind()));
        out.bytes(&[0; 18]);
        out.u16(u16::from(!video)); // alternate_group
        out.u16(if video { 0 } else { 0x0100 }); // volume
        out.u16(0);
        matrix(out);
        out.u32(track.params.width << 16);
        out.u32(track.params.height << 16);
    });
    boxed(out, b"mdia", |out| {
        full(out, b"mdhd", 0, 0, |out| {
            out.bytes(&[0; 8]);
            out.u32(timescale(track).get());
            out.u32(0);
            out.u16(0x55c4); // language: und
            out.u16(0);
        });
        full(out, b"hdlr", 0, 0, |out| {
            out.u32(0);
            out.bytes(if video { b"vide" } else { b"soun" });
            out.bytes(&[0; 13]); // an empty name
        });
        boxed(out, b"minf", |out| media_information(out, track));
    });
}

fn media_information(out: &mut Vec<u8>, track: &Track) {
    match track.codec.kind() {
        Kind::Video => full(out, b"vmhd", 0, 1, |out| out.bytes(&[0; 8])),
        Kind::Audio => full(out, b"smhd", 0, 0, |out| out.u32(0)),
    }
    boxed(out, b"dinf", |out| {
        full(out, b"dref", 0, 0, |out| {
            out.u32(1);
            full(out, b"url ", 0, 1, |_| {}); // in this file
        });
    });
    boxed(out, b"stbl", |out| {
        entry::description(out, track);
        // all samples are in fragments
        full(out, b"stts", 0, 0, |out| out.u32(0));
        full(out, b"stsc", 0, 0, |out| out.u32(0));
        full(out, b"stsz", 0, 0, |out| out.bytes(&[0; 8]));
        full(out, b"stco", 0, 0, |out| out.u32(0));
    });
}

/// `trex`: the defaults of samples.
fn extends(out: &mut Vec<u8>, track: &Track) {
    full(out, b"trex", 0, 0, |out| {
        out.u32(id(track.codec.kind()));
        out.u32(1); // default_sample_description_index
        out.bytes(&[0; 8]);
        out.u32(super::sample::INDEPENDENT);
    });
}

/// The unity matrix.
fn matrix(out: &mut Vec<u8>) {
    for value in [0x0001_0000, 0, 0, 0, 0x0001_0000, 0, 0, 0, 0x4000_0000] {
        out.u32(value);
    }
}
