//! Writes program specific information: the list of streams. Section 2.4.4.

use super::packet::{self, Content, ROOM, SIZE};
use crate::wire::Writer;
use crate::wire::crc::crc32_mpeg;

/// The PID of the program map table.
const PMT_PID: u16 = 0x1001;

/// One elementary stream in the program map table.
pub(super) struct Entry<'a> {
    pub(super) pid: u16,
    /// Table 2-34.
    pub(super) stream_type: u8,
    /// Section 2.6.
    pub(super) descriptors: &'a [u8],
}

/// The two tables, each in one packet; they are always sent together.
#[derive(Default)]
pub(super) struct Psi {
    /// The packets that were last sent; empty while there are no streams.
    packets: Vec<u8>,
    /// The content of the map without its version.
    map: Vec<u8>,
    version: u8,
    counter: u8,
}

impl Psi {
    /// Sets the streams and the PID of the clock; true if that changes the map.
    pub(super) fn set(&mut self, clock: u16, entries: &[Entry]) -> bool {
        let map = map(clock, entries);
        if map == self.map {
            return false;
        }
        if !self.map.is_empty() {
            self.version = (self.version + 1) & 0x1f;
        }
        self.map = map;
        self.packets.clear();
        self.table(0, &section(PAT, 0, &association()));
        self.table(PMT_PID, &section(PMT, self.version, &self.map));
        true
    }

    /// Bytes of the tables' packets.
    pub(super) fn len(&self) -> usize {
        self.packets.len()
    }

    /// The packets to send next.
    pub(super) fn next(&mut self) -> &[u8] {
        self.counter = self.counter.wrapping_add(1);
        count_tables(&mut self.packets, self.counter);
        &self.packets
    }

    /// Appends a packet with a section. The map of all tracks of a stream fits into one packet.
    fn table(&mut self, pid: u16, section: &[u8]) {
        let end = self.packets.len() + SIZE;
        self.packets.bytes(&packet::header(pid, true, Content::Payload, self.counter));
        self.packets.u8(0); // pointer_field
        self.packets.bytes(section);
        self.packets.resize(end, 0xff);
    }
}

/// Bytes of the packets of both tables.
pub const TABLES: usize = 2 * SIZE;

/// Splits a unit into the tables at its start, if it has them, and the rest.
pub fn split_tables(unit: &[u8]) -> (&[u8], &[u8]) {
    let first = packet::header(0, true, Content::Payload, 0);
    let begins = unit.first_chunk().is_some_and(|[a, b, c, d]| [*a, *b, *c, *d & 0xf0] == first);
    unit.split_at_checked(TABLES).filter(|_| begins).unwrap_or((&[], unit))
}

/// Sets the counters of the tables' packets. continuity_counter, section 2.4.3.3.
pub fn count_tables(packets: &mut [u8], counter: u8) {
    for packet in packets.chunks_exact_mut(SIZE) {
        if let Some(byte) = packet.get_mut(3) {
            *byte = *byte & 0xf0 | counter & 0xf;
        }
    }
}

/// A section from its table_id to its CRC, with the fields that sections 2.4.4.3 and 2.4.4.8 share.
fn section(table_id: u8, version: u8, content: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(ROOM);
    out.u8(table_id);
    out.u16(0xb000 | (content.len() + 9) as u16);
    out.u16(1); // transport_stream_id or program_number
    out.u8(0xc1 | version << 1);
    out.u16(0); // section_number, last_section_number
    out.bytes(content);
    out.u32(crc32_mpeg(&out));
    out
}

/// The content of a PAT with one program.
fn association() -> Vec<u8> {
    let mut out = Vec::new();
    out.u16(1);
    out.u16(0xe000 | PMT_PID);
    out
}

/// The content of a PMT.
fn map(clock: u16, entries: &[Entry]) -> Vec<u8> {
    let mut out = Vec::new();
    out.u16(0xe000 | clock);
    out.u16(0xf000); // program_info_length
    for entry in entries {
        out.u8(entry.stream_type);
        out.u16(0xe000 | entry.pid);
        out.u16(0xf000 | entry.descriptors.len() as u16);
        out.bytes(entry.descriptors);
    }
    out
}

const PAT: u8 = 0;
const PMT: u8 = 2;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::hex;
    use crate::media::MAX_TRACKS;

    const VIDEO: Entry = Entry { pid: 0x100, stream_type: 0x1b, descriptors: &[] };
    const AUDIO: Entry = Entry { pid: 0x101, stream_type: 0x0f, descriptors: &[] };

    #[test]
    fn tables_are_what_ffmpeg_writes() {
        // ffmpeg -f lavfi -i testsrc2 -f lavfi -i sine -c:v libx264 -c:a aac -t 1
        //     -mpegts_pmt_start_pid 0x1001 x.ts, its tables with the language descriptor left out.
        let mut psi = Psi::default();
        assert!(psi.set(0x100, &[VIDEO, AUDIO]));
        let tables = &psi.packets;
        assert_eq!(tables.len(), 2 * SIZE);
        assert_eq!(tables[..21], hex("47400010 00 00b00d0001c10000 0001f001 2e701905")[..21]);
        let map = "47500110 00 02b0170001c10000 e100f000 1be100f000 0fe101f000 2f44b99b";
        assert_eq!(tables[SIZE..][..31], hex(map)[..31]);
        assert!(tables[21..SIZE].iter().chain(&tables[SIZE + 31..]).all(|byte| *byte == 0xff));
    }

    #[test]
    fn a_section_with_its_crc_has_crc_zero() {
        let section = section(PMT, 3, &map(0x101, &[AUDIO]));
        assert_eq!((crc32_mpeg(&section), section[5]), (0, 0xc7));
    }

    #[test]
    fn only_a_change_makes_a_new_version() {
        let mut psi = Psi::default();
        let version = |psi: &Psi| psi.packets[SIZE + 10] >> 1 & 0x1f;
        assert!(psi.set(0x100, &[VIDEO]) && !psi.set(0x100, &[VIDEO]));
        assert_eq!(version(&psi), 0);
        for expected in (1..32).chain(0..2) {
            let streams = if expected % 2 == 0 { &[VIDEO][..] } else { &[VIDEO, AUDIO] };
            assert!(psi.set(0x100, streams));
            assert_eq!(version(&psi), expected);
        }
    }

    #[test]
    fn counters_go_on_over_a_change() {
        let mut psi = Psi::default();
        psi.set(0x101, &[]);
        let counters = |packets: &[u8]| [packets[3] & 0xf, packets[SIZE + 3] & 0xf];
        assert_eq!(counters(&psi.packets), [0, 0]);
        assert_eq!(counters(psi.next()), [1, 1]);
        psi.set(0x101, &[AUDIO]);
        assert_eq!(counters(&psi.packets), [1, 1]);
        assert_eq!((2..20).map(|_| psi.next()[3]).last(), Some(0x13));
    }

    #[test]
    fn all_tracks_fit_in_one_packet() {
        let descriptors = [0; 10];
        let entries: Vec<_> = (0..MAX_TRACKS as u16)
            .map(|at| Entry { pid: 0x101 + at, stream_type: 6, descriptors: &descriptors })
            .collect();
        let mut psi = Psi::default();
        psi.set(0x101, &entries);
        assert_eq!(psi.packets.len(), 2 * SIZE);
        assert_eq!(psi.packets.last(), Some(&0xff));
    }
}
