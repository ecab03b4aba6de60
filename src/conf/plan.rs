//! The plan of a configuration: the memory that it can cost at worst.

use std::collections::BTreeSet;
use std::net::IpAddr;

use super::Config;
use crate::budget::{Line, Plan};
use crate::disk;

/// The program itself: code that has been touched, the allocator, lines of the log on their way
/// (64 KiB), the thread of the log, the one that writes to `hls.store`, one for
/// names, and `OWN_DISK_THREADS`. Measured as resident memory on x86-64, where the code is largest,
/// after all of it had been used.
const PROGRAM: usize = if cfg!(feature = "tls") { (5 << 20) + (256 << 10) } else { 4 << 20 };
/// A thread's stack as far as it is touched, its read buffer, its allocator's cache.
const THREAD: usize = 256 << 10;
/// A connection: task, socket, machine, and what it may hold.
pub const CONNECTION: usize = 6 << 10;
/// The same before it is let in: a handshake, a head, commands.
pub const GREETING: usize = 26 << 10;
/// The part of both that a connection is itself; what it holds has an account (`budget::Greetings`).
const SELF: usize = 5 << 10;
/// The most that messages of one connection may have of that. The longest are `connect` of RTMP, with
/// three URLs.
const MESSAGES: usize = 6 << 10;
/// A request while its file is looked for, and the holes that such requests leave in the heap. Measured
/// on x86-64 with glibc.
const FILE_REQUEST: usize = 1 << 10;
/// Two UDP sockets, and the list of packets that wait for late ones.
const UDP_PAIR: usize = 20 << 10;
/// A connection's keys and the record that comes in, beside the one that goes out.
const TLS: usize = 32 << 10;
/// A recording: its task, and where the key frames of its file are.
const RECORDING: usize = 24 << 10;
/// The threads of a disk with recordings: stacks, names that are compared with the folder, sums,
/// an answer.
const RECORDED_DISK: usize = 104 << 10;
/// A place in the queue of a disk with recordings.
pub const RECORD_JOB: usize = 112;
/// Bytes of a recording that are handed on at once.
pub const RECORD_BLOCK: usize = 32 << 10;
/// So many disks with recordings have threads of their own.
const RECORDED_DISKS: usize = 4;
/// So many more, from which recordings were moved away, may stand still.
const GIVEN_UP: usize = 1;
/// So many threads that wait for disks are the program's.
const OWN_DISK_THREADS: usize = 2;
/// The most threads that wait for disks at once: the second number if `memory.total` is less than the
/// first, else the third. Each disk that stands still takes two, that of `hls.store` three.
const DISK_THREADS: (usize, usize, usize) = (16 << 20, 4, 8);
/// A thread that looks a name up: its stack, answers of name servers, its allocator's cache.
/// Measured on x86-64 with glibc.
const NAME_THREAD: usize = 40 << 10;
/// The most such threads at once: the second number if `memory.total` is less than the first, else the third.
const NAME_THREADS: (usize, usize, usize) = (16 << 20, 2, 4);
/// The row of an address from which connections come.
pub const ADDRESS: usize = 160;
/// A session in the list of those that publish and play, with its URL.
pub const SESSION: usize = 512;
/// A file that is played: its task, its tables or packets, and the list of what was read ahead.
const PLAYED_FILE: usize = 128 << 10;
/// The receive buffer of a connection that only asks, and the send buffer of one that only gets answers, in
/// bytes.
pub const SMALL_BUFFER: usize = 8 << 10;

impl Config {
    /// Connections that may be open at once.
    pub fn max_connections(&self) -> usize {
        self.streams.max.saturating_add(self.viewers.max).saturating_add(self.connections.spare)
    }

    /// Bytes that connections may hold beside what they are themselves: all of those that are open
    /// may be ones that nobody has let in.
    pub fn greetings(&self) -> usize {
        let let_in = self.streams.max.saturating_add(self.viewers.max).saturating_mul(CONNECTION - SELF);
        let_in.saturating_add(self.connections.spare.saturating_mul(GREETING - SELF))
    }

    /// The part of `greetings` that one connection may have: those of one address have two thirds at most.
    pub fn greeting(&self) -> usize {
        let all = self.max_connections();
        (self.greetings() / 3 * 2 / self.per_peer(all).clamp(1, all.max(1))).min(MESSAGES)
    }

    /// The part of `most` that one address may have: a share for others is rounded down, so that
    /// all of a few can be had.
    pub fn per_peer(&self, most: usize) -> usize {
        match self.connections.per_peer {
            // no address is asked before the maximum itself
            100.. => usize::MAX,
            part => most - most.saturating_mul(100 - part) / 100,
        }
    }

    /// The part of `most` places for streams that one address may keep from others that find none: if
    /// there are two or more, one at least is for others.
    pub fn per_peer_of_few(&self, most: usize) -> usize {
        match self.per_peer(most) {
            usize::MAX => usize::MAX,
            part => part.min(most.max(2) - 1),
        }
    }

    /// Connections that may be under TLS at once.
    pub fn tls_connections(&self) -> usize {
        let pulled = self.pull.iter().filter(|pull| pull.url.0.is_tls()).count();
        let pushed = self.push.iter().filter(|push| push.url.0.is_tls());
        let ours = pulled + pushed.map(|push| if push.is_pattern() { self.streams.max } else { 1 }).sum::<usize>();
        ours + if self.tls.cert.is_empty() { 0 } else { self.tls.max }
    }

    /// Pairs of UDP ports that may be open at once.
    pub fn udp_pairs(&self) -> usize {
        if self.rtsp.enable && self.rtsp.udp { self.rtsp.udp_pairs } else { 0 }
    }

    /// Sockets and files that may be open at once: a connection may be sent a file.
    pub fn descriptors(&self) -> usize {
        let each = if self.serves_files() { 2 } else { 1 };
        self.max_connections().saturating_mul(each) + 2 * self.udp_pairs() + 2 * self.recordings() + self.played_files()
    }

    fn serves_files(&self) -> bool {
        !self.http.root.is_empty() || !self.record.is_empty() || self.hls.store.0.is_some()
    }

    /// Threads that may wait for disks at once, beside those that write. If no files are served or
    /// played, these are for the configuration, certificates, and authorities, each on another disk.
    pub fn disk_threads(&self) -> usize {
        let (small, few, many) = DISK_THREADS;
        let most = if self.memory.total.0 < small { few } else { many };
        if self.serves_files() || self.played_files() > 0 {
            return most;
        }
        let authorities = self.pull.iter().map(|pull| &pull.ca).chain(self.push.iter().map(|push| &push.ca));
        let authorities: BTreeSet<_> = authorities.filter(|file| !file.is_empty()).collect();
        (1 + usize::from(!self.tls.cert.is_empty()) + authorities.len()).min(most)
    }

    /// Threads that may look names up at once: one for each name that relays have, up to a few.
    pub fn name_threads(&self) -> usize {
        let urls = self.pull.iter().map(|pull| &pull.url.0).chain(self.push.iter().map(|push| &push.url.0));
        let names =
            urls.map(|url| url.host.as_str()).filter(|host| !host.is_empty() && host.parse::<IpAddr>().is_err());
        let (small, few, many) = NAME_THREADS;
        let most = if self.memory.total.0 < small { few } else { many };
        names.collect::<BTreeSet<_>>().len().clamp(1, most)
    }

    /// Files that may be written at once.
    pub fn recordings(&self) -> usize {
        #[cfg(feature = "record")]
        if !self.record.is_empty() {
            return self.recording.max;
        }
        0
    }

    /// Disks that recordings have threads for: as many as there may be by the folders. Each
    /// is to have memory for a recording.
    pub fn record_disks(&self) -> usize {
        #[cfg(feature = "record")]
        let folders = {
            let folders = self.record.iter().map(|record| std::path::Path::new(&record.path));
            folders.collect::<BTreeSet<_>>().len()
        };
        #[cfg(not(feature = "record"))]
        let folders = 0;
        folders.min(RECORDED_DISKS).min(self.recordings())
    }

    /// The same with those that no rule names any more, whose threads stand still.
    pub fn record_places(&self) -> usize {
        match self.record_disks() {
            0 => 0,
            disks => disks + GIVEN_UP,
        }
    }

    /// Places in the queue of each of them: for every block that the memory allows, each of which may be
    /// all of a file that is begun before it and closed behind it; and for some that have none.
    pub fn record_jobs(&self) -> usize {
        (self.recording_memory() / RECORD_BLOCK).saturating_mul(3).saturating_add(16 * (self.recordings() + 1))
    }

    /// Files that may be played at once.
    pub fn played_files(&self) -> usize {
        self.pull.iter().filter(|pull| pull.url.0.is_file()).count()
    }

    /// Bytes that may wait for the disk.
    pub fn recording_memory(&self) -> usize {
        #[cfg(feature = "record")]
        if !self.record.is_empty() {
            return self.recording.memory.0;
        }
        0
    }

    /// The worst case.
    pub fn plan(&self) -> Plan {
        let line = |what, keys, count, user, kernel| Line { what, keys, count, user, kernel };
        let (send, receive) = (self.viewers.send_buffer.0, self.publish.receive_buffer.0);
        let hls = if self.hls.enable { self.hls.memory.0 } else { 0 };
        let hls_players = if self.hls.enable && self.hls.sessions { self.viewers.max } else { 0 };
        // the kernel doubles what it is asked for, to account for its own structures
        let datagrams = |send: usize, receive: usize| send.saturating_add(receive).saturating_mul(2);
        // and where it looks for room there is still one write
        let kernel = |send: usize, receive: usize| datagrams(send, receive).saturating_add(send);
        Plan {
            lines: vec![
                line("program", &[], 1, PROGRAM, 0),
                line("threads", &["threads"], self.threads.0, THREAD, 0),
                line("streams: memory", &["streams.max", "streams.memory"], self.streams.max, self.streams.memory.0, 0),
                line(
                    "streams: publishers",
                    &["streams.max", "publish.receive_buffer"],
                    self.streams.max,
                    CONNECTION,
                    kernel(SMALL_BUFFER, receive),
                ),
                line(
                    "viewers",
                    &["viewers.max", "viewers.send_buffer"],
                    self.viewers.max,
                    CONNECTION,
                    kernel(send, SMALL_BUFFER),
                ),
                line(
                    "connections not let in yet",
                    &["connections.spare"],
                    self.connections.spare,
                    GREETING,
                    kernel(send, SMALL_BUFFER),
                ),
                line(
                    "sessions",
                    &["streams.max", "viewers.max", "rtsp.udp_pairs"],
                    // a multicast has two pairs of ports
                    [self.streams.max, self.viewers.max, self.udp_pairs() / 2, hls_players]
                        .into_iter()
                        .fold(0, usize::saturating_add),
                    SESSION,
                    0,
                ),
                line("addresses", &["connections.spare"], self.max_connections(), ADDRESS, 0),
                line(
                    "requests for files",
                    &["connections.spare"],
                    if self.serves_files() { self.max_connections() } else { 0 },
                    FILE_REQUEST,
                    0,
                ),
                line(
                    "RTSP over UDP: port pairs",
                    &["rtsp.udp_pairs"],
                    self.udp_pairs(),
                    UDP_PAIR,
                    datagrams(send.max(receive), 2 * SMALL_BUFFER),
                ),
                line("TLS", &["tls.max", "tls.record"], self.tls_connections(), TLS + self.tls.record.0, 0),
                line("recordings", &["recording.max"], self.recordings(), RECORDING, 0),
                line("recordings: memory", &["recording.memory"], self.recordings().min(1), self.recording_memory(), 0),
                line(
                    "recordings: disks",
                    &["recording.memory"],
                    self.record_places(),
                    self.record_jobs().saturating_mul(RECORD_JOB).saturating_add(RECORDED_DISK),
                    0,
                ),
                line(
                    "further threads for disks",
                    &[],
                    self.disk_threads().saturating_sub(OWN_DISK_THREADS),
                    disk::THREAD,
                    0,
                ),
                // the first is the program's
                line("further threads for names", &[], self.name_threads() - 1, NAME_THREAD, 0),
                line("files that are played", &["pull"], self.played_files(), PLAYED_FILE, 0),
                line("HLS segments", &["hls.memory"], 1, hls, 0),
            ],
            limit: self.memory.total.0,
        }
    }
}

#[cfg(all(test, feature = "rtmp", feature = "tls", feature = "record"))]
mod tests {
    use super::*;

    #[test]
    fn of_few_places_one_at_least_is_for_others() {
        let parts = |per_peer: usize| {
            let config = Config::parse("test", &format!("connections.per_peer = {per_peer}\n")).unwrap();
            [1, 2, 3, 4, 8].map(|most| config.per_peer_of_few(most))
        };
        assert_eq!((parts(75), parts(100)), ([1, 1, 2, 3, 6], [usize::MAX; 5]));
    }

    #[test]
    fn a_pattern_of_pushes_may_have_as_many_sessions_as_there_are_streams() {
        let sessions = |stream: &str| {
            let push = format!("streams.max = 5\n[[push]]\nstream = {stream:?}\nurl = \"rtmps://h/live\"\n");
            Config::parse("test", &push).unwrap().tls_connections()
        };
        assert_eq!((sessions("a"), sessions("*"), sessions("a?")), (1, 5, 5));
    }

    #[test]
    fn each_file_that_is_read_meanwhile_may_be_on_a_disk_that_stands_still() {
        let threads = |profile: &str, text: &str| {
            let config = Config::parse("test", &format!("profile = {profile:?}\n{text}")).unwrap();
            let plan = config.plan();
            let line = plan.lines.iter().find(|line| line.what == "further threads for disks").unwrap();
            (config.disk_threads(), line.count)
        };
        let tls = "[tls]\ncert = \"/c\"\nkey = \"/k\"\n";
        let pull =
            |name: &str, ca: &str| format!("[[pull]]\nstream = {name:?}\nurl = \"rtsps://h/{name}\"\nca = \"/{ca}\"\n");
        assert_eq!(threads("box", ""), (1, 0));
        assert_eq!(threads("box", tls), (2, 0));
        assert_eq!(threads("box", &format!("{tls}{}{}{}", pull("a", "x"), pull("b", "y"), pull("c", "x"))), (4, 2));
        assert_eq!(threads("box", "[http]\nroot = \"/srv\"\n"), (8, 6));
        assert_eq!(threads("tiny", "[hls]\nstore = \"/srv\"\n"), (4, 2));
    }

    #[test]
    fn each_name_of_a_relay_may_have_a_thread_up_to_a_few() {
        let threads = |profile: &str, hosts: &[&str]| {
            let push =
                |(at, host): (usize, &&str)| format!("[[push]]\nstream = \"a{at}\"\nurl = \"rtmp://{host}/live/b\"\n");
            let text = format!("profile = {profile:?}\n{}", hosts.iter().enumerate().map(push).collect::<String>());
            Config::parse("test", &text).unwrap().name_threads()
        };
        assert_eq!(threads("router", &[]), 1);
        assert_eq!(threads("router", &["10.0.0.7", "[::1]", "a", "b", "a"]), 2);
        assert_eq!(threads("router", &["a", "b", "c", "d", "e"]), 4);
        assert_eq!(threads("tiny", &["a", "b", "c", "d", "e"]), 2);
    }

    #[test]
    fn what_connections_may_hold_is_in_their_rows() {
        const ROWS: [&str; 3] = ["streams: publishers", "viewers", "connections not let in yet"];
        for profile in ["tiny", "router", "box"] {
            let config = Config::parse("test", &format!("profile = {profile:?}\n")).unwrap();
            let lines = config.plan().lines;
            let rows = lines.iter().filter(|line| ROWS.contains(&line.what));
            let (count, bytes) = rows.fold((0, 0), |(n, bytes), row| (n + row.count, bytes + row.count * row.user));
            assert_eq!(count * SELF + config.greetings(), bytes, "{profile}");
            // one address leaves something to others
            let shared = config.greetings() * 2 / 3;
            assert!(config.per_peer(count) * config.greeting() <= shared, "{profile}");
            assert!(config.greeting() >= 2 << 10, "{profile}");
        }
    }

    #[test]
    fn queues_for_disks_are_planned_as_they_grow() {
        let disks = |memory: &str| {
            let record = "profile = \"box\"\nrecord = [{ streams = \"*\", path = \"/m\" }]\n";
            let config = Config::parse("test", &format!("{record}recording.memory = {memory:?}\n")).unwrap();
            let plan = config.plan();
            let line = plan.lines.iter().find(|line| line.what == "recordings: disks").unwrap();
            (line.count, line.user)
        };
        let (few, many) = (disks("1MiB"), disks("65MiB"));
        // one more may stand still
        assert_eq!((few.0, many.0), (2, 2));
        // a place to begin a file, for a block and to end the file
        assert_eq!(many.1 - few.1, (64 << 20) / RECORD_BLOCK * 3 * RECORD_JOB);
    }
}
