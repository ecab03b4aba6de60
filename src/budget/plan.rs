//! The plan: the worst case of a configuration, line by line.

use std::fmt;

/// A key of the configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Key {
    /// A number of things.
    Count(&'static str),
    /// A number of bytes.
    Size(&'static str),
}

/// A use of memory: `count` pieces, each of `user` bytes in the process and `kernel` bytes in socket buffers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// Its name in plain words.
    pub what: &'static str,
    /// The configuration keys that change `count` or a size.
    pub keys: &'static [Key],
    /// The most pieces at once.
    pub count: usize,
    /// The bytes of each in the process.
    pub user: usize,
    /// The bytes of each in the kernel.
    pub kernel: usize,
}

/// All lines, and the limit of their sum.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// The lines, in the order in which they are printed.
    pub lines: Vec<Line>,
    /// `memory.total` in bytes.
    pub limit: usize,
}

impl Key {
    /// Its name.
    pub fn name(self) -> &'static str {
        let (Self::Count(name) | Self::Size(name)) = self;
        name
    }
}

impl Line {
    /// The bytes of all pieces in the process.
    pub fn total_user(&self) -> usize {
        self.count.saturating_mul(self.user)
    }

    /// The bytes of all pieces in the kernel.
    pub fn total_kernel(&self) -> usize {
        self.count.saturating_mul(self.kernel)
    }

    fn total(&self) -> usize {
        self.total_user().saturating_add(self.total_kernel())
    }
}

impl Plan {
    /// The worst case in the process, in bytes.
    pub fn user(&self) -> usize {
        self.lines.iter().map(Line::total_user).fold(0, usize::saturating_add)
    }

    /// The worst case in the kernel's socket buffers, in bytes.
    pub fn kernel(&self) -> usize {
        self.lines.iter().map(Line::total_kernel).fold(0, usize::saturating_add)
    }

    /// The sum of both, in bytes.
    pub fn total(&self) -> usize {
        self.user().saturating_add(self.kernel())
    }

    /// True if the worst case is within the limit. A saturated sum is not.
    pub fn fits(&self) -> bool {
        self.total() <= self.limit && self.total() < usize::MAX
    }

    /// The keys whose reduction would save the missing bytes, the smallest reduction first.
    pub fn knobs(&self) -> Vec<Knob> {
        let missing = self.total().saturating_sub(self.limit);
        let mut sums: Vec<(Key, usize, usize)> = Vec::new();
        for (key, line) in self.lines.iter().flat_map(|line| line.keys.iter().map(move |key| (*key, line))) {
            match sums.iter_mut().find(|(known, ..)| *known == key) {
                Some((_, sum, _)) => *sum = sum.saturating_add(line.total()),
                None => sums.push((key, line.total(), line.count)),
            }
        }
        let knob = |(key, sum, count): (Key, usize, usize)| {
            let cut = percent(missing, sum);
            // a count of one cannot be reduced
            let to = count.saturating_sub(missing.div_ceil((sum / count.max(1)).max(1)));
            match key {
                Key::Size(key) => (cut <= MAX_CUT).then_some(Knob { key, cut, to: None }),
                Key::Count(key) => (to > 0).then_some(Knob { key, cut, to: Some(to) }),
            }
        };
        let mut knobs: Vec<_> = sums.into_iter().filter_map(knob).collect();
        knobs.sort_by_key(|knob| knob.cut);
        knobs
    }
}

/// A key, and the necessary reduction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Knob {
    /// The configuration's key.
    pub key: &'static str,
    /// The reduction in per cent.
    pub cut: usize,
    /// The reduced number, if the key is a number of things.
    pub to: Option<usize>,
}

/// The largest reduction of a size that is suggested, in per cent: smaller sizes are of no use, or refused.
const MAX_CUT: usize = 75;

impl fmt::Display for Knob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.to {
            Some(to) => write!(f, "{} to {to}", self.key),
            None => write!(f, "{} by {} %", self.key, self.cut),
        }
    }
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let row = |f: &mut fmt::Formatter<'_>, what: &str, count: &str, user, kernel, key: &str| {
            let text = format!("{what:<28}{count:>7}{:>11}{:>11}  {key}", kib(user), kib(kernel));
            writeln!(f, "{}", text.trim_end())
        };
        writeln!(f, "{:<28}{:>7}{:>11}{:>11}  set by", "worst case", "count", "user KiB", "kernel KiB")?;
        for line in &self.lines {
            let keys: Vec<_> = line.keys.iter().map(|key| key.name()).collect();
            row(f, line.what, &line.count.to_string(), line.total_user(), line.total_kernel(), &keys.join(", "))?;
        }
        row(f, "sum", "", self.user(), self.kernel(), "")?;
        let verdict = if self.fits() { "fits in" } else { "does NOT fit in" };
        write!(f, "{} KiB {verdict} memory.total = {} KiB", kib(self.total()), kib(self.limit))
    }
}

fn kib(bytes: usize) -> usize {
    bytes.div_ceil(1024)
}

fn percent(part: usize, whole: usize) -> usize {
    (part / (whole / 100).max(1)).saturating_add(1).min(100)
}

#[cfg(test)]
mod tests {
    use super::Key::{Count, Size};
    use super::*;

    fn plan(limit: usize) -> Plan {
        let line = |what, keys, count, user, kernel| Line { what, keys, count, user, kernel };
        Plan {
            lines: vec![
                line("program", &[], 1, 3 << 20, 0),
                line("streams", &[Count("streams.max")], 8, 1 << 20, 0),
                line("viewers", &[Count("viewers.max")], 64, 4096, 64 << 10),
            ],
            limit,
        }
    }

    #[test]
    fn user_and_kernel_memory_are_summed_apart() {
        let plan = plan(16 << 20);
        assert_eq!(plan.user(), (11 << 20) + 64 * 4096);
        assert_eq!(plan.kernel(), 4 << 20);
        assert!(plan.fits());
    }

    #[test]
    fn of_what_is_one_nothing_is_taken() {
        let line = |what, keys, count, user| Line { what, keys, count, user, kernel: 0 };
        let lines = vec![
            line("TLS", &[Count("tls.max")], 1, 64 << 10),
            line("streams", &[Count("streams.max"), Size("streams.memory")], 1, 1 << 20),
            line("HLS segments", &[Size("hls.memory")], 1, 1 << 20),
        ];
        let plan = Plan { lines, limit: (2 << 20) + (8 << 10) };
        let knobs: Vec<_> = plan.knobs().iter().map(ToString::to_string).collect();
        assert_eq!(knobs, ["streams.memory by 6 %", "hls.memory by 6 %"]);
    }

    #[test]
    fn the_cheapest_knob_comes_first() {
        let plan = plan(14 << 20);
        assert!(!plan.fits());
        let knobs: Vec<_> = plan.knobs().iter().map(ToString::to_string).collect();
        assert_eq!(knobs, ["streams.max to 6", "viewers.max to 45"]);
    }
}
