//! Requests: their request line and their header fields. RFC 9112 sections 3 and 5.

use bytes::Bytes;

use super::body::{Framing, MAX_BODY};
use super::{METHODS, Method, Status};

/// A request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Request {
    /// The method.
    pub method: Method,
    /// The path of the request line, without the query.
    pub path: String,
    /// The query without `?`; empty if there is none.
    pub query: String,
    /// The header fields.
    pub fields: Fields,
    /// The body, if `Server::read_body` has read it.
    pub body: Bytes,
}

/// Header fields in the order of arrival; a name may occur several times.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Fields(String);

/// The contents of a head.
pub(super) struct Head {
    pub(super) request: Request,
    /// The client wants to send further requests on this connection.
    pub(super) keep_alive: bool,
    /// The client waits for 100 before it sends the body. RFC 9110 section 10.1.1.
    pub(super) expects: bool,
    /// The framing of the body that follows.
    pub(super) framing: Framing,
}

impl std::fmt::Display for Request {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.path)?;
        if self.query.is_empty() { Ok(()) } else { write!(f, "?{}", self.query) }
    }
}

impl Request {
    /// `Sec-WebSocket-Key` of a request to upgrade, or the status with which to refuse it; `None` if it is no such
    /// request. RFC 6455 section 4.2.1.
    pub fn websocket(&self) -> Option<Result<&str, Status>> {
        self.fields.has("upgrade", "websocket").then(|| match self.fields.get("sec-websocket-key") {
            _ if self.fields.get("sec-websocket-version") != Some("13") => Err(Status::UPGRADE_REQUIRED),
            Some(key) => Ok(key),
            None => Err(Status::BAD_REQUEST),
        })
    }

    /// `x-sessioncookie`, which links the two connections of an RTSP tunnel.
    pub fn tunnel(&self) -> Option<&str> {
        self.fields.get("x-sessioncookie")
    }

    /// The number of bytes in its texts.
    pub fn size(&self) -> usize {
        self.path.len() + self.query.len() + self.fields.0.len()
    }
}

impl Fields {
    /// The value of the first field with this name, which must be in lower case.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.all().find(|(own, _)| *own == name).map(|(_, value)| value)
    }

    /// The values of all fields with this name, which must be in lower case.
    pub fn values<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> + Clone {
        self.all().filter(move |(own, _)| *own == name).map(|(_, value)| value)
    }

    /// The items of the list in all fields with this name. RFC 9110 section 5.6.1.
    pub fn items<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> + Clone {
        self.values(name).flat_map(|value| value.split(',')).map(trim).filter(|item| !item.is_empty())
    }

    /// True if the list `name` contains `token`, ignoring case.
    pub fn has(&self, name: &str, token: &str) -> bool {
        self.items(name).any(|item| item.eq_ignore_ascii_case(token))
    }

    /// All names, in lower case, and values.
    pub fn all(&self) -> impl Iterator<Item = (&str, &str)> + Clone {
        self.0.lines().filter_map(|line| line.split_once(':'))
    }

    /// Removes all fields except those with these names.
    pub fn keep(&mut self, names: &[&str]) {
        *self = self.all().filter(|(name, _)| names.contains(name)).collect();
    }
}

/// Shows only names: values may be credentials.
impl std::fmt::Debug for Fields {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.all().map(|(name, _)| name)).finish()
    }
}

impl<'a> FromIterator<(&'a str, &'a str)> for Fields {
    /// Stores one field per line: neither names nor values contain line feeds, and names contain no colons.
    fn from_iter<I: IntoIterator<Item = (&'a str, &'a str)>>(fields: I) -> Self {
        let mut text = String::new();
        for (name, value) in fields {
            text.extend(name.chars().map(|letter| letter.to_ascii_lowercase()));
            text.extend([":", trim(value), "\n"]);
        }
        text.shrink_to_fit();
        Self(text)
    }
}

/// A value without surrounding white space; other Unicode spaces belong to it. RFC 9110 section 5.5.
fn trim(value: &str) -> &str {
    value.trim_matches([' ', '\t'])
}

impl Head {
    pub(super) fn read(parsed: &httparse::Request<'_, '_>) -> Result<Self, Status> {
        let http10 = parsed.version == Some(0);
        let target = origin_form(parsed.path.unwrap_or_default()).ok_or(Status::BAD_REQUEST)?;
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let texts = parsed.headers.iter().map(|field| Some((field.name, std::str::from_utf8(field.value).ok()?)));
        let fields = texts.collect::<Option<Fields>>().ok_or(Status::BAD_REQUEST)?;
        let hosts = fields.values("host").count();
        if hosts != 1 && !http10 || hosts > 1 {
            return Err(Status::BAD_REQUEST); // RFC 9112 section 3.2
        }
        let keep_alive = !fields.has("connection", "close") && (!http10 || fields.has("connection", "keep-alive"));
        let expects = !http10 && fields.has("expect", "100-continue");
        let framing = framing(&fields, http10)?;
        let method = method(parsed.method.unwrap_or_default());
        let request = Request { method, path: path.into(), query: query.into(), fields, body: Bytes::new() };
        // if no tunnel is opened, the bytes after the head are a body that is not read
        let keep_alive = keep_alive && (request.tunnel().is_none() || framing == Framing::Length(0));
        let framing = match framing {
            // the bytes in a tunnel are no body
            _ if request.tunnel().is_some() => Framing::Length(0),
            Framing::Length(length) if length > MAX_BODY => return Err(Status::CONTENT_TOO_LARGE),
            // the other protocol begins after the head
            framing if request.websocket().is_some() && framing != Framing::Length(0) => {
                return Err(Status::BAD_REQUEST);
            }
            framing => framing,
        };
        Ok(Self { request, keep_alive, expects, framing })
    }
}

/// The framing of the body. Ambiguous framing is refused: another program could take a part of the body for a
/// request, or a request for a part of the body. RFC 9112 section 6.3.
fn framing(fields: &Fields, http10: bool) -> Result<Framing, Status> {
    let length = content_length(fields)?;
    let has_coding = fields.get("transfer-encoding").is_some();
    match length {
        None if has_coding && !http10 => chunked(fields),
        _ if has_coding => Err(Status::BAD_REQUEST),
        // a length too large for usize is too large for a body
        length => Ok(Framing::Length(usize::try_from(length.unwrap_or(0)).unwrap_or(usize::MAX))),
    }
}

/// The only transfer coding that is supported is chunked. RFC 9112 section 6.1.
fn chunked(fields: &Fields) -> Result<Framing, Status> {
    let mut codings = fields.items("transfer-encoding");
    match (codings.next(), codings.next()) {
        (Some(coding), None) if coding.eq_ignore_ascii_case("chunked") => Ok(Framing::CHUNKED),
        _ if fields.items("transfer-encoding").all(|coding| coding.eq_ignore_ascii_case("chunked")) => {
            Err(Status::BAD_REQUEST)
        }
        _ => Err(Status::NOT_IMPLEMENTED),
    }
}

/// The value of Content-Length, which must be the same in all fields with this name. Values above the range of u64
/// become its maximum. RFC 9110 section 8.6.
pub(super) fn content_length(fields: &Fields) -> Result<Option<u64>, Status> {
    let mut length = None;
    for value in fields.values("content-length") {
        if value.is_empty() || !value.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(Status::BAD_REQUEST);
        }
        let value = Some(value.parse().unwrap_or(u64::MAX));
        if length.is_some() && length != value {
            return Err(Status::BAD_REQUEST);
        }
        length = value;
    }
    Ok(length)
}

/// True if a text is valid as the name of a field or protocol. RFC 9110 section 5.6.2.
pub(in crate::proto) fn is_token(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte))
}

fn method(name: &str) -> Method {
    METHODS.into_iter().find(|(_, own)| *own == name).map_or(Method::Other, |(method, _)| method)
}

/// The path of a target in origin form or absolute form. RFC 9112 section 3.2.
fn origin_form(target: &str) -> Option<&str> {
    if target.starts_with('/') || target == "*" {
        return Some(target);
    }
    let (_, rest) = target.split_once("://")?;
    Some(rest.find('/').and_then(|at| rest.get(at..)).unwrap_or("/"))
}
