//! The keys of recordings in a build without them: a file that sets one is refused.

use super::error::Objection;
use super::hints::Hint;
use super::value::Value;
use super::{Config, Error, Keys, Wrong};

/// A table that this build does not read.
#[derive(Clone, Debug, PartialEq)]
pub struct Record;

/// As `Record`.
pub type Recording = Record;

impl Config {
    /// Files that may be written at once: none.
    pub fn recordings(&self) -> usize {
        0
    }

    /// The most bytes that wait for the disk: none.
    pub fn recording_memory(&self) -> usize {
        0
    }
}

impl Keys {
    /// Checks the links in the folders of recordings: there are none.
    pub fn check_links(&self, _: &Config) -> Result<(), Error> {
        Ok(())
    }
}

impl Value for Record {
    fn read(_: toml::Value) -> Result<Self, Wrong> {
        Ok(Self)
    }
}

/// The faults of the keys of recordings: there are none.
pub(super) fn objections(_: &Config) -> Vec<Objection> {
    Vec::new()
}

/// The hints about recordings: there are none.
pub(super) fn hints(_: &Config) -> Vec<Hint> {
    Vec::new()
}
