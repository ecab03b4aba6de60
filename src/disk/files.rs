//! Work that may wait for a disk. A disk has two lanes, so it blocks at most two threads. The disk of `hls.store`
//! has a third lane, for cleaning up, and the thread that writes.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::time::Duration;

use super::pool::{BlockingPool, Lane, Use};
use super::{READERS, STACK};

/// The longest time that a client waits for a disk, because it holds memory meanwhile; enough for a disk to spin
/// up.
const MAX_WAIT: Duration = Duration::from_secs(15);

/// The thread that writes. It is separate from readers, so that a reader does not wait for a card with slow writes.
static WRITER: BlockingPool = BlockingPool::new("runnel-store", 1, STACK);

/// Runs `work` in a thread that may wait for disks, after the earlier work in its lane. Only streams wait without a
/// limit.
pub async fn read<T: Send + 'static>(
    lane: Lane,
    due: Use,
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> io::Result<T> {
    let longest = if due == Use::Stream { Duration::MAX } else { MAX_WAIT };
    READERS.perform(lane, due, longest, work).await?
}

/// Runs `work`, in its turn, in the thread that waits for writes.
pub async fn write<T: Send + 'static>(work: impl FnOnce() -> io::Result<T> + Send + 'static) -> io::Result<T> {
    WRITER.perform(Lane::hash(&()), Use::Stream, Duration::MAX, work).await?
}

/// Runs `work` whose duration grows with the number of files, without delaying streams' writes.
pub async fn tidy<T: Send + 'static>(work: impl FnOnce() -> io::Result<T> + Send + 'static) -> io::Result<T> {
    READERS.perform(Lane::hash("tidy"), Use::Stream, Duration::MAX, work).await?
}

impl Lane {
    /// The lane of files that are open on a device (`st_dev`).
    pub fn of(device: u64) -> Self {
        Self::hash(&device)
    }
}

/// An open file for reading. A thread closes it, because closing may also wait for the disk.
pub struct Opened {
    file: Option<File>,
    lane: Lane,
}

impl Opened {
    /// A file on `device`.
    pub fn new(file: File, device: u64) -> Self {
        Self { file: Some(file), lane: Lane::of(device) }
    }

    /// The lane for reading the file.
    pub fn lane(&self) -> Lane {
        self.lane
    }

    /// Reads from the offset `at`. It must be called in a thread that may wait for the disk.
    pub fn read_at(&self, out: &mut [u8], at: u64) -> io::Result<usize> {
        self.file.as_ref().map_or(Ok(0), |file| file.read_at(out, at))
    }
}

impl Drop for Opened {
    fn drop(&mut self) {
        let file = self.file.take();
        // if no thread can be started, the file is closed here
        let _ = READERS.send(self.lane, Use::Download, Box::new(move || drop(file)));
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{RecvTimeoutError, sync_channel};

    use smol::channel::bounded;
    use smol::{LocalExecutor, block_on};

    use super::*;

    #[test]
    fn who_writes_a_segment_does_not_wait_for_what_is_tidied() {
        let executor = LocalExecutor::new();
        block_on(executor.run(async {
            let (thaw, frozen) = sync_channel::<()>(1);
            let (begun, begins) = bounded(1);
            let tidy = executor.spawn(tidy(move || {
                begun.send_blocking(()).unwrap();
                assert_eq!(frozen.recv_timeout(Duration::from_secs(120)), Err(RecvTimeoutError::Disconnected));
                Ok(())
            }));
            begins.recv().await.unwrap();
            write(|| Ok(())).await.unwrap();
            drop(thaw);
            tidy.await.unwrap();
        }));
    }
}
