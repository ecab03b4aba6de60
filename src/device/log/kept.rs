//! The latest lines of the log in memory, for those who read it by the API. They take the place of the oldest.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use log::Level;

use crate::budget::Key::Size;
use crate::conf::Cost;

/// A line of the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeptLine {
    /// The time of day at which it was logged, to the millisecond.
    pub time: SystemTime,
    /// Its level.
    pub level: Level,
    /// Its text, without time and level: control characters are escaped.
    pub text: String,
}

/// A place between two lines, by the bytes that were kept before it: it wraps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogPlace(usize);

/// The lines.
pub(super) struct Kept(Mutex<Ring>);

struct Ring {
    /// Complete lines, each behind its head.
    bytes: VecDeque<u8>,
    /// The most bytes.
    most: usize,
    lines: usize,
    /// The place of the first byte.
    begin: usize,
}

/// The head of a line: the milliseconds since 1970, the level, and the length of the text.
struct Head {
    millis: u64,
    level: Level,
    len: u16,
}

/// The lines of the program.
pub(super) static KEPT: Kept = Kept::new();

/// The memory of these lines.
pub static KEPT_LINES: Cost = Cost {
    what: "log: latest lines",
    keys: &[Size("log.kept")],
    count: |all| usize::from(all.kept_log() > 0),
    user: |all| all.kept_log(),
    kernel: |_| 0,
};

/// The bytes of a head.
const HEAD: usize = 11;

/// Keeps the lines that are logged from here on, in that many bytes.
pub fn keep(most: usize) {
    let mut ring = KEPT.lock();
    ring.bytes.reserve_exact(most);
    ring.most = most;
}

/// The number of lines that are kept, and the place before the latest `lines` of them.
pub fn latest(lines: usize) -> (usize, LogPlace) {
    KEPT.lock().latest(lines)
}

/// The first line behind `place`, which becomes the place behind it; `None` if there are no more. Lines that are no
/// longer kept are passed over. Who logs waits no longer than for the copy of one line.
pub fn next_line(place: &mut LogPlace) -> Option<KeptLine> {
    KEPT.lock().next(place)
}

impl Kept {
    const fn new() -> Self {
        Self(Mutex::new(Ring { bytes: VecDeque::new(), most: 0, lines: 0, begin: 0 }))
    }

    /// Keeps a line.
    pub(super) fn put(&self, level: Level, text: &[u8]) {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let millis = u64::try_from(since.as_millis()).unwrap_or_default();
        self.lock().put(millis, level, text);
    }

    fn lock(&self) -> MutexGuard<'_, Ring> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Ring {
    fn put(&mut self, millis: u64, level: Level, text: &[u8]) {
        let Ok(len) = u16::try_from(text.len()) else { return };
        let wanted = HEAD + text.len();
        if wanted > self.most {
            return;
        }
        while self.bytes.len() + wanted > self.most {
            let Some(head) = self.head(0) else { return };
            self.bytes.drain(..head.whole());
            self.begin = self.begin.wrapping_add(head.whole());
            self.lines -= 1;
        }
        self.bytes.extend(Head { millis, level, len }.bytes());
        self.bytes.extend(text);
        self.lines += 1;
    }

    fn latest(&self, lines: usize) -> (usize, LogPlace) {
        let mut at = 0;
        for _ in lines..self.lines {
            at += self.head(at).map_or(0, |head| head.whole());
        }
        (self.lines, LogPlace(self.begin.wrapping_add(at)))
    }

    fn next(&self, place: &mut LogPlace) -> Option<KeptLine> {
        let behind = place.0.wrapping_sub(self.begin);
        // a place before the first byte wraps around to beyond the last
        let at = if behind > self.bytes.len() { 0 } else { behind };
        let head = self.head(at)?;
        let text: Vec<u8> = self.bytes.range(at + HEAD..at + head.whole()).copied().collect();
        *place = LogPlace(self.begin.wrapping_add(at + head.whole()));
        Some(KeptLine {
            time: UNIX_EPOCH + Duration::from_millis(head.millis),
            level: head.level,
            text: String::from_utf8_lossy(&text).into_owned(),
        })
    }

    /// The head at `at`; `None` at the end.
    fn head(&self, at: usize) -> Option<Head> {
        let end = at.checked_add(HEAD).filter(|end| *end <= self.bytes.len())?;
        let mut bytes = [0; HEAD];
        bytes.iter_mut().zip(self.bytes.range(at..end)).for_each(|(to, from)| *to = *from);
        let [millis @ .., level, high, low] = bytes;
        let level = Level::iter().find(|one| *one as u8 == level)?;
        Some(Head { millis: u64::from_be_bytes(millis), level, len: u16::from_be_bytes([high, low]) })
    }
}

impl Head {
    fn bytes(&self) -> impl Iterator<Item = u8> {
        self.millis.to_be_bytes().into_iter().chain([self.level as u8]).chain(self.len.to_be_bytes())
    }

    /// The bytes of the line with its head.
    fn whole(&self) -> usize {
        HEAD + usize::from(self.len)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ring(most: usize) -> Ring {
        let mut ring = Ring { bytes: VecDeque::new(), most, lines: 0, begin: usize::MAX - 100 };
        ring.bytes.reserve_exact(most);
        ring
    }

    fn texts(ring: &Ring, lines: usize) -> (usize, Vec<String>) {
        let (all, mut place) = ring.latest(lines);
        (all, std::iter::from_fn(|| ring.next(&mut place)).map(|line| line.text).collect())
    }

    #[test]
    fn the_latest_lines_take_the_place_of_the_oldest_within_their_memory() {
        let mut ring = ring(3 * (HEAD + 6));
        let room = ring.bytes.capacity();
        for number in 0..40 {
            ring.put(number, Level::Info, format!("line{number:02}").as_bytes());
        }
        assert_eq!(texts(&ring, 200), (3, vec!["line37".into(), "line38".into(), "line39".into()]));
        assert_eq!(texts(&ring, 1).1, ["line39"]);
        assert_eq!(texts(&ring, 0), (3, vec![]));
        ring.put(0, Level::Info, &[b'x'; 100]);
        assert_eq!(texts(&ring, 200).0, 3, "a line that is longer than all of it is not kept");
        assert_eq!(ring.bytes.capacity(), room);
    }

    #[test]
    fn a_reader_goes_on_at_the_oldest_where_its_place_is_gone() {
        let mut ring = ring(2 * (HEAD + 1));
        ring.put(1500, Level::Warn, b"a");
        let (_, mut place) = ring.latest(9);
        let first = ring.next(&mut place).unwrap();
        assert_eq!((first.time, first.level), (UNIX_EPOCH + Duration::from_millis(1500), Level::Warn));
        assert_eq!(ring.next(&mut place), None);
        for text in [b"b", b"c", b"d"] {
            ring.put(0, Level::Error, text);
        }
        assert_eq!(ring.next(&mut place).unwrap().text, "c");
        assert_eq!(ring.next(&mut place).unwrap().text, "d");
        assert_eq!(ring.next(&mut place), None);
    }

    #[test]
    fn without_memory_nothing_is_kept() {
        let mut ring = ring(0);
        ring.put(0, Level::Info, b"a");
        assert_eq!(texts(&ring, 200), (0, vec![]));
    }
}
