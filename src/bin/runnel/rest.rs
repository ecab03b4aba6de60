//! Relays, recordings and notifications, which are updated with the configuration.

use std::sync::Arc;
use std::time::Duration;

#[cfg(not(feature = "notify"))]
use no_notifier::Notifier;
#[cfg(not(feature = "record"))]
use none::{Prepared, Recorder, Unready};
use runnel::conf::Config;
#[cfg(feature = "notify")]
use runnel::notify::Notifier;
#[cfg(feature = "record")]
use runnel::record::{Prepared, Recorder, Unready};
use runnel::registry;
use runnel::relay::Relays;
use runnel::serve::Server;
use runnel::session::Core;
#[cfg(feature = "record")]
use smol::future::zip;

/// Relays, recordings and notifications.
pub struct Rest {
    relays: Relays,
    recorder: Recorder,
    notifier: Notifier,
}

/// The longest time for connections to end.
const MAX_STOP: Duration = Duration::from_secs(2);

impl Rest {
    pub fn new(core: &Arc<Core>) -> Self {
        Self {
            relays: Relays::new(core, registry::carrier),
            recorder: Recorder::new(core),
            notifier: Notifier::new(core),
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
        self.recorder.follow(prepared).await;
    }

    /// Ends all in order, including the server. A disk that does not respond keeps no connection open.
    #[cfg(feature = "record")]
    pub async fn stop(self, server: &Server) {
        let closed = zip(server.stop(MAX_STOP), self.recorder.stop());
        zip(self.relays.stop(), closed).await;
        self.notifier.stop().await;
    }

    /// Ends all in order, including the server.
    #[cfg(not(feature = "record"))]
    pub async fn stop(self, server: &Server) {
        server.stop(MAX_STOP).await;
        self.notifier.stop().await;
    }
}

/// A build without notifications.
#[cfg(not(feature = "notify"))]
mod no_notifier {
    use std::sync::Arc;

    use runnel::session::Core;

    pub struct Notifier;

    impl Notifier {
        pub fn new(_: &Arc<Core>) -> Self {
            Self
        }

        pub async fn follow(&mut self) {}

        pub async fn stop(self) {}
    }
}

/// A build without recordings.
#[cfg(not(feature = "record"))]
mod none {
    use std::sync::Arc;

    use runnel::conf::Config;
    use runnel::session::Core;

    use crate::failure::Failure;

    pub struct Prepared;
    pub struct Recorder;
    pub enum Unready {}

    impl From<Unready> for Failure {
        fn from(never: Unready) -> Self {
            match never {}
        }
    }

    impl Recorder {
        pub fn new(_: &Arc<Core>) -> Self {
            Self
        }

        pub fn prepare(&self, _: &Config) -> Result<Prepared, Unready> {
            Ok(Prepared)
        }

        pub async fn follow(&mut self, _: Prepared) {}
    }
}
