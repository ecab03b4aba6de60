//! Requests and responses. RFC 2326 sections 4, 6, 7 and 12.

use super::Status;

/// A message from either side.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Message {
    /// A request.
    Request(Request),
    /// The response to a request.
    Response(Response),
}

/// A request. RFC 2326 section 6.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// The method.
    pub method: Method,
    /// The URL in the request line.
    pub url: String,
    /// The header fields.
    pub fields: Fields,
    /// The body; empty if there is none.
    pub body: String,
}

/// A response. RFC 2326 section 7.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Response {
    /// The status code, 100 to 999.
    pub status: u16,
    /// The reason phrase; may be empty.
    pub reason: String,
    /// The header fields.
    pub fields: Fields,
    /// The body; empty if there is none.
    pub body: String,
}

/// A request method. RFC 2326 section 10.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the specification's names")]
pub enum Method {
    Options,
    Describe,
    Announce,
    Setup,
    Play,
    Pause,
    Record,
    GetParameter,
    SetParameter,
    Teardown,
    Redirect,
    /// Any method that the specification does not define.
    Other,
}

/// Header fields, in the order of arrival.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Fields(Vec<(String, String)>);

/// The error of a malformed message; the bytes after it cannot be read either.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Error {
    /// The status to answer with.
    pub status: Status,
    /// The CSeq of the request, if it was found.
    pub cseq: Option<u32>,
    /// The number of bytes skipped before the message.
    pub used: usize,
}

/// The maximum number of header fields in a message.
const MAX_FIELDS: usize = 64;

const METHODS: [(Method, &str); 11] = [
    (Method::Options, "OPTIONS"),
    (Method::Describe, "DESCRIBE"),
    (Method::Announce, "ANNOUNCE"),
    (Method::Setup, "SETUP"),
    (Method::Play, "PLAY"),
    (Method::Pause, "PAUSE"),
    (Method::Record, "RECORD"),
    (Method::GetParameter, "GET_PARAMETER"),
    (Method::SetParameter, "SET_PARAMETER"),
    (Method::Teardown, "TEARDOWN"),
    (Method::Redirect, "REDIRECT"),
];

impl Error {
    fn of(status: Status, cseq: Option<u32>) -> Self {
        Self { status, cseq, used: 0 }
    }

    /// The error of more than `used` bytes that do not belong to a message.
    pub(super) fn after(used: usize) -> Self {
        Self { status: Status::BAD_REQUEST, cseq: None, used }
    }
}

/// Shows only names: values may be credentials.
impl std::fmt::Debug for Fields {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.0.iter().map(|(name, _)| name)).finish()
    }
}

impl Message {
    fn parts(&mut self) -> (&mut Fields, &mut String) {
        match self {
            Self::Request(request) => (&mut request.fields, &mut request.body),
            Self::Response(response) => (&mut response.fields, &mut response.body),
        }
    }
}

impl Method {
    /// The method's name in requests.
    pub fn name(self) -> &'static str {
        METHODS.iter().find(|(method, _)| *method == self).map_or("OTHER", |(_, name)| name)
    }

    /// Parses a method's name, which is case-sensitive. RFC 2326 section 6.1.
    pub fn parse(name: &str) -> Self {
        METHODS.iter().find(|(_, known)| *known == name).map_or(Self::Other, |(method, _)| *method)
    }
}

impl Fields {
    /// The value of the first field with this name, ignoring case.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.all(name).next()
    }

    /// The values of all fields with this name, ignoring case.
    pub fn all(&self, name: &str) -> impl Iterator<Item = &str> {
        self.0.iter().filter(move |(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    /// Parses the lines between the first line and the empty line.
    fn parse(lines: &[u8]) -> Result<Self, Status> {
        // fields may be folded (section 4.2), and devices send invalid lines; httparse accepts both only after an
        // HTTP status line
        let mut head = b"HTTP/1.1 200\r\n".to_vec();
        head.extend_from_slice(lines);
        let mut fields = [httparse::EMPTY_HEADER; MAX_FIELDS];
        let mut parsed = httparse::Response::new(&mut fields);
        let result = httparse::ParserConfig::default()
            .allow_obsolete_multiline_headers_in_responses(true)
            .allow_spaces_after_header_name_in_responses(true)
            .ignore_invalid_headers_in_responses(true)
            .parse_response(&mut parsed, &head);
        match result {
            Ok(httparse::Status::Complete(_)) => {
                Ok(Self(parsed.headers.iter().map(|field| (field.name.into(), unfold(field.value))).collect()))
            }
            Err(httparse::Error::TooManyHeaders) => Err(Status::TOO_LARGE),
            _ => Err(Status::BAD_REQUEST),
        }
    }

    /// Content-Length; repeated fields must be equal. RFC 2326 section 12.14.
    fn body_length(&self) -> Result<usize, Status> {
        let mut length = None;
        for value in self.all("Content-Length") {
            if value.is_empty() || !value.bytes().all(|byte| byte.is_ascii_digit()) {
                return Err(Status::BAD_REQUEST);
            }
            let this = value.parse().unwrap_or(usize::MAX);
            if length.is_some_and(|before| before != this) {
                return Err(Status::BAD_REQUEST);
            }
            length = Some(this);
        }
        Ok(length.unwrap_or(0))
    }
}

/// A folded value as a single line.
fn unfold(value: &[u8]) -> String {
    let text = String::from_utf8_lossy(value);
    text.split(['\r', '\n']).map(str::trim).filter(|part| !part.is_empty()).collect::<Vec<_>>().join(" ")
}

/// True if a response or a request begins at the front of `data`; `None` if more bytes are needed.
pub fn begins(data: &[u8]) -> Option<bool> {
    let mut verdict = Some(false);
    for (_, name) in METHODS {
        match data.split_at_checked(name.len()) {
            Some((word, [b' ', ..])) if word == name.as_bytes() => return Some(true),
            Some((word, [])) if word == name.as_bytes() => verdict = None,
            None if name.as_bytes().starts_with(data) => verdict = None,
            _ => {}
        }
    }
    let version = data.get(..RTSP.len()).unwrap_or(data);
    match RTSP.get(..version.len()).is_some_and(|start| start.eq_ignore_ascii_case(version)) {
        true if version.len() == RTSP.len() => Some(true),
        true => None,
        false => verdict.and_then(|_| is_request_line(data)),
    }
}

/// True if `data` begins with a whole request line that has an unknown method; `None` if more bytes are needed.
fn is_request_line(data: &[u8]) -> Option<bool> {
    let text = data.get(..MAX_LINE).unwrap_or(data);
    let end = text.iter().position(|byte| !matches!(byte, b' '..=b'~'));
    let (line, rest) = text.split_at_checked(end.unwrap_or(text.len()))?;
    let word = line.iter().take_while(|byte| byte.is_ascii_uppercase() || **byte == b'_').count();
    let (method, rest_of_line) = line.split_at_checked(word)?;
    // a known method after other bytes is noise before a request
    let is_known = METHODS.iter().any(|(_, name)| method.ends_with(name.as_bytes()));
    if word == 0 || is_known || !matches!(rest_of_line, [b' ', ..] | []) {
        return Some(false);
    }
    match rest {
        [] if line.len() < MAX_LINE => None,
        [b'\r' | b'\n', ..] => Some(line.windows(RTSP.len()).any(|part| part == RTSP)),
        _ => Some(false),
    }
}

/// The maximum length of a request line that is searched for in noise, in bytes.
const MAX_LINE: usize = 256;

/// The start of a response.
const RTSP: &[u8] = b"RTSP/";

/// Reads the message at the front of `data`, and gives its length; `None` if it is incomplete. Head and body
/// together must not exceed `max` bytes.
pub fn read(data: &[u8], max: usize) -> Result<Option<(usize, Message)>, Error> {
    // binary data is refused at once, because it might never contain a line end
    if data.first().is_some_and(|byte| !byte.is_ascii_alphabetic()) {
        return Err(Error::of(Status::BAD_REQUEST, None));
    }
    let within = data.get(..max).unwrap_or(data);
    let Some((head, _)) = head_length(within).and_then(|length| data.split_at_checked(length)) else {
        let long = if within.contains(&b'\n') { Status::TOO_LARGE } else { Status::URI_TOO_LONG };
        return if data.len() >= max { Err(Error::of(long, cseq(within))) } else { Ok(None) };
    };
    let (mut message, length) = parse(head, max).map_err(|status| Error::of(status, cseq(head)))?;
    let end = head.len() + length;
    let Some(body) = data.get(head.len()..end) else { return Ok(None) };
    *message.parts().1 = String::from_utf8_lossy(body).into_owned();
    Ok(Some((end, message)))
}

/// The length up to and including the first empty line.
fn head_length(data: &[u8]) -> Option<usize> {
    let mut length = 0;
    for line in data.split_inclusive(|byte| *byte == b'\n') {
        length += line.len();
        if matches!(line, b"\n" | b"\r\n") {
            return Some(length);
        }
    }
    None
}

/// Finds CSeq in bytes that may not be a valid message. RFC 2326 section 12.17.
fn cseq(head: &[u8]) -> Option<u32> {
    head.split(|byte| *byte == b'\n').find_map(|line| {
        let (name, value) = std::str::from_utf8(line).ok()?.split_once(':')?;
        name.trim().eq_ignore_ascii_case("CSeq").then(|| value.trim().parse().ok())?
    })
}

/// Parses a head. Gives the message without its body, and the length of the body.
fn parse(head: &[u8], max: usize) -> Result<(Message, usize), Status> {
    let end = head.iter().position(|byte| *byte == b'\n').ok_or(Status::BAD_REQUEST)?;
    let (first, lines) = head.split_at(end + 1);
    let first = String::from_utf8_lossy(first);
    let mut message = first_line(first.trim())?;
    let fields = Fields::parse(lines)?;
    let length = fields.body_length()?;
    if length > max.saturating_sub(head.len()) {
        return Err(Status::TOO_LARGE);
    }
    *message.parts().0 = fields;
    Ok((message, length))
}

/// Parses the first line. RFC 2326 sections 6.1 and 7.1.
fn first_line(line: &str) -> Result<Message, Status> {
    if line.contains(|c: char| c.is_control()) {
        return Err(Status::BAD_REQUEST);
    }
    let (fields, body) = (Fields::default(), String::new());
    let (first, rest) = line.split_once(' ').ok_or(Status::BAD_REQUEST)?;
    let rest = rest.trim();
    if first.get(..5).is_some_and(|start| start.eq_ignore_ascii_case("RTSP/")) {
        check_version(first)?;
        let (code, reason) = rest.split_once(' ').unwrap_or((rest, ""));
        let status = code.parse().ok().filter(|code| (100..1000).contains(code)).ok_or(Status::BAD_REQUEST)?;
        return Ok(Message::Response(Response { status, reason: reason.trim().into(), fields, body }));
    }
    // some clients send URLs that contain spaces
    let (url, version) = rest.rsplit_once(' ').ok_or(Status::BAD_REQUEST)?;
    check_version(version)?;
    Ok(Message::Request(Request { method: Method::parse(first), url: url.trim().into(), fields, body }))
}

fn check_version(text: &str) -> Result<(), Status> {
    let (protocol, number) = text.split_once('/').ok_or(Status::BAD_REQUEST)?;
    match number.split('.').next() {
        _ if !protocol.eq_ignore_ascii_case("RTSP") => Err(Status::BAD_REQUEST),
        Some("1") => Ok(()),
        _ => Err(Status::VERSION),
    }
}

/// Writes a request. Content-Length is added if there is a body.
pub fn write_request(out: &mut Vec<u8>, method: Method, url: &str, fields: &[(&str, &str)], body: &str) {
    write(out, &[method.name(), " ", url, " RTSP/1.0"], fields, body);
}

/// Writes a response. Content-Length is added if there is a body.
pub fn write_response(out: &mut Vec<u8>, status: Status, fields: &[(&str, &str)], body: &str) {
    let Status(code, reason) = status;
    write(out, &["RTSP/1.0 ", &code.to_string(), " ", reason], fields, body);
}

fn write(out: &mut Vec<u8>, first: &[&str], fields: &[(&str, &str)], body: &str) {
    push_line(out, first);
    for (name, value) in fields {
        push_line(out, &[name, ": ", value]);
    }
    if !body.is_empty() {
        push_line(out, &["Content-Length: ", &body.len().to_string()]);
    }
    out.extend_from_slice(b"\r\n");
    out.extend_from_slice(body.as_bytes());
}

/// Writes a line without the control characters in its parts, which could end the line early.
fn push_line(out: &mut Vec<u8>, parts: &[&str]) {
    out.extend(parts.iter().flat_map(|part| part.bytes()).filter(|byte| !byte.is_ascii_control()));
    out.extend_from_slice(b"\r\n");
}

impl std::fmt::Display for Error {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.status.1)
    }
}

impl std::error::Error for Error {}

#[cfg(test)]
mod tests;
