//! AudioSpecificConfig, bit by bit. ISO/IEC 14496-3 section 1.6.2.1.

use super::super::{Malformed, ensure};
use super::{Config, FREQUENCIES, PS, SBR};
use crate::wire::Short;
use crate::wire::bits::Bits;

impl Config {
    /// Parses a config, with SBR and PS signalled before (hierarchically), after (backward compatibly) or not at
    /// all.
    pub fn parse(data: &[u8]) -> Result<Self, Malformed> {
        Ok(read(&mut Bits::new(data))?.0)
    }
}

/// The length in bits of the AudioSpecificConfig at the front of `data`, where other bits follow. It is known only
/// for the object types of GASpecificConfig(). Signals of SBR and PS after it belong to it. There is no ambiguity
/// with the frameLengthType that follows in LATM: its value in the first bits of 0x2b7 is reserved, and in those of
/// 0x548 it means CELP.
pub fn config_len(data: &Bits) -> Result<usize, Malformed> {
    let mut bits = data.clone();
    let (_, ends) = read(&mut bits)?;
    ensure(ends, "AudioSpecificConfig without a known length")?;
    Ok(bits.position() - data.position())
}

/// Parses a config. Gives whether its end is known, so that `bits` is there now.
fn read(bits: &mut Bits) -> Result<(Config, bool), Malformed> {
    let start = bits.position();
    let mut object_type = read_object_type(bits)?;
    let (frequency_index, mut sample_rate) = frequency(bits)?;
    let mut channels = channels(bits.bits(4)?)?;
    let mut core = object_type;
    if matches!(object_type, SBR | PS) {
        (_, sample_rate) = frequency(bits)?;
        core = read_object_type(bits)?;
    }
    let ends = general_audio(bits, core, &mut channels, start).is_ok();
    if ends
        && core == object_type
        && let Some(found) = extension(bits)
    {
        (object_type, sample_rate) = found;
    }
    if object_type == PS && channels == 1 {
        channels = 2;
    }
    Ok((Config { object_type, frequency_index, sample_rate, channels }, ends))
}

/// GetAudioObjectType(). Table 1.16.
fn read_object_type(bits: &mut Bits) -> Result<u8, Short> {
    match bits.bits(5)? {
        31 => Ok(bits.bits(6)? as u8 + 32),
        object_type => Ok(object_type as u8),
    }
}

/// samplingFrequencyIndex and samplingFrequency; the one that is absent is derived from the other.
fn frequency(bits: &mut Bits) -> Result<(u8, u32), Malformed> {
    let index = bits.bits(4)? as u8;
    if index == 15 {
        let rate = bits.bits(24)?;
        let nearest = (0u8..).zip(FREQUENCIES).min_by_key(|(_, known)| known.abs_diff(rate));
        return Ok((nearest.map_or(index, |(index, _)| index), rate));
    }
    let rate = FREQUENCIES.get(usize::from(index)).ok_or(Malformed { what: "samplingFrequencyIndex" })?;
    Ok((index, *rate))
}

/// channelConfiguration. Table 1.19; with 0 a program config gives the channels.
fn channels(configuration: u32) -> Result<u8, Malformed> {
    match configuration {
        0..=6 => Ok(configuration as u8),
        11 => Ok(7),
        7 | 12 | 14 => Ok(8),
        _ => Err(Malformed { what: "channelConfiguration" }),
    }
}

/// Parses GASpecificConfig(), section 4.4.1, and the fields after it for error-resilient object types. `start` is
/// the position of the config. It may set the channels.
fn general_audio(bits: &mut Bits, core: u8, channels: &mut u8, start: usize) -> Result<(), Short> {
    if !matches!(core, 1..=4 | 6 | 7 | 17 | 19..=23) {
        return Err(Short);
    }
    let _frame_length = bits.bit()?;
    let depends_on_core_coder = bits.bit()?;
    bits.skip(if depends_on_core_coder { 14 } else { 0 })?;
    let is_extended = bits.bit()?;
    if *channels == 0 {
        program_config(bits, channels, start)?;
    }
    let layer = if matches!(core, 6 | 20) { 3 } else { 0 };
    let resilience = match core {
        22 => 5 + 11,
        17 | 19 | 20 | 23 => 3,
        _ => 0,
    };
    bits.skip(layer + if is_extended { resilience + 1 } else { 0 })?;
    // epConfig: with 2 and 3 further fields follow
    if core >= 17 && bits.bits(2)? > 1 { Err(Short) } else { Ok(()) }
}

/// program_config_element(). Section 4.4.1.1.
fn program_config(bits: &mut Bits, channels: &mut u8, start: usize) -> Result<(), Short> {
    bits.skip(4 + 2 + 4)?;
    let [front, side, back] = [bits.bits(4)?, bits.bits(4)?, bits.bits(4)?];
    let low_frequency = bits.bits(2)?;
    let (data, coupling) = (bits.bits(3)?, bits.bits(4)?);
    for mixdown_bits in [4, 4, 3] {
        let has_mixdown = bits.bit()?;
        bits.skip(if has_mixdown { mixdown_bits } else { 0 })?;
    }
    let mut found = low_frequency as u8;
    for _ in 0..front + side + back {
        let is_pair = bits.bit()?;
        found += 1 + u8::from(is_pair);
        bits.skip(4)?;
    }
    *channels = found;
    bits.skip((4 * (low_frequency + data) + 5 * coupling) as usize)?;
    // byte_alignment() counts from the start of the config
    bits.skip((bits.position() - start).wrapping_neg() % 8)?;
    let comment = bits.bits(8)?;
    bits.skip(8 * comment as usize)
}

/// The object type and output rate in an extension, which follows a config for decoders without SBR and PS. Other
/// bits are left unread.
fn extension(bits: &mut Bits) -> Option<(u8, u32)> {
    let mut ahead = bits.clone();
    if ahead.bits(11) != Ok(0x2b7) || read_object_type(&mut ahead) != Ok(SBR) {
        return None;
    }
    let has_sbr = ahead.bit().ok()?;
    *bits = ahead;
    let (_, rate) = has_sbr.then(|| frequency(bits).ok())??;
    let mut ahead = bits.clone();
    if ahead.bits(11) != Ok(0x548) {
        return Some((SBR, rate));
    }
    let has_ps = ahead.bit().ok()?;
    *bits = ahead;
    Some((if has_ps { PS } else { SBR }, rate))
}
