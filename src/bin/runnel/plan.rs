//! The check that the memory and the open files of the plan fit the configuration and the machine.

use std::fmt;

use runnel::budget::Plan;
use runnel::conf::{Config, Keys, Place, machine};
use runnel::device;
use runnel::registry;

/// A plan that is too large, with the place of `memory.total`.
#[derive(Debug)]
pub struct TooLarge(pub Place, pub Excess);

/// The reason why the memory does not suffice.
#[derive(Debug)]
pub enum Excess {
    /// The worst case exceeds `memory.total`: both in KiB, with a remedy besides a larger total.
    WorstCase(usize, usize, String),
    /// `memory.total` exceeds the machine's memory: both in KiB.
    Total(usize, u64),
}

const TOTAL: &str = "memory.total";
/// Open files besides connections: standard streams, listeners, signals, the log, the watchdog, and connections that
/// are refused.
const OTHER_DESCRIPTORS: usize = 32;
/// Open files of a thread: its reactor, and the alarm of that.
const DESCRIPTORS_OF_THREAD: usize = 2;

/// Checks that the worst case is within `memory.total`.
pub fn check_plan(plan: &Plan, keys: &Keys) -> Result<(), TooLarge> {
    if plan.fits() {
        return Ok(());
    }
    let knobs: Vec<_> = plan.knobs().iter().take(3).map(ToString::to_string).collect();
    let profile = || {
        let (profile, worst) = keys.fitting(plan.limit, registry::plan)?;
        Some(format!("; or choose profile = {:?}, whose worst case is {} KiB", profile.name(), worst.div_ceil(1024)))
    };
    let remedy = match knobs.is_empty() {
        true => profile().unwrap_or_default(),
        false => format!("; or lower {}", knobs.join(", or ")),
    };
    let excess = Excess::WorstCase(plan.total().div_ceil(1024), plan.limit / 1024, remedy);
    Err(TooLarge(keys.place(TOTAL), excess))
}

/// Checks that the machine has the memory of the plan. A configuration for another machine can still be checked here.
pub fn check_machine(plan: &Plan, keys: &Keys) -> Result<(), TooLarge> {
    match machine::memory() {
        Some(there) if there < plan.limit as u64 => {
            Err(TooLarge(keys.place(TOTAL), Excess::Total(plan.limit / 1024, there / 1024)))
        }
        _ => Ok(()),
    }
}

/// Checks that the memory of the plan is free now.
pub fn check_free_memory(config: &Config) -> Result<(), device::Error> {
    device::check_free_memory(registry::plan(config).user() as u64)
}

/// Raises the limit of open files to that of the plan.
pub fn reserve_descriptors(config: &Config) -> Result<(), device::Error> {
    let threads = DESCRIPTORS_OF_THREAD * config.connection_threads();
    device::reserve_descriptors(config.descriptors() + threads + OTHER_DESCRIPTORS)
}

impl fmt::Display for TooLarge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(place, excess) = self;
        write!(f, "{place}{excess}")
    }
}

impl fmt::Display for Excess {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::WorstCase(worst, total, remedy) => write!(
                f,
                "the worst case of this configuration is {worst} KiB, but memory.total is {total} KiB: raise \
                 memory.total{remedy} (see runnel --plan)"
            ),
            Self::Total(total, there) => write!(
                f,
                "memory.total is {total} KiB, but the machine has {there} KiB: choose a smaller profile, or \"auto\""
            ),
        }
    }
}

impl std::error::Error for TooLarge {}
