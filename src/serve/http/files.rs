//! Files over HTTP: those of a folder, and recordings. RFC 9110 sections 8.8, 13, 14.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::fs::{File, Metadata};
use std::future::Future;
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use crate::reactor::Timer;
use bytes::Bytes;
use smol::future::or;

use super::beside;
use super::hls::{Seat, cache};
use super::reply::{self, Answer, CORS, EXPOSED, Exchange, NO_CACHE, Reply, Source};
use super::resource::Resource;
use crate::budget::{Account, BlockMut, Lease, OverBudget};
use crate::container::FORMS;
use crate::disk::{self, Lane, Opened, Use};
use crate::hub::{Name, Unit};
use crate::media::Ticks;
use crate::net::Outlet;
use crate::proto::http::{Request, Status};
use crate::session::recorded_stream;
use crate::wire::percent_decode;

/// The way in which a file that is found is sent.
struct Sending {
    /// The use that it has.
    due: Use,
    /// Cache-Control.
    cache: Cow<'static, str>,
    /// The session that is told how much of it is sent.
    seat: Option<Seat>,
}

/// A file on its way out.
pub(in crate::serve) struct Body {
    file: Arc<Opened>,
    /// The use that it has.
    due: Use,
    at: u64,
    left: u64,
    outlet: Outlet,
    reading: Option<Reading>,
    account: Account,
    /// Pays for the jobs.
    _lease: Lease,
}

/// A piece that the disk is to give, and since when.
struct Reading(Pin<Box<dyn Future<Output = io::Result<Bytes>> + Send>>, Instant);

/// The target of a path.
#[allow(clippy::large_enum_variant, reason = "it is there for a moment, once for a request")]
enum Found {
    File {
        file: Opened,
        about: Metadata,
        mime: &'static str,
    },
    /// A folder, which is asked for by its name without the slash behind it.
    Folder,
}

/// The bytes of a request beside its texts: the state of its wait.
const OPENING: usize = 1 << 10;
/// The bytes of a folder that is looked in: its path, the job, and the place of its result.
const ASKED: usize = 512;
/// The longest that a list of recordings is waited for.
const LISTED: Duration = Duration::from_secs(15);
/// The most bytes that are read at once, and the fewest where others have the room.
const READ: (usize, usize) = (16 << 10, 1 << 10);
/// A download that finds no room for a piece looks again after this.
const AGAIN: Duration = Duration::from_millis(50);

/// The next folder is asked as well if one does not answer within this.
const SOON: Duration = Duration::from_millis(300);
/// A disk that is mounted deeper below a folder shares the queue of the one around it.
const DEPTH: usize = 16;
/// While a read takes longer it is looked whether the client has left.
const LATE: Duration = Duration::from_secs(1);

/// The fields that the answer goes by, be it a file or, if there is none, a stream. Others would take memory
/// while it is waited for.
const KEPT: [&str; 10] = [
    "authorization",
    "range",
    "if-range",
    "if-none-match",
    "if-modified-since",
    "upgrade",
    "sec-websocket-key",
    "sec-websocket-version",
    "sec-websocket-protocol",
    "user-agent",
];

/// By extension; what is not here is bytes.
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

/// Answers with the list of recordings.
pub(super) fn list(mut exchange: Exchange) -> Answer {
    let Ok(lease) = exchange.pay(1) else {
        return Reply::from(Status::UNAVAILABLE).into();
    };
    Answer::later(async move {
        let _lease = lease;
        let recorded = exchange.server.core.recorded.clone();
        if !recorded.has_list() {
            return Ok(Reply::from(Status::NOT_FOUND).into());
        }
        // a client that has left does not say so, and would keep others from asking
        let late = async {
            Timer::after(LISTED).await;
            None
        };
        let list = or(recorded.list(&exchange.request.query), late).await;
        let reply = list.and_then(|list| exchange.charged("application/json", &list).ok());
        Ok(reply.unwrap_or_else(unavailable).into())
    })
}

/// The stream that a file is a recording of.
pub(super) fn stream_of(request: &Request) -> Option<Name> {
    recorded_stream(&percent_decode(request.path.strip_prefix("/record/")?)?)
}

/// A file of a recording.
pub(super) fn recording(exchange: Exchange) -> Answer {
    let path = exchange.request.path.strip_prefix("/record/").unwrap_or_default().to_string();
    if stream_of(&exchange.request).is_none() {
        return Reply::from(Status::NOT_FOUND).into();
    }
    let roots = exchange.config.record.iter().map(|rule| rule.path.clone().into()).collect();
    exchange.file(roots, &path, None)
}

impl Exchange {
    /// Looks for the file that a path names in one of the folders; if there is none it may
    /// mean something else.
    pub(super) fn file(self, roots: Vec<PathBuf>, path: &str, otherwise: Option<Resource>) -> Answer {
        let is_listed = matches!(otherwise, Some(Resource::Segment(..) | Resource::Record(_)));
        let due = if is_listed { Use::Segment } else { Use::Download };
        self.look(roots, path, otherwise, Sending { due, cache: NO_CACHE.1, seat: None })
    }

    /// The same for a segment of the stream `name`.
    pub(super) fn stored_segment(self, roots: Vec<PathBuf>, path: &str, resource: Resource, name: Name) -> Answer {
        let cache = match &resource {
            Resource::Segment(..) => cache(&self.config.hls).into(),
            _ => NO_CACHE.1,
        };
        let sending = Sending { due: Use::Segment, cache, seat: Seat::of(&self, name) };
        self.look(roots, path, Some(resource), sending)
    }

    fn look(mut self, roots: Vec<PathBuf>, path: &str, otherwise: Option<Resource>, sending: Sending) -> Answer {
        let Some(items) = items(path) else {
            return Reply::from(Status::BAD_REQUEST).into();
        };
        // players give a segment up after other codes; one that is listed may be there again soon
        let refusal = match sending.due {
            Use::Segment => Status::UNAVAILABLE,
            _ => Status::FORBIDDEN,
        };
        let Ok(lease) = self.pay(roots.len()) else {
            return Reply::from(Status::UNAVAILABLE).into();
        };
        let finding = find(roots, items.into(), refusal, sending.due);
        Answer::later(async move {
            let found = finding.await;
            if let (Err(Status::NOT_FOUND), Some(resource)) = (&found, otherwise) {
                return Ok(self.resource(resource));
            }
            Ok(match found {
                Ok(Found::File { file, about, mime }) => self.found(sending, file, &about, mime, lease),
                Ok(Found::Folder) => {
                    let to = format!("{}/", beside(&self.request.path));
                    Reply::new(Status::MOVED, reply::Body::Text("".into())).with([("Location", to.into()), CORS])
                }
                Err(Status::UNAVAILABLE) => unavailable(),
                Err(status) => status.into(),
            }
            .into())
        })
    }

    /// Pays for a look into so many folders: it may have to wait for its turn, with the path and what
    /// was made of it.
    fn pay(&mut self, folders: usize) -> Result<Lease, OverBudget> {
        self.request.fields.keep(&KEPT);
        let Request { path, query, .. } = &self.request;
        let bytes = self.request.size() + 2 * (path.len() + query.len()) + OPENING + folders * ASKED;
        self.server.core.greetings.account_for(bytes).charge(bytes)
    }

    /// The answer with a file, or with the part of it that is asked for.
    fn found(&self, sending: Sending, file: Opened, about: &Metadata, mime: &'static str, lease: Lease) -> Reply {
        let Sending { due, cache, seat } = sending;
        let len = about.len();
        let etag = format!("\"{:x}-{:x}-{len:x}\"", about.mtime(), about.mtime_nsec());
        let modified = about.modified().map(httpdate::fmt_http_date).unwrap_or_default();
        let known = is_known(&self.request, &etag, about);
        let range = self.request.fields.get("range").filter(|_| is_whole(&self.request, &etag, &modified));
        let (status, at, left, told) = match range.and_then(|range| byte_range(range, len)) {
            _ if known => (Status::NOT_MODIFIED, 0, 0, None),
            Some(Ok((from, to))) => {
                (Status::PARTIAL_CONTENT, from, to + 1 - from, Some(format!("bytes {from}-{to}/{len}")))
            }
            Some(Err(())) => (Status::RANGE_NOT_SATISFIABLE, 0, 0, Some(format!("bytes */{len}"))),
            None => (Status::OK, 0, len, None),
        };
        if let Some(seat) = seat {
            seat.see(left);
        }
        let account = self.server.core.greetings.files().clone();
        let (outlet, reading) = (Outlet::default(), None);
        let body = Body { file: Arc::new(file), due, at, left, outlet, reading, account, _lease: lease };
        let body = match status {
            Status::NOT_MODIFIED => reply::Body::Nothing,
            _ => reply::Body::Source(Source::File(Box::new(body))),
        };
        Reply::new(status, body)
            .with([("ETag", etag.into()), ("Last-Modified", modified.into()), ("Accept-Ranges", "bytes".into())])
            .with([CORS, EXPOSED, ("Cache-Control", cache)])
            .with((!known).then_some(("Content-Type", mime.into())))
            .with(told.map(|told| ("Content-Range", told.into())))
    }
}

/// A disk does not give it just now.
fn unavailable() -> Reply {
    Reply::from(Status::UNAVAILABLE).retry_after(2)
}

impl Body {
    /// The bytes that are left.
    pub(super) fn len(&self) -> u64 {
        self.left
    }

    /// The bytes to be sent next; ready and empty when that was all. An error cuts the connection: the
    /// length that was promised cannot be sent.
    pub(super) fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<&mut Outlet>> {
        while self.outlet.is_empty() && self.left > 0 {
            let Self { file, due, at, left, account, .. } = self;
            let read = || Reading(Box::pin(read(file.clone(), *due, *at, *left, account.clone())), Instant::now());
            let Reading(reading, _) = self.reading.get_or_insert_with(read);
            let bytes = ready!(reading.as_mut().poll(cx))?;
            self.reading = None;
            if bytes.is_empty() {
                return Poll::Ready(Err(io::ErrorKind::UnexpectedEof.into()));
            }
            self.at += bytes.len() as u64;
            self.left -= bytes.len() as u64;
            self.outlet.fill(|units| units.push(Unit::whole(bytes, Ticks(0))));
        }
        Poll::Ready(Ok(&mut self.outlet))
    }

    /// Whether the disk takes so long that somebody may have left meanwhile.
    pub(super) fn is_late(&self) -> bool {
        self.reading.as_ref().is_some_and(|Reading(_, since)| since.elapsed() >= LATE)
    }
}

async fn read(file: Arc<Opened>, due: Use, at: u64, left: u64, account: Account) -> io::Result<Bytes> {
    loop {
        let (file, account) = (file.clone(), account.clone());
        let piece = disk::read(file.lane(), due, move || read_piece(&file, at, left, &account)).await?;
        match piece {
            Some(bytes) => return Ok(bytes),
            None => {
                Timer::after(AGAIN).await;
            }
        }
    }
}

/// A piece of the file from that place on, as long as half of the room that is left; `None` if there is none.
fn read_piece(file: &Opened, at: u64, left: u64, account: &Account) -> io::Result<Option<Bytes>> {
    let (longest, shortest) = READ;
    let most = (account.available() / 2).clamp(shortest, longest).min(usize::try_from(left).unwrap_or(longest));
    let Ok(mut block) = BlockMut::new(account, most) else { return Ok(None) };
    let mut read = Ok(0);
    block.fill_by(most, |buffer| {
        read = file.read_at(buffer, at);
        *read.as_ref().unwrap_or(&0)
    });
    read.map(|_| Some(block.freeze()))
}

/// The items between the slashes, decoded; `None` if one could lead out, or to a hidden file. An
/// empty one at the end stands for a folder.
pub(super) fn items(path: &str) -> Option<Vec<String>> {
    let all: Vec<_> = path.split('/').map(percent_decode).collect::<Option<_>>()?;
    let last = all.len().checked_sub(1)?;
    let good = |(at, item): (usize, &String)| {
        let empty = item.is_empty() && at == last;
        empty || !item.is_empty() && !item.starts_with('.') && !item.contains(['/', '\\', '\0'])
    };
    all.iter().enumerate().all(good).then_some(all)
}

/// Opens the file, or the index of the folder, in the first of the roots that has it; `refusal` if
/// it is there and cannot be had. The next root is asked beside one that takes long.
async fn find(roots: Vec<PathBuf>, items: Arc<[String]>, refusal: Status, due: Use) -> Result<Found, Status> {
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
                _ => drop(Timer::after(SOON).await),
            }
            None
        };
        match or(first(&mut asked), late).await {
            None => {}
            Some(Ok(Ok(found))) => return Ok(found),
            Some(Ok(Err(error))) if [io::ErrorKind::NotFound, io::ErrorKind::NotADirectory].contains(&error.kind()) => {
            }
            // another may have it all the same
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

/// The answer of a disk, if it gives one.
type Look = Pin<Box<dyn Future<Output = io::Result<io::Result<Found>>> + Send>>;

fn look_in(root: PathBuf, items: Arc<[String]>, due: Use) -> Look {
    // mounts and links may stand below the root
    let path = items.iter().take(DEPTH).fold(root.clone(), |path, item| path.join(item));
    Box::pin(disk::read(Lane::to(&path), due, move || Ok(find_in(&root, &items))))
}

/// The answer that is there first.
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
    // to open a device may do something
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

/// Whether the client has the file as it is. If-None-Match goes before If-Modified-Since.
fn is_known(request: &Request, etag: &str, about: &Metadata) -> bool {
    match (request.fields.get("if-none-match"), request.fields.get("if-modified-since")) {
        (Some(_), _) => {
            request.fields.items("if-none-match").any(|tag| tag == "*" || tag.strip_prefix("W/").unwrap_or(tag) == etag)
        }
        (None, Some(date)) => httpdate::parse_http_date(date).is_ok_and(|date| {
            let seconds =
                |time: std::time::SystemTime| time.duration_since(std::time::UNIX_EPOCH).unwrap_or_default().as_secs();
            about.modified().is_ok_and(|modified| seconds(modified) <= seconds(date))
        }),
        (None, None) => false,
    }
}

/// Whether the client's part is of the file as it is: If-Range.
fn is_whole(request: &Request, etag: &str, modified: &str) -> bool {
    request.fields.get("if-range").is_none_or(|has| has == etag || has == modified)
}

/// The first and last byte of one range of `len` bytes; an error if there are none. `None`
/// for what is no such range, or several: these are answered with all of the file.
fn byte_range(range: &str, len: u64) -> Option<Result<(u64, u64), ()>> {
    let (first, last) = range.strip_prefix("bytes=")?.split_once('-')?;
    let (first, last) = (first.trim(), last.trim());
    let number = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().unwrap_or(u64::MAX));
    if first.is_empty() {
        let count: u64 = number(last).filter(|_| !last.is_empty())?;
        let from = len.saturating_sub(count);
        return Some(if count == 0 || len == 0 { Err(()) } else { Ok((from, len - 1)) });
    }
    let from = number(first)?;
    let to = if last.is_empty() { u64::MAX } else { number(last)? };
    if to < from {
        return None;
    }
    Some(if from >= len { Err(()) } else { Ok((from, to.min(len - 1))) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges() {
        for (range, expected) in [
            ("bytes=0-", Some(Ok((0, 99)))),
            ("bytes=10-19", Some(Ok((10, 19)))),
            ("bytes=90-1000", Some(Ok((90, 99)))),
            ("bytes=-10", Some(Ok((90, 99)))),
            ("bytes=-1000", Some(Ok((0, 99)))),
            ("bytes=100-", Some(Err(()))),
            ("bytes=-0", Some(Err(()))),
            ("bytes=99999999999999999999999-", Some(Err(()))),
            ("bytes=9-3", None),
            ("bytes=-", None),
            ("bytes=a-b", None),
            ("bytes=0-1,3-4", None),
            ("lines=0-1", None),
        ] {
            assert_eq!(byte_range(range, 100), expected, "{range}");
        }
        assert_eq!(byte_range("bytes=0-", 0), Some(Err(())));
    }

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
}
