//! Segments on a disk: each stream has a folder, from which other programs may serve them.

use std::fs::{self, DirEntry, File};
use std::io::{self, ErrorKind, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;

use super::kept;
use super::ward::Ward;
use crate::disk;
use crate::hls::{Delete, Unstored};
use crate::listing::{self, Listed, Segments, bring_folder, name_parts};
use crate::wire::percent_decode;

/// The folder of a stream's segments, and the rule for their deletion.
#[derive(Clone, Debug)]
pub(super) struct Folder {
    pub(super) path: PathBuf,
    pub(super) delete: Delete,
    /// True if written files are synced to the disk.
    pub(super) sync: bool,
    /// Shared with the task that tidies the folder.
    pub(super) ward: Arc<Ward>,
}

/// The result of writing a file.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Written {
    /// It is in the folder.
    There,
    /// The folder had to be created again, and its files are lost.
    Nowhere,
}

/// The live playlist, and its name until it is complete.
const PLAYLIST: &str = "playlist.m3u8";
const UNFINISHED: &str = "playlist.m3u8.new";
/// The longest live playlist, in bytes.
const MAX_PLAYLIST: u64 = 1 << 20;

impl Folder {
    pub(super) fn new(path: PathBuf, delete: Delete, sync: bool) -> Self {
        Self { path, delete, sync, ward: Arc::default() }
    }

    /// Runs `work` on the thread that writes, while no other task writes the list.
    pub(super) async fn written<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Self) -> io::Result<T> + Send + 'static,
    ) -> io::Result<T> {
        let (listing, folder) = (self.ward.listing().await, self.clone());
        let work = move || {
            // the lock is held even if the caller is dropped
            let _listing = listing;
            work(&folder)
        };
        disk::write(work).await
    }

    pub(super) fn write(&self, next: &Unstored) -> io::Result<Written> {
        // the parent folder is created by the user: if it is missing, a card may be
        match fs::create_dir(&self.path) {
            Err(error) if error.kind() != ErrorKind::AlreadyExists => return Err(error),
            Err(_) => self.check()?,
            Ok(()) if self.ward.is_used() => return Ok(Written::Nowhere),
            Ok(()) => {}
        }
        if self.delete == Delete::Never {
            kept::keep(&self.path)?;
        } else if kept::is_kept(&self.path)? {
            kept::lend(&self.path, &next.name, self.delete == Delete::Soon, self.sync)?;
        }
        self.ward.note(&next.name);
        let path = self.path.join(&next.name);
        let (blocks, _) = &next.content;
        let write = || {
            let mut file = File::create(&path)?;
            blocks.iter().try_for_each(|block| file.write_all(block))?;
            // only synced segments are listed, so that a power loss leaves no gap
            if self.sync { file.sync_all().and_then(|()| bring_folder(&self.path, true)) } else { Ok(()) }
        };
        write().inspect_err(|_| _ = fs::remove_file(&path))?;
        match &next.about {
            Some(about) if self.delete != Delete::Soon => {
                let (duration, discontinuity, map) = (about.duration, about.discontinuity, about.map.clone());
                listing::append(&path, &Listed { duration, discontinuity, map }, self.sync)?;
            }
            _ => {}
        }
        Ok(Written::There)
    }

    /// Refuses a link: readers of the folder would not find the files.
    fn check(&self) -> io::Result<()> {
        match fs::symlink_metadata(&self.path)?.is_dir() {
            true => Ok(()),
            false => Err(io::Error::new(ErrorKind::NotADirectory, "it is a link, or not a folder")),
        }
    }

    /// Removes deleted segments and writes the playlist, for readers of the folder.
    pub(super) fn show(&self, playlist: Option<Bytes>, gone: &[String]) -> io::Result<()> {
        self.check()?;
        // all of them, and before the playlist: the disk may be full
        let removed = gone.iter().map(|name| remove(&self.path.join(name))).fold(Ok(()), io::Result::and);
        playlist.map_or(Ok(()), |playlist| self.put_playlist(&playlist))?;
        removed
    }

    /// Replaces the live playlist.
    fn put_playlist(&self, text: &[u8]) -> io::Result<()> {
        let new = self.path.join(UNFINISHED);
        let mut file = File::create(&new)?;
        file.write_all(text)?;
        if self.sync {
            file.sync_all()?;
        }
        fs::rename(new, self.path.join(PLAYLIST))?;
        bring_folder(&self.path, self.sync)
    }

    /// True if segments are deleted at some time.
    pub(super) fn is_cleared(&self) -> bool {
        self.delete != Delete::Never
    }

    /// Deletes the remaining segments of a stream, or lists those that can be played. Kept segments stay.
    pub(super) fn tidy(&self, stream: &str) -> io::Result<()> {
        match self.check() {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
            checked => checked?,
        }
        if !self.is_cleared() {
            return self.mend(stream);
        }
        let is_left = |file: &Path| is_segment(file, stream) && !self.ward.has(file);
        if kept::is_kept(&self.path)? {
            kept::clear(&self.path, &is_left)?;
            let _listing = self.ward.wait();
            kept::forget(&self.path, self.ward.is_used(), self.sync)?;
        } else {
            let lists = [PLAYLIST, UNFINISHED, listing::NAME, listing::OLD];
            self.unless_used(&|| lists.iter().try_for_each(|list| remove(&self.path.join(list))))?;
            // a segment that cannot be removed does not stop the rest
            let mut removed = Ok(());
            for file in fs::read_dir(&self.path)? {
                let file = file?.path();
                if is_left(&file) {
                    removed = removed.and(remove(&file));
                }
            }
            // only if it is empty
            let remove_folder = || Ok(_ = fs::remove_dir(&self.path));
            if self.unless_used(&remove_folder)? {
                return removed;
            }
            return self.mend(stream).and(removed);
        }
        self.mend(stream)
    }

    /// Lists segments that can be played, and removes missing ones from the lists.
    fn mend(&self, stream: &str) -> io::Result<()> {
        let is_ours = |path: &Path| self.ward.has(path);
        let is_empty = |path: &Path| fs::metadata(path).is_ok_and(|about| about.is_file() && about.len() == 0);
        let remove_empty = |path: &Path| !is_ours(path) && is_empty(path) && fs::remove_file(path).is_ok();
        let (folder, sync) = (&*self.path, self.sync);
        let segments = Segments { folder, stream, sync, remove_empty: &remove_empty, is_busy: &is_ours };
        let wrong = listing::look(&segments, &mut || Ok(()))?;
        let listing = self.ward.wait();
        listing::correct(&segments, wrong)?;
        drop(listing);
        self.unless_used(&|| self.mend_playlist()).map(drop)
    }

    /// Corrects the live playlist of a stream that has ended. It may name missing segments, or none, or lack its end,
    /// without which players wait for more.
    fn mend_playlist(&self) -> io::Result<()> {
        let playlist = self.path.join(PLAYLIST);
        let mut text = Vec::new();
        match File::open(&playlist) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
            file => file?.take(MAX_PLAYLIST).read_to_end(&mut text)?,
        };
        let names = std::str::from_utf8(&text).ok().filter(|text| text.starts_with("#EXTM3U"));
        let is_there = |uri: &str| percent_decode(uri).is_some_and(|name| self.path.join(name).exists());
        let mut uris = names.into_iter().flat_map(str::lines).filter(|line| !line.is_empty() && !line.starts_with('#'));
        if names.is_none() || !uris.all(is_there) {
            return remove(&playlist);
        }
        let is_ended = names.into_iter().flat_map(str::lines).any(|line| line == listing::END.trim_end());
        if is_ended || text.len() as u64 == MAX_PLAYLIST {
            return Ok(());
        }
        if !text.ends_with(b"\n") {
            text.push(b'\n');
        }
        text.extend_from_slice(listing::END.as_bytes());
        self.put_playlist(&text)
    }

    /// Does `work` unless a stream writes there; returns whether it was done.
    fn unless_used(&self, work: &dyn Fn() -> io::Result<()>) -> io::Result<bool> {
        let _listing = self.ward.wait();
        if self.ward.is_used() { Ok(false) } else { work().map(|()| true) }
    }
}

/// True if the file's name is that of a segment written here.
pub(super) fn is_segment(file: &Path, stream: &str) -> bool {
    let parts = file.file_name().and_then(|name| name.to_str()?.rsplit_once('.'));
    parts.is_some_and(|(stem, end)| {
        ["ts", "m4s", "mp4"].contains(&end) && name_parts(true, stem).is_some_and(|(name, _)| name == stream)
    })
}

/// True if a folder has a segment, or may have one because the disk gives an error.
pub(super) fn has_segment(folder: &Path, stream: &str) -> bool {
    let is_one = |file: io::Result<DirEntry>| file.map_or_else(may_be, |file| is_segment(&file.path(), stream));
    fs::read_dir(folder).map_or_else(may_be, |mut files| files.any(is_one))
}

/// True if the error leaves it open: a folder without read permission is not the server's.
fn may_be(error: io::Error) -> bool {
    !matches!(error.kind(), ErrorKind::PermissionDenied | ErrorKind::NotFound)
}

pub(super) fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_that_is_deleted_meanwhile_is_made_anew_and_that_is_told() {
        let path = std::env::temp_dir().join(format!("runnel-anew-{}", std::process::id()));
        let folder = Folder::new(path.clone(), Delete::Soon, false);
        let name = "cam-1700000000000-0.ts".to_string();
        let next =
            Unstored { name: name.clone(), content: (Arc::from([Bytes::from_static(b"a segment")]), 9), about: None };
        assert_eq!(folder.write(&next).unwrap(), Written::There);
        fs::remove_dir_all(&path).unwrap();
        assert_eq!(folder.write(&next).unwrap(), Written::Nowhere);
        assert!(!path.join(&name).exists(), "what is read before it has to be written first");
        assert_eq!(folder.write(&next).unwrap(), Written::There);
        assert_eq!(fs::read(path.join(&name)).unwrap(), b"a segment");
        fs::remove_dir_all(&path).unwrap();
    }

    #[test]
    fn a_live_playlist_that_is_left_has_an_end_and_names_only_what_is_there() {
        let path = std::env::temp_dir().join(format!("runnel-left-{}", std::process::id()));
        let folder = Folder::new(path.clone(), Delete::Never, true);
        let whole = "#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:2.000,\ncam-1700000000000-0.ts\n";
        let ended = format!("{whole}{}", listing::END);
        let cases = [
            (whole, Some(&*ended)),
            (whole.trim_end(), Some(&ended)),
            (&ended, Some(&ended)),
            ("#EXTM3U\ncam-1700000000000-1.ts\n", None),
            ("\0\0\0\0", None),
        ];
        for (left, wanted) in cases {
            fs::create_dir_all(&path).unwrap();
            fs::write(path.join("cam-1700000000000-0.ts"), "a segment").unwrap();
            fs::write(path.join(PLAYLIST), left).unwrap();
            folder.tidy("cam").unwrap();
            assert_eq!(fs::read_to_string(path.join(PLAYLIST)).ok().as_deref(), wanted, "{left}");
            fs::remove_dir_all(&path).unwrap();
        }
        // the stream that writes there ends its own list
        fs::create_dir_all(&path).unwrap();
        fs::write(path.join(PLAYLIST), whole).unwrap();
        folder.ward.note("cam-1700000000000-1.ts");
        folder.tidy("cam").unwrap();
        assert_eq!(fs::read_to_string(path.join(PLAYLIST)).unwrap(), whole);
        fs::remove_dir_all(&path).unwrap();
    }
}
