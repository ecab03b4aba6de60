//! Sound that has no name in a file that browsers read: G.711 goes as FLAC, which says the
//! same samples. FLAC in ISO base media files: <https://github.com/xiph/flac/blob/master/doc/isoflac.txt>.

use bytes::Bytes;

use crate::budget::{Account, OverBudget};
use crate::codec::flac::{Block, Info};
use crate::codec::g711;
use crate::media::{Codec, Frame, Track};

/// The table of `track`'s codes; `None` if its frames go as they are.
fn table(codec: Codec) -> Option<&'static [i16; 256]> {
    match codec {
        Codec::Pcma => Some(&g711::A_LAW),
        Codec::Pcmu => Some(&g711::MU_LAW),
        _ => None,
    }
}

/// The STREAMINFO block of a track that goes as FLAC; `None` if there is none for it.
pub(super) fn streaminfo(track: &Track) -> Option<[u8; 34]> {
    table(track.codec)?;
    Info { sample_rate: track.params.sample_rate, channels: track.params.channels }.write()
}

/// Samples of each channel in a frame that goes as FLAC.
pub(super) fn samples(track: &Track, frame: &Frame) -> Option<u32> {
    table(track.codec)?;
    u32::try_from(frame.data.len().checked_div(track.params.channels.into())?).ok()
}

/// The bytes of `frame` in the file, where it begins at `at` on the track's clock; `None`
/// if there is no sample in it, or more than FLAC has a number for.
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
