//! The client's side of a connection, for pulling from cameras and pushing to servers. RFC 2326 section 10.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use bytes::Bytes;

use super::auth::{Answer, asks_for_basic};
use super::message::{Message, Method, Request, Response, write_request, write_response};
use super::sdp::{self, Description};
use super::wire::{Item, Wire};
use super::{CONTROL, Lower, Status, Transport};
use crate::budget::{Account, OverBudget};
use crate::proto::{Error, Machine, Url};

/// The task of the client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// To play the stream of the server.
    Play,
    /// To publish the tracks in this session description.
    Publish {
        /// The session description for ANNOUNCE.
        sdp: String,
        /// The number of its tracks.
        tracks: usize,
    },
}

/// An event from the server.
#[derive(Clone, Debug, PartialEq)]
pub enum ClientEvent {
    /// The server describes the stream; answer with `choose`.
    Described(Description),
    /// UDP ports are needed for a track; answer with `ports`.
    WantsPorts(usize),
    /// A track is set up with this transport.
    SetUp(usize, Transport),
    /// All tracks are set up: packets may be sent. Contains the first timestamps that RTP-Info gives, which are the
    /// same moment for all tracks.
    Started(Vec<(usize, u32)>),
    /// A packet inside the connection.
    Packet {
        /// The number of the channel.
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
    /// The stream is at another URL.
    Moved(String),
    /// The server refuses: the status and its phrase.
    Refused(u16, String),
    /// The server has ended the session.
    Ended,
}

/// The machine.
pub struct Client {
    wire: Wire,
    out: Vec<u8>,
    events: VecDeque<ClientEvent>,
    purpose: Purpose,
    /// The URL for the server, without user and password.
    url: String,
    user: String,
    password: String,
    /// The password may be sent in clear text.
    may_send_password: bool,
    seed: u64,
    answer: Option<Answer>,
    /// The lower transport in use, and whether it was changed: that is done once.
    lower: Lower,
    changed: bool,
    cseq: u32,
    /// The request that is waiting for its answer.
    asked: Option<Asked>,
    /// The base URL of the tracks' control URLs.
    base: String,
    controls: Vec<String>,
    /// Tracks that are not set up, the next one last.
    left: Vec<usize>,
    session: String,
    /// The session's timeout, in seconds.
    timeout: u32,
    /// The time of the last request that keeps the session alive, or of the beginning.
    alive: Instant,
    /// The server supports GET_PARAMETER.
    parameters: bool,
    started: bool,
}

struct Asked {
    method: Method,
    track: usize,
    /// The number of repetitions because the server asked for authentication.
    tries: u8,
    url: String,
    transport: Option<Transport>,
}

/// The maximum length of a server's message in bytes.
const MAX_MESSAGE: usize = 16 << 10;
/// The timeout of a session if the server gives none, in seconds. Section 12.37.
const TIMEOUT: u32 = 60;
const AGENT: &str = concat!("runnel/", env!("CARGO_PKG_VERSION"));

impl Client {
    /// A machine whose first bytes are in `transmit`. Tracks use `lower` if the server supports it, otherwise the
    /// other of TCP and UDP. `seed` varies the cnonce. Packets are charged to `account`.
    pub fn new(url: &Url, purpose: Purpose, lower: Lower, seed: u64, account: Account, now: Instant) -> Self {
        let mut client = Self {
            wire: Wire::new(MAX_MESSAGE, account),
            out: Vec::new(),
            events: VecDeque::new(),
            purpose,
            url: url.target(),
            user: url.user.clone(),
            password: url.password.clone(),
            may_send_password: url.basic || url.is_tls(),
            seed,
            answer: None,
            lower,
            changed: false,
            cseq: 0,
            asked: None,
            base: url.target(),
            controls: Vec::new(),
            left: Vec::new(),
            session: String::new(),
            timeout: TIMEOUT,
            alive: now,
            parameters: false,
            started: false,
        };
        client.ask(Method::Options, 0, None);
        client
    }

    /// True if the server has answered.
    pub fn is_answered(&self) -> bool {
        self.cseq > 1 || self.asked.is_none()
    }

    /// Charges all further packets to `account`.
    pub fn charge_to(&mut self, account: Account) {
        self.wire.charge_to(account);
    }

    /// Sets up these tracks of the description.
    pub fn choose(&mut self, tracks: impl IntoIterator<Item = usize>) {
        self.left = tracks.into_iter().collect();
        self.left.reverse();
        self.set_up_next();
    }

    /// Sets the ports opened for the current track; without ports it is sent inside the connection.
    pub fn ports(&mut self, ports: Option<(u16, u16)>) {
        let Some(track) = self.left.last().copied() else { return };
        match ports {
            Some(ports) => {
                let transport = Transport { client_port: Some(ports), ..Transport::new(Lower::Udp) };
                self.set_up(track, transport);
            }
            None => {
                (self.lower, self.changed) = (Lower::Tcp, true);
                self.set_up_next();
            }
        }
    }

    /// The timeout of the session: the server needs a request more often than that.
    pub fn session_timeout(&self) -> Duration {
        Duration::from_secs(self.timeout.into())
    }

    /// The number of bytes between packets that belonged to neither a packet nor a message.
    pub fn noise(&self) -> u32 {
        self.wire.noise()
    }

    /// Ends the session.
    pub fn teardown(&mut self) {
        if !self.session.is_empty() {
            self.ask(Method::Teardown, 0, None);
        }
    }

    fn set_up_next(&mut self) {
        match (self.left.last().copied(), self.lower) {
            (None, _) => {
                let method = if self.purpose == Purpose::Play { Method::Play } else { Method::Record };
                self.ask(method, 0, None);
            }
            (Some(track), Lower::Tcp) => {
                let channel = (2 * track) as u8;
                let transport = Transport { interleaved: Some((channel, channel + 1)), ..Transport::new(Lower::Tcp) };
                self.set_up(track, transport);
            }
            (Some(track), _) => self.events.push_back(ClientEvent::WantsPorts(track)),
        }
    }

    fn set_up(&mut self, track: usize, transport: Transport) {
        let transport = Transport { record: self.purpose != Purpose::Play, ..transport };
        self.ask(Method::Setup, track, Some(transport));
    }

    fn ask(&mut self, method: Method, track: usize, transport: Option<Transport>) {
        let url = match method {
            Method::Setup => sdp::resolve(&self.base, self.controls.get(track).map_or("", String::as_str)),
            Method::Options | Method::Describe | Method::Announce => self.url.clone(),
            _ => self.base.clone(),
        };
        self.send(Asked { method, track, tries: 0, url, transport });
    }

    fn send(&mut self, asked: Asked) {
        self.cseq += 1;
        let cseq = self.cseq.to_string();
        let mut fields = vec![("CSeq", cseq.as_str()), ("User-Agent", AGENT)];
        let authorization = self.answer.as_mut().map(|answer| answer.authorization(asked.method.name(), &asked.url));
        if let Some(authorization) = &authorization {
            fields.push(("Authorization", authorization));
        }
        if !self.session.is_empty() {
            fields.push(("Session", &self.session));
        }
        let transport = asked.transport.as_ref().map(Transport::to_string);
        if let Some(transport) = &transport {
            fields.push(("Transport", transport));
        }
        let mut body = "";
        match (asked.method, &self.purpose) {
            (Method::Describe, _) => fields.push(("Accept", "application/sdp")),
            (Method::Play | Method::Record, _) => fields.push(("Range", "npt=0.000-")),
            (Method::Announce, Purpose::Publish { sdp, .. }) => {
                fields.push(("Content-Type", "application/sdp"));
                body = sdp;
            }
            _ => {}
        }
        write_request(&mut self.out, asked.method, &asked.url, &fields, body);
        self.asked = Some(asked);
    }

    fn response(&mut self, response: Response) {
        // at most one request is open, and some devices number answers differently
        let Some(asked) = self.asked.take() else { return };
        match response.status {
            100..=199 => self.asked = Some(asked), // a provisional response
            200..=299 => self.on_success(&asked, &response),
            401 if !self.user.is_empty() && self.can_meet_challenge(&asked, &response) => {
                self.send(Asked { tries: asked.tries + 1, ..asked });
            }
            401 if !self.user.is_empty()
                && self.answer.is_none()
                && asks_for_basic(response.fields.all("WWW-Authenticate")) =>
            {
                let why =
                    "Unauthorized: it asks for the password in clear text, which the URL allows with USER;AUTH=BASIC";
                self.events.push_back(ClientEvent::Refused(response.status, why.into()));
            }
            301..=308 if asked.method != Method::GetParameter => match response.fields.get("Location") {
                Some(location) => self.events.push_back(ClientEvent::Moved(location.into())),
                None => self.refused(&response),
            },
            461 if asked.method == Method::Setup && !self.changed => {
                self.changed = true;
                self.lower = if self.lower == Lower::Tcp { Lower::Udp } else { Lower::Tcp };
                self.set_up_next();
            }
            // the server may not support the request that keeps the session alive
            _ if self.started && asked.method != Method::Teardown => self.parameters = false,
            _ if asked.method == Method::Options => self.after_options(""),
            _ => self.refused(&response),
        }
    }

    fn refused(&mut self, response: &Response) {
        let mut reason: String = response.reason.chars().take(80).collect();
        if response.status == 401 {
            reason += match self.user.is_empty() {
                true => ": put USER:PASSWORD@ before the host",
                false => ": wrong USER:PASSWORD in the URL",
            };
        }
        self.events.push_back(ClientEvent::Refused(response.status, reason));
    }

    /// True if a new answer to a challenge is possible. Some devices send a new challenge with every request.
    fn can_meet_challenge(&mut self, asked: &Asked, response: &Response) -> bool {
        let challenges = response.fields.all("WWW-Authenticate");
        self.answer = Answer::new(challenges, &self.user, &self.password, self.may_send_password, self.seed);
        let stale = self.answer.as_ref().is_some_and(Answer::is_stale);
        self.answer.is_some() && asked.tries < if stale { 2 } else { 1 }
    }

    fn on_success(&mut self, asked: &Asked, response: &Response) {
        if let Some(session) = response.fields.get("Session") {
            let mut parts = session.split(';').map(str::trim);
            // every request repeats the identifier
            self.session = parts.next().filter(|session| session.len() <= MAX_SESSION).unwrap_or_default().into();
            let timeout = parts
                .find_map(|part| part.strip_prefix("timeout")?.trim_start().strip_prefix('=')?.trim().parse().ok());
            self.timeout = timeout.unwrap_or(self.timeout).clamp(MIN_TIMEOUT, MAX_TIMEOUT);
        }
        match asked.method {
            Method::Options if !self.started => self.after_options(response.fields.get("Public").unwrap_or_default()),
            Method::Describe => self.described(response),
            Method::Announce => {
                let Purpose::Publish { tracks, .. } = self.purpose else { return };
                self.controls = (0..tracks).map(|track| format!("{CONTROL}{track}")).collect();
                self.choose(0..tracks);
            }
            Method::Setup => {
                let agreed = response.fields.get("Transport").and_then(|value| Transport::parse_all(value).pop());
                let mut transport = agreed.or_else(|| asked.transport.clone()).unwrap_or(Transport::new(Lower::Tcp));
                let proposed = asked.transport.as_ref();
                // some servers omit the parameters that they accept
                transport.interleaved = transport.interleaved.or(proposed.and_then(|proposed| proposed.interleaved));
                transport.client_port = transport.client_port.or(proposed.and_then(|proposed| proposed.client_port));
                self.events.push_back(ClientEvent::SetUp(asked.track, transport));
                self.left.pop();
                self.set_up_next();
            }
            Method::Play | Method::Record => {
                self.started = true;
                if self.purpose == Purpose::Play {
                    // two channels for each track, as proposed
                    let channels = u8::try_from(2 * self.controls.len()).unwrap_or(u8::MAX);
                    self.wire.pass_over_noise(channels.saturating_sub(1));
                }
                let info = response.fields.all("RTP-Info").flat_map(|value| value.split(','));
                let begin = info.filter_map(|track| self.begin(track)).collect();
                self.events.push_back(ClientEvent::Started(begin));
            }
            Method::Teardown => self.events.push_back(ClientEvent::Ended),
            _ => {}
        }
    }

    /// A track of RTP-Info and its timestamp. Section 12.33. A timestamp of 0 is ignored: many devices send it
    /// without meaning.
    fn begin(&self, info: &str) -> Option<(usize, u32)> {
        let parts = || info.split(';').filter_map(|part| part.trim().split_once('='));
        let part = |wanted: &str| parts().find(|(name, _)| name.eq_ignore_ascii_case(wanted)).map(|(_, value)| value);
        let url = part("url")?.trim_matches('"').trim_end_matches('/');
        let whole = |control: &String| sdp::resolve(&self.base, control);
        let known = |control: &String| whole(control).trim_end_matches('/') == url || control == url;
        let time = part("rtptime")?.trim().parse().ok().filter(|time| *time != 0)?;
        Some((self.controls.iter().position(known)?, time))
    }

    fn after_options(&mut self, public: &str) {
        self.parameters = public.split(',').any(|method| Method::parse(method.trim()) == Method::GetParameter);
        let next = if self.purpose == Purpose::Play { Method::Describe } else { Method::Announce };
        self.ask(next, 0, None);
    }

    fn described(&mut self, response: &Response) {
        let fields = &response.fields;
        let Ok(description) = Description::parse(&response.body) else {
            return self.events.push_back(ClientEvent::Refused(response.status, "no session description".into()));
        };
        let base = sdp::base(fields.get("Content-Base"), fields.get("Content-Location"), &self.url);
        self.base = description.control.as_deref().map_or_else(|| base.clone(), |control| sdp::resolve(&base, control));
        self.controls = description.medias.iter().map(|media| media.control.clone().unwrap_or_default()).collect();
        self.events.push_back(ClientEvent::Described(description));
    }

    /// Answers a request of the server, which few servers send.
    fn request(&mut self, request: &Request) {
        let cseq = request.fields.get("CSeq").unwrap_or("0");
        let status = match request.method {
            Method::Options | Method::GetParameter | Method::SetParameter | Method::Announce => Status::OK,
            Method::Teardown => {
                self.events.push_back(ClientEvent::Ended);
                Status::OK
            }
            Method::Redirect => {
                let location = request.fields.get("Location").map(String::from);
                self.events.push_back(location.map_or(ClientEvent::Ended, ClientEvent::Moved));
                Status::OK
            }
            _ => Status::NOT_IMPLEMENTED,
        };
        if self.out.len() < MAX_MESSAGE {
            write_response(&mut self.out, status, &[("CSeq", cseq)], "");
        }
    }
}

/// The maximum length of a session identifier.
const MAX_SESSION: usize = 256;

/// The range of session timeouts that are accepted, in seconds.
const MIN_TIMEOUT: u32 = 5;
const MAX_TIMEOUT: u32 = 3600;

impl Machine for Client {
    type Event = ClientEvent;

    fn input(&mut self, data: &[u8]) -> Result<usize, Error> {
        let read = self.wire.read(data).map_err(|found| Error::malformed("an invalid message").after(found.used))?;
        match read.1 {
            Some(Item::Message(Message::Response(response))) => self.response(response),
            Some(Item::Message(Message::Request(request))) => self.request(&request),
            Some(Item::Packet { channel, data }) => self.events.push_back(ClientEvent::Packet { channel, data }),
            Some(Item::Lost { channel, refusal }) => self.events.push_back(ClientEvent::Lost { channel, refusal }),
            None => {}
        }
        Ok(read.0)
    }

    fn event(&mut self) -> Option<ClientEvent> {
        self.events.pop_front()
    }

    fn transmit(&mut self) -> &mut Vec<u8> {
        &mut self.out
    }

    /// Half of the session's timeout after the last request that kept it alive.
    fn deadline(&self) -> Option<Instant> {
        self.alive.checked_add(self.session_timeout() / 2).filter(|_| self.started)
    }

    /// Keeps the session alive.
    fn timeout(&mut self, now: Instant) {
        if self.deadline().is_some_and(|due| due <= now) {
            self.alive = now;
            let method = if self.parameters { Method::GetParameter } else { Method::Options };
            self.ask(method, 0, None);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A client that received `answer` to its first request.
    fn after(url: &str, answer: &str) -> Client {
        let account = Account::root("test", 1 << 20);
        let mut client = Client::new(&Url::parse(url).unwrap(), Purpose::Play, Lower::Tcp, 1, account, Instant::now());
        client.transmit().clear();
        let answer = format!("RTSP/1.0 {answer}\r\n\r\n");
        assert_eq!(client.input(answer.as_bytes()), Ok(answer.len()));
        client
    }

    #[test]
    fn a_password_goes_in_the_clear_only_where_the_url_allows_it() {
        let answer = "401 Unauthorized\r\nCSeq: 1\r\nWWW-Authenticate: Basic realm=\"x\"";
        for url in ["rtsp://u;AUTH=BASIC:secret@h/a", "rtsps://u:secret@h/a"] {
            let mut client = after(url, answer);
            let said = String::from_utf8(std::mem::take(client.transmit())).unwrap();
            assert!(said.contains("Authorization: Basic dTpzZWNyZXQ="), "{said}");
            assert_eq!(client.event(), None);
        }
        let mut client = after("rtsp://u:secret@h/a", answer);
        assert!(client.transmit().is_empty());
        assert!(matches!(client.event(), Some(ClientEvent::Refused(401, why)) if why.contains("AUTH=BASIC")));
    }

    #[test]
    fn a_refusal_for_want_of_a_password_says_where_it_stands() {
        let challenge = "401 Unauthorized\r\nWWW-Authenticate: Digest realm=\"x\", nonce=\"1\"";
        for (url, why) in [
            ("rtsp://h/a", "Unauthorized: put USER:PASSWORD@ before the host"),
            ("rtsp://u:secret@h/a", "Unauthorized: wrong USER:PASSWORD in the URL"),
        ] {
            let mut client = after(url, &format!("{challenge}\r\nCSeq: 1"));
            // OPTIONS may be refused; the next request then contains the answer to the challenge
            let said = (2..5).find_map(|cseq| {
                let again = format!("RTSP/1.0 {challenge}\r\nCSeq: {cseq}\r\n\r\n");
                assert_eq!(client.input(again.as_bytes()), Ok(again.len()));
                client.event()
            });
            assert_eq!(said, Some(ClientEvent::Refused(401, why.into())));
        }
    }

    #[test]
    fn no_session_of_any_length_is_repeated() {
        let long = "x".repeat(5000);
        let mut client = after("rtsp://h/a", &format!("400 {long}\r\nCSeq: 1\r\nSession: {long}"));
        assert!(client.transmit().len() < 1000);
        let mut client = after("rtsp://h/a", &format!("200 OK\r\nCSeq: 1\r\nSession: {long}"));
        assert!(client.transmit().len() < 1000);
    }
}
