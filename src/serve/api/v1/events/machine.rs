//! The processor time that the program takes.

use std::time::Instant;

/// The processor time at a moment.
#[derive(Default)]
pub(super) struct Cpu {
    last: Option<(Instant, u64)>,
    /// In tenths of a percent of one core.
    tenths: u64,
}

/// The ticks of a second in /proc, on all Linux.
const TICKS: u64 = 100;

impl Cpu {
    /// The part of one core that was taken since the last call, in tenths of a percent; `None` if it is not known.
    pub fn measure(&mut self, now: Instant) -> Option<u64> {
        let ticks = ticks(&std::fs::read_to_string("/proc/self/stat").ok()?)?;
        if let Some((then, before)) = self.last {
            let millis = u64::try_from(now.saturating_duration_since(then).as_millis()).ok()?;
            // two looks at once have nothing to say
            if millis < 100 {
                return Some(self.tenths);
            }
            self.tenths = ticks.saturating_sub(before).saturating_mul(1000 * 1000 / TICKS) / millis;
        }
        self.last = Some((now, ticks));
        Some(self.tenths)
    }
}

/// User and system time: fields 14 and 15 of proc_pid_stat(5).
fn ticks(stat: &str) -> Option<u64> {
    let (_, behind_name) = stat.rsplit_once(')')?;
    let mut fields = behind_name.split_ascii_whitespace().skip(11).map(|field| field.parse::<u64>().ok());
    fields.next()??.checked_add(fields.next()??)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn user_and_system_time_are_summed() {
        let stat = "7 (a) b) S 1 7 7 0 -1 4194560 2 0 0 0 30 12 0 0 20 0 3 0 5";
        assert_eq!(ticks(stat), Some(42));
        assert_eq!(ticks("7 (a"), None);
        assert!(Cpu::default().measure(Instant::now()).is_some());
    }
}
