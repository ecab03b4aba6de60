//! Streams whose recording was started or stopped on request, whatever their `[[record]]` rules say. None is after a
//! restart.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::conf::{Config, Record, Start};
use crate::hub::{Name, matches};

/// The switches of recordings.
#[derive(Default)]
pub struct Switches {
    all: Mutex<BTreeMap<Name, Switch>>,
    /// Streams that were started since the recorder looked: those whose recordings were ended before, too.
    begun: Mutex<BTreeSet<Name>>,
}

/// The state of a recording that was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Switch {
    /// All rules of the stream record it.
    On,
    /// No rule records it.
    Off,
}

/// The reason why a recording cannot be started or stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unswitched {
    /// No rule is of the stream.
    NoRule,
    /// There is no place for a further stream.
    Full,
}

/// The most streams that are switched at once. Their memory is in the line of recordings' disks.
pub const MAX_SWITCHED: usize = 32;

impl Switches {
    /// Starts or stops the recording of a stream. A switch that says what the rules say anyway takes no place.
    pub(super) fn set(&self, config: &Config, stream: &Name, switch: Switch) -> Result<(), Unswitched> {
        let mut rules = config.record.iter().filter(|rule| matches(&rule.streams, stream.as_str())).peekable();
        if rules.peek().is_none() {
            return Err(Unswitched::NoRule);
        }
        let usual = if switch == Switch::On { Start::Always } else { Start::Api };
        let is_usual = rules.all(|rule| rule.start == usual);
        if switch == Switch::On {
            let mut begun = lock(&self.begun);
            if begun.len() < MAX_SWITCHED {
                begun.insert(stream.clone());
            }
        }
        let mut all = lock(&self.all);
        if is_usual {
            all.remove(stream);
        } else if all.len() < MAX_SWITCHED || all.contains_key(stream) {
            all.insert(stream.clone(), switch);
        } else {
            return Err(Unswitched::Full);
        }
        Ok(())
    }

    /// True if a rule, whose pattern the stream matches, records it.
    pub fn wants(&self, rule: &Record, stream: &Name) -> bool {
        match lock(&self.all).get(stream) {
            Some(switch) => *switch == Switch::On,
            None => rule.start == Start::Always,
        }
    }

    /// The streams that were started since the last call.
    pub fn take_begun(&self) -> BTreeSet<Name> {
        std::mem::take(&mut lock(&self.begun))
    }

    /// The streams that are switched.
    pub fn list(&self) -> Vec<(Name, Switch)> {
        lock(&self.all).iter().map(|(name, switch)| (name.clone(), *switch)).collect()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl std::fmt::Display for Unswitched {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::NoRule => "no [[record]] is of this stream: add one, with start = \"api\" to record on request alone",
            Self::Full => "too many streams are switched already: change start of their [[record]]",
        })
    }
}

impl std::error::Error for Unswitched {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_asked_for_counts_more_than_the_rule() {
        let text = "profile = \"box\"\n[[record]]\nstreams = \"cam*\"\npath = \"/m\"\n\
                    [[record]]\nstreams = \"door*\"\npath = \"/m\"\nstart = \"api\"\n";
        let config = Config::parse("test", text).unwrap();
        let [always, asked] = &config.record[..] else { panic!() };
        let name = |text: &str| Name::new(text).unwrap();
        let (cam, door, all) = (name("cam1"), name("door1"), Switches::default());
        let wants = || (all.wants(always, &cam), all.wants(asked, &door));
        assert_eq!(wants(), (true, false));
        all.set(&config, &cam, Switch::Off).unwrap();
        all.set(&config, &door, Switch::On).unwrap();
        assert_eq!(wants(), (false, true));
        all.set(&config, &cam, Switch::On).unwrap();
        all.set(&config, &door, Switch::Off).unwrap();
        assert_eq!((wants(), all.list().len()), ((true, false), 0));
        assert_eq!(all.set(&config, &name("other"), Switch::On), Err(Unswitched::NoRule));
        for at in 0..MAX_SWITCHED {
            all.set(&config, &name(&format!("door{at}")), Switch::On).unwrap();
        }
        assert_eq!(all.set(&config, &name("door-x"), Switch::On), Err(Unswitched::Full));
        all.set(&config, &door, Switch::On).unwrap();
    }
}
