//! MPEG transport stream. ISO/IEC 13818-1, ITU-T H.222.0; section numbers are those of the former.
//!
//! `psi` writes the tables of streams, `es` turns frames into the bytes of elementary streams, and `pes` adds their
//! times. `packet` cuts them into packets of 188 bytes, `clock` decides when clock references are due, and `mux`
//! combines these. `demux` reads streams of other programs.

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
