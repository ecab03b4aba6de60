//! Counts of recordings, for the metrics and the log, and the list of recordings.

use std::cmp::Reverse;
use std::collections::HashSet;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Weak};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, UNIX_EPOCH};

use crate::reactor::Timer;
use smol::channel::{Receiver, Sender, bounded};
use smol::future::or;

use super::flood::Flood;
use super::question::{Found, MOST_TOLD, Question, Told};
use super::switches::{Switch, Switches, Unswitched};
use super::who::{LOGGED_REFUSALS, Who};
use crate::conf::Config;
use crate::container::FORMS;
use crate::hub::Name;
use crate::listing::name_parts;
use crate::wire::iso8601;

/// Counts and lists of recordings.
#[derive(Default)]
pub struct Recorded {
    files: AtomicUsize,
    counts: Mutex<Counts>,
    /// The keepers that can list recordings: one for each disk with recordings.
    lists: Mutex<Vec<Weak<List>>>,
    /// Locked by the request that is being answered.
    turn: smol::lock::Mutex<()>,
    /// The number of requests that are being answered or wait.
    asking: AtomicUsize,
    changes: Changes,
    /// The recordings that were started or stopped on request.
    pub switches: Switches,
}

/// Tells one task that something has changed since it looked.
struct Changes(Sender<()>, Receiver<()>);

impl Default for Changes {
    fn default() -> Self {
        let (tell, told) = bounded(1);
        Self(tell, told)
    }
}

/// Passes a question to the keeper that can list the recordings of a disk; false if it accepts none.
type Ask = Box<dyn Fn(Asked) -> bool + Send + Sync>;

/// A question to the keeper that can list the recordings of a disk.
pub struct Asked(Arc<Mutex<Memory>>);

/// A question to a disk, and its answer.
#[derive(Default)]
struct Memory {
    /// The question that the keeper has not received yet, and the channel for its answer. The next question replaces
    /// it, so that at most one is queued.
    question: Option<(Question, Sender<Found>)>,
    /// The last question and its answer.
    told: Option<(Question, Found)>,
    /// The time until which no other question is answered.
    rests: Option<Instant>,
    /// True if the disk has not answered, nor received a question since.
    is_silent: bool,
}

/// The most requests at once.
const MAX_ASKING: usize = 16;
/// The time without an answer after which a disk is left out, until it receives a question again.
const MAX_SILENCE: Duration = Duration::from_secs(10);
/// One in this number of parts of the time is spent on answering questions.
const ANSWER_SHARE: u32 = 10;
/// The longest pause after an answer: a slower one may have waited for the disk, which costs no processor time.
const MAX_PAUSE: Duration = Duration::from_secs(30);

/// The counts.
#[derive(Clone, Debug, Default)]
pub struct Counts {
    /// The number of recordings that run.
    pub running: usize,
    /// The number of bytes written.
    pub bytes: u64,
    /// The number of times that frames were lost for want of memory, each time up to a key frame.
    pub lost: u64,
    /// The number of recordings that cannot be written now.
    pub failing: usize,
    /// The number of recordings that cannot begin.
    pub left_out: usize,
    /// The number of failures of files.
    pub failed: u64,
    /// True if it was logged that there is no place for more.
    full: bool,
}

/// The stream of a recording at this path below its folder; `None` for other files.
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

    /// True if anything is recorded.
    pub fn has_list(&self) -> bool {
        lock(&self.lists).iter().any(|list| list.strong_count() > 0)
    }

    /// The list as JSON; `None` if it is not available now.
    pub async fn list(&self, query: &str) -> Option<String> {
        let (found, silent) = self.ask(&Question::Newest(query.into())).await?;
        Some(write(found.told, silent))
    }

    /// The answers of all disks to a question, and the number of disks that do not answer; one question at a time.
    /// `None` if there is no answer now.
    pub async fn ask(&self, question: &Question) -> Option<(Found, usize)> {
        let _place = Place::take(&self.asking)?;
        let _turn = self.turn.lock().await;
        let lists: Vec<_> = lock(&self.lists).iter().filter_map(Weak::upgrade).collect();
        let now = Instant::now();
        let rests = lists.iter().filter_map(|list| list.rests(question)).filter(|until| *until < now + MAX_SILENCE);
        if let Some(until) = rests.max() {
            Timer::at(until).await;
        }
        let late = Instant::now() + MAX_SILENCE;
        let answers: Vec<_> = lists.iter().map(|list| (list, list.ask(question))).collect();
        let (mut found, mut answered) = (Found::default(), 0);
        for (list, answer) in answers {
            if let Some(answer) = list.until(answer, late).await {
                found.add(answer);
                answered += 1;
            }
        }
        (answered > 0).then(|| (found, lists.len() - answered))
    }

    /// Starts or stops the recording of a stream by all rules of `config` that match it.
    pub fn switch(&self, config: &Config, stream: &Name, switch: Switch) -> Result<(), Unswitched> {
        self.switches.set(config, stream, switch)?;
        self.tell_changed();
        Ok(())
    }

    /// A new number for a file.
    pub fn next_file(&self) -> usize {
        self.files.fetch_add(1, Relaxed)
    }

    /// Counts a recording that begins.
    pub fn begins(&self) {
        self.lock().running += 1;
    }

    /// Counts a recording that ends, which frees its place.
    pub fn ends(&self) {
        let mut counts = self.lock();
        counts.running -= 1;
        counts.full = false;
        drop(counts);
        self.tell_changed();
    }

    /// Counts bytes written.
    pub fn wrote(&self, bytes: usize) {
        self.lock().bytes += bytes as u64;
    }

    /// Counts a file that could not be created, written or finished.
    pub fn failed(&self) {
        self.lock().failed += 1;
    }

    /// Counts a recording that cannot be written.
    pub fn fails(&self) {
        self.lock().failing += 1;
        self.tell_changed();
    }

    /// Wakes the task that waits for changes.
    pub fn tell_changed(&self) {
        // a change that is told of already needs no second
        let _ = self.changes.0.try_send(());
    }

    /// Waits until a recording has ended or fails, or the rules have changed. For one task.
    pub async fn changed(&self) {
        let _ = self.changes.1.recv().await;
    }

    /// Counts a recording that can be written again, or has ended.
    pub fn mended(&self) {
        let mut counts = self.lock();
        counts.failing = counts.failing.saturating_sub(1);
    }

    /// Sets the number of recordings without a place.
    pub fn leaves_out(&self, recordings: usize) {
        self.lock().left_out = recordings;
    }

    /// Counts frames lost for want of memory.
    pub fn lost(&self) {
        self.lock().lost += 1;
    }

    /// Logs that there is no place for a recording; only the first is logged.
    pub(crate) fn refuse(&self, flood: &Flood, who: impl FnOnce() -> Who, why: &dyn std::fmt::Display) {
        if std::mem::replace(&mut self.lock().full, true) {
            return;
        }
        let who = who();
        if who.passes(flood, "not recorded", LOGGED_REFUSALS) {
            log::warn!("{who} is not recorded: {why}");
        }
    }

    /// The bytes written to files since the start.
    pub fn bytes_written(&self) -> Option<u64> {
        Some(self.lock().bytes)
    }

    /// The present counts.
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

/// The recordings of all disks that have answered, the newest first, and the number of other disks. Of recordings with
/// the same name the first is listed, because that one is served.
fn write(mut told: Vec<Told>, silent: usize) -> String {
    let mut files = HashSet::new();
    told.retain(|one| files.insert(one.file.clone()));
    told.sort_by_key(|one| Reverse(one.begun));
    let texts: Vec<_> = told.iter().take(MOST_TOLD).map(entry).collect();
    let records = texts.join(",");
    let silent = if silent > 0 { format!(",\"silent_disks\":{silent}") } else { String::new() };
    format!("{{\"error_code\":0,\"desp\":\"succ\",\"data\":{{\"records\":[{records}]{silent}}}}}")
}

/// An entry of the list as JSON. Names contain no characters that JSON would have to escape.
fn entry(one: &Told) -> String {
    let Told { stream, file, begun, bytes, .. } = one;
    let date = iso8601(UNIX_EPOCH + Duration::from_millis(*begun));
    format!(
        "{{\"stream_name\":\"{stream}\",\"file\":\"/record/{file}\",\"size\":{bytes},\"begin_unix_ms\":{begun},\"begin\":\"{date}\"}}"
    )
}

/// A disk with recordings.
pub struct List {
    ask: Ask,
    memory: Arc<Mutex<Memory>>,
}

/// The state of an answer.
enum Answer {
    Known(Found),
    Comes(Receiver<Found>),
    /// The answer did not arrive in time.
    Late,
}

impl List {
    /// The time until which only the last question is answered.
    fn rests(&self, question: &Question) -> Option<Instant> {
        let memory = lock(&self.memory);
        memory.rests.filter(|_| memory.told.as_ref().is_none_or(|(told, _)| told != question))
    }

    fn ask(&self, question: &Question) -> Answer {
        let mut memory = lock(&self.memory);
        let rests = memory.rests.is_some_and(|until| until > Instant::now());
        match &memory.told {
            Some((told, answer)) if rests && told == question => return Answer::Known(answer.clone()),
            _ if rests => return Answer::Late,
            _ => {}
        }
        let (tell, told) = bounded(1);
        let before = memory.question.replace((question.clone(), tell));
        let is_silent = memory.is_silent;
        drop(memory);
        if before.is_none() && !(self.ask)(Asked(self.memory.clone())) {
            lock(&self.memory).question = None;
        }
        if is_silent { Answer::Late } else { Answer::Comes(told) }
    }

    async fn until(&self, answer: Answer, late: Instant) -> Option<Found> {
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
    /// Answers, unless the request was dropped.
    pub fn answer(self, look: impl FnOnce(&Question) -> Found) {
        let mut memory = lock(&self.0);
        memory.is_silent = false;
        let Some((question, tell)) = memory.question.take().filter(|(_, tell)| !tell.is_closed()) else { return };
        drop(memory);
        let begun = Instant::now();
        let told = look(&question);
        let rests = begun.elapsed().saturating_mul(ANSWER_SHARE).min(MAX_PAUSE);
        let mut memory = lock(&self.0);
        memory.is_silent = false;
        memory.rests = Instant::now().checked_add(rests);
        memory.told = (!question.deletes()).then(|| (question, told.clone()));
        drop(memory);
        // the request may have been dropped
        let _ = tell.try_send(told);
    }
}

/// A place among the requests at once.
struct Place<'a>(&'a AtomicUsize);

impl<'a> Place<'a> {
    fn take(asking: &'a AtomicUsize) -> Option<Self> {
        let place = Self(asking);
        // the request above the limit returns its place when dropped
        (asking.fetch_add(1, Relaxed) < MAX_ASKING).then_some(place)
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

    /// A disk that answers when the test wants it to.
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
        asked.answer(|_| found([(5, text)]));
    }

    fn found<const N: usize>(files: [(u64, &str); N]) -> Found {
        let told = |(begun, file): (u64, &str)| Told { begun, file: file.into(), ..Told::default() };
        Found { told: files.map(told).into(), ..Found::default() }
    }

    /// The files in the list, and its end.
    fn files(list: Option<String>) -> String {
        let list = list.unwrap();
        let files: Vec<_> = list.split("/record/").skip(1).filter_map(|part| part.split('"').next()).collect();
        let silent = list.split_once("],").map_or("", |(_, end)| end.trim_end_matches('}'));
        format!("{}{silent}", files.join(","))
    }

    #[test]
    fn one_question_is_on_its_way_and_those_who_left_ask_nothing() {
        let recorded = Recorded::default();
        let (_list, heard) = disk(&recorded);
        smol::block_on(async {
            let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
            // all of these are dropped while the keeper is busy
            for at in 0..100 {
                let query = format!("stream={at}");
                let mut left = Box::pin(recorded.list(&query));
                assert!(left.as_mut().poll(&mut cx).is_pending());
            }
            let queries: Vec<_> = (0..MAX_ASKING).map(|at| format!("stream={at}")).collect();
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
                    assert_eq!(*asked, Question::Newest(query.clone()));
                    found([(5, "a"), (7, "b"), (9, "a")])
                });
                assert_eq!(files(waits.await), "b,a");
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
                answer(&heard, "1");
            })
        };
        let told = "1\"silent_disks\":1";
        smol::block_on(async {
            assert_eq!(files(both("").await.0), told);
            assert!(lock(&stuck.memory).is_silent);
            // the others are answered without a further wait for this one
            let begun = Instant::now();
            assert_eq!(files(both("before=1").await.0), told);
            assert!(begun.elapsed() < MAX_SILENCE);
            // it receives a question without a waiting request
            unheard.lock().unwrap().pop().unwrap().answer(|_| panic!("nobody waits"));
            let listed = both("before=2");
            let answers = async {
                while unheard.lock().unwrap().is_empty() {
                    smol::future::yield_now().await;
                }
                answer(&unheard, "2");
            };
            let ((listed, ()), ()) = smol::future::zip(listed, answers).await;
            assert_eq!(files(listed), "1,2");
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
                        Found::default()
                    });
                }
                smol::future::yield_now().await;
            }
        };
        let asks = async {
            let begun = Instant::now();
            for query in ["before=1", "before=2", "before=3"] {
                // the same question again is answered from memory
                for _ in 0..2 {
                    assert!(recorded.list(query).await.is_some());
                }
            }
            assert_eq!(looked.load(Relaxed), 3);
            assert!(begun.elapsed() >= 2 * ANSWER_SHARE * Duration::from_millis(50));
            // a pause longer than a client waits is answered at once
            lock(&list.memory).rests = Some(Instant::now() + 2 * MAX_SILENCE);
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
