//! Segments on a disk: each stream has a folder, from which others may serve it as well.

use std::collections::BTreeSet;
use std::fs::{self, File, ReadDir};
use std::io::{self, ErrorKind, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use async_io::Timer;
use bytes::Bytes;
use smol::Task;

use super::super::listing::{self, Listed, Segments, bring_folder, name_parts};
use super::{Entry, kept};
use crate::conf::Config;
use crate::hls::{Delete, Unstored};
use crate::hub::Name;
use crate::net::{tidied, written};
use crate::wire::percent_decode;

/// Where a stream's segments go, and when they are deleted.
#[derive(Clone, Debug)]
pub(super) struct Folder {
    pub(super) path: PathBuf,
    pub(super) delete: Delete,
    /// Whether what is written is brought to the disk.
    pub(super) sync: bool,
}

/// The live playlist, and what it is called until it is whole.
const PLAYLIST: &str = "playlist.m3u8";
const UNFINISHED: &str = "playlist.m3u8.new";
/// No live playlist is longer.
const LONGEST: u64 = 1 << 20;
/// The pause before something is tried again that the disk did not take.
const PAUSE: Duration = Duration::from_secs(2);

/// The streams whose folders were mended before the rest, because they have begun; `None` once
/// all are.
pub(super) struct Mended(Mutex<Option<BTreeSet<Name>>>);

/// Writes what a stream's window gives, until the entry is gone; but not before what was
/// `before` it is deleted.
pub(super) async fn keep(
    entry: Weak<Entry>,
    name: Name,
    folder: Folder,
    before: Option<Task<()>>,
    mended: Arc<Mended>,
) {
    let mut trouble = String::new();
    if let Some(before) = before {
        before.await;
    }
    let is_ours = mended.claims(&name);
    if folder.is_cleared() {
        // what a loss of power has left there
        clear(name.clone(), folder.clone()).await;
    } else if is_ours {
        let (to, stream) = (folder.clone(), name.clone());
        let mend = move || to.check().and_then(|()| mend_stream(&to.path, stream.as_str(), to.sync));
        if let Err(error) = tidied(mend).await {
            complain_of(&folder.path, &error);
        }
    }
    let mut last = Last::default();
    loop {
        let next = std::future::poll_fn(|cx| match entry.upgrade() {
            Some(entry) => entry.poll_unstored(cx).map(Some),
            None => std::task::Poll::Ready(None),
        });
        let Some(next) = next.await else { return };
        let Some(mut next) = next else {
            // the list is to say that this is all
            let Some((playlist, gone)) = entry.upgrade().map(|entry| entry.stored(None)) else { return };
            let (told, to) = (playlist.is_some(), folder.clone());
            match written(move || to.show(playlist, &gone)).await {
                Ok(()) if told => return,
                Ok(()) => {}
                Err(error) => complain(&name, &folder, &error, &mut trouble),
            }
            Timer::after(PAUSE).await;
            continue;
        };
        let before = last.clone();
        last.join(&mut next);
        let (file, to) = (next.name.clone(), folder.clone());
        let result = written(move || to.write(&next)).await;
        let Some((playlist, gone)) = entry.upgrade().map(|entry| entry.stored(result.is_ok().then_some(&file))) else {
            return;
        };
        let (failed, to) = (result.is_err(), folder.clone());
        let shown = written(move || to.show(playlist, &gone)).await;
        match result.and(shown) {
            Ok(()) if !trouble.is_empty() => {
                log::info!("stream={name} HLS goes on at {}", folder.path.display());
                trouble.clear();
            }
            Ok(()) => {}
            Err(error) => complain(&name, &folder, &error, &mut trouble),
        }
        if failed {
            last = before;
            Timer::after(PAUSE).await;
        }
    }
}

/// What was written last: what follows it needs no mark in the list.
#[derive(Clone, Default)]
struct Last(Option<(u64, Option<String>)>);

impl Last {
    /// Marks what does not follow.
    fn join(&mut self, next: &mut Unstored) {
        let Some(about) = &mut next.about else { return };
        let follows = self.0.take().is_some_and(|(id, map)| id + 1 == about.id && map == about.map);
        about.discontinuity |= !follows;
        self.0 = Some((about.id, about.map.clone()));
    }
}

/// Whether what is written is brought to the disk.
pub(super) fn syncs(config: &Config) -> bool {
    #[cfg(feature = "record")]
    return !config.recording.sync.0.is_zero();
    #[cfg(not(feature = "record"))]
    {
        let _ = config;
        true
    }
}

/// Makes the playlists in all streams' folders what these are, after a loss of power: one
/// after the other, and those of streams that have begun are left to these.
pub(super) async fn mend(store: PathBuf, sync: bool, mended: Arc<Mended>) {
    let path = store.clone();
    let mut rest = tidied(move || fs::read_dir(path).map(Some)).await;
    while let Ok(Some(folders)) = rest {
        let mended = mended.clone();
        rest = tidied(move || mend_next(folders, sync, &mended)).await;
    }
    *mended.lock() = None;
    if let Err(error) = rest {
        complain_of(&store, &error);
    }
}

/// Mends the next folder; gives those that are left.
fn mend_next(mut folders: ReadDir, sync: bool, mended: &Mended) -> io::Result<Option<ReadDir>> {
    let Some(folder) = folders.next().transpose()? else { return Ok(None) };
    if let Some(name) = folder.file_name().to_str().and_then(|name| Name::new(name).ok())
        && folder.file_type().is_ok_and(|kind| kind.is_dir())
        && !mended.is_claimed(&name)
        && let Err(error) = mend_stream(&folder.path(), name.as_str(), sync)
    {
        // the others are mended all the same
        complain_of(&folder.path(), &error);
    }
    Ok(Some(folders))
}

fn complain_of(path: &Path, error: &io::Error) {
    if error.kind() != ErrorKind::NotFound {
        log::warn!("HLS: {}: {error}: what is there may be listed wrongly", path.display());
    }
}

impl Mended {
    /// None yet.
    pub(super) fn none() -> Arc<Self> {
        Arc::new(Self(Mutex::new(Some(BTreeSet::new()))))
    }

    /// Whether the stream's folder is for the caller to mend.
    fn claims(&self, name: &Name) -> bool {
        self.lock().as_mut().is_some_and(|claimed| claimed.insert(name.clone()))
    }

    fn is_claimed(&self, name: &Name) -> bool {
        self.lock().as_ref().is_none_or(|claimed| claimed.contains(name))
    }

    fn lock(&self) -> MutexGuard<'_, Option<BTreeSet<Name>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn mend_stream(folder: &Path, stream: &str, sync: bool) -> io::Result<()> {
    let is_empty = |path: &Path| fs::metadata(path).is_ok_and(|about| about.is_file() && about.len() == 0);
    let remove_empty = |path: &Path| is_empty(path) && fs::remove_file(path).is_ok();
    listing::mend(
        &Segments { folder, stream, sync, remove_empty: &remove_empty, is_busy: &|_| false },
        &mut || Ok(()),
    )?;
    // the live playlist of a stream that has ended may name what is gone, or nothing
    let playlist = folder.join(PLAYLIST);
    let mut text = Vec::new();
    match File::open(&playlist) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        file => file?.take(LONGEST).read_to_end(&mut text)?,
    };
    let names = std::str::from_utf8(&text).ok().filter(|text| text.starts_with("#EXTM3U"));
    let is_there = |uri: &str| percent_decode(uri).is_some_and(|name| folder.join(name).exists());
    let mut uris = names.into_iter().flat_map(str::lines).filter(|line| !line.is_empty() && !line.starts_with('#'));
    if names.is_none() || !uris.all(is_there) { remove(&playlist) } else { Ok(()) }
}

/// Deletes what there is of a stream.
pub(super) async fn clear(name: Name, folder: Folder) {
    let path = folder.path.clone();
    let stream = name.clone();
    // behind what is being written there; but others do not wait for all that is to go
    let behind = written(|| Ok(())).await;
    let cleared = tidied(move || folder.clear(stream.as_str())).await;
    if let Err(error) = behind.and(cleared) {
        log::warn!("stream={name} HLS: {}: {error}: something of it is left", path.display());
    }
}

fn complain(name: &Name, folder: &Folder, error: &io::Error, trouble: &mut String) {
    let words = error.to_string();
    if *trouble != words {
        log::error!("stream={name} HLS: {}: {words}: segments stay in memory", folder.path.display());
        *trouble = words;
    }
}

impl Folder {
    fn write(&self, next: &Unstored) -> io::Result<()> {
        // the folder of all streams is the user's to make: what is missing may be a card
        match fs::create_dir(&self.path) {
            Err(error) if error.kind() != ErrorKind::AlreadyExists => return Err(error),
            Err(_) => self.check()?,
            Ok(()) => {}
        }
        if self.delete == Delete::Never {
            kept::keep(&self.path)?;
        } else if kept::is_kept(&self.path)? {
            kept::lend(&self.path, &next.name, self.delete == Delete::Soon, self.sync)?;
        }
        let path = self.path.join(&next.name);
        let (blocks, _) = &next.content;
        let write = || {
            let mut file = File::create(&path)?;
            blocks.iter().try_for_each(|block| file.write_all(block))?;
            // nothing is listed that a loss of power could take
            if self.sync { file.sync_all().and_then(|()| bring_folder(&self.path, true)) } else { Ok(()) }
        };
        write().inspect_err(|_| _ = fs::remove_file(&path))?;
        match &next.about {
            Some(about) if self.delete != Delete::Soon => {
                let (duration, discontinuity, map) = (about.duration, about.discontinuity, about.map.clone());
                listing::append(&path, &Listed { duration, discontinuity, map }, self.sync)
            }
            _ => Ok(()),
        }
    }

    /// A link is not followed: nobody would get from it what is written.
    fn check(&self) -> io::Result<()> {
        match fs::symlink_metadata(&self.path)?.is_dir() {
            true => Ok(()),
            false => Err(io::Error::new(ErrorKind::NotADirectory, "it is a link, or no folder")),
        }
    }

    /// Tells those who read the folder what is there now.
    fn show(&self, playlist: Option<Bytes>, gone: &[String]) -> io::Result<()> {
        self.check()?;
        // each of them, and first of all: the disk may be full
        let removed = gone.iter().map(|name| remove(&self.path.join(name))).fold(Ok(()), io::Result::and);
        if let Some(playlist) = playlist {
            let new = self.path.join(UNFINISHED);
            let mut file = File::create(&new)?;
            file.write_all(&playlist)?;
            if self.sync {
                file.sync_all()?;
            }
            fs::rename(new, self.path.join(PLAYLIST))?;
            bring_folder(&self.path, self.sync)?;
        }
        removed
    }

    /// Whether segments are deleted in the end.
    pub(super) fn is_cleared(&self) -> bool {
        self.delete != Delete::Never
    }

    /// Deletes the segments, the lists of them, and then the folder, unless there is
    /// something else in it. What is kept stays, and is listed.
    fn clear(&self, stream: &str) -> io::Result<()> {
        match self.check() {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
            checked => checked?,
        }
        if kept::is_kept(&self.path)? {
            kept::clear(&self.path, stream)?;
            return mend_stream(&self.path, stream, self.sync);
        }
        for file in fs::read_dir(&self.path)? {
            let file = file?.path();
            if is_segment(&file, stream) || is_list(&file) {
                remove(&file)?;
            }
        }
        let _ = fs::remove_dir(&self.path);
        Ok(())
    }
}

/// Whether a file has the name of a segment that is written here.
pub(super) fn is_segment(file: &Path, stream: &str) -> bool {
    let parts = file.file_name().and_then(|name| name.to_str()?.rsplit_once('.'));
    parts.is_some_and(|(stem, end)| {
        ["ts", "m4s", "mp4"].contains(&end) && name_parts(true, stem).is_some_and(|(name, _)| name == stream)
    })
}

/// Whether a file is a list of them.
fn is_list(file: &Path) -> bool {
    let name = file.file_name().and_then(|name| name.to_str());
    name.is_some_and(|name| [PLAYLIST, UNFINISHED, listing::NAME, listing::OLD].contains(&name))
}

pub(super) fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}
