//! Echoes. Servers that pull a stream from each other, or push it to each other, send the end of it in a circle when
//! its publisher leaves, until one of them notices.

use std::sync::Arc;

use super::Stream;
use super::ring::Ring;
use crate::media::Frame;
use crate::wire::crc::crc32_mpeg;

/// The newest frames of the last publisher at which viewers begin; 0 in free places. A pull that begins with one of
/// them is an echo.
#[derive(Debug, Default)]
pub(super) struct Last([u64; 4]);

/// The number of last bytes that distinguish a frame from others of the same length.
const HASHED: usize = 1024;

impl Last {
    /// Stores the last frames of a publisher; one that has published nothing changes nothing.
    pub(super) fn note(&mut self, ring: &Ring) {
        if ring.newest_start().is_some() {
            self.forget();
            self.0.iter_mut().zip(ring.starts()).for_each(|(last, frame)| *last = print(&frame));
        }
    }

    /// A stream that was pulled may be pulled again: an unchanging picture is the same frame each time.
    pub(super) fn forget(&mut self) {
        self.0 = Default::default();
    }

    /// True if `frame` is one of them.
    pub(super) fn has(&self, frame: &Frame) -> bool {
        self.0.contains(&print(frame))
    }
}

/// Marks a stream as pushed to another server until it is dropped.
pub struct Feed {
    stream: Arc<Stream>,
    peer: u128,
}

impl Stream {
    /// Marks the stream as pushed to the server whose address has these bits.
    pub fn feed(self: &Arc<Self>, peer: u128) -> Feed {
        self.lock().fed.push(peer);
        Feed { stream: self.clone(), peer }
    }

    /// True if the stream is pushed to that server.
    pub fn feeds(&self, peer: u128) -> bool {
        self.lock().fed.contains(&peer)
    }
}

impl Drop for Feed {
    fn drop(&mut self) {
        let mut state = self.stream.lock();
        if let Some(at) = state.fed.iter().position(|peer| *peer == self.peer) {
            state.fed.swap_remove(at);
        }
    }
}

/// A number that is equal for equal frames; never 0.
fn print(frame: &Frame) -> u64 {
    let data: &[u8] = &frame.data;
    let tail = data.get(data.len().saturating_sub(HASHED)..).unwrap_or_default();
    (data.len() as u64).saturating_add(1) << 32 | u64::from(crc32_mpeg(tail))
}
