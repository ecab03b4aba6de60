//! Work that may wait for a disk. A disk has two lanes, so no more than two threads stand still with it; that of
//! `hls.store` has a third for what is tidied up there, and the thread that writes.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::time::Duration;

use super::pool::{BlockingPool, Lane, Use};
use super::{READERS, STACK};

/// A client waits no longer for a disk: what it holds is for others. A disk that slept is awake by then.
const LONGEST: Duration = Duration::from_secs(15);

/// The thread that writes, apart from those that read: a reader does not wait for a card that is slow to write.
static WRITER: BlockingPool = BlockingPool::new("runnel-store", 1, STACK);

/// Has `work` done by a thread that waits for disks, after what goes before it in its lane. Only a stream waits for
/// as long as that takes.
pub async fn read<T: Send + 'static>(
    lane: Lane,
    due: Use,
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> io::Result<T> {
    let longest = if due == Use::Stream { Duration::MAX } else { LONGEST };
    READERS.perform(lane, due, longest, work).await?
}

/// Has `work` done, in its turn, by the thread that waits until a disk has taken something.
pub async fn write<T: Send + 'static>(work: impl FnOnce() -> io::Result<T> + Send + 'static) -> io::Result<T> {
    WRITER.perform(Lane::hash(&()), Use::Stream, Duration::MAX, work).await?
}

/// Has `work` done that may take as long as there are files: no stream's writes wait for it.
pub async fn tidy<T: Send + 'static>(work: impl FnOnce() -> io::Result<T> + Send + 'static) -> io::Result<T> {
    READERS.perform(Lane::hash("tidy"), Use::Stream, Duration::MAX, work).await?
}

impl Lane {
    /// The lane of files that are open on a device (`st_dev`).
    pub fn of(device: u64) -> Self {
        Self::hash(&device)
    }
}

/// A file that is read. To close it may wait for the disk as well, so a thread does that.
pub struct Opened {
    file: Option<File>,
    lane: Lane,
}

impl Opened {
    /// One on `device`.
    pub fn new(file: File, device: u64) -> Self {
        Self { file: Some(file), lane: Lane::of(device) }
    }

    /// The lane in which it is read.
    pub fn lane(&self) -> Lane {
        self.lane
    }

    /// Reads what is there at `at`; to be called by a thread that may wait for the disk.
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
