//! A folder of recordings: the files whose names are those of recordings, and the rules that they belong to.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::index::Index;
use super::layout::FileLayout;
use crate::conf::Record;
use crate::hub::{Name, matches};
use crate::listing::name_parts;

/// A folder, which all rules that write to it share, in any order.
pub(super) struct Folder {
    pub(super) home: Home,
    pub(super) rules: Vec<Arc<Record>>,
    pub(super) index: Index,
    pub(super) busy: Busy,
}

/// Files that are being written, or are not in the index yet.
#[derive(Clone, Default)]
pub(super) struct Busy(Arc<Mutex<Vec<PathBuf>>>);

/// The parts of a recording's name, which is relative to the folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Known<'a> {
    pub(super) stream: &'a str,
    /// The start time, in milliseconds since 1970.
    pub(super) begun: u64,
    /// The number among the recordings of the same second, or among the segments of a session.
    pub(super) number: u64,
    pub(super) is_segment: bool,
    extension: &'a str,
}

impl<'a> Known<'a> {
    pub(super) fn of(name: &'a str) -> Option<Self> {
        let (folder, file) = name.split_once('/').map_or((None, name), |(folder, file)| (Some(folder), file));
        let (stem, extension) = file.rsplit_once('.')?;
        let is_segment = folder.is_some();
        let (stream, begun) = name_parts(is_segment, stem)?;
        if folder.is_some_and(|folder| folder != stream) || Name::new(stream).is_err() {
            return None;
        }
        let rest = stem.get(stream.len() + 1..)?;
        let number = rest.split_once('-').and_then(|(_, number)| number.parse().ok()).unwrap_or(0);
        let begun = if is_segment { begun } else { begun.checked_mul(1000)? };
        Some(Self { stream, begun, number, is_segment, extension })
    }

    /// True if the recording belongs to the rule.
    pub(super) fn is_of(&self, rule: &Record) -> bool {
        let layout = FileLayout::of(rule.format);
        layout.is_segments() == self.is_segment
            && layout.extension() == self.extension
            && matches(&rule.streams, self.stream)
    }
}

/// The folder to which a rule writes now. Rules with the same home share a folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Home {
    /// The target of the rule's path; the path itself while it does not exist.
    path: PathBuf,
    /// The disk or card that is mounted there now.
    device: Option<u64>,
}

impl Home {
    /// The rule's home; `None` while its card is missing.
    pub(super) fn of(rule: &Record) -> Option<Self> {
        let path = fs::canonicalize(&rule.path).unwrap_or_else(|_| PathBuf::from(&rule.path));
        let is_out = rule.mounted && !is_mounted(&path).unwrap_or(false);
        (!is_out).then(|| Self::at(&path))
    }

    pub(super) fn at(path: &Path) -> Self {
        Self { path: path.into(), device: fs::metadata(path).ok().map(|about| about.dev()) }
    }
}

impl Folder {
    /// The folder of those rules that write to `home`.
    pub(super) fn new(home: &Home, rules: &[Arc<Record>], sync: bool, busy: Busy) -> Self {
        let rules = rules.iter().filter(|rule| Home::of(rule).as_ref() == Some(home)).cloned().collect();
        Self { home: home.clone(), rules, index: Index::new(&home.path, sync), busy }
    }

    pub(super) fn path(&self) -> &Path {
        &self.home.path
    }

    /// True if both folders get the same recordings, even if they are kept differently.
    pub(super) fn writes_as(&self, other: &Self) -> bool {
        let has = |rule: &Arc<Record>| other.rules.iter().any(|other| rule.goes_on_from(other));
        self.rules.len() == other.rules.len() && self.rules.iter().all(has)
    }

    /// Parses the name; `None` if it is not a recording of the rules.
    pub(super) fn known<'a>(&self, name: &'a str) -> Option<Known<'a>> {
        Known::of(name).filter(|known| self.rules.iter().any(|rule| known.is_of(rule)))
    }

    /// Passes the names of all recordings to `show`, in the folder's order.
    pub(super) fn walk(&self, show: &mut dyn FnMut(&str) -> io::Result<()>) -> io::Result<()> {
        for entry in fs::read_dir(self.path())? {
            let entry = entry?;
            let (name, kind) = (entry.file_name(), entry.file_type()?);
            let Some(name) = name.to_str() else { continue };
            if kind.is_file() && self.known(name).is_some() {
                show(name)?;
            } else if kind.is_dir() && self.has_segments_of(name) {
                let inner = match fs::read_dir(entry.path()) {
                    // folders that cannot be read, such as lost+found, contain no recordings
                    Err(error) if error.kind() == io::ErrorKind::PermissionDenied => continue,
                    inner => inner?,
                };
                for entry in inner {
                    let entry = entry?;
                    let path = entry.file_name().to_str().map(|file| format!("{name}/{file}"));
                    if let Some(path) = path.filter(|path| self.known(path).is_some())
                        && entry.file_type()?.is_file()
                    {
                        show(&path)?;
                    }
                }
            }
        }
        Ok(())
    }

    /// Passes the folders of streams that are recorded in segments to `show`.
    pub(super) fn streams(&self, show: &mut dyn FnMut(&str, &Path) -> io::Result<()>) -> io::Result<()> {
        for entry in fs::read_dir(self.path())? {
            let entry = entry?;
            let name = entry.file_name();
            if let Some(name) = name.to_str().filter(|name| self.has_segments_of(name))
                && entry.file_type()?.is_dir()
            {
                show(name, &entry.path())?;
            }
        }
        Ok(())
    }

    fn has_segments_of(&self, stream: &str) -> bool {
        let in_segments = |rule: &&Arc<Record>| FileLayout::of(rule.format).is_segments();
        Name::new(stream).is_ok() && self.rules.iter().filter(in_segments).any(|rule| matches(&rule.streams, stream))
    }

    /// Deletes an empty file, unless it is being written. Gives whether it did.
    pub(super) fn remove_empty(&self, path: &Path) -> bool {
        let busy = self.busy.lock();
        !busy.iter().any(|other| other == path)
            && fs::metadata(path).is_ok_and(|about| about.is_file() && about.len() == 0)
            && fs::remove_file(path).is_ok()
    }

    /// True if the folder can contain recordings. If its card is missing, the directory under the mount point does
    /// not count.
    pub(super) fn is_there(&self) -> bool {
        self.path().is_dir() && self.rules.iter().all(|rule| !rule.mounted || is_mounted(self.path()).unwrap_or(false))
    }
}

impl Busy {
    pub(super) fn lock(&self) -> MutexGuard<'_, Vec<PathBuf>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn has(&self, path: &Path) -> bool {
        self.lock().iter().any(|other| other == path)
    }

    pub(super) fn free(&self, path: &Path) {
        self.lock().retain(|other| other != path);
    }
}

/// True if the folder is on another file system than its parent.
pub(super) fn is_mounted(path: &Path) -> io::Result<bool> {
    let around = path.parent().unwrap_or(path);
    Ok(fs::metadata(path)?.dev() != fs::metadata(around)?.dev())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conf::Config;

    fn rule(format: &str) -> Record {
        let text = format!("profile = \"box\"\n[[record]]\nstreams = \"c*\"\npath = \"/x\"\nformat = {format:?}\n");
        Config::parse("test", &text).unwrap().record.remove(0)
    }

    #[test]
    fn only_names_of_the_rule_s_recordings_are_known() {
        let cases = [
            ("flv", "cam-1700000000.flv", Some((1_700_000_000_000, 0))),
            ("flv", "cam-1700000000-2.flv", Some((1_700_000_000_000, 2))),
            ("flv", "cam-1-1700000000.flv", Some((1_700_000_000_000, 0))),
            ("flv", "cam-12.flv", Some((12_000, 0))), // a clock that was never set
            ("fmp4", "cam-1700000000.mp4", Some((1_700_000_000_000, 0))),
            ("hls", "cam/cam-1700000000123-7.ts", Some((1_700_000_000_123, 7))),
            ("flv", "cam-1700000000.ts", None),
            ("flv", "door-1700000000.flv", None),
            ("flv", "cam.flv", None),
            ("flv", "cam-x.flv", None),
            ("flv", "cam-18446744073709551615.flv", None),
            ("hls", "cam/cam-7.ts", None),
            ("hls", "cam/car-1700000000123-7.ts", None),
            ("hls", "cam-1700000000123-7.ts", None),
            ("hls", "cam/record.m3u8", None),
        ];
        for (format, name, expected) in cases {
            let rule = rule(format);
            let known = Known::of(name).filter(|known| known.is_of(&rule));
            assert_eq!(known.map(|known| (known.begun, known.number)), expected, "{name}");
        }
    }
}
