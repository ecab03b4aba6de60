//! Reads from a disk, which may stand still: one thread waits for all of them.

use std::io;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::sync::{Mutex, PoisonError};

use smol::channel::bounded;
use smol::lock::Semaphore;

/// What is to be done.
type Work = Box<dyn FnOnce() + Send>;

/// So many wait in the thread's queue; others wait for a place there.
const QUEUE: usize = 8;
static PLACES: Semaphore = Semaphore::new(QUEUE);
/// The way to the thread, which begins with the first work.
static THREAD: Mutex<Option<SyncSender<Work>>> = Mutex::new(None);
/// What system calls on paths need of a stack, and some more.
const STACK: usize = 128 << 10;

/// Has `work` done by the thread that waits for disks.
pub async fn away<T: Send + 'static>(work: impl FnOnce() -> io::Result<T> + Send + 'static) -> io::Result<T> {
    let _place = PLACES.acquire().await;
    let (tell, told) = bounded(1);
    let work = move || {
        // nobody may be there any more to be told
        let _ = tell.send_blocking(work());
    };
    let sent = thread()?.try_send(Box::new(work));
    sent.map_err(|_| io::Error::other("too much is waiting for the disk"))?;
    told.recv().await.map_err(io::Error::other)?
}

fn thread() -> io::Result<SyncSender<Work>> {
    let mut thread = THREAD.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(sender) = &*thread {
        return Ok(sender.clone());
    }
    // those who gave up left their place, but their work is still there
    let (sender, works) = sync_channel::<Work>(4 * QUEUE);
    let run = move || works.into_iter().for_each(|work| work());
    std::thread::Builder::new().name("runnel-disk".into()).stack_size(STACK).spawn(run)?;
    Ok(thread.insert(sender).clone())
}
