//! Relays: streams that are pulled from other servers and pushed to them. Configured relays are restarted whenever
//! they end, with every protocol.

mod by_api;
#[cfg(feature = "record")]
pub(crate) mod file;
mod kept;
mod need;
#[cfg(feature = "record")]
mod once;
mod parting;
#[cfg(feature = "rtmp")]
pub(crate) mod rtmp;
#[cfg(feature = "rtsp")]
pub(crate) mod rtsp;
#[cfg(feature = "tls")]
mod tls;
#[cfg(not(feature = "tls"))]
#[path = "no_tls.rs"]
mod tls;

#[cfg(feature = "record")]
pub use file::Playback;
pub use kept::Relays;
pub use need::{Need, Presence, UNNEEDED_TIMEOUT};
#[cfg(feature = "record")]
pub use once::{Destination, Unsent, push_file};
pub use parting::see_off;

use std::future::Future;
use std::io::ErrorKind;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::reactor::Timer;

use crate::conf::Config;
use crate::container::Form;
use crate::hub::{Interest, Name, Publisher, Refused, Viewer};
use crate::net::Fault;
use crate::net::{Close, Conn, Failed, SocketSizes, Unreached, dial};
use crate::proto::{Error, Url};
use crate::session::{Action, Asker, Core, Entrant, Grant, Leave, Refusal, RelayNumber, RelayState, Who};

/// The relays of one protocol.
pub struct Carrier {
    /// The direction for pulling.
    pub pull: Direction,
    /// The direction for pushing; `None` if the protocol cannot push.
    pub push: Option<Direction>,
}

/// Finds the relays for a URL.
pub type Find = fn(&Url) -> Option<&'static Carrier>;

/// Sessions with other servers.
#[derive(Clone, Copy)]
pub struct Sessions {
    /// The prefix of their ids.
    pub prefix: &'static str,
    /// Runs a session over a connection, which uses TLS if the URL requires it.
    pub run: fn(RelayJob, Conn) -> Run,
}

/// The kind of a relay.
#[derive(Clone, Copy)]
pub enum Direction {
    /// A stream is pulled over a connection.
    Pull(Sessions),
    /// A stream is pushed over a connection.
    Push(Sessions),
    /// A file is played.
    File(Files),
}

/// Sessions that play a file.
#[derive(Clone, Copy)]
pub struct Files {
    /// The prefix of their ids.
    pub prefix: &'static str,
    /// Plays the file of the job's URL.
    pub run: fn(RelayJob) -> Playing,
}

/// A session that plays a file. Gives the reason of the end, and the number of media bytes.
pub type Playing = Pin<Box<dyn Future<Output = (Close, u64)> + Send>>;

/// A session from its first byte to its end. Gives the reason of the end, and the number of media bytes
/// transferred.
pub type Run = Pin<Box<dyn Future<Output = (End, u64)> + Send>>;

/// The reason why a session ended.
pub enum End {
    /// It was closed.
    Closed(Close),
    /// The stream is at another URL.
    Moved(String),
}

impl From<Close> for End {
    fn from(why: Close) -> Self {
        Self::Closed(why)
    }
}

impl End {
    /// Adds a possible cause if the peer closed the connection without any answer.
    pub fn of(self, protocol: &'static str, is_answered: bool) -> Self {
        match self {
            Self::Closed(Close::Eof) if !is_answered => Self::Closed(Close::Peer(Fault::Unanswered(protocol))),
            end => end,
        }
    }
}

/// The job of one session.
#[derive(Clone)]
pub struct RelayJob {
    /// The core that all protocols share.
    pub core: Arc<Core>,
    /// The configuration at the beginning of the session.
    pub config: Arc<Config>,
    /// The stream.
    pub name: Name,
    /// The URL of the stream on the other server.
    pub url: Url,
    /// Media uses UDP, if the protocol supports it.
    pub udp: bool,
    /// Any certificate is trusted.
    pub insecure: bool,
    /// The file with the trusted certificate authorities; empty for the usual ones.
    pub ca: String,
    /// The session ends when the stream has no viewers.
    pub on_demand: bool,
    /// The session ends with the stream, as soon as everything is sent.
    pub once: bool,
    /// The session's identity in the log.
    pub who: Who,
    /// The same, shared with the owner of the relay.
    latest: Latest,
}

/// The session of a job that is running, or was the last.
type Latest = Arc<Mutex<Who>>;

/// The lifetime of a relay.
enum Term {
    Ever,
    /// While the stream is published; the relay is one of these.
    Published(kept::Pushed),
}

/// The first pause before another attempt, and the longest.
const PAUSES: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(30));
/// A session that lasts this long was a success, and so was one that received frames: the next pause is short
/// again.
const SUCCESS: Duration = Duration::from_secs(5);
/// The maximum number of consecutive redirects.
const MAX_REDIRECTS: usize = 5;
/// The maximum length of a redirect's URL in bytes.
const MAX_URL: usize = 2048;
/// The timeout for connecting.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// Runs one session after another, and says in the list of relays how it does.
async fn keep_up(direction: Direction, mut job: RelayJob, term: Term, number: RelayNumber) {
    let mut events = job.core.hub.events(Interest { name: Some(job.name.clone()), kinds: &[] });
    let mut pause = PAUSES.0;
    while !job.core.watch.stops() {
        while !job.is_wanted(direction) {
            job.core.relays.report(number, RelayState::Waits);
            match &term {
                Term::Published(pushed) if kept::leaves(pushed, &job) => return,
                Term::Published(_) => {}
                Term::Ever => std::future::poll_fn(|cx| events.poll_news(cx)).await,
            }
        }
        if job.core.watch.stops() {
            return;
        }
        let (begun, before) = (Instant::now(), job.frames(direction));
        job.core.relays.report(number, RelayState::Runs(job.who.id()));
        job.config = job.core.config();
        job.who.told = matches!(term, Term::Ever) || kept::is_news(&job.core, &job.name);
        let mut session = job.clone();
        let (why, bytes) = attempt(direction, &mut session).await;
        let time = begun.elapsed();
        if time >= SUCCESS || job.frames(direction) != before {
            pause = PAUSES.0;
        }
        let RelayJob { name, url, .. } = &job;
        let who = &session.who;
        let time = time.as_secs();
        if job.core.watch.stops() {
            log::info!("{who} {} {name} {url}: ends with the server ({bytes} bytes in {time} s)", direction.word());
            return;
        }
        let is_wanted = job.is_wanted(direction);
        if !who.told {
            log::debug!("{who} {} {name} {url}: {why}", direction.word());
        } else if is_wanted {
            log::warn!(
                "{who} {} {name} {url}: {why}; again in {} s ({bytes} bytes in {time} s)",
                direction.word(),
                pause.as_secs()
            );
        } else {
            log::info!("{who} {} {name} {url}: {why} ({bytes} bytes in {time} s)", direction.word());
        }
        let who = job.core.who(direction.prefix()).of(name);
        job.becomes(who);
        let pauses = RelayState::Pauses(why.to_string().into(), Instant::now() + pause);
        job.core.relays.report(number, if is_wanted { pauses } else { RelayState::Waits });
        Timer::after(pause).await;
        pause = (pause * 2).min(PAUSES.1);
    }
}

/// Runs one session, and follows redirects. Gives the reason of the end, and the number of media bytes transferred.
async fn attempt(direction: Direction, job: &mut RelayJob) -> (Close, u64) {
    let (run, sizes): (_, fn(&Config) -> SocketSizes) = match direction {
        Direction::Pull(sessions) => (sessions.run, Core::publisher_sizes),
        Direction::Push(sessions) => (sessions.run, Core::viewer_sizes),
        Direction::File(files) => return (files.run)(job.clone()).await,
    };
    let mut moved = 0;
    for _ in 0..MAX_REDIRECTS {
        let conn = match job.connect(sizes(&job.config)).await {
            Ok(conn) => conn,
            Err(why) => return (why, moved),
        };
        job.becomes(job.who.clone().at(conn.peer()));
        log::debug!("{} is connected to {}", job.who, job.url);
        let stream = job.core.hub.find(&job.name).filter(|_| matches!(direction, Direction::Push(_)));
        let _feed = stream.zip(job.who.ip()).map(|(stream, peer)| stream.feed(crate::net::bits(peer)));
        let (end, bytes) = run(job.clone(), conn).await;
        moved += bytes;
        match end {
            End::Closed(why) => return (why, moved),
            End::Moved(to) => match Url::parse(&to) {
                Ok(url) if url.scheme == job.url.scheme && to.len() <= MAX_URL => {
                    log::info!("{} the stream has moved to {url}", job.who);
                    // the password is sent only to the same host
                    let before = job.url.clone();
                    job.url = match url.host == before.host {
                        true => Url { user: before.user, password: before.password, basic: before.basic, ..url },
                        false => url,
                    };
                }
                _ => return (Error::misbehaved("it redirects to a URL that cannot be used").into(), moved),
            },
        }
    }
    (Error::misbehaved("it redirects too often").into(), moved)
}

impl Direction {
    fn word(self) -> &'static str {
        match self {
            Self::Pull(_) => "pulling",
            Self::Push(_) => "pushing",
            Self::File(_) => "playing",
        }
    }

    /// The prefix of its sessions' ids.
    pub fn prefix(self) -> &'static str {
        match self {
            Self::Pull(sessions) | Self::Push(sessions) => sessions.prefix,
            Self::File(files) => files.prefix,
        }
    }
}

impl RelayJob {
    /// Publishes the stream.
    pub fn publish(&self, now: Instant) -> Result<(Publisher, Grant), Refusal> {
        self.core.admit_publisher(Leave::own(Action::Publish, &self.name), &self.entrant(), now)
    }

    /// Plays the stream.
    pub fn play(&self, form: &'static Form) -> Result<(Viewer, Grant), Refusal> {
        self.core.admit_player(Leave::own(Action::Play, &self.name), &self.entrant(), form)
    }

    fn entrant(&self) -> Entrant<'_> {
        Entrant { asker: Asker::Session(&self.who), seat: None, url: &self.url }
    }

    /// Sets the identity of the session in the log.
    fn becomes(&mut self, who: Who) {
        self.latest.lock().unwrap_or_else(PoisonError::into_inner).clone_from(&who);
        self.who = who;
    }

    /// True if a session should begin. A pull on demand needs viewers and no other publisher; other pulls need no
    /// other publisher; a push needs a stream that can be joined.
    fn is_wanted(&self, direction: Direction) -> bool {
        match direction {
            Direction::Push(_) => self.core.hub.find(&self.name).is_some_and(|stream| stream.is_open()),
            _ if self.on_demand => self.is_watched() && !self.is_live(),
            _ => !self.is_live(),
        }
    }

    /// Fails if another publisher has the name: a pull without media leaves it to the publisher, whatever
    /// `publish.conflict` says.
    pub fn gives_way(&self) -> Result<(), Close> {
        if self.is_live() { Err(Close::refused(Refused::Taken)) } else { Ok(()) }
    }

    /// True if the stream has a publisher.
    fn is_live(&self) -> bool {
        self.core.hub.find(&self.name).is_some_and(|stream| stream.is_live())
    }

    /// True if the stream has viewers.
    fn is_watched(&self) -> bool {
        self.core.hub.find(&self.name).is_some_and(|stream| stream.is_watched())
    }

    /// The number of frames of a pulled stream.
    fn frames(&self, direction: Direction) -> u64 {
        match direction {
            Direction::Push(_) => 0,
            _ => self.core.hub.find(&self.name).map_or(0, |stream| stream.stats().traffic.frames),
        }
    }

    async fn connect(&self, sizes: SocketSizes) -> Result<Conn, Close> {
        let Core { gate, watch, .. } = &*self.core;
        let dialled = dial((&self.url.host, self.url.server_port()), sizes, gate, watch, CONNECT_TIMEOUT).await;
        let conn = dialled.map_err(|why| unreached(&self.url, &why))?;
        conn.expect_input(self.config.connections.handshake.0);
        if self.url.is_tls() { self.seal(conn).await } else { Ok(conn) }
    }
}

/// The reason why there is no connection to the server of `url`, in a user's words.
fn unreached(url: &Url, why: &Unreached) -> Failed {
    match why {
        Unreached::Name(error) => {
            let why = error.to_string();
            let why = why.strip_prefix("failed to lookup address information: ").unwrap_or(&why);
            Failed::Name(Some(url.host.as_str().into()).filter(|_| !url.may_cut_password()), why.into())
        }
        Unreached::Address(error) => Failed::Connect(match error.kind() {
            ErrorKind::ConnectionRefused => "nothing listens on that port".into(),
            ErrorKind::TimedOut => format!("no answer within {} s", CONNECT_TIMEOUT.as_secs()).into(),
            _ => error.to_string().into(),
        }),
    }
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;

    #[test]
    fn a_server_that_is_not_reached_is_told_with_the_remedy_and_without_a_password() {
        let lookup = || Unreached::Name(io::Error::other("failed to lookup address information: Try again"));
        let said = |url: &str, why| Close::from(unreached(&Url::parse(url).unwrap(), &why)).to_string();
        assert_eq!(
            said("rtsp://cam.lan/a", lookup()),
            "name lookup failed: cam.lan: Try again: check the name, and the name servers of this machine"
        );
        let cut = said("rtsp://admin:p@ss/w@10.0.0.5/a", lookup());
        assert!(cut.starts_with("name lookup failed: Try again: in a password write @ as %40, "), "{cut}");
        assert!(!cut.contains("ss/") && !cut.contains("failed: ss"), "{cut}");
        let refused = Unreached::Address(io::ErrorKind::ConnectionRefused.into());
        assert_eq!(said("rtsp://h/a", refused), "cannot connect: nothing listens on that port");
        let late = Unreached::Address(io::ErrorKind::TimedOut.into());
        assert_eq!(said("rtsp://h/a", late), "cannot connect: no answer within 10 s");
        assert_eq!(Failed::file(&io::ErrorKind::NotFound.into()).to_string(), "file not found");
    }
}
