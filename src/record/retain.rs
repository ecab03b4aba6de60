//! What is kept: the oldest files go first.

use std::collections::BinaryHeap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::pattern;
use super::shape::Shape;
use crate::conf::Record;
use crate::serve::listing;
use crate::serve::listing::name_parts as parts;

/// A recording as its name has it: when it began, in milliseconds since 1970.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Found {
    pub(super) begun: u64,
    pub(super) path: PathBuf,
    pub(super) size: u64,
}

/// So many files are deleted at once at most.
const AT_ONCE: usize = 256;

/// Deletes the oldest files of the rule's streams as far as it says. `busy` are being
/// written.
pub(super) fn enforce(rule: &Record, busy: &[&Path]) -> io::Result<()> {
    let keeps_all = rule.keep_size.0 == 0 && rule.keep_age.0.is_zero() && rule.keep_free.0 == 0;
    if keeps_all {
        return Ok(());
    }
    // apart, so that any number of those without a date hides none that is too old
    let (mut undated, mut dated) = (BinaryHeap::new(), BinaryHeap::new());
    let mut total = 0;
    visit(rule, &mut |found| {
        total += found.size;
        if !busy.contains(&found.path.as_path()) {
            let oldest = if found.begun < CLOCK_SET { &mut undated } else { &mut dated };
            oldest.push(found);
            if oldest.len() > AT_ONCE {
                oldest.pop(); // the youngest of them
            }
        }
    })?;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let mut gone = Vec::new();
    for found in undated.into_sorted_vec().into_iter().chain(dated.into_sorted_vec()) {
        let age = now.saturating_sub(Duration::from_millis(found.begun));
        let dated = found.begun >= CLOCK_SET;
        let too_old = dated && !rule.keep_age.0.is_zero() && age > rule.keep_age.0;
        let too_much = rule.keep_size.0 > 0 && total > rule.keep_size.0;
        let too_full = rule.keep_free.0 > 0 && free(Path::new(&rule.path))? < rule.keep_free.0;
        if !(too_old || too_much || too_full) {
            if dated {
                break;
            }
            continue; // the next may be too old
        }
        if let Err(error) = fs::remove_file(&found.path) {
            log::warn!("{} cannot be deleted: {error}", found.path.display());
            break;
        }
        total -= found.size;
        log::info!("deleted {}, the oldest recording", found.path.display());
        gone.push(found.path);
    }
    if Shape::of(rule.format).is_segments() { listing::forget(&gone) } else { Ok(()) }
}

/// Milliseconds from 1970 to 2020: what is named by an earlier time was begun before the
/// clock of a device was set, and nobody knows how old it is.
const CLOCK_SET: u64 = 1_577_836_800_000;

/// Shows every file of the rule's streams.
pub(super) fn visit(rule: &Record, show: &mut impl FnMut(Found)) -> io::Result<()> {
    let shape = Shape::of(rule.format);
    for entry in fs::read_dir(&rule.path)? {
        let entry = entry?;
        if !shape.is_segments() {
            found(rule, shape, &entry).into_iter().for_each(&mut *show);
        } else if entry.file_name().to_str().is_some_and(|name| pattern::matches(&rule.streams, name))
            && entry.file_type()?.is_dir()
        {
            for entry in fs::read_dir(entry.path())? {
                found(rule, shape, &entry?).into_iter().for_each(&mut *show);
            }
        }
    }
    Ok(())
}

fn found(rule: &Record, shape: Shape, entry: &fs::DirEntry) -> Option<Found> {
    let name = entry.file_name();
    let begun = begun(rule, shape, name.to_str()?)?;
    let about = entry.metadata().ok().filter(fs::Metadata::is_file)?;
    Some(Found { begun, path: entry.path(), size: about.len() })
}

/// When the recording of that name began, if it is one of the rule's.
fn begun(rule: &Record, shape: Shape, name: &str) -> Option<u64> {
    let (stream, begun) = parts(shape.is_segments(), name.strip_suffix(shape.extension())?.strip_suffix('.')?)?;
    pattern::matches(&rule.streams, stream).then_some(begun * if shape.is_segments() { 1 } else { 1000 })
}

/// The stream in a file's name without its extension.
#[cfg(feature = "files")]
pub(super) fn stream_of(shape: Shape, stem: &str) -> Option<String> {
    parts(shape.is_segments(), stem).map(|(stream, _)| stream.into())
}

fn free(path: &Path) -> io::Result<u64> {
    let about = rustix::fs::statvfs(path)?;
    Ok(about.f_bavail.saturating_mul(about.f_frsize))
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
            ("flv", "cam-1700000000.flv", Some(1_700_000_000_000)),
            ("flv", "cam-1700000000-2.flv", Some(1_700_000_000_000)),
            ("flv", "cam-1-1700000000.flv", Some(1_700_000_000_000)),
            ("flv", "cam-12.flv", Some(12_000)), // a clock that was never set
            ("fmp4", "cam-1700000000.mp4", Some(1_700_000_000_000)),
            ("hls", "cam-1700000000123-7.ts", Some(1_700_000_000_123)),
            ("flv", "cam-1700000000.ts", None),
            ("flv", "door-1700000000.flv", None),
            ("flv", "cam.flv", None),
            ("flv", "cam-x.flv", None),
            ("hls", "cam-7.ts", None),
            ("hls", "record.m3u8", None),
        ];
        for (format, name, expected) in cases {
            let rule = rule(format);
            assert_eq!(begun(&rule, Shape::of(rule.format), name), expected, "{name}");
        }
    }
}
