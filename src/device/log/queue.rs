//! Lines that wait for their target. Their size is limited; lines that do not fit are counted, and the count is
//! logged.

use std::io;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use log::Level;

use super::line::{Line, Style};
use super::target::Target;

/// The maximum number of bytes in waiting lines. The same number can be in the process of being written.
const MAX_WAITING: usize = 32 << 10;
/// The stack size of the writing thread.
const STACK: usize = 64 << 10;

/// The queue of the program.
pub(super) static QUEUE: Queue = Queue::new();

/// A queue of lines.
pub(super) struct Queue {
    state: Mutex<State>,
    /// Held while lines are written; the thread holds it permanently once it runs.
    writer: Mutex<Option<Writer>>,
    /// Signals that lines are waiting.
    more: Condvar,
    /// Signals that all lines are written.
    done: Condvar,
}

struct State {
    /// Complete lines, each with its end.
    lines: Vec<u8>,
    /// The number of lines dropped since the last that was queued.
    dropped: usize,
    /// Lines that were taken from the queue are being written.
    writing: bool,
}

/// The writing side.
struct Writer {
    target: Target,
    style: Style,
    /// The lines that are being written.
    batch: Vec<u8>,
    /// The number of lines that were lost and not reported yet.
    lost: usize,
}

impl Queue {
    const fn new() -> Self {
        let state = State { lines: Vec::new(), dropped: 0, writing: false };
        Self { state: Mutex::new(state), writer: Mutex::new(None), more: Condvar::new(), done: Condvar::new() }
    }

    /// Sets the target of the lines.
    pub(super) fn begin(&self, target: Target, style: Style) {
        lock(&self.state).lines.reserve_exact(MAX_WAITING);
        *lock(&self.writer) = Some(Writer { target, style, batch: Vec::with_capacity(MAX_WAITING), lost: 0 });
    }

    /// Starts the thread that writes.
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

    /// Queues a line, or counts it as dropped.
    pub(super) fn put(&self, line: &[u8]) {
        let mut state = lock(&self.state);
        if state.lines.len() + line.len() > MAX_WAITING {
            state.dropped = state.dropped.saturating_add(1);
            return;
        }
        state.lines.extend_from_slice(line);
        self.more.notify_one();
    }

    /// Waits until all lines are written, at most `limit`; false on timeout.
    pub(super) fn flush(&self, limit: Duration) -> bool {
        if let Ok(mut writer) = self.writer.try_lock() {
            // without a thread, the lines are written here
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

    /// Writes the waiting lines; the queue is unlocked meanwhile.
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
    /// Writes the batch, and then the number of lines that were lost.
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

/// A panic in another thread leaves only complete lines.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
