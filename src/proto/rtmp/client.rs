//! The client's side of a connection, for pulling, pushing and measuring.

use std::collections::VecDeque;

use bytes::Bytes;

use super::chunk::{Chunks, Payload, is_control};
use super::command::{self, Caps, Command};
use super::message::{Message, kind, write_message};
use super::{Address, CHUNK_SIZE, NO_ROOM, PING_REQUEST, PING_RESPONSE, STREAM_ID, WINDOW, handshake};
use crate::budget::Account;
use crate::container::amf::Value;
use crate::media::Kind;
use crate::proto::{Error, Machine};
use crate::wire::Reader;

/// The task of the client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// To publish.
    Publish,
    /// To play.
    Play,
}

/// An event from the server.
#[derive(Clone, Debug, PartialEq)]
pub enum ClientEvent {
    /// The server accepts publishing or playing.
    Started,
    /// The server refuses: the status code and its description, safe to log.
    Refused(String),
    /// The stream is at another URL.
    Moved(String),
    /// An audio or video message.
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
    /// Script data.
    Data(Bytes),
    /// Script data that was lost.
    DataLost(Payload),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Hello,
    Echo,
    Open,
}

/// The machine.
pub struct Client {
    state: State,
    role: Role,
    address: Address,
    account: Account,
    chunks: Chunks,
    events: VecDeque<ClientEvent>,
    out: Vec<u8>,
    /// The message stream that the server has assigned.
    stream_id: u32,
    received: u32,
    acknowledged: u32,
    /// The server waits for an acknowledgement after this number of bytes.
    window: u32,
    /// The last window of Set Peer Bandwidth that was answered.
    answered_window: Option<u32>,
}

/// Transaction numbers, in the order that encoders use.
const CONNECT: f64 = 1.0;
const RELEASE_STREAM: f64 = 2.0;
const FC_PUBLISH: f64 = 3.0;
const CREATE_STREAM: f64 = 4.0;
const ASK: f64 = 5.0;
const FC_UNPUBLISH: f64 = 6.0;
const DELETE_STREAM: f64 = 7.0;
/// The `flashVer` of publishers: some servers check for FMLE.
const ENCODER: &str = concat!("FMLE/3.0 (compatible; runnel/", env!("CARGO_PKG_VERSION"), ")");
/// The `flashVer` of players: ffmpeg's.
const PLAYER: &str = "LNX 9,0,124,2";
/// The minimum window: a smaller one is raised to it, and half of it is acknowledged.
const MIN_WINDOW: u32 = 1 << 10;

impl Client {
    /// A machine that publishes to or plays `address`. Its first bytes are in `transmit`. Messages of more than
    /// `max_message` bytes are skipped.
    pub fn new(role: Role, address: Address, max_message: usize, seed: u64, account: Account) -> Self {
        Self {
            state: State::Hello,
            role,
            address,
            account,
            chunks: Chunks::new(max_message),
            events: VecDeque::new(),
            out: handshake::hello(seed),
            stream_id: STREAM_ID,
            received: 0,
            acknowledged: 0,
            window: WINDOW,
            answered_window: None,
        }
    }

    /// True if the server has answered.
    pub fn is_answered(&self) -> bool {
        self.state != State::Hello
    }

    /// Charges all further messages to `account`; incomplete messages stay charged to the account before.
    pub fn charge_to(&mut self, account: Account) {
        self.account = account;
    }

    /// The message stream for publishing or playing, valid once that has started.
    pub fn stream_id(&self) -> u32 {
        self.stream_id
    }

    /// Appends an audio, video or data message to the bytes to send.
    pub fn send_media(&mut self, kind: u8, timestamp: u32, body: &[u8]) {
        write_message(&mut self.out, CHUNK_SIZE, kind, self.stream_id, timestamp, body);
    }

    /// Ends publishing.
    pub fn stop(&mut self) {
        let name = Value::text(&self.address.name);
        self.command("FCUnpublish", FC_UNPUBLISH, &[Value::Null, name]);
        self.command("deleteStream", DELETE_STREAM, &[Value::Null, Value::Number(self.stream_id.into())]);
    }

    fn connect(&mut self) {
        self.send(kind::SET_CHUNK_SIZE, 0, &(CHUNK_SIZE as u32).to_be_bytes());
        let Address { app, tc_url, .. } = &self.address;
        let mut object: Vec<(&str, Value)> = match self.role {
            Role::Publish => vec![
                ("app", Value::text(app)),
                ("type", Value::text("nonprivate")),
                ("flashVer", Value::text(ENCODER)),
                ("tcUrl", Value::text(tc_url)),
            ],
            Role::Play => vec![
                ("app", Value::text(app)),
                ("flashVer", Value::text(PLAYER)),
                ("tcUrl", Value::text(tc_url)),
                ("fpad", Value::Boolean(false)),
                ("capabilities", Value::Number(15.0)),
                ("audioCodecs", Value::Number(4071.0)),
                ("videoCodecs", Value::Number(252.0)),
                ("videoFunction", Value::Number(1.0)),
            ],
        };
        let mut members: Vec<_> = object.drain(..).map(|(name, value)| (name.into(), value)).collect();
        members.extend(Caps::ours());
        self.command("connect", CONNECT, &[Value::Object(members)]);
    }

    fn message(&mut self, message: Message) -> Result<(), Error> {
        let Message { kind, timestamp, payload, .. } = message;
        let body = match payload {
            Payload::Bytes(body) => body,
            lost => return self.lost(kind, lost),
        };
        match kind {
            kind::SET_CHUNK_SIZE => {
                let size = body.first_chunk().ok_or(Error::malformed("a short chunk size"))?;
                self.chunks.set_chunk_size(u32::from_be_bytes(*size))?;
            }
            kind::AUDIO => self.events.push_back(ClientEvent::Media { kind: Kind::Audio, timestamp, body }),
            kind::VIDEO => self.events.push_back(ClientEvent::Media { kind: Kind::Video, timestamp, body }),
            kind::DATA_AMF0 => self.events.push_back(ClientEvent::Data(body)),
            kind::COMMAND_AMF0 => self.on_command(&body),
            _ => self.control(kind, &body)?,
        }
        Ok(())
    }

    /// Protocol control and user control. Sections 5.4 and 7.1.7.
    fn control(&mut self, kind: u8, body: &[u8]) -> Result<(), Error> {
        let mut r = Reader::new(body);
        match kind {
            kind::ABORT => self.chunks.abort(r.u32()?),
            kind::WINDOW_ACK_SIZE => self.window = r.u32()?.clamp(MIN_WINDOW, WINDOW),
            kind::SET_PEER_BANDWIDTH => {
                // section 5.4.5: answered only if it differs from the last one
                let window = Some(r.u32()?);
                if self.answered_window != window {
                    self.answered_window = window;
                    self.send(kind::WINDOW_ACK_SIZE, 0, body.get(..4).unwrap_or_default());
                }
            }
            kind::USER_CONTROL if r.u16()? == PING_REQUEST => {
                let pong = [&PING_RESPONSE.to_be_bytes(), r.rest()].concat();
                self.send(kind::USER_CONTROL, 0, &pong);
            }
            _ => {}
        }
        Ok(())
    }

    /// Acknowledges the received bytes after half the window. Section 5.4.3.
    fn acknowledge(&mut self, len: usize) {
        self.received = self.received.wrapping_add(len as u32);
        if self.received.wrapping_sub(self.acknowledged) >= self.window / 2 {
            self.acknowledged = self.received;
            self.send(kind::ACKNOWLEDGEMENT, 0, &self.received.to_be_bytes());
        }
    }

    fn lost(&mut self, kind: u8, lost: Payload) -> Result<(), Error> {
        self.events.push_back(match kind {
            kind::AUDIO => ClientEvent::Lost(Kind::Audio, lost),
            kind::VIDEO => ClientEvent::Lost(Kind::Video, lost),
            kind::DATA_AMF0 => ClientEvent::DataLost(lost),
            kind if is_control(kind) => return Err(NO_ROOM),
            _ => return Ok(()),
        });
        Ok(())
    }

    fn on_command(&mut self, payload: &[u8]) {
        let Some(command) = Command::parse(payload) else { return };
        let info = command.args.get(1).unwrap_or(&Value::Null);
        let code = info.member("code").and_then(Value::as_text).unwrap_or_default();
        match (&*command.name, command.transaction) {
            ("_result", CONNECT) => {
                if self.role == Role::Publish {
                    let name = Value::text(&self.address.name);
                    self.command("releaseStream", RELEASE_STREAM, &[Value::Null, name.clone()]);
                    self.command("FCPublish", FC_PUBLISH, &[Value::Null, name]);
                }
                self.command("createStream", CREATE_STREAM, &[Value::Null]);
            }
            ("_result", CREATE_STREAM) => {
                // a value that is not a valid number becomes 0
                self.stream_id = info.as_number().map_or(STREAM_ID, |number| number as u32);
                self.ask();
            }
            ("_error", CONNECT | CREATE_STREAM | ASK) => self.refused(info, command.transaction == CONNECT),
            ("onStatus", _) => match code {
                "NetStream.Publish.Start" | "NetStream.Play.Start" => self.events.push_back(ClientEvent::Started),
                _ if info.member("level").and_then(Value::as_text) == Some("error") => self.refused(info, false),
                _ => {}
            },
            _ => {}
        }
    }

    /// Handles a refusal or a redirect; `at_connect` if the server does not know the stream's name yet.
    fn refused(&mut self, info: &Value, at_connect: bool) {
        let text = |name| info.member(name).and_then(Value::as_text).unwrap_or_default();
        self.events.push_back(match info.member("ex").and_then(|ex| self.address.moved(ex, at_connect)) {
            Some(to) if text("code") == "NetConnection.Connect.Rejected" => ClientEvent::Moved(to),
            _ => {
                let said: Vec<_> =
                    ["code", "description"].map(text).into_iter().filter(|part| !part.is_empty()).collect();
                ClientEvent::Refused(self.address.redact(&said.join(": ")))
            }
        });
    }

    fn ask(&mut self) {
        let name = Value::text(&self.address.name);
        let (what, args) = match self.role {
            Role::Publish => ("publish", vec![Value::Null, name, Value::text("live")]),
            Role::Play => ("play", vec![Value::Null, name]),
        };
        self.send(kind::COMMAND_AMF0, self.stream_id, &command::write(what, ASK, &args));
    }

    fn command(&mut self, name: &str, transaction: f64, args: &[Value]) {
        self.send(kind::COMMAND_AMF0, 0, &command::write(name, transaction, args));
    }

    fn send(&mut self, kind: u8, stream_id: u32, payload: &[u8]) {
        write_message(&mut self.out, CHUNK_SIZE, kind, stream_id, 0, payload);
    }
}

impl Machine for Client {
    type Event = ClientEvent;

    fn input(&mut self, data: &[u8]) -> Result<usize, Error> {
        match self.state {
            State::Hello => {
                let Some((_, s1)) = data.first_chunk::<{ handshake::HELLO }>().and_then(|hello| hello.split_first())
                else {
                    return Ok(0);
                };
                self.out.extend_from_slice(s1); // C2
                self.connect();
                self.state = State::Echo;
                Ok(handshake::HELLO)
            }
            State::Echo if data.len() < handshake::PACKET => Ok(0),
            State::Echo => {
                self.state = State::Open;
                Ok(handshake::PACKET)
            }
            State::Open => {
                let (used, message) = self.chunks.read(data, &self.account)?;
                self.acknowledge(used);
                message.map_or(Ok(()), |message| self.message(message)).map_err(|error| error.after(used))?;
                Ok(used)
            }
        }
    }

    fn event(&mut self) -> Option<ClientEvent> {
        self.events.pop_front()
    }

    fn transmit(&mut self) -> &mut Vec<u8> {
        &mut self.out
    }
}
