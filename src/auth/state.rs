//! The state kept between requests: failures, passwords that were right, the keys of files.

use std::net::IpAddr;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use subtle::ConstantTimeEq;

use super::callback::Desks;
use super::failures::Failures;
use super::key_sets::KeySets;
use super::{Denial, Means, kdf};
use crate::conf::{Access, Config, Cost, Pbkdf2};
use crate::disk::{self, BlockingPool, Lane, Use, aside, read_small};
use crate::net::random;
use crate::proto::jwt::{Key, KeyError};

/// The state of the rules.
pub struct State {
    pub(super) failures: Mutex<Failures>,
    /// Passwords that were right lately: the hash of each, and when it was shown last.
    known: Mutex<Vec<([u8; 32], Instant)>>,
    /// The number of the latest reading of files, whose keys count.
    readings: AtomicUsize,
    /// Files with keys.
    keys: Mutex<Vec<(String, Arc<Key>)>>,
    /// Passwords that wait for the thread that checks them.
    waiting: AtomicUsize,
    seed: Seed,
    /// The beginning of [`State::seconds`].
    #[cfg(feature = "rtmp")]
    pub(super) began: Instant,
    /// Servers that are asked.
    pub(super) desks: Desks,
    /// Keys of identity servers.
    pub(super) key_sets: KeySets,
}

/// A password that a thread has to check. It is right for the rule's user alone: for others it is the same work.
pub(super) struct Slow {
    pub(super) stored: Pbkdf2,
    pub(super) password: Box<str>,
    pub(super) is_user: bool,
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
    /// Nothing is known yet.
    pub fn new(means: Means) -> Self {
        Self {
            failures: Mutex::default(),
            known: Mutex::default(),
            readings: AtomicUsize::new(0),
            keys: Mutex::default(),
            waiting: AtomicUsize::new(0),
            seed: Seed::default(),
            #[cfg(feature = "rtmp")]
            began: Instant::now(),
            desks: Desks::new(means.clone()),
            key_sets: KeySets::new(means),
        }
    }

    /// Goes by the rules of `config` from here on: servers that they do not name are forgotten, and keys are fetched.
    pub fn follow(&self, config: &Config) {
        self.desks.keep(config);
        self.key_sets.follow(config);
    }

    /// Reads the files with keys. One that cannot be read is logged, and none of its tokens is believed.
    pub async fn read_keys(self: Arc<Self>, config: Arc<Config>) {
        let reading = self.readings.fetch_add(1, Relaxed).wrapping_add(1);
        let mut keys = Vec::new();
        for Access { jwt_file: file, .. } in config.access.iter().filter(|rule| !rule.jwt_file.is_empty()) {
            let path = std::path::PathBuf::from(file);
            let read = aside(Lane::to(&path.clone()), move || read_small(&path)).await;
            match read.map(|bytes| str::from_utf8(&bytes).map_or(Err(KeyError::Unfit), Key::parse)) {
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

    /// The hash by which a password that was right is remembered.
    pub(super) fn mark(&self, stored: &Pbkdf2, password: &str) -> [u8; 32] {
        self.sign(&[b"p", &stored.hash, &stored.salt, password.as_bytes()])
    }

    /// A hash of the parts that nobody else can make. Its callers differ in the first part, and the lengths of all but the
    /// last are fixed.
    pub(super) fn sign(&self, parts: &[&[u8]]) -> [u8; 32] {
        let mac = Hmac::<Sha256>::new_from_slice(&self.seed.0);
        let mac = mac.map(|mac| parts.iter().fold(mac, |mac, part| mac.chain_update(part)));
        mac.map(|mac| mac.finalize().into_bytes().into()).unwrap_or_default()
    }

    /// The seconds that this state is old, which wrap.
    #[cfg(feature = "rtmp")]
    pub(super) fn seconds(&self, now: Instant) -> u32 {
        now.saturating_duration_since(self.began).as_secs() as u32
    }

    /// Tells if a password was right lately. It is remembered from now on again.
    pub(super) fn knows(&self, mark: &[u8; 32], now: Instant) -> bool {
        let mut known = lock(&self.known);
        known.retain(|(_, shown)| now < *shown + KNOWN_FOR);
        let one = known.iter_mut().find(|(own, _)| own.ct_eq(mark).into());
        one.map(|(_, shown)| *shown = now).is_some()
    }

    /// Remembers a password that was right; beyond the limit, the one that was shown longest ago is forgotten.
    pub(super) fn remember(&self, mark: [u8; 32], now: Instant) {
        let mut known = lock(&self.known);
        if known.len() >= MOST_KNOWN
            && let Some(oldest) = known.iter().enumerate().min_by_key(|(_, (_, shown))| *shown).map(|(at, _)| at)
        {
            known.swap_remove(oldest);
        }
        known.push((mark, now));
    }

    /// Checks a password in the thread for that.
    ///
    /// # Errors
    /// [`Denial::Unanswered`]: too many wait, or it takes too long, which does not count as wrong.
    /// [`Denial::TooMany`]: those before it were wrong.
    pub(super) async fn check(self: &Arc<Self>, slow: Slow, from: IpAddr) -> Result<bool, Denial> {
        let _place = Place::take(&self.waiting)?;
        let state = self.clone();
        let work = move || state.try_one(&slow, from);
        SLOW.perform(Lane::hash("secret"), Use::Download, LONGEST, work).await.unwrap_or(Err(Denial::Unanswered))
    }

    /// Checks a password, and counts a wrong one. Those that wait are checked one after the other, so that many at once
    /// are no way around the limit, and the same one is derived once.
    fn try_one(&self, slow: &Slow, from: IpAddr) -> Result<bool, Denial> {
        let Slow { stored, password, is_user } = slow;
        if lock(&self.failures).is_shut(from, Instant::now()) {
            return Err(Denial::TooMany);
        }
        let mark = self.mark(stored, password);
        if *is_user && self.knows(&mark, Instant::now()) {
            return Ok(true);
        }
        let is_right = bool::from(kdf::derive(stored.rounds, &stored.salt, password).ct_eq(&stored.hash)) && *is_user;
        if is_right {
            self.remember(mark, Instant::now());
        } else {
            lock(&self.failures).add(from, Instant::now());
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
