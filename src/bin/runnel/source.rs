//! The configuration of a server: its file, at the start and after a SIGHUP.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use runnel::conf::{Changes, Config, Hint, Keys, Threads};
use runnel::disk::{Lane, aside, read_small};
use runnel::registry;

use crate::failure::Failure;
use crate::plan::{check_plan, reserve_descriptors};

/// The file of the configuration, its keys, and its hints.
pub struct Source {
    /// `None` for the embedded configuration.
    pub file: Option<PathBuf>,
    pub keys: Arc<Keys>,
    /// The threads of the start, which a SIGHUP does not change.
    threads: Threads,
    /// The hints that were logged.
    hints: Vec<Hint>,
}

/// The cause for which the file is read again.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Cause {
    Signal,
    Api,
}

/// The configuration for a running server.
pub struct Anew {
    pub config: Config,
    /// The keys of the configuration.
    pub keys: Keys,
    /// The keys that have changed.
    pub changes: Changes,
    /// The hints about the file.
    pub hints: Vec<Hint>,
}

impl Source {
    pub fn load(file: Option<PathBuf>) -> Result<(Config, Self), Failure> {
        let (config, keys) = file.as_deref().map_or_else(|| Keys::parse("embedded", ""), Keys::load)?;
        let config = registry::settled(config);
        let threads = config.threads;
        Ok((config, Self { file, keys: Arc::new(keys), threads, hints: Vec::new() }))
    }

    /// Logs the hints that are new.
    pub fn tell(&mut self, hints: Vec<Hint>) {
        for (key, words) in hints.iter().filter(|hint| !self.hints.contains(hint)) {
            log::warn!("{key} {words}");
        }
        self.hints = hints;
    }

    /// Reads the file again.
    pub async fn reload(&self, cause: Cause) -> Result<Anew, Failure> {
        let (whole, new) = match self.file.clone() {
            None => Keys::parse("embedded", ""),
            Some(file) => {
                let path = file.clone();
                Keys::of(&file, aside(Lane::to(&file), move || read_small(&path)).await)
            }
        }?;
        check_plan(&registry::plan(&whole), &new)?;
        let mut keys = Keys::clone(&self.keys);
        let Changes { live, mut restart } = keys.adopt(&new);
        let checked = self.checked(&keys, &new);
        if checked.is_err() {
            // the whole file is valid, but not without the values from the start
            restart.extend(live.iter().cloned());
        }
        if !restart.is_empty() {
            log::warn!("{cause}: Restart required for: {}", restart.join(", "));
        }
        let config = checked?;
        reserve_descriptors(&config)?;
        Ok(Anew { config, keys, changes: Changes { live, restart }, hints: new.hints(&whole) })
    }

    /// Logs the keys that have changed, a list with the numbers of its new and removed entries.
    pub fn tell_changes(&self, cause: Cause, live: &[String], after: &Config) {
        let before = self.keys.config().ok();
        let live: Vec<_> = live.iter().map(|key| counted(key, before.as_ref(), after)).collect();
        if !live.is_empty() {
            log::info!("{cause}: now in effect: {}", live.join(", "));
        }
    }

    /// The configuration of `keys`, of which a SIGHUP replaced those that it may by those of `new`.
    fn checked(&self, keys: &Keys, new: &Keys) -> Result<Config, Failure> {
        let file = self.file.as_deref().map_or_else(String::new, |file| file.display().to_string());
        let mut config = keys.checked(&file)?;
        config.threads = self.threads;
        check_plan(&registry::plan(&config), new)?;
        Ok(config)
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Signal => "SIGHUP",
            Self::Api => "API",
        })
    }
}

/// The text about a key that has changed: for a list of relays or recordings, the numbers of new and removed ones.
fn counted(key: &str, before: Option<&Config>, after: &Config) -> String {
    let Some(before) = before else { return key.into() };
    let (new, removed) = match key {
        "pull" => (news(&before.pull, &after.pull), news(&after.pull, &before.pull)),
        "push" => (news(&before.push, &after.push), news(&after.push, &before.push)),
        "record" => (news(&before.record, &after.record), news(&after.record, &before.record)),
        _ => return key.into(),
    };
    format!("{key} ({new} new, {removed} removed)")
}

/// The number of entries of `after` that are not in `before`.
fn news<T: PartialEq>(before: &[T], after: &[T]) -> usize {
    after.iter().filter(|entry| !before.contains(entry)).count()
}
