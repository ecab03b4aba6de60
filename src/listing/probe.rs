//! The length of a segment that is in no playlist: MPEG-TS, up to the point where it was cut off.
//!
//! Only its start and end are read: a file with such a name may be as large as the disk.

use std::fs::OpenOptions;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::time::Duration;

use super::file;

const PACKET: usize = 188;
const SYNC: u8 = 0x47;
/// PTS have 33 bits at 90 kHz. ISO/IEC 13818-1 section 2.4.3.6.
const BITS: u32 = 33;
/// Bytes that are read at once.
const WINDOW: usize = 128 * PACKET;
/// The maximum number of windows that are read at each end.
const MAX_WINDOWS: u64 = 16;
/// The minimum duration of the last frame: 40 ms at 90 kHz.
const MIN_FRAME: u64 = 3600;

/// The times of one kind of stream (video or audio).
#[derive(Clone, Copy, Default)]
struct Times {
    first: Option<u64>,
    /// The shortest and the longest time since the first frame, in the part read last.
    shortest: u64,
    longest: u64,
    count: u64,
}

impl Times {
    fn see(&mut self, pts: u64) {
        let first = *self.first.get_or_insert(pts);
        let since = pts.wrapping_sub(first) & ((1 << BITS) - 1);
        // a frame that is shown before the first may follow it
        if since < 1 << (BITS - 1) {
            self.shortest = self.shortest.min(since);
            self.longest = self.longest.max(since);
        }
        self.count += 1;
    }

    /// Restarts the measurement of the frame duration, for the last part.
    fn begin_again(&mut self) {
        (self.shortest, self.count) = (u64::MAX, 0);
    }

    /// The duration including the last frame, which is taken as the average of those before it.
    fn duration(&self) -> Option<Duration> {
        self.first?;
        let between = self.count.saturating_sub(1);
        let frame = self.longest.saturating_sub(self.shortest).checked_div(between).unwrap_or(0).max(MIN_FRAME);
        Some(Duration::from_millis((self.longest + frame) / 90))
    }
}

/// The duration from the first picture to the last, or the same for audio if there is no video; `None` if it cannot
/// be played.
pub(super) fn duration(path: &Path) -> Option<Duration> {
    let file = file::open(path, OpenOptions::new().read(true)).ok()?;
    let len = file.metadata().ok()?.len();
    Segment { read: &|at, bytes| file.read_at(bytes, at), len, buffer: vec![0; WINDOW] }.duration()
}

struct Segment<'a> {
    read: &'a dyn Fn(u64, &mut [u8]) -> io::Result<usize>,
    len: u64,
    buffer: Vec<u8>,
}

impl Segment<'_> {
    fn duration(mut self) -> Option<Duration> {
        let end = self.end().filter(|end| *end > 0)?;
        // video and audio
        let mut times = [Times::default(); 2];
        for window in 0..end.min(MAX_WINDOWS) {
            self.look(window, &mut times)?;
            if times.first()?.first.is_some() {
                break;
            }
        }
        let kind = usize::from(times.first()?.first.is_none());
        times.get(kind)?.first?;
        times.get_mut(kind)?.begin_again();
        for window in (end.saturating_sub(MAX_WINDOWS)..end).rev() {
            self.look(window, &mut times)?;
            if times.get(kind)?.count > 1 {
                break;
            }
        }
        times.get(kind)?.duration()
    }

    /// The number of windows that begin with a packet. What follows was left by a power failure, or is nothing.
    fn end(&mut self) -> Option<u64> {
        let (mut packets, mut end) = (0, self.len.div_ceil(WINDOW as u64));
        // usually the last one does
        let mut middle = end.checked_sub(1)?;
        while packets < end {
            let mut first = [0];
            (self.read)(middle * WINDOW as u64, &mut first).ok()?;
            (packets, end) = if first == [SYNC] { (middle + 1, end) } else { (packets, middle) };
            middle = packets + (end - packets) / 2;
        }
        Some(packets)
    }

    fn look(&mut self, window: u64, times: &mut [Times; 2]) -> Option<()> {
        let mut filled = 0;
        while let Some(rest) = self.buffer.get_mut(filled..).filter(|rest| !rest.is_empty()) {
            match (self.read)(window * WINDOW as u64 + filled as u64, rest).ok()? {
                0 => break,
                read => filled += read,
            }
        }
        let [pictures, sound] = times;
        let packets = self.buffer.get(..filled)?.chunks_exact(PACKET);
        for packet in packets.take_while(|packet| packet.first() == Some(&SYNC)) {
            match pts(packet) {
                Some((0xe0..=0xef, pts)) => pictures.see(pts),
                Some((0xbd | 0xc0..=0xdf | 0xfd, pts)) => sound.see(pts),
                _ => {}
            }
        }
        Some(())
    }
}

/// The stream_id and PTS of the PES packet that begins in a packet, if one does.
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

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    /// A packet in which a frame begins.
    fn begin(id: u8, pts: u64) -> [u8; PACKET] {
        let mut packet = [0xff; PACKET];
        let bits = |at: u32, count: u32| u8::try_from(pts >> at & ((1 << count) - 1)).unwrap();
        let pes = [0, 0, 1, id, 0, 0, 0x80, 0x80, 5, 0x21 | bits(30, 3) << 1, bits(22, 8), bits(15, 7) << 1 | 1];
        packet[..4].copy_from_slice(&[SYNC, 0x41, 0, 0x10]);
        packet[4..16].copy_from_slice(&pes);
        packet[16..18].copy_from_slice(&[bits(7, 8), bits(0, 7) << 1 | 1]);
        packet
    }

    /// Packet `number` of a stream with 25 pictures per second, each in `each` packets.
    fn packet(number: u64, each: u64) -> [u8; PACKET] {
        if number.is_multiple_of(each) {
            return begin(0xe0, ((1 << BITS) - 7200 + number / each * 3600) & ((1 << BITS) - 1));
        }
        let mut packet = [0xff; PACKET];
        packet[..4].copy_from_slice(&[SYNC, 1, 0, 0x10]);
        packet
    }

    /// The duration found in `packets` packets with zeros after them, and the number of bytes that were read.
    fn probe(packets: u64, each: u64, zeros: u64) -> (Option<Duration>, usize) {
        let total = Cell::new(0);
        let len = packets * PACKET as u64 + zeros;
        let read = |at: u64, bytes: &mut [u8]| {
            let count = bytes.len().min(usize::try_from(len - at).unwrap_or(usize::MAX));
            let (mut number, mut now) = (u64::MAX, [0; PACKET]);
            for (place, byte) in (at..).zip(&mut bytes[..count]) {
                if place / PACKET as u64 != number {
                    number = place / PACKET as u64;
                    now = if number < packets { packet(number, each) } else { [0; PACKET] };
                }
                *byte = now[(place % PACKET as u64) as usize];
            }
            total.set(total.get() + count);
            Ok(count)
        };
        let found = Segment { read: &read, len, buffer: vec![0; WINDOW] }.duration();
        (found, total.get())
    }

    #[test]
    fn however_large_it_is_only_its_ends_are_read() {
        for pictures in [1, 2, 3, 250, 200_000] {
            for each in [1, 3, 200] {
                for zeros in [0, 5000, 1 << 40] {
                    let (found, read) = probe(pictures * each, each, zeros);
                    let expected = Duration::from_millis(pictures * 40);
                    assert_eq!(found, Some(expected), "{pictures} {each} {zeros}");
                    assert!(read < 16 * WINDOW, "{pictures} {each} {zeros}: {read}");
                }
            }
        }
        assert_eq!(probe(0, 1, 1 << 40).0, None);
        // most of it contains no start of a picture
        assert!(probe(1 << 30, 1 << 20, 0).1 <= 2 * MAX_WINDOWS as usize * WINDOW + 64);
    }
}
