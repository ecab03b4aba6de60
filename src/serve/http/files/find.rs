//! Files by their paths: a path is resolved as a whole, and cannot leave its folder.

use std::collections::BTreeSet;
use std::fs::{File, Metadata};
use std::future::Future;
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use crate::reactor::Timer;
use smol::future::or;

use crate::container::FORMS;
use crate::disk::{self, Lane, Opened, Use};
use crate::proto::http::Status;
use crate::wire::percent_decode;

/// The target of a path.
#[allow(clippy::large_enum_variant, reason = "it is there for a moment, once for a request")]
pub(super) enum Found {
    File {
        file: Opened,
        about: Metadata,
        mime: &'static str,
    },
    /// A folder, whose name was requested without the slash at the end.
    Folder,
}

/// The bytes of a search in one folder: its path, the job, and its result.
pub(super) const SEARCH: usize = 768;
/// The time without an answer after which the next folder is searched too.
const NEXT_AFTER: Duration = Duration::from_millis(300);
/// The depth of mount points with a queue of their own; a deeper one shares the queue of the disk around it.
const MAX_DEPTH: usize = 16;

/// Types by extension; others are plain bytes.
const MIMES: &[(&str, &str)] = &[
    ("css", "text/css; charset=utf-8"),
    ("gif", "image/gif"),
    ("html", "text/html; charset=utf-8"),
    ("ico", "image/x-icon"),
    ("jpg", "image/jpeg"),
    ("js", "text/javascript; charset=utf-8"),
    ("json", "application/json"),
    ("m3u8", "application/x-mpegurl"),
    ("m4s", "video/mp4"),
    ("png", "image/png"),
    ("svg", "image/svg+xml"),
    ("txt", "text/plain; charset=utf-8"),
    ("wasm", "application/wasm"),
];

/// The decoded items between the slashes; `None` if one could leave the folder, or names a hidden file. An empty one at
/// the end means a folder.
pub(in crate::serve::http) fn items(path: &str) -> Option<Vec<String>> {
    let all: Vec<_> = path.split('/').map(percent_decode).collect::<Option<_>>()?;
    let last = all.len().checked_sub(1)?;
    let good = |(at, item): (usize, &String)| {
        let empty = item.is_empty() && at == last;
        empty || !item.is_empty() && !item.starts_with('.') && !item.contains(['/', '\\', '\0'])
    };
    all.iter().enumerate().all(good).then_some(all)
}

/// Opens the file, or the index of the folder, in the first of the roots that has it; `refusal` if it exists but cannot
/// be opened. If a root is slow, the next is searched at the same time.
pub(super) async fn find(
    roots: Vec<PathBuf>,
    items: Arc<[String]>,
    refusal: Status,
    due: Use,
) -> Result<Found, Status> {
    let mut missing = Status::NOT_FOUND;
    let (mut roots, mut asked) = (distinct(roots).into_iter(), Vec::new());
    loop {
        match roots.next() {
            Some(root) => asked.push(look_in(root, items.clone(), due)),
            None if asked.is_empty() => return Err(missing),
            None => {}
        }
        let late = async {
            match roots.len() {
                0 => std::future::pending().await,
                _ => drop(Timer::after(NEXT_AFTER).await),
            }
            None
        };
        match or(first(&mut asked), late).await {
            None => {}
            Some(Ok(Ok(found))) => return Ok(found),
            Some(Ok(Err(error))) if [io::ErrorKind::NotFound, io::ErrorKind::NotADirectory].contains(&error.kind()) => {
            }
            // another root may have it
            Some(Ok(Err(_))) => missing = refusal,
            // it may be on this disk, or on another
            Some(Err(_)) => missing = Status::UNAVAILABLE,
        }
    }
}

fn distinct(mut roots: Vec<PathBuf>) -> Vec<PathBuf> {
    let mut seen = BTreeSet::new();
    roots.retain(|root| seen.insert(root.clone()));
    roots
}

/// The answer of a disk, or its failure.
type Look = Pin<Box<dyn Future<Output = io::Result<io::Result<Found>>> + Send>>;

fn look_in(root: PathBuf, items: Arc<[String]>, due: Use) -> Look {
    // mount points and links may be below the root
    let path = items.iter().take(MAX_DEPTH).fold(root.clone(), |path, item| path.join(item));
    Box::pin(disk::read(Lane::to(&path), due, move || Ok(find_in(&root, &items))))
}

/// The first answer to arrive.
async fn first(asked: &mut Vec<Look>) -> Option<io::Result<io::Result<Found>>> {
    std::future::poll_fn(|cx| {
        let polled = asked.iter_mut().map(|one| one.as_mut().poll(cx)).enumerate();
        let mut answered = polled.filter_map(|(at, answer)| match answer {
            Poll::Ready(answer) => Some((at, answer)),
            Poll::Pending => None,
        });
        let Some((at, answer)) = answered.next() else { return Poll::Pending };
        drop(asked.swap_remove(at));
        Poll::Ready(Some(answer))
    })
    .await
}

fn find_in(root: &Path, items: &[String]) -> io::Result<Found> {
    let root = root.canonicalize()?;
    let asked: PathBuf = items.iter().fold(root.clone(), |path, item| path.join(item));
    let mut path = asked.canonicalize()?;
    let is_folder = items.last().is_none_or(String::is_empty);
    if path.is_dir() {
        if !is_folder {
            return Ok(Found::Folder);
        }
        path = path.join("index.html").canonicalize()?;
    }
    // links may lead anywhere within the folder
    if !path.starts_with(&root) {
        return Err(io::ErrorKind::PermissionDenied.into());
    }
    // opening a device may have an effect
    if !path.metadata()?.is_file() {
        return Err(io::ErrorKind::PermissionDenied.into());
    }
    let flags = rustix::fs::OFlags::NONBLOCK | rustix::fs::OFlags::NOFOLLOW;
    let file = File::options().read(true).custom_flags(flags.bits() as i32).open(&path)?;
    let about = file.metadata()?;
    if !about.is_file() {
        return Err(io::ErrorKind::PermissionDenied.into());
    }
    let extension = path.extension().and_then(|extension| extension.to_str()).unwrap_or_default();
    let of_forms = FORMS.iter().map(|form| (form.extension, form.mime));
    let mut known = of_forms.chain(MIMES.iter().copied());
    let mime = known.find(|(known, _)| *known == extension).map_or("application/octet-stream", |(_, mime)| mime);
    Ok(Found::File { file: Opened::new(file, about.dev()), about, mime })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_that_lead_nowhere_else() {
        for path in ["", "a", "a/b.txt", "a/", "a%20b"] {
            assert!(items(path).is_some(), "{path}");
        }
        for path in
            ["..", "a/../b", "%2e%2e/x", ".hidden", "a//b", "a%2fb", "a%00", "a/.%2e/b", "a%5c..", "%zz", "./a", "/"]
        {
            assert!(items(path).is_none(), "{path}");
        }
    }

    #[test]
    fn a_folder_that_is_looked_in_takes_no_more_than_is_charged_for_it() {
        let look = look_in("/nowhere".into(), Arc::new([]), Use::Segment);
        let result = size_of::<io::Result<io::Result<Found>>>();
        assert!(size_of_val(&*look) + result + disk::JOB <= SEARCH, "{} {result}", size_of_val(&*look));
    }
}
