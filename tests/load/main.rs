//! The real binary, asked for more than its plan has.

mod beyond;
#[path = "../support/encoder.rs"]
mod encoder;
mod flood;
mod hls;
mod idle;
mod partings;
#[path = "../support/peer.rs"]
mod peer;
#[path = "../support/program.rs"]
mod program;
#[path = "../support/records.rs"]
mod records;
mod refusals;
mod requests;
mod steady;

/// Two streams, four viewers and two connections to spare.
pub const CONFIG: &str = "
profile = \"tiny\"
[streams]
max = 2
resume = \"1s\"
[viewers]
max = 4
slow = \"1s\"
[connections]
spare = 2
handshake = \"1s\"
";
/// All connections that it may have at once.
pub const CONNECTIONS: usize = 2 + 4 + 2;
