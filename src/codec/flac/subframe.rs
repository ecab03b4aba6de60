//! Writes subframes: the samples of one channel in the shortest of four codings. RFC 9639 section 9.2.

use super::BITS;

/// A sink of bits.
pub(super) trait Bits {
    /// Appends the lower `count` bits of `value`; `count` is at most 32.
    fn put(&mut self, value: u32, count: u32);
}

/// The coding of a channel's samples, chosen before writing.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Subframe {
    coding: Coding,
    /// The number of lower bits that are 0 in all samples and are omitted.
    wasted: u32,
    bits: u64,
}

#[derive(Clone, Copy, Debug, Default)]
enum Coding {
    /// All samples are equal.
    #[default]
    Constant,
    /// Samples without prediction.
    Verbatim,
    /// The residual of a fixed predictor of the given order, as Rice codes with the given parameter.
    Fixed { order: usize, rice: u32 },
}

/// The maximum order of a fixed predictor. Section 9.2.5.
const MAX_ORDER: usize = 4;
/// The number of Rice parameters with 4 bits, from 0; the next value has another meaning. Section 9.2.7.
const PARAMETERS: u32 = 15;
/// Bits of a subframe's header.
const HEADER: u64 = 8;
/// Bits before the Rice codes: method, partition order and parameter.
const RICE_HEADER: u64 = 2 + 4 + 4;

impl Subframe {
    /// Chooses the shortest coding of the samples.
    pub(super) fn of<I: Iterator<Item = i32>>(samples: impl Fn() -> I) -> Self {
        let first = samples().next().unwrap_or(0);
        let (len, used, same) = samples()
            .fold((0_u64, 0, true), |(len, used, same), sample| (len + 1, used | sample, same && sample == first));
        if same {
            return Self { coding: Coding::Constant, wasted: 0, bits: HEADER + u64::from(BITS) };
        }
        let wasted = used.trailing_zeros();
        let (head, width) = (HEADER + u64::from(wasted), u64::from(BITS - wasted));
        let plain = Self { coding: Coding::Verbatim, wasted, bits: head + len * width };
        let order = order(samples().map(|sample| sample >> wasted));
        let (rice, codes) = rice(residuals(samples().map(|sample| sample >> wasted), order));
        let bits = head + order as u64 * width + RICE_HEADER + codes;
        // a predictor needs at least one sample after its warm-up samples
        if bits < plain.bits && len > order as u64 {
            Self { coding: Coding::Fixed { order, rice }, wasted, bits }
        } else {
            plain
        }
    }

    /// The length in bits.
    pub(super) fn bits(&self) -> u64 {
        self.bits
    }

    /// Writes the subframe, from the same samples.
    pub(super) fn write<I: Iterator<Item = i32>>(&self, samples: impl Fn() -> I, out: &mut impl Bits) {
        let (kind, plain) = match self.coding {
            Coding::Constant => (0, 1),
            Coding::Verbatim => (1, usize::MAX),
            Coding::Fixed { order, .. } => (8 + order as u32, order),
        };
        out.put(kind << 1 | u32::from(self.wasted > 0), HEADER as u32);
        if self.wasted > 0 {
            out.put(1, self.wasted); // unary: one zero less than wasted bits, then a one
        }
        let samples = || samples().map(|sample| sample >> self.wasted);
        samples().take(plain).for_each(|sample| out.put(sample as u32, BITS - self.wasted));
        if let Coding::Fixed { order, rice } = self.coding {
            out.put(rice, RICE_HEADER as u32);
            residuals(samples(), order).for_each(|residual| put_rice(out, folded(residual), rice));
        }
    }
}

/// The differences of the samples of every order, preceded by the samples themselves.
fn differences(samples: impl Iterator<Item = i32>) -> impl Iterator<Item = [i32; MAX_ORDER + 1]> {
    let mut last = [0; MAX_ORDER];
    samples.map(move |sample| {
        let mut all = [sample; MAX_ORDER + 1];
        let mut difference = sample;
        for (place, last) in all.iter_mut().skip(1).zip(&mut last) {
            let next = difference - *last;
            *last = difference;
            difference = next;
            *place = next;
        }
        all
    })
}

/// The residual of the predictor of `order`, from the first sample that has enough samples before it.
fn residuals(samples: impl Iterator<Item = i32>, order: usize) -> impl Iterator<Item = i32> {
    differences(samples).skip(order).map(move |all| all.get(order).copied().unwrap_or_default())
}

/// The order with the smallest residual.
fn order(samples: impl Iterator<Item = i32>) -> usize {
    let mut sums = [0_u64; MAX_ORDER + 1];
    for all in differences(samples).skip(MAX_ORDER) {
        sums.iter_mut().zip(all).for_each(|(sum, difference)| *sum += u64::from(difference.unsigned_abs()));
    }
    sums.iter().enumerate().min_by_key(|(_, sum)| **sum).map_or(0, |(order, _)| order)
}

/// The parameter with the shortest Rice codes, and their length in bits.
fn rice(residuals: impl Iterator<Item = i32>) -> (u32, u64) {
    let mut bits = [0_u64; PARAMETERS as usize];
    for residual in residuals.map(folded) {
        for (sum, rice) in bits.iter_mut().zip(0_u32..) {
            *sum += u64::from((residual >> rice) + 1 + rice);
        }
    }
    (0..).zip(bits).min_by_key(|(_, bits)| *bits).unwrap_or_default()
}

/// Maps signed to unsigned numbers: 0, -1, 1, -2 and so on. Section 9.2.7.
fn folded(residual: i32) -> u32 {
    (residual << 1 ^ residual >> 31) as u32
}

/// Writes a Rice code: the upper part as zeros and a one, then the lower part.
fn put_rice(out: &mut impl Bits, value: u32, rice: u32) {
    let mut zeros = value >> rice;
    while zeros > 31 {
        out.put(0, 31);
        zeros -= 31;
    }
    out.put(1, zeros + 1);
    out.put(value, rice);
}
