//! Files over HTTP: those of a folder, and recordings.

mod body;
mod conditions;
mod find;

use std::borrow::Cow;
use std::future::Future;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use smol::future::or;

use super::ask::Wish;
use super::beside;
use super::reply::{self, Answer, CORS, EXPOSED, Exchange, NO_CACHE, Otherwise, Reply, Source};
use crate::budget::Key::Count;
use crate::budget::{Lease, OverBudget};
use crate::conf::Cost;
use crate::disk::Use;
use crate::hub::Name;
use crate::net::Close;
use crate::proto::http::{Method, Request, Status};
use crate::reactor::Timer;
use crate::serve::hls::Listener;
use crate::session::{Leave, recorded_stream};
use crate::wire::percent_decode;
pub(super) use body::Body;
use conditions::Extract;
pub(super) use find::items;
use find::{Found, LOOK, find};

/// The places where a file is looked for, and how it is sent.
pub(in crate::serve) struct Lookup {
    /// The folders, of which the first that has it gives it.
    pub roots: Vec<PathBuf>,
    /// The use that it has.
    pub due: Use,
    /// Cache-Control.
    pub cache: Cow<'static, str>,
    /// The session that is told how much of it is sent.
    pub listener: Option<Listener>,
    /// A player of HLS that is let in, and begins its session if there is a file.
    pub begins: Option<Leave>,
}

/// Requests while their files are looked for, each with the hole that it leaves in the heap: measured on x86-64 with
/// glibc.
pub(crate) static REQUESTS: Cost = Cost {
    what: "requests for files",
    keys: &[Count("connections.spare")],
    count: |all| if all.serves_files() { all.max_connections() } else { 0 },
    user: |_| 1 << 10,
    kernel: |_| 0,
};

/// The longest that a list of recordings is waited for.
const LISTED: Duration = Duration::from_secs(15);
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
    // a client that has left does not say so, and would keep others from asking
    let late = async {
        Timer::after(LISTED).await;
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
    /// A file that somebody downloads.
    fn download(roots: Vec<PathBuf>) -> Self {
        Self { roots, due: Use::Download, cache: NO_CACHE.1, listener: None, begins: None }
    }
}

impl Exchange {
    /// The file of that path below `http.root`, if there is one, or a refusal.
    pub(in crate::serve) fn rooted_or(self, refusal: Status) -> Answer {
        if self.config.http.root.is_empty() { Reply::from(refusal).into() } else { self.in_root(None) }
    }

    /// The file of that path below `http.root`, if there is one, or something else.
    pub(super) fn rooted(self, otherwise: Otherwise) -> Answer {
        if self.config.http.root.is_empty() { otherwise(self) } else { self.in_root(Some(otherwise)) }
    }

    fn in_root(self, otherwise: Option<Otherwise>) -> Answer {
        self.decide(Wish::File(None), |exchange, leave| match (leave, otherwise) {
            (Ok(_), otherwise) => {
                let root = exchange.config.http.root.clone().into();
                let path = exchange.request.path.clone();
                exchange.look(path.strip_prefix('/').unwrap_or(&path), Lookup::download(vec![root]), otherwise)
            }
            // a client that has shown nothing yet is to be asked
            (Err(why), _) if why.challenges().next().is_some() => exchange.turn_down(why),
            // what may not be read may be a stream
            (Err(_), Some(otherwise)) => otherwise(exchange),
            (Err(why), None) => exchange.turn_down(why),
        })
    }

    /// Looks for the file that a path names; if there is none it may mean something else.
    pub(in crate::serve) fn look(mut self, path: &str, lookup: Lookup, otherwise: Option<Otherwise>) -> Answer {
        let Some(items) = items(path) else {
            return Reply::from(Status::BAD_REQUEST).into();
        };
        let Ok(lease) = self.pay(size_of_future(open), lookup.roots.len()) else {
            return Reply::from(Status::UNAVAILABLE).into();
        };
        Answer::later(open((self, items.into(), lookup, otherwise, lease)))
    }

    /// Pays for a future of so many bytes and a look into so many folders: it may have to wait for its turn, with
    /// the path and what was made of it.
    fn pay(&mut self, future: usize, folders: usize) -> Result<Lease, OverBudget> {
        self.request.fields.keep(&KEPT);
        let Request { path, query, .. } = &self.request;
        let bytes = self.request.size() + 2 * (path.len() + query.len()) + future + folders * LOOK;
        self.server.core.greetings.account_for(bytes).charge(bytes)
    }
}

/// The answer with a file, once a disk has it.
async fn open(
    (exchange, items, lookup, otherwise, lease): (Exchange, Arc<[String]>, Lookup, Option<Otherwise>, Lease),
) -> Result<Answer, Close> {
    let Lookup { roots, due, cache, listener, begins } = lookup;
    // players give a segment up after other codes; one that is listed may be there again soon
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

/// The bytes of the future that a function gives.
fn size_of_future<A, F: Future>(_: impl FnOnce(A) -> F) -> usize {
    size_of::<F>()
}

impl Extract {
    /// The answer with those bytes.
    fn reply(self, body: Body, mime: &'static str, cache: Cow<'static, str>) -> Reply {
        let Self { status, told, etag, modified, .. } = self;
        let is_sent = status != Status::NOT_MODIFIED;
        let body = if is_sent { reply::Body::Source(Source::File(Box::new(body))) } else { reply::Body::Nothing };
        Reply::new(status, body)
            .with([("ETag", etag.into()), ("Last-Modified", modified.into()), ("Accept-Ranges", "bytes".into())])
            .with([CORS, EXPOSED, ("Cache-Control", cache)])
            .with(is_sent.then_some(("Content-Type", mime.into())))
            .with(told.map(|told| ("Content-Range", told.into())))
    }
}

/// A disk does not give it just now.
fn unavailable() -> Reply {
    Reply::from(Status::UNAVAILABLE).retry_after(2)
}
