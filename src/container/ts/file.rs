//! Reads a file of packets, which may have other bytes between them.

use super::SIZE;
use super::demux::Demux;
use crate::budget::Room;
use crate::container::{Event, Fault, FileReader, Storage};

/// Reads a file.
pub struct Reader {
    demux: Demux,
    /// The offset of the window in the file, and the bytes from one sync byte to the next.
    at: u64,
    stride: usize,
    /// Bytes of packets, and the number of them that were used.
    window: Vec<u8>,
    used: usize,
}

/// Bytes before the first sync byte, and from one to the next: plain packets, packets with recorders' timestamps
/// (M2TS), packets with checksums.
const LAYOUTS: [(usize, usize); 3] = [(0, SIZE), (4, 192), (0, 204)];
/// The number of bytes needed to detect the layout.
pub const LOOK: usize = 2 * 204;
/// Bytes that are read at once.
const WINDOW: usize = 32 << 10;

/// The layout of the packets at the start of a file; `None` if there are none.
fn layout(head: &[u8]) -> Option<(usize, usize)> {
    let is_sync = |at: usize| head.get(at).is_none_or(|byte| *byte == 0x47);
    LAYOUTS.into_iter().find(|(at, stride)| head.len() > *at && is_sync(*at) && is_sync(at + stride))
}

impl Reader {
    /// Opens a file that begins with `head`; `None` if it is not a transport stream.
    pub fn open(head: &[u8], max_frame: usize) -> Option<Self> {
        let (at, stride) = layout(head)?;
        Some(Self { demux: Demux::new(max_frame), at: at as u64, stride, window: Vec::new(), used: 0 })
    }

    /// Reads until the window contains a whole packet; false at the end of the file.
    fn fill(&mut self, storage: &mut dyn Storage) -> Result<bool, Fault> {
        let left = |reader: &Self| reader.window.len().saturating_sub(reader.used);
        if left(self) >= SIZE {
            return Ok(true);
        }
        self.at += self.used as u64;
        self.used = 0;
        self.window.resize(WINDOW, 0);
        let got = storage.read_at(self.at, &mut self.window)?;
        self.window.truncate(got);
        Ok(left(self) >= SIZE)
    }

    /// Skips bytes up to the next packet.
    fn find_sync(&mut self) {
        let rest = self.window.get(self.used..).unwrap_or_default();
        let sync =
            |at: usize| rest.get(at) == Some(&0x47) && rest.get(at + self.stride).is_none_or(|byte| *byte == 0x47);
        self.used += (1..rest.len()).find(|at| sync(*at)).unwrap_or(rest.len());
    }
}

impl FileReader for Reader {
    fn step(
        &mut self,
        storage: &mut dyn Storage,
        room: &dyn Room,
        event: &mut dyn FnMut(Event),
    ) -> Result<bool, Fault> {
        let lost = |(kind, error)| Fault::Lost(kind, error);
        if !self.fill(storage)? {
            self.demux.end(room, event).map_err(lost)?;
            return Ok(false);
        }
        match self.window.get(self.used..).and_then(<[u8]>::first_chunk::<SIZE>) {
            Some(packet @ [0x47, ..]) => {
                self.used += self.stride;
                self.demux.packet(packet, room, event).map_err(lost)?;
            }
            _ => self.find_sync(),
        }
        Ok(true)
    }
}
