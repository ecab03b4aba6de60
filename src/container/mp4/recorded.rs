//! Fragments in a file that begins at time 0.

use super::clock::timescale;
use super::{init, mux};
use crate::container::Recorded;
use crate::media::{Hz, Kind, Ticks, Tracks};

/// The file format of fragmented MP4.
pub const RECORDED: Recorded =
    Recorded { begin: |tracks| mux().head(tracks, Ticks(0)).to_vec(), rebase: Some(rebase), patch: None };

/// Moves the decode time of a fragment, given its first bytes, so that `origin` (milliseconds) becomes 0. Other
/// bytes are not changed.
pub(super) fn rebase(fragment: &mut [u8], origin: Ticks, tracks: &Tracks) {
    if fragment.get(4..8).is_none_or(|name| name != b"moof") {
        return;
    }
    let id = fragment.get(TRACK_ID..TRACK_ID + 4).map_or(0, number);
    let kinds = [Kind::Video, Kind::Audio];
    let Some(kind) = kinds.into_iter().find(|kind| u64::from(init::id(*kind)) == id) else { return };
    let Some(track) = tracks.first(kind) else { return };
    let origin = u64::try_from(origin.rescale(Hz::MS, timescale(track)).0).unwrap_or(0);
    if let Some(place) = fragment.get_mut(DECODE_TIME..DECODE_TIME + 8) {
        // a frame from before the first picture gets the time of that picture
        let time = number(place).saturating_sub(origin);
        place.copy_from_slice(&time.to_be_bytes());
    }
}

/// The offsets of track_ID and baseMediaDecodeTime in a fragment of the packer: after moof, mfhd, traf and the
/// headers of tfhd and tfdt.
const TRACK_ID: usize = 8 + 16 + 8 + 12;
const DECODE_TIME: usize = TRACK_ID + 4 + 12;

fn number(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0, |sum, byte| sum << 8 | u64::from(*byte))
}
