//! Segments on a disk: each stream has a folder, from which others may serve it as well.

use std::fs::{self, File};
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::sync::Weak;
use std::time::Duration;

use async_io::Timer;
use bytes::Bytes;
use smol::Task;

use super::super::listing::{self, Listed, name_parts};
use super::Entry;
use crate::hls::{Delete, Unstored};
use crate::hub::Name;
use crate::net::written;

/// Where a stream's segments go, and when they are deleted.
#[derive(Clone, Debug)]
pub(super) struct Folder {
    pub(super) path: PathBuf,
    pub(super) delete: Delete,
}

/// The live playlist, and what it is called until it is whole.
const PLAYLIST: &str = "playlist.m3u8";
const UNFINISHED: &str = "playlist.m3u8.new";
/// The pause before something is tried again that the disk did not take.
const PAUSE: Duration = Duration::from_secs(2);

/// Writes what a stream's window gives, until the entry is gone; but not before what was
/// `before` it is deleted.
pub(super) async fn keep(entry: Weak<Entry>, name: Name, folder: Folder, before: Option<Task<()>>) {
    if let Some(before) = before {
        before.await;
    } else if folder.delete != Delete::Never {
        // what a loss of power has left there
        clear(name.clone(), folder.clone()).await;
    }
    let mut last = Last::default();
    let mut trouble = String::new();
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
        let path = self.path.join(&next.name);
        let (blocks, _) = &next.content;
        let write = || {
            let mut file = File::create(&path)?;
            blocks.iter().try_for_each(|block| file.write_all(block))
        };
        write().inspect_err(|_| _ = fs::remove_file(&path))?;
        match &next.about {
            Some(about) if self.delete != Delete::Soon => {
                let (duration, discontinuity, map) = (about.duration, about.discontinuity, about.map.clone());
                listing::append(&path, &Listed { duration, discontinuity, map }, false)
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
            fs::write(&new, playlist)?;
            fs::rename(new, self.path.join(PLAYLIST))?;
        }
        removed
    }

    /// Deletes the segments, the lists of them, and then the folder, unless there is
    /// something else in it.
    fn clear(&self, stream: &str) -> io::Result<()> {
        let folder = match fs::read_dir(&self.path) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
            folder => folder?,
        };
        for file in folder {
            let file = file?.path();
            if is_ours(&file, stream) {
                remove(&file)?;
            }
        }
        let _ = fs::remove_dir(&self.path);
        Ok(())
    }
}

/// Whether a file is one of those that are written here.
fn is_ours(file: &Path, stream: &str) -> bool {
    let Some(name) = file.file_name().and_then(|name| name.to_str()) else { return false };
    let stem = name.rsplit_once('.').filter(|(_, end)| ["ts", "m4s", "mp4"].contains(end)).map(|(stem, _)| stem);
    let is_segment = stem.and_then(|stem| name_parts(true, stem)).is_some_and(|(name, _)| name == stream);
    is_segment || [PLAYLIST, UNFINISHED, listing::NAME].contains(&name)
}

fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}
