//! The packing of a stream's segments, if its tracks decide it.

use crate::container::{Form, TS};
use crate::container::{MP4, SAMPLES};
use crate::hls::Packing;
use crate::media::Tracks;
use crate::media::{Kind, Track};

/// The form that the segments are made from.
pub(super) fn form(packing: Packing) -> &'static Form {
    match packing {
        Packing::Mp4 => &SAMPLES,
        _ => &TS,
    }
}

/// MPEG-TS, which every player reads, unless only fragmented MP4 can carry one of the tracks.
pub(super) fn suited(tracks: &Tracks) -> Packing {
    if tracks.iter().any(wants_mp4) { Packing::Mp4 } else { Packing::Ts }
}

/// True if MPEG-TS cannot carry the pictures, or the sound of a stream without pictures, and fragmented MP4 can: a
/// playlist cannot change its form.
pub(super) fn is_lost(packing: Packing, tracks: &Tracks) -> bool {
    let main = tracks.first(Kind::Video).or_else(|| tracks.first(Kind::Audio));
    packing == Packing::Ts && main.is_some_and(wants_mp4)
}

fn wants_mp4(track: &Track) -> bool {
    !(TS.mux)().carries(track) && (MP4.mux)().carries(track)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::{Codec, Hz, Params};

    fn tracks(codecs: &[Codec]) -> Tracks {
        let mut tracks = Tracks::default();
        for codec in codecs {
            let record: &[u8] = match codec {
                Codec::H264 => b"\x01\x64\0\x1e\xff\xe1\0\x04\x67\x64\0\x1e\x01\0\x01\x68",
                Codec::Aac => &[0x12, 0x10],
                Codec::Av1 => &[0x81, 1, 0x0c, 0],
                _ => &[],
            };
            let params = Params { record: record.into(), sample_rate: 8000, channels: 1, ..Params::default() };
            tracks.set(Track { id: 0, codec: *codec, clock: Hz::MS, params });
        }
        tracks
    }

    #[test]
    fn only_what_mpeg_ts_lacks_makes_it_mp4() {
        let cases: [(&[Codec], Packing, bool); 9] = [
            (&[], Packing::Ts, false),
            (&[Codec::H264], Packing::Ts, false),
            (&[Codec::H264, Codec::Aac], Packing::Ts, false),
            (&[Codec::H264, Codec::Pcma], Packing::Mp4, false),
            (&[Codec::Av1, Codec::Aac], Packing::Mp4, true),
            (&[Codec::Pcmu], Packing::Mp4, true),
            // neither form can carry these
            (&[Codec::Vp8, Codec::Aac], Packing::Ts, false),
            (&[Codec::H264, Codec::L16], Packing::Ts, false),
            (&[Codec::Mjpeg], Packing::Ts, false),
        ];
        for (codecs, packing, lost) in cases {
            let tracks = tracks(codecs);
            assert_eq!((suited(&tracks), is_lost(Packing::Ts, &tracks)), (packing, lost), "{codecs:?}");
            assert!(!is_lost(Packing::Mp4, &tracks));
        }
    }
}
