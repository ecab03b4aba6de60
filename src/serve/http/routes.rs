//! The routes: the one table of methods and paths.

use super::ask::Wish;
#[cfg(feature = "record")]
use super::files;
use super::live;
use super::reply::{Answer, Body, CORS, Exchange, Field, NO_CACHE, Reply};
#[cfg(feature = "rtsp")]
use super::rtsp;
use crate::conf::Config;
use crate::proto::http::{METHODS, Method, Request, Status};
use crate::serve::{hls, metrics};
use crate::session::Action;

/// A row: the handler for requests with a method and a path.
pub(super) struct Route {
    /// The method; `None` for all.
    pub(super) method: Option<Method>,
    /// A path, or with `*` at its end a prefix.
    pub(super) pattern: &'static str,
    /// Whether the path exists at present.
    pub(super) when: fn(&Config, &Request) -> bool,
    /// The longest body that is read, in bytes, up to `MAX_BODY`: a longer one is refused. With 0 any body is skipped.
    pub(super) body: usize,
    /// The object for which a request needs a leave, if the row asks for it and not its handler.
    pub(super) wish: Option<fn(&Request) -> Wish>,
    pub(super) handler: fn(Exchange) -> Answer,
}

/// The methods of a path, if it lacks the requested one; empty if there is no such path.
pub(super) struct Allow(Vec<&'static str>);

/// The routes. The first row that matches a path decides, with others of the same pattern.
pub(super) const ROUTES: &[Route] = &[
    #[cfg(feature = "rtsp")]
    Route::any("*", rtsp::accept).when(rtsp::is_asked_for),
    Route::get("/healthz", healthz),
    Route::get("/metrics", metrics::answer).asking(|_| Wish::Path(Action::Api, None)),
    #[cfg(feature = "record")]
    Route::get("/api/record/list", files::list)
        .when(|config, _| config.recording.http)
        .asking(|_| Wish::Path(Action::Api, None)),
    #[cfg(feature = "record")]
    Route::get("/record/*", files::recording)
        .when(|config, _| config.recording.http && !config.record.is_empty())
        .asking(|request| Wish::Path(Action::Read, files::stream_of(request))),
    Route::get("/hls/*", hls::answer),
    Route::get("*", live::media),
];

/// The routes of a port where every WebSocket carries RTSP.
#[cfg(feature = "rtsp")]
pub(super) const RTSP_ROUTES: &[Route] = &[Route::any("*", rtsp::accept)];

/// Request headers that scripts of other origins may send. `*` means all except Authorization, and old browsers do not
/// know it.
const ALLOWED: &str = "*, Authorization, Cache-Control, Content-Type, If-Modified-Since, If-None-Match, If-Range, \
     Pragma, Range, X-Requested-With";
/// The seconds for which a browser may cache these permissions.
const MAX_AGE: &str = "86400";

impl Route {
    /// GET, and with it HEAD.
    pub(super) const fn get(pattern: &'static str, handler: fn(Exchange) -> Answer) -> Self {
        Self { method: Some(Method::Get), pattern, when: |_, _| true, body: 0, wish: None, handler }
    }

    /// All methods.
    #[cfg(feature = "rtsp")]
    const fn any(pattern: &'static str, handler: fn(Exchange) -> Answer) -> Self {
        Self { method: None, ..Self::get(pattern, handler) }
    }

    /// The same, if `when` is true for the configuration and the request.
    #[cfg(any(feature = "rtsp", feature = "record"))]
    const fn when(self, when: fn(&Config, &Request) -> bool) -> Self {
        Self { when, ..self }
    }

    /// The same, for clients that are granted the wish.
    const fn asking(self, wish: fn(&Request) -> Wish) -> Self {
        Self { wish: Some(wish), ..self }
    }

    fn fits(&self, path: &str) -> bool {
        match self.pattern.strip_suffix('*') {
            Some(start) => path.starts_with(start),
            None => path == self.pattern,
        }
    }

    fn takes(&self, method: Method) -> bool {
        self.method.is_none_or(|own| own == method || own == Method::Get && method == Method::Head)
    }

    /// The names of its methods; empty if it accepts all.
    fn methods(&self) -> impl Iterator<Item = &'static str> {
        let taken = METHODS.iter().filter(|(method, _)| self.method.is_some() && self.takes(*method));
        taken.map(|(_, name)| *name)
    }
}

impl Allow {
    /// The answer to OPTIONS, to a method that the path lacks, and to one that no path has. RFC 9110 section 9.1.
    pub(super) fn reply(self, method: Method) -> Reply {
        if method == Method::Other {
            return Status::NOT_IMPLEMENTED.into();
        }
        if self.0.is_empty() {
            return Status::NOT_FOUND.into();
        }
        let names = [&self.0[..], &["OPTIONS"]].concat().join(", ");
        let allow: Field = ("Allow", names.clone().into());
        if method != Method::Options {
            let body = Body::Text(Status::METHOD_NOT_ALLOWED.1.into());
            return Reply::new(Status::METHOD_NOT_ALLOWED, body).with([CORS, allow]);
        }
        Reply::new(Status::NO_CONTENT, Body::Nothing).with([
            CORS,
            ("Access-Control-Allow-Methods", names.into()),
            ("Access-Control-Allow-Headers", ALLOWED.into()),
            ("Access-Control-Max-Age", MAX_AGE.into()),
            allow,
        ])
    }
}

/// The row for a request.
pub(super) fn find<'a>(routes: &'a [Route], config: &Config, request: &Request) -> Result<&'a Route, Allow> {
    let mut fitting = routes.iter().filter(|row| row.fits(&request.path) && (row.when)(config, request));
    let Some(first) = fitting.next() else { return Err(Allow(Vec::new())) };
    let rows = std::iter::once(first).chain(fitting.filter(|row| row.pattern == first.pattern));
    let row = rows.clone().find(|row| row.takes(request.method));
    row.ok_or_else(|| Allow(rows.flat_map(Route::methods).collect()))
}

fn healthz(_: Exchange) -> Answer {
    let mime = ("Content-Type", "text/plain; charset=utf-8".into());
    Reply::new(Status::OK, Body::Text("ok\n".into())).with([mime, CORS, NO_CACHE]).into()
}
