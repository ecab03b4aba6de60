//! Segments on a disk: each stream has a folder, from which others may serve it as well.

use std::fs::{self, File};
use std::io::{self, ErrorKind, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use async_io::Timer;
use bytes::Bytes;
use smol::Task;

use super::super::listing::{self, Listed, Segments, bring_folder, name_parts};
use super::Entry;
use crate::conf::Config;
use crate::hls::{Delete, Unstored};
use crate::hub::Name;
use crate::net::written;
use crate::wire::percent_decode;

/// Where a stream's segments go, and when they are deleted.
#[derive(Clone, Debug)]
pub(super) struct Folder {
    pub(super) path: PathBuf,
    pub(super) delete: Delete,
    /// Whether what is written is brought to the disk.
    pub(super) sync: bool,
    /// The time of the last segment that is kept for good, if any are.
    pub(super) kept: Arc<Mutex<Option<u64>>>,
}

/// The live playlist, and what it is called until it is whole.
const PLAYLIST: &str = "playlist.m3u8";
const UNFINISHED: &str = "playlist.m3u8.new";
/// What stands in a folder whose segments are kept for good, whatever the configuration says of
/// those that come later.
const KEPT: &str = ".kept";
/// No live playlist is longer.
const LONGEST: u64 = 1 << 20;
/// The pause before something is tried again that the disk did not take.
const PAUSE: Duration = Duration::from_secs(2);

/// Writes what a stream's window gives, until the entry is gone; but not before what was
/// `before` it is deleted.
pub(super) async fn keep(entry: Weak<Entry>, name: Name, folder: Folder, before: Option<Task<()>>) {
    let mut trouble = String::new();
    if let Some(before) = before {
        before.await;
    }
    if folder.is_cleared() {
        let (to, stream) = (folder.clone(), name.clone());
        match written(move || to.find_kept(stream.as_str())).await {
            Ok(()) => {}
            Err(error) => complain(&name, &folder, &error, &mut trouble),
        }
        // what a loss of power has left there
        clear(name.clone(), folder.clone()).await;
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

/// Makes the playlists in all streams' folders what these are, after a loss of power.
pub(super) async fn mend(store: PathBuf, sync: bool) {
    let path = store.clone();
    let mended = written(move || {
        for entry in fs::read_dir(&path)? {
            let entry = entry?;
            if let Some(name) = entry.file_name().to_str().and_then(|name| Name::new(name).ok())
                && entry.file_type()?.is_dir()
            {
                mend_stream(&entry.path(), name.as_str(), sync)?;
            }
        }
        Ok(())
    });
    match mended.await {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            log::warn!("HLS: {}: {error}: what is there may be listed wrongly", store.display());
        }
        _ => {}
    }
}

fn mend_stream(folder: &Path, stream: &str, sync: bool) -> io::Result<()> {
    let is_empty = |path: &Path| fs::metadata(path).is_ok_and(|about| about.is_file() && about.len() == 0);
    let remove_empty = |path: &Path| is_empty(path) && fs::remove_file(path).is_ok();
    listing::mend(&Segments { folder, stream, sync, remove_empty: &remove_empty, is_busy: &|_| false })?;
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
    if let Err(error) = written(move || folder.clear(stream.as_str())).await {
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
            _ => {}
        }
        if self.delete == Delete::Never {
            File::options().write(true).create(true).truncate(false).open(self.path.join(KEPT))?;
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

    /// Tells those who read the folder what is there now.
    fn show(&self, playlist: Option<Bytes>, gone: &[String]) -> io::Result<()> {
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

    /// Finds what is kept for good: all that is there, if it was begun so.
    fn find_kept(&self, stream: &str) -> io::Result<()> {
        if self.path.join(KEPT).try_exists()? {
            let mut last = 0;
            for file in fs::read_dir(&self.path)? {
                last = segment_time(&file?.path(), stream).unwrap_or(0).max(last);
            }
            *self.kept.lock().unwrap_or_else(PoisonError::into_inner) = Some(last);
        }
        Ok(())
    }

    /// Deletes the segments, the lists of them, and then the folder, unless there is
    /// something else in it. What is kept stays, and is listed.
    fn clear(&self, stream: &str) -> io::Result<()> {
        let folder = match fs::read_dir(&self.path) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
            folder => folder?,
        };
        let kept = *self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        for file in folder {
            let file = file?.path();
            let is_over = match segment_time(&file, stream) {
                Some(time) => kept.is_none_or(|kept| time > kept),
                None => kept.is_none() && is_list(&file),
            };
            if is_over {
                remove(&file)?;
            }
        }
        if kept.is_some() {
            return mend_stream(&self.path, stream, self.sync);
        }
        let _ = fs::remove_dir(&self.path);
        Ok(())
    }
}

/// When a segment began, in milliseconds, if it is one that is written here.
fn segment_time(file: &Path, stream: &str) -> Option<u64> {
    let (stem, end) = file.file_name()?.to_str()?.rsplit_once('.')?;
    let (name, time) = name_parts(true, stem).filter(|_| ["ts", "m4s", "mp4"].contains(&end))?;
    (name == stream).then_some(time)
}

/// Whether a file is a list of them.
fn is_list(file: &Path) -> bool {
    let name = file.file_name().and_then(|name| name.to_str());
    name.is_some_and(|name| [PLAYLIST, UNFINISHED, listing::NAME].contains(&name))
}

fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}
