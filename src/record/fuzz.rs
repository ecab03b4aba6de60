//! The index of a folder to which other programs may have written, for the fuzzer.

use std::io;
use std::path::Path;
use std::sync::Arc;

use super::folder::{Busy, Folder, Home};
use super::index::State;
use super::{heal, list};
use crate::conf::Config;

/// A folder with recordings of all streams.
pub struct Healed(Arc<Folder>);

impl Healed {
    /// Opens a folder.
    pub fn new(path: &Path) -> Self {
        let rule = |format| format!("[[record]]\nstreams = \"*\"\npath = {path:?}\nformat = \"{format}\"\n");
        let text = format!("profile = \"box\"\n{}{}", rule("flv"), rule("hls"));
        let rules: Vec<_> = Config::parse("fuzz.toml", &text).map_or(Vec::new(), |config| config.record);
        let rules: Vec<_> = rules.into_iter().map(Into::into).collect();
        Self(Arc::new(Folder::new(&Home::at(path), &rules, false, Busy::default())))
    }

    /// Mends the index as at a start. Gives whether it was wrong.
    pub fn heal(&self) -> io::Result<bool> {
        let faults = heal::look(&self.0, true, &mut || Ok(()))?;
        heal::mend(&self.0, None, faults)
    }

    /// The names in the index of files that exist.
    pub fn names(&self) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        self.0.index.each(&mut |line| {
            if line.state != State::Gone {
                names.push(line.name.to_string());
            }
        })?;
        Ok(names)
    }

    /// Adds a recording that begins.
    pub fn add(&self, name: &str) -> io::Result<()> {
        self.0.index.add(State::Open, 0, name).map(drop)
    }

    /// The files of the list for `query`.
    pub fn list(&self, query: &str) -> Vec<String> {
        list::list(std::slice::from_ref(&self.0), query).into_iter().map(|told| told.file).collect()
    }
}
