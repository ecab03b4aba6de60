//! The routes: the one table of methods and paths.

use super::ask::Wish;
#[cfg(feature = "record")]
use super::files;
use super::guard;
use super::live;
use super::reply::{Answer, Body, CORS, Exchange, Field, NO_CACHE, Reply};
#[cfg(feature = "rtsp")]
use super::rtsp;
use crate::conf::Config;
use crate::proto::http::{METHODS, Method, Request, Status};
#[cfg(feature = "api")]
use crate::serve::api::{lal, mediamtx as mtx, pulls, v1};
use crate::serve::{hls, metrics};
use crate::session::Action;

/// A row: the handler for requests with a method and a path.
pub(super) struct Route {
    /// The method; `None` for all.
    pub(super) method: Option<Method>,
    /// A path, or with `*` at its end a prefix.
    pub(super) pattern: &'static str,
    /// True if the path exists at present.
    pub(super) when: fn(&Config, &Request) -> bool,
    /// The longest body that is read, in bytes, up to `MAX_BODY`: a longer one is refused. With 0 any body is skipped.
    pub(super) body: usize,
    /// The object for which a request needs a leave, if the row asks for it and not its handler.
    pub(super) wish: Option<fn(&Request) -> Wish>,
    /// True if it changes the server, which no page of another site may ask for.
    pub(super) changes: bool,
    pub(super) handler: fn(Exchange) -> Answer,
}

/// The routes of a port. The first row that matches a path decides, with others of the same pattern.
pub(super) struct Table {
    pub(super) rows: &'static [&'static [Route]],
    /// True if all its paths are the API's.
    pub(super) is_guarded: bool,
}

/// The methods of a path, if it lacks the requested one; empty if there is no such path. The field says which pages of
/// other origins may send requests there.
pub(super) struct Allow(Vec<&'static str>, Option<Field>);

/// The routes of HTTP.
pub(super) const ROUTES: Table = Table {
    rows: &[
        #[cfg(feature = "api")]
        LAL,
        #[cfg(feature = "api")]
        V1,
        #[cfg(feature = "api")]
        V3,
        MEDIA,
    ],
    is_guarded: false,
};

/// The routes of the port of the API.
#[cfg(feature = "api")]
pub(super) const API_ROUTES: Table = Table {
    rows: &[
        LAL,
        V1,
        V3,
        &[Route::any("/api/v1/*", v1::nothing), Route::any("/v3/*", mtx::nothing), Route::any("*", lal::nothing)],
    ],
    is_guarded: true,
};

/// lal's API. lal takes any method; here reading is GET, or POST as some clients have it.
#[cfg(feature = "api")]
const LAL: &[Route] = &[
    Route::get("/api/stat/lal_info", lal::info).of_api(),
    Route::post("/api/stat/lal_info", 0, lal::info).of_api(),
    Route::get("/api/stat/all_group", lal::groups).of_api(),
    Route::post("/api/stat/all_group", 0, lal::groups).of_api(),
    Route::get("/api/stat/group", lal::group).of_api(),
    Route::post("/api/stat/group", 0, lal::group).of_api(),
    Route::get("/api/stat/ip_blacklist", lal::refused).of_api(),
    Route::post("/api/ctrl/start_relay_pull", lal::MAX_BODY, pulls::begin).changing(),
    Route::get("/api/ctrl/stop_relay_pull", pulls::stop).changing(),
    Route::post("/api/ctrl/stop_relay_pull", lal::MAX_BODY, pulls::stop).changing(),
    Route::post("/api/ctrl/kick_session", lal::MAX_BODY, lal::kick).changing(),
    Route::post("/api/ctrl/add_ip_blacklist", lal::MAX_BODY, lal::refuse).changing(),
    Route::post("/api/ctrl/remove_ip_blacklist", lal::MAX_BODY, lal::admit).changing(),
];

/// runnel's own API: docs/openapi.json.
#[cfg(feature = "api")]
const V1: &[Route] = &[
    Route::get("/api/v1/events", v1::events::listen).of_api().for_own_pages(),
    Route::get("/api/v1/info", v1::info::tell).of_api(),
    Route::get("/api/v1/login", v1::login::tell).of_api(),
    Route::post("/api/v1/login", v1::login::MAX_BODY, v1::login::begin).of_page(),
    Route::delete("/api/v1/login", v1::login::end).of_page(),
    Route::get("/api/v1/log", v1::log::tell).changing(),
    Route::get("/api/v1/config", v1::config::tell).changing(),
    Route::post("/api/v1/reload", 0, v1::config::reload).changing(),
    Route::get("/api/v1/plan", v1::plan::tell).of_api(),
    Route::get("/api/v1/streams", v1::streams::tell).of_api(),
    Route::get("/api/v1/streams/*", v1::streams::tell_one).of_api(),
    Route::delete("/api/v1/streams/*", v1::streams::end).changing(),
    Route::get("/api/v1/relays", v1::relays::tell).of_api(),
    Route::post("/api/v1/relays", lal::MAX_BODY, v1::relays::add).changing(),
    Route::delete("/api/v1/relays/*", v1::relays::remove).changing(),
    Route::get("/api/v1/sessions", v1::sessions::tell).of_api(),
    Route::get("/api/v1/sessions/*", v1::sessions::tell_one).of_api(),
    Route::delete("/api/v1/sessions/*", v1::sessions::end).changing(),
    #[cfg(feature = "record")]
    Route::get("/api/v1/recordings", v1::recordings::streams).of_api(),
    #[cfg(feature = "record")]
    Route::get("/api/v1/recordings/*", v1::recordings::files).of_api(),
    #[cfg(feature = "record")]
    Route::post("/api/v1/recordings/*", 0, v1::recordings::switch).changing(),
    #[cfg(feature = "record")]
    Route::delete("/api/v1/recordings/*", v1::recordings::delete).changing(),
    Route::get("/api/v1/snapshot/*", v1::snapshot::show).when(|config, _| config.api.enable),
    Route::get("/api/v1/blacklist", v1::blacklist::tell).of_api(),
    Route::post("/api/v1/blacklist", lal::MAX_BODY, v1::blacklist::add).changing(),
    Route::delete("/api/v1/blacklist/*", v1::blacklist::remove).changing(),
];

/// MediaMTX's API. The lists of sessions have the paths of one row, those that are in the table of kinds.
#[cfg(feature = "api")]
const V3: &[Route] = &[
    Route::get("/v3/info", mtx::info).of_api(),
    Route::get("/v3/paths/list", mtx::paths::tell).of_api(),
    Route::get("/v3/paths/get/*", mtx::paths::get).of_api(),
    Route::get("/v3/config/global/get", mtx::config::global).of_api(),
    Route::get("/v3/config/pathdefaults/get", mtx::config::defaults).of_api(),
    Route::get("/v3/config/paths/list", mtx::config::tell).of_api(),
    Route::get("/v3/config/paths/get/*", mtx::config::get).of_api(),
    Route::post("/v3/config/paths/add/*", lal::MAX_BODY, mtx::config::add).changing(),
    Route::patch("/v3/config/paths/patch/*", lal::MAX_BODY, mtx::config::patch).changing(),
    Route::post("/v3/config/paths/replace/*", lal::MAX_BODY, mtx::config::replace).changing(),
    Route::delete("/v3/config/paths/delete/*", mtx::config::delete).changing(),
    Route::patch("/v3/config/global/patch", 0, mtx::config::fixed).changing(),
    Route::patch("/v3/config/pathdefaults/patch", 0, mtx::config::fixed).changing(),
    #[cfg(feature = "record")]
    Route::get("/v3/recordings/list", mtx::recordings::tell).of_api(),
    #[cfg(feature = "record")]
    Route::get("/v3/recordings/get/*", mtx::recordings::get).of_api(),
    #[cfg(feature = "record")]
    Route::delete("/v3/recordings/deletesegment", mtx::recordings::delete).changing(),
    Route::get("/v3/*", mtx::sessions::tell).of_api().when(mtx::sessions::are_asked_for),
    Route::post("/v3/*", 0, mtx::sessions::kick).changing().when(mtx::sessions::are_asked_for),
];

const MEDIA: &[Route] = &[
    #[cfg(feature = "rtsp")]
    Route::any("*", rtsp::accept).when(rtsp::is_asked_for),
    Route::get("/healthz", healthz),
    Route::get("/metrics", metrics::answer).asking(|_| Wish::Path(Action::Metrics, None)),
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
pub(super) const RTSP_ROUTES: Table = Table { rows: &[&[Route::any("*", rtsp::accept)]], is_guarded: false };

/// Request headers that scripts of other origins may send. `*` means all except Authorization, and old browsers do not
/// know it.
const ALLOWED: &str = "*, Authorization, Cache-Control, Content-Type, If-Modified-Since, If-None-Match, If-Range, \
     Pragma, Range, X-Requested-With";
/// The seconds for which a browser may cache these permissions.
const MAX_AGE: &str = "86400";

impl Route {
    /// GET, and with it HEAD.
    pub(super) const fn get(pattern: &'static str, handler: fn(Exchange) -> Answer) -> Self {
        Self { method: Some(Method::Get), pattern, when: |_, _| true, body: 0, wish: None, changes: false, handler }
    }

    /// POST, with a body of at most `body` bytes.
    #[cfg(feature = "api")]
    pub(super) const fn post(pattern: &'static str, body: usize, handler: fn(Exchange) -> Answer) -> Self {
        assert!(body <= crate::proto::http::MAX_BODY);
        Self { method: Some(Method::Post), body, ..Self::get(pattern, handler) }
    }

    /// PATCH, with a body of at most `body` bytes. RFC 5789.
    #[cfg(feature = "api")]
    const fn patch(pattern: &'static str, body: usize, handler: fn(Exchange) -> Answer) -> Self {
        Self { method: Some(Method::Patch), ..Self::post(pattern, body, handler) }
    }

    /// DELETE.
    #[cfg(feature = "api")]
    pub(super) const fn delete(pattern: &'static str, handler: fn(Exchange) -> Answer) -> Self {
        Self { method: Some(Method::Delete), ..Self::get(pattern, handler) }
    }

    /// All methods.
    #[cfg(any(feature = "rtsp", feature = "api"))]
    const fn any(pattern: &'static str, handler: fn(Exchange) -> Answer) -> Self {
        Self { method: None, ..Self::get(pattern, handler) }
    }

    /// The same, if `when` is true for the configuration and the request.
    #[cfg(any(feature = "rtsp", feature = "record", feature = "api"))]
    const fn when(self, when: fn(&Config, &Request) -> bool) -> Self {
        Self { when, ..self }
    }

    /// The same, for clients that are granted the wish.
    const fn asking(self, wish: fn(&Request) -> Wish) -> Self {
        Self { wish: Some(wish), ..self }
    }

    /// The same, for clients that may read by the API.
    #[cfg(feature = "api")]
    const fn of_api(self) -> Self {
        self.when(|config, _| config.api.enable).asking(|_| Wish::Path(Action::Api, None))
    }

    /// The same, but not for pages of other sites: what they begin holds a place, even if they may not read it.
    #[cfg(feature = "api")]
    const fn for_own_pages(self) -> Self {
        Self { changes: true, ..self }
    }

    /// The same, for pages of the API alone, whose clients show credentials in the body.
    #[cfg(feature = "api")]
    const fn of_page(self) -> Self {
        Self { changes: true, ..self.when(|config, _| config.api.enable) }
    }

    /// The same, for clients that may change the server by the API.
    #[cfg(feature = "api")]
    const fn changing(self) -> Self {
        Self { changes: true, ..self.when(|config, _| config.api.enable).asking(|_| Wish::Path(Action::Control, None)) }
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
            return Reply::new(Status::METHOD_NOT_ALLOWED, body).with(self.1).with([allow]);
        }
        Reply::new(Status::NO_CONTENT, Body::Nothing).with(self.1).with([
            ("Access-Control-Allow-Methods", names.into()),
            ("Access-Control-Allow-Headers", ALLOWED.into()),
            ("Access-Control-Max-Age", MAX_AGE.into()),
            allow,
        ])
    }
}

/// The row for a request.
pub(super) fn find(table: &'static Table, config: &Config, request: &Request) -> Result<&'static Route, Allow> {
    let all = table.rows.iter().copied().flatten();
    let mut fitting = all.filter(|row| row.fits(&request.path) && (row.when)(config, request));
    let Some(first) = fitting.next() else { return Err(Allow(Vec::new(), None)) };
    let rows = std::iter::once(first).chain(fitting.filter(|row| row.pattern == first.pattern));
    let row = rows.clone().find(|row| row.takes(request.method));
    row.ok_or_else(|| Allow(rows.flat_map(Route::methods).collect(), guard::origin(table, config, request)))
}

fn healthz(_: Exchange) -> Answer {
    let mime = ("Content-Type", "text/plain; charset=utf-8".into());
    Reply::new(Status::OK, Body::Text("ok\n".into())).with([mime, CORS, NO_CACHE]).into()
}

#[cfg(all(test, feature = "api"))]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// The methods and paths of the document: `GET /api/v1/streams/*`.
    fn described() -> BTreeSet<String> {
        let document: serde_json::Value = serde_json::from_str(include_str!("../../../docs/openapi.json")).unwrap();
        let paths = document["paths"].as_object().unwrap();
        let methods = paths.iter().flat_map(|(path, methods)| {
            let pattern = path.split_once('{').map_or(path.clone(), |(start, _)| format!("{start}*"));
            let methods = methods.as_object().unwrap().keys().filter(|key| *key != "parameters");
            methods.map(move |method| format!("{} {pattern}", method.to_uppercase()))
        });
        methods.collect()
    }

    /// The targets of all references.
    fn references(node: &serde_json::Value) -> Vec<&str> {
        let own = node["$ref"].as_str();
        let parts = node.as_object().into_iter().flat_map(|object| object.values());
        own.into_iter().chain(parts.chain(node.as_array().into_iter().flatten()).flat_map(references)).collect()
    }

    #[test]
    fn each_reference_of_the_document_leads_somewhere() {
        let document: serde_json::Value = serde_json::from_str(include_str!("../../../docs/openapi.json")).unwrap();
        for target in references(&document) {
            assert!(document.pointer(target.trim_start_matches('#')).is_some(), "{target}");
        }
    }

    #[test]
    fn the_document_describes_each_path_of_the_api_and_no_other() {
        let is_first = |row: &&Route| {
            V1.iter()
                .find(|other| other.fits(row.pattern.trim_end_matches('*')))
                .is_some_and(|first| first.pattern == row.pattern || first.pattern.len() > row.pattern.len())
        };
        assert!(V1.iter().all(|row| is_first(&row)), "a row stands behind one that has all its paths");
        let rows = V1.iter().map(|row| {
            let (_, method) = METHODS.iter().find(|(method, _)| row.method == Some(*method)).unwrap();
            format!("{method} {}", row.pattern)
        });
        assert_eq!(described(), rows.collect());
    }
}
