//! The rules of who may do what in a build without them: a file that has one is refused.

use super::error::Objection;
use super::value::Value;
use super::{Config, Hint, Wrong};
use crate::proto::Url;

/// A table that this build does not read.
#[derive(Clone, Debug, PartialEq)]
pub struct Access;

impl Config {
    /// True if a rule restricts the action for all: there are none.
    pub fn restricts(&self, _: &str) -> bool {
        false
    }

    /// True if a rule restricts who may play by HLS: there are none.
    pub fn guards_hls(&self) -> bool {
        false
    }

    /// True if a rule about RTMP has a user whose password is plain: there are none.
    pub fn has_users_of_rtmp(&self) -> bool {
        false
    }

    /// The files of keys, with the keys that name them: there are none.
    pub fn key_files(&self) -> impl Iterator<Item = (String, &str)> {
        std::iter::empty()
    }

    /// All servers that the rules ask: there are none.
    pub fn asked(&self) -> impl Iterator<Item = (String, &Url, &String, usize)> {
        std::iter::empty()
    }
}

impl Value for Access {
    fn read(_: toml::Value) -> Result<Self, Wrong> {
        Ok(Self)
    }
}

/// The faults of the rules: there are none.
pub(super) fn objections(_: &Config) -> Vec<Objection> {
    Vec::new()
}

/// The hint about a rule that lets everybody change the state of the server: there is none.
pub(super) fn hints(_: &Config) -> Option<Hint> {
    None
}
