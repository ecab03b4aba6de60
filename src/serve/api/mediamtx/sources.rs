//! The paths with a source, which are pulls: those of the configuration, which the API does not change, and its own.

use std::time::Duration;

use crate::hub::Name;
use crate::proto::Url;
use crate::serve::http::Exchange;
use crate::session::{Core, NotAdded, Relay, RelayState, Terms, Way};

/// A pull.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Pull {
    /// The stream.
    pub name: Name,
    /// Its URL on the other server.
    pub url: Url,
    /// True if media uses UDP.
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
        let has_ended = |state: &RelayState| matches!(state, RelayState::Ended(_));
        let rows = core.relays.list().into_iter();
        let by_api = rows.filter(|row| row.relay.way == Way::Pull && !has_ended(&row.state)).filter_map(|row| {
            let (Relay { stream, url, .. }, Terms { udp, timeout, idle, .. }) = (row.relay, row.terms?);
            Some(Pull { name: Name::new(&stream).ok()?, url, udp, timeout, idle })
        });
        Self { configured: configured.collect(), by_api: by_api.collect() }
    }

    /// Begins a pull, in place of another of its stream.
    pub(super) fn begin(core: &Core, pull: Pull) -> Result<(), NotAdded> {
        let Pull { name, url, udp, timeout, idle } = pull;
        let relay = Relay { way: Way::Pull, stream: name.to_string(), url };
        core.relays.replace(relay, Terms { udp, timeout, retries: None, idle }).map(drop)
    }

    /// Ends the pull of the API of a stream; false if there is none.
    pub(super) fn end(core: &Core, name: &Name) -> bool {
        core.relays.remove(|one| one.way == Way::Pull && one.stream == name.as_str()).is_ok()
    }

    /// All pulls.
    pub(super) fn all(&self) -> impl Iterator<Item = &Pull> {
        self.configured.iter().chain(&self.by_api)
    }

    /// The pull of the API of a stream.
    pub(super) fn by_api(&self, name: &Name) -> Option<&Pull> {
        self.by_api.iter().find(|pull| pull.name == *name)
    }

    /// True if a stream is pulled.
    pub(super) fn has(&self, name: &Name) -> bool {
        self.all().any(|pull| pull.name == *name)
    }
}
