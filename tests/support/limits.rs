//! A hub small enough that its limits are reached.

use std::time::Duration;

use runnel::hub::{Conflict, Limits};

pub const LIMITS: Limits = Limits {
    streams: 2,
    viewers: 64,
    stream_memory: 1 << 20,
    max_frame: 256 << 10,
    gops: 2,
    conflict: Conflict::Refuse,
    silent_audio: false,
    resume: Duration::from_secs(30),
    latency: Duration::ZERO,
};
