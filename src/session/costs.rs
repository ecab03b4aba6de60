//! The memory that all protocols share.

use super::{connections, core, list, relays, threads};
#[cfg(feature = "auth")]
use crate::auth;
use crate::conf::Cost;

/// The program itself: code that was used, the allocator, queued lines of the log (64 KiB), the thread of the log, the
/// one that writes to `hls.store`, one for names, and two for disks (`threads`). Measured as resident memory on x86-64,
/// where the code is largest, after all of it had been used. Programs for devices take less, but have the same figure:
/// then a plan is the same on every machine that prints it, and no `cfg` tells how a program was optimized.
const PROGRAM: usize = if cfg!(feature = "tls") { (5 << 20) + (256 << 10) } else { 4 << 20 };

static PROCESS: Cost = Cost { what: "program", keys: &[], count: |_| 1, user: |_| PROGRAM, kernel: |_| 0 };

/// The lines of the plan that all builds have.
pub static COSTS: &[&Cost] = &[
    &PROCESS,
    &threads::CONNECTIONS,
    &core::STREAMS,
    &connections::PUBLISHERS,
    &connections::VIEWERS,
    &connections::SPARE,
    &list::SESSIONS,
    &relays::RELAYS,
    &connections::ADDRESSES,
    #[cfg(feature = "tls")]
    &connections::TLS,
    &threads::DISKS,
    &threads::NAMES,
    #[cfg(feature = "auth")]
    &auth::FAILURES,
    #[cfg(feature = "auth")]
    &auth::PASSWORDS,
    #[cfg(all(feature = "auth", feature = "http"))]
    &auth::CALLBACKS,
    #[cfg(all(feature = "auth", feature = "http", feature = "tls"))]
    &auth::KEY_SETS,
];
