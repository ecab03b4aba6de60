//! The heap is what the ledger says, and what a configuration's plan says.

mod connections;
#[path = "../support/encoder.rs"]
mod encoder;
#[path = "../support/limits.rs"]
mod limits;
mod meter;
#[cfg(feature = "record")]
mod movies;
#[path = "../support/records.rs"]
mod records;
#[cfg(feature = "rtsp")]
mod rtsp;
#[cfg(feature = "rtsp")]
mod rtsp_machines;
#[cfg(feature = "http")]
mod segments;
mod sizes;
#[cfg(feature = "record")]
#[path = "../support/storage.rs"]
mod storage;
mod streams;
#[cfg(feature = "record")]
#[path = "../support/sweep.rs"]
mod sweep;

use peak_alloc::PeakAlloc;

/// Counts what is allocated: the bytes asked for, without the allocator's own.
#[global_allocator]
static HEAP: PeakAlloc = PeakAlloc;
