//! Signals that a task can wait for.

use std::io::{self, Read};
use std::os::unix::net::UnixStream;
use std::task::{Context, Poll};

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::low_level::pipe;

use crate::reactor::Async;

/// A signal that the program handles.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signal {
    /// SIGHUP.
    Hup,
    /// SIGINT.
    Int,
    /// SIGTERM.
    Term,
}

/// Signals that were received and not taken yet. Repetitions before that count as one.
pub struct Signals(Vec<(Signal, Async<UnixStream>)>);

impl Signals {
    /// Catches these signals from now on.
    pub fn catch(signals: &[Signal]) -> io::Result<Self> {
        let catch = |signal: &Signal| {
            let (ours, told) = UnixStream::pair()?;
            pipe::register(signal.number(), told)?;
            Ok((*signal, Async::new(ours)?))
        };
        signals.iter().map(catch).collect::<io::Result<_>>().map(Self)
    }

    /// Waits for the next signal.
    pub async fn next(&mut self) -> io::Result<Signal> {
        std::future::poll_fn(|cx| self.poll_next(cx)).await
    }

    fn poll_next(&self, cx: &mut Context<'_>) -> Poll<io::Result<Signal>> {
        for (signal, pipe) in &self.0 {
            while let Poll::Ready(changed) = pipe.poll_readable(cx) {
                changed?;
                if drain(pipe.get_ref()) {
                    return Poll::Ready(Ok(*signal));
                }
            }
        }
        Poll::Pending
    }
}

impl Signal {
    fn number(self) -> i32 {
        match self {
            Self::Hup => SIGHUP,
            Self::Int => SIGINT,
            Self::Term => SIGTERM,
        }
    }
}

/// Empties a pipe; true if it contained anything.
fn drain(mut pipe: &UnixStream) -> bool {
    let mut buffer = [0; 64];
    let mut any = false;
    while pipe.read(&mut buffer).is_ok_and(|bytes| bytes > 0) {
        any = true;
    }
    any
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reactor::block_on;
    use signal_hook::low_level::raise;

    #[test]
    fn each_signal_is_told_once_until_it_comes_again() {
        block_on(async {
            let mut signals = Signals::catch(&[Signal::Hup]).unwrap();
            for _ in 0..2 {
                raise(SIGHUP).unwrap();
                raise(SIGHUP).unwrap();
                assert_eq!(signals.next().await.unwrap(), Signal::Hup);
                assert!(signals.poll_next(&mut Context::from_waker(std::task::Waker::noop())).is_pending());
            }
        });
    }
}
