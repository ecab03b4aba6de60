//! A file that is sent elsewhere, from its start to its end, and nothing else.

use std::sync::{Arc, Mutex};

use smol::future::or;

use super::file::{self, Playback};
use super::{Find, RelayJob, attempt};
use crate::hub::{Interest, Name};
use crate::net::Close;
use crate::proto::Url;
use crate::session::Core;

/// The server that a file is sent to, and the way there.
#[derive(Clone, Debug)]
pub struct Destination {
    /// The stream's place there.
    pub url: Url,
    /// RTSP goes over UDP.
    pub udp: bool,
    /// Any certificate is trusted.
    pub insecure: bool,
    /// The file of the authorities whose certificates are trusted; empty for the usual ones.
    pub ca: String,
}

/// The stream that it is meanwhile.
const NAME: &str = "push";

/// Sends a file by a protocol that `find` knows; says why if not all of it was sent.
pub async fn push_file(core: &Arc<Core>, playback: Playback, to: Destination, find: Find) -> Result<(), String> {
    let Destination { url, udp, insecure, ca } = to;
    let direction =
        find(&url).and_then(|carrier| carrier.push).ok_or_else(|| format!("nothing can be sent by {}", url.scheme))?;
    let name = Name::new(NAME).map_err(|error| error.to_string())?;
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
            // the last of it is still on its way
            (Close::Eof, _) => std::future::pending().await,
            (why, _) => format!("{}: {why}", playback.path.display()),
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
            Close::Done if skips == 0 => String::new(),
            Close::Done => format!("{}: it takes less than is sent: {skips} stretches were left out", job.url),
            why => format!("{}: {why}", job.url),
        }
    };
    let why = or(played, pushed).await;
    if why.is_empty() { Ok(()) } else { Err(why) }
}
