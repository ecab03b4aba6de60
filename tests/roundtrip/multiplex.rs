//! Transport streams as other programs cut them: PES packets that end within a frame,
//! pictures in several, and tables in the middle of packets.

use runnel::budget::Account;
use runnel::codec::aac;
use runnel::media::{Codec, Frame, Ticks, nal};
use runnel::wire::crc::crc32_mpeg;

use crate::records::{H264_PPS, H264_SPS, frame, hex, record, track};
use crate::storage::{Found, Memory, read};

const PMT: u16 = 0x30;
const VIDEO: u16 = 0x31;
const AUDIO: u16 = 0x32;

/// Packets, and the counter of each PID.
struct Multiplex {
    out: Vec<u8>,
    counters: Vec<u8>,
}

impl Multiplex {
    fn new() -> Self {
        Self { out: Vec::new(), counters: vec![0; 0x40] }
    }

    /// A payload in as many packets as it takes; the last one is stuffed.
    fn payload(&mut self, pid: u16, payload: &[u8], discontinuity: bool) {
        for (at, part) in payload.chunks(180).enumerate() {
            let counter = &mut self.counters[usize::from(pid)];
            let start = if at == 0 { 0x40 } else { 0 };
            self.out.extend([0x47, start | (pid >> 8) as u8, pid as u8, 0x30 | *counter & 0xf]);
            *counter += 1;
            let field = 183 - part.len();
            self.out.extend([field as u8, if discontinuity && at == 0 { 0x80 } else { 0 }]);
            self.out.extend(vec![0xff; field - 1]);
            self.out.extend(part);
        }
    }

    fn tables(&mut self, map: &[u8], behind: &[u8]) {
        let pat = section(0, &[0, 1, 0xe0 | (PMT >> 8) as u8, PMT as u8]);
        self.payload(0, &[&[0][..], &pat].concat(), false);
        // the map begins behind the end of another section, and does not fit in a packet
        self.payload(PMT, &[&[behind.len() as u8][..], behind, &section(2, map)].concat(), false);
    }

    fn pes(&mut self, pid: u16, id: u8, pts: Option<u64>, data: &[u8]) {
        let head = match pts {
            Some(pts) => {
                let time = [
                    0x21 | (pts >> 29) as u8 & 0xe,
                    (pts >> 22) as u8,
                    (pts >> 14) as u8 | 1,
                    (pts >> 7) as u8,
                    (pts << 1) as u8 | 1,
                ];
                [&[0x80, 0x80, 5][..], &time].concat()
            }
            None => vec![0x80, 0, 0],
        };
        let len = ((head.len() + data.len()) as u16).to_be_bytes();
        self.payload(pid, &[&[0, 0, 1, id][..], &len, &head, data].concat(), false);
    }

    fn pictures(&mut self) {
        for one in pictures() {
            self.pes(VIDEO, 0xe0, Some(one.dts.0 as u64), &bytes(&one));
        }
    }

    fn read(self) -> Found {
        let found = read(&mut Memory(self.out), &Account::root("stream", 1 << 20));
        assert_eq!(found.fault, None);
        found
    }
}

fn section(table_id: u8, content: &[u8]) -> Vec<u8> {
    let [high, low] = (content.len() as u16 + 9).to_be_bytes();
    let mut out = [&[table_id, 0xb0 | high, low, 0, 1, 0xc1, 0, 0][..], content].concat();
    out.extend(crc32_mpeg(&out).to_be_bytes());
    out
}

/// H.264 and AAC, behind so many bytes that describe the program.
fn map(described: usize) -> Vec<u8> {
    let mut map = vec![0xe1, 0x00, 0xf0 | (described >> 8) as u8, described as u8];
    map.extend(vec![0xff; described]);
    for (kind, pid) in [(0x1b, VIDEO), (0x0f, AUDIO)] {
        map.extend([kind, 0xe0 | (pid >> 8) as u8, pid as u8, 0xf0, 0]);
    }
    map
}

/// A frame as a byte stream, with its sets before it.
fn bytes(frame: &Frame) -> Vec<u8> {
    let sets = [hex(H264_SPS), hex(H264_PPS)];
    let sets = sets.iter().map(Vec::as_slice).filter(|_| frame.key);
    sets.chain(nal::units(&frame.data)).flat_map(|unit| [&[0, 0, 1][..], unit].concat()).collect()
}

fn pictures() -> Vec<Frame> {
    (0..4).map(|at| frame(&track(0, Codec::H264), 3600 * at, 0, at == 0, 700)).collect()
}

fn same(found: &Found, sent: &[Frame]) {
    let content = |frames: &[Frame]| frames.iter().map(|frame| frame.data.share()).collect::<Vec<_>>();
    assert_eq!(content(&found.frames), content(sent));
}

#[test]
fn sound_is_whole_wherever_packets_are_cut() {
    let config = aac::Config::parse(&record(Codec::Aac)).unwrap();
    let sent: Vec<_> = (0..40).map(|at| frame(&track(0, Codec::Aac), 0, 0, true, 100 + at)).collect();
    let stream: Vec<_> =
        sent.iter().flat_map(|one| [&config.adts(one.data.len()).unwrap()[..], &one.data].concat()).collect();
    for cut in [150, 333, 1000] {
        let mut multiplex = Multiplex::new();
        multiplex.tables(&map(0), &[]);
        let mut begun = 0;
        for (at, part) in stream.chunks(cut).enumerate() {
            // the time is that of the first frame that begins in the packet
            let mut place = 0;
            let first = sent.iter().position(|one| {
                let here = place >= at * cut;
                place += one.data.len() + 7;
                here
            });
            let pts = first.filter(|first| *first >= begun).map(|first| 9000 + first as u64 * 1024 * 90_000 / 44_100);
            begun = first.map_or(begun, |first| first + 1).max(begun);
            multiplex.pes(AUDIO, 0xc0, pts, part);
        }
        let found = multiplex.read();
        same(&found, &sent);
        for (at, one) in (0..).zip(&found.frames) {
            let due = 9000 + at * 1024 * 90_000 / 44_100;
            assert!((one.dts.0 - due).abs() <= 2, "cut at {cut}: {at} is at {:?} and not {due}", one.dts);
        }
    }
}

#[test]
fn a_picture_may_be_in_several_packets() {
    let mut multiplex = Multiplex::new();
    multiplex.tables(&map(0), &[]);
    for one in pictures() {
        let data = bytes(&one);
        let (head, tail) = data.split_at(300);
        multiplex.pes(VIDEO, 0xe0, Some(90_000 + one.dts.0 as u64), head);
        multiplex.pes(VIDEO, 0xe0, None, tail);
    }
    let found = multiplex.read();
    same(&found, &pictures());
    assert_eq!(found.lost, []);
    assert_eq!(found.frames[1].dts, Ticks(93_600));
}

#[test]
fn a_map_may_begin_behind_another_section_and_end_in_the_next_packet() {
    for (described, behind) in [(0, &[0xff; 9][..]), (200, &[]), (200, &[0xff; 20])] {
        let mut multiplex = Multiplex::new();
        multiplex.tables(&map(described), behind);
        multiplex.pictures();
        same(&multiplex.read(), &pictures());
    }
}

#[test]
fn where_streams_were_joined_no_picture_is_lost() {
    let mut multiplex = Multiplex::new();
    multiplex.tables(&map(0), &[]);
    for one in pictures() {
        // the second part counts anew, and says so
        let is_joint = one.dts == Ticks(7200);
        if is_joint {
            multiplex.counters[usize::from(VIDEO)] += 5;
        }
        let data = bytes(&one);
        let mut alone = Multiplex { counters: multiplex.counters, out: Vec::new() };
        alone.pes(VIDEO, 0xe0, Some(one.dts.0 as u64), &data);
        alone.out[5] |= if is_joint { 0x80 } else { 0 };
        multiplex.counters = alone.counters;
        multiplex.out.extend(alone.out);
    }
    let found = multiplex.read();
    same(&found, &pictures());
    assert_eq!(found.lost, []);
}

#[test]
fn a_map_may_end_in_the_packet_in_which_the_next_begins() {
    let map = section(2, &map(200));
    let (begin, end) = map.split_at(179);
    let mut multiplex = Multiplex::new();
    multiplex.tables(&[], &[]);
    multiplex.payload(PMT, &[&[0][..], begin].concat(), false);
    multiplex.payload(PMT, &[&[end.len() as u8][..], end, &map[..50]].concat(), false);
    multiplex.pictures();
    same(&multiplex.read(), &pictures());
}

#[test]
fn packets_that_are_sent_twice_are_taken_once() {
    let mut multiplex = Multiplex::new();
    multiplex.tables(&map(200), &[]);
    multiplex.pictures();
    multiplex.out = multiplex.out.chunks(188).flat_map(|packet| [packet, packet].concat()).collect();
    same(&multiplex.read(), &pictures());
}
