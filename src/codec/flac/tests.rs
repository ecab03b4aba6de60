use super::super::hex;
use super::*;
use crate::budget::{Account, BLOCK_OVERHEAD};
use crate::wire::crc::{crc8_flac, crc16_flac};

// ffmpeg -f lavfi -i sine=sample_rate=48000 -ac 1 -c:a flac x.flac
const START: &str = "664c6143 00000022 12001200 0000c200 04ff0bb8 00f00000 2580bad7 bf8f781a \
                     2330b6b7 b8712dac b304";

#[test]
fn with_and_without_signature_and_block_header() {
    let data = hex(START);
    for start in [0, 4, 8] {
        assert_eq!(Info::parse(&data[start..]), Ok(Info { sample_rate: 48_000, channels: 1 }));
    }
}

#[test]
fn what_is_not_a_block() {
    let data = hex(START);
    assert!((0..data.len()).all(|length| Info::parse(&data[..length]).is_err()));
    assert!(Info::parse(&[0; 34]).is_err());
}

#[test]
fn a_block_says_what_it_was_written_from() {
    for (sample_rate, channels) in [(8000, 1), (16_000, 2), (1_048_575, 8)] {
        let info = Info { sample_rate, channels };
        assert_eq!(Info::parse(&info.write().unwrap()), Ok(info));
    }
    for (sample_rate, channels) in [(0, 1), (1 << 20, 1), (8000, 0), (8000, 9)] {
        assert_eq!(Info { sample_rate, channels }.write(), None);
    }
    let start = hex("0010 ffff 000000 000000 01f400f0 00000000");
    assert_eq!(Info { sample_rate: 8000, channels: 1 }.write().unwrap()[..18], start);
}

/// The frame of `samples`, each an array of all channels.
fn encoded<const N: usize>(rate: u32, number: u64, samples: &[[i16; N]]) -> Vec<u8> {
    let account = Account::root("test", 1 << 20);
    let sample = |at: usize, channel: usize| samples[at][channel];
    let block = Block { rate, number, len: samples.len(), channels: N as u8, sample };
    let data = block.encode(&account).unwrap().unwrap();
    assert_eq!(account.used(), data.len() + BLOCK_OVERHEAD, "nothing is charged that is not used");
    assert_eq!(account.used(), account.peak(), "nothing is charged twice");
    assert!(data.len() <= 2 * N * samples.len() + 33, "{} bytes of {} samples", data.len(), samples.len());
    data.to_vec()
}

/// The content of a frame, decoded according to RFC 9639 without the encoder's code.
struct Decoded {
    number: u64,
    rate_code: u32,
    rate: u32,
    types: Vec<u32>,
    channels: Vec<Vec<i32>>,
}

fn decoded(data: &[u8]) -> Decoded {
    let mut bits = Bits::new(data);
    let read = |bits: &mut Bits, count| bits.bits(count).unwrap();
    assert_eq!(read(&mut bits, 16), 0xfff9);
    let (len_code, rate_code) = (read(&mut bits, 4), read(&mut bits, 4));
    let channels = read(&mut bits, 4) + 1;
    assert_eq!(read(&mut bits, 4), 0b1000);
    let lead = read(&mut bits, 8);
    let more = (lead as u8).leading_ones().saturating_sub(1);
    let mut number = u64::from(if more == 0 { lead } else { lead & (0x3f >> more) });
    for _ in 0..more {
        assert_eq!(read(&mut bits, 2), 2);
        number = number << 6 | u64::from(read(&mut bits, 6));
    }
    let len = read(&mut bits, if len_code == 6 { 8 } else { 16 }) + 1;
    let rate = if rate_code == 13 { read(&mut bits, 16) } else { 0 };
    let header = 4 + 1 + more + if len_code == 6 { 1 } else { 2 } + if rate_code == 13 { 2 } else { 0 };
    assert_eq!(read(&mut bits, 8), u32::from(crc8_flac(&data[..header as usize])));
    let (mut types, mut sound) = (Vec::new(), Vec::new());
    for _ in 0..channels {
        assert_eq!(read(&mut bits, 1), 0);
        types.push(read(&mut bits, 6));
        let mut wasted = read(&mut bits, 1);
        if wasted == 1 {
            while read(&mut bits, 1) == 0 {
                wasted += 1;
            }
        }
        let samples = subframe(&mut bits, *types.last().unwrap(), 16 - wasted, len);
        sound.push(samples.iter().map(|sample| sample << wasted).collect());
    }
    let (body, crc) = data.split_at(data.len() - 2);
    assert_eq!(body.iter().fold(0, |crc, byte| crc16_flac(crc, *byte)).to_be_bytes(), crc);
    Decoded { number, rate_code, rate, types, channels: sound }
}

fn subframe(bits: &mut Bits, kind: u32, width: u32, len: u32) -> Vec<i32> {
    let sample = |bits: &mut Bits| (bits.bits(width).unwrap() << (32 - width)) as i32 >> (32 - width);
    match kind {
        0 => vec![sample(bits); len as usize],
        1 => (0..len).map(|_| sample(bits)).collect(),
        8..=12 => {
            let mut out: Vec<i32> = (8..kind).map(|_| sample(bits)).collect();
            assert_eq!(bits.bits(6), Ok(0), "method and partition order");
            let rice = bits.bits(4).unwrap();
            for _ in kind - 8..len {
                let mut value = 0;
                while !bits.bit().unwrap() {
                    value += 1;
                }
                let value = value << rice | bits.bits(rice).unwrap();
                let residual = (value >> 1) as i32 ^ -((value & 1) as i32);
                let before = |n: usize| out[out.len() - n];
                // section 9.2.5
                let predicted = match kind - 8 {
                    0 => 0,
                    1 => before(1),
                    2 => 2 * before(1) - before(2),
                    3 => 3 * before(1) - 3 * before(2) + before(3),
                    _ => 4 * before(1) - 6 * before(2) + 4 * before(3) - before(4),
                };
                out.push(predicted + residual);
            }
            out
        }
        kind => panic!("subframe type {kind}"),
    }
}

fn check<const N: usize>(samples: &[[i16; N]]) -> (usize, Vec<u32>) {
    let data = encoded(8000, 0, samples);
    let decoded = decoded(&data);
    for (channel, sound) in decoded.channels.iter().enumerate() {
        assert!(sound.iter().copied().eq(samples.iter().map(|sample| i32::from(sample[channel]))), "channel {channel}");
    }
    assert_eq!(decoded.channels.len(), N);
    (data.len(), decoded.types)
}

/// Samples without a pattern: xorshift.
fn noise(len: usize, shift: u32) -> Vec<[i16; 1]> {
    let mut state = 0x9e37_79b9_u32;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        [(state >> 16) as i16 >> shift]
    };
    (0..len).map(|_| next()).collect()
}

/// A parabola, or a line if `square` is 0.
fn curve(len: i16, square: i16) -> Vec<[i16; 1]> {
    (0..len).map(|at| [at * at * square + 3 * at - 200]).collect()
}

#[test]
fn each_kind_of_sound_has_its_subframe() {
    assert_eq!(check(&[[0; 1]; 160]), (7 + 1 + 2 + 2, vec![0]));
    assert_eq!(check(&[[-32_768; 1]; 65_535]).1, [0]);
    assert_eq!(check(&noise(160, 0)), (7 + 1 + 320 + 2, vec![1]));
    assert_eq!(check(&curve(160, 0)).1, [10]);
    assert_eq!(check(&curve(100, 3)).1, [11]);
    let cubic: Vec<_> = (0..30_i16).map(|at| [at * at * at]).collect();
    assert_eq!(check(&cubic).1, [12]);
    let (len, types) = check(&noise(160, 8));
    assert_eq!(types, [8]);
    assert!(len < 200, "{len}");
}

#[test]
fn any_number_of_samples() {
    for len in (1..40).chain([255, 256, 257, 320, 4096, 4097, 65_535]) {
        for shift in [0, 3, 9, 15] {
            check(&noise(len, shift));
        }
        check(&vec![[i16::MIN]; len]);
        let full: Vec<_> = (0..len).map(|at| [if at % 2 == 0 { i16::MIN } else { i16::MAX }]).collect();
        check(&full);
    }
}

#[test]
fn lower_bits_that_nobody_uses_cost_nothing() {
    let fine = noise(320, 8);
    let coarse: Vec<_> = fine.iter().map(|[sample]| [sample << 4]).collect();
    assert!(check(&coarse).0 <= check(&fine).0 + 1);
    check(&[[i16::MIN], [0], [i16::MIN]]);
}

#[test]
fn channels_are_coded_apart() {
    let one = noise(160, 6);
    let two: Vec<_> = one.iter().zip(curve(160, 0)).map(|(a, b)| [a[0], b[0]]).collect();
    assert_eq!(check(&two).1, [8, 10]);
    check(&one.iter().map(|[sample]| [*sample; 8]).collect::<Vec<_>>());
}

#[test]
fn the_header_counts_samples_and_names_the_rate() {
    for number in [0, 0x7f, 0x80, 0x7ff, 0x800, 0xffff, 0x1_0000, 0x1f_ffff, 0x20_0000, 0x3ff_ffff, 0x400_0000] {
        assert_eq!(decoded(&encoded(8000, number, &[[1]])).number, number);
    }
    for number in [0x7fff_ffff, 0x8000_0000, 0xf_ffff_ffff] {
        assert_eq!(decoded(&encoded(8000, number, &[[1]])).number, number);
    }
    assert_eq!(decoded(&encoded(8000, (1 << 36) + 5, &[[1]])).number, 5);
    for (rate, code, written) in [(8000, 4, 0), (16_000, 5, 0), (11_025, 13, 11_025), (65_536, 0, 0)] {
        let decoded = decoded(&encoded(rate, 0, &[[1]]));
        assert_eq!((decoded.rate_code, decoded.rate), (code, written));
    }
}

#[test]
fn what_is_no_frame_is_none_and_costs_nothing() {
    let account = Account::root("test", 64);
    let block = |len, channels| Block { rate: 8000, number: 0, len, channels, sample: |_, _| 1 }.encode(&account);
    for (len, channels) in [(0, 1), (65_536, 1), (1, 0), (1, 9)] {
        assert_eq!(block(len, channels), Ok(None));
    }
    assert!(block(1, 1).is_err(), "an account without room says so");
    assert_eq!(account.used(), 0);
}
