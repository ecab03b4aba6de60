//! The output of a command: its first lines are logged, and the rest is read and counted.

use std::future::poll_fn;
use std::io::{self, PipeReader, Read};
use std::task::{Context, Poll};

use super::command::PIPE;
use crate::reactor::Async;

/// The output of one command.
pub(super) struct Output {
    pipe: Async<PipeReader>,
    /// The command in the log.
    who: String,
    /// The line that has not ended yet, at most `MOST_BYTES` of it.
    line: Vec<u8>,
    /// The number of lines that were logged.
    logged: usize,
    /// The bytes that were not.
    dropped: usize,
    is_over: bool,
}

/// The most lines of one command in the log, and the most bytes of each.
const MOST_LINES: usize = 8;
const MOST_BYTES: usize = 200;
/// The bytes of one read.
const READ: usize = 1 << 10;

impl Output {
    /// The output that comes through `pipe`.
    pub fn new(pipe: PipeReader, who: String) -> io::Result<Self> {
        Ok(Self { pipe: Async::new(pipe)?, who, line: Vec::new(), logged: 0, dropped: 0, is_over: false })
    }

    /// Reads what there is, once there is something; waits for ever when nothing more comes.
    pub async fn next(&mut self) {
        poll_fn(|cx| self.poll_next(cx)).await;
    }

    /// Reads what is left, and logs the rest.
    pub fn end(&mut self) {
        // what is in the pipe at most: somebody may still write
        (0..PIPE.div_ceil(READ)).take_while(|_| self.read()).for_each(drop);
        self.tell();
        if self.dropped > 0 {
            log::info!("{}: {} bytes more are left out", self.who, self.dropped);
        }
    }

    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        while !self.is_over {
            if self.read() {
                return Poll::Ready(());
            }
            if self.pipe.poll_readable(cx).is_pending() {
                break;
            }
        }
        Poll::Pending
    }

    /// Reads once; false if there is nothing now.
    fn read(&mut self) -> bool {
        let mut bytes = [0; READ];
        match self.pipe.get_ref().read(&mut bytes) {
            Ok(0) => self.is_over = true,
            Ok(len) => {
                self.take(bytes.get(..len).unwrap_or_default());
                return true;
            }
            Err(error) => self.is_over = error.kind() != io::ErrorKind::WouldBlock,
        }
        false
    }

    fn take(&mut self, bytes: &[u8]) {
        for byte in bytes {
            match byte {
                b'\n' => self.tell(),
                _ if self.logged < MOST_LINES && self.line.len() < MOST_BYTES => self.line.push(*byte),
                _ => self.dropped = self.dropped.saturating_add(1),
            }
        }
    }

    /// Logs the line.
    fn tell(&mut self) {
        if !self.line.is_empty() {
            self.logged += 1;
            log::info!("{}: {:?}", self.who, String::from_utf8_lossy(&self.line));
            self.line.clear();
        }
    }
}
