//! Counts of what is recorded, for the metrics and the log.

use std::cmp::Reverse;
use std::collections::HashSet;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Weak};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::reactor::Timer;
use smol::channel::{Receiver, Sender, bounded};
use smol::future::or;

use super::flood::Flood;
use super::who::{REFUSED, Who};
use crate::container::FORMS;
use crate::hub::Name;
use crate::listing::name_parts;

/// Recordings that run, and those that have ended.
#[derive(Default)]
pub struct Recorded {
    files: AtomicUsize,
    counts: Mutex<Counts>,
    /// The keepers that can list their recordings: one for each disk, for as long as it has recordings.
    lists: Mutex<Vec<Weak<List>>>,
    /// Held by the request that is being answered.
    turn: smol::lock::Mutex<()>,
    /// The number of requests that are being answered, or wait for that.
    asking: AtomicUsize,
}

/// Hands a question to the keeper that can list the recordings of a disk; false if it takes none.
type Ask = Box<dyn Fn(Asked) -> bool + Send + Sync>;

/// A question on its way to the keeper that can list the recordings of a disk.
pub struct Asked(Arc<Mutex<Memory>>);

/// A question to a disk, and its answer.
#[derive(Default)]
struct Memory {
    /// The question that the keeper has not heard yet, and the channel for its answer. The next question
    /// takes its place, so that there is no more than one on its way.
    question: Option<(String, Sender<Vec<Told>>)>,
    /// The last question and its answer.
    told: Option<(String, Vec<Told>)>,
    /// Until then that answer holds, and nothing else is looked for.
    rests: Option<Instant>,
    /// It has not answered, nor heard a question since.
    is_silent: bool,
}

/// A recording as the list has it.
#[derive(Clone, Debug)]
pub struct Told {
    /// Its begin, in milliseconds since 1970.
    pub begun: u64,
    /// Its name below `/record/`.
    pub file: String,
    /// JSON.
    pub text: String,
}

/// So many are told of at most, the newest first.
pub const MOST_TOLD: usize = 100;
/// So many may ask at once.
const ASKING: usize = 16;
/// A disk that says nothing for so long is left out, until it hears a question again.
const SILENT: Duration = Duration::from_secs(10);
/// Looking for what is asked takes one in so many parts of the time.
const SHARE: u32 = 10;
/// A longer look may have been a wait for the disk, which costs nobody anything.
const LONGEST_REST: Duration = Duration::from_secs(30);

/// Counts that are kept.
#[derive(Clone, Debug, Default)]
pub struct Counts {
    /// Recordings that run.
    pub running: usize,
    /// Bytes that were written.
    pub bytes: u64,
    /// The number of times that frames found no room, each time up to a key frame.
    pub lost: u64,
    /// Recordings that cannot be written now.
    pub failing: usize,
    /// Those that cannot begin.
    pub left_out: usize,
    /// The number of times that this was found.
    pub failed: u64,
    /// It was said that there is no place for more.
    full: bool,
}

/// The stream that a path below a folder of recordings is one of; `None` if it is none: others may have files there.
pub fn recorded_stream(path: &str) -> Option<Name> {
    let is_recorded = |end: &str| FORMS.iter().any(|form| form.recorded.is_some() && form.extension == end);
    let stream = match path.split_once('/') {
        None => {
            let (stem, _) = path.rsplit_once('.').filter(|(_, end)| is_recorded(end))?;
            name_parts(false, stem)?.0
        }
        Some((stream, "record.m3u8")) => stream,
        Some((stream, segment)) => {
            let (name, _) = name_parts(true, segment.strip_suffix(".ts")?)?;
            Some(name).filter(|name| *name == stream)?
        }
    };
    Name::new(stream).ok()
}

impl Recorded {
    /// Adds a keeper that can list the recordings of its disk.
    pub fn add_list(&self, ask: Ask) -> Arc<List> {
        let list = Arc::new(List { ask, memory: Arc::default() });
        let mut lists = lock(&self.lists);
        lists.retain(|list| list.strong_count() > 0);
        lists.push(Arc::downgrade(&list));
        list
    }

    /// Whether anything is recorded.
    pub fn has_list(&self) -> bool {
        lock(&self.lists).iter().any(|list| list.strong_count() > 0)
    }

    /// The list as JSON; `None` if that cannot be said now. One after the other is told.
    pub async fn list(&self, query: &str) -> Option<String> {
        let _place = Place::take(&self.asking)?;
        let _turn = self.turn.lock().await;
        let lists: Vec<_> = lock(&self.lists).iter().filter_map(Weak::upgrade).collect();
        let now = Instant::now();
        let rests = lists.iter().filter_map(|list| list.rests(query)).filter(|until| *until < now + SILENT);
        if let Some(until) = rests.max() {
            Timer::at(until).await;
        }
        let late = Instant::now() + SILENT;
        let answers: Vec<_> = lists.iter().map(|list| (list, list.ask(query))).collect();
        let (mut told, mut answered) = (Vec::new(), 0);
        for (list, answer) in answers {
            if let Some(answer) = list.until(answer, late).await {
                told.extend(answer);
                answered += 1;
            }
        }
        (answered > 0).then(|| write(told, lists.len() - answered))
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

    /// A file could not be begun, written on or ended.
    pub fn failed(&self) {
        self.lock().failed += 1;
    }

    /// One recording more cannot be written.
    pub fn fails(&self) {
        self.lock().failing += 1;
    }

    /// One of these can be again, or is over.
    pub fn mended(&self) {
        let mut counts = self.lock();
        counts.failing = counts.failing.saturating_sub(1);
    }

    /// So many have no place.
    pub fn leaves_out(&self, recordings: usize) {
        self.lock().left_out = recordings;
    }

    /// Something found no room.
    pub fn lost(&self) {
        self.lock().lost += 1;
    }

    /// There is no place for a recording, which is said of the first.
    pub(crate) fn refuse(&self, flood: &Flood, who: impl FnOnce() -> Who, why: &dyn std::fmt::Display) {
        if std::mem::replace(&mut self.lock().full, true) {
            return;
        }
        let who = who();
        if who.passes(flood, "not recorded", REFUSED) {
            log::warn!("{who} is not recorded: {why}");
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

/// The recordings that all disks have told, the newest first, and how many have not. Of those that have one name the
/// first is served.
fn write(mut told: Vec<Told>, silent: usize) -> String {
    let mut files = HashSet::new();
    told.retain(|one| files.insert(one.file.clone()));
    told.sort_by_key(|one| Reverse(one.begun));
    let texts: Vec<_> = told.iter().take(MOST_TOLD).map(|one| one.text.as_str()).collect();
    let records = texts.join(",");
    let silent = if silent > 0 { format!(",\"silent_disks\":{silent}") } else { String::new() };
    format!("{{\"error_code\":0,\"desp\":\"succ\",\"data\":{{\"records\":[{records}]{silent}}}}}")
}

/// A disk with recordings.
pub struct List {
    ask: Ask,
    memory: Arc<Mutex<Memory>>,
}

/// The state of an answer.
enum Answer {
    Known(Vec<Told>),
    Comes(Receiver<Vec<Told>>),
    /// Nobody waits for it.
    Late,
}

impl List {
    /// Until when nothing else than it was asked last is looked for.
    fn rests(&self, query: &str) -> Option<Instant> {
        let memory = lock(&self.memory);
        memory.rests.filter(|_| memory.told.as_ref().is_none_or(|(told, _)| told != query))
    }

    fn ask(&self, query: &str) -> Answer {
        let mut memory = lock(&self.memory);
        let rests = memory.rests.is_some_and(|until| until > Instant::now());
        match &memory.told {
            Some((told, answer)) if rests && told == query => return Answer::Known(answer.clone()),
            _ if rests => return Answer::Late,
            _ => {}
        }
        let (tell, told) = bounded(1);
        let before = memory.question.replace((query.into(), tell));
        let is_silent = memory.is_silent;
        drop(memory);
        if before.is_none() && !(self.ask)(Asked(self.memory.clone())) {
            lock(&self.memory).question = None;
        }
        if is_silent { Answer::Late } else { Answer::Comes(told) }
    }

    async fn until(&self, answer: Answer, late: Instant) -> Option<Vec<Told>> {
        let told = match answer {
            Answer::Known(told) => return Some(told),
            Answer::Late => return None,
            Answer::Comes(told) => told,
        };
        let silent = async {
            Timer::at(late).await;
            lock(&self.memory).is_silent = true;
            None
        };
        or(async { told.recv().await.ok() }, silent).await
    }
}

impl Asked {
    /// Answers, unless nobody waits for that any more.
    pub fn answer(self, look: impl FnOnce(&str) -> Vec<Told>) {
        let mut memory = lock(&self.0);
        memory.is_silent = false;
        let Some((query, tell)) = memory.question.take().filter(|(_, tell)| !tell.is_closed()) else { return };
        drop(memory);
        let begun = Instant::now();
        let told = look(&query);
        let rests = begun.elapsed().saturating_mul(SHARE).min(LONGEST_REST);
        let mut memory = lock(&self.0);
        memory.is_silent = false;
        memory.rests = Instant::now().checked_add(rests);
        memory.told = Some((query, told.clone()));
        drop(memory);
        // nobody may be there any more to be told
        let _ = tell.try_send(told);
    }
}

/// A place among the requests that may ask at once.
struct Place<'a>(&'a AtomicUsize);

impl<'a> Place<'a> {
    fn take(asking: &'a AtomicUsize) -> Option<Self> {
        let place = Self(asking);
        // the one that is too many gives its place back
        (asking.fetch_add(1, Relaxed) < ASKING).then_some(place)
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Heard = Arc<Mutex<Vec<Asked>>>;

    /// One who can say what there is, when the test wants it.
    fn disk(recorded: &Recorded) -> (Arc<List>, Heard) {
        let heard = Heard::default();
        let hears = heard.clone();
        let list = recorded.add_list(Box::new(move |asked| {
            hears.lock().unwrap().push(asked);
            true
        }));
        (list, heard)
    }

    fn answer(heard: &Heard, text: &str) {
        let asked = heard.lock().unwrap().pop().unwrap();
        assert!(heard.lock().unwrap().is_empty());
        asked.answer(|_| vec![Told { begun: 5, file: text.into(), text: text.into() }]);
    }

    #[test]
    fn one_question_is_on_its_way_and_those_who_left_ask_nothing() {
        let recorded = Recorded::default();
        let (_list, heard) = disk(&recorded);
        smol::block_on(async {
            let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
            // all of these leave while the keeper is busy
            for at in 0..100 {
                let query = format!("stream={at}");
                let mut left = Box::pin(recorded.list(&query));
                assert!(left.as_mut().poll(&mut cx).is_pending());
            }
            let queries: Vec<_> = (0..ASKING).map(|at| format!("stream={at}")).collect();
            let mut all: Vec<_> = queries.iter().map(|query| Box::pin(recorded.list(query))).collect();
            assert!(all.iter_mut().all(|one| one.as_mut().poll(&mut cx).is_pending()));
            assert_eq!(recorded.list("").await, None, "one too many");
            for (mut waits, query) in all.into_iter().zip(&queries) {
                while heard.lock().unwrap().is_empty() {
                    assert!(waits.as_mut().poll(&mut cx).is_pending());
                }
                let asked = heard.lock().unwrap().pop().unwrap();
                assert!(heard.lock().unwrap().is_empty());
                asked.answer(|asked| {
                    assert_eq!(asked, query);
                    let told = |begun, file: &str, text: &str| Told { begun, file: file.into(), text: text.into() };
                    vec![told(5, "a", "{}"), told(7, "b", "{7}"), told(9, "a", "{9}")]
                });
                assert!(waits.await.unwrap().ends_with("\"records\":[{7},{}]}}"));
            }
            assert_eq!(recorded.asking.load(Relaxed), 0);
        });
    }

    #[test]
    fn a_disk_that_has_not_answered_is_waited_for_once_until_it_hears_again() {
        let recorded = Recorded::default();
        let ((_well, heard), (stuck, unheard)) = (disk(&recorded), disk(&recorded));
        let both = |query: &'static str| {
            smol::future::zip(recorded.list(query), async {
                while heard.lock().unwrap().is_empty() {
                    smol::future::yield_now().await;
                }
                answer(&heard, "{1}");
            })
        };
        let told = "\"records\":[{1}],\"silent_disks\":1}}";
        smol::block_on(async {
            assert!(both("").await.0.unwrap().ends_with(told));
            assert!(lock(&stuck.memory).is_silent);
            // the others are no longer waited for than that takes
            let begun = Instant::now();
            assert!(both("before=1").await.0.unwrap().ends_with(told));
            assert!(begun.elapsed() < SILENT);
            // it hears a question that nobody has waited for
            unheard.lock().unwrap().pop().unwrap().answer(|_| panic!("nobody waits"));
            let listed = both("before=2");
            let answers = async {
                while unheard.lock().unwrap().is_empty() {
                    smol::future::yield_now().await;
                }
                answer(&unheard, "{2}");
            };
            let ((listed, ()), ()) = smol::future::zip(listed, answers).await;
            assert!(listed.unwrap().ends_with("\"records\":[{1},{2}]}}"));
        });
    }

    #[test]
    fn other_questions_wait_for_ten_times_as_long_as_the_last_took() {
        let recorded = Recorded::default();
        let (list, heard) = disk(&recorded);
        let looked = AtomicUsize::new(0);
        let answers = async {
            loop {
                let asked = heard.lock().unwrap().pop();
                if let Some(asked) = asked {
                    asked.answer(|_| {
                        looked.fetch_add(1, Relaxed);
                        std::thread::sleep(Duration::from_millis(50));
                        Vec::new()
                    });
                }
                smol::future::yield_now().await;
            }
        };
        let asks = async {
            let begun = Instant::now();
            for query in ["before=1", "before=2", "before=3"] {
                // the same again is known
                for _ in 0..2 {
                    assert!(recorded.list(query).await.is_some());
                }
            }
            assert_eq!(looked.load(Relaxed), 3);
            assert!(begun.elapsed() >= 2 * SHARE * Duration::from_millis(50));
            // if the pause is longer than a client waits, that is said at once
            lock(&list.memory).rests = Some(Instant::now() + 2 * SILENT);
            assert_eq!(recorded.list("before=4").await, None);
        };
        smol::block_on(smol::future::or(asks, answers));
    }

    #[test]
    fn only_recordings_are_recordings() {
        for path in ["cam-1700000000.flv", "cam-1700000000-1.mp4", "cam/record.m3u8", "cam/cam-1700000000123-0.ts"] {
            assert_eq!(recorded_stream(path), Name::new("cam").ok(), "{path}");
        }
        for path in
            ["mine.ts", "cam-x.flv", "cam-1.txt", "cam/passwords.txt", "cam/door-1700000000123-0.ts", "", "/", "cam/"]
        {
            assert!(recorded_stream(path).is_none(), "{path}");
        }
    }
}
