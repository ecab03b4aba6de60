//! A request for a playlist or a file that may have to wait.

use std::borrow::Cow;
use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use crate::reactor::Timer;

use super::MAX_WAIT;
use super::entry::{Entry, Text};
use super::http::{NO_FILE, cache};
use super::path::session;
use super::query::suffix;
use crate::hls::{Ask, File, MARK};
use crate::hub::{Dismissal, Guest, Name, Unit};
use crate::media::Ticks;
use crate::net::{Close, Outlet};
use crate::proto::http::{Method, Status};
use crate::serve::Server;
use crate::serve::http::{Answer, CORS, EXPOSED, Exchange, NO_CACHE, NO_ROOM, Reply};
use crate::session::sent_away;

/// A request for a playlist or a file that may not exist yet.
pub(super) struct Waiting {
    entry: Arc<Entry>,
    wanted: Wanted,
    limit: Timer,
    server: Arc<Server>,
    name: Name,
    peer: SocketAddr,
    /// The customer of the request.
    customer: Option<u128>,
    /// Set if it gives way while there is no publisher.
    guest: Option<Guest>,
    /// The session of the request.
    session: Option<u64>,
    /// True if only the head of the answer is wanted.
    is_head: bool,
    /// The query for the URLs of files in a playlist.
    suffix: String,
}

/// The object of the request.
pub(super) enum Wanted {
    Playlist(Ask),
    Record,
    File(String),
}

const NOTHING: &str = "nothing is published under that name";
const LATE: &str = "no segment has come yet, which needs a second key frame, or no part";
const NOT_READ: &str = "the disk does not deliver that segment now";

impl Waiting {
    /// Waits without the texts of the request, to save memory.
    pub(super) fn answer(exchange: Exchange, entry: Arc<Entry>, name: Name, wanted: Wanted) -> Answer {
        let (limit, customer) = (Timer::after(MAX_WAIT), exchange.customer());
        let (session, suffix) = (session(&exchange.request), suffix(&exchange.request.query));
        let is_head = exchange.request.method == Method::Head;
        let Exchange { server, peer, .. } = exchange;
        let guest = if entry.is_playable() { None } else { server.core.hub.wait(&name, customer) };
        session.into_iter().for_each(|number| server.hls.sessions.waits(number));
        Answer::later(Self { entry, wanted, limit, server, name, peer, customer, guest, session, is_head, suffix })
    }

    /// True if it has to give way to a player.
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

    /// The collector was dismissed. Another is started once the stream is published: before, it would have to give way
    /// again. `None` if there is one.
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

    /// Refuses a request after its time: players try again after 503, and give up after 404.
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
            self.server.hls.sessions.see(number, &self.name, if self.is_head { 0 } else { bytes });
        }
        let mime = if name.ends_with(".ts") { "video/mp2t" } else { "video/mp4" };
        let cache = cache(&self.server.core.config().hls);
        let mut outlet = Outlet::default();
        outlet.fill(|units| units.extend(blocks.iter().map(|block| Unit::whole(block.clone(), Ticks(0)))));
        Reply::blocks(mime, outlet).with([("Cache-Control", cache.into()), CORS, EXPOSED])
    }

    fn no_file(&self, name: &str) -> Reply {
        match self.entry.is_stored(name) {
            true => refuse(Status::UNAVAILABLE, NOT_READ),
            false => refuse(Status::NOT_FOUND, NO_FILE),
        }
    }

    /// Counts and logs the refusal.
    fn tell(&self, label: &'static str, why: &dyn std::fmt::Display) {
        self.server.core.refused_guest(
            label,
            self.peer,
            Some(&self.name),
            format_args!("waited in vain for {}: {why}", self.name),
        );
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.session.into_iter().for_each(|number| self.server.hls.sessions.waited(number));
    }
}

/// Ready once the answer is known.
impl Future for Waiting {
    type Output = Result<Answer, Close>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        if self.is_dismissed(cx) {
            return Poll::Ready(Err(sent_away(Dismissal::GaveWay)));
        }
        self.poll_reply(cx).map(|reply| Ok(reply.into()))
    }
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
