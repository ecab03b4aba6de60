//! What is kept between requests: failures, passwords that were right, the keys of files.

use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use subtle::ConstantTimeEq;

use super::failures::Failures;
use super::{Denial, kdf};
use crate::conf::{Access, Config, Cost, Pbkdf2};
use crate::disk::{self, BlockingPool, Lane, Use, aside, read_small};
use crate::net::random;
use crate::proto::jwt::Key;

/// The state of the rules.
#[derive(Default)]
pub struct State {
    pub(super) failures: Mutex<Failures>,
    /// Passwords that were right lately: the hash of each, and when that was.
    known: Mutex<Vec<([u8; 32], Instant)>>,
    /// The number of the latest reading of files, whose keys count.
    readings: AtomicUsize,
    /// Files with keys.
    keys: Mutex<Vec<(String, Arc<Key>)>>,
    /// Passwords that wait for the thread that checks them.
    waiting: AtomicUsize,
    seed: Seed,
}

/// The key of hashes that do not leave the process.
struct Seed([u8; 32]);

impl Default for Seed {
    fn default() -> Self {
        Self(random::bytes())
    }
}

/// The thread that checks passwords that take long, one at a time.
static SLOW: BlockingPool = BlockingPool::new("runnel-secret", 1, 64 << 10);
/// The passwords that may wait for it.
const MOST_WAITING: usize = 16;
/// The longest that one may wait: less than a gatekeeper may take.
const LONGEST: Duration = Duration::from_secs(8);
/// The passwords that are remembered, and for how long.
const MOST_KNOWN: usize = 64;
const KNOWN_FOR: Duration = Duration::from_secs(300);
/// A password that waits: its future, and itself.
const JOB: usize = 1 << 10;

/// The thread for slow passwords, those that wait for it, and those that are remembered.
pub static PASSWORDS: Cost = Cost {
    what: "passwords as pbkdf2",
    keys: &[],
    count: |all| all.slow_passwords().min(1),
    user: |_| disk::THREAD + MOST_WAITING * JOB + MOST_KNOWN * size_of::<([u8; 32], Instant)>(),
    kernel: |_| 0,
};

impl State {
    /// Reads the files with keys. One that cannot be read is logged, and none of its tokens is believed.
    pub async fn read_keys(self: Arc<Self>, config: Arc<Config>) {
        let reading = self.readings.fetch_add(1, Relaxed).wrapping_add(1);
        let mut keys = Vec::new();
        for Access { jwt_file: file, .. } in config.access.iter().filter(|rule| !rule.jwt_file.is_empty()) {
            let path = std::path::PathBuf::from(file);
            let read = aside(Lane::to(&path.clone()), move || read_small(&path)).await;
            match read.map(|bytes| Key::parse(&String::from_utf8_lossy(&bytes))) {
                Ok(Ok(key)) => keys.push((file.clone(), Arc::new(key))),
                Ok(Err(error)) => log::warn!("access.jwt_file: {file}: {error}"),
                Err(error) => log::warn!("access.jwt_file: {file}: {error}"),
            }
        }
        let mut known = lock(&self.keys);
        if self.readings.load(Relaxed) == reading {
            *known = keys;
        }
    }

    /// The key of a file, once it was read.
    pub(super) fn key(&self, file: &str) -> Option<Arc<Key>> {
        lock(&self.keys).iter().find(|(own, _)| own == file).map(|(_, key)| key.clone())
    }

    /// What is remembered of a password that was right.
    pub(super) fn mark(&self, stored: &Pbkdf2, password: &str) -> [u8; 32] {
        let mac = Hmac::<Sha256>::new_from_slice(&self.seed.0);
        let mac = mac.map(|mac| mac.chain_update(stored.hash).chain_update(&stored.salt).chain_update(password));
        mac.map(|mac| mac.finalize().into_bytes().into()).unwrap_or_default()
    }

    /// Whether a password was right lately.
    pub(super) fn knows(&self, mark: &[u8; 32]) -> bool {
        let mut known = lock(&self.known);
        known.retain(|(_, since)| since.elapsed() < KNOWN_FOR);
        known.iter().any(|(own, _)| own.ct_eq(mark).into())
    }

    /// Checks a password in the thread for that.
    ///
    /// # Errors
    /// [`Denial::Unanswered`]: too many wait, or it takes too long.
    pub(super) async fn check(&self, stored: Pbkdf2, password: Box<str>) -> Result<bool, Denial> {
        let mark = self.mark(&stored, &password);
        let _place = Place::take(&self.waiting)?;
        let work = move || kdf::derive(stored.rounds, &stored.salt, &password).ct_eq(&stored.hash).into();
        let is_right = SLOW.perform(Lane::hash("secret"), Use::Download, LONGEST, work).await;
        let is_right = is_right.map_err(|_| Denial::Unanswered)?;
        if is_right {
            let mut known = lock(&self.known);
            if known.len() >= MOST_KNOWN {
                known.remove(0);
            }
            known.push((mark, Instant::now()));
        }
        Ok(is_right)
    }
}

/// A place among the passwords that wait.
struct Place<'a>(&'a AtomicUsize);

impl<'a> Place<'a> {
    fn take(waiting: &'a AtomicUsize) -> Result<Self, Denial> {
        let place = Self(waiting);
        // given back when it is dropped
        if waiting.fetch_add(1, Relaxed) < MOST_WAITING { Ok(place) } else { Err(Denial::Unanswered) }
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Relaxed);
    }
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
