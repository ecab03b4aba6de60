//! Packets of RTP as we write them.

use std::time::Duration;

use runnel::budget::Account;
use runnel::media::{Codec, Kind, Ticks, Tracks, Wall};
use runnel::proto::rtp::{self, Format, RTP};

use crate::records::{frame, track};

/// Two frames with the reports that go with them, pictures with a key before another:
/// what is offered, and channel and packet of each.
pub fn packets(codec: Codec, len: usize) -> (Format, Vec<(u8, Vec<u8>)>) {
    let (mut mux, mut tracks, track) = ((RTP.mux)(), Tracks::default(), track(0, codec));
    tracks.set(track.clone());
    mux.announce(&tracks, &[], Ticks(0));
    mux.time_of_day(Ticks(0), Wall(Duration::from_secs(1_700_000_000)));
    let (mut all, account) = (Vec::new(), Account::root("packets", usize::MAX));
    for at in 0..2 {
        let frame = frame(&track, 5000 * at, 0, at == 0 || codec.kind() == Kind::Audio, len);
        let packed = mux.frame(&track, &frame, &account).unwrap().unwrap();
        all.extend(packed.pieces().map(|piece| (piece.channel(), [piece.head.bytes(), &piece.body].concat())));
    }
    (rtp::offers(&tracks).remove(0).1, all)
}
