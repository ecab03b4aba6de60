//! A bit reader with Exp-Golomb codes. ITU-T H.264 section 9.1.

use super::Short;

/// Reads bits, most significant first.
#[derive(Clone, Debug)]
pub struct Bits<'a> {
    data: &'a [u8],
    at: usize,
}

impl<'a> Bits<'a> {
    /// A reader at the first bit of `data`.
    pub fn new(data: &'a [u8]) -> Self {
        Self { data, at: 0 }
    }

    /// The number of bits that were read or skipped.
    pub fn position(&self) -> usize {
        self.at
    }

    /// One bit.
    pub fn bit(&mut self) -> Result<bool, Short> {
        let byte = self.data.get(self.at / 8).ok_or(Short)?;
        let bit = byte >> (7 - self.at % 8) & 1;
        self.at += 1;
        Ok(bit == 1)
    }

    /// `n` bits, at most 32.
    pub fn bits(&mut self, n: u32) -> Result<u32, Short> {
        (0..n).try_fold(0, |value: u32, _| Ok(value << 1 | u32::from(self.bit()?)))
    }

    /// Skips `n` bits.
    pub fn skip(&mut self, n: usize) -> Result<(), Short> {
        self.at = self.at.checked_add(n).filter(|at| *at <= self.data.len() * 8).ok_or(Short)?;
        Ok(())
    }

    /// `ue(v)`. A code of more than 32 bits is refused as invalid.
    pub fn ue(&mut self) -> Result<u32, Short> {
        let mut zeros = 0;
        while !self.bit()? {
            zeros += 1;
            if zeros > 31 {
                return Err(Short);
            }
        }
        Ok((1 << zeros) - 1 + self.bits(zeros)?)
    }

    /// `se(v)`.
    pub fn se(&mut self) -> Result<i32, Short> {
        let code = self.ue()?;
        let half = (code.div_ceil(2)) as i32;
        Ok(if code % 2 == 1 { half } else { -half })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exp_golomb_codes_of_the_table() {
        // 1 010 011 00100 00101 and padding
        let mut bits = Bits::new(&[0b1010_0110, 0b0100_0010, 0b1000_0000]);
        assert_eq!([0; 5].map(|_| bits.ue().unwrap()), [0, 1, 2, 3, 4]);
        let mut bits = Bits::new(&[0b1010_0110, 0b0100_0010, 0b1000_0000]);
        assert_eq!([0; 5].map(|_| bits.se().unwrap()), [0, 1, -1, 2, -2]);
    }

    #[test]
    fn an_endless_code_is_refused() {
        assert_eq!(Bits::new(&[0; 64]).ue(), Err(Short));
    }
}
