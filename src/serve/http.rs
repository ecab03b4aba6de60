//! HTTP connections: live forms, WebSocket, HLS, metrics.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use async_io::Timer;
use smol::Executor;

use super::hls::{Entry, HOLD};
use super::live::{Live, Wish, wish};
use super::{Server, metrics};
use crate::container::{FORMS, Form};
use crate::hub::{Name, Refused, Unit};
use crate::media::Ticks;
use crate::net::{Close, Conn, Framing, Outlet, SOME};
use crate::proto::http::{self, Event, Method, Request, Status, percent_decode};
use crate::proto::{Machine, ws};

/// Runs a connection to its end.
pub(super) fn serve(executor: &Arc<Executor<'static>>, server: Arc<Server>, conn: Conn) {
    let spawner = executor.clone();
    let task = async move {
        let mut session = Session::new(server, spawner, conn);
        let why = std::future::poll_fn(|cx| session.poll(cx)).await;
        session.end(&why);
    };
    executor.spawn(task).detach();
}

struct Session {
    server: Arc<Server>,
    executor: Arc<Executor<'static>>,
    conn: Conn,
    machine: http::Server,
    role: Role,
    /// What was begun for a viewer that has closed: a message is never cut.
    tail: Outlet,
}

enum Role {
    /// Between requests.
    Guest,
    /// A playlist is asked for that has nothing in it yet.
    Waiting(Box<Waiting>),
    /// A segment is on its way out.
    Body { outlet: Outlet, keep_alive: bool },
    /// A live form.
    Play(Box<Player>),
    /// Everything is said; what still comes is read and thrown away, so that
    /// the answer is not lost.
    Linger,
}

struct Waiting {
    entry: Arc<Entry>,
    request: Request,
    prefix: String,
    suffix: String,
    limit: Timer,
}

struct Player {
    live: Live,
    id: String,
    ws: Option<ws::Server>,
}

/// Sends or reads in a row before other connections get their turn.
const TURNS: usize = 4;
/// How long a client may take to read the last answer.
const LINGER: Duration = Duration::from_secs(2);
/// The longest query that a playlist repeats behind each segment.
const MAX_SUFFIX: usize = 512;
const CORS: (&str, &str) = ("Access-Control-Allow-Origin", "*");
const NO_CACHE: (&str, &str) = ("Cache-Control", "no-cache");
/// What every answer that is not a stream carries.
const FIELDS: [(&str, &str); 2] = [CORS, NO_CACHE];

impl Session {
    fn new(server: Arc<Server>, executor: Arc<Executor<'static>>, conn: Conn) -> Self {
        conn.expect_input(server.config.connections.handshake.0);
        let machine = http::Server::new(server.config.http.max_head.0);
        Self { server, executor, conn, machine, role: Role::Guest, tail: Outlet::new(Framing::Raw) }
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Close> {
        for _ in 0..TURNS {
            if let Err(why) = ready!(self.step(cx)) {
                return Poll::Ready(why);
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    /// Sends what there is, then reads once; pending if neither is possible.
    fn step(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Close>> {
        let slow = self.server.config.viewers.slow.0;
        let Self { conn, machine, tail, .. } = self;
        ready!(conn.poll_outlet(cx, tail, slow, |_| {}))?;
        match &mut self.role {
            Role::Play(player) => {
                // the head goes first, then control frames between batches
                ready!(conn.poll_send(cx, machine.transmit(), slow))?;
                let mut none = Vec::new();
                let control = player.ws.as_mut().map_or(&mut none, |ws| ws.transmit());
                if !player.live.poll(cx, conn, control, slow)? {
                    return Poll::Ready(Ok(()));
                }
            }
            Role::Body { outlet, keep_alive } => {
                ready!(conn.poll_send(cx, machine.transmit(), slow))?;
                ready!(conn.poll_outlet(cx, outlet, slow, |_| {}))?;
                machine.done(*keep_alive);
                self.role = Role::Guest;
                self.next_request();
                return Poll::Ready(Ok(()));
            }
            Role::Waiting(waiting) => {
                if let Poll::Ready(text) = waiting.poll(cx) {
                    answer_playlist(machine, &waiting.request, text);
                    self.role = Role::Guest;
                    self.next_request();
                    return Poll::Ready(Ok(()));
                }
            }
            Role::Guest | Role::Linger => {
                ready!(conn.poll_send(cx, machine.transmit(), slow))?;
                if machine.is_closed() && matches!(self.role, Role::Guest) {
                    conn.finish();
                    conn.expect_input(LINGER);
                    self.role = Role::Linger;
                }
            }
        }
        self.poll_input(cx)
    }

    fn poll_input(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Close>> {
        let Self { conn, machine, role, .. } = self;
        let mut event = None;
        let mut closed = false;
        let received = ready!(conn.poll_read(cx, SOME, |data| match role {
            Role::Play(player) => match &mut player.ws {
                Some(ws) => {
                    let used = ws.input(data).map_err(|error| Close::Peer(error.to_string()))?;
                    closed |= ws.event().is_some();
                    Ok(used)
                }
                None => Ok(data.len()),
            },
            Role::Linger => Ok(data.len()),
            _ => {
                let used = machine.input(data).unwrap_or(0);
                event = machine.event().or(event.take());
                Ok(used)
            }
        }))?;
        if received.end {
            return Poll::Ready(Err(if matches!(role, Role::Linger) { Close::Done } else { Close::Eof }));
        }
        if closed && let Role::Play(player) = role {
            // the closing handshake ends here. RFC 6455 section 7.1.1
            let mut reply = player.ws.take().map(|mut ws| std::mem::take(ws.transmit())).unwrap_or_default();
            machine.transmit().append(&mut reply);
            self.log_end(&Close::Eof);
            if let Role::Play(player) = std::mem::replace(&mut self.role, Role::Guest) {
                self.tail = player.live.into_tail();
            }
        }
        match event {
            Some(Event::Request(request)) => self.respond(request),
            Some(Event::Bad(status)) => self.machine.answer(status, &FIELDS, status.1.as_bytes(), None),
            None => return Poll::Ready(Ok(())),
        }
        if matches!(self.role, Role::Guest) {
            self.next_request();
        }
        Poll::Ready(Ok(()))
    }

    /// A request has been answered: another may come, or stand there already.
    fn next_request(&mut self) {
        self.conn.expect_input(self.server.config.http.keep_alive.0);
        self.conn.offer_again();
    }

    fn respond(&mut self, request: Request) {
        self.conn.expect_input(Duration::ZERO);
        match request.method {
            Method::Options => {
                let fields = [
                    CORS,
                    ("Access-Control-Allow-Methods", "GET, HEAD, OPTIONS"),
                    ("Access-Control-Allow-Headers", "Content-Type, Range"),
                    ("Access-Control-Max-Age", "86400"),
                    ("Allow", "GET, HEAD, OPTIONS"),
                ];
                self.machine.answer(Status::NO_CONTENT, &fields, &[], Some(&request));
            }
            Method::Other => {
                let fields = [CORS, ("Allow", "GET, HEAD, OPTIONS")];
                self.machine.answer(Status::METHOD_NOT_ALLOWED, &fields, b"Method Not Allowed", Some(&request));
            }
            Method::Get | Method::Head => self.route(request),
        }
    }

    fn route(&mut self, request: Request) {
        match request.path.as_str() {
            "/healthz" => self.text(&request, "text/plain; charset=utf-8", "ok\n"),
            "/metrics" => {
                let text = metrics::write(&self.server);
                self.text(&request, "text/plain; version=0.0.4; charset=utf-8", &text);
            }
            path => match Resource::parse(path) {
                Some(Ok(resource)) => self.resource(request, resource),
                Some(Err(status)) => self.refuse(&request, status, status.1),
                None => self.refuse(&request, Status::NOT_FOUND, Status::NOT_FOUND.1),
            },
        }
    }

    fn resource(&mut self, request: Request, resource: Resource) {
        match resource {
            Resource::Live(name, form) => self.play(&request, &name, wished(form, &request.query)),
            Resource::Playlist(name, prefix) if self.server.config.hls.enable => self.playlist(request, &name, prefix),
            Resource::Segment(name, file) if self.server.config.hls.enable => self.segment(&request, &name, &file),
            _ => self.refuse(&request, Status::NOT_FOUND, "HLS is off: hls.enable"),
        }
    }

    /// Starts a live form, over WebSocket if the client asks for that.
    fn play(&mut self, request: &Request, name: &Name, form: &'static Form) {
        if let Some(Err(status)) = request.websocket {
            let fields = [CORS, ("Sec-WebSocket-Version", "13")];
            return self.machine.answer(status, &fields, status.1.as_bytes(), Some(request));
        }
        let viewer = match self.server.hub.play(name, form) {
            Ok(viewer) => viewer,
            Err(refused) => return self.busy(request, refused),
        };
        let key = request.websocket.as_ref().and_then(|key| key.as_deref().ok());
        let websocket = key.filter(|_| request.method == Method::Get);
        if let Some(key) = websocket {
            let accept = ws::Server::accept(key);
            let fields =
                [("Upgrade", "websocket"), ("Connection", "Upgrade"), ("Sec-WebSocket-Accept", accept.as_str()), CORS];
            self.machine.head(Status::SWITCHING_PROTOCOLS, &fields);
        } else {
            let fields = [
                ("Content-Type", form.mime),
                ("Connection", "close"),
                ("Expires", "-1"),
                ("Pragma", "no-cache"),
                NO_CACHE,
                CORS,
            ];
            self.machine.head(Status::OK, &fields);
        }
        if request.method == Method::Head {
            return;
        }
        self.conn.resize(self.server.viewer_sizes());
        let (framing, transport) =
            if websocket.is_some() { (Framing::WebSocket, "ws") } else { (Framing::Raw, "http") };
        let id = self.server.id(if form.extension == "ts" { "TSPUBSUB" } else { "FLVPUBSUB" });
        log::info!("[{id}] plays {name} as {} over {transport} from {}", form.name, self.conn.peer());
        let ws = websocket.map(|_| ws::Server::default());
        self.role = Role::Play(Box::new(Player { live: Live::new(viewer, framing), id, ws }));
    }

    fn playlist(&mut self, request: Request, name: &Name, prefix: String) {
        match self.server.hls.ask(&self.server, &self.executor, name) {
            Ok(entry) => {
                // what the client was given to show with the playlist it shows with the segments
                let query = Some(&request.query).filter(|query| (1..=MAX_SUFFIX).contains(&query.len()));
                let suffix = query.map_or_else(String::new, |query| format!("?{query}"));
                let limit = Timer::after(HOLD);
                self.role = Role::Waiting(Box::new(Waiting { entry, request, prefix, suffix, limit }));
            }
            Err(refused) => self.busy(&request, refused),
        }
    }

    fn segment(&mut self, request: &Request, name: &Name, file: &str) {
        let Some((blocks, len)) = self.server.hls.file(name, file) else {
            return self.refuse(request, Status::NOT_FOUND, "no such segment, or no longer");
        };
        let length = len.to_string();
        let connection = if request.keep_alive { "keep-alive" } else { "close" };
        let fields =
            [("Content-Type", "video/mp2t"), ("Content-Length", &length), ("Connection", connection), NO_CACHE, CORS];
        self.machine.head(Status::OK, &fields);
        let mut outlet = Outlet::new(Framing::Raw);
        if request.method != Method::Head {
            outlet.fill(|units| units.extend(blocks.iter().map(|block| Unit::whole(block.clone(), Ticks(0)))));
        }
        self.role = Role::Body { outlet, keep_alive: request.keep_alive };
    }

    fn text(&mut self, request: &Request, mime: &str, body: &str) {
        self.machine.answer(Status::OK, &[("Content-Type", mime), CORS, NO_CACHE], body.as_bytes(), Some(request));
    }

    fn refuse(&mut self, request: &Request, status: Status, why: &str) {
        self.machine.answer(status, &FIELDS, why.as_bytes(), Some(request));
    }

    /// One too many: the client may try again.
    fn busy(&mut self, request: &Request, refused: Refused) {
        let label = match refused {
            Refused::Viewers => "viewers",
            _ => "streams",
        };
        self.server.tally.refused(label);
        log::warn!("{} is refused {}: {refused}", self.conn.peer(), request.path.escape_default());
        let fields = [CORS, NO_CACHE, ("Retry-After", "5")];
        self.machine.answer(Status::UNAVAILABLE, &fields, refused.to_string().as_bytes(), Some(request));
    }

    fn log_end(&self, why: &Close) {
        if let Role::Play(player) = &self.role {
            log::info!("[{}] stops playing {}: {why}", player.id, player.live.name());
        }
    }

    fn end(&mut self, why: &Close) {
        self.log_end(why);
        self.server.tally.closed(why);
    }
}

impl Waiting {
    /// The playlist; `None` if none came in time.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<String>> {
        if let Poll::Ready(text) = self.entry.poll_playlist(cx, &self.prefix, &self.suffix) {
            return Poll::Ready(Some(text));
        }
        std::future::Future::poll(Pin::new(&mut self.limit), cx).map(|_| None)
    }
}

fn answer_playlist(machine: &mut http::Server, request: &Request, text: Option<String>) {
    match text {
        Some(text) => {
            let fields = [("Content-Type", "application/x-mpegurl"), CORS, NO_CACHE];
            machine.answer(Status::OK, &fields, text.as_bytes(), Some(request));
        }
        None => {
            let fields = [CORS, NO_CACHE, ("Retry-After", "2")];
            machine.answer(Status::NOT_FOUND, &fields, b"nothing is published under that name", Some(request));
        }
    }
}

/// What a path means.
#[derive(Debug, PartialEq, Eq)]
enum Resource {
    /// `/live/S.flv`, at any depth.
    Live(Name, usize),
    /// `/hls/S.m3u8` or `/hls/S/playlist.m3u8`; and what stands before the
    /// segments' names.
    Playlist(Name, String),
    /// `/hls/S/S-TIME-ID.ts` or `/hls/S-TIME-ID.ts`.
    Segment(Name, String),
}

impl Resource {
    /// `None` for a path that means nothing here.
    fn parse(path: &str) -> Option<Result<Self, Status>> {
        let items: Option<Vec<_>> = path.split('/').skip(1).map(percent_decode).collect();
        let Some(items) = items else { return Some(Err(Status::BAD_REQUEST)) };
        let items: Vec<_> = items.iter().map(String::as_str).collect();
        let name = |name: &str| Name::new(name).map_err(|_| Status::BAD_REQUEST);
        Some(match items.as_slice() {
            ["hls", stream, "playlist.m3u8"] => name(stream).map(|name| Self::Playlist(name, String::new())),
            ["hls", rest @ ..] if !rest.is_empty() => {
                let (stem, extension) = rest.last()?.rsplit_once('.')?;
                match (extension, rest.len()) {
                    ("m3u8", 1) => name(stem).map(|name| Self::Playlist(name, String::new())),
                    ("ts", 1 | 2) => {
                        let (stream, _) = stem.rsplit_once('-').and_then(|(stem, _)| stem.rsplit_once('-'))?;
                        name(stream).map(|name| Self::Segment(name, format!("{stem}.ts")))
                    }
                    _ => return None,
                }
            }
            [.., last] => {
                let (stem, extension) = last.rsplit_once('.')?;
                let form = FORMS.iter().position(|form| form.extension == extension)?;
                name(stem).map(|name| Self::Live(name, form))
            }
            [] => return None,
        })
    }
}

/// The form of that place in the table, as the query has it.
fn wished(form: usize, query: &str) -> &'static Form {
    let [flv, ..] = &FORMS;
    let plain = FORMS.get(form).unwrap_or(flv);
    let name = match wish(query) {
        Wish::LegacyHevc => "flv-hevc12",
        Wish::AllTracks => "flv-tracks",
        Wish::None => return plain,
    };
    FORMS.iter().find(|form| form.name == name && plain.extension == "flv").unwrap_or(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_of_the_url_table() {
        let name = || Name::new("test110").unwrap();
        let cases = [
            ("/live/test110.flv", Resource::Live(name(), 0)),
            ("/test110.flv", Resource::Live(name(), 0)),
            ("/a/b/test110.ts", Resource::Live(name(), 1)),
            ("/hls/test110.m3u8", Resource::Playlist(name(), String::new())),
            ("/hls/test110/playlist.m3u8", Resource::Playlist(name(), String::new())),
            ("/hls/test110/test110-1700-3.ts", Resource::Segment(name(), "test110-1700-3.ts".into())),
            ("/hls/test110-1700-3.ts", Resource::Segment(name(), "test110-1700-3.ts".into())),
        ];
        for (path, resource) in cases {
            assert_eq!(Resource::parse(path), Some(Ok(resource)), "{path}");
        }
    }

    #[test]
    fn paths_that_mean_nothing_or_lie() {
        for path in ["/", "/x", "/live/test110", "/live/test110.mp4", "/hls/", "/hls/a/b.m3u8", "/hls/x.ts", "/live/"] {
            assert_eq!(Resource::parse(path), None, "{path}");
        }
        for path in [
            "/live/%2e%2e%2fx.flv",
            "/live/...flv",
            "/live/a%00.flv",
            "/live/%zz.flv",
            "/hls/%2e%2e/playlist.m3u8",
            "/live/.flv",
        ] {
            assert_eq!(Resource::parse(path), Some(Err(Status::BAD_REQUEST)), "{path}");
        }
    }
}
