//! Builds access units of one H.264 or H.265 track from a container's data.
//!
//! The variants that encoders send, and the treatment of each:
//!
//! | input | treatment |
//! |---|---|
//! | prefixes of 1 to 3 bytes | are replaced by 4 bytes |
//! | delimiters and parameter sets before a picture | are dropped: the record contains the sets |
//! | a set that is not in the record, at a key frame | a new record is made |
//! | such a set at any other picture | stays in place, and is added to the record at the next key frame |
//! | SEI or parameter sets without a slice | are held until the next picture |

use bytes::Bytes;

use super::{Coded, Error};
use crate::budget::{BlockMut, OverBudget, Overflow, Room, Rope};
use crate::codec::{Hints, Keys, Role, Sets};
use crate::media::{Codec, Hz, Params, nal};

/// The state of the track between two access units.
#[derive(Debug)]
pub(super) struct Picture {
    pub(super) track: u8,
    /// Length of the NAL prefixes.
    prefix: u8,
    sets: Sets,
    keys: Keys,
    /// Units that are held until the next slice, with 4-byte prefixes.
    held: Rope,
}

/// The maximum number of bytes of held units; beyond it they are dropped. Encoders send less than 2 KiB.
const MAX_HELD: usize = 16 << 10;

impl Picture {
    pub(super) fn new(codec: Codec, track: u8) -> Self {
        Self { track, prefix: 4, sets: Sets::new(codec), keys: Keys::default(), held: Rope::new(MAX_HELD) }
    }

    pub(super) fn codec(&self) -> Codec {
        self.sets.codec()
    }

    /// Reads a record with NAL prefixes of `prefix` bytes; the byte `at` of the record contains that length.
    pub(super) fn record(
        &mut self,
        data: &Bytes,
        (prefix, at): (u8, usize),
        room: &dyn Room,
    ) -> Result<Option<Params>, Error> {
        self.prefix = prefix;
        if prefix == 4 {
            return self.sets.record(data.clone(), room);
        }
        // frames get prefixes of 4 bytes, which the record must state
        let mut record = data.to_vec();
        record.iter_mut().skip(at).take(1).for_each(|byte| *byte |= 3);
        self.sets.record(BlockMut::copy(room, &record)?, room)
    }

    /// Converts the data to an access unit and sets whether it is a key frame; without a slice the data becomes
    /// empty. Gives the parameters if decoders need new ones from this unit on.
    pub(super) fn units(&mut self, coded: &mut Coded, room: &dyn Room) -> Result<Option<Params>, Error> {
        let data = &mut coded.data;
        if self.prefix != 4 {
            *data = widen(data, usize::from(self.prefix), room)?;
        }
        if !nal::units(data).any(|unit| Role::of(self.codec(), unit) == Role::Slice) {
            self.hold(&std::mem::take(data), room)?;
            return Ok(None);
        }
        self.join(data, room);
        let lead = self.lead(data, room)?;
        let at = coded.dts.rescale(coded.clock, Hz::MS).0;
        let hints = Hints { at, flagged: coded.key, sets: lead.sets > lead.delimiters };
        coded.key = self.keys.is_key(coded.codec, data, hints);
        let is_told = coded.key || !self.sets.is_known();
        let news = if is_told { self.sets.news::<Error>(data, Some(room))? } else { None };
        let stays = if self.sets.is_behind() { lead.delimiters } else { lead.sets };
        *data = data.slice(stays..);
        Ok(news)
    }

    /// Holds the units that belong before the next slice.
    fn hold(&mut self, data: &[u8], room: &dyn Room) -> Result<(), Error> {
        let mut rest = data;
        while let Some((unit, tail)) = nal::split(rest, 4) {
            rest = tail;
            let is_wanted = match Role::of(self.codec(), unit) {
                Role::Set => {
                    self.take(unit, room)?;
                    self.sets.is_behind()
                }
                Role::Lead | Role::Other => true,
                Role::Slice | Role::Delimiter | Role::Tail | Role::Filler => false,
            };
            if is_wanted && self.push(unit, room).is_err() {
                self.held.clear();
            }
        }
        match rest.iter().all(|byte| *byte == 0) {
            true => Ok(()),
            false => Err(Error::Malformed("a NAL unit that is longer than its frame")),
        }
    }

    fn push(&mut self, unit: &[u8], room: &dyn Room) -> Result<(), Overflow> {
        let length = u32::try_from(unit.len()).map_err(|_| Overflow::TooLong)?;
        self.held.push(&length.to_be_bytes(), room)?;
        self.held.push(unit, room)
    }

    /// Puts the held units before the data; they are dropped if there is no memory for that.
    fn join(&mut self, data: &mut Bytes, room: &dyn Room) {
        if self.held.is_empty() {
            return;
        }
        let block = room.block(self.held.len() + data.len());
        let held = self.held.take();
        let Ok(mut block) = block else { return };
        held.iter().for_each(|chunk| _ = block.fill(chunk));
        block.fill(data);
        *data = block.freeze();
    }

    /// Reads the parameter sets before the first slice, and gives the ends of the leading parts.
    fn lead(&mut self, data: &[u8], room: &dyn Room) -> Result<Lead, OverBudget> {
        let mut lead = Lead::default();
        let (mut rest, mut leads) = (data, true);
        while let Some((unit, tail)) = nal::split(rest, 4) {
            let role = Role::of(self.codec(), unit);
            let end = data.len() - tail.len();
            match role {
                Role::Slice => break,
                Role::Set => self.take(unit, room)?,
                _ => {}
            }
            leads &= matches!(role, Role::Set | Role::Delimiter);
            if leads && role == Role::Delimiter && lead.delimiters == lead.sets {
                lead.delimiters = end;
            }
            if leads {
                lead.sets = end;
            }
            rest = tail;
        }
        Ok(lead)
    }

    fn take(&mut self, unit: &[u8], room: &dyn Room) -> Result<(), OverBudget> {
        let header = if self.codec() == Codec::H264 { 1 } else { 2 };
        let (header, body) = unit.split_at_checked(header).unwrap_or_default();
        self.sets.take(header, body, Some(room))
    }
}

/// The ends of the leading parts of an access unit, in bytes.
#[derive(Default)]
struct Lead {
    /// The end of the delimiters.
    delimiters: usize,
    /// The end of the delimiters and parameter sets.
    sets: usize,
}

/// Replaces the units' prefixes by 4-byte prefixes.
fn widen(data: &[u8], prefix: usize, room: &dyn Room) -> Result<Bytes, Error> {
    let units = || {
        let mut rest = data;
        std::iter::from_fn(move || {
            let (unit, tail) = nal::split(rest, prefix)?;
            rest = tail;
            Some(unit)
        })
    };
    let mut block = room.block(units().map(|unit| unit.len() + 4).sum())?;
    for unit in units() {
        block.fill(&(unit.len() as u32).to_be_bytes());
        block.fill(unit);
    }
    Ok(block.freeze())
}
