//! The playlist of all segments of a stream on a disk, written line by line.

mod file;
mod fragments;
mod mend;
mod names;
mod probe;
mod rewrite;
mod sorted;

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::Path;
use std::time::Duration;

use crate::wire::percent_encode;
pub use file::{FAULTS, is_useless, make, open, put_aside};
pub use mend::mend;
pub use mend::{Pause, Segments, correct, forget, look};
pub use names::{Sums, hash};
pub use sorted::Sorter;

/// The playlist's name, which players of lal expect.
pub const NAME: &str = "record.m3u8";
/// The name that an unusable file with the playlist's name gets.
pub const OLD: &str = "record.m3u8.old";
/// The time, in seconds since 1970, above which the time in a file's name may be followed by a number.
const NUMBERED: u64 = 1 << 20;
/// Numbers in file names are below this, and times are not.
const NUMBERS: u64 = 100;
/// Bytes of the playlist's head. It is padded with a comment, so that the target duration can change in place.
const HEAD: usize = 128;
/// The end of a complete playlist.
pub const END: &str = "#EXT-X-ENDLIST\n";
const GAP: &str = "#EXT-X-DISCONTINUITY\n";

/// A segment.
#[derive(Clone, Debug)]
pub struct Listed {
    /// Its duration.
    pub duration: Duration,
    /// It does not continue the segment before.
    pub discontinuity: bool,
    /// The initialization file for this and the following segments, if there is one.
    pub map: Option<String>,
}

/// Adds a segment to the playlist in its folder. The playlist is complete before and after, also on the disk if
/// writes are synced. The segment and its name must be on the disk before.
pub fn append(segment: &Path, about: &Listed, sync: bool) -> io::Result<()> {
    let (Some(folder), Some(name)) = (segment.parent(), segment.file_name().and_then(|name| name.to_str())) else {
        return Ok(());
    };
    let path = folder.join(NAME);
    let mut file = open(&path, OpenOptions::new().read(true).write(true).create(true).truncate(false))?;
    let mut head = [0; HEAD];
    let known = file.read_exact(&mut head).is_ok() && head.starts_with(b"#EXTM3U\n");
    if !known {
        file.set_len(0)?;
    }
    let before = if known { number(&head, "#EXT-X-TARGETDURATION:") } else { 0 };
    let needed = head_for(about.duration);
    // EXT-X-MAP requires version 6. RFC 8216 section 7.
    let version = if about.map.is_some() { 6 } else { 3 };
    if needed > before || version > number(&head, "#EXT-X-VERSION:") {
        file.seek(SeekFrom::Start(0))?;
        file.write_all(write_head(needed.max(before), version).as_bytes())?;
    }
    let end = end_of_entries(&mut file)?;
    file.seek(SeekFrom::Start(end))?;
    let first = end <= HEAD as u64;
    file.write_all(format!("{}{END}", entry(name, about, first)).as_bytes())?;
    let written = file.stream_position()?;
    file.set_len(written)?;
    if sync {
        file.sync_all()?;
    }
    if known { Ok(()) } else { bring_folder(folder, sync) }
}

/// The lines of a segment; `first` if it is the first of the playlist.
fn entry(name: &str, about: &Listed, first: bool) -> String {
    let gap = if about.discontinuity && !first { GAP } else { "" };
    let map = about.map.as_ref().filter(|_| about.discontinuity || first);
    let map = map.map_or(String::new(), |map| map_line(map) + "\n");
    let seconds = format!("{}.{:03}", about.duration.as_secs(), about.duration.subsec_millis());
    format!("{gap}{map}#EXTINF:{seconds},\n{}\n", percent_encode(name))
}

/// EXT-X-MAP, without the line end.
fn map_line(file: &str) -> String {
    format!("#EXT-X-MAP:URI=\"{}\"", percent_encode(file))
}

/// EXT-X-TARGETDURATION for a segment of this duration.
fn head_for(duration: Duration) -> u64 {
    (duration + Duration::from_millis(500)).as_secs().max(1)
}

/// Syncs the names in a folder to the disk if `sync` is set. Some file systems do not support that.
pub fn bring_folder(folder: &Path, sync: bool) -> io::Result<()> {
    match sync.then(|| File::open(folder)?.sync_all()) {
        Some(Err(error)) if error.kind() != io::ErrorKind::InvalidInput => Err(error),
        _ => Ok(()),
    }
}

/// The name of a recorded file, without its extension, by the seconds since 1970. `others` is the number of files
/// that began at the same time.
pub fn file_name(stream: &str, seconds: u64, others: u64) -> String {
    // `name_parts` would take a smaller time for a number, and the text before it in the stream's name for the time
    let seconds = seconds.max(NUMBERS);
    match (others, seconds <= NUMBERED) {
        (0, _) => format!("{stream}-{seconds}"),
        (_, true) => format!("{stream}-{}", seconds + others),
        (_, false) => format!("{stream}-{seconds}-{others}"),
    }
}

/// The stream and the time in the name of a recorded file, without its extension. Files are named NAME-SECONDS or
/// NAME-SECONDS-NUMBER, segments NAME-MILLISECONDS-NUMBER.
pub fn name_parts(is_segment: bool, stem: &str) -> Option<(&str, u64)> {
    let numbered = |text: &'_ str| -> Option<(usize, u64)> {
        let at = text.rfind('-')?;
        Some((at, text.get(at + 1..)?.parse().ok()?))
    };
    let (at, last) = numbered(stem)?;
    let stream = stem.get(..at)?;
    match numbered(stream) {
        Some((at, begun)) if is_segment || last < NUMBERS && begun > NUMBERED => Some((stream.get(..at)?, begun)),
        _ if is_segment => None,
        _ => Some((stream, last)),
    }
}

fn write_head(target: u64, version: u64) -> String {
    let head = format!("#EXTM3U\n#EXT-X-VERSION:{version}\n#EXT-X-TARGETDURATION:{target}\n#EXT-X-MEDIA-SEQUENCE:0\n#");
    format!("{head:-<width$}\n", width = HEAD - 1)
}

/// The number after a tag in the head; 0 if it is missing.
fn number(head: &[u8], tag: &str) -> u64 {
    let text = String::from_utf8_lossy(head);
    let line = text.lines().find_map(|line| line.strip_prefix(tag));
    line.and_then(|number| number.parse().ok()).unwrap_or(0)
}

/// The offset of the next entry in the file: after the last name. The rest is an entry cut off by a power failure,
/// or the end tag.
fn end_of_entries(file: &mut File) -> io::Result<u64> {
    const TAIL: u64 = 4 << 10;
    let len = file.seek(SeekFrom::End(0))?;
    let from = len.saturating_sub(TAIL).max(HEAD as u64);
    file.seek(SeekFrom::Start(from))?;
    let mut tail = Vec::new();
    file.take(TAIL).read_to_end(&mut tail)?;
    let mut end = from;
    let mut at = from;
    for line in tail.split_inclusive(|byte| *byte == b'\n') {
        at += line.len() as u64;
        if line.ends_with(b"\n") && !line.starts_with(b"#") {
            end = at;
        }
    }
    Ok(end)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::percent_decode;

    #[test]
    fn a_file_is_its_streams_whatever_that_is_called_and_the_clock_says() {
        for stream in ["cam", "cam-1700000000", "cam-20", "cam-1700000000-20", "-"] {
            for seconds in [0, 1, 20, 99, 100, NUMBERED, NUMBERED + 1, 1_764_000_000] {
                for others in [0, 1, 99] {
                    let name = file_name(stream, seconds, others);
                    assert_eq!(name_parts(false, &name).map(|(stream, _)| stream), Some(stream), "{name}");
                }
            }
        }
    }

    #[test]
    fn entries_are_added_and_what_a_loss_of_power_cut_off_is_not_kept() {
        let folder = std::env::temp_dir().join(format!("runnel-playlist-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let add = |name: &str, millis, discontinuity| {
            let about = Listed { duration: Duration::from_millis(millis), discontinuity, map: None };
            append(&folder.join(name), &about, false).unwrap();
        };
        let read = || std::fs::read_to_string(folder.join(NAME)).unwrap();
        add("a.ts", 2000, true);
        add("b.ts", 11_600, false);
        let whole = read();
        assert!(whole.contains("#EXT-X-TARGETDURATION:12\n") && !whole.contains("DISCONTINUITY"), "{whole}");
        assert!(whole.ends_with("#EXTINF:2.000,\na.ts\n#EXTINF:11.600,\nb.ts\n#EXT-X-ENDLIST\n"), "{whole}");
        add("c.ts", 1000, true);
        let longer = read();
        for cut in whole.len() - END.len()..longer.len() {
            std::fs::write(folder.join(NAME), &longer[..cut]).unwrap();
            add("c.ts", 1000, true);
            let doubled = longer.replace("c.ts\n#", "c.ts\n#EXT-X-DISCONTINUITY\n#EXTINF:1.000,\nc.ts\n#");
            assert!([&longer, &doubled].contains(&&read()), "{cut}: {}", read());
        }
        std::fs::write(folder.join(NAME), &longer).unwrap();
        forget(&[folder.join("a.ts"), folder.join("x.ts")], true).unwrap();
        assert_eq!(read(), longer.replace("#EXTINF:2.000,\na.ts\n", ""));
        forget(&[folder.join("c.ts")], true).unwrap();
        add("d.ts", 1000, false);
        let last = read();
        assert!(last.ends_with("\n#EXTINF:11.600,\nb.ts\n#EXTINF:1.000,\nd.ts\n#EXT-X-ENDLIST\n"), "{last}");
        std::fs::remove_dir_all(&folder).unwrap();
    }

    #[test]
    fn names_are_percent_encoded_and_forgotten_however_they_are_written() {
        let folder = std::env::temp_dir().join(format!("runnel-listing-names-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let about = Listed { duration: Duration::from_secs(2), discontinuity: false, map: Some("门.mp4".into()) };
        let read = || std::fs::read_to_string(folder.join(NAME)).unwrap();
        append(&folder.join("门-1.m4s"), &about, false).unwrap();
        append(&folder.join("门-2.m4s"), &about, false).unwrap();
        let whole = read();
        assert!(whole.is_ascii() && whole.contains("#EXT-X-MAP:URI=\"%E9%97%A8.mp4\"\n"), "{whole}");
        assert!(whole.ends_with("\n%E9%97%A8-1.m4s\n#EXTINF:2.000,\n%E9%97%A8-2.m4s\n#EXT-X-ENDLIST\n"), "{whole}");
        forget(&[folder.join("门-1.m4s")], true).unwrap();
        assert_eq!(read(), whole.replace("#EXTINF:2.000,\n%E9%97%A8-1.m4s\n", ""));
        std::fs::write(folder.join(NAME), percent_decode(&whole).unwrap()).unwrap();
        forget(&[folder.join("门-1.m4s"), folder.join("门-2.m4s")], true).unwrap();
        assert!(!read().contains("m4s"), "{}", read());
        std::fs::remove_dir_all(&folder).unwrap();
    }

    #[test]
    fn one_that_is_listed_twice_stays_and_an_end_that_is_missing_comes_back() {
        let folder = std::env::temp_dir().join(format!("runnel-listing-twice-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let path = folder.join("cam-1700000000000-0.ts");
        std::fs::write(&path, "a segment").unwrap();
        let about = Listed { duration: Duration::from_secs(2), discontinuity: false, map: None };
        (0..2).for_each(|_| append(&path, &about, false).unwrap());
        let mended = || {
            let (remove_empty, is_busy) = (&|_: &Path| false, &|_: &Path| false);
            mend(&Segments { folder: &folder, stream: "cam", sync: false, remove_empty, is_busy }, &mut || Ok(()))
                .unwrap();
            std::fs::read_to_string(folder.join(NAME)).unwrap()
        };
        let text = mended();
        assert!(text.contains("\ncam-1700000000000-0.ts\n"), "{text}");
        std::fs::write(folder.join(NAME), text.strip_suffix(END).unwrap()).unwrap();
        let again = mended();
        std::fs::remove_dir_all(&folder).unwrap();
        assert_eq!(again, text);
    }

    #[test]
    fn fragments_are_told_what_they_are_to_be_read_after() {
        let folder = std::env::temp_dir().join(format!("runnel-listing-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let add = |name: &str, map: &str, discontinuity| {
            let about = Listed { duration: Duration::from_secs(2), discontinuity, map: Some(map.into()) };
            append(&folder.join(name), &about, false).unwrap();
        };
        add("a.m4s", "a.mp4", true);
        add("b.m4s", "a.mp4", false);
        add("c.m4s", "c.mp4", true);
        let text = std::fs::read_to_string(folder.join(NAME)).unwrap();
        assert!(text.starts_with("#EXTM3U\n#EXT-X-VERSION:6\n"), "{text}");
        let entries = text.split_once("--\n").unwrap().1;
        let expected = "#EXT-X-MAP:URI=\"a.mp4\"\n#EXTINF:2.000,\na.m4s\n#EXTINF:2.000,\nb.m4s\n\
                        #EXT-X-DISCONTINUITY\n#EXT-X-MAP:URI=\"c.mp4\"\n#EXTINF:2.000,\nc.m4s\n#EXT-X-ENDLIST\n";
        assert_eq!(entries, expected);
        std::fs::remove_dir_all(&folder).unwrap();
    }

    /// A packet in which a picture with time 0 begins.
    fn picture() -> Vec<u8> {
        let mut packet = vec![0xff; 188];
        let pes = [0x47, 0x41, 0, 0x10, 0, 0, 1, 0xe0, 0, 0, 0x80, 0x80, 5, 0x21, 0, 1, 0, 1];
        packet[..pes.len()].copy_from_slice(&pes);
        packet
    }

    #[test]
    fn a_playlist_is_made_what_its_folder_is_and_who_adds_to_it_meanwhile_is_heard() {
        let folder = std::env::temp_dir().join(format!("runnel-mend-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let name = |at: usize| format!("cam-1700000000000-{at}.ts");
        let about = Listed { duration: Duration::from_millis(40), discontinuity: false, map: None };
        let list = |at| append(&folder.join(name(at)), &about, false).unwrap();
        // 2000 are on the disk; some of them are listed, and 300 that are not on the disk
        (0..2000).for_each(|at| std::fs::write(folder.join(name(at)), picture()).unwrap());
        (0..2300).filter(|at| at % 3 == 0 || *at >= 2000).for_each(list);
        std::fs::write(folder.join(name(9000)), []).unwrap();
        let busy = std::cell::RefCell::new(Vec::new());
        let is_empty = |path: &Path| path.metadata().unwrap().len() == 0 && std::fs::remove_file(path).is_ok();
        let is_busy = |path: &Path| busy.borrow().iter().any(|busy| path.ends_with(busy));
        let segments =
            Segments { folder: &folder, stream: "cam", sync: false, remove_empty: &is_empty, is_busy: &is_busy };
        let mut steps = 0;
        let mut pause = || {
            steps += 1;
            if steps % 50 == 0 {
                let at = 3000 + steps;
                busy.borrow_mut().push(name(at));
                std::fs::write(folder.join(name(at)), picture()).unwrap();
                list(at);
            }
            Ok(())
        };
        mend(&segments, &mut pause).unwrap();
        busy.borrow_mut().clear();
        let read = || std::fs::read_to_string(folder.join(NAME)).unwrap();
        let listed = || -> Vec<_> { read().lines().filter(|line| line.ends_with(".ts")).map(str::to_string).collect() };
        let recorded = (1..=steps / 50).map(|at| 3000 + 50 * at);
        assert_eq!(listed(), (0..2000).chain(recorded).map(name).collect::<Vec<_>>());
        assert_eq!(std::fs::read_dir(&folder).unwrap().count(), listed().len() + 1);
        let whole = read();
        mend(&segments, &mut || Ok(())).unwrap();
        assert_eq!(read(), whole, "nothing is wrong any more");
        // another program has put something else there
        let path = folder.join(NAME);
        std::fs::rename(&path, folder.join("mine")).unwrap();
        std::os::unix::fs::symlink("mine", &path).unwrap();
        assert!(append(&folder.join(name(1)), &about, false).is_err());
        assert!(forget(&[folder.join(name(1))], false).is_err());
        mend(&segments, &mut || Ok(())).unwrap();
        assert!(path.symlink_metadata().unwrap().is_file() && listed().len() == whole.matches(".ts").count());
        assert_eq!(std::fs::read_to_string(folder.join("mine")).unwrap(), whole);
        assert!(folder.join("record.m3u8.old").symlink_metadata().unwrap().is_symlink());
        // and 2 GB of zeros
        std::fs::OpenOptions::new().write(true).truncate(true).open(&path).unwrap().set_len(2 << 30).unwrap();
        mend(&segments, &mut || Ok(())).unwrap();
        assert_eq!(listed().len(), whole.matches(".ts").count());
        std::fs::remove_dir_all(&folder).unwrap();
    }
}
