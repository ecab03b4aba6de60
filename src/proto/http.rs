//! HTTP/1.1, the server's side: requests in, heads out. RFC 9112.

use super::{Error, Machine};

/// A request without a body.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Request {
    /// The method.
    pub method: Method,
    /// As it stands in the request line, without the query.
    pub path: String,
    /// Without `?`; empty if there is none.
    pub query: String,
    /// `Sec-WebSocket-Key` of a request to upgrade, or why it cannot be done.
    /// RFC 6455 section 4.2.1.
    pub websocket: Option<Result<String, Status>>,
    /// The subprotocols that it may speak there. RFC 6455 section 1.9.
    pub protocols: String,
    /// `x-sessioncookie`: what the two connections of an RTSP tunnel have in common.
    pub tunnel: Option<String>,
    /// The range of a file that it wants, and the conditions for the answer.
    pub condition: Option<Box<Condition>>,
}

impl std::fmt::Display for Request {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.path)?;
        if self.query.is_empty() { Ok(()) } else { write!(f, "?{}", self.query) }
    }
}

/// The header fields for a range of a file, and for the version that the client has of it.
/// RFC 9110 sections 13.1 and 14.2.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Condition {
    /// `Range`.
    pub range: Option<String>,
    /// `If-Range`.
    pub if_range: Option<String>,
    /// `If-None-Match`.
    pub none_match: Option<String>,
    /// `If-Modified-Since`.
    pub modified_since: Option<String>,
}

/// The methods that mean something here.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Method {
    /// GET.
    #[default]
    Get,
    /// HEAD.
    Head,
    /// OPTIONS.
    Options,
    /// POST.
    Post,
    /// Any other.
    Other,
}

/// A status code with its reason phrase. RFC 9110 section 15.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Status(pub u16, pub &'static str);

#[allow(missing_docs, reason = "the specification's names")]
impl Status {
    pub const SWITCHING_PROTOCOLS: Self = Self(101, "Switching Protocols");
    pub const OK: Self = Self(200, "OK");
    pub const NO_CONTENT: Self = Self(204, "No Content");
    pub const PARTIAL_CONTENT: Self = Self(206, "Partial Content");
    pub const MOVED: Self = Self(301, "Moved Permanently");
    pub const FOUND: Self = Self(302, "Found");
    pub const NOT_MODIFIED: Self = Self(304, "Not Modified");
    pub const BAD_REQUEST: Self = Self(400, "Bad Request");
    pub const FORBIDDEN: Self = Self(403, "Forbidden");
    pub const NOT_FOUND: Self = Self(404, "Not Found");
    pub const METHOD_NOT_ALLOWED: Self = Self(405, "Method Not Allowed");
    pub const CONTENT_TOO_LARGE: Self = Self(413, "Content Too Large");
    pub const URI_TOO_LONG: Self = Self(414, "URI Too Long");
    pub const RANGE_NOT_SATISFIABLE: Self = Self(416, "Range Not Satisfiable");
    pub const UPGRADE_REQUIRED: Self = Self(426, "Upgrade Required");
    pub const HEADERS_TOO_LARGE: Self = Self(431, "Request Header Fields Too Large");
    pub const NOT_IMPLEMENTED: Self = Self(501, "Not Implemented");
    pub const UNAVAILABLE: Self = Self(503, "Service Unavailable");
    pub const VERSION: Self = Self(505, "HTTP Version Not Supported");
}

/// An event from the client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A request to answer.
    Request(Request),
    /// Something to refuse with this status, and to close after.
    Bad(Status),
}

/// The end of an answer's body, as the head tells the client. RFC 9112 section 6.3.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extent {
    /// So many bytes follow.
    Bytes(u64),
    /// The status says that nothing follows.
    Nothing,
    /// All belongs to it until the connection ends.
    Close,
    /// The connection goes on in another protocol.
    Upgrade,
}

/// The machine: it reads one request and no further until that is answered.
#[derive(Debug)]
pub struct Server {
    max_head: usize,
    event: Option<Event>,
    out: Vec<u8>,
    /// Bytes of a body that nobody wants, still to come.
    skip: usize,
    state: State,
    /// The client wants to ask more when it has its answer.
    keep_alive: bool,
    /// It wants the head alone.
    head_only: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Head,
    /// A request waits for its answer.
    Busy,
    /// Nothing that comes is read as HTTP any more.
    Closed,
}

/// A body that comes with a request is read and thrown away up to this size.
const MAX_BODY: usize = 64 << 10;
/// The most header fields that are looked at.
const MAX_FIELDS: usize = 64;
/// The answer to a connection that is one too many.
pub const TURNED_AWAY: &[u8] =
    b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 5\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
/// The `Server` field of every answer.
const SERVER: &str = concat!("runnel/", env!("CARGO_PKG_VERSION"));

impl Server {
    /// Heads of more than `max_head` bytes are refused.
    pub fn new(max_head: usize) -> Self {
        let (event, out) = (None, Vec::new());
        Self { max_head, event, out, skip: 0, state: State::Head, keep_alive: false, head_only: false }
    }

    /// Answers with a short body; `fields` come after the usual ones.
    pub fn answer(&mut self, status: Status, fields: &[(&str, &str)], body: &[u8]) {
        if self.begin(status, fields, Extent::Bytes(body.len() as u64)) {
            self.out.extend_from_slice(body);
        }
        self.done();
    }

    /// Writes the head of an answer: whether its body is to follow, or the client wants none. `done` says
    /// that it is complete.
    pub fn begin(&mut self, status: Status, fields: &[(&str, &str)], extent: Extent) -> bool {
        self.keep_alive &= matches!(extent, Extent::Bytes(_) | Extent::Nothing);
        let connection = match extent {
            Extent::Upgrade => "Upgrade",
            _ if self.keep_alive => "keep-alive",
            _ => "close",
        };
        let length = match extent {
            Extent::Bytes(length) => Some(length.to_string()),
            _ => None,
        };
        let length = length.as_ref().map(|length| ("Content-Length", length.as_str()));
        let all: Vec<_> =
            length.into_iter().chain([("Connection", connection)]).chain(fields.iter().copied()).collect();
        self.out.extend_from_slice(&head(status, &all));
        if matches!(extent, Extent::Close | Extent::Upgrade) {
            self.state = State::Closed;
        }
        !self.head_only && extent != Extent::Nothing
    }

    /// The answer is complete: the next request may come, or the connection ends.
    pub fn done(&mut self) {
        self.state = if self.keep_alive { State::Head } else { State::Closed };
    }

    /// Whether the connection ends with the answer just written.
    pub fn is_closed(&self) -> bool {
        self.state == State::Closed
    }

    fn bad(&mut self, status: Status) {
        (self.keep_alive, self.head_only) = (false, false);
        self.event = Some(Event::Bad(status));
        self.state = State::Busy;
    }

    /// Parses a head: its length, or 0 if it is not complete.
    fn parse(&mut self, data: &[u8]) -> usize {
        let mut fields = [httparse::EMPTY_HEADER; MAX_FIELDS];
        let mut parsed = httparse::Request::new(&mut fields);
        let (head, more) = data.split_at(data.len().min(self.max_head));
        let used = match parsed.parse(head) {
            Ok(httparse::Status::Complete(used)) => used,
            Ok(httparse::Status::Partial) if more.is_empty() => return 0,
            Ok(httparse::Status::Partial) | Err(httparse::Error::TooManyHeaders) => {
                // a long first line is the URL's fault
                let long = if head.contains(&b'\n') { Status::HEADERS_TOO_LARGE } else { Status::URI_TOO_LONG };
                self.bad(long);
                return data.len();
            }
            Err(httparse::Error::Version) => {
                self.bad(Status::VERSION);
                return data.len();
            }
            Err(_) => {
                self.bad(Status::BAD_REQUEST);
                return data.len();
            }
        };
        match read_request(&parsed) {
            Ok((request, keep_alive, body)) => {
                (self.keep_alive, self.head_only, self.skip) = (keep_alive, request.method == Method::Head, body);
                self.event = Some(Event::Request(request));
                self.state = State::Busy;
            }
            Err(status) => self.bad(status),
        }
        used
    }
}

/// The text of a head with just these fields and `Server`.
pub fn head(Status(code, reason): Status, fields: &[(&str, &str)]) -> Vec<u8> {
    let mut text = format!("HTTP/1.1 {code} {reason}\r\nServer: {SERVER}\r\n");
    for (name, value) in fields {
        text.extend([name, ": ", value, "\r\n"]);
    }
    text.push_str("\r\n");
    text.into_bytes()
}

/// The request, whether the client wants to ask more on its connection, and the length of the body.
fn read_request(parsed: &httparse::Request<'_, '_>) -> Result<(Request, bool, usize), Status> {
    let http10 = parsed.version == Some(0);
    let mut keep_alive = !http10;
    let mut request = Request {
        method: method(parsed.method.unwrap_or_default()),
        path: String::new(),
        query: String::new(),
        websocket: None,
        protocols: String::new(),
        tunnel: None,
        condition: None,
    };
    let target = origin_form(parsed.path.unwrap_or_default()).ok_or(Status::BAD_REQUEST)?;
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    (request.path, request.query) = (path.into(), query.into());
    let (mut hosts, mut body, mut upgrade, mut key, mut version) = (0, None, false, None, false);
    for field in parsed.headers.iter() {
        let value = std::str::from_utf8(field.value).map_err(|_| Status::BAD_REQUEST)?.trim();
        match field.name.to_ascii_lowercase().as_str() {
            "host" => hosts += 1,
            "connection" => {
                let has = |wanted: &str| value.split(',').any(|token| token.trim().eq_ignore_ascii_case(wanted));
                keep_alive = !has("close") && (keep_alive || has("keep-alive"));
            }
            "upgrade" => upgrade = value.split(',').any(|token| token.trim().eq_ignore_ascii_case("websocket")),
            "sec-websocket-key" => key = Some(value.to_string()),
            // several fields are one list
            "sec-websocket-protocol" => request.protocols.extend([value, ","]),
            "x-sessioncookie" => request.tunnel = Some(value.to_string()),
            "sec-websocket-version" => version = value == "13",
            "range" => condition(&mut request).range = Some(value.to_string()),
            "if-range" => condition(&mut request).if_range = Some(value.to_string()),
            "if-none-match" => condition(&mut request).none_match = Some(value.to_string()),
            "if-modified-since" => condition(&mut request).modified_since = Some(value.to_string()),
            "content-length" => body = Some(length(value, body)?),
            "transfer-encoding" => return Err(Status::NOT_IMPLEMENTED),
            _ => {}
        }
    }
    if hosts != 1 && !http10 || hosts > 1 {
        return Err(Status::BAD_REQUEST); // RFC 9112 section 3.2
    }
    request.websocket = upgrade.then_some(match key {
        _ if !version => Err(Status::UPGRADE_REQUIRED),
        Some(key) => Ok(key),
        None => Err(Status::BAD_REQUEST),
    });
    match body.unwrap_or(0) {
        // bytes in a tunnel are no body
        _ if request.tunnel.is_some() => Ok((request, keep_alive, 0)),
        body if body > MAX_BODY => Err(Status::CONTENT_TOO_LARGE),
        body => Ok((request, keep_alive, body)),
    }
}

fn condition(request: &mut Request) -> &mut Condition {
    request.condition.get_or_insert_default()
}

/// Content-Length; several must agree. RFC 9112 section 6.3.
fn length(value: &str, before: Option<usize>) -> Result<usize, Status> {
    if value.is_empty() || !value.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(Status::BAD_REQUEST);
    }
    let length = value.parse().unwrap_or(usize::MAX);
    if before.is_some_and(|before| before != length) { Err(Status::BAD_REQUEST) } else { Ok(length) }
}

fn method(name: &str) -> Method {
    match name {
        "GET" => Method::Get,
        "HEAD" => Method::Head,
        "OPTIONS" => Method::Options,
        "POST" => Method::Post,
        _ => Method::Other,
    }
}

/// The path of a target in origin form or absolute form. RFC 9112 section 3.2.
fn origin_form(target: &str) -> Option<&str> {
    if target.starts_with('/') || target == "*" {
        return Some(target);
    }
    let (_, rest) = target.split_once("://")?;
    Some(rest.find('/').and_then(|at| rest.get(at..)).unwrap_or("/"))
}

impl Machine for Server {
    type Event = Event;

    /// Never an error: every fault is answered with a status.
    fn input(&mut self, data: &[u8]) -> Result<usize, Error> {
        if self.skip > 0 {
            let used = self.skip.min(data.len());
            self.skip -= used;
            return Ok(used);
        }
        Ok(match self.state {
            State::Head => self.parse(data),
            State::Busy => 0, // the next request waits until this one is answered
            State::Closed => data.len(),
        })
    }

    fn event(&mut self) -> Option<Event> {
        self.event.take()
    }

    fn transmit(&mut self) -> &mut Vec<u8> {
        &mut self.out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn events(text: &str) -> Vec<Event> {
        let mut server = Server::new(1024);
        let mut data = text.as_bytes();
        let mut events = Vec::new();
        while let Ok(used @ 1..) = server.input(data) {
            data = &data[used..];
            events.extend(server.event());
            server.answer(Status::OK, &[], b"");
        }
        events
    }

    fn bad(text: &str) -> Status {
        match events(text).as_slice() {
            [Event::Bad(status)] => *status,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn requests_follow_each_other_and_bodies_are_passed_over() {
        let text = "GET /live/a.flv?x=1 HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nabcHEAD /b HTTP/1.0\r\n\r\n";
        let [Event::Request(first), Event::Request(second)] = &events(text)[..] else { panic!() };
        assert_eq!((first.path.as_str(), first.query.as_str()), ("/live/a.flv", "x=1"));
        assert_eq!((second.method, second.path.as_str()), (Method::Head, "/b"));
    }

    #[test]
    fn an_upgrade_needs_its_key() {
        let text = "GET /a HTTP/1.1\r\nHost: h\r\nConnection: keep-alive, Upgrade\r\nUpgrade: WebSocket\r\n";
        let websocket = |fields: &str| match &events(&format!("{text}{fields}\r\n"))[..] {
            [Event::Request(request)] => request.websocket.clone(),
            other => panic!("{other:?}"),
        };
        let version = "Sec-WebSocket-Version: 13\r\n";
        assert_eq!(websocket(&format!("{version}Sec-WebSocket-Key: k\r\n")), Some(Ok("k".into())));
        assert_eq!(websocket(version), Some(Err(Status::BAD_REQUEST)));
        assert_eq!(websocket("Sec-WebSocket-Key: k\r\n"), Some(Err(Status::UPGRADE_REQUIRED)));
    }

    #[test]
    fn several_fields_of_subprotocols_are_one_list() {
        let [Event::Request(request)] = &events(
            "GET /a HTTP/1.1\r\nHost: h\r\nSec-WebSocket-Protocol: a, b\r\n\
            sec-websocket-protocol: c\r\n\r\n",
        )[..] else {
            panic!("no request")
        };
        let names: Vec<_> = request.protocols.split(',').map(str::trim).filter(|name| !name.is_empty()).collect();
        assert_eq!(names, ["a", "b", "c"]);
    }

    #[test]
    fn what_is_wrong_is_refused_by_name() {
        assert_eq!(bad("GET / HTTP/1.1\r\n\r\n"), Status::BAD_REQUEST);
        assert_eq!(bad("GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n"), Status::BAD_REQUEST);
        assert_eq!(bad("\x01\x02\x03\x04\r\n\r\n"), Status::BAD_REQUEST);
        assert_eq!(
            bad("GET / HTTP/1.1\r\nHost: h\r\nContent-Length: 99999999999999999999\r\n\r\n"),
            Status::CONTENT_TOO_LARGE
        );
        assert_eq!(
            bad("GET / HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n"),
            Status::BAD_REQUEST
        );
        assert_eq!(bad("GET / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"), Status::NOT_IMPLEMENTED);
        assert_eq!(bad(&format!("GET / HTTP/1.1\r\na: {}", "a".repeat(2000))), Status::HEADERS_TOO_LARGE);
        assert_eq!(bad(&format!("GET /{}", "a".repeat(2000))), Status::URI_TOO_LONG);
    }
}
