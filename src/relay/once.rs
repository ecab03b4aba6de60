//! A file that is sent elsewhere, from its start to its end, and nothing else.

use std::sync::{Arc, Mutex};

use async_io::Timer;
use smol::future::or;

use super::file::{self, Playing};
use super::{Errand, LOOK, Protocol, Way, attempt};
use crate::hub::Name;
use crate::net::Close;
use crate::proto::Url;
use crate::session::Core;

/// Where a file is sent.
#[derive(Clone, Debug)]
pub struct Destination {
    /// `rtmp://`, `rtmps://`, `rtsp://` or `rtsps://`.
    pub url: Url,
    /// RTSP goes over UDP.
    pub udp: bool,
    /// Any certificate is believed.
    pub insecure: bool,
    /// Whose certificates are believed: a file, or empty for the usual.
    pub ca: String,
}

/// The stream that it is meanwhile.
const NAME: &str = "push";

/// Sends a file; says why if not all of it was sent.
pub async fn push_file(core: &Arc<Core>, playing: Playing, to: Destination) -> Result<(), String> {
    let Destination { url, udp, insecure, ca } = to;
    let protocol = Protocol::of(&url).ok_or_else(|| format!("nothing can be sent by {}", url.scheme))?;
    let name = Name::new(NAME).map_err(|error| error.to_string())?;
    let (core, config, who) = (core.clone(), core.config(), core.who("FILE").of(&name));
    let errand = Errand {
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
    let played = async {
        match file::play(&errand, &playing, true).await {
            // the last of it is still on its way
            (Close::Eof, _) => std::future::pending().await,
            (why, _) => format!("{}: {why}", playing.path.display()),
        }
    };
    let pushed = async {
        let stream = || errand.core.hub.find(&errand.name);
        while !stream().is_some_and(|stream| stream.is_live()) {
            Timer::after(LOOK / 10).await;
        }
        let way = Way::Push(protocol);
        let who = errand.core.who(way.kind()).of(&errand.name);
        let (why, _) = attempt(way, &mut Errand { who, ..errand.clone() }).await;
        let skips = stream().map_or(0, |stream| stream.stats().traffic.skips);
        match why {
            Close::Done if skips == 0 => String::new(),
            Close::Done => format!("{}: it takes less than is sent: {skips} stretches were left out", errand.url),
            why => format!("{}: {why}", errand.url),
        }
    };
    let why = or(played, pushed).await;
    if why.is_empty() { Ok(()) } else { Err(why) }
}
