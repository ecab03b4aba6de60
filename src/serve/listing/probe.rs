//! The length of a segment that no playlist tells: MPEG-TS, up to where it was cut off.

use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::time::Duration;

const PACKET: usize = 188;
const SYNC: u8 = 0x47;
/// PTS have 33 bits, of 90 kHz. ISO/IEC 13818-1 section 2.4.3.6.
const BITS: u32 = 33;

/// The times of one kind of stream.
#[derive(Default)]
struct Times {
    first: Option<u64>,
    longest: u64,
    count: u64,
}

impl Times {
    fn see(&mut self, pts: u64) {
        let first = *self.first.get_or_insert(pts);
        let since = pts.wrapping_sub(first) & ((1 << BITS) - 1);
        // one that is shown before the first comes behind it
        if since < 1 << (BITS - 1) {
            self.longest = self.longest.max(since);
        }
        self.count += 1;
    }

    /// With the last frame, which is as long as the others.
    fn duration(&self) -> Option<Duration> {
        let between = self.count.checked_sub(1)?;
        let frame = self.longest.checked_div(between).unwrap_or(0).max(3600);
        Some(Duration::from_millis((self.longest + frame) / 90))
    }
}

/// From the first picture to the last, or so for sound alone; `None` for what does not play.
pub(super) fn duration(path: &Path) -> Option<Duration> {
    let mut file = File::open(path).ok()?;
    let (mut pictures, mut sound) = (Times::default(), Times::default());
    let mut buffer = vec![0; 128 * PACKET];
    'file: loop {
        let mut filled = 0;
        while let Some(rest) = buffer.get_mut(filled..).filter(|rest| !rest.is_empty()) {
            match file.read(rest).ok()? {
                0 => break,
                read => filled += read,
            }
        }
        for packet in buffer.get(..filled)?.chunks_exact(PACKET) {
            if packet.first() != Some(&SYNC) {
                break 'file;
            }
            match pts(packet) {
                Some((0xe0..=0xef, pts)) => pictures.see(pts),
                Some((0xbd | 0xc0..=0xdf | 0xfd, pts)) => sound.see(pts),
                _ => {}
            }
        }
        if filled < buffer.len() {
            break;
        }
    }
    pictures.duration().or_else(|| sound.duration())
}

/// The stream_id and PTS of a PES packet that begins in a packet.
fn pts(packet: &[u8]) -> Option<(u8, u64)> {
    let (begins, control) = (packet.get(1)? & 0x40 != 0, packet.get(3)? >> 4 & 3);
    let skip = if control & 2 != 0 { 1 + usize::from(*packet.get(4)?) } else { 0 };
    let pes = packet.get(4 + skip..).filter(|_| begins && control & 1 != 0)?;
    let [0, 0, 1, id, _, _, _, flags, _, a, b, c, d, e, ..] = *pes else { return None };
    if flags & 0x80 == 0 {
        return None;
    }
    let [a, b, c, d, e] = [a, b, c, d, e].map(u64::from);
    Some((id, (a >> 1 & 7) << 30 | b << 22 | (c >> 1) << 15 | d << 7 | e >> 1))
}
