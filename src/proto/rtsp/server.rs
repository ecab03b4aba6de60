//! The server's side of a connection. Requests become events; each request is answered before the next is read. RFC
//! 2326 sections 10 and 12.

use std::collections::VecDeque;

use bytes::Bytes;

use super::auth::{Challenger, Given};
use super::message::{self, Method, Request, write_response};
use super::sdp::{Description, resolve};
use super::wire::{Item, Wire};
use super::{Status, Transport};
use crate::budget::{Account, OverBudget};
use crate::proto::{AuthScheme, Credentials, Error, Lack, Machine, Target, agent};

/// An action of the client. Every event except packets must be answered, by the call named here or by `refuse`. If
/// `challenge` is a possible answer, `take_credentials` gives the credentials of the request.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// The client asks for a stream's description; answer with `described` or `challenge`.
    Describe(Target),
    /// The client asks to publish the described stream; answer with `accept` or `challenge`.
    Announce(Target, Description),
    /// The client sets up a track; answer with `set_up` or `challenge`.
    Setup {
        /// The stream, if there was no DESCRIBE or ANNOUNCE before.
        target: Target,
        /// The track's number.
        track: usize,
        /// The transports that it supports, the preferred one first.
        transports: Vec<Transport>,
    },
    /// The client asks for the stream's packets; answer with `playing`.
    Play,
    /// The client begins to send; answer with `accept`.
    Record,
    /// The client pauses the stream; answer with `accept`.
    Pause,
    /// The client ends the session; answer with `accept`.
    Teardown,
    /// A packet inside the connection.
    Packet {
        /// The channel number.
        channel: u8,
        /// RTP or RTCP.
        data: Bytes,
    },
    /// A packet inside the connection that was lost for want of memory.
    Lost {
        /// The channel number.
        channel: u8,
        /// The refused charge.
        refusal: OverBudget,
    },
}

/// The limits of each connection.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// The maximum length of a message in bytes.
    pub max_message: usize,
    /// The maximum number of bytes of answers that wait for a peer that does not read.
    pub max_answers: usize,
    /// The timeout in seconds of a session whose client sends nothing.
    pub timeout: u32,
}

/// The machine.
pub struct Server {
    wire: Wire,
    limits: Limits,
    challenger: Challenger,
    /// The credentials of the request that is waiting for its answer.
    given: Given,
    denials: u32,
    /// The number of requests in a row that were refused, or whose credentials were missing or stale.
    fruitless: u32,
    events: VecDeque<Event>,
    out: Vec<u8>,
    /// The request that is waiting for its answer.
    asked: Option<Asked>,
    session: Box<str>,
    /// `User-Agent` of the last request that contained one.
    agent: Box<str>,
    state: State,
    role: Role,
    /// The base URL of the announced tracks, and their control URLs.
    base: Box<str>,
    controls: Vec<String>,
    /// The tracks that are set up, as bits.
    set_up: u32,
    /// The highest_channel channel number in use.
    highest_channel: u8,
}

struct Asked {
    method: Method,
    cseq: String,
    url: String,
    track: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Init,
    Ready,
    Active,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Role {
    None,
    Play,
    Record,
}

/// The maximum number of tracks that can be set up.
const MAX_TRACKS: usize = 8;
/// The number of wrong passwords after which a connection ends.
const MAX_DENIALS: u32 = 8;
/// The number of requests in a row that lead to nothing, after which it ends too: a client needs one for each scheme of
/// authentication that it knows, and one for a stale nonce.
const MAX_FRUITLESS: u32 = 16;
/// The control URL of this server's tracks, before their number.
pub const CONTROL: &str = "streamid=";
/// The answer to a connection that exceeds the limit on connections.
pub const TURNED_AWAY: &[u8] = b"RTSP/1.0 453 Not Enough Bandwidth\r\nCSeq: 1\r\n\r\n";
const SERVER: &str = concat!("runnel/", env!("CARGO_PKG_VERSION"));
const PUBLIC: &str = "OPTIONS, DESCRIBE, ANNOUNCE, SETUP, PLAY, PAUSE, RECORD, GET_PARAMETER, SET_PARAMETER, TEARDOWN";

impl Server {
    /// A machine that waits for a request. `session` is the session identifier that it will use. Packets are
    /// charged to `account` until `charge_to` sets another.
    pub fn new(limits: Limits, challenger: Challenger, session: String, account: Account) -> Self {
        Self {
            wire: Wire::new(limits.max_message, account),
            limits,
            challenger,
            given: Given::default(),
            denials: 0,
            fruitless: 0,
            events: VecDeque::new(),
            out: Vec::new(),
            asked: None,
            session: session.into(),
            agent: "".into(),
            state: State::Init,
            role: Role::None,
            base: "".into(),
            controls: Vec::new(),
            set_up: 0,
            highest_channel: 0,
        }
    }

    /// Charges all further packets to `account`.
    pub fn charge_to(&mut self, account: Account) {
        self.wire.charge_to(account);
    }

    /// The number of bytes between a publisher's packets that belonged to neither a packet nor a message.
    pub fn noise(&self) -> u32 {
        self.wire.noise()
    }

    /// The client's user agent; at most [`MAX_AGENT`](crate::proto::MAX_AGENT) bytes.
    pub fn agent(&self) -> &str {
        &self.agent
    }

    /// True if a request is waiting for its answer.
    pub fn is_asked(&self) -> bool {
        self.asked.is_some()
    }

    /// True if too many answers wait to be sent, so that no request is read. A publisher's packets are still read.
    pub fn is_full(&self) -> bool {
        self.role != Role::Record && self.out.len() > self.limits.max_answers
    }

    /// Takes the credentials of the request that is waiting for its answer. A second call gives none.
    pub fn take_credentials(&mut self) -> Credentials {
        std::mem::take(&mut self.given.credentials)
    }

    /// Asks for credentials of these schemes, because the request's were not accepted.
    ///
    /// # Errors
    /// The client has sent too many wrong credentials, or too many requests without any.
    pub fn challenge(&mut self, lack: Lack, schemes: &[AuthScheme]) -> Result<(), Error> {
        let Some(asked) = self.asked.take() else { return Ok(()) };
        self.undo(&asked);
        let challenges = self.challenger.challenges(schemes, lack == Lack::Stale);
        let fields: Vec<_> = challenges.iter().map(|challenge| ("WWW-Authenticate", challenge.as_str())).collect();
        self.respond(&asked.cseq, Status::UNAUTHORIZED, &fields, "");
        if lack != Lack::Wrong {
            return self.count_fruitless();
        }
        self.denials += 1;
        if self.denials < MAX_DENIALS { Ok(()) } else { Err(Error::misbehaved("too many wrong passwords")) }
    }

    /// Refuses a stream that the client may not publish or play.
    ///
    /// # Errors
    /// The client has sent too many requests in a row that led to nothing.
    pub fn deny(&mut self, status: Status) -> Result<(), Error> {
        self.refuse(status);
        self.count_fruitless()
    }

    fn count_fruitless(&mut self) -> Result<(), Error> {
        self.fruitless += 1;
        if self.fruitless < MAX_FRUITLESS { Ok(()) } else { Err(Error::misbehaved("too many refused requests")) }
    }

    /// Answers DESCRIBE.
    pub fn described(&mut self, sdp: &str) {
        let Some(asked) = self.granted() else { return };
        let base = format!("{}/", asked.url.trim_end_matches('/'));
        self.respond(&asked.cseq, Status::OK, &[("Content-Base", &base), ("Content-Type", "application/sdp")], sdp);
    }

    /// Answers SETUP with the chosen transport.
    pub fn set_up(&mut self, transport: &Transport) {
        let Some(asked) = self.granted() else { return };
        if self.role == Role::None {
            self.role = Role::Play;
        }
        self.state = State::Ready;
        self.highest_channel =
            transport.interleaved.map_or(self.highest_channel, |(_, rtcp)| self.highest_channel.max(rtcp));
        self.set_up |= 1 << asked.track.min(MAX_TRACKS);
        let session = format!("{};timeout={}", self.session, self.limits.timeout);
        let fields = [("Session", &*session), ("Transport", &transport.to_string())];
        self.respond(&asked.cseq, Status::OK, &fields, "");
    }

    /// Answers PLAY. `info` contains each track's number, with its first sequence number and timestamp if they are
    /// known. Section 12.33.
    pub fn playing(&mut self, info: &[(usize, Option<u16>, Option<u32>)]) {
        let Some(asked) = self.granted() else { return };
        self.state = State::Active;
        let base = asked.url.trim_end_matches('/');
        let tracks = info.iter().map(|(track, sequence, time)| {
            let sequence = sequence.map_or(String::new(), |sequence| format!(";seq={sequence}"));
            let time = time.map_or(String::new(), |time| format!(";rtptime={time}"));
            format!("url={base}/{CONTROL}{track}{sequence}{time}")
        });
        let info = tracks.collect::<Vec<_>>().join(",");
        let session = self.session.clone();
        let mut fields = vec![("Session", &*session), ("Range", "npt=now-")];
        if !info.is_empty() {
            fields.push(("RTP-Info", &info));
        }
        self.respond(&asked.cseq, Status::OK, &fields, "");
    }

    /// Answers ANNOUNCE, RECORD, PAUSE or TEARDOWN.
    pub fn accept(&mut self) {
        let Some(asked) = self.granted() else { return };
        match asked.method {
            Method::Announce => self.role = Role::Record,
            Method::Record => {
                self.state = State::Active;
                self.wire.pass_over_noise(self.highest_channel);
            }
            Method::Pause => self.state = State::Ready,
            _ => {}
        }
        self.respond_in_session(&asked.cseq, Status::OK);
    }

    /// Refuses the client's request with a status.
    pub fn refuse(&mut self, status: Status) {
        let Some(asked) = self.answered() else { return };
        self.undo(&asked);
        self.respond_in_session(&asked.cseq, status);
    }

    /// Takes the request that is answered now, and marks its credentials as used.
    fn answered(&mut self) -> Option<Asked> {
        self.challenger.used(&std::mem::take(&mut self.given));
        self.asked.take()
    }

    /// The same of a request that succeeds.
    fn granted(&mut self) -> Option<Asked> {
        self.fruitless = 0;
        self.answered()
    }

    /// Undoes the effects of a request that is refused.
    fn undo(&mut self, asked: &Asked) {
        if asked.method == Method::Announce {
            (self.base, self.controls) = Default::default();
        }
    }

    fn message(&mut self, message: message::Message) -> Result<(), Error> {
        let message::Message::Request(request) = message else { return Ok(()) };
        if self.out.len() > self.limits.max_answers {
            return Err(Error::limit("answers are not read"));
        }
        let Some(cseq) = request.fields.get("CSeq").map(|cseq| cseq.chars().take(MAX_CSEQ).collect::<String>()) else {
            self.respond("0", Status::BAD_REQUEST, &[], "");
            return Ok(());
        };
        if let Some(required) = request.fields.get("Require") {
            self.respond(&cseq, Status::OPTION_NOT_SUPPORTED, &[("Unsupported", required)], "");
            return Ok(());
        }
        if let Some(name) = request.fields.get("User-Agent") {
            self.agent = agent(name).into();
        }
        let foreign = |session: &str| session.split(';').next().map(str::trim) != Some(&self.session);
        if request.fields.get("Session").is_some_and(foreign) {
            self.respond(&cseq, Status::SESSION_NOT_FOUND, &[], "");
            return Ok(());
        }
        let Request { method, url, fields, .. } = &request;
        self.given = self.challenger.read(method.name(), url, fields.get("Authorization"));
        self.request(request, cseq);
        if self.asked.is_none() {
            self.given = Given::default();
        }
        Ok(())
    }

    fn request(&mut self, request: Request, cseq: String) {
        let Request { method, url, fields, body } = request;
        match (method, self.state, self.role) {
            (Method::Options, ..) => self.respond(&cseq, Status::OK, &[("Public", PUBLIC)], ""),
            (Method::GetParameter | Method::SetParameter, ..) => self.respond_in_session(&cseq, Status::OK),
            (Method::Describe, State::Init, Role::None | Role::Play) => {
                let event = Event::Describe(Target::of_url(&url));
                self.ask(Asked { method, cseq, url, track: 0 }, event);
            }
            (Method::Announce, State::Init, Role::None) => match Description::parse(&body) {
                Ok(description) => {
                    let control = description.control.as_deref();
                    self.base = control.map_or_else(|| url.clone(), |control| resolve(&url, control)).into();
                    let medias = description.medias.iter();
                    self.controls = medias.map(|media| media.control.clone().unwrap_or_default()).collect();
                    let event = Event::Announce(Target::of_url(&url), description);
                    self.ask(Asked { method, cseq, url, track: 0 }, event);
                }
                Err(_) => self.respond(&cseq, Status::BAD_REQUEST, &[], ""),
            },
            (Method::Setup, State::Init | State::Ready, _) => {
                let transports: Vec<_> = fields.all("Transport").flat_map(Transport::parse_all).collect();
                self.setup(Asked { method, cseq, url, track: 0 }, transports);
            }
            (Method::Play, State::Ready, Role::Play) => self.ask(Asked { method, cseq, url, track: 0 }, Event::Play),
            (Method::Play, State::Active, Role::Play) => self.respond_in_session(&cseq, Status::OK),
            (Method::Record, State::Ready, Role::Record) => {
                self.ask(Asked { method, cseq, url, track: 0 }, Event::Record);
            }
            (Method::Pause, State::Active, Role::Play | Role::Record) => {
                self.ask(Asked { method, cseq, url, track: 0 }, Event::Pause);
            }
            (Method::Teardown, ..) => self.ask(Asked { method, cseq, url, track: 0 }, Event::Teardown),
            (Method::Redirect | Method::Other, ..) => {
                self.respond(&cseq, Status::NOT_IMPLEMENTED, &[("Public", PUBLIC)], "");
            }
            _ => self.respond_in_session(&cseq, Status::METHOD_NOT_VALID),
        }
    }

    fn setup(&mut self, mut asked: Asked, transports: Vec<Transport>) {
        let (stream, number) = split_control(&asked.url);
        let known = |control: &String| {
            let url = resolve(&self.base, control);
            url == asked.url || url.trim_end_matches('/') == asked.url
        };
        asked.track = match self.role {
            // where URLs do not identify the track, the n-th SETUP is for the n-th track
            Role::Record => self.controls.iter().position(known).unwrap_or(self.set_up.count_ones() as usize),
            _ => number.unwrap_or(0),
        };
        let target = Target::of_url(stream);
        if transports.is_empty() {
            return self.respond_in_session(&asked.cseq, Status::UNSUPPORTED_TRANSPORT);
        }
        if asked.track >= MAX_TRACKS {
            return self.respond_in_session(&asked.cseq, Status::NOT_FOUND);
        }
        let event = Event::Setup { target, track: asked.track, transports };
        self.ask(asked, event);
    }

    fn ask(&mut self, asked: Asked, event: Event) {
        self.asked = Some(asked);
        self.events.push_back(event);
    }

    fn respond_in_session(&mut self, cseq: &str, status: Status) {
        let session = self.session.clone();
        let fields = [("Session", &*session)];
        let fields: &[_] = if self.state == State::Init { &[] } else { &fields };
        self.respond(cseq, status, fields, "");
    }

    fn respond(&mut self, cseq: &str, status: Status, fields: &[(&str, &str)], body: &str) {
        let mut all = vec![("CSeq", cseq), ("Server", SERVER)];
        all.extend_from_slice(fields);
        write_response(&mut self.out, status, &all, body);
    }
}

/// The maximum number of characters of a CSeq that is repeated.
const MAX_CSEQ: usize = 32;

/// Splits the number of one of this server's tracks off a URL.
fn split_control(url: &str) -> (&str, Option<usize>) {
    let url = url.trim_end_matches('/');
    let number = |last: &str| last.strip_prefix(CONTROL)?.parse().ok();
    match url.rsplit_once('/') {
        Some((stream, last)) if last.starts_with(CONTROL) => (stream, number(last)),
        _ => (url, None),
    }
}

impl Machine for Server {
    type Event = Event;

    /// The answer to an error, if there is one, is in `transmit`.
    fn input(&mut self, data: &[u8]) -> Result<usize, Error> {
        if (self.asked.is_some() || self.is_full()) && self.wire.is_message(data) {
            return Ok(0);
        }
        let (used, item) = self.wire.read(data).map_err(|error| {
            let cseq = error.cseq.map_or("0".into(), |cseq| cseq.to_string());
            self.respond(&cseq, error.status, &[], "");
            Error::malformed(error.status.1).after(error.used)
        })?;
        match item {
            Some(Item::Message(message)) => self.message(message).map_err(|error| error.after(used))?,
            Some(Item::Packet { channel, data }) => self.events.push_back(Event::Packet { channel, data }),
            Some(Item::Lost { channel, refusal }) => self.events.push_back(Event::Lost { channel, refusal }),
            None => {}
        }
        Ok(used)
    }

    fn event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    fn transmit(&mut self) -> &mut Vec<u8> {
        &mut self.out
    }
}
