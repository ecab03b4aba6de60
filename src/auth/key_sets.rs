//! Sets of keys of identity servers. Each is fetched by a task of its own, beside all checks: a server that hangs or is
//! gone takes no time from any, and the keys that were there last are kept.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use smol::Task;
use smol::channel::{Receiver, Sender, bounded};
use smol::future::or;

use super::Denial;
use super::means::Means;
use super::state::lock;
use crate::budget::Account;
use crate::conf::{Config, Cost};
use crate::net::fetch::{Contact, Failure, Limits, Request, Trouble};
use crate::proto::Url;
use crate::proto::http::Method;
use crate::proto::jwt::{Header, Key, KeySet, SetError};
use crate::reactor::Timer;

/// All sets that rules name.
pub(super) struct KeySets {
    means: Means,
    /// Each with the task that fetches it until it is dropped.
    sets: Mutex<Vec<(Arc<Source>, Task<()>)>>,
}

/// A set, and where it comes from.
pub(super) struct Source {
    url: Url,
    ca: String,
    contact: Contact,
    account: Account,
    /// The newest set, and when it came.
    held: Mutex<Option<(Arc<KeySet>, Instant)>>,
    /// Asks the task for a newer one.
    wanted: (Sender<()>, Receiver<()>),
    is_failing: AtomicBool,
}

/// The reason why there is no newer set.
enum Unfetched {
    Trouble(Trouble),
    Set(SetError),
}

/// The time after which a set is fetched again.
const AGE: Duration = Duration::from_secs(3600);
/// The least time between two attempts.
const PAUSE: Duration = Duration::from_secs(60);
/// The longest time for one.
const TIMEOUT: Duration = Duration::from_secs(10);
/// The longest set, in bytes.
const LONGEST: usize = 16 << 10;
/// The bytes of a task that fetches, and of its connection.
const TASK: usize = 16 << 10;
/// The bytes of the heads of a request and its answer.
const HEADS: usize = 14 << 10;
/// The bytes of the keys of a set, which were read from so many at most.
const KEYS: usize = LONGEST + KeySet::MOST * 256;

/// Sets of keys: the one that is there, and the next.
pub static KEY_SETS: Cost = Cost {
    what: "sets of keys",
    keys: &[],
    count: |all: &Config| all.key_sets().len(),
    user: |_| TASK + HEADS + LONGEST + 2 * KEYS,
    kernel: |_| Contact::SIZES.of_stream(),
};

impl KeySets {
    pub(super) fn new(means: Means) -> Self {
        Self { means, sets: Mutex::default() }
    }

    /// Fetches the sets of a configuration, from now on and until another is followed.
    pub(super) fn follow(&self, config: &Config) {
        let mut sets = lock(&self.sets);
        let named = config.key_sets();
        sets.retain(|(source, _)| named.iter().any(|(url, ca)| source.is_at(url, ca)));
        for (url, ca) in named {
            if !sets.iter().any(|(source, _)| source.is_at(url, ca)) {
                let source = Arc::new(Source::new(url, ca, &self.means));
                let task = self.means.executor.spawn(source.clone().run());
                sets.push((source, task));
            }
        }
    }

    /// The set of a place.
    pub(super) fn find(&self, url: &Url, ca: &str) -> Option<Arc<Source>> {
        lock(&self.sets).iter().find(|(source, _)| source.is_at(url, ca)).map(|(source, _)| source.clone())
    }
}

impl Source {
    fn new(url: &Url, ca: &str, means: &Means) -> Self {
        Self {
            url: url.clone(),
            ca: ca.into(),
            contact: Contact::new(ca, false, 1, &means.throttle),
            account: means.account.child("keys", HEADS + 2 * LONGEST),
            held: Mutex::default(),
            wanted: bounded(1),
            is_failing: AtomicBool::new(false),
        }
    }

    fn is_at(&self, url: &Url, ca: &str) -> bool {
        self.url == *url && self.ca == ca
    }

    /// True if a set has ever come.
    pub(super) fn is_there(&self) -> bool {
        lock(&self.held).is_some()
    }

    /// The key that a token names; `None` if it names none of a set that was fetched within the last minute.
    ///
    /// # Errors
    /// [`Denial::Unanswered`]: the set does not have it, and is fetched again.
    pub(super) fn key(&self, token: &str) -> Result<Option<Arc<Key>>, Denial> {
        let Some(header) = Header::of(token) else { return Ok(None) };
        let held = lock(&self.held);
        let (set, since) = held.as_ref().ok_or(Denial::Unanswered)?;
        match set.find(&header) {
            Some(key) => Ok(Some(key.clone())),
            None if since.elapsed() < PAUSE => Ok(None),
            None => {
                _ = self.wanted.0.try_send(()); // one wish is enough
                Err(Denial::Unanswered)
            }
        }
    }

    /// Fetches the set again and again.
    async fn run(self: Arc<Self>) {
        loop {
            let age = if self.refresh().await { AGE } else { PAUSE };
            Timer::after(PAUSE).await;
            let wanted = async { _ = self.wanted.1.recv().await };
            or(wanted, async { _ = Timer::after(age - PAUSE).await }).await;
        }
    }

    /// Fetches the set; the one that is there stays if that fails.
    async fn refresh(&self) -> bool {
        let fetched = self.fetch().await;
        self.tell(&fetched);
        let set = fetched.ok().map(|set| (Arc::new(set), Instant::now()));
        let is_new = set.is_some();
        if is_new {
            *lock(&self.held) = set;
        }
        is_new
    }

    async fn fetch(&self) -> Result<KeySet, Unfetched> {
        let late = async {
            Timer::after(TIMEOUT).await;
            Err(Unfetched::Trouble(Failure::Late.into()))
        };
        or(self.request(), late).await
    }

    async fn request(&self) -> Result<KeySet, Unfetched> {
        let fields = &[("Accept", "application/jwk-set+json, application/json")];
        let request = Request { method: Method::Get, url: &self.url, fields, body: &[] };
        let limits = Limits { time: TIMEOUT, body: LONGEST, redirects: 0, account: &self.account };
        let answer = self.contact.open(&request, &limits).await?;
        if !answer.response.is_success() {
            return Err(Unfetched::Trouble(Trouble::Status(answer.response.status)));
        }
        let answer = answer.whole(LONGEST, &self.account).await?;
        let text = str::from_utf8(&answer.body).map_err(|_| Unfetched::Set(SetError::Damaged))?;
        KeySet::parse(text).map_err(Unfetched::Set)
    }

    /// Logs the first attempt in a row that fails, and the first that does not.
    fn tell(&self, fetched: &Result<KeySet, Unfetched>) {
        let was_failing = self.is_failing.swap(fetched.is_err(), Relaxed);
        let host = self.url.server();
        let level = if was_failing { log::Level::Debug } else { log::Level::Warn };
        match fetched {
            Ok(_) if was_failing => log::info!("access.jwks {host}: has keys again"),
            Ok(_) => log::debug!("access.jwks {host}: has keys"),
            Err(why) if self.is_there() => log::log!(level, "access.jwks {host}: its last keys are kept: {why}"),
            Err(why) => log::log!(level, "access.jwks {host}: no token is accepted yet: {why}"),
        }
    }
}

impl fmt::Display for Unfetched {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Trouble(why) => why.fmt(f),
            Self::Set(why) => why.fmt(f),
        }
    }
}

impl From<Failure> for Unfetched {
    fn from(why: Failure) -> Self {
        Self::Trouble(why.into())
    }
}

#[cfg(test)]
mod tests;
