//! HLS over HTTP: a playlist or a part may have to be waited for, files are sent as blocks.

use std::borrow::Cow;
use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use crate::reactor::Timer;

use super::ask::Wish;
use super::beside;
use super::reply::{Answer, Body, CORS, EXPOSED, Exchange, NO_CACHE, NO_ROOM, Reply};
use crate::conf;
use crate::hls::{Ask, File, MARK};
use crate::hub::{Dismissal, Guest, Name, Unit};
use crate::media::Ticks;
use crate::net::{Close, Outlet};
use crate::proto::http::{Request, Status};
use crate::serve::Server;
use crate::serve::hls::{Entry, HOLD, PLAYER, Text};
use crate::session::{Action, Leave, sent_away};

/// A request for a playlist or a file that may not be there yet.
struct Waiting {
    entry: Arc<Entry>,
    wanted: Wanted,
    limit: Timer,
    server: Arc<Server>,
    name: Name,
    peer: SocketAddr,
    /// The customer who waits.
    customer: Option<u128>,
    /// It gives way, if nobody publishes.
    guest: Option<Guest>,
    /// The session that was shown.
    session: Option<u64>,
    /// The query behind the names of files in a playlist.
    suffix: String,
}

enum Wanted {
    Playlist(Ask),
    Record,
    File(String),
}

/// The longest query that a playlist repeats behind each file's name: a session id, and what a
/// proxy wants to see of each request, such as MD5 in base64 and when it expires.
const MAX_QUERY: usize = 96;
/// A longer query gives its session alone, if that has no more bytes than this.
const MAX_SESSION: usize = 64;

impl Exchange {
    pub(super) fn playlist(self, name: Name) -> Answer {
        match ask(&self.request.query) {
            Some(ask) => self.want(name, Wanted::Playlist(ask)),
            None => Reply::refuse(Status::BAD_REQUEST, "_HLS_msn, _HLS_part, _HLS_skip").into(),
        }
    }

    pub(super) fn whole(self, name: Name) -> Answer {
        self.want(name, Wanted::Record)
    }

    pub(super) fn segment(self, name: Name, file: String) -> Answer {
        if !self.may_have(&name, &file) {
            return Reply::refuse(Status::NOT_FOUND, NO_SESSION).into();
        }
        match self.server.hls.find(&name, self.customer()) {
            Some(entry) => self.wait(entry, name, Wanted::File(file)),
            None => Reply::refuse(Status::NOT_FOUND, NO_FILE).into(),
        }
    }

    /// Whether a request may have a file: one that shows a session must show a known one, except for
    /// lists; one that shows none is served, as by lal.
    pub(super) fn may_have(&self, name: &Name, file: &str) -> bool {
        let is_list = file.ends_with(".m3u8");
        is_list || session(&self.request.query).is_none() || self.is_seated(name)
    }

    /// A known session has been let in. For others it is asked; a number that is not known is refused.
    fn want(self, name: Name, wanted: Wanted) -> Answer {
        if self.is_known(&name) {
            return match self.server.hls.ask(&self.server, &name, self.customer()) {
                Ok(entry) => self.wait(entry, name, wanted),
                Err(denied) => self.turn_down(denied),
            };
        }
        if self.config.hls.sessions && session(&self.request.query).is_some() {
            return Reply::refuse(Status::NOT_FOUND, NO_SESSION).into();
        }
        self.ask(Wish::Hls(name), |exchange, leave| exchange.listen(leave, wanted))
    }

    /// Whether the request shows a known session.
    pub(super) fn is_known(&self, name: &Name) -> bool {
        session(&self.request.query).is_some_and(|number| self.server.sessions.see(number, name, 0))
    }

    /// Lets a player in: it gets what it wants, or its session first.
    fn listen(self, leave: Leave, wanted: Wanted) -> Answer {
        let asked = leave.to(Action::Play).cloned().and_then(|name| {
            let entry = self.server.hls.ask(&self.server, &name, self.customer())?;
            Ok((name, entry))
        });
        match asked {
            Ok(_) if self.config.hls.sessions => self.seat(leave),
            Ok((name, entry)) => self.wait(entry, name, wanted),
            Err(denied) => self.turn_down(denied),
        }
    }

    /// Whether the request shows a known session, or need not.
    fn is_seated(&self, name: &Name) -> bool {
        self.is_known(name) || !self.config.hls.sessions
    }

    /// Begins a session, and has the client ask again with its number.
    fn seat(&self, leave: Leave) -> Answer {
        let Request { path, query, .. } = &self.request;
        let who = self.server.core.who(PLAYER).at(self.peer);
        let plays = |name: &Name| self.server.hls.plays(&self.server, name);
        match self.server.sessions.enter(&self.server.core, leave, who, &self.request, &plays) {
            Ok(number) => {
                let query = if query.is_empty() { String::new() } else { format!("{query}&") };
                let to = format!("{}?{query}{SESSION}={number:016x}", beside(path));
                let fields = [("Location", to.into()), NO_CACHE, CORS];
                Reply::new(Status::FOUND, Body::Text("".into())).with(fields).into()
            }
            Err(refused) => self.turn_down(refused),
        }
    }

    /// Waits without the texts that came, which take memory.
    fn wait(self, entry: Arc<Entry>, name: Name, wanted: Wanted) -> Answer {
        let (limit, query, customer) = (Timer::after(HOLD), &self.request.query, self.customer());
        let (session, suffix) = (session(query), suffix(query));
        let Self { server, peer, .. } = self;
        let guest = if entry.is_playable() { None } else { server.core.hub.wait(&name, customer) };
        session.into_iter().for_each(|number| server.sessions.waits(number));
        Answer::later(Waiting { entry, wanted, limit, server, name, peer, customer, guest, session, suffix })
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.session.into_iter().for_each(|number| self.server.sessions.waited(number));
    }
}

/// Ready when it is known what the answer is.
impl Future for Waiting {
    type Output = Result<Answer, Close>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        if self.is_dismissed(cx) {
            return Poll::Ready(Err(sent_away(Dismissal::GaveWay)));
        }
        self.poll_reply(cx).map(|reply| Ok(reply.into()))
    }
}

impl Waiting {
    /// Whether it has to give way to a player.
    fn is_dismissed(&self, cx: &Context<'_>) -> bool {
        let goes = self.guest.as_ref().is_some_and(|guest| guest.poll_dismissed(cx));
        if goes {
            self.tell("absent", &"nobody publishes it, and others need the place");
        }
        goes
    }

    fn poll_reply(&mut self, cx: &mut Context<'_>) -> Poll<Reply> {
        let late = Pin::new(&mut self.limit).poll(cx).is_ready();
        if self.entry.is_dismissed()
            && !matches!(self.wanted, Wanted::File(_))
            && let Some(reply) = self.begin_anew(cx, late)
        {
            return reply;
        }
        let text = match &self.wanted {
            Wanted::Playlist(ask) => self.entry.poll_playlist(cx, ask),
            Wanted::Record => self.entry.poll_record(cx),
            Wanted::File(file) => {
                return match self.entry.poll_file(cx, file) {
                    Poll::Ready(Some(found)) => Poll::Ready(self.file(file, found)),
                    Poll::Pending if !late => Poll::Pending,
                    _ => Poll::Ready(self.no_file(file)),
                };
            }
        };
        match text {
            Poll::Ready(text) => Poll::Ready(playlist(text, &self.suffix)),
            Poll::Pending if late => Poll::Ready(self.refuse_late()),
            Poll::Pending => Poll::Pending,
        }
    }

    /// The collector has given way. Another is asked once somebody publishes: before, that would have to give
    /// way again. `None` if it is there.
    fn begin_anew(&mut self, cx: &Context<'_>, late: bool) -> Option<Poll<Reply>> {
        let is_live = match &self.guest {
            Some(guest) => guest.poll_live(cx),
            None => self.server.core.hub.find(&self.name).is_some_and(|stream| stream.is_live()),
        };
        if is_live {
            match self.server.hls.ask(&self.server, &self.name, self.customer) {
                Ok(entry) => self.entry = entry,
                Err(denied) => {
                    self.tell(denied.label(), &denied);
                    return Some(Poll::Ready(refuse(Status::UNAVAILABLE, denied.to_string())));
                }
            }
            return None;
        }
        let waits = !late && self.guest.is_some();
        Some(if waits { Poll::Pending } else { Poll::Ready(self.refuse_late()) })
    }

    /// Refuses a request that waited in vain: players ask again after 503, and give up after 404.
    fn refuse_late(&self) -> Reply {
        let published = || self.server.core.hub.find(&self.name).is_some_and(|stream| stream.is_live());
        let (status, label, why) = match self.entry.is_playable() || published() {
            true => (Status::UNAVAILABLE, "late", LATE),
            false => (Status::NOT_FOUND, "absent", NOTHING),
        };
        self.tell(label, &why);
        refuse(status, why)
    }

    fn file(&self, name: &str, (blocks, bytes): File) -> Reply {
        if let Some(number) = self.session {
            self.server.sessions.see(number, &self.name, bytes);
        }
        let mime = if name.ends_with(".ts") { "video/mp2t" } else { "video/mp4" };
        let cache = cache(&self.server.core.config().hls);
        let mut outlet = Outlet::default();
        outlet.fill(|units| units.extend(blocks.iter().map(|block| Unit::whole(block.clone(), Ticks(0)))));
        Reply::blocks(mime, outlet).with([("Cache-Control", cache.into()), CORS, EXPOSED])
    }

    fn no_file(&self, name: &str) -> Reply {
        match self.is_stored(name) {
            true => refuse(Status::UNAVAILABLE, NOT_READ),
            false => refuse(Status::NOT_FOUND, NO_FILE),
        }
    }

    /// Whether a disk has it.
    #[cfg(feature = "record")]
    fn is_stored(&self, name: &str) -> bool {
        self.entry.is_stored(name)
    }

    #[cfg(not(feature = "record"))]
    fn is_stored(&self, _: &str) -> bool {
        false
    }

    /// Counts it, and tells the log.
    fn tell(&self, label: &'static str, why: &dyn std::fmt::Display) {
        self.server.core.refused_guest(label, self.peer, format_args!("waited in vain for {}: {why}", self.name));
    }
}

/// The session that a request shows.
#[cfg(feature = "record")]
pub(super) struct Seat {
    server: Arc<Server>,
    number: u64,
    name: Name,
}

#[cfg(feature = "record")]
impl Seat {
    /// The session that a request for the stream `name` shows, if it shows one.
    pub(super) fn of(exchange: &Exchange, name: Name) -> Option<Self> {
        let number = session(&exchange.request.query)?;
        Some(Self { server: exchange.server.clone(), number, name })
    }

    /// It is sent so many bytes.
    pub(super) fn see(&self, bytes: u64) {
        self.server.sessions.see(self.number, &self.name, usize::try_from(bytes).unwrap_or(usize::MAX));
    }
}

/// The key of a session's number in a query, as lal calls it.
const SESSION: &str = "session_id";

/// The session's number in a query; 0, which is not known, if the value is no number.
pub(super) fn session(query: &str) -> Option<u64> {
    let number = query.split('&').find_map(|pair| pair.strip_prefix(SESSION)?.strip_prefix('='))?;
    Some(u64::from_str_radix(number, 16).unwrap_or(0))
}

const NOTHING: &str = "nothing is published under that name";
const LATE: &str = "no segment has come yet, which wants a second key frame, or no part";
pub(super) const NO_SESSION: &str = "no such session, or no longer";
const NOT_READ: &str = "the disk does not give that segment just now";
const NO_FILE: &str = "no such segment, or no longer";

/// The segment or part that a player of low latency asks for; `None` if the query makes no sense. A
/// part of no segment is passed over: xgplayer takes numbers out of files' names, which are not its
/// own server's here, and gets what there is.
pub(super) fn ask(query: &str) -> Option<Ask> {
    let (mut ask, mut part) = (Ask::default(), None);
    for pair in query.split('&') {
        match pair.split_once('=') {
            Some(("_HLS_msn", number)) => ask.segment = Some(number.parse().ok()?),
            Some(("_HLS_part", number)) => part = Some(number),
            Some(("_HLS_skip", how)) => ask.skip = matches!(how, "YES" | "v2"),
            _ => {}
        }
    }
    if ask.segment.is_some() {
        ask.part = part.map(str::parse).transpose().ok()?;
    }
    Some(ask)
}

/// The query behind the names of segments: all of the one that the client shows with the playlist if
/// it is short, else its session alone.
pub(super) fn suffix(query: &str) -> String {
    let own = query.split('&').filter(|pair| !pair.is_empty() && !pair.starts_with("_HLS_") && !pair.contains('"'));
    let is_short = own.clone().map(|pair| 1 + pair.len()).sum::<usize>() <= MAX_QUERY;
    let is_session = |pair: &str| pair.starts_with(SESSION) && pair.len() <= MAX_SESSION;
    let told = own.filter(|pair| is_short || is_session(pair)).take(if is_short { usize::MAX } else { 1 });
    let mut text = String::new();
    for pair in told {
        text.push(if text.is_empty() { '?' } else { '&' });
        text.push_str(pair);
    }
    text
}

fn playlist(text: Option<Text>, suffix: &str) -> Reply {
    match text {
        Some(Ok(text)) => {
            Reply::blocks("application/x-mpegurl", Outlet::marked(text, MARK, suffix)).with([CORS, EXPOSED, NO_CACHE])
        }
        Some(Err(_)) => refuse(Status::UNAVAILABLE, NO_ROOM),
        // RFC 8216bis section 6.2.5.2
        None => refuse(Status::BAD_REQUEST, "_HLS_msn is too far ahead"),
    }
}

fn refuse(status: Status, why: impl Into<Cow<'static, str>>) -> Reply {
    Reply::refuse(status, why).retry_after(2)
}

/// Cache-Control of segments, parts and heads: their names never come again, and they
/// are asked for as long as playlists name them.
pub(super) fn cache(hls: &conf::Hls) -> String {
    let listed = hls.segment.0.as_secs().max(1).saturating_mul(hls.segments as u64);
    format!("public, max-age={listed}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_players_of_low_latency_ask_for() {
        let asked = Ask { segment: Some(7), part: Some(2), skip: true };
        assert_eq!(ask("key=x&_HLS_msn=7&_HLS_part=2&_HLS_skip=YES"), Some(asked));
        for query in ["", "_HLS_part=1", "_HLS_part=15.0.m4s"] {
            assert_eq!(ask(query), Some(Ask::default()), "{query}");
        }
        for query in ["_HLS_msn=1&_HLS_part=x", "_HLS_msn=-1", "_HLS_msn=x", "_HLS_msn=99999999999999999999"] {
            assert_eq!(ask(query), None, "{query}");
        }
    }

    #[test]
    fn only_what_is_not_for_the_playlist_is_repeated_and_no_more_than_a_player_needs() {
        assert_eq!(suffix("a=1&_HLS_msn=7&b=2"), "?a=1&b=2");
        assert_eq!(suffix("_HLS_msn=7"), "");
        let token = "md5=JSnqFoVzBcYGhGWBqUyuAA&expires=1764417600&session_id=0123456789abcdef";
        assert_eq!(suffix(token), format!("?{token}"));
        let long = "x".repeat(MAX_QUERY);
        assert_eq!(suffix(&long), "");
        assert_eq!(suffix(&format!("token={long}&session_id=0123456789abcdef")), "?session_id=0123456789abcdef");
        assert_eq!(suffix(&format!("session_id={long}")), "");
        assert_eq!(suffix(&"session_id=1&".repeat(100)), "?session_id=1");
        // it would end the attribute that it stands in
        assert_eq!(suffix("a=\"&b=1"), "?b=1");
    }
}
