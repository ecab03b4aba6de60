//! Frames that go into a form come out of it again.

mod carried;
mod enhanced;
#[cfg(feature = "record")]
mod files;
mod forms;
mod hours;
mod legacy;
#[path = "../support/limits.rs"]
mod limits;
#[cfg(feature = "record")]
mod multiplex;
mod parameters;
#[path = "../support/reader.rs"]
mod reader;
#[path = "../support/records.rs"]
mod records;
#[cfg(feature = "rtsp")]
mod rtp;
#[cfg(feature = "record")]
#[path = "../support/storage.rs"]
mod storage;
#[path = "../support/sweep.rs"]
mod sweep;
#[path = "../support/tags.rs"]
mod tags;
#[cfg(feature = "http")]
mod transport;
#[cfg(feature = "http")]
#[path = "../reader/ts.rs"]
mod ts;
