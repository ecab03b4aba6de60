//! The file: JSON, which only its owner may read, because URLs have passwords.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Read, Write};
use std::net::IpAddr;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::super::{Core, Relay, RelayState, Terms, Way, time_of_day};
use crate::conf::Source;
use crate::disk::open_at_once;
use crate::hub::Name;
use crate::media::Wall;

/// What is kept.
#[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Contents {
    relays: Vec<KeptRelay>,
    blacklist: Vec<KeptAddress>,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct KeptRelay {
    push: bool,
    stream: String,
    url: String,
    udp: bool,
    timeout_ms: u64,
    retries: Option<u32>,
    idle_ms: Option<u64>,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct KeptAddress {
    ip: IpAddr,
    /// Seconds since 1970.
    until: u64,
    /// Seconds from the time of writing: a clock that was not set since says too little time has passed.
    left_s: u64,
}

/// The reason why there are no contents.
#[derive(Debug)]
pub(super) enum Unread {
    /// There is no file.
    Missing,
    /// It is not what is written here, and was given this name.
    Broken(serde_json::Error, PathBuf),
    /// The disk failed.
    Failed(io::Error),
}

/// A relay or an address that is not restored.
pub(super) type Lost = String;

impl From<io::Error> for Unread {
    fn from(error: io::Error) -> Self {
        if error.kind() == ErrorKind::NotFound { Self::Missing } else { Self::Failed(error) }
    }
}

impl Contents {
    /// What the API has changed by now.
    pub(super) fn of(core: &Core, now: Instant) -> Self {
        let rows = core.relays.list().into_iter().filter(|row| !matches!(row.state, RelayState::Ended(_)));
        let relays = rows.filter_map(|row| Some(KeptRelay::of(&row.relay, &row.terms?))).collect();
        let Wall(today) = time_of_day();
        let address = |(ip, left): (IpAddr, Duration)| KeptAddress {
            ip,
            until: today.saturating_add(left).as_secs(),
            left_s: left.as_secs(),
        };
        Self { relays, blacklist: core.blacklist.list(now).into_iter().map(address).collect() }
    }

    /// The file's text.
    pub(super) fn text(&self) -> Vec<u8> {
        // none of our values fails: their keys are texts
        serde_json::to_vec(self).unwrap_or_default()
    }

    /// Has the core go on with it. Gives what it does not take.
    pub(super) fn restore(self, core: &Core, now: Instant) -> Vec<Lost> {
        let Wall(today) = time_of_day();
        for KeptAddress { ip, until, left_s } in self.blacklist {
            let left = Duration::from_secs(until.saturating_sub(today.as_secs()).min(left_s));
            // those beyond a lower api.blacklist have no place
            let _ = core.blacklist.add(ip, left, now);
        }
        let lost = self.relays.into_iter().filter_map(|kept| {
            let stream = kept.stream.clone();
            let fits = |(relay, _): &(Relay, Terms)| {
                core.config().refuses_relay(relay.way == Way::Push, &relay.stream, &relay.url).is_none()
            };
            match kept.relay().filter(fits).map(|(relay, terms)| core.relays.add(relay, terms)) {
                Some(Ok(_)) => None,
                Some(Err(_)) => Some(format!("a relay of {stream:?} is not restored: it is there, or api.pulls are")),
                None => Some(format!("a relay of {stream:?} is not restored: it cannot be")),
            }
        });
        lost.collect()
    }
}

impl KeptRelay {
    fn of(relay: &Relay, terms: &Terms) -> Self {
        let millis = |time: Duration| time.as_millis().try_into().unwrap_or(u64::MAX);
        Self {
            push: relay.way == Way::Push,
            stream: relay.stream.clone(),
            url: relay.url.whole(),
            udp: terms.udp,
            timeout_ms: millis(terms.timeout),
            retries: terms.retries,
            idle_ms: terms.idle.map(millis),
        }
    }

    /// The relay; `None` if the configuration could not have it.
    fn relay(self) -> Option<(Relay, Terms)> {
        let (name, Source(url)) = (Name::new(&self.stream).ok()?, Source::parse(&self.url).ok()?);
        let way = if self.push { Way::Push } else { Way::Pull };
        let (timeout, idle) = (Duration::from_millis(self.timeout_ms), self.idle_ms.map(Duration::from_millis));
        let terms = Terms { udp: self.udp, timeout, retries: self.retries, idle };
        Some((Relay { way, stream: name.to_string(), url }, terms))
    }
}

/// Reads the file, of at most `most` bytes. One that is not sound is given another name, so that it is not replaced.
pub(super) fn read(path: &Path, most: usize) -> Result<Contents, Unread> {
    let mut text = Vec::new();
    let file = open_at_once(OpenOptions::new().read(true), path)?;
    if !file.metadata()?.is_file() {
        return Err(Unread::Failed(io::Error::other("is not a regular file")));
    }
    // of a longer one the end is missing, and so it is not sound
    file.take(u64::try_from(most).unwrap_or(u64::MAX)).read_to_end(&mut text)?;
    match serde_json::from_slice(&text) {
        Ok(contents) => Ok(contents),
        Err(why) => {
            let aside = beside(path, ".broken");
            fs::rename(path, &aside).map_err(Unread::Failed)?;
            Err(Unread::Broken(why, aside))
        }
    }
}

/// Replaces the file: after a loss of power it is the old one or the new one.
pub(super) fn write(path: &Path, text: &[u8]) -> io::Result<()> {
    let new = beside(path, ".new");
    let replaced = write_new(&new, text).and_then(|()| fs::rename(&new, path));
    if replaced.is_err() {
        // a part of it would keep a full disk full
        let _ = fs::remove_file(&new);
    }
    replaced?;
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("/"));
    File::open(folder)?.sync_all()
}

fn write_new(new: &Path, text: &[u8]) -> io::Result<()> {
    match fs::remove_file(new) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(new)?;
    file.write_all(text)?;
    file.sync_all()
}

fn beside(path: &Path, end: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(end);
    name.into()
}

#[cfg(all(test, feature = "rtmp", feature = "rtsp"))]
mod tests {
    use std::os::unix::fs::PermissionsExt;
    use std::sync::Arc;

    use super::*;
    use crate::conf::Config;
    use crate::proto::Url;

    const MOST: usize = 64 << 10;

    /// A folder of one test, which goes with the value.
    struct Folder(PathBuf);

    impl Folder {
        fn new(name: &str) -> Self {
            let folder = std::env::temp_dir().join(format!("runnel-persist-{}-{name}", std::process::id()));
            let _ = fs::remove_dir_all(&folder);
            fs::create_dir(&folder).unwrap();
            Self(folder)
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    fn core() -> Arc<Core> {
        Core::new(Config::parse("test", "profile = \"box\"\napi.pulls = 3\n").unwrap(), vec![], Arc::default())
    }

    fn add(core: &Core, way: Way, url: &str) {
        let terms = Terms { udp: true, timeout: Duration::from_millis(1500), retries: Some(7), idle: None };
        let relay = Relay { way, stream: "door".into(), url: Url::parse(url).unwrap() };
        core.relays.add(relay, terms).unwrap();
    }

    #[test]
    fn what_was_changed_is_there_again_after_a_restart_with_its_passwords() {
        let (folder, now) = (Folder::new("again"), Instant::now());
        let path = folder.0.join("api.json");
        let before = core();
        add(&before, Way::Pull, "rtsp://us%40er;AUTH=BASIC:p%3A%2F%25@10.0.0.7:554/a?b=c");
        add(&before, Way::Push, "rtmp://h/live/KEY?x=y@z");
        let second = Duration::from_secs(1);
        before.blacklist.add("192.0.2.1".parse().unwrap(), 90 * second, now).unwrap();
        write(&path, &Contents::of(&before, now).text()).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        let after = core();
        assert_eq!(read(&path, MOST).unwrap().restore(&after, now), Vec::<Lost>::new());
        assert_eq!(after.relays.list(), before.relays.list());
        let [(ip, left)] = after.blacklist.list(now)[..] else { panic!() };
        assert!(ip.to_string() == "192.0.2.1" && (88 * second..=90 * second).contains(&left), "{left:?}");
    }

    #[test]
    fn what_cannot_be_any_more_is_told_and_the_rest_restored() {
        let core = core();
        let relay = |push, url: &str| {
            let (stream, url) = ("a".into(), url.into());
            KeptRelay { push, stream, url, udp: false, timeout_ms: 1, retries: None, idle_ms: Some(0) }
        };
        let relays = vec![relay(false, "file:/etc/passwd"), relay(false, "rtmp://h/a"), relay(false, "rtmp://h/b")];
        let gone = KeptAddress { ip: "192.0.2.1".parse().unwrap(), until: 1, left_s: 60 };
        let lost = Contents { relays, blacklist: vec![gone] }.restore(&core, Instant::now());
        assert_eq!(lost.len(), 2, "{lost:?}");
        assert_eq!(core.relays.list().len(), 1);
        assert!(core.blacklist.list(Instant::now()).is_empty());
    }

    #[test]
    fn a_broken_file_is_kept_aside_and_one_of_another_writer_is_replaced() {
        let folder = Folder::new("broken");
        let path = folder.0.join("api.json");
        assert!(matches!(read(&path, MOST), Err(Unread::Missing)));
        fs::write(&path, "{\"relays\":[],\n\"blacklist\":[").unwrap();
        let Err(Unread::Broken(why, aside)) = read(&path, MOST) else { panic!() };
        assert!(why.to_string().contains("line 2 column 13"), "{why}");
        assert!(aside.ends_with("api.json.broken") && aside.exists() && !path.exists());
        fs::write(beside(&path, ".new"), "half").unwrap();
        write(&path, &Contents::default().text()).unwrap();
        assert_eq!(read(&path, MOST).unwrap(), Contents::default());
        assert!(matches!(read(&path, 9), Err(Unread::Broken(..))), "one that is too long");
        assert!(matches!(read(&folder.0, MOST), Err(Unread::Failed(_))));
    }

    #[test]
    fn what_cannot_be_written_leaves_the_old_file_and_nothing_beside_it() {
        let folder = Folder::new("full");
        let path = folder.0.join("api.json");
        write(&path, b"{}").unwrap();
        // a folder of that name cannot be removed as a file
        fs::create_dir(beside(&path, ".new")).unwrap();
        assert!(write(&path, b"[]").is_err());
        assert_eq!(fs::read(&path).unwrap(), b"{}");
        assert!(write(&folder.0.join("none/api.json"), b"[]").is_err());
    }
}
