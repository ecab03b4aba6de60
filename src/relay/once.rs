//! Pushes a file once, from its start to its end.

use std::error::Error;
use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use smol::future::or;

use super::file::{self, Playback};
use super::{Find, RelayJob, attempt};
use crate::hub::{Interest, InvalidName, Name};
use crate::net::Close;
use crate::proto::Url;
use crate::session::Core;

/// The server to which a file is pushed.
#[derive(Clone, Debug)]
pub struct Destination {
    /// The URL of the stream on that server.
    pub url: Url,
    /// RTSP uses UDP.
    pub udp: bool,
    /// Any certificate is trusted.
    pub insecure: bool,
    /// The file with the trusted certificate authorities; empty for the usual ones.
    pub ca: String,
}

/// The reason why a file was not pushed completely.
#[derive(Debug)]
pub enum Unsent {
    /// The scheme does not support pushing.
    Scheme(String),
    /// The stream's name is invalid.
    Name(InvalidName),
    /// The file could not be played to its end.
    Played(PathBuf, Close),
    /// The connection ended.
    Pushed(Box<Url>, Close),
    /// The server has received the file except for this number of gaps, because it read too slowly.
    Skipped(Box<Url>, u64),
}

impl fmt::Display for Unsent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Scheme(scheme) => write!(f, "streams cannot be sent by {scheme}"),
            Self::Name(error) => error.fmt(f),
            Self::Played(file, why) => write!(f, "{}: {why}", file.display()),
            Self::Pushed(url, why) => write!(f, "{url}: {why}"),
            Self::Skipped(url, skips) => {
                write!(f, "{url}: the server reads too slowly: {skips} gaps were left")
            }
        }
    }
}

impl Error for Unsent {}

/// The name of the stream on this server.
const NAME: &str = "push";

/// Pushes a file with a protocol that `find` knows.
///
/// # Errors
/// The reason why the file was not pushed completely.
pub async fn push_file(core: &Arc<Core>, playback: Playback, to: Destination, find: Find) -> Result<(), Unsent> {
    let Destination { url, udp, insecure, ca } = to;
    let direction = find(&url).and_then(|carrier| carrier.push).ok_or_else(|| Unsent::Scheme(url.scheme.clone()))?;
    let name = Name::new(NAME).map_err(Unsent::Name)?;
    let (core, config, who) = (core.clone(), core.config(), core.who("FILE").of(&name));
    let job = RelayJob {
        core,
        config,
        name,
        url,
        udp,
        insecure,
        ca,
        on_demand: false,
        once: true,
        latest: Arc::new(Mutex::new(who.clone())),
        who,
    };
    let mut events = job.core.hub.events(Interest { name: Some(job.name.clone()), kinds: &[] });
    let played = async {
        match file::play(&job, &playback, true).await {
            // the last frames are still being sent
            (Close::Eof, _) => std::future::pending().await,
            (why, _) => Err(Unsent::Played(playback.path.clone(), why)),
        }
    };
    let pushed = async {
        let stream = || job.core.hub.find(&job.name);
        while !stream().is_some_and(|stream| stream.is_live()) {
            std::future::poll_fn(|cx| events.poll_news(cx)).await;
        }
        let who = job.core.who(direction.prefix()).of(&job.name);
        let (why, _) = attempt(direction, &mut RelayJob { who, ..job.clone() }).await;
        let skips = stream().map_or(0, |stream| stream.stats().traffic.skips);
        match why {
            Close::Done if skips == 0 => Ok(()),
            Close::Done => Err(Unsent::Skipped(job.url.clone().into(), skips)),
            why => Err(Unsent::Pushed(job.url.clone().into(), why)),
        }
    };
    or(played, pushed).await
}
