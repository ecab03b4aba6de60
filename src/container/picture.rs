//! Access units of one track of H.264 or H.265, out of what a container has for them.
//!
//! The habits of encoders, and the treatment of each:
//!
//! | what comes | what happens |
//! |---|---|
//! | prefixes of 1 to 3 bytes | they become 4 bytes |
//! | delimiters and parameter sets in front of a picture | they are dropped: the record has the sets |
//! | a set that the record does not have, at a key frame | there is a new record |
//! | the same at any other picture | it stays where it is, and is in the record from the next key frame on |
//! | SEI or parameter sets without a slice | they wait for the next picture |

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
    /// Units that wait for the next slice, behind 4-byte prefixes.
    held: Rope,
}

/// Units without a slice that wait for one, in bytes; more are dropped. Those of real
/// encoders are below 2 KiB.
const MAX_HELD: usize = 16 << 10;

impl Picture {
    pub(super) fn new(codec: Codec, track: u8) -> Self {
        Self { track, prefix: 4, sets: Sets::new(codec), keys: Keys::default(), held: Rope::new(MAX_HELD) }
    }

    pub(super) fn codec(&self) -> Codec {
        self.sets.codec()
    }

    /// Takes in a record of NAL prefixes of `prefix` bytes; byte `at` of the record says that length.
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
        // frames are given prefixes of 4 bytes, and the record must say so
        let mut record = data.to_vec();
        record.iter_mut().skip(at).take(1).for_each(|byte| *byte |= 3);
        self.sets.record(BlockMut::copy(room, &record)?, room)
    }

    /// Turns the data into an access unit, or empties it if it has no slice, and sets whether it is a
    /// key frame. Gives the parameters if decoders must know new ones from it on.
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

    /// Keeps the units that belong in front of the next slice.
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
            false => Err(Error::Malformed("a NAL unit longer than what has it")),
        }
    }

    fn push(&mut self, unit: &[u8], room: &dyn Room) -> Result<(), Overflow> {
        let length = u32::try_from(unit.len()).map_err(|_| Overflow::TooLong)?;
        self.held.push(&length.to_be_bytes(), room)?;
        self.held.push(unit, room)
    }

    /// Puts the held units in front; if there is no room for them the picture goes alone.
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

    /// Takes the sets before the first slice, and gives the ends of the parts that lead the unit.
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

/// The ends of the parts that an access unit begins with, in bytes.
#[derive(Default)]
struct Lead {
    /// Delimiters.
    delimiters: usize,
    /// Delimiters and sets.
    sets: usize,
}

/// The same units behind 4-byte prefixes.
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
