//! The plan: the worst case of a configuration, line by line.

use std::fmt;

/// One thing that costs memory: `count` pieces of `user` bytes in the process
/// and `kernel` bytes in socket buffers each.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// What it is, as a person would say it.
    pub what: &'static str,
    /// The configuration keys that change `count` or a size.
    pub keys: &'static [&'static str],
    /// How many there can be at once.
    pub count: usize,
    /// Bytes in the process, each.
    pub user: usize,
    /// Bytes in the kernel, each.
    pub kernel: usize,
}

/// All lines, and the limit that they must fit in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// What is planned, in the order in which it is printed.
    pub lines: Vec<Line>,
    /// `memory.total` in bytes.
    pub limit: usize,
}

impl Line {
    fn total_user(&self) -> usize {
        self.count.saturating_mul(self.user)
    }

    fn total_kernel(&self) -> usize {
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

    /// Both together.
    pub fn total(&self) -> usize {
        self.user().saturating_add(self.kernel())
    }

    /// Whether the worst case is within the limit. One beyond all numbers is not.
    pub fn fits(&self) -> bool {
        self.total() <= self.limit && self.total() < usize::MAX
    }

    /// The knobs that would save the missing bytes with the smallest turn,
    /// best first: each with how far it would have to come down in per cent.
    pub fn knobs(&self) -> Vec<(&'static str, usize)> {
        let missing = self.total().saturating_sub(self.limit);
        let mut sums: Vec<(&'static str, usize)> = Vec::new();
        for (key, total) in self.lines.iter().flat_map(|line| line.keys.iter().map(|key| (*key, line.total()))) {
            match sums.iter_mut().find(|(known, _)| *known == key) {
                Some((_, sum)) => *sum = sum.saturating_add(total),
                None => sums.push((key, total)),
            }
        }
        let enough = sums.into_iter().filter(|(_, sum)| *sum > missing);
        let mut knobs: Vec<_> = enough.map(|(key, sum)| (key, percent(missing, sum))).collect();
        knobs.sort_by_key(|(_, cut)| *cut);
        knobs
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
            row(f, line.what, &line.count.to_string(), line.total_user(), line.total_kernel(), &line.keys.join(", "))?;
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
    use super::*;

    fn plan(limit: usize) -> Plan {
        let line = |what, keys, count, user, kernel| Line { what, keys, count, user, kernel };
        Plan {
            lines: vec![
                line("program", &[], 1, 3 << 20, 0),
                line("streams", &["streams.max"], 8, 1 << 20, 0),
                line("viewers", &["viewers.max"], 64, 4096, 64 << 10),
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
    fn the_cheapest_knob_comes_first() {
        let plan = plan(14 << 20);
        assert!(!plan.fits());
        assert_eq!(plan.knobs(), [("streams.max", 16), ("viewers.max", 30)]);
    }
}
