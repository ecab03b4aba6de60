//! Reads from a disk, which may stand still: one thread waits for all of them.

use std::io;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};

use smol::channel::bounded;
use smol::lock::Semaphore;

/// What is to be done.
type Work = Box<dyn FnOnce() + Send>;

/// A thread that does what may wait for a disk.
struct Worker {
    name: &'static str,
    places: Semaphore,
    /// The way to the thread, which begins with the first work.
    thread: Mutex<Option<SyncSender<Work>>>,
}

/// So many wait in a thread's queue; others wait for a place there.
const QUEUE: usize = 8;
/// What system calls on paths need of a stack, and some more.
const STACK: usize = 128 << 10;

static READER: Worker = Worker::new("runnel-disk");
/// Apart from the other: one who reads does not wait for a card that is slow to write.
#[cfg(all(feature = "files", feature = "hls"))]
static WRITER: Worker = Worker::new("runnel-store");

/// Has `work` done by the thread that waits for disks.
pub async fn away<T: Send + 'static>(work: impl FnOnce() -> io::Result<T> + Send + 'static) -> io::Result<T> {
    READER.have_done(work).await
}

/// Has `work` done, in its turn, by the thread that waits until a disk has taken something.
#[cfg(all(feature = "files", feature = "hls"))]
pub async fn written<T: Send + 'static>(work: impl FnOnce() -> io::Result<T> + Send + 'static) -> io::Result<T> {
    WRITER.have_done(work).await
}

impl Worker {
    const fn new(name: &'static str) -> Self {
        Self { name, places: Semaphore::new(QUEUE), thread: Mutex::new(None) }
    }

    async fn have_done<T: Send + 'static>(
        &'static self,
        work: impl FnOnce() -> io::Result<T> + Send + 'static,
    ) -> io::Result<T> {
        let _place = self.places.acquire().await;
        // the result goes beside the channel, of which there is one kind for all results
        let (tell, told) = bounded::<()>(1);
        let result = Arc::new(Mutex::new(None));
        let place = result.clone();
        let work = move || {
            let done = work();
            *place.lock().unwrap_or_else(PoisonError::into_inner) = Some(done);
            // nobody may be there any more to be told
            let _ = tell.send_blocking(());
        };
        self.send(Box::new(work))?;
        told.recv().await.map_err(io::Error::other)?;
        let done = result.lock().unwrap_or_else(PoisonError::into_inner).take();
        done.unwrap_or_else(|| Err(io::Error::other("nothing was done")))
    }

    fn send(&self, work: Work) -> io::Result<()> {
        let sent = self.thread()?.try_send(work);
        sent.map_err(|_| io::Error::other("too much is waiting for the disk"))
    }

    fn thread(&self) -> io::Result<SyncSender<Work>> {
        let mut thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(sender) = &*thread {
            return Ok(sender.clone());
        }
        // those who gave up left their place, but their work is still there
        let (sender, works) = sync_channel::<Work>(4 * QUEUE);
        let run = move || works.into_iter().for_each(|work| work());
        std::thread::Builder::new().name(self.name.into()).stack_size(STACK).spawn(run)?;
        Ok(thread.insert(sender).clone())
    }
}
