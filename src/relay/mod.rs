//! Streams from elsewhere and to elsewhere: what is configured is kept up for ever,
//! whatever the protocol.

#[cfg(feature = "rtmp")]
mod rtmp;
#[cfg(feature = "rtsp")]
mod rtsp;

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_io::Timer;

use crate::conf::{Config, Pull, Push, Source};
use crate::hub::Name;
#[cfg(feature = "tls")]
use crate::net::Trust;
use crate::net::{Close, Conn, SocketSizes, dial};
use crate::proto::Url;
use crate::serve::Server;

/// A protocol that streams travel by.
struct Protocol {
    scheme: &'static str,
    /// Where its servers listen if the URL does not say.
    port: u16,
    /// It goes under TLS.
    sealed: bool,
    pull: fn(Errand, Conn) -> Run,
    push: fn(Errand, Conn) -> Run,
    /// Sessions of ours in the log: pulling and pushing.
    prefixes: [&'static str; 2],
}

static PROTOCOLS: &[Protocol] = &[
    #[cfg(feature = "rtmp")]
    Protocol {
        scheme: "rtmp",
        port: 1935,
        sealed: false,
        pull: rtmp::pull,
        push: rtmp::push,
        prefixes: ["RTMPPULL", "RTMPPUSH"],
    },
    #[cfg(feature = "rtsp")]
    Protocol {
        scheme: "rtsp",
        port: 554,
        sealed: false,
        pull: rtsp::pull,
        push: rtsp::push,
        prefixes: ["RTSPPULL", "RTSPPUSH"],
    },
    #[cfg(all(feature = "rtmp", feature = "tls"))]
    Protocol {
        scheme: "rtmps",
        port: 443,
        sealed: true,
        pull: rtmp::pull,
        push: rtmp::push,
        prefixes: ["RTMPPULL", "RTMPPUSH"],
    },
    #[cfg(all(feature = "rtsp", feature = "tls"))]
    Protocol {
        scheme: "rtsps",
        port: 322,
        sealed: true,
        pull: rtsp::pull,
        push: rtsp::push,
        prefixes: ["RTSPPULL", "RTSPPUSH"],
    },
];

/// One session from its first byte to its end.
type Run = Pin<Box<dyn Future<Output = End> + Send>>;

/// Why a session ended.
#[cfg_attr(not(feature = "rtsp"), allow(dead_code, reason = "RTMP has no redirections"))]
enum End {
    Closed(Close),
    /// The stream is at another URL.
    Moved(String),
}

/// What one session is to do.
#[derive(Clone)]
struct Errand {
    server: Arc<Server>,
    /// As it was when the session began.
    config: Arc<Config>,
    name: Name,
    url: Url,
    #[cfg_attr(not(feature = "rtsp"), allow(dead_code, reason = "RTMP goes over TCP alone"))]
    udp: bool,
    /// Any certificate is believed.
    #[cfg_attr(not(feature = "tls"), allow(dead_code, reason = "there are none"))]
    insecure: bool,
    /// Whose certificates are believed: a file, or empty for the usual.
    #[cfg_attr(not(feature = "tls"), allow(dead_code, reason = "there are none"))]
    ca: String,
    /// It ends when nobody watches.
    on_demand: bool,
    id: String,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Direction {
    Pull,
    Push,
}

/// The first pause before another attempt, and the longest.
const PAUSES: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(30));
/// A session that lasts so long was a success: the next pause is short again.
const SUCCESS: Duration = Duration::from_secs(5);
/// How often it is looked whether somebody watches, or publishes.
const LOOK: Duration = Duration::from_millis(200);
/// So many redirections in a row are followed.
const MAX_MOVES: usize = 5;
/// A stream that nobody watches, or publishes, is given so long.
const LINGER: Duration = Duration::from_secs(10);
/// How long a connection may take to be made.
const CONNECT: Duration = Duration::from_secs(10);

/// Keeps up what the configuration asks for, until the executor is dropped.
pub fn start(server: &Arc<Server>) {
    let config = server.config();
    let errand = |stream: &str, url: &Source, on_demand, udp, insecure, ca: &String| {
        let name = Name::new(stream).ok()?;
        let (server, config, url, ca) = (server.clone(), config.clone(), url.0.clone(), ca.clone());
        Some(Errand { server, config, name, url, udp, insecure, ca, on_demand, id: String::new() })
    };
    let pulls = config.pull.iter().map(|pull| {
        let Pull { stream, url, on_demand, udp, insecure, ca } = pull;
        (Direction::Pull, errand(stream, url, *on_demand, *udp, *insecure, ca))
    });
    let pushes = config.push.iter().map(|push| {
        let Push { stream, url, udp, insecure, ca } = push;
        (Direction::Push, errand(stream, url, true, *udp, *insecure, ca))
    });
    for (direction, errand) in pulls.chain(pushes) {
        let Some(errand) = errand else { continue };
        let protocol = PROTOCOLS.iter().find(|protocol| protocol.scheme == errand.url.scheme);
        if let Some(protocol) = protocol {
            server.executor.spawn(keep_up(protocol, direction, errand)).detach();
        }
    }
}

/// Runs one session after the other.
async fn keep_up(protocol: &'static Protocol, direction: Direction, errand: Errand) {
    let mut pause = PAUSES.0;
    loop {
        while !errand.is_wanted(direction) {
            Timer::after(LOOK).await;
        }
        let begun = Instant::now();
        let why = attempt(protocol, direction, &errand).await;
        if begun.elapsed() >= SUCCESS {
            pause = PAUSES.0;
        }
        if errand.is_wanted(direction) {
            log::warn!("{} {} {}: {why}; again in {} s", direction.word(), errand.name, errand.url, pause.as_secs());
        } else {
            log::info!("{} {} {}: {why}", direction.word(), errand.name, errand.url);
        }
        Timer::after(pause).await;
        pause = (pause * 2).min(PAUSES.1);
    }
}

/// Runs one session, wherever the stream has moved to.
async fn attempt(protocol: &Protocol, direction: Direction, errand: &Errand) -> Close {
    let prefix = protocol.prefixes[usize::from(direction == Direction::Push)];
    let mut errand = Errand { id: errand.server.id(prefix), config: errand.server.config(), ..errand.clone() };
    for _ in 0..MAX_MOVES {
        let conn = match errand.connect(protocol, direction).await {
            Ok(conn) => conn,
            Err(why) => return why,
        };
        log::debug!("[{}] is connected to {}", errand.id, errand.url);
        let run = match direction {
            Direction::Pull => (protocol.pull)(errand.clone(), conn),
            Direction::Push => (protocol.push)(errand.clone(), conn),
        };
        match run.await {
            End::Closed(why) => return why,
            End::Moved(to) => match Url::parse(&to) {
                Ok(url) if url.scheme == errand.url.scheme => {
                    log::info!("[{}] the stream has moved to {url}", errand.id);
                    // nobody else is told the password
                    let before = errand.url;
                    errand.url = match url.host == before.host {
                        true => Url { user: before.user, password: before.password, ..url },
                        false => url,
                    };
                }
                _ => return Close::Peer("it redirects to what is no such URL".into()),
            },
        }
    }
    Close::Peer("it redirects without end".into())
}

impl Direction {
    fn word(self) -> &'static str {
        match self {
            Self::Pull => "pulling",
            Self::Push => "pushing",
        }
    }
}

impl Errand {
    /// Whether it is time to begin: for a pull on demand somebody watches what
    /// nobody publishes, for a push somebody publishes.
    fn is_wanted(&self, direction: Direction) -> bool {
        let stream = self.server.hub.find(&self.name);
        match direction {
            Direction::Push => stream.is_some_and(|stream| stream.is_live()),
            Direction::Pull if self.on_demand => stream.is_some_and(|stream| stream.is_watched() && !stream.is_live()),
            Direction::Pull => stream.is_none_or(|stream| !stream.is_live()),
        }
    }

    async fn connect(&self, protocol: &Protocol, direction: Direction) -> Result<Conn, Close> {
        let sizes: SocketSizes = match direction {
            Direction::Pull => Server::publisher_sizes(&self.config),
            Direction::Push => Server::viewer_sizes(&self.config),
        };
        let Server { gate, watch, .. } = &*self.server;
        let port = self.url.port.unwrap_or(protocol.port);
        let dialled = dial((&self.url.host, port), sizes, gate, watch, CONNECT).await;
        let conn = dialled.map_err(|error| Close::Refused(error.to_string()))?;
        conn.expect_input(self.config.connections.handshake.0);
        if !protocol.sealed {
            return Ok(conn);
        }
        #[cfg(feature = "tls")]
        {
            let limit = self.config.connections.handshake.0;
            return conn.sealed_to(&self.trust()?, &self.url.host, &self.server.shakes, limit).await;
        }
        #[cfg(not(feature = "tls"))]
        Err(Close::Refused("the program was built without the feature \"tls\"".into()))
    }
}

#[cfg(feature = "tls")]
impl Errand {
    fn trust(&self) -> Result<Trust, Close> {
        let trust = match self.ca.as_str() {
            _ if self.insecure => Trust::anybody(),
            "" => Trust::browsers(),
            file => Trust::authorities(file.as_ref()),
        };
        trust.map_err(Close::Refused)
    }
}

/// Whether a stream has had no use for a session for too long.
struct Need {
    since: Option<Instant>,
}

impl Need {
    fn new() -> Self {
        Self { since: None }
    }

    /// Notes whether it is of use now; false once it has not been for long.
    fn holds(&mut self, of_use: bool, now: Instant) -> bool {
        if of_use {
            self.since = None;
            return true;
        }
        now.saturating_duration_since(*self.since.get_or_insert(now)) < LINGER
    }
}
