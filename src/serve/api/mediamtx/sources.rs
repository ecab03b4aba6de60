//! The paths with a source, which are pulls: those of the configuration, which the API does not change, and its own.

use std::time::Duration;

use crate::hub::Name;
use crate::proto::Url;
use crate::serve::http::Exchange;
use crate::session::{Core, TooManyPulls, WantedPull};

/// A pull.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Pull {
    /// The stream.
    pub name: Name,
    /// Its URL on the other server.
    pub url: Url,
    /// Whether media uses UDP.
    pub udp: bool,
    /// The longest time to the first media.
    pub timeout: Duration,
    /// The time without viewers after which it ends; `None` if it is not on demand.
    pub idle: Option<Duration>,
}

/// The pulls of now.
pub(super) struct Sources {
    configured: Vec<Pull>,
    by_api: Vec<Pull>,
}

/// MediaMTX's times for the start and the end of a source on demand.
pub(super) const USUAL: Duration = Duration::from_secs(10);

impl Sources {
    /// The pulls of now.
    pub(super) fn of(exchange: &Exchange) -> Self {
        let core = &exchange.server.core;
        let config = core.config();
        let configured = config.pull.iter().filter_map(|pull| {
            let (name, url) = (Name::new(&pull.stream).ok()?, pull.url.0.clone());
            Some(Pull { name, url, udp: pull.udp, timeout: USUAL, idle: pull.on_demand.then_some(USUAL) })
        });
        let by_api = core.pulls.list().into_iter().map(|(pull, _)| {
            let WantedPull { stream: name, url, udp, timeout, idle, .. } = pull;
            Pull { name, url, udp, timeout, idle }
        });
        Self { configured: configured.collect(), by_api: by_api.collect() }
    }

    /// Begins a pull, in place of another of its stream.
    pub(super) fn begin(core: &Core, pull: Pull) -> Result<(), TooManyPulls> {
        let Pull { name: stream, url, udp, timeout, idle } = pull;
        core.pulls.want(WantedPull { stream, url, udp, timeout, retries: None, idle }).map(drop)
    }

    /// Ends the pull of the API of a stream; false if there is none.
    pub(super) fn end(core: &Core, name: &Name) -> bool {
        core.pulls.stop(name).is_some()
    }

    /// All pulls.
    pub(super) fn all(&self) -> impl Iterator<Item = &Pull> {
        self.configured.iter().chain(&self.by_api)
    }

    /// The pull of the API of a stream.
    pub(super) fn by_api(&self, name: &Name) -> Option<&Pull> {
        self.by_api.iter().find(|pull| pull.name == *name)
    }

    /// Whether a stream is pulled.
    pub(super) fn has(&self, name: &Name) -> bool {
        self.all().any(|pull| pull.name == *name)
    }
}
