//! Notifications and commands in a build that has none. A file that sets a key of them is refused.

use super::error::Objection;
use super::value::Value;
use super::{Config, Wrong};
use crate::proto::Url;

/// A table that this build does not read.
#[derive(Clone, Debug, PartialEq)]
pub struct Notify;
/// As `Notify`.
pub type Notifications = Notify;
/// As `Notify`.
pub type Exec = Notify;
/// As `Notify`.
pub type Commands = Notify;

impl Value for Notify {
    fn read(_: toml::Value) -> Result<Self, Wrong> {
        Ok(Self)
    }
}

impl Config {
    /// The receivers of notifications: none.
    pub fn receivers(&self) -> impl Iterator<Item = (&Url, &String)> {
        std::iter::empty()
    }

    /// The programs of all commands, with the keys that name them: none.
    pub fn programs(&self) -> impl Iterator<Item = (String, &str)> {
        std::iter::empty()
    }

    /// The facts of sessions that wait until they are told: none.
    pub fn kept_facts(&self) -> usize {
        0
    }

    /// The commands that run at once: none.
    pub fn commands_at_once(&self) -> usize {
        0
    }
}

/// The faults of notifications and commands: there are none.
pub(super) fn objections(_: &Config) -> Vec<Objection> {
    Vec::new()
}
