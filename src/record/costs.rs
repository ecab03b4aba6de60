//! The memory of recordings, and the disks that have threads for it.

use std::collections::BTreeSet;
use std::path::Path;

use crate::budget::Key::{Count, Size};
use crate::conf::{Config, Cost};

/// A recording: its task, and where the key frames of its file are.
const RECORDING: usize = 24 << 10;
/// The threads of a disk: stacks, names that are compared with the folder, sums, an answer, streams that are switched.
const DISK: usize = 120 << 10;
/// A place in the queue of a disk.
pub(super) const JOB: usize = 112;
/// Bytes of a recording that are handed on at once.
pub(super) const BLOCK: usize = 32 << 10;
/// So many disks have threads of their own.
const MOST_DISKS: usize = 4;
/// So many more, from which recordings were moved away, may stand still.
const GIVEN_UP: usize = 1;

/// Those that are written.
pub static RECORDINGS: Cost = Cost {
    what: "recordings",
    keys: &[Count("recording.max")],
    count: Config::recordings,
    user: |_| RECORDING,
    kernel: |_| 0,
};

/// The bytes that wait for disks.
pub static MEMORY: Cost = Cost {
    what: "recordings: memory",
    keys: &[Size("recording.memory")],
    count: |all| all.recordings().min(1),
    user: Config::recording_memory,
    kernel: |_| 0,
};

/// The threads of disks, and their queues.
pub static DISKS: Cost = Cost {
    what: "recordings: disks",
    keys: &[Size("recording.memory")],
    count: places,
    user: |all| jobs(all).saturating_mul(JOB).saturating_add(DISK),
    kernel: |_| 0,
};

/// Disks that have threads: as many as there may be by the folders. Each is to have memory for a recording.
pub(super) fn disks(config: &Config) -> usize {
    let folders: BTreeSet<_> = config.record.iter().map(|record| Path::new(&record.path)).collect();
    folders.len().min(MOST_DISKS).min(config.recordings())
}

/// The same with those that no rule names any more, whose threads stand still.
pub(super) fn places(config: &Config) -> usize {
    match disks(config) {
        0 => 0,
        disks => disks + GIVEN_UP,
    }
}

/// Places in the queue of each of them: for every block that the memory allows, each of which may be
/// all of a file that is begun before it and closed behind it; and for some that have none.
pub(super) fn jobs(config: &Config) -> usize {
    (config.recording_memory() / BLOCK).saturating_mul(3).saturating_add(16 * (config.recordings() + 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queues_for_disks_are_planned_as_they_grow() {
        let disks = |memory: &str| {
            let record = "profile = \"box\"\nrecord = [{ streams = \"*\", path = \"/m\" }]\n";
            let config = Config::parse("test", &format!("{record}recording.memory = {memory:?}\n")).unwrap();
            let line = DISKS.line(&config);
            (line.count, line.user)
        };
        let (few, many) = (disks("1MiB"), disks("65MiB"));
        // one more may stand still
        assert_eq!((few.0, many.0), (2, 2));
        // a place to begin a file, for a block and to end the file
        assert_eq!(many.1 - few.1, (64 << 20) / BLOCK * 3 * JOB);
    }
}
