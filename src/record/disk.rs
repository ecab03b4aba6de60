//! A disk that recordings go to: where it stands still, its own two threads and its part of
//! the memory do so with it.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread::JoinHandle;

use super::folder::Busy;
use super::keep::{self, Keeper};
use super::session;
use super::writer::{Job, Writer};
use crate::budget::Account;
use crate::conf::{Config, Record};
use crate::net::disk_of;
use crate::serve::Server;

/// Those that are known, and which folder is on which: that stays as it was found first.
#[derive(Default)]
pub(super) struct Disks(Vec<Disk>);

/// The threads of a disk: the one that writes, and the one that keeps.
pub(super) type Threads = [JoinHandle<()>; 2];

pub(super) struct Disk {
    device: Device,
    folders: Vec<PathBuf>,
    pub(super) jobs: SyncSender<Job>,
    /// What it may hold in memory.
    pub(super) account: Account,
    threads: Threads,
    /// The threads have not heard of the rules.
    changed: bool,
}

#[derive(PartialEq)]
enum Device {
    /// Whatever will be mounted there.
    At(PathBuf),
    Number(u64),
}

impl Disks {
    /// Begins what the folders of all rules want.
    pub(super) fn provide(&mut self, server: &Server, config: &Config) -> Result<(), String> {
        for rule in &config.record {
            if self.of(rule).is_some() {
                continue;
            }
            let device = Device::of(rule);
            if let Some(disk) = self.0.iter_mut().find(|disk| disk.device == device) {
                disk.folders.push(rule.path.clone().into());
            } else if self.0.len() < config.record_disks() {
                self.0.push(Disk::start(server, config, device, &rule.path)?);
            } else if let Some(last) = self.0.last_mut() {
                last.folders.push(rule.path.clone().into());
            }
        }
        let memory = server.record_account().limit().max(config.recording_memory());
        let part = memory / self.0.len().max(1);
        self.0.iter().for_each(|disk| disk.account.set_limit(part));
        Ok(())
    }

    pub(super) fn of(&self, rule: &Record) -> Option<&Disk> {
        self.0.iter().find(|disk| disk.has(rule))
    }

    /// Whether the threads have yet to hear of rules.
    pub(super) fn set_changed(&mut self, changed: bool) {
        self.0.iter_mut().for_each(|disk| disk.changed = changed);
    }

    /// Has the threads hear of the rules; those of a disk that has too much to do, later.
    pub(super) fn tell(&mut self, rules: &[Arc<Record>]) {
        for disk in self.0.iter_mut().filter(|disk| disk.changed) {
            let own = rules.iter().filter(|rule| disk.has(rule)).cloned().collect();
            disk.changed = disk.jobs.try_send(Job::Rules(own)).is_err();
        }
    }

    /// Nothing more is to be done; the threads end with what there is.
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
    /// However its folder is written.
    fn has(&self, rule: &Record) -> bool {
        self.folders.iter().any(|folder| folder == Path::new(&rule.path))
    }

    fn start(server: &Server, config: &Config, device: Device, folder: &str) -> Result<Self, String> {
        let sync = config.recording.sync.0;
        let (busy, (keeper, news)) = (Busy::default(), sync_channel(keep::NEWS));
        let kept = Keeper::new(!sync.is_zero(), busy.clone());
        // every block that the account allows, each of which may be all of a file that is
        // begun before it and closed behind it; and some that have none
        let jobs = 3 * (config.recording.memory.0 / session::BLOCK) + 16 * (config.recording.max + 1);
        let (sender, jobs) = sync_channel(jobs);
        let writer = Writer::new(sync, server.recorded.clone(), busy, keeper.clone());
        let threads =
            [thread("runnel-record", move || writer.run(&jobs))?, thread("runnel-keep", move || kept.run(&news))?];
        #[cfg(feature = "files")]
        server.recorded.add_list(Box::new(move |asked| keeper.try_send(keep::News::Asked(asked)).is_ok()));
        let account = server.record_account().child("record", 0);
        Ok(Self { device, folders: vec![folder.into()], jobs: sender, account, threads, changed: true })
    }
}

fn thread(name: &str, run: impl FnOnce() + Send + 'static) -> Result<JoinHandle<()>, String> {
    let thread = std::thread::Builder::new().name(name.into()).spawn(run);
    thread.map_err(|error| format!("a thread cannot be started: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_has_one_keeper_however_it_is_written() {
        let rule = |path: &str, format: &str, mounted: bool| {
            format!("[[record]]\nstreams = \"*\"\npath = {path:?}\nformat = {format:?}\nmounted = {mounted}\n")
        };
        let [card, same, loose] =
            [rule("/mnt/card", "flv", true), rule("/mnt/card/", "ts", true), rule("//mnt/./card", "fmp4", false)];
        let config = Config::parse("test", &format!("profile = \"box\"\n{card}{same}{loose}")).unwrap();
        assert_eq!(config.record_disks(), 1);
        let server = Server::new(config.clone(), Arc::default());
        // more than one may be had
        let text = format!("profile = \"box\"\n{card}{same}{loose}{}", rule("/mnt/other", "flv", true));
        let more = Config::parse("test", &text).unwrap();
        let mut disks = Disks::default();
        disks.provide(&server, &more).unwrap();
        assert_eq!(disks.0.len(), 2);
        let of = |rule| disks.of(rule).map(|disk| std::ptr::from_ref(&disk.account));
        let first = of(&more.record[0]);
        assert!(more.record[..3].iter().all(|rule| of(rule) == first) && of(&more.record[3]) != first);
        let threads = disks.end();
        threads.into_iter().flatten().for_each(|thread| thread.join().unwrap());
    }
}
