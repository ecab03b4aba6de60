//! runnel, a live streaming server that fits in a router.

pub mod budget;
pub mod codec;
pub mod conf;
pub mod container;
pub mod hls;
pub mod hub;
pub mod media;
pub mod net;
pub mod proto;
pub mod serve;
pub mod wire;
