//! HTTP Live Streaming: a viewer of a stream that cuts it into segments and keeps the newest, in memory or for a disk.

mod chain;
mod fragment;
mod maker;
mod numbers;
mod playlist;
mod segment;
mod texts;
mod transport;
mod window;

pub use numbers::Numbers;
pub use segment::File;
pub use texts::MARK;
pub use window::{Ask, Delete, Found, Packing, Rules, Unstored, Window};
