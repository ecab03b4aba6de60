//! The files that a stream writes, for the task that tidies folders.

use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use smol::lock::MutexGuardArc;

use crate::listing;

/// Shared by the stream that writes to a folder and the task that tidies it.
#[derive(Debug, Default)]
pub(super) struct Ward {
    /// Locked while the list of segments is written.
    list: Arc<smol::lock::Mutex<()>>,
    own: Mutex<Option<Own>>,
}

/// The files that a stream has written, by the first and last time and number in their names. That takes the same
/// memory for any number of files, and excludes older files.
#[derive(Clone, Copy, Debug)]
struct Own {
    times: (u64, u64),
    numbers: (u64, u64),
}

impl Ward {
    /// Locks the list against other writers.
    pub(super) async fn listing(&self) -> MutexGuardArc<()> {
        self.list.lock_arc().await
    }

    /// The same for a thread.
    pub(super) fn wait(&self) -> MutexGuardArc<()> {
        self.list.lock_arc_blocking()
    }

    /// Notes that a file of that name is written from here on.
    pub(super) fn note(&self, name: &str) {
        let Some((time, number)) = place(name) else { return };
        let wider = |(first, last): (u64, u64), one: u64| (first.min(one), last.max(one));
        let mut own = self.lock();
        let Own { times, numbers } = own.unwrap_or(Own { times: (time, time), numbers: (number, number) });
        *own = Some(Own { times: wider(times, time), numbers: wider(numbers, number) });
    }

    /// True if the file may have been written by the running stream.
    pub(super) fn has(&self, path: &Path) -> bool {
        let place = path.file_name().and_then(|name| place(name.to_str()?));
        let within = |(first, last): (u64, u64), one| (first..=last).contains(&one);
        place
            .zip(*self.lock())
            .is_some_and(|((time, number), own)| within(own.times, time) && within(own.numbers, number))
    }

    /// True if any file was written.
    pub(super) fn is_used(&self) -> bool {
        self.lock().is_some()
    }

    fn lock(&self) -> MutexGuard<'_, Option<Own>> {
        self.own.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The time and the number in a file's name.
fn place(name: &str) -> Option<(u64, u64)> {
    let stem = name.rsplit_once('.')?.0;
    Some((listing::name_parts(true, stem)?.1, stem.rsplit_once('-')?.1.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_that_a_stream_has_written_is_its_own_and_what_was_left_is_not() {
        let ward = Ward::default();
        assert!(!ward.is_used());
        let name = |number: u64| format!("cam-x-{}-{number}.m4s", 1_764_000_000_000 + 2000 * number);
        ward.note("cam-x-1764000000000-0.mp4");
        (0..2000).for_each(|number| ward.note(&name(number)));
        let has = |name: &str| ward.has(&Path::new("/store/cam-x").join(name));
        assert!(ward.is_used() && (0..2000).all(|number| has(&name(number))) && has("cam-x-1764000000000-0.mp4"));
        for left in
            ["cam-x-1763999999999-3.m4s", "cam-x-1764999999999-3.m4s", "cam-x-1764000002000-2000.ts", "mine.txt"]
        {
            assert!(!has(left), "{left}");
        }
    }
}
