//! Sound whose codec browsers do not read in MP4: G.711 is sent as FLAC, which is lossless. FLAC in ISO base media
//! files: <https://github.com/xiph/flac/blob/master/doc/isoflac.txt>.

use bytes::Bytes;

use crate::budget::{Account, OverBudget};
use crate::codec::flac::{Block, Info};
use crate::codec::g711;
use crate::media::{Codec, Frame, Track};

/// The table that decodes the codec's bytes; `None` if its frames are sent unchanged.
fn table(codec: Codec) -> Option<&'static [i16; 256]> {
    match codec {
        Codec::Pcma => Some(&g711::A_LAW),
        Codec::Pcmu => Some(&g711::MU_LAW),
        _ => None,
    }
}

/// The STREAMINFO block of a track that is sent as FLAC; `None` for other tracks.
pub(super) fn streaminfo(track: &Track) -> Option<[u8; 34]> {
    table(track.codec)?;
    Info { sample_rate: track.params.sample_rate, channels: track.params.channels }.write()
}

/// The number of samples per channel in a frame that is sent as FLAC.
pub(super) fn samples(track: &Track, frame: &Frame) -> Option<u32> {
    table(track.codec)?;
    u32::try_from(frame.data.len().checked_div(track.params.channels.into())?).ok()
}

/// The bytes of `frame` in the file, where it begins at `at` on the track's clock. `None` if it has no samples, or
/// more than FLAC can number.
pub(super) fn coded(track: &Track, frame: &Frame, at: u64, account: &Account) -> Result<Option<Bytes>, OverBudget> {
    let Some(table) = table(track.codec) else {
        return Ok(Some(frame.data.share()).filter(|data| !data.is_empty()));
    };
    let (codes, channels) = (&frame.data[..], track.params.channels);
    let step = usize::from(channels);
    let sample = |at: usize, channel: usize| {
        let code = codes.get(at * step + channel).copied().unwrap_or_default();
        table.get(usize::from(code)).copied().unwrap_or_default()
    };
    let len = codes.len().checked_div(step).unwrap_or(0);
    Block { rate: track.params.sample_rate, number: at, len, channels, sample }.encode(account)
}
