//! The server's side of a connection.

use std::borrow::Cow;
use std::collections::VecDeque;

use bytes::Bytes;

use super::chunk::{Chunks, Payload, is_control};
use super::command::{self, Caps, Command};
use super::message::{Message, kind, write_message};
use super::{CHUNK_SIZE, NO_ROOM, PING_REQUEST, PING_RESPONSE, STREAM_ID, Target, WINDOW, handshake};
use crate::budget::Account;
use crate::container::amf::{self, Value};
use crate::media::Kind;
use crate::proto::{AdobeLogin, AuthScheme, Credentials, Error, Machine, NO_CREDENTIALS, Url, agent};
use crate::wire::Reader;

/// The limits of one connection.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// The maximum length of an audio or video message in bytes; longer messages are skipped.
    pub max_message: usize,
    /// The maximum number of bytes of answers that wait for a peer that does not read.
    pub max_answers: usize,
}

/// An event from the client.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// The client connects to an application, and is let in once this is handled, unless `turn_away` rejects it: its
    /// `tcUrl` without user and password, 128 bytes at most.
    Connect(Box<str>),
    /// The client asks to publish; answer with `accept` or `refuse`.
    Publish(Target),
    /// The client asks to play; answer with `accept` or `refuse`.
    Play(Target),
    /// An audio or video message of the accepted publisher.
    Media {
        /// Audio or video.
        kind: Kind,
        /// Milliseconds, 32 bits, which wrap.
        timestamp: u32,
        /// The tag.
        body: Bytes,
    },
    /// An audio or video message that was lost.
    Lost(Kind, Payload),
    /// Script data of the accepted publisher.
    Data(Bytes),
    /// Script data that was lost.
    DataLost(Payload),
    /// The client stops publishing or playing, and keeps the connection.
    Stop,
}

/// The reason why a request is refused; it selects the `code` of `onStatus`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The name is in use or invalid.
    BadName,
    /// The client is not authorized.
    Denied,
    /// A limit is reached.
    Full,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Hello,
    Echo,
    Open,
    Asked(Role),
    Active(Role),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Role {
    Publish,
    Play,
}

/// The machine.
pub struct Server {
    state: State,
    limits: Limits,
    seed: u64,
    account: Account,
    chunks: Chunks,
    events: VecDeque<Event>,
    aggregate: Option<Box<Aggregate>>,
    out: Vec<u8>,
    is_connected: bool,
    connecting: Option<Box<Connecting>>,
    app: Box<str>,
    /// `flashVer` of `connect`.
    agent: Box<str>,
    /// User and password in `tcUrl`, or an answer to a challenge.
    credentials: Option<Box<Credentials>>,
    caps: Caps,
    /// The number of bytes received since the handshake; wraps, as its acknowledgement does.
    received: u32,
    acknowledged: u32,
    window: u32,
}

/// A `connect` that is not answered yet.
struct Connecting {
    login: Option<AdobeLogin>,
    transaction: f64,
    /// The answer that lets the client in.
    welcome: Vec<u8>,
}

impl Server {
    /// A machine that waits for C0. `seed` varies the handshake. Messages are charged to `account` until
    /// `charge_to` sets another.
    pub fn new(limits: Limits, seed: u64, account: Account) -> Self {
        Self {
            state: State::Hello,
            limits,
            seed,
            account,
            chunks: Chunks::new(limits.max_message),
            events: VecDeque::new(),
            aggregate: None,
            out: Vec::new(),
            is_connected: false,
            connecting: None,
            app: "".into(),
            agent: "".into(),
            credentials: None,
            caps: Caps::default(),
            received: 0,
            acknowledged: 0,
            window: WINDOW,
        }
    }

    /// Charges all further messages to `account`. Incomplete media and data are dropped: they belong to a stream
    /// that has ended.
    pub fn charge_to(&mut self, account: Account) {
        self.chunks.charge_to(&account);
        self.account = account;
    }

    /// The capabilities that the client declared in `connect`.
    pub fn caps(&self) -> &Caps {
        &self.caps
    }

    /// The user agent that the client declared in `connect`; at most [`MAX_AGENT`](crate::proto::MAX_AGENT) bytes.
    pub fn agent(&self) -> &str {
        &self.agent
    }

    /// The application that the client has connected to.
    pub fn app(&self) -> &str {
        &self.app
    }

    /// User and password of the URL in `connect`, or what `identify` has set.
    pub fn credentials(&self) -> &Credentials {
        self.credentials.as_deref().unwrap_or(&NO_CREDENTIALS)
    }

    /// The introduction of a client that connects, if it has one.
    pub fn login(&self) -> Option<&AdobeLogin> {
        self.connecting.as_ref()?.login.as_ref()
    }

    /// Sets the credentials of a client that connects.
    pub fn identify(&mut self, credentials: Credentials) {
        self.credentials = Some(Box::new(credentials));
    }

    /// Rejects a client that connects; it may connect again.
    pub fn turn_away(&mut self, description: &str) {
        let Some(connecting) = self.connecting.take() else { return };
        let info = command::status("error", "NetConnection.Connect.Rejected", description);
        let reply = command::write("_error", connecting.transaction, &[Value::Null, Value::Object(info)]);
        self.send(kind::COMMAND_AMF0, 0, &reply);
    }

    fn welcome(&mut self) {
        if let Some(connecting) = self.connecting.take() {
            self.is_connected = true;
            self.send(kind::COMMAND_AMF0, 0, &connecting.welcome);
        }
    }

    /// Accepts the client's request to publish or play.
    pub fn accept(&mut self) {
        let State::Asked(role) = self.state else { return };
        self.state = State::Active(role);
        match role {
            Role::Publish => {
                self.user_control(STREAM_BEGIN);
                self.status("status", "NetStream.Publish.Start", "Start publishing");
            }
            Role::Play => {
                self.user_control(STREAM_BEGIN);
                self.status("status", "NetStream.Play.Reset", "Playing and resetting");
                self.status("status", "NetStream.Play.Start", "Start live");
                let mut data = Vec::new();
                let access = [Value::text("|RtmpSampleAccess"), Value::Boolean(true), Value::Boolean(true)];
                access.iter().for_each(|value| amf::write(&mut data, value));
                self.send(kind::DATA_AMF0, STREAM_ID, &data);
            }
        }
    }

    /// Refuses the client's request with a reason.
    pub fn refuse(&mut self, refusal: Refusal, description: &str) {
        let State::Asked(role) = self.state else { return };
        self.state = State::Open;
        let code = match (role, refusal) {
            (Role::Publish, Refusal::BadName) => "NetStream.Publish.BadName",
            (Role::Publish, Refusal::Denied) => "NetStream.Publish.Denied",
            (Role::Publish, Refusal::Full) => "NetStream.Publish.Failed",
            (Role::Play, Refusal::BadName) => "NetStream.Play.StreamNotFound",
            (Role::Play, _) => "NetStream.Play.Failed",
        };
        self.status("error", code, description);
    }

    fn message(&mut self, message: Message) -> Result<(), Error> {
        let Message { kind, timestamp, payload, .. } = message;
        let payload = match payload {
            Payload::Bytes(bytes) => bytes,
            lost => return self.lost(kind, lost),
        };
        match kind {
            kind::AUDIO | kind::VIDEO => self.media(kind, timestamp, payload),
            kind::AGGREGATE => {
                self.aggregate = Some(Box::new(Aggregate { timestamp, first: None, rest: payload, left: MAX_PARTS }));
            }
            kind::DATA_AMF0 => self.data(payload),
            kind::DATA_AMF3 => self.data(skip_version(&payload)),
            kind::COMMAND_AMF0 => self.command(&payload),
            kind::COMMAND_AMF3 => self.command(&skip_version(&payload)),
            _ => self.control(kind, &payload)?,
        }
        Ok(())
    }

    fn lost(&mut self, kind: u8, lost: Payload) -> Result<(), Error> {
        self.events.push_back(match kind {
            kind::AUDIO => Event::Lost(Kind::Audio, lost),
            kind::VIDEO | kind::AGGREGATE => Event::Lost(Kind::Video, lost),
            kind::DATA_AMF0 | kind::DATA_AMF3 => Event::DataLost(lost),
            kind if is_control(kind) => return Err(NO_ROOM),
            _ => return Ok(()),
        });
        Ok(())
    }

    fn media(&mut self, kind: u8, timestamp: u32, body: Bytes) {
        if let (State::Active(Role::Publish), Some(kind)) = (self.state, media_kind(kind)) {
            self.events.push_back(Event::Media { kind, timestamp, body });
        }
    }

    fn data(&mut self, payload: Bytes) {
        if self.state == State::Active(Role::Publish) {
            self.events.push_back(Event::Data(payload));
        }
    }

    /// Reads messages of an aggregate until one causes an event.
    fn unfold(&mut self) {
        while let (true, Some(aggregate)) = (self.events.is_empty(), &mut self.aggregate) {
            match aggregate.next() {
                Some((kind::DATA_AMF0, _, body)) => self.data(body),
                Some((kind, time, body)) => self.media(kind, time, body),
                None => self.aggregate = None,
            }
        }
    }

    /// Protocol control and user control. Sections 5.4 and 7.1.7.
    fn control(&mut self, kind: u8, payload: &[u8]) -> Result<(), Error> {
        let mut r = Reader::new(payload);
        match kind {
            kind::SET_CHUNK_SIZE => self.chunks.set_chunk_size(r.u32()?)?,
            kind::ABORT => self.chunks.abort(r.u32()?),
            kind::WINDOW_ACK_SIZE => self.window = r.u32()?.clamp(MIN_WINDOW, WINDOW),
            kind::USER_CONTROL if r.u16()? == PING_REQUEST => {
                let time = r.u32()?;
                self.user_control_with(PING_RESPONSE, time);
            }
            _ => {} // acknowledgements and bandwidth are not used
        }
        Ok(())
    }

    fn command(&mut self, payload: &[u8]) {
        let Some(command) = Command::parse(payload) else { return };
        match &*command.name {
            "connect" => self.connect(&command),
            "createStream" => self.result(&command, Value::Number(STREAM_ID.into())),
            "publish" => self.ask(Role::Publish, command.text(0)),
            "play" => self.ask(Role::Play, command.text(0)),
            "deleteStream" | "closeStream" | "FCUnpublish" => self.stop(&command),
            "FCPublish" => {
                self.result(&command, Value::Null);
                let info = command::status("status", "NetStream.Publish.Start", "Ready to publish");
                let reply = command::write("onFCPublish", command.transaction, &[Value::Null, Value::Object(info)]);
                self.send(kind::COMMAND_AMF0, 0, &reply);
            }
            "FCSubscribe" => {
                let info = command::status("status", "NetStream.Play.Start", "Ready to play");
                let reply = command::write("onFCSubscribe", command.transaction, &[Value::Null, Value::Object(info)]);
                self.send(kind::COMMAND_AMF0, 0, &reply);
            }
            "getStreamLength" => self.result(&command, Value::Number(0.0)),
            "releaseStream" | "_checkbw" | "receiveAudio" | "receiveVideo" => self.result(&command, Value::Null),
            "pause" => self.status("status", "NetStream.Pause.Notify", "Live streams go on"),
            "seek" => self.status("error", "NetStream.Seek.Failed", "Live streams cannot seek"),
            "_result" | "_error" | "onStatus" => {}
            _ => self.unknown(&command),
        }
    }

    fn connect(&mut self, command: &Command) {
        let object = command.object();
        let text = |name| object.member(name).and_then(Value::as_text).unwrap_or_default();
        let (app, login) = AdobeLogin::cut(text("app"));
        self.app = app.split_at(app.floor_char_boundary(app.len().min(MAX_APP))).0.into();
        self.agent = agent(text("flashVer")).into();
        let url = text("tcUrl");
        self.credentials = credentials(url).map(Box::new);
        if !self.is_connected {
            let url = without_user(AdobeLogin::cut(url).0);
            let end = url.floor_char_boundary(url.len().min(MAX_URL));
            self.events.push_back(Event::Connect(url.split_at(end).0.into()));
        }
        self.caps = Caps::of(object);
        self.send(kind::WINDOW_ACK_SIZE, 0, &WINDOW.to_be_bytes());
        let [a, b, c, d] = WINDOW.to_be_bytes();
        self.send(kind::SET_PEER_BANDWIDTH, 0, &[a, b, c, d, DYNAMIC]);
        self.send(kind::SET_CHUNK_SIZE, 0, &(CHUNK_SIZE as u32).to_be_bytes());
        let encoding = object.member("objectEncoding").and_then(Value::as_number).unwrap_or(0.0);
        let mut properties =
            vec![("fmsVer".into(), Value::text("FMS/3,0,1,123")), ("capabilities".into(), Value::Number(31.0))];
        let mut info = command::status("status", "NetConnection.Connect.Success", "Connection succeeded.");
        info.push(("objectEncoding".into(), Value::Number(encoding)));
        if self.caps.enhanced || object.member("capsEx").is_some() {
            properties.extend(Caps::ours());
            info.extend(Caps::ours());
        }
        let reply = command::write("_result", command.transaction, &[Value::Object(properties), Value::Object(info)]);
        self.connecting = Some(Box::new(Connecting { login, transaction: command.transaction, welcome: reply }));
    }

    fn ask(&mut self, role: Role, name: &str) {
        if self.state != State::Open {
            let code = if role == Role::Publish { "NetStream.Publish.BadName" } else { "NetStream.Play.Failed" };
            return self.status("error", code, "This connection is in use");
        }
        let target = Target::new(&self.app, name);
        self.state = State::Asked(role);
        self.events.push_back(match role {
            Role::Publish => Event::Publish(target),
            Role::Play => Event::Play(target),
        });
    }

    fn stop(&mut self, command: &Command) {
        let State::Active(role) = self.state else { return };
        self.state = State::Open;
        self.events.push_back(Event::Stop);
        match role {
            Role::Publish => {
                if &*command.name == "FCUnpublish" {
                    let info = command::status("status", "NetStream.Unpublish.Success", "Stop publishing");
                    let args = [Value::Null, Value::Object(info)];
                    self.send(kind::COMMAND_AMF0, 0, &command::write("onFCUnpublish", command.transaction, &args));
                }
                self.status("status", "NetStream.Unpublish.Success", "Stop publishing");
            }
            Role::Play => self.status("status", "NetStream.Play.Stop", "Stop playing"),
        }
    }

    fn unknown(&mut self, command: &Command) {
        if command.transaction != 0.0 {
            let info = command::status("error", "NetConnection.Call.Failed", "No such command");
            let reply = command::write("_error", command.transaction, &[Value::Null, Value::Object(info)]);
            self.send(kind::COMMAND_AMF0, 0, &reply);
        }
    }

    fn result(&mut self, command: &Command, value: Value) {
        if command.transaction != 0.0 {
            let reply = command::write("_result", command.transaction, &[Value::Null, value]);
            self.send(kind::COMMAND_AMF0, 0, &reply);
        }
    }

    fn status(&mut self, level: &str, code: &str, description: &str) {
        let info = Value::Object(command::status(level, code, description));
        self.send(kind::COMMAND_AMF0, STREAM_ID, &command::write("onStatus", 0.0, &[Value::Null, info]));
    }

    fn user_control(&mut self, event: u16) {
        self.user_control_with(event, STREAM_ID);
    }

    fn user_control_with(&mut self, event: u16, value: u32) {
        let payload = [&event.to_be_bytes()[..], &value.to_be_bytes()].concat();
        self.send(kind::USER_CONTROL, 0, &payload);
    }

    fn send(&mut self, kind: u8, stream_id: u32, payload: &[u8]) {
        // no message sent before Set Chunk Size exceeds 128 bytes
        write_message(&mut self.out, CHUNK_SIZE, kind, stream_id, 0, payload);
    }

    /// Acknowledges the received bytes after half the window. Section 5.4.3.
    fn acknowledge(&mut self, len: usize) {
        self.received = self.received.wrapping_add(len as u32);
        if self.received.wrapping_sub(self.acknowledged) >= self.window / 2 {
            self.acknowledged = self.received;
            self.send(kind::ACKNOWLEDGEMENT, 0, &self.received.to_be_bytes());
        }
    }
}

impl Machine for Server {
    type Event = Event;

    fn input(&mut self, data: &[u8]) -> Result<usize, Error> {
        match self.state {
            State::Hello => {
                let Some(hello) = data.first_chunk::<{ handshake::HELLO }>() else { return Ok(0) };
                self.out = handshake::answer(hello, self.seed);
                self.state = State::Echo;
                Ok(handshake::HELLO)
            }
            // a C2 that does not echo S1 is accepted: many encoders send one
            State::Echo if data.len() < handshake::PACKET => Ok(0),
            State::Echo => {
                self.state = State::Open;
                Ok(handshake::PACKET)
            }
            _ => {
                let (used, message) = self.chunks.read(data, &self.account)?;
                self.acknowledge(used);
                message.map_or(Ok(()), |message| self.message(message)).map_err(|error| error.after(used))?;
                if self.out.len() > self.limits.max_answers {
                    return Err(Error::limit("answers are not read"));
                }
                Ok(used)
            }
        }
    }

    fn event(&mut self) -> Option<Event> {
        self.unfold();
        let event = self.events.pop_front();
        if event.is_none() {
            self.welcome();
        }
        event
    }

    fn transmit(&mut self) -> &mut Vec<u8> {
        &mut self.out
    }
}

/// Messages inside a message: FLV tags whose times are relative to the first. Section 7.1.6. They are read one by
/// one, because an aggregate may contain thousands of empty ones.
struct Aggregate {
    timestamp: u32,
    first: Option<u32>,
    rest: Bytes,
    /// The number of messages that are still read.
    left: u16,
}

/// The maximum number of messages in an aggregate: servers send some dozens.
const MAX_PARTS: u16 = 4096;

impl Aggregate {
    /// The next message; a damaged one ends the aggregate.
    fn next(&mut self) -> Option<(u8, u32, Bytes)> {
        self.left = self.left.checked_sub(1)?;
        let rest = self.rest.clone();
        let mut r = Reader::new(&rest);
        let kind = r.u8().ok()?;
        let len = r.u24().ok()?;
        let time = r.u24().ok()? | u32::from(r.u8().ok()?) << 24;
        r.take(3).ok()?;
        let body = rest.slice_ref(r.take(len as usize).ok()?);
        r.u32().ok()?;
        self.rest = rest.slice_ref(r.rest());
        let first = *self.first.get_or_insert(time);
        Some((kind, self.timestamp.wrapping_add(time.wrapping_sub(first)), body))
    }
}

/// The AMF0 part of an AMF3 message, which begins with a version that is always 0.
fn skip_version(payload: &Bytes) -> Bytes {
    payload.split_first().map_or_else(Bytes::new, |(_, rest)| payload.slice_ref(rest))
}

/// User and password of a URL; `None` if it has neither. An `@` after the host is not part of them.
fn credentials(url: &str) -> Option<Credentials> {
    let (scheme, rest) = url.split_once("://")?;
    let authority = rest.split(['/', '?']).next()?;
    if !authority.contains('@') {
        return None;
    }
    let Url { user, password, .. } = Url::parse(&format!("{scheme}://{authority}")).ok()?;
    Some(match user.len() + password.len() {
        0 => return None,
        1..=MAX_USER => Credentials::Password { name: user.into(), password: password.into() },
        _ => Credentials::Damaged(AuthScheme::Basic),
    })
}

/// The URL without user and password.
fn without_user(url: &str) -> Cow<'_, str> {
    let Some((scheme, rest)) = url.split_once("://") else { return url.into() };
    let (authority, path) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
    match authority.rsplit_once('@') {
        Some((_, host)) => format!("{scheme}://{host}{path}").into(),
        None => url.into(),
    }
}

fn media_kind(kind: u8) -> Option<Kind> {
    match kind {
        kind::AUDIO => Some(Kind::Audio),
        kind::VIDEO => Some(Kind::Video),
        _ => None,
    }
}

/// The maximum number of bytes kept of an app's name.
const MAX_APP: usize = 512;
/// The maximum number of bytes told of the URL of an app.
const MAX_URL: usize = 128;
/// The maximum length of user and password together, in bytes; longer ones are never accepted.
const MAX_USER: usize = 256;
/// User control events. Section 7.1.7.
const STREAM_BEGIN: u16 = 0;
/// Limit type of Set Peer Bandwidth. Section 5.4.5.
const DYNAMIC: u8 = 2;
/// The minimum window: a smaller one is raised to it, to limit the number of acknowledgements.
const MIN_WINDOW: u32 = 16 << 10;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_told_without_user_and_password() {
        for (url, told) in [
            ("rtmp://u:p@h:1/live?k=a@b", "rtmp://h:1/live?k=a@b"),
            ("rtmp://u:p@q@h", "rtmp://h"),
            ("rtmp://h/a@b", "rtmp://h/a@b"),
            ("u:p", "u:p"),
        ] {
            assert_eq!(without_user(url), told);
        }
    }
}
