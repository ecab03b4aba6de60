//! The disk of a path, according to the kernel's mount table. The disk itself is not accessed, because it may
//! block.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::Read;
use std::os::unix::ffi::OsStringExt;
use std::path::{Component, Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// A line of the mount table. proc_pid_mountinfo(5).
#[derive(Debug, PartialEq, Eq)]
struct Mount {
    point: PathBuf,
    device: u64,
    /// Accesses do not wait for a disk that may be removed.
    answers: bool,
}

/// The table, and the time at which it was read.
type Table = Option<(Instant, Arc<[Mount]>)>;

static TABLE: Mutex<Table> = Mutex::new(None);
/// The age after which the table is read again.
const MAX_AGE: Duration = Duration::from_secs(1);
/// The maximum number of bytes that are read of the table.
const MAX_TABLE: u64 = 64 << 10;
/// The maximum number of symbolic links that are followed.
const MAX_LINKS: usize = 16;

/// The device number of a path: `st_dev`, except on file systems with numbers of their own. 0 if it is unknown.
pub fn disk_of(path: &Path) -> u64 {
    let mounts = table();
    around(&mounts, &followed_in(&mounts, path)).map_or(0, |mount| mount.device)
}

/// Follows the symbolic links that can be read without waiting for a disk.
#[cfg(feature = "record")]
pub fn followed(path: &Path) -> PathBuf {
    followed_in(&table(), path)
}

/// True if something may be mounted on a path, as far as this is known without waiting for a disk.
#[cfg(feature = "record")]
pub fn may_be_mounted(path: &Path) -> bool {
    let mounts = table();
    may_be_mounted_in(&mounts, &followed_in(&mounts, path))
}

/// Links on a disk that may not answer, and the rest of a table that is too long, are unknown.
#[cfg(feature = "record")]
fn may_be_mounted_in(mounts: &[Mount], path: &Path) -> bool {
    let answers = around(mounts, path).is_some_and(|mount| mount.answers);
    !answers || mounts.iter().any(|mount| mount.point == path || mount.is_rest())
}

fn followed_in(mounts: &[Mount], path: &Path) -> PathBuf {
    let path = std::path::absolute(path).unwrap_or_else(|_| path.into());
    follow(mounts, &path, &|link| fs::read_link(link).ok())
}

fn table() -> Arc<[Mount]> {
    let mut table = TABLE.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some((read, mounts)) = &*table
        && read.elapsed() < MAX_AGE
    {
        return mounts.clone();
    }
    let mut text = Vec::new();
    // without /proc everything counts as one disk
    let _ = File::open("/proc/self/mountinfo").and_then(|file| file.take(MAX_TABLE).read_to_end(&mut text));
    let rest = (text.len() as u64 >= MAX_TABLE).then(Mount::rest);
    let mounts: Arc<[Mount]> = text.split(|byte| *byte == b'\n').filter_map(Mount::parse).chain(rest).collect();
    *table = Some((Instant::now(), mounts.clone()));
    mounts
}

/// The mount that contains a path; of several on the same mount point the last.
fn around<'a>(mounts: &'a [Mount], path: &Path) -> Option<&'a Mount> {
    let all = mounts.iter().filter(|mount| path.starts_with(&mount.point));
    all.max_by_key(|mount| mount.point.components().count())
}

/// Follows symbolic links up to the first disk that may not answer.
fn follow(mounts: &[Mount], path: &Path, read_link: &dyn Fn(&Path) -> Option<PathBuf>) -> PathBuf {
    let items = |path: &Path| -> Vec<OsString> {
        let names = path.components().filter(|part| matches!(part, Component::Normal(_) | Component::ParentDir));
        names.map(|part| part.as_os_str().into()).rev().collect()
    };
    let (mut at, mut rest, mut links) = (PathBuf::from("/"), items(path), 0);
    while let Some(item) = rest.pop() {
        if item == ".." {
            at.pop();
            continue;
        }
        let next = at.join(item);
        let may_be_link = !mounts.iter().any(|mount| mount.point == next);
        if may_be_link
            && links < MAX_LINKS
            && around(mounts, &at).is_some_and(|mount| mount.answers)
            && let Some(to) = read_link(&next)
        {
            links += 1;
            if to.is_absolute() {
                at = "/".into();
            }
            rest.extend(items(&to));
            continue;
        }
        at = next;
    }
    at
}

impl Mount {
    /// Represents the rest of a table that is too long.
    fn rest() -> Self {
        Self { point: PathBuf::new(), device: 0, answers: false }
    }

    #[cfg(feature = "record")]
    fn is_rest(&self) -> bool {
        self.point.as_os_str().is_empty()
    }

    fn parse(line: &[u8]) -> Option<Self> {
        let mut fields = line.split(|byte| *byte == b' ');
        let (device, point) = (fields.nth(2)?, fields.nth(1)?);
        let kind = fields.skip_while(|field| *field != b"-").nth(1)?;
        let (major, minor) = std::str::from_utf8(device).ok()?.split_once(':')?;
        let point = PathBuf::from(OsString::from_vec(unescape(point)));
        Some(Self {
            // if the root file system blocks, the program blocks too
            answers: point == Path::new("/") || [b"tmpfs".as_slice(), b"ramfs"].contains(&kind),
            device: rustix::fs::makedev(major.parse().ok()?, minor.parse().ok()?),
            point,
        })
    }
}

/// Decodes blanks and other characters that are written as a backslash and three octal digits.
fn unescape(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut rest = text;
    while let Some((first, behind)) = rest.split_first() {
        let digits = behind.get(..3).filter(|_| *first == b'\\').and_then(|digits| std::str::from_utf8(digits).ok());
        match digits.and_then(|digits| u8::from_str_radix(digits, 8).ok()) {
            Some(byte) => {
                out.push(byte);
                rest = behind.get(3..).unwrap_or_default();
            }
            None => {
                out.push(*first);
                rest = behind;
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &[u8] = b"21 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw
22 21 0:20 / /tmp rw - tmpfs tmpfs rw
23 21 8:17 / /mnt/card\\040one rw shared:2 master:7 - vfat /dev/sdb1 rw
24 21 0:44 / /mnt/far rw - nfs4 nas:/films rw
25 21 8:33 / /mnt/far rw - ext4 /dev/sdc1 rw
26 24 8:49 / /mnt/far/deep rw - ext4 /dev/sdd1 rw
nonsense
27 21 x:1 / /mnt/no rw - ext4 /dev/sde1 rw";

    fn mounts() -> Vec<Mount> {
        TABLE.split(|byte| *byte == b'\n').filter_map(Mount::parse).collect()
    }

    #[test]
    fn a_path_is_on_the_disk_that_is_mounted_deepest_and_last() {
        let mounts = mounts();
        for (path, major, minor) in [
            ("/", 8, 1),
            ("/mnt/card", 8, 1),
            ("/mnt/card one", 8, 17),
            ("/mnt/card one/a/b", 8, 17),
            ("/mnt/far/film", 8, 33),
            ("/mnt/far/deep/film", 8, 49),
            ("/mnt/no/film", 8, 1),
            ("/tmp/x", 0, 20),
        ] {
            let device = around(&mounts, Path::new(path)).unwrap().device;
            assert_eq!(device, rustix::fs::makedev(major, minor), "{path}");
        }
        assert_eq!(around(&[], Path::new("/mnt")), None);
    }

    #[cfg(feature = "record")]
    #[test]
    fn a_card_is_out_only_where_that_is_known() {
        let mut mounts = mounts();
        let is_out = |path: &str| !may_be_mounted_in(&mounts, Path::new(path));
        assert!(is_out("/mnt/none") && is_out("/tmp/none"));
        for path in ["/mnt/card one", "/mnt/far", "/mnt/card one/link"] {
            assert!(!is_out(path), "{path}");
        }
        assert!(may_be_mounted_in(&[], Path::new("/mnt/none")), "there is no table");
        mounts.push(Mount::rest());
        assert!(may_be_mounted_in(&mounts, Path::new("/mnt/none")), "it is too long");
        assert_eq!(around(&mounts, Path::new("/mnt/none")).map(|mount| mount.device), Some(rustix::fs::makedev(8, 1)));
    }

    #[test]
    fn links_are_followed_up_to_a_disk_that_may_not_answer() {
        let read_link = |link: &Path| {
            assert!(!link.starts_with("/mnt/far/") && link != Path::new("/mnt/far"), "{}", link.display());
            let to = match link.to_str().unwrap() {
                "/srv/films" => "/tmp/films",
                "/tmp/films" => "../mnt/far/films",
                "/round" => "/round",
                _ => return None,
            };
            Some(to.into())
        };
        for (path, expected) in [
            ("/srv/films/a", "/mnt/far/films/a"),
            ("/mnt/far/x/../films", "/mnt/far/films"),
            ("/srv/other", "/srv/other"),
            ("/round/x", "/round/x"),
        ] {
            assert_eq!(follow(&mounts(), Path::new(path), &read_link), Path::new(expected), "{path}");
        }
    }

    #[test]
    fn what_is_there_is_on_the_disk_that_the_kernel_says() {
        use std::os::unix::fs::MetadataExt;
        assert_eq!(disk_of(Path::new("/proc/self/stat")), fs::metadata("/proc/self/stat").unwrap().dev());
    }
}
