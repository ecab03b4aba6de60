//! The memory of threads that all protocols share: those that run connections, and those that wait for disks and names.

use std::collections::BTreeSet;
use std::net::IpAddr;

use crate::budget::Key::Count;
use crate::conf::{Config, Cost};
use crate::disk;
use crate::net;

/// The bytes of a thread: its used stack, its read buffer, its allocator's cache.
const THREAD: usize = 256 << 10;
/// The number of connections that the first thread has before others get any. Each thread is woken for each frame of a
/// stream of which it has viewers: with 20 RTMP players on two threads that took 1.3 times the processor time, with 100
/// 1.04 times.
const TOGETHER: usize = 32;
/// The `memory.total` below which there are few threads that wait.
const SMALL_MEMORY: usize = 16 << 20;
/// The most threads that wait for disks at once, with little and with much memory. Each disk that does not respond
/// blocks two, that of `hls.store` three.
const DISK_THREADS: (usize, usize) = (4, 8);
/// The number of threads for disks that the program's own line of the plan includes.
const OWN_DISK_THREADS: usize = 2;
/// The most threads that resolve names at once, with little and with much memory.
const NAME_THREADS: (usize, usize) = (2, 4);
/// The number of threads for names that the program's own line of the plan includes.
const OWN_NAME_THREADS: usize = 1;

/// Threads that run connections.
pub(super) static CONNECTIONS: Cost = Cost {
    what: "threads",
    keys: &[Count("threads")],
    count: Config::connection_threads,
    user: |_| THREAD,
    kernel: |_| 0,
};

/// Threads that wait for disks, beside the program's own.
pub(super) static DISKS: Cost = Cost {
    what: "further threads for disks",
    keys: &[],
    count: |all| for_disks(all).saturating_sub(OWN_DISK_THREADS),
    user: |_| disk::THREAD,
    kernel: |_| 0,
};

/// Threads that resolve names, beside the program's own.
pub(super) static NAMES: Cost = Cost {
    what: "further threads for names",
    keys: &[],
    count: |all| for_names(all).saturating_sub(OWN_NAME_THREADS),
    user: |_| net::NAME_THREAD,
    kernel: |_| 0,
};

/// The number of connections that the first thread has before others get any: at most half of its share, where few
/// connections are allowed.
pub(super) fn together(config: &Config) -> usize {
    TOGETHER.min(config.max_connections() / 2 / config.connection_threads().max(1))
}

/// Allows the planned numbers of threads.
pub(super) fn allow(config: &Config) {
    disk::allow(for_disks(config));
    net::allow_names(for_names(config));
}

/// The number of threads that may wait for disks at once, without those that write. If no files are served or played,
/// they are for the configuration, certificates, authorities, keys of tokens, and programs that are run, each on
/// another disk.
fn for_disks(config: &Config) -> usize {
    let most = most(config, DISK_THREADS);
    if config.serves_files() || config.played_files() > 0 {
        return most;
    }
    let authorities = config.pull.iter().map(|pull| &pull.ca).chain(config.push.iter().map(|push| &push.ca));
    let authorities = authorities.chain(config.receivers().map(|(_, ca)| ca));
    let authorities = authorities.chain(config.asked().map(|(_, _, ca, _)| ca));
    let authorities: BTreeSet<_> = authorities.filter(|file| !file.is_empty()).collect();
    let keys: BTreeSet<_> = config.key_files().map(|(_, file)| file).collect();
    let programs = usize::from(config.commands_at_once() > 0);
    (1 + usize::from(!config.tls.cert.is_empty()) + authorities.len() + keys.len() + programs).min(most)
}

/// The number of threads that may resolve names at once: one for each name in relays, of receivers and of servers that
/// rules ask, and for each pull by the API, up to a limit.
fn for_names(config: &Config) -> usize {
    let urls = config.pull.iter().map(|pull| &pull.url.0).chain(config.push.iter().map(|push| &push.url.0));
    let urls = urls.chain(config.receivers().map(|(url, _)| url));
    let urls = urls.chain(config.asked().map(|(_, url, ..)| url));
    let names = urls.map(|url| url.host.as_str()).filter(|host| !host.is_empty() && host.parse::<IpAddr>().is_err());
    let known = names.collect::<BTreeSet<_>>().len();
    known.saturating_add(config.api_pulls()).clamp(OWN_NAME_THREADS, most(config, NAME_THREADS))
}

fn most(config: &Config, (few, many): (usize, usize)) -> usize {
    if config.memory.total.0 < SMALL_MEMORY { few } else { many }
}

#[cfg(all(test, feature = "rtmp", feature = "rtsp", feature = "tls", feature = "record", feature = "auth"))]
mod tests {
    use super::*;
    use crate::conf::machine;

    #[test]
    fn each_file_that_is_read_meanwhile_may_be_on_a_disk_that_stands_still() {
        let threads = |profile: &str, text: &str| {
            let config = Config::parse("test", &format!("profile = {profile:?}\n{text}")).unwrap();
            (for_disks(&config), DISKS.line(&config).count)
        };
        let tls = "[tls]\ncert = \"/c\"\nkey = \"/k\"\n";
        let pull =
            |name: &str, ca: &str| format!("[[pull]]\nstream = {name:?}\nurl = \"rtsps://h/{name}\"\nca = \"/{ca}\"\n");
        assert_eq!(threads("box", ""), (1, 0));
        assert_eq!(threads("box", tls), (2, 0));
        assert_eq!(threads("box", &format!("{tls}{}{}{}", pull("a", "x"), pull("b", "y"), pull("c", "x"))), (4, 2));
        let token = "[[access]]\njwt_file = \"/j\"\n";
        assert_eq!(threads("box", &format!("{tls}{token}{token}")), (3, 1));
        assert_eq!(threads("box", "[http]\nroot = \"/srv\"\n"), (8, 6));
        assert_eq!(threads("tiny", "[hls]\nstore = \"/srv\"\n"), (4, 2));
    }

    #[test]
    fn each_name_of_a_relay_may_have_a_thread_up_to_a_few() {
        let threads = |profile: &str, by_api: usize, hosts: &[&str]| {
            let push =
                |(at, host): (usize, &&str)| format!("[[push]]\nstream = \"a{at}\"\nurl = \"rtmp://{host}/live/b\"\n");
            let text = format!(
                "profile = {profile:?}\napi.pulls = {by_api}\n{}",
                hosts.iter().enumerate().map(push).collect::<String>()
            );
            for_names(&Config::parse("test", &text).unwrap())
        };
        assert_eq!(threads("router", 0, &[]), 1);
        assert_eq!(threads("router", 0, &["10.0.0.7", "[::1]", "a", "b", "a"]), 2);
        assert_eq!(threads("router", 0, &["a", "b", "c", "d", "e"]), 4);
        assert_eq!(threads("tiny", 0, &["a", "b", "c", "d", "e"]), 2);
        assert_eq!(threads("router", 1, &["10.0.0.7"]), 1);
        assert_eq!(threads("router", 2, &["a"]), 3, "each pull by the API may have a name of its own");
        assert_eq!(threads("tiny", 1, &["a", "b"]), 2);
    }

    #[test]
    fn a_box_has_a_thread_for_each_processor_and_smaller_machines_one() {
        let planned = |text: &str| {
            let config = Config::parse("test", text).unwrap();
            let plan = crate::registry::plan(&config);
            assert!(plan.fits(), "{plan}");
            CONNECTIONS.line(&config).count
        };
        assert_eq!(planned("profile = \"box\"\n"), machine::processors().min(14));
        assert_eq!(planned("profile = \"box\"\nthreads = 14\n"), 14);
        assert_eq!([planned("profile = \"router\"\n"), planned("profile = \"tiny\"\n")], [1, 1]);
    }
}
