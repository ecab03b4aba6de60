//! The configuration of segments; a SIGHUP may change it for streams that begin afterwards.

use std::time::Duration;

use crate::conf;
use crate::hls::{Delete, Packing, Rules};

/// The settings that may change while the server runs.
#[derive(Clone, Copy)]
pub(super) struct Settings {
    pub(super) enable: bool,
    pub(super) on_demand: bool,
    pub(super) rules: Rules,
    /// `None` if the stream's tracks decide.
    pub(super) packing: Option<Packing>,
    pub(super) idle: Duration,
    /// The time without a request after which a player is gone.
    pub(super) absence: Duration,
}

impl Settings {
    pub(super) fn of(config: &conf::Hls) -> Self {
        let rules = Rules {
            target: config.segment.0,
            listed: config.segments,
            start: config.start as u64,
            record: config.record,
            part: Some(config.part.0).filter(|part| !part.is_zero()),
            packing: Packing::Ts,
            store: config.store.0.as_ref().map(|_| match config.delete {
                conf::Delete::Never => Delete::Never,
                conf::Delete::End => Delete::End,
                conf::Delete::Soon => Delete::Soon,
            }),
        };
        let packing = match config.format {
            conf::Segments::Auto => None,
            conf::Segments::Ts => Some(Packing::Ts),
            conf::Segments::Fmp4 => Some(Packing::Mp4),
        };
        Self {
            enable: config.enable,
            on_demand: config.on_demand,
            rules,
            packing,
            idle: config.idle.0,
            absence: config.session_timeout.0,
        }
    }
}
