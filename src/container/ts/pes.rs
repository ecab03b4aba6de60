//! PES packet headers: a frame's length and times. Section 2.4.3.6.

use crate::container::Head;

/// The times of a frame at 90 kHz; their lower 33 bits are sent.
#[derive(Clone, Copy)]
pub(super) struct Times {
    /// Its presentation time.
    pub(super) pts: i64,
    /// Its decode time; sent only if it differs.
    pub(super) dts: i64,
}

/// The header before the `len` bytes of a frame; `None` if the length does not fit. Only video may omit its length.
pub(super) fn header(stream_id: u8, times: Times, len: usize) -> Option<Head> {
    let both = times.pts != times.dts;
    let fields: u8 = if both { 10 } else { 5 };
    let length = match u16::try_from(len.checked_add(3 + usize::from(fields))?) {
        Ok(length) => length,
        Err(_) if stream_id == VIDEO => 0,
        Err(_) => return None,
    };
    let [l0, l1] = length.to_be_bytes();
    // data_alignment_indicator is set: a frame begins here.
    let start = [0, 0, 1, stream_id, l0, l1, 0x84];
    let [s0, s1, s2, s3, s4, s5, s6] = start;
    let [p0, p1, p2, p3, p4] = timestamp(if both { 3 } else { 2 }, times.pts);
    let [d0, d1, d2, d3, d4] = timestamp(1, times.dts);
    Some(if both {
        Head::new(&[s0, s1, s2, s3, s4, s5, s6, 0xc0, fields, p0, p1, p2, p3, p4, d0, d1, d2, d3, d4])
    } else {
        Head::new(&[s0, s1, s2, s3, s4, s5, s6, 0x80, fields, p0, p1, p2, p3, p4])
    })
}

/// stream_id of video. Table 2-22.
pub(super) const VIDEO: u8 = 0xe0;
/// stream_id of MPEG audio.
pub(super) const AUDIO: u8 = 0xc0;
/// private_stream_1, for codecs that the table does not contain.
pub(super) const PRIVATE: u8 = 0xbd;

/// 33 bits in three parts after a tag, each followed by a marker bit.
fn timestamp(tag: u8, time: i64) -> [u8; 5] {
    let time = time as u64;
    [
        tag << 4 | (time >> 29) as u8 & 0x0e | 1,
        (time >> 22) as u8,
        (time >> 14) as u8 | 1,
        (time >> 7) as u8,
        (time << 1) as u8 | 1,
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_time_or_two() {
        let one = header(AUDIO, Times { pts: 63_000, dts: 63_000 }, 100).unwrap();
        assert_eq!(one.bytes(), [0, 0, 1, 0xc0, 0, 108, 0x84, 0x80, 5, 0x21, 0, 3, 0xec, 0x31]);
        let two = header(VIDEO, Times { pts: 63_000, dts: -1 }, 100).unwrap();
        let expected = [0, 0, 1, 0xe0, 0, 113, 0x84, 0xc0, 10, 0x31, 0, 3, 0xec, 0x31, 0x1f, 0xff, 0xff, 0xff, 0xff];
        assert_eq!(two.bytes(), expected);
    }

    #[test]
    fn only_video_goes_without_a_length() {
        let times = Times { pts: 0, dts: 0 };
        assert_eq!(header(AUDIO, times, 65_527).unwrap().bytes()[4..6], [0xff, 0xff]);
        assert!(header(AUDIO, times, 65_528).is_none() && header(PRIVATE, times, 65_528).is_none());
        assert_eq!(header(VIDEO, times, 65_528).unwrap().bytes()[4..6], [0, 0]);
        assert!(header(VIDEO, times, usize::MAX).is_none());
    }
}
