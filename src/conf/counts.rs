//! The numbers that follow from a configuration, which several modules need.

use std::path::Path;

use super::features::is_compiled;
use super::{Config, Threads, machine};

/// The maximum number of threads that run connections.
pub(super) const MAX_THREADS: usize = 64;
/// The part of `memory.total`, in bytes, for which `threads = "auto"` has one thread: all threads use a 32nd of it at
/// most.
const MEMORY_PER_THREAD: usize = 8 << 20;

/// The most connections to the API's Unix socket: an operator, and programs that look after the machine.
const MAX_SOCKET_CLIENTS: usize = 4;

impl Config {
    /// The most connections at once.
    pub fn max_connections(&self) -> usize {
        self.streams.max.saturating_add(self.viewers.max).saturating_add(self.connections.spare)
    }

    /// The part of `most` for one address. The share for others is rounded down, so that all of a small number can be
    /// used.
    pub fn per_peer(&self, most: usize) -> usize {
        match self.connections.per_peer {
            // no check of addresses: the maximum itself applies first
            100.. => usize::MAX,
            part => most - most.saturating_mul(100 - part) / 100,
        }
    }

    /// The part of `most` places for streams that one address may keep if others find none. With two or more places, at
    /// least one is for others.
    pub fn per_peer_of_few(&self, most: usize) -> usize {
        match self.per_peer(most) {
            usize::MAX => usize::MAX,
            part => part.min(most.max(2) - 1),
        }
    }

    /// The most connections under TLS at once.
    pub fn tls_connections(&self) -> usize {
        let pulled = self.pull.iter().filter(|pull| pull.url.0.is_tls()).count();
        let pushed = self.push.iter().filter(|push| push.url.0.is_tls());
        let ours = pulled + pushed.map(|push| if push.is_pattern() { self.streams.max } else { 1 }).sum::<usize>();
        let told = self.receivers().filter(|(url, _)| url.is_tls()).count();
        let asked = self.asked().filter(|(_, url, ..)| url.is_tls()).map(|(.., most)| most).sum::<usize>();
        let by_api = if is_compiled("tls") { self.api_pulls() } else { 0 };
        ours + told + asked + by_api + if self.tls.cert.is_empty() { 0 } else { self.tls.max }
    }

    /// The questions that one server of a rule is asked at once: eight, or fewer where few connections are allowed.
    pub fn questions(&self) -> usize {
        (self.max_connections() / 8).clamp(2, 8)
    }

    /// The questions to one server, on their way and waiting.
    pub fn open_questions(&self) -> usize {
        self.max_connections().min(self.questions() + 64)
    }

    /// The most streams that clients of the API may have pulled at once.
    pub fn api_pulls(&self) -> usize {
        if self.api.enable { self.api.pulls } else { 0 }
    }

    /// The bytes of the latest lines of the log, which the API shows.
    pub fn kept_log(&self) -> usize {
        if self.api.enable { self.log.kept.0 } else { 0 }
    }

    /// The path of the API's Unix socket, if there is one.
    pub fn api_socket(&self) -> Option<&Path> {
        let is_wanted = self.api.enable && is_compiled("api") && !self.api.socket.is_empty();
        is_wanted.then(|| Path::new(&self.api.socket))
    }

    /// The most connections to that socket at once.
    pub fn socket_clients(&self) -> usize {
        if self.api_socket().is_some() { MAX_SOCKET_CLIENTS } else { 0 }
    }

    /// The file that keeps what clients of the API changed.
    pub fn persist(&self) -> Option<&Path> {
        Some(Path::new(&self.api.persist)).filter(|path| self.api.enable && !path.as_os_str().is_empty())
    }

    /// The most clients of the API that read events at once.
    pub fn api_events(&self) -> usize {
        if self.api.enable { self.api.events } else { 0 }
    }

    /// The most pairs of UDP ports at once.
    pub fn udp_pairs(&self) -> usize {
        if self.rtsp.enable && self.rtsp.udp { self.rtsp.udp_pairs } else { 0 }
    }

    /// The most sockets and files at once: a connection may be sent a file.
    pub fn descriptors(&self) -> usize {
        let each = if self.serves_files() { 2 } else { 1 };
        let told = self.receivers().count() + 3 * self.commands_at_once();
        let asked = self.asked().map(|(.., most)| most).sum::<usize>();
        let files = 2 * self.recordings() + self.played_files();
        let others = told + asked + self.socket_clients();
        self.max_connections().saturating_mul(each) + 2 * self.udp_pairs() + files + others
    }

    /// True if HTTP may send files.
    pub fn serves_files(&self) -> bool {
        !self.http.root.is_empty() || !self.record.is_empty() || self.hls.store.0.is_some()
    }

    /// The number of threads that run connections.
    pub fn connection_threads(&self) -> usize {
        match self.threads {
            Threads::Auto => self.threads_for(machine::processors()),
            Threads::Number(number) => number,
        }
    }

    /// One thread for each processor, if `memory.total` is large enough.
    fn threads_for(&self, processors: usize) -> usize {
        (self.memory.total.0 / MEMORY_PER_THREAD).clamp(1, MAX_THREADS).min(processors)
    }

    /// The most files that are played at once.
    pub fn played_files(&self) -> usize {
        self.pull.iter().filter(|pull| pull.url.0.is_file()).count()
    }

    /// True if players of HLS have sessions: if they are told apart, or if a rule says who may play, because names of
    /// segments can be guessed.
    pub fn has_hls_sessions(&self) -> bool {
        self.hls.enable && (self.hls.sessions || self.guards_hls())
    }

    /// The most sessions of HLS players at once.
    pub fn hls_sessions(&self) -> usize {
        if self.has_hls_sessions() { self.viewers.max } else { 0 }
    }

    /// The most bytes of HLS.
    pub fn hls_memory(&self) -> usize {
        if self.hls.enable { self.hls.memory.0 } else { 0 }
    }
}

#[cfg(all(test, feature = "rtmp", feature = "tls"))]
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
            let push = format!(
                "streams.max = 5\napi.enable = false\n[[push]]\nstream = {stream:?}\nurl = \"rtmps://h/live\"\n"
            );
            Config::parse("test", &push).unwrap().tls_connections()
        };
        assert_eq!((sessions("a"), sessions("*"), sessions("a?")), (1, 5, 5));
    }

    #[test]
    fn threads_go_by_processors_and_have_a_small_part_of_the_memory() {
        let threads = |text: &str| {
            let config = Config::parse("test", text).unwrap();
            [1, 2, 4, 64, 128].map(|processors| config.threads_for(processors))
        };
        assert_eq!(threads("profile = \"box\"\n"), [1, 2, 4, 14, 14]);
        assert_eq!(threads("profile = \"router\"\n"), [1, 2, 3, 3, 3]);
        assert_eq!(threads("profile = \"tiny\"\n"), [1; 5]);
        assert_eq!(threads("profile = \"box\"\nmemory.total = \"1GiB\"\n"), [1, 2, 4, 64, 64]);
    }
}
