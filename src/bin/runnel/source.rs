//! The configuration of a server: its file, at the start and after a SIGHUP.

use std::path::PathBuf;

use runnel::conf::{Changes, Config, Hint, Keys, Threads};
use runnel::disk::{Lane, aside, read_small};
use runnel::registry;

use crate::failure::Failure;
use crate::plan::{check_plan, reserve_descriptors};

/// The file of the configuration, its keys, and its hints.
pub struct Source {
    /// `None` for the embedded configuration.
    pub file: Option<PathBuf>,
    pub keys: Keys,
    /// The threads of the start, which a SIGHUP does not change.
    threads: Threads,
    /// The hints that were logged.
    hints: Vec<Hint>,
}

/// The configuration for a running server.
pub struct Anew {
    pub config: Config,
    /// The keys of the configuration.
    pub keys: Keys,
    /// The keys that have changed, a list with the numbers of its new and removed entries.
    pub live: Vec<String>,
    /// The hints about the file.
    pub hints: Vec<Hint>,
}

impl Source {
    pub fn load(file: Option<PathBuf>) -> Result<(Config, Self), Failure> {
        let (config, keys) = file.as_deref().map_or_else(|| Keys::parse("embedded", ""), Keys::load)?;
        let config = registry::settled(config);
        let threads = config.threads;
        Ok((config, Self { file, keys, threads, hints: Vec::new() }))
    }

    /// Logs the hints that are new.
    pub fn tell(&mut self, hints: Vec<Hint>) {
        for (key, words) in hints.iter().filter(|hint| !self.hints.contains(hint)) {
            log::warn!("{key} {words}");
        }
        self.hints = hints;
    }

    /// Reads the file again.
    pub async fn reload(&self) -> Result<Anew, Failure> {
        let (whole, new) = match self.file.clone() {
            None => Keys::parse("embedded", ""),
            Some(file) => {
                let path = file.clone();
                Keys::of(&file, aside(Lane::to(&file), move || read_small(&path)).await)
            }
        }?;
        check_plan(&registry::plan(&whole), &new)?;
        let mut keys = self.keys.clone();
        let Changes { live, mut restart } = keys.adopt(&new);
        let checked = self.checked(&keys, &new);
        if checked.is_err() {
            // the whole file is valid, but not without the values from the start
            restart.extend(live.iter().cloned());
        }
        if !restart.is_empty() {
            log::warn!("SIGHUP: Restart required for: {}", restart.join(", "));
        }
        let config = checked?;
        reserve_descriptors(&config)?;
        let before = self.keys.config().ok();
        let live = live.into_iter().map(|key| counted(key, before.as_ref(), &config)).collect();
        Ok(Anew { config, keys, live, hints: new.hints(&whole) })
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

/// The text about a key that has changed: for a list of relays or recordings, the numbers of new and removed ones.
fn counted(key: String, before: Option<&Config>, after: &Config) -> String {
    let Some(before) = before else { return key };
    let (new, removed) = match key.as_str() {
        "pull" => (news(&before.pull, &after.pull), news(&after.pull, &before.pull)),
        "push" => (news(&before.push, &after.push), news(&after.push, &before.push)),
        "record" => (news(&before.record, &after.record), news(&after.record, &before.record)),
        _ => return key,
    };
    format!("{key} ({new} new, {removed} removed)")
}

/// The number of entries of `after` that are not in `before`.
fn news<T: PartialEq>(before: &[T], after: &[T]) -> usize {
    after.iter().filter(|entry| !before.contains(entry)).count()
}
