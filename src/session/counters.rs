//! Counts of closed connections and refusals, for the metrics.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::net::Close;

/// Counters by reason. The reasons are texts of the program, so there are few.
#[derive(Debug, Default)]
pub struct Counters {
    closed: Mutex<BTreeMap<&'static str, u64>>,
    refused: Mutex<BTreeMap<&'static str, u64>>,
}

impl Counters {
    /// Counts a closed connection.
    pub fn closed(&self, why: &Close) {
        *lock(&self.closed).entry(why.label()).or_default() += 1;
    }

    /// Counts a refused request.
    pub fn refused(&self, why: &'static str) {
        *lock(&self.refused).entry(why).or_default() += 1;
    }

    /// The numbers of closed connections, by reason.
    pub fn all_closed(&self) -> Vec<(&'static str, u64)> {
        lock(&self.closed).iter().map(|(why, count)| (*why, *count)).collect()
    }

    /// The numbers of refused requests, by reason.
    pub fn all_refused(&self) -> Vec<(&'static str, u64)> {
        lock(&self.refused).iter().map(|(why, count)| (*why, *count)).collect()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
