//! An independent reader of MPEG transport streams, for tests: it knows nothing
//! of the muxer and refuses what ISO/IEC 13818-1 does not allow.

#![allow(dead_code, reason = "each test looks at a part of what is read")]

use std::collections::BTreeMap;

/// All that a stream said.
#[derive(Debug, Default)]
pub struct Ts {
    /// version_number of each PMT, in the order in which they came.
    pub versions: Vec<u8>,
    /// PCR_PID of the last PMT.
    pub pcr_pid: u16,
    /// The clock references at 90 kHz, and whether a discontinuity was said.
    pub pcrs: Vec<(u64, bool)>,
    /// Elementary streams in the order of the last PMT, then those that it left out.
    pub streams: Vec<Stream>,
}

/// One elementary stream.
#[derive(Debug, Default)]
pub struct Stream {
    pub pid: u16,
    pub stream_type: u8,
    pub descriptors: Vec<u8>,
    pub pes: Vec<Pes>,
}

/// One PES packet.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pes {
    pub stream_id: u8,
    pub pts: u64,
    /// The PTS where none is written.
    pub dts: u64,
    pub data: Vec<u8>,
    pub random_access: bool,
    pub discontinuity: bool,
}

/// Reads whole packets, the first of which have the tables.
pub fn read(data: &[u8]) -> Result<Ts, String> {
    let mut reader = Reader::default();
    let (packets, rest) = data.as_chunks();
    ensure(rest.is_empty(), "no whole number of packets")?;
    for (at, packet) in packets.iter().enumerate() {
        reader.packet(packet).map_err(|what| format!("packet {at}: {what}"))?;
    }
    reader.finish()
}

const SIZE: usize = 188;

#[derive(Default)]
struct Reader {
    ts: Ts,
    pmt_pid: Option<u16>,
    pids: BTreeMap<u16, Pid>,
    last_pcr: Option<u64>,
    /// The current map, which may only change with its version.
    map: Vec<u8>,
    /// Maps so far.
    tables: usize,
}

#[derive(Default)]
struct Pid {
    counter: Option<u8>,
    open: Option<Open>,
    done: Vec<Pes>,
}

/// A PES packet that is still coming.
struct Open {
    bytes: Vec<u8>,
    random_access: bool,
    discontinuity: bool,
}

/// adaptation_field().
#[derive(Default)]
struct Field {
    discontinuity: bool,
    random_access: bool,
    pcr: Option<u64>,
}

impl Reader {
    fn packet(&mut self, packet: &[u8; SIZE]) -> Result<(), String> {
        let [0x47, high, low, flags, body @ ..] = packet else { return Err("sync byte".into()) };
        ensure(high & 0x80 == 0 && flags & 0xc0 == 0, "error or scrambling is said")?;
        let start = high & 0x40 != 0;
        let pid = u16::from_be_bytes([high & 0x1f, *low]);
        let (field, payload) = match flags >> 4 {
            1 => (Field::default(), &body[..]),
            2 | 3 => field(body)?,
            _ => return Err("adaptation_field_control".into()),
        };
        let counts = flags & 0x10 != 0;
        ensure(counts != payload.is_empty(), "the adaptation field does not leave what is said")?;
        self.count(pid, flags & 0xf, counts, field.discontinuity)?;
        if let Some(pcr) = field.pcr {
            self.clock(pid, pcr, field.discontinuity)?;
        }
        if pid == 0 {
            self.association(payload, start)
        } else if Some(pid) == self.pmt_pid {
            self.map(payload, start)
        } else {
            self.elementary(pid, payload, start, field)
        }
    }

    /// continuity_counter, section 2.4.3.3. That of the tables may break once,
    /// after those that a viewer who joins is given.
    fn count(&mut self, pid: u16, counter: u8, payload: bool, discontinuity: bool) -> Result<(), String> {
        let table = pid == 0 || Some(pid) == self.pmt_pid;
        let state = self.pids.entry(pid).or_default();
        let expected = state.counter.map(|last| if payload { (last + 1) & 0xf } else { last });
        if payload || state.counter.is_some() {
            state.counter = Some(counter);
        }
        let join = table && self.tables < 2;
        match expected {
            Some(expected) if expected != counter && !discontinuity && !join => {
                Err(format!("PID {pid:#x}: counter {counter}, expected {expected}"))
            }
            _ => Ok(()),
        }
    }

    /// Section 2.7.2: at most 100 ms apart; and never back.
    fn clock(&mut self, pid: u16, pcr: u64, discontinuity: bool) -> Result<(), String> {
        ensure(pid == self.ts.pcr_pid, "PCR on another PID than PCR_PID")?;
        if let Some(last) = self.last_pcr.filter(|_| !discontinuity) {
            let gap = pcr.wrapping_sub(last) & 0x1_ffff_ffff;
            ensure(gap <= 9000, &format!("PCR {pcr} follows {last}"))?;
        }
        self.last_pcr = Some(pcr);
        self.ts.pcrs.push((pcr, discontinuity));
        Ok(())
    }

    fn association(&mut self, payload: &[u8], start: bool) -> Result<(), String> {
        let (_, programs) = section(payload, start, 0)?;
        let [_, _, high, low] = programs else { return Err("PAT without its one program".into()) };
        self.pmt_pid = Some(u16::from_be_bytes([high & 0x1f, *low]));
        Ok(())
    }

    fn map(&mut self, payload: &[u8], start: bool) -> Result<(), String> {
        let (version, map) = section(payload, start, 2)?;
        let same_version = self.ts.versions.last() == Some(&version);
        ensure(same_version == (self.map == map), "PMT and its version do not change together")?;
        self.map = map.to_vec();
        self.tables += 1;
        self.ts.versions.push(version);
        let [high, low, l0, l1, rest @ ..] = map else { return Err("PMT too short".into()) };
        self.ts.pcr_pid = u16::from_be_bytes([high & 0x1f, *low]);
        let skip = usize::from(u16::from_be_bytes([l0 & 0xf, *l1]));
        let (_, mut rest) = rest.split_at_checked(skip).ok_or("program_info_length")?;
        let before = std::mem::take(&mut self.ts.streams);
        while let [stream_type, p0, p1, l0, l1, tail @ ..] = rest {
            let length = usize::from(u16::from_be_bytes([l0 & 0xf, *l1]));
            let (descriptors, tail) = tail.split_at_checked(length).ok_or("ES_info_length")?;
            let pid = u16::from_be_bytes([p0 & 0x1f, *p1]);
            let descriptors = descriptors.to_vec();
            self.ts.streams.push(Stream { pid, stream_type: *stream_type, descriptors, pes: Vec::new() });
            rest = tail;
        }
        ensure(rest.is_empty(), "PMT ends inside a stream")?;
        let listed: Vec<u16> = self.ts.streams.iter().map(|stream| stream.pid).collect();
        self.ts.streams.extend(before.into_iter().filter(|old| !listed.contains(&old.pid)));
        Ok(())
    }

    fn elementary(&mut self, pid: u16, payload: &[u8], start: bool, field: Field) -> Result<(), String> {
        let known = self.ts.streams.iter().any(|stream| stream.pid == pid);
        ensure(known, &format!("PID {pid:#x} before the tables, or not in them"))?;
        if payload.is_empty() {
            return Ok(());
        }
        let state = self.pids.entry(pid).or_default();
        if start {
            state.close()?;
            let Field { random_access, discontinuity, .. } = field;
            state.open = Some(Open { bytes: payload.to_vec(), random_access, discontinuity });
        } else {
            let open = state.open.as_mut().ok_or(format!("PID {pid:#x}: payload before a PES packet"))?;
            open.bytes.extend_from_slice(payload);
        }
        Ok(())
    }

    fn finish(mut self) -> Result<Ts, String> {
        for stream in &mut self.ts.streams {
            if let Some(mut state) = self.pids.remove(&stream.pid) {
                state.close().map_err(|what| format!("PID {:#x}: {what}", stream.pid))?;
                stream.pes = state.done;
            }
        }
        Ok(self.ts)
    }
}

impl Pid {
    fn close(&mut self) -> Result<(), String> {
        if let Some(open) = self.open.take() {
            self.done.push(open.read()?);
        }
        Ok(())
    }
}

impl Open {
    /// PES_packet(). Section 2.4.3.6.
    fn read(self) -> Result<Pes, String> {
        let [0, 0, 1, stream_id, l0, l1, marks, flags, header_len, rest @ ..] = &self.bytes[..] else {
            return Err("PES header".into());
        };
        let length = usize::from(u16::from_be_bytes([*l0, *l1]));
        ensure(length == 0 || length + 6 == self.bytes.len(), "PES_packet_length")?;
        ensure(length > 0 || stream_id & 0xf0 == 0xe0, "PES_packet_length 0 is for video alone")?;
        ensure(marks & 0xc0 == 0x80, "marker bits of the PES header")?;
        let (header, data) = rest.split_at_checked((*header_len).into()).ok_or("PES_header_data_length")?;
        let (pts, dts) = match (flags >> 6, header.len()) {
            (2, 5) => (timestamp(header, 2)?, None),
            (3, 10) => (timestamp(header, 3)?, Some(timestamp(header.get(5..).unwrap_or_default(), 1)?)),
            _ => return Err("PTS_DTS_flags".into()),
        };
        ensure(dts != Some(pts), "DTS repeats the PTS")?;
        Ok(Pes {
            stream_id: *stream_id,
            pts,
            dts: dts.unwrap_or(pts),
            data: data.to_vec(),
            random_access: self.random_access,
            discontinuity: self.discontinuity,
        })
    }
}

/// An adaptation field, and what is behind it.
fn field(data: &[u8]) -> Result<(Field, &[u8]), String> {
    let (length, data) = data.split_first().ok_or("adaptation_field_length")?;
    let (body, rest) = data.split_at_checked((*length).into()).ok_or("adaptation_field_length")?;
    let Some((flags, mut body)) = body.split_first() else {
        return Ok((Field::default(), rest));
    };
    ensure(flags & 0x2f == 0, "adaptation field flags that nobody sets here")?;
    let mut pcr = None;
    if flags & 0x10 != 0 {
        let (field, tail) = body.split_first_chunk::<6>().ok_or("PCR")?;
        let [a, b, c, d, e, f] = field.map(u64::from);
        ensure(e & 0x7e == 0x7e && (e & 1) << 8 | f < 300, "PCR extension")?;
        pcr = Some(a << 25 | b << 17 | c << 9 | d << 1 | e >> 7);
        body = tail;
    }
    ensure(body.iter().all(|byte| *byte == 0xff), "stuffing bytes")?;
    Ok((Field { discontinuity: flags & 0x80 != 0, random_access: flags & 0x40 != 0, pcr }, rest))
}

/// The one section in a packet's payload: its version, and what is between its
/// head and its CRC.
fn section(payload: &[u8], start: bool, table_id: u8) -> Result<(u8, &[u8]), String> {
    let [0, section @ ..] = payload else { return Err("a section behind its packet's start".into()) };
    let [id, l0, l1, ..] = section else { return Err("no section".into()) };
    let length = 3 + usize::from(u16::from_be_bytes([l0 & 0xf, *l1]));
    let (section, stuffing) = section.split_at_checked(length).ok_or("section_length")?;
    ensure(start && *id == table_id && l0 & 0xf0 == 0xb0, "section syntax")?;
    ensure(crc(section) == 0, "section CRC")?;
    ensure(stuffing.iter().all(|byte| *byte == 0xff), "stuffing behind a section")?;
    let [_, _, _, _, _, version, 0, 0, content @ .., _, _, _, _] = section else {
        return Err("section head".into());
    };
    ensure(version & 1 == 1, "current_next_indicator")?;
    Ok((version >> 1 & 0x1f, content))
}

/// CRC-32 of Annex A, bit by bit; 0 over a section and its CRC.
fn crc(data: &[u8]) -> u32 {
    let mut register = u32::MAX;
    for byte in data {
        for bit in (0..8).rev() {
            let out = register >> 31 != u32::from(byte >> bit & 1);
            register <<= 1;
            if out {
                register ^= 0x04c1_1db7;
            }
        }
    }
    register
}

/// 33 bits in five bytes, with a tag and marker bits.
fn timestamp(field: &[u8], tag: u8) -> Result<u64, String> {
    let (field, _) = field.split_first_chunk::<5>().ok_or("timestamp")?;
    let [a, b, c, d, e] = field.map(u64::from);
    ensure(a >> 4 == u64::from(tag) && a & c & e & 1 == 1, "timestamp marks")?;
    Ok((a >> 1 & 7) << 30 | b << 22 | (c >> 1) << 15 | d << 7 | e >> 1)
}

fn ensure(holds: bool, what: &str) -> Result<(), String> {
    if holds { Ok(()) } else { Err(what.into()) }
}
