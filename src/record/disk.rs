//! A disk for recordings. Each has two threads and a part of the memory of its own, so that a disk that does not
//! answer blocks no other.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::Duration;

use super::Unready;
use super::costs;
use super::folder::Busy;
use super::keep::Message;
use super::keep::{self, Keeper};
use super::queue::Queue;
use super::session;
use super::writer::{Job, Pace, Writer};
use crate::budget::Account;
use crate::conf::{Config, Record};
use crate::disk::disk_of;
use crate::session::{Core, List};

/// The known disks, each with its folders. A folder stays with the disk on which it was found first.
#[derive(Default)]
pub(super) struct Disks(Vec<Disk>);

/// The threads of a disk: the writer and the keeper.
pub(super) type Threads = [JoinHandle<()>; 2];

pub(super) struct Disk {
    device: Device,
    /// The folders of rules on this disk; if it is empty, the disk is removed when everything is written.
    folders: Vec<PathBuf>,
    pub(super) jobs: SyncSender<Job>,
    queue: Arc<Queue>,
    /// The account for the memory that its recordings may hold.
    pub(super) account: Account,
    threads: Threads,
    /// The rules have changed and were not sent to the threads.
    changed: bool,
    /// The number of the rules that were last sent, and of those that both threads have applied.
    sent: usize,
    applied: Arc<AtomicUsize>,
    /// Its jobs were taken back.
    given_up: bool,
    /// The list of its recordings, while rules name a folder on it.
    list: Option<Arc<List>>,
    keeper: SyncSender<Message>,
    sync: Pace,
}

#[derive(Clone, PartialEq)]
enum Device {
    /// A mount point, whatever is mounted there.
    At(PathBuf),
    Number(u64),
}

/// A thread that is longer at one job gets no further folder if another thread can take it.
const SLOW_JOB: Duration = Duration::from_secs(1);
/// A disk without rules whose thread is longer at one job loses its jobs.
const BLOCKED_JOB: Duration = Duration::from_secs(10);

impl Disks {
    /// Starts threads for the disks of rules that have none. The existing disks are not changed.
    pub(super) fn prepare(&self, core: &Core, config: &Config) -> Result<Vec<Disk>, Unready> {
        let mut wanted = Vec::new();
        for rule in config.record.iter().filter(|rule| self.of(rule).is_none()) {
            let device = Device::of(rule);
            if !wanted.contains(&device) && self.0.iter().all(|disk| disk.device != device) {
                wanted.push(device);
            }
        }
        let named = self.0.iter().filter(|disk| config.record.iter().any(|rule| disk.has(rule))).count();
        let room = costs::disks(config).saturating_sub(named);
        let places = costs::places(config).saturating_sub(self.0.len());
        wanted.into_iter().take(room.min(places)).map(|device| Disk::start(core, config, device)).collect()
    }

    /// Applies the rules of `config`, with threads that were prepared for it. Folders without a rule are removed.
    pub(super) fn follow(&mut self, core: &Core, config: &Config, prepared: Vec<Disk>) {
        let is_named = |folder: &PathBuf| config.record.iter().any(|rule| folder == Path::new(&rule.path));
        self.0.iter_mut().for_each(|disk| disk.folders.retain(is_named));
        self.0.extend(prepared);
        self.0.iter().for_each(|disk| disk.sync.set(config.recording.sync.0));
        for rule in &config.record {
            if self.of(rule).is_none() {
                self.assign(core, config, rule);
            }
        }
        self.share(core.recordings.limit(), config.streams.max_frame.0);
    }

    /// Assigns a rule's folder to the threads of its disk, to idle ones, or to new ones. If no new ones are
    /// allowed, it uses the threads of another disk.
    fn assign(&mut self, core: &Core, config: &Config, rule: &Record) {
        let device = Device::of(rule);
        self.start(core, config, rule, &device);
        let rank = |disk: &&mut Disk| (disk.device != device, disk.lags(), !disk.folders.is_empty());
        let Some(disk) = self.0.iter_mut().min_by_key(rank) else {
            log::error!("recording to {}: there is no thread for it", rule.path);
            return;
        };
        if disk.device != device && disk.lags() {
            let path = &rule.path;
            log::error!("recording to {path}: the only threads left wait for a disk that does not answer: restart");
        }
        if disk.folders.is_empty() {
            disk.adopt(core, device);
        }
        disk.folders.push(rule.path.clone().into());
    }

    /// Starts threads if none can serve the device and a further disk is allowed. Threads that existed when others
    /// were prepared may have ended since.
    fn start(&mut self, core: &Core, config: &Config, rule: &Record, device: &Device) {
        let named = self.0.iter().filter(|disk| !disk.folders.is_empty()).count();
        let has_place = named < costs::disks(config) && self.0.len() < costs::places(config);
        let is_of_use = |disk: &Disk| disk.device == *device || disk.folders.is_empty() && !disk.lags();
        if has_place && !self.0.iter().any(is_of_use) {
            match Disk::start(core, config, device.clone()) {
                Ok(disk) => self.0.push(disk),
                Err(why) => log::error!("recording to {}: {why}", rule.path),
            }
        }
    }

    /// Gives disks with rules equal parts of the memory, and drops the lists of the others.
    fn share(&mut self, memory: usize, max_frame: usize) {
        self.0.iter_mut().filter(|disk| disk.folders.is_empty()).for_each(|disk| drop(disk.list.take()));
        let is_named = |disk: &&Disk| !disk.folders.is_empty();
        let named = self.0.iter().filter(is_named).count();
        let part = memory / named.max(1);
        if named > 1 && part < max_frame.saturating_add(session::MIN_FREE) {
            let kib = part / 1024;
            log::warn!("recording.memory has {kib} KiB for each of {named} disks: large key frames may find no room");
        }
        self.0.iter().filter(is_named).for_each(|disk| disk.account.set_limit(part));
    }

    pub(super) fn of(&self, rule: &Record) -> Option<&Disk> {
        self.0.iter().find(|disk| disk.has(rule))
    }

    /// Sets whether the threads must be sent the rules.
    pub(super) fn set_changed(&mut self, changed: bool) {
        self.0.iter_mut().for_each(|disk| disk.changed = changed);
    }

    /// Sends the rules to the threads; if a disk's queue is full, it is tried again at the next call. Disks without
    /// rules are removed once their work is done.
    pub(super) fn tell(&mut self, rules: &[Arc<Record>]) {
        self.0.iter_mut().for_each(Disk::give_up);
        for disk in self.0.iter_mut().filter(|disk| disk.changed) {
            let own = rules.iter().filter(|rule| disk.has(rule)).cloned().collect();
            let number = disk.sent.wrapping_add(1);
            if disk.jobs.try_send(Job::Rules(own, number)).is_ok() {
                (disk.sent, disk.changed) = (number, false);
            }
        }
        self.0.retain(|disk| !disk.is_done());
    }

    /// True if all threads have received the rules, and no disk is to be removed.
    pub(super) fn are_settled(&self) -> bool {
        self.0.iter().all(|disk| !disk.changed && !disk.folders.is_empty())
    }

    /// Drops the queues, so that the threads end after their remaining jobs; returns the threads.
    pub(super) fn end(&mut self) -> Vec<Threads> {
        self.0.drain(..).map(|disk| disk.threads).collect()
    }
}

impl Device {
    fn of(rule: &Record) -> Self {
        if rule.mounted { Self::At(rule.path.clone().into()) } else { Self::Number(disk_of(rule.path.as_ref())) }
    }
}

impl Disk {
    /// True if the rule's folder is on this disk, by its path in the configuration.
    fn has(&self, rule: &Record) -> bool {
        self.folders.iter().any(|folder| folder == Path::new(&rule.path))
    }

    fn start(core: &Core, config: &Config, device: Device) -> Result<Self, Unready> {
        let sync = Pace::default();
        sync.set(config.recording.sync.0);
        let (busy, applied, (keeper, news)) = (Busy::default(), Arc::default(), sync_channel(keep::MAX_MESSAGES));
        let kept = Keeper::new(sync.clone(), busy.clone(), Arc::clone(&applied));
        let (jobs, queue) = Queue::new(costs::jobs(config));
        let writer = Writer::new(sync.clone(), busy, keeper.clone());
        let written = queue.clone();
        let threads =
            [thread("runnel-record", move || writer.run(&written))?, thread("runnel-keep", move || kept.run(&news))?];
        let account = core.recordings.child("record", 0);
        Ok(Self {
            device,
            folders: Vec::new(),
            jobs,
            queue,
            account,
            threads,
            changed: true,
            sent: 0,
            applied,
            given_up: false,
            list: None,
            keeper,
            sync,
        })
    }

    /// Assigns its threads to another device, after the jobs that they have.
    fn adopt(&mut self, core: &Core, device: Device) {
        (self.device, self.given_up) = (device, false);
        {
            let keeper = self.keeper.clone();
            let ask = Box::new(move |asked| keeper.try_send(Message::Asked(asked)).is_ok());
            self.list = Some(core.recorded.add_list(ask));
        }
    }

    /// True if a thread is long at one job, or has not applied the last rules.
    fn lags(&self) -> bool {
        self.queue.busy() > SLOW_JOB || !self.has_applied()
    }

    fn has_applied(&self) -> bool {
        self.applied.load(Relaxed) == self.sent
    }

    /// Takes back the jobs of a disk without rules that does not answer: other disks need the memory.
    fn give_up(&mut self) {
        if self.folders.is_empty() && !self.given_up && self.queue.busy() >= BLOCKED_JOB {
            log::error!(
                "recording: a disk that no rule names any more has not answered for {} s: what was not yet written is lost",
                BLOCKED_JOB.as_secs()
            );
            self.queue.take_back();
            (self.given_up, self.changed) = (true, true);
        }
    }

    /// True if the disk has no rules, and both threads have done all jobs.
    fn is_done(&self) -> bool {
        self.folders.is_empty() && !self.changed && self.has_applied()
    }
}

fn thread(name: &str, run: impl FnOnce() + Send + 'static) -> Result<JoinHandle<()>, Unready> {
    let thread = std::thread::Builder::new().name(name.into()).spawn(run);
    thread.map_err(Unready::Thread)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicBool;

    use super::*;
    use crate::record::recording::Recording;
    use crate::record::writer::Place;

    impl Disks {
        fn go_by(&mut self, core: &Core, config: &Config) {
            let prepared = self.prepare(core, config).unwrap();
            self.follow(core, config, prepared);
            self.set_changed(true);
            self.tell_all(config);
        }

        fn tell_all(&mut self, config: &Config) {
            self.tell(&config.record.iter().cloned().map(Arc::new).collect::<Vec<_>>());
        }

        fn folders(&self) -> Vec<Vec<&str>> {
            let folders = self.0.iter().map(|disk| disk.folders.iter().filter_map(|folder| folder.to_str()));
            folders.map(Iterator::collect).collect()
        }

        /// Ends all threads except those that are blocked.
        fn join(mut self) {
            self.end().into_iter().flatten().for_each(|thread| thread.join().unwrap());
        }
    }

    /// A configuration with cards, each of which is a disk.
    fn cards(names: &[&str]) -> Config {
        let tables =
            names.iter().map(|name| format!("[[record]]\nstreams = \"*\"\npath = \"/mnt/{name}\"\nmounted = true\n"));
        Config::parse("test", &format!("profile = \"box\"\n{}", tables.collect::<String>())).unwrap()
    }

    /// A writer that is blocked with the first of several jobs, each of which holds a block.
    fn stand_still(core: &Core, disk: &mut Disk, rule: &Record) -> Arc<Queue> {
        let (jobs, queue) = Queue::new(10);
        for id in 0..3 {
            let (name, who) = (crate::hub::Name::new("cam").unwrap(), core.who("RECORD"));
            let recording = Recording::new(core, Arc::new(rule.clone()), name, who);
            let place = Place { recording, begun: Duration::ZERO, number: 0 };
            jobs.send(Job::Open { id, place, failed: Arc::new(AtomicBool::new(false)) }).unwrap();
            let bytes = crate::budget::BlockMut::new(&disk.account, 1000).unwrap().freeze();
            jobs.send(Job::Write { id, bytes }).unwrap();
        }
        // the replaced thread has no more jobs
        (disk.jobs, disk.queue) = (jobs, queue.clone());
        drop(queue.next(Duration::ZERO).unwrap());
        queue
    }

    fn until(mut what: impl FnMut() -> bool) {
        let end = std::time::Instant::now() + Duration::from_secs(120);
        while !what() {
            assert!(std::time::Instant::now() < end, "it never comes");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    #[test]
    fn what_moves_off_a_disk_that_stands_still_has_threads_of_its_own() {
        let four = cards(&["a", "b", "c", "d"]);
        let core = Core::new(four.clone(), crate::registry::costs(), Arc::default());
        let mut disks = Disks::default();
        disks.go_by(&core, &four);
        let queue = stand_still(&core, &mut disks.0[3], &four.record[3]);
        until(|| queue.busy() > SLOW_JOB);
        // nothing changes if the configuration is refused later
        let moved = cards(&["a", "b", "c", "e"]);
        assert_eq!(disks.prepare(&core, &moved).unwrap().len(), 1);
        assert_eq!(disks.folders(), [["/mnt/a"], ["/mnt/b"], ["/mnt/c"], ["/mnt/d"]]);
        disks.go_by(&core, &moved);
        assert_eq!(disks.folders(), [vec!["/mnt/a"], vec!["/mnt/b"], vec!["/mnt/c"], vec![], vec!["/mnt/e"]]);
        // no further disk is allowed, but one has idle threads
        until(|| disks.0[4].has_applied());
        disks.go_by(&core, &cards(&["a", "b", "c", "f"]));
        assert_eq!(disks.folders(), [vec!["/mnt/a"], vec!["/mnt/b"], vec!["/mnt/c"], vec![], vec!["/mnt/f"]]);
        // and the memory of the jobs that it will not write is given back
        let account = disks.0[3].account.clone();
        assert!(account.used() >= 3000);
        until(|| {
            disks.tell_all(&cards(&[]));
            account.used() == 0
        });
        disks.join();
    }

    #[test]
    fn what_no_rule_names_ends_when_all_is_written() {
        let two = cards(&["a", "b"]);
        let core = Core::new(two.clone(), crate::registry::costs(), Arc::default());
        let mut disks = Disks::default();
        disks.go_by(&core, &two);
        let one = cards(&["b"]);
        disks.go_by(&core, &one);
        assert!(core.recorded.has_list());
        until(|| {
            disks.tell_all(&one);
            disks.0.len() == 1
        });
        assert_eq!((disks.folders(), disks.0[0].account.limit()), (vec![vec!["/mnt/b"]], two.recording.memory.0));
        disks.go_by(&core, &cards(&[]));
        assert!(!core.recorded.has_list());
        disks.join();
    }

    #[test]
    fn a_folder_has_one_keeper_however_it_is_written() {
        let rule = |path: &str, format: &str, mounted: bool| {
            format!("[[record]]\nstreams = \"*\"\npath = {path:?}\nformat = {format:?}\nmounted = {mounted}\n")
        };
        let [card, same, loose] =
            [rule("/mnt/card", "flv", true), rule("/mnt/card/", "ts", true), rule("//mnt/./card", "fmp4", false)];
        let config = Config::parse("test", &format!("profile = \"box\"\n{card}{same}{loose}")).unwrap();
        assert_eq!(costs::disks(&config), 1);
        let core = Core::new(config.clone(), crate::registry::costs(), Arc::default());
        // more than one file can be open
        let text = format!("profile = \"box\"\n{card}{same}{loose}{}", rule("/mnt/other", "flv", true));
        let more = Config::parse("test", &text).unwrap();
        let mut disks = Disks::default();
        disks.go_by(&core, &more);
        assert_eq!(disks.0.len(), 2);
        let of = |rule| disks.of(rule).map(std::ptr::from_ref);
        let first = of(&more.record[0]);
        assert!(more.record[..3].iter().all(|rule| of(rule) == first) && of(&more.record[3]) != first);
        disks.join();
    }
}
