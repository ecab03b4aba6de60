//! Deletes recordings on request, never one that is being written. The index and the playlist no longer name them
//! afterwards.

use std::collections::BTreeSet;
use std::io;
use std::path::PathBuf;

use rustix::fs::{AtFlags, CWD, Mode, OFlags, openat, unlinkat};
use rustix::io::Errno;

use super::folder::{Folder, Known};
use super::list::each;
use crate::hub::Name;
use crate::listing;
use crate::session::{Doomed, Found, Kept};

/// The most recordings that are deleted at once.
const MAX_DELETED: usize = 256;

/// Deletes recordings of a stream from a folder. Gives their number, and why others were kept.
pub(super) fn remove(folder: &Folder, stream: &Name, doomed: &Doomed) -> Found {
    let mut names = Vec::new();
    each(folder, &mut |name, _| {
        let is_doomed = |known: &Known<'_>| match doomed {
            Doomed::File(file) => name.rsplit('/').next() == Some(file),
            Doomed::At(time) => known.begun == *time,
            Doomed::Before(time) => known.begun < *time,
        };
        let known = folder.known(name).filter(|known| known.stream == stream.as_str());
        if names.len() <= MAX_DELETED && known.is_some_and(|known| is_doomed(&known)) {
            names.push(name.to_string());
        }
    });
    let has_more = names.len() > MAX_DELETED;
    names.truncate(MAX_DELETED);
    let (mut gone, mut kept) = (BTreeSet::new(), None);
    for name in names {
        match unlink(folder, &name) {
            Ok(()) => _ = gone.insert(name),
            // all older than a time are asked for, and this one is not complete
            Err(Kept::Busy) if matches!(doomed, Doomed::Before(_)) => {}
            Err(why) => {
                kept = Some(why);
                break;
            }
        }
    }
    if let Err(error) = forget(folder, &gone) {
        log::warn!("{}: deleted recordings are listed until the folder is looked at: {error}", folder.path().display());
    }
    Found { total: gone.len(), kept: kept.or(has_more.then_some(Kept::More)), ..Found::default() }
}

/// Deletes a file below the folder; what leads out of it by a link is none. One that is gone counts as deleted.
fn unlink(folder: &Folder, name: &str) -> Result<(), Kept> {
    let busy = folder.busy.lock();
    if busy.contains(&folder.path().join(name)) {
        return Err(Kept::Busy);
    }
    let flags = OFlags::DIRECTORY | OFlags::CLOEXEC | OFlags::RDONLY;
    let unlinked = openat(CWD, folder.path(), flags, Mode::empty()).and_then(|root| match name.split_once('/') {
        None => unlinkat(&root, name, AtFlags::empty()),
        Some((stream, file)) => {
            let inner = openat(&root, stream, flags | OFlags::NOFOLLOW, Mode::empty())?;
            unlinkat(&inner, file, AtFlags::empty())
        }
    });
    drop(busy);
    match unlinked {
        Ok(()) | Err(Errno::NOENT) => Ok(()),
        Err(error) => Err(Kept::Failed(io::Error::from(error).to_string())),
    }
}

/// Takes deleted files out of the index and of playlists.
fn forget(folder: &Folder, gone: &BTreeSet<String>) -> io::Result<()> {
    if gone.is_empty() {
        return Ok(());
    }
    if folder.index.is_usable() {
        folder.index.mark(&|name| gone.contains(name))?;
    }
    let segments: Vec<PathBuf> =
        gone.iter().filter(|name| name.contains('/')).map(|name| folder.path().join(name)).collect();
    if segments.is_empty() { Ok(()) } else { listing::forget(&segments, folder.index.syncs()) }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::sync::Arc;

    use super::super::folder::{Busy, Home};
    use super::super::index::State;
    use super::super::scratch::Scratch;
    use super::*;
    use crate::conf::Config;

    fn folder(scratch: &Scratch, format: &str) -> Folder {
        let path = scratch.0.display();
        let text = format!("profile = \"box\"\n[[record]]\nstreams = \"c*\"\npath = \"{path}\"\nformat = {format:?}\n");
        let rules: Vec<_> = Config::parse("test", &text).unwrap().record.into_iter().map(Arc::new).collect();
        Folder::new(&Home::at(&scratch.0), &rules, false, Busy::default())
    }

    fn add(folder: &Folder, name: &str) {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, b"media").unwrap();
        folder.index.add(State::Whole, 5, name).unwrap();
    }

    fn listed(folder: &Folder) -> Vec<String> {
        let mut names = Vec::new();
        each(folder, &mut |name, _| names.push(name.into()));
        names
    }

    fn deleted(folder: &Folder, stream: &str, doomed: &Doomed) -> (usize, Option<Kept>) {
        let found = remove(folder, &Name::new(stream).unwrap(), doomed);
        (found.total, found.kept)
    }

    #[test]
    fn a_file_of_the_stream_goes_with_its_line_and_no_other() {
        let scratch = Scratch::new();
        let folder = folder(&scratch, "flv");
        for name in ["cam-1700000000", "cam-1700000005", "cam-1700000010", "cam-1700000020", "car-1700000000"] {
            let name = &format!("{name}.flv");
            add(&folder, name);
        }
        fs::write(scratch.0.join("cam-secret.txt"), b"mine").unwrap();
        fs::write(scratch.0.join(".cam-1700000000.flv"), b"mine").unwrap();
        for wrong in ["car-1700000000.flv", "cam-secret.txt", "", "..", ".", "../cam-1700000000.flv", "/etc/passwd"] {
            assert_eq!(deleted(&folder, "cam", &Doomed::File(wrong.into())), (0, None), "{wrong}");
        }
        let busy = scratch.0.join("cam-1700000010.flv");
        folder.busy.lock().push(busy.clone());
        let one = |name: &str| Doomed::File(name.into());
        assert_eq!(deleted(&folder, "cam", &one("cam-1700000010.flv")), (0, Some(Kept::Busy)));
        assert_eq!(deleted(&folder, "cam", &one("cam-1700000000.flv")), (1, None));
        assert_eq!(deleted(&folder, "cam", &Doomed::At(1_700_000_010_000)), (0, Some(Kept::Busy)));
        assert_eq!(deleted(&folder, "cam", &Doomed::At(1_700_000_005_000)), (1, None));
        assert_eq!(deleted(&folder, "cam", &Doomed::At(1_700_000_005_000)), (0, None));
        assert_eq!(deleted(&folder, "cam", &Doomed::Before(1_700_000_020_000)), (0, None));
        folder.busy.free(&busy);
        assert_eq!(deleted(&folder, "cam", &Doomed::Before(1_700_000_020_000)), (1, None));
        assert_eq!(listed(&folder), ["cam-1700000020.flv", "car-1700000000.flv"]);
        assert!(!busy.exists() && scratch.0.join("cam-secret.txt").exists());
    }

    #[test]
    fn a_link_to_another_folder_is_not_followed() {
        let (scratch, elsewhere) = (Scratch::new(), Scratch::new());
        let folder = folder(&scratch, "hls");
        let victim = elsewhere.0.join("cam-1700000000123-0.ts");
        fs::write(&victim, b"mine").unwrap();
        std::os::unix::fs::symlink(&elsewhere.0, scratch.0.join("cam")).unwrap();
        folder.index.add(State::Whole, 4, "cam/cam-1700000000123-0.ts").unwrap();
        let (total, kept) = deleted(&folder, "cam", &Doomed::Before(u64::MAX));
        assert!(total == 0 && matches!(kept, Some(Kept::Failed(_))), "{kept:?}");
        assert!(victim.exists());
    }

    #[test]
    fn so_many_go_at_once_and_the_rest_is_told_of() {
        let scratch = Scratch::new();
        let folder = folder(&scratch, "flv");
        (0..MAX_DELETED + 3).for_each(|at| add(&folder, &format!("cam-{}.flv", 1_700_000_000 + at)));
        assert_eq!(deleted(&folder, "cam", &Doomed::Before(u64::MAX)), (MAX_DELETED, Some(Kept::More)));
        assert_eq!(deleted(&folder, "cam", &Doomed::Before(u64::MAX)), (3, None));
        assert_eq!(listed(&folder), [""; 0]);
    }
}
