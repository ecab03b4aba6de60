//! Counts of what is recorded, for the metrics and the log.

#[cfg(feature = "files")]
use std::cmp::Reverse;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
#[cfg(feature = "files")]
use std::sync::{Arc, Weak};
use std::sync::{Mutex, MutexGuard, PoisonError};
#[cfg(feature = "files")]
use std::time::{Duration, Instant};

#[cfg(feature = "files")]
use async_io::Timer;
#[cfg(feature = "files")]
use smol::channel::{Receiver, Sender, bounded};
#[cfg(feature = "files")]
use smol::future::or;

#[cfg(feature = "files")]
use super::listing::name_parts;
use crate::hub::Name;

/// What is recorded, and what was.
#[derive(Default)]
pub struct Recorded {
    files: AtomicUsize,
    counts: Mutex<Counts>,
    /// Who can say what there is: one for each disk, for as long as it has recordings.
    #[cfg(feature = "files")]
    lists: Mutex<Vec<Weak<List>>>,
    /// Held by the one who is being told.
    #[cfg(feature = "files")]
    turn: smol::lock::Mutex<()>,
    /// Those who are told, or wait for that.
    #[cfg(feature = "files")]
    asking: AtomicUsize,
}

/// Calls one who can say what there is on a disk, and is asked that.
#[cfg(feature = "files")]
type Ask = Box<dyn Fn(Asked) -> bool + Send + Sync>;

/// A question and where its answer goes, while nobody has heard it: whoever asks next does so in
/// its place, so that there is no more than one on its way.
#[cfg(feature = "files")]
#[derive(Clone, Default)]
pub struct Asked(Arc<Mutex<Option<Question>>>);

/// A query, and where its answer goes.
#[cfg(feature = "files")]
type Question = (String, Sender<Vec<Told>>);

/// A recording as the list has it.
#[cfg(feature = "files")]
#[derive(Clone, Debug)]
pub struct Told {
    /// Its begin, in milliseconds since 1970.
    pub begun: u64,
    /// JSON.
    pub text: String,
}

/// So many are told of at most, the newest first.
#[cfg(feature = "files")]
pub const MOST_TOLD: usize = 100;
/// So many may ask at once.
#[cfg(feature = "files")]
const ASKING: usize = 16;
/// A disk that says nothing for so long is left out.
#[cfg(feature = "files")]
const SILENT: Duration = Duration::from_secs(10);

/// Counts that are kept.
#[derive(Clone, Debug, Default)]
pub struct Counts {
    /// Recordings that run.
    pub running: usize,
    /// Bytes that were written.
    pub bytes: u64,
    /// How often frames found no room, each time up to a key frame.
    pub lost: u64,
    /// It was said that there is no place for more.
    full: bool,
}

/// Whether a path below a folder of recordings is one: others may have files there.
#[cfg(feature = "files")]
pub(super) fn is_recording(path: &str) -> bool {
    let named = |stem| name_parts(false, stem).is_some_and(|(stream, _)| Name::new(stream).is_ok());
    match path.split_once('/') {
        None => path.rsplit_once('.').is_some_and(|(stem, end)| ["flv", "ts", "mp4"].contains(&end) && named(stem)),
        Some((stream, "record.m3u8")) => Name::new(stream).is_ok(),
        Some((stream, segment)) => {
            let stem = segment.strip_suffix(".ts");
            stem.and_then(|stem| name_parts(true, stem)).is_some_and(|(name, _)| name == stream)
        }
    }
}

impl Recorded {
    /// One more who can say what there is.
    #[cfg(feature = "files")]
    pub fn add_list(&self, ask: Ask) -> Arc<List> {
        let list = Arc::new(List { ask, asked: Asked::default() });
        let mut lists = lock(&self.lists);
        lists.retain(|list| list.strong_count() > 0);
        lists.push(Arc::downgrade(&list));
        list
    }

    /// Whether anything is recorded.
    #[cfg(feature = "files")]
    pub fn has_list(&self) -> bool {
        lock(&self.lists).iter().any(|list| list.strong_count() > 0)
    }

    /// The list as JSON; `None` if that cannot be said now. One after the other is told.
    #[cfg(feature = "files")]
    pub async fn list(&self, query: &str) -> Option<String> {
        let _place = Place::take(&self.asking)?;
        let _turn = self.turn.lock().await;
        let disks: Vec<_> = lock(&self.lists).iter().filter_map(Weak::upgrade).collect();
        let answers: Vec<_> = disks.iter().map(|disk| disk.ask(query)).collect();
        let late = Instant::now() + SILENT;
        let mut told = None;
        for answer in answers {
            let answer = async { answer.recv().await.ok() };
            let silent = async {
                Timer::at(late).await;
                None
            };
            if let Some(answer) = or(answer, silent).await {
                told.get_or_insert_with(Vec::new).extend(answer);
            }
        }
        told.map(write)
    }

    /// A number for a file.
    pub fn next_file(&self) -> usize {
        self.files.fetch_add(1, Relaxed)
    }

    /// A recording begins.
    pub fn begins(&self) {
        self.lock().running += 1;
    }

    /// A recording ends: there is a place for another.
    pub fn ends(&self) {
        let mut counts = self.lock();
        counts.running -= 1;
        counts.full = false;
    }

    /// Bytes were written.
    pub fn wrote(&self, bytes: usize) {
        self.lock().bytes += bytes as u64;
    }

    /// Something found no room.
    pub fn lost(&self) {
        self.lock().lost += 1;
    }

    /// There is no place for a recording of `name`, which is said of the first.
    pub fn refuse(&self, name: &Name, why: &dyn std::fmt::Display) {
        if !std::mem::replace(&mut self.lock().full, true) {
            log::warn!("stream={name} is not recorded: {why}");
        }
    }

    /// The counts as they are now.
    pub fn counts(&self) -> Counts {
        self.lock().clone()
    }

    fn lock(&self) -> MutexGuard<'_, Counts> {
        lock(&self.counts)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What all disks have told, the newest first.
#[cfg(feature = "files")]
fn write(mut told: Vec<Told>) -> String {
    told.sort_by_key(|one| Reverse(one.begun));
    let texts: Vec<_> = told.iter().take(MOST_TOLD).map(|one| one.text.as_str()).collect();
    let records = texts.join(",");
    format!("{{\"error_code\":0,\"desp\":\"succ\",\"data\":{{\"records\":[{records}]}}}}")
}

/// A disk with recordings, and the question that its keeper has not heard yet.
#[cfg(feature = "files")]
pub struct List {
    ask: Ask,
    asked: Asked,
}

#[cfg(feature = "files")]
impl List {
    /// Where the answer comes; it is closed if there is none.
    fn ask(&self, query: &str) -> Receiver<Vec<Told>> {
        let (tell, told) = bounded(1);
        let before = lock(&self.asked.0).replace((query.into(), tell));
        if before.is_none() && !(self.ask)(self.asked.clone()) {
            self.asked.take();
        }
        told
    }
}

#[cfg(feature = "files")]
impl Asked {
    /// The question, for one who answers it.
    pub fn take(&self) -> Option<Question> {
        lock(&self.0).take()
    }
}

/// A place among those who ask.
#[cfg(feature = "files")]
struct Place<'a>(&'a AtomicUsize);

#[cfg(feature = "files")]
impl<'a> Place<'a> {
    fn take(asking: &'a AtomicUsize) -> Option<Self> {
        let place = Self(asking);
        // the one that is too many gives its place back
        (asking.fetch_add(1, Relaxed) < ASKING).then_some(place)
    }
}

#[cfg(feature = "files")]
impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Relaxed);
    }
}

#[cfg(all(test, feature = "files"))]
mod tests {
    use super::*;

    #[test]
    fn one_question_is_on_its_way_and_those_who_left_ask_nothing() {
        let (recorded, heard) = (Recorded::default(), Arc::new(Mutex::new(Vec::new())));
        let hears = heard.clone();
        let _list = recorded.add_list(Box::new(move |asked| {
            hears.lock().unwrap().push(asked);
            true
        }));
        let one = Told { begun: 5, text: "{}".into() };
        smol::block_on(async {
            let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
            // all of these leave while the keeper is busy
            for at in 0..100 {
                let query = format!("stream={at}");
                let mut left = Box::pin(recorded.list(&query));
                assert!(left.as_mut().poll(&mut cx).is_pending());
            }
            let mut all: Vec<_> = (0..ASKING).map(|_| Box::pin(recorded.list("stream=x"))).collect();
            assert!(all.iter_mut().all(|one| one.as_mut().poll(&mut cx).is_pending()));
            assert_eq!(recorded.list("").await, None, "one too many");
            for mut waits in all {
                assert!(waits.as_mut().poll(&mut cx).is_pending());
                let asked = heard.lock().unwrap().pop().unwrap();
                assert!(heard.lock().unwrap().is_empty());
                let (query, tell) = asked.take().unwrap();
                assert_eq!(query, "stream=x");
                tell.try_send(vec![one.clone(), Told { begun: 7, text: "{7}".into() }]).unwrap();
                assert!(waits.await.unwrap().ends_with("\"records\":[{7},{}]}}"));
            }
            assert_eq!(recorded.asking.load(Relaxed), 0);
        });
    }

    #[test]
    fn only_recordings_are_recordings() {
        for path in ["cam-1700000000.flv", "cam-1700000000-1.mp4", "cam/record.m3u8", "cam/cam-1700000000123-0.ts"] {
            assert!(is_recording(path), "{path}");
        }
        for path in
            ["mine.ts", "cam-x.flv", "cam-1.txt", "cam/passwords.txt", "cam/door-1700000000123-0.ts", "", "/", "cam/"]
        {
            assert!(!is_recording(path), "{path}");
        }
    }
}
