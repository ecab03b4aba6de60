//! A stream that goes on beside whatever is done to its server.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering::Relaxed};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::program::Program;
use crate::steady::Steady;

/// The time that a picture may take. A server that is held takes as long as it is held; a busy
/// machine less in one of a few attempts, and what only sleeps beside it is late too.
const BOUND: Duration = Duration::from_millis(250);
const TIMES_AS_LATE: u32 = 5;
const ATTEMPTS: usize = 3;

pub struct Beside {
    steady: Steady,
    sleeper: Sleeper,
}

impl Beside {
    pub fn start(program: &Program) -> Self {
        Self { steady: Steady::start(program.rtmp, program.http, "a"), sleeper: Sleeper::start() }
    }

    /// No picture is late because of `attack`.
    pub fn bears(&self, what: &str, attack: &dyn Fn()) {
        let mut gaps = Vec::new();
        loop {
            self.longest();
            self.sleeper.latest();
            attack();
            // a picture that has waited for all of that counts
            let gap = self.longest().max(self.longest());
            let late = self.sleeper.latest();
            gaps.push((gap, late));
            if gap < BOUND.max(late * TIMES_AS_LATE) {
                break;
            }
            assert!(gaps.len() < ATTEMPTS, "{what}: pictures took, and who sleeps was late by {gaps:?}");
        }
        eprintln!("{what}: {gaps:?}");
        assert!(self.steady.is_well());
    }

    pub fn stop(self) {
        self.sleeper.stop();
        self.steady.stop();
    }

    /// The longest that a picture has taken since the last call, one at least.
    fn longest(&self) -> Duration {
        loop {
            match self.steady.longest() {
                Duration::ZERO => std::thread::sleep(Duration::from_millis(1)),
                longest => return longest,
            }
        }
    }
}

/// A thread that does nothing: what it is late by is the machine's doing.
struct Sleeper {
    thread: JoinHandle<()>,
    ends: Arc<AtomicBool>,
    /// In milliseconds.
    latest: Arc<AtomicU32>,
}

impl Sleeper {
    const NAP: Duration = Duration::from_millis(5);

    fn start() -> Self {
        let (ends, latest) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU32::new(0)));
        let (end, note) = (ends.clone(), latest.clone());
        let thread = std::thread::spawn(move || {
            while !end.load(Relaxed) {
                let begun = Instant::now();
                std::thread::sleep(Self::NAP);
                note.fetch_max(begun.elapsed().saturating_sub(Self::NAP).as_millis() as u32, Relaxed);
            }
        });
        Self { thread, ends, latest }
    }

    /// The most that it was late by since the last call.
    fn latest(&self) -> Duration {
        Duration::from_millis(self.latest.swap(0, Relaxed).into())
    }

    fn stop(self) {
        self.ends.store(true, Relaxed);
        self.thread.join().unwrap();
    }
}
