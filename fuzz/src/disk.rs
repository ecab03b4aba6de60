//! Files beside recordings that a loss of power, a full disk or others left: the index, the
//! playlist, and segments that no playlist tells of.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::Duration;
use std::{fs, io};

use runnel::listing::{self, Listed, NAME, Segments};
use runnel::record::fuzz::Healed;
use runnel::wire::percent_decode;

use crate::records;
use crate::storage::written;
use runnel::media::Codec;

const INDEX: &str = ".runnel-index";
const RECORDINGS: [&str; 3] = ["cam-1700000000.flv", "cam-1700000100.flv", "door-1700000050-2.flv"];
const SEGMENTS: [&str; 3] = ["cam-1700000000000-0.ts", "cam-1700000000000-1.ts", "cam-1700000009000-0.ts"];

/// A folder of its own for each process, with the same files in it for each input.
fn folder(files: &[(&str, &[u8])]) -> PathBuf {
    let folder = std::env::temp_dir().join(format!("runnel-fuzz-{}", std::process::id()));
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).unwrap();
    files.iter().for_each(|(name, data)| fs::write(folder.join(name), data).unwrap());
    folder
}

/// After a start any index lists exactly the files that exist, and stays so.
pub fn index(data: &[u8]) {
    let mut files: Vec<(&str, &[u8])> = RECORDINGS.iter().map(|name| (*name, &b"FLV"[..])).collect();
    files.push((INDEX, data));
    let path = folder(&files);
    let healed = Healed::new(&path);
    let before = healed.names().unwrap();
    assert!(before.len() <= data.len() / 16 + 1, "{} lines", before.len());
    healed.heal().unwrap();
    let mut names = healed.names().unwrap();
    names.retain(|name| RECORDINGS.contains(&&**name));
    names.sort();
    names.dedup();
    assert_eq!(names, RECORDINGS, "of {before:?}");
    let told = healed.list("stream=cam");
    assert!(told.iter().any(|text| text.contains("cam-17000000")) && told.len() <= 100, "{told:?}");
    healed.add("cam-1700000200.flv").unwrap();
    assert_eq!(healed.names().unwrap().last().map(String::as_str), Some("cam-1700000200.flv"));
    // that one has no file, and then all is well
    assert!(healed.heal().unwrap() && !healed.heal().unwrap(), "it is never well");
    fs::remove_dir_all(path).unwrap();
}

pub fn index_seeds() -> Vec<Vec<u8>> {
    let head = "# runnel: the recordings here in their order. It is written anew if it is lost.\n";
    let lines = "+ 000000000003 cam-1700000000.flv\n- 000000000003 cam-1600000000.flv\n\
                 o 000000000000 door-1700000050-2.flv\n+ 00000000ffff cam/cam-1700000000000-0.ts\n";
    let newest = "+ 000000000003 cam-1700000100.flv\n";
    [
        String::new(),
        format!("{head}{lines}{newest}"),
        format!("{head}{newest}{lines}"),
        format!("{lines}\0\0\0\n{newest}"),
    ]
    .map(String::into_bytes)
    .into()
}

fn mend(folder: &Path) -> io::Result<String> {
    let segments = Segments { folder, stream: "cam", sync: false, remove_empty: &|_| false, is_busy: &|_| false };
    listing::mend(&segments, &mut || Ok(()))?;
    fs::read_to_string(folder.join(NAME))
}

/// The files of a playlist, which is whole.
fn listed(text: &str) -> Vec<String> {
    assert!(text.starts_with("#EXTM3U\n") && text.ends_with("#EXT-X-ENDLIST\n"), "{text}");
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    lines.map(|line| percent_decode(line).unwrap()).collect()
}

fn segment() -> &'static [u8] {
    static WRITTEN: OnceLock<Vec<u8>> = OnceLock::new();
    WRITTEN.get_or_init(|| {
        let track = records::track(0, Codec::H264);
        let frames: Vec<_> = (0..3).map(|at| records::frame(&track, 40 * at, 0, at == 0, 60)).collect();
        written("ts", &[track], &frames)
    })
}

/// Any playlist of all segments is mended to one that lists the existing ones, and another
/// can be added.
pub fn playlist(data: &[u8]) {
    let mut files: Vec<(&str, &[u8])> = SEGMENTS.iter().map(|name| (*name, segment())).collect();
    files.push((NAME, data));
    let path = folder(&files);
    let mut names = listed(&mend(&path).unwrap());
    names.sort();
    names.dedup();
    assert_eq!(names, SEGMENTS);
    let mended = mend(&path).unwrap();
    assert_eq!(mended, mend(&path).unwrap(), "it is never well");
    let next = "cam-1700000009000-1.ts";
    let about = Listed { duration: Duration::from_secs(2), discontinuity: false, map: None };
    listing::append(&path.join(next), &about, false).unwrap();
    let names = listed(&fs::read_to_string(path.join(NAME)).unwrap());
    assert_eq!(names.last().map(String::as_str), Some(next));
    listing::forget(&[path.join(next)], false).unwrap();
    assert!(!listed(&fs::read_to_string(path.join(NAME)).unwrap()).iter().any(|name| name == next));
    fs::remove_dir_all(path).unwrap();
}

pub fn playlist_seeds() -> Vec<Vec<u8>> {
    let head = format!("{:-<127}\n", "#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-TARGETDURATION:2\n#EXT-X-MEDIA-SEQUENCE:0\n#");
    let entry = |name: &str| format!("#EXTINF:2.000,\n{name}\n");
    let [a, b, c] = SEGMENTS.map(entry);
    let other = "#EXT-X-DISCONTINUITY\n#EXT-X-MAP:URI=\"cam-1-0.mp4\"\n#EXTINF:2.000,\ncam-1-0.m4s\n";
    [
        format!("{head}{a}{b}#EXT-X-DISCONTINUITY\n{c}#EXT-X-ENDLIST\n"),
        format!("{head}{other}{a}{c}#EXT-X-ENDLIST\n"),
        format!("{head}{a}{b}#EXTINF:1."),
        format!("#EXTM3U\r\n{}#EXT-X-ENDLIST\n", a.replace('\n', "\r\n")),
        String::new(),
    ]
    .map(String::into_bytes)
    .into()
}

/// A segment that no playlist tells is listed with a length that it can have.
pub fn probe(data: &[u8]) {
    let path = folder(&[(SEGMENTS[0], data)]);
    if mend(&path).is_ok_and(|text| listed(&text) == SEGMENTS[..1]) {
        let text = mend(&path).unwrap();
        let seconds = text.split_once("#EXTINF:").and_then(|(_, rest)| rest.split_once(',')?.0.parse::<f64>().ok());
        // half of what 33 bits of 90 kHz are, and a frame that is as long
        assert!(seconds.is_some_and(|seconds| (0.04..100_000.0).contains(&seconds)), "{text}");
    }
    fs::remove_dir_all(path).unwrap();
}

pub fn probe_seeds() -> Vec<Vec<u8>> {
    vec![segment().to_vec(), segment()[..2 * 188].to_vec()]
}

/// The same for fragments, whose head is a file of its own: its length, of 16 bits, stands first.
pub fn fragments(data: &[u8]) {
    let [a, b, rest @ ..] = data else { return };
    let (head, segment) = rest.split_at(usize::from(u16::from_be_bytes([*a, *b])).min(rest.len()));
    let name = "cam-1700000000000-0.m4s";
    let path = folder(&[("cam-1700000000000-0.mp4", head), (name, segment)]);
    if mend(&path).is_ok_and(|text| listed(&text) == [name]) {
        let text = mend(&path).unwrap();
        assert!(text.contains("#EXT-X-VERSION:6\n") && text.contains("\n#EXT-X-MAP:URI=\"cam-1700000000000-0.mp4\"\n"));
        assert_eq!(text, mend(&path).unwrap(), "it is never well");
    }
    fs::remove_dir_all(path).unwrap();
}

pub fn fragment_seeds() -> Vec<Vec<u8>> {
    let track = records::track(0, Codec::H264);
    let frames: Vec<_> = (0..3).map(|at| records::frame(&track, 40 * at, 0, at == 0, 60)).collect();
    let whole = written("mp4", &[track], &frames);
    let head = whole.windows(4).position(|name| name == b"moof").unwrap() - 4;
    let seed = |end: usize| [&u16::try_from(head).unwrap().to_be_bytes()[..], &whole[..end]].concat();
    vec![seed(whole.len()), seed(whole.len() - 9)]
}
