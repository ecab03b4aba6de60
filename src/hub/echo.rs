//! Echoes: servers that fetch a stream from each other send the last
//! of it in a circle when its publisher leaves, for as long as none of them notices. So do
//! servers that send it to each other.

use std::sync::Arc;

use super::Stream;
use super::ring::Ring;
use crate::media::Frame;
use crate::wire::crc::crc32_mpeg;

/// The last publisher's newest frames that viewers begin with, at most so many; 0 where there is none.
/// A pull from elsewhere begins with one of them if it is an echo.
#[derive(Debug, Default)]
pub(super) struct Last([u64; 4]);

/// So many of its last bytes tell a frame from others of the same length.
const TAIL: usize = 1024;

impl Last {
    /// Remembers the frames that a publisher leaves behind; one that has published nothing changes nothing.
    pub(super) fn note(&mut self, ring: &Ring) {
        if ring.newest_start().is_some() {
            self.forget();
            self.0.iter_mut().zip(ring.starts()).for_each(|(last, frame)| *last = print(&frame));
        }
    }

    /// A stream that was fetched from elsewhere may come from there again: a picture that stands still is the same
    /// each time.
    pub(super) fn forget(&mut self) {
        self.0 = Default::default();
    }

    /// Whether that frame was one of them.
    pub(super) fn has(&self, frame: &Frame) -> bool {
        self.0.contains(&print(frame))
    }
}

/// A stream is sent to another server as long as this lives.
pub struct Feed {
    stream: Arc<Stream>,
    peer: u128,
}

impl Stream {
    /// It is sent to the server whose address has these bits.
    pub fn feed(self: &Arc<Self>, peer: u128) -> Feed {
        self.lock().fed.push(peer);
        Feed { stream: self.clone(), peer }
    }

    /// Whether it is sent to that server.
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

/// A number that frames share that are the same; never 0.
fn print(frame: &Frame) -> u64 {
    let data: &[u8] = &frame.data;
    let tail = data.get(data.len().saturating_sub(TAIL)..).unwrap_or_default();
    (data.len() as u64).saturating_add(1) << 32 | u64::from(crc32_mpeg(tail))
}
