//! HTTP Live Streaming from memory: a viewer of a stream that cuts what it gets
//! into segments and keeps the newest.

mod chain;
mod segment;
mod window;

pub use chain::Chain;
pub use segment::File;
pub use window::{Ask, Found, Packing, Rules, Window};
