//! Relays, recordings and notifications, which are updated with the configuration, and what keeps changes by the API.

use std::sync::Arc;
use std::time::Duration;

use runnel::conf::Config;
#[cfg(feature = "notify")]
use runnel::notify::Notifier;
#[cfg(feature = "record")]
use runnel::record::{Prepared, Recorder, Unready};
use runnel::registry;
use runnel::relay::Relays;
use runnel::serve::Server;
use runnel::session::{Core, Persist};
#[cfg(feature = "record")]
use smol::future::zip;

#[cfg(not(feature = "notify"))]
use crate::no_notifier::Notifier;
#[cfg(not(feature = "record"))]
use crate::no_recorder::{Prepared, Recorder, Unready};

/// Relays, recordings and notifications.
pub struct Rest {
    relays: Relays,
    recorder: Recorder,
    notifier: Notifier,
    persist: Persist,
}

/// The longest time for connections to end.
const MAX_STOP: Duration = Duration::from_secs(2);

impl Rest {
    pub fn new(core: &Arc<Core>) -> Self {
        Self {
            relays: Relays::new(core, registry::carrier),
            recorder: Recorder::new(core),
            notifier: Notifier::new(core),
            persist: Persist::new(core),
        }
    }

    /// The steps of `follow` that may fail. They change nothing.
    pub fn prepare(&self, config: &Config) -> Result<Prepared, Unready> {
        self.recorder.prepare(config)
    }

    /// Starts new relays and recordings, and ends removed ones.
    pub async fn follow(&mut self, prepared: Prepared) {
        self.notifier.follow().await;
        self.relays.follow().await;
        // relays of the configuration go before those that were added
        self.persist.begin();
        self.recorder.follow(prepared).await;
    }

    /// Ends all in order, including the server. A disk that does not respond keeps no connection open.
    #[cfg(feature = "record")]
    pub async fn stop(self, server: &Server) {
        let closed = zip(server.stop(MAX_STOP), self.recorder.stop());
        zip(self.relays.stop(), closed).await;
        self.persist.stop().await;
        self.notifier.stop().await;
    }
    /// Ends all in order, including the server.
    #[cfg(not(feature = "record"))]
    pub async fn stop(self, server: &Server) {
        server.stop(MAX_STOP).await;
        self.persist.stop().await;
        self.notifier.stop().await;
    }
}
