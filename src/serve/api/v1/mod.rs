//! runnel's own API, below `/api/v1/`: JSON, with the status codes of HTTP. docs/openapi.json describes it.

pub(in crate::serve) mod blacklist;
pub(in crate::serve) mod config;
pub(crate) mod events;
pub(in crate::serve) mod info;
pub(in crate::serve) mod log;
pub(in crate::serve) mod login;
mod page;
pub(in crate::serve) mod plan;
#[cfg(feature = "record")]
pub(in crate::serve) mod recordings;
pub(in crate::serve) mod relays;
mod reply;
pub(in crate::serve) mod sessions;
pub(in crate::serve) mod snapshot;
pub(in crate::serve) mod streams;

use crate::proto::http::Status;
use crate::serve::http::{Answer, Exchange};

/// The answer where it has no path.
pub(in crate::serve) fn nothing(exchange: Exchange) -> Answer {
    reply::refuse(&exchange, Status::NOT_FOUND, "there is no such path: docs/openapi.json has all")
}
