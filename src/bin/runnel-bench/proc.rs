//! The processor time and the memory of a process, as Linux tells them. proc(5).

use std::fs;
use std::path::{Path, PathBuf};

/// Processor seconds, user and system, of `who`: a number, `self` or `thread-self`. Those of threads that have ended
/// are not counted.
pub fn cpu_seconds(who: &str) -> Option<f64> {
    let own = PathBuf::from(format!("/proc/{who}"));
    let threads = fs::read_dir(own.join("task")).map(|all| all.flatten().map(|thread| thread.path()).collect());
    let threads: Vec<_> = threads.unwrap_or_else(|_| vec![own.clone()]);
    let exact: Option<Vec<f64>> = threads.iter().map(|thread| scheduled(thread)).collect();
    exact.map(|all| all.iter().sum()).or_else(|| counted(&own))
}

/// The processor seconds of a thread, exact to the nanosecond.
fn scheduled(thread: &Path) -> Option<f64> {
    let told = fs::read_to_string(thread.join("schedstat")).ok()?;
    Some(told.split_whitespace().next()?.parse::<u64>().ok()? as f64 / 1e9)
}

/// The processor seconds in whole clock ticks, for kernels without the exact time.
fn counted(process: &Path) -> Option<f64> {
    let stat = fs::read_to_string(process.join("stat")).ok()?;
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
    let status = fs::read_to_string(format!("/proc/{who}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.split_whitespace().next()?.parse().ok()
}

/// Clock ticks a second: 100 on every architecture that we know.
const TICKS: f64 = 100.0;
