//! MPEG transport stream. ISO/IEC 13818-1, ITU-T H.222.0; sections are the
//! former's.
//!
//! `psi` says what there is, `es` turns frames into the bytes of elementary
//! streams, `pes` puts times on them, `packet` cuts them to 188 bytes, `clock`
//! decides on clock references, and `mux` has the order of it all. `demux` reads what
//! others have written.

mod clock;
#[cfg(feature = "record")]
mod demux;
mod es;
#[cfg(feature = "record")]
pub mod file;
mod mux;
mod packet;
mod pes;
mod psi;
#[cfg(test)]
#[path = "../../../tests/reader/ts.rs"]
mod reader;
#[cfg(test)]
mod tests;

use super::Mux;
#[cfg(feature = "record")]
pub use demux::Demux;
pub use packet::SIZE;
pub use psi::{TABLES, count_tables, split_tables};

/// A packer at the start of a stream.
pub fn mux() -> Box<dyn Mux> {
    Box::new(mux::Ts::default())
}
