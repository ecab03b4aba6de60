//! Reads a file tag by tag. Annex E.2 to E.4.

use super::{Demux, TagKind};
use crate::budget::Room;
use crate::container::file::{TOO_LONG, body};
use crate::container::{Event, Fault, FileReader, Storage};
use crate::media::{Kind, Unwrap};
use crate::wire::{Reader as Fields, Short};

/// Reads a file.
pub struct Reader {
    demux: Demux,
    clock: Unwrap,
    /// The file position of the next tag.
    at: u64,
    max_frame: usize,
}

/// Bytes of a tag before its data, and of the PreviousTagSize after it.
const HEAD: usize = 11;
const TAIL: u64 = 4;
/// The maximum number of header bytes before a frame in a tag's data.
const BEFORE_FRAME: usize = 64;

impl Reader {
    /// Opens a file that begins with `head`.
    pub fn open(head: &[u8], max_frame: usize) -> Result<Self, Fault> {
        let mut fields = Fields::new(head);
        let at =
            fields.take(5).and_then(|_| fields.u32()).map_err(|Short| Fault::Broken("an FLV file without a head"))?;
        Ok(Self { demux: Demux::default(), clock: Unwrap::default(), at: u64::from(at) + TAIL, max_frame })
    }
}

impl FileReader for Reader {
    fn step(
        &mut self,
        storage: &mut dyn Storage,
        room: &dyn Room,
        event: &mut dyn FnMut(Event),
    ) -> Result<bool, Fault> {
        let mut head = [0; HEAD];
        if storage.read_at(self.at, &mut head)? < HEAD {
            return Ok(false);
        }
        let [kind, l0, l1, l2, t0, t1, t2, t3, ..] = head;
        let len = u32::from_be_bytes([0, l0, l1, l2]);
        let dts = self.clock.next(u32::from_be_bytes([t3, t0, t1, t2]));
        let at = self.at + HEAD as u64;
        self.at = at + u64::from(len) + TAIL;
        let kind = match kind & 0x1f {
            kind if kind == TagKind::Video as u8 => Kind::Video,
            kind if kind == TagKind::Audio as u8 => Kind::Audio,
            kind if kind == TagKind::Script as u8 => return Ok(true),
            _ => return Err(Fault::Broken("invalid data between its tags")),
        };
        let len = len as usize;
        if len > self.max_frame + BEFORE_FRAME {
            return Err(Fault::Lost(kind, TOO_LONG));
        }
        let Some(data) = body(storage, (at, len), kind, room)? else { return Ok(false) };
        self.demux.tag(kind, dts, &data, room, event).map_err(|error| Fault::Lost(kind, error))?;
        Ok(true)
    }
}
