//! What goes into a form comes out of it again.

mod carried;
mod enhanced;
#[cfg(feature = "replay")]
mod files;
mod forms;
mod hours;
mod legacy;
#[path = "../support/limits.rs"]
mod limits;
#[cfg(feature = "replay")]
mod multiplex;
mod parameters;
#[path = "../support/reader.rs"]
mod reader;
#[path = "../support/records.rs"]
mod records;
#[cfg(feature = "rtsp")]
mod rtp;
#[cfg(feature = "replay")]
#[path = "../support/storage.rs"]
mod storage;
#[path = "../support/tags.rs"]
mod tags;
#[cfg(feature = "ts")]
mod transport;
#[cfg(feature = "ts")]
#[path = "../reader/ts.rs"]
mod ts;
