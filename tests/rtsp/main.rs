//! RTSP and RTP on a clock of the tests' own: no sockets, no waiting.

#![cfg(feature = "rtsp")]

mod cameras;
mod clocks;
#[path = "../support/drive.rs"]
mod drive;
mod network;
mod receiver;
#[path = "../support/records.rs"]
mod records;
#[path = "../support/rtsp_talks.rs"]
mod rtsp_talks;
mod script;
mod source;
mod split;
