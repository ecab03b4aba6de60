//! Files over HTTP: those of a folder, and recordings.

mod body;
mod conditions;
#[cfg(feature = "api")]
mod disks;
mod find;

use std::borrow::Cow;
use std::future::Future;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use smol::future::or;

use super::ask::Wish;
use super::beside;
use super::reply::{self, Answer, CORS, EXPOSED, Exchange, NO_CACHE, Otherwise, Reply};
use crate::budget::Key::Count;
use crate::budget::{Lease, OverBudget};
use crate::conf::Cost;
use crate::disk::Use;
use crate::hub::Name;
use crate::net::Close;
use crate::proto::http::{Method, Request, Status};
use crate::reactor::Timer;
use crate::serve::hls::Listener;
use crate::session::{Action, Leave, recorded_stream};
use crate::wire::percent_decode;
pub(super) use body::Body;
use conditions::Extract;
pub(super) use find::items;
use find::{Found, SEARCH, find};

/// The folders to search for a file, and the properties of the answer.
pub(in crate::serve) struct Lookup {
    /// The folders, in order: the first that has the file is used.
    pub roots: Vec<PathBuf>,
    /// The use of the file.
    pub due: Use,
    /// Cache-Control.
    pub cache: Cow<'static, str>,
    /// The session that counts the bytes sent.
    pub listener: Option<Listener>,
    /// The leave of a player of HLS whose session begins if the file exists.
    pub begins: Option<Leave>,
}

/// Requests that wait for files, each with the gap that it leaves in the heap: measured on x86-64 with glibc.
pub(crate) static REQUESTS: Cost = Cost {
    what: "requests for files",
    keys: &[Count("connections.spare")],
    count: |all| if all.serves_files() { all.max_connections() } else { 0 },
    user: |_| 1 << 10,
    kernel: |_| 0,
};

/// The longest wait for the list of recordings.
const MAX_LIST_WAIT: Duration = Duration::from_secs(15);
/// The fields that the answer depends on, for a file or, if there is none, a stream. Others would take memory during
/// the wait.
const USED_FIELDS: [&str; 11] = [
    "authorization",
    "origin",
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

/// Answers with the list of recordings.
pub(super) fn list(mut exchange: Exchange) -> Answer {
    match exchange.pay(size_of_future(listed), 1) {
        Ok(lease) => Answer::later(listed((exchange, lease))),
        Err(_) => Reply::from(Status::UNAVAILABLE).into(),
    }
}

async fn listed((exchange, _lease): (Exchange, Lease)) -> Result<Answer, Close> {
    let recorded = exchange.server.core.recorded.clone();
    if !recorded.has_list() {
        return Ok(Reply::from(Status::NOT_FOUND).into());
    }
    // a client that has left cannot be noticed here, and would block others
    let late = async {
        Timer::after(MAX_LIST_WAIT).await;
        None
    };
    let list = or(recorded.list(&exchange.request.query), late).await;
    let reply = list.and_then(|list| exchange.charged("application/json", &list).ok());
    Ok(reply.unwrap_or_else(unavailable).into())
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
    exchange.look(&path, Lookup::download(roots), None)
}

impl Lookup {
    /// A file for download.
    fn download(roots: Vec<PathBuf>) -> Self {
        Self { roots, due: Use::Download, cache: NO_CACHE.1, listener: None, begins: None }
    }
}

impl Exchange {
    /// The file of that path below `http.root`, if there is one, or a refusal.
    pub(in crate::serve) fn rooted_or(self, refusal: Status) -> Answer {
        if self.config.http.root.is_empty() { Reply::from(refusal).into() } else { self.in_root(None) }
    }

    /// The file of that path below `http.root`, if there is one, or another answer.
    pub(super) fn rooted(self, otherwise: Otherwise) -> Answer {
        if self.config.http.root.is_empty() { otherwise(self) } else { self.in_root(Some(otherwise)) }
    }

    fn in_root(self, otherwise: Option<Otherwise>) -> Answer {
        self.decide(Wish::Path(Action::Read, None), |exchange, leave| match (leave, otherwise) {
            (Ok(_), otherwise) => {
                let root = exchange.config.http.root.clone().into();
                let path = exchange.request.path.clone();
                exchange.look(path.strip_prefix('/').unwrap_or(&path), Lookup::download(vec![root]), otherwise)
            }
            // a client without credentials is asked for them
            (Err(why), _) if why.challenges().next().is_some() => exchange.turn_down(why),
            // a path that may not be read may be a stream
            (Err(_), Some(otherwise)) => otherwise(exchange),
            (Err(why), None) => exchange.turn_down(why),
        })
    }

    /// Searches the file of a path; if there is none, `otherwise` answers.
    pub(in crate::serve) fn look(mut self, path: &str, lookup: Lookup, otherwise: Option<Otherwise>) -> Answer {
        let Some(items) = items(path) else {
            return Reply::from(Status::BAD_REQUEST).into();
        };
        let Ok(lease) = self.pay(size_of_future(open), lookup.roots.len()) else {
            return Reply::from(Status::UNAVAILABLE).into();
        };
        Answer::later(open((self, items.into(), lookup, otherwise, lease)))
    }

    /// Charges a future of that size and searches in that number of folders: the request may have to wait, with its
    /// path and what was made of it.
    fn pay(&mut self, future: usize, folders: usize) -> Result<Lease, OverBudget> {
        self.request.fields.keep(&USED_FIELDS);
        let Request { path, query, .. } = &self.request;
        let bytes = self.request.size() + 2 * (path.len() + query.len()) + future + folders * SEARCH;
        self.server.core.greetings.account_for(bytes).charge(bytes)
    }
}

/// The answer with a file, once a disk has opened it.
async fn open(
    (exchange, items, lookup, otherwise, lease): (Exchange, Arc<[String]>, Lookup, Option<Otherwise>, Lease),
) -> Result<Answer, Close> {
    let Lookup { roots, due, cache, listener, begins } = lookup;
    // players give up a segment after other codes; a listed one may return soon
    let refusal = match due {
        Use::Segment => Status::UNAVAILABLE,
        _ => Status::FORBIDDEN,
    };
    let found = find(roots, items, refusal, due).await;
    Ok(match (found, otherwise, begins) {
        (Err(Status::NOT_FOUND), Some(otherwise), begins) => {
            otherwise(Exchange { leave: begins.or(exchange.leave), ..exchange })
        }
        (Ok(Found::File { .. }), _, Some(leave)) => exchange.seat_in_path(leave),
        (Ok(Found::File { file, about, mime }), ..) => {
            let extract = Extract::of(&exchange.request, &about);
            if let Some(listener) = listener {
                let is_sent = exchange.request.method != Method::Head;
                listener.see(if is_sent { extract.range.1 } else { 0 });
            }
            let account = exchange.server.core.greetings.files().clone();
            let body = Body::new(file, due, extract.range, account, lease);
            extract.reply(body, mime, cache).into()
        }
        (Ok(Found::Folder), ..) => {
            let to = format!("{}/", beside(&exchange.request.path));
            Reply::new(Status::MOVED, reply::Body::Text("".into())).with([("Location", to.into()), CORS]).into()
        }
        (Err(Status::UNAVAILABLE), ..) => unavailable().into(),
        (Err(status), ..) => Reply::from(status).into(),
    })
}

/// The bytes of the future that a function returns.
fn size_of_future<A, F: Future>(_: impl FnOnce(A) -> F) -> usize {
    size_of::<F>()
}

impl Extract {
    /// The answer with those bytes.
    fn reply(self, body: Body, mime: &'static str, cache: Cow<'static, str>) -> Reply {
        let Self { status, told, etag, modified, .. } = self;
        let is_sent = status != Status::NOT_MODIFIED;
        let body = if is_sent { reply::Body::Stream(body.into()) } else { reply::Body::Nothing };
        Reply::new(status, body)
            .with([("ETag", etag.into()), ("Last-Modified", modified.into()), ("Accept-Ranges", "bytes".into())])
            .with([CORS, EXPOSED, ("Cache-Control", cache)])
            .with(is_sent.then_some(("Content-Type", mime.into())))
            .with(told.map(|told| ("Content-Range", told.into())))
    }
}

/// The refusal if a disk does not respond.
fn unavailable() -> Reply {
    Reply::from(Status::UNAVAILABLE).retry_after(2)
}
