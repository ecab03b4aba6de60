//! Lines that wait for their target. There is room for so many; lines that find none are counted, and
//! the log tells the count.

use std::io;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use log::Level;

use super::line::{Line, Style};
use super::target::Target;

/// Bytes of lines that wait. As many again are being written.
const ROOM: usize = 32 << 10;
/// The writer's stack.
const STACK: usize = 64 << 10;

/// The lines of the program.
pub(super) static QUEUE: Queue = Queue::new();

/// Lines on their way.
pub(super) struct Queue {
    state: Mutex<State>,
    /// Held while lines are written: by the thread, once there is one.
    writer: Mutex<Option<Writer>>,
    /// There is something to write.
    more: Condvar,
    /// All is written.
    done: Condvar,
}

struct State {
    /// Whole lines, each with its end.
    lines: Vec<u8>,
    /// So many found no room since the last that did.
    dropped: usize,
    /// Lines that were taken out are on their way to the target.
    writing: bool,
}

/// The writer.
struct Writer {
    target: Target,
    style: Style,
    /// The lines that are being written.
    batch: Vec<u8>,
    /// So many lines did not get out, and nobody was told yet.
    lost: usize,
}

impl Queue {
    const fn new() -> Self {
        let state = State { lines: Vec::new(), dropped: 0, writing: false };
        Self { state: Mutex::new(state), writer: Mutex::new(None), more: Condvar::new(), done: Condvar::new() }
    }

    /// Lines go to `target` from here on.
    pub(super) fn begin(&self, target: Target, style: Style) {
        lock(&self.state).lines.reserve_exact(ROOM);
        *lock(&self.writer) = Some(Writer { target, style, batch: Vec::with_capacity(ROOM), lost: 0 });
    }

    /// Writes from here on, on a thread.
    pub(super) fn run(&'static self) -> io::Result<()> {
        let thread = std::thread::Builder::new().name("runnel-log".into()).stack_size(STACK);
        let run = || {
            let mut writer = lock(&self.writer);
            while let Some(writer) = &mut *writer {
                self.write(self.wait(), writer);
            }
        };
        thread.spawn(run).map(drop)
    }

    /// Takes a line, or counts it.
    pub(super) fn put(&self, line: &[u8]) {
        let mut state = lock(&self.state);
        if state.lines.len() + line.len() > ROOM {
            state.dropped = state.dropped.saturating_add(1);
            return;
        }
        state.lines.extend_from_slice(line);
        self.more.notify_one();
    }

    /// Waits until all is written, or for `limit`; false if it is not.
    pub(super) fn flush(&self, limit: Duration) -> bool {
        if let Ok(mut writer) = self.writer.try_lock() {
            // there is no thread: it is done here
            writer.iter_mut().for_each(|writer| self.write(lock(&self.state), writer));
            return true;
        }
        let state = lock(&self.state);
        let late = |state: &mut State| state.writing || !state.lines.is_empty();
        let waited = self.done.wait_timeout_while(state, limit, late).unwrap_or_else(PoisonError::into_inner);
        !waited.1.timed_out()
    }

    /// Waits for lines.
    fn wait(&self) -> MutexGuard<'_, State> {
        let empty = |state: &mut State| state.lines.is_empty();
        self.more.wait_while(lock(&self.state), empty).unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes the lines that wait, while others may add more.
    fn write(&self, mut state: MutexGuard<'_, State>, writer: &mut Writer) {
        std::mem::swap(&mut state.lines, &mut writer.batch);
        let dropped = std::mem::take(&mut state.dropped);
        state.writing = true;
        drop(state);
        writer.write(dropped);
        lock(&self.state).writing = false;
        self.done.notify_all();
    }
}

impl Writer {
    /// Writes the batch, and how many lines are missing behind it.
    fn write(&mut self, dropped: usize) {
        let failed = self.target.write_all(&self.batch);
        self.batch.clear();
        let gone = self.target.take_lost();
        self.lost = self.lost.saturating_add(failed).saturating_add(dropped).saturating_add(gone);
        if self.lost > 0 && failed == 0 {
            let said = format_args!("{} lines of the log were dropped", self.lost);
            if self.target.write(Line::of(&self.style, Level::Warn, &said).as_bytes()).is_ok() {
                self.lost = 0;
            }
        }
    }
}

/// A panic elsewhere leaves whole lines.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
