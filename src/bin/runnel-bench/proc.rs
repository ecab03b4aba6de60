//! The processor time and the memory of a process, as Linux tells them. proc(5).

/// Processor seconds, user and system, of `who`: a number, `self` or `thread-self`.
pub fn cpu_seconds(who: &str) -> Option<f64> {
    let stat = std::fs::read_to_string(format!("/proc/{who}/stat")).ok()?;
    // the name stands in brackets and may hold anything; utime and stime are
    // the 12th and 13th fields behind it
    let (_, fields) = stat.rsplit_once(')')?;
    let mut fields = fields.split_whitespace().skip(11);
    let mut ticks = || fields.next()?.parse::<u64>().ok();
    Some((ticks()? + ticks()?) as f64 / TICKS)
}

/// KiB of memory that the process holds.
#[allow(dead_code, reason = "benches/floor.rs shares this file")]
pub fn resident_kib(who: &str) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{who}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.split_whitespace().next()?.parse().ok()
}

/// Clock ticks a second: 100 on every architecture that we know.
const TICKS: f64 = 100.0;
