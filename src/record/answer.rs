//! Answers of a keeper: the streams with recordings, and the files of a stream. They come from the index; the disk is
//! asked for the date of what is told, and for the size of what is being written.

use std::collections::{BTreeMap, BinaryHeap};
use std::fs;
use std::ops::Range;
use std::sync::Arc;
use std::time::UNIX_EPOCH;

use super::folder::{Folder, Known};
use super::list::{each, list};
use super::remove::remove;
use crate::session::{Found, MOST_TOLD, Question, Told};

/// The answer to a question about these folders.
pub(super) fn answer(folders: &[Arc<Folder>], question: &Question) -> Found {
    let there = || folders.iter().filter(|folder| folder.is_there());
    let mut found = Found::default();
    match question {
        Question::Newest(query) => found.told = list(folders, query),
        Question::Streams(after) => there().for_each(|folder| found.add(streams(folder, after))),
        Question::Files { stream, from, to } => {
            there().for_each(|folder| found.add(files(folder, stream.as_str(), *from..*to)));
        }
        Question::Delete(stream, doomed) => there().for_each(|folder| found.add(remove(folder, stream, doomed))),
    }
    found
}

/// The streams with recordings in a folder whose names come after that one, the first of them in their order.
fn streams(folder: &Folder, after: &str) -> Found {
    let (mut all, mut dropped) = (BTreeMap::<String, Told>::new(), 0_usize);
    each(folder, &mut |name, size| {
        let Some(known) = folder.known(name).filter(|known| known.stream > after) else { return };
        if !all.contains_key(known.stream) {
            if all.len() >= MOST_TOLD {
                dropped = 1;
                match all.last_entry() {
                    Some(last) if last.key().as_str() > known.stream => _ = last.remove(),
                    _ => return,
                }
            }
            let new = Told { stream: known.stream.into(), begun: u64::MAX, ..Told::default() };
            all.insert(known.stream.into(), new);
        }
        let Some(one) = all.get_mut(known.stream) else { return };
        if one.file.is_empty() || known.begun >= one.ended {
            (one.ended, one.file) = (known.begun, name.into());
        }
        one.begun = one.begun.min(known.begun);
        one.bytes = one.bytes.saturating_add(size.unwrap_or_else(|| about(folder, name, 0).0));
        one.files += 1;
    });
    let told: Vec<_> = all.into_values().map(|one| dated(folder, one)).collect();
    Found { total: told.len() + dropped, told, kept: None }
}

/// The files of a stream that began in that time, the earliest of them in their order.
fn files(folder: &Folder, stream: &str, span: Range<u64>) -> Found {
    let (mut earliest, mut total) = (BinaryHeap::new(), 0);
    each(folder, &mut |name, size| {
        let is_wanted = |known: &Known<'_>| known.stream == stream && span.contains(&known.begun);
        let Some(Known { begun, number, .. }) = folder.known(name).filter(is_wanted) else { return };
        total += 1;
        let is_later = |last: &(u64, u64, String, Option<u64>)| (begun, number) > (last.0, last.1);
        if earliest.len() >= MOST_TOLD && earliest.peek().is_some_and(is_later) {
            return;
        }
        earliest.push((begun, number, name.to_string(), size));
        if earliest.len() > MOST_TOLD {
            earliest.pop();
        }
    });
    let told = earliest.into_sorted_vec().into_iter().map(|(begun, _, file, size)| {
        let bytes = size.unwrap_or_else(|| about(folder, &file, 0).0);
        dated(folder, Told { stream: stream.into(), file, begun, bytes, files: 1, ..Told::default() })
    });
    Found { told: told.collect(), total, kept: None }
}

/// The same entry with the date of its file, the newest of a stream.
fn dated(folder: &Folder, one: Told) -> Told {
    let is_open = folder.busy.has(&folder.path().join(&one.file));
    let (_, ended) = about(folder, &one.file, one.ended.max(one.begun));
    Told { ended, is_open, ..one }
}

/// The size of a file, and the time of its last write, which is not before `begun`.
fn about(folder: &Folder, name: &str, begun: u64) -> (u64, u64) {
    let Ok(about) = fs::metadata(folder.path().join(name)) else { return (0, begun) };
    let ended = about.modified().ok().and_then(|time| time.duration_since(UNIX_EPOCH).ok());
    let ended = ended.and_then(|since| u64::try_from(since.as_millis()).ok()).unwrap_or(begun);
    (about.len(), ended.max(begun))
}

#[cfg(test)]
mod tests {
    use super::super::folder::{Busy, Home};
    use super::super::index::State;
    use super::super::scratch::Scratch;
    use super::*;
    use crate::conf::Config;
    use crate::hub::Name;

    fn folder(scratch: &Scratch, names: impl Iterator<Item = String>) -> [Arc<Folder>; 1] {
        let text =
            format!("profile = \"box\"\n[[record]]\nstreams = \"c*\"\npath = {:?}\n", scratch.0.to_str().unwrap());
        let rules: Vec<_> = Config::parse("test", &text).unwrap().record.into_iter().map(Arc::new).collect();
        let folder = Folder::new(&Home::at(&scratch.0), &rules, false, Busy::default());
        for name in names {
            // the index is believed: the file is not opened
            fs::write(scratch.0.join(&name), b"12").unwrap();
            folder.index.add(State::Whole, 1000, &name).unwrap();
        }
        [Arc::new(folder)]
    }

    #[test]
    fn files_are_told_in_the_order_of_their_begin_from_the_earliest_on() {
        let scratch = Scratch::new();
        let names = (0..MOST_TOLD + 20).rev().map(|at| format!("cam-{}.flv", 1_700_000_000 + at));
        let folders = folder(&scratch, names.chain(["car-1700000000.flv".into()]));
        let ask = |from, to| answer(&folders, &Question::Files { stream: Name::new("cam").unwrap(), from, to });
        let all = ask(0, u64::MAX);
        assert_eq!((all.total, all.told.len()), (MOST_TOLD + 20, MOST_TOLD));
        assert!(all.told.iter().all(|one| one.bytes == 1000 && one.ended > one.begun));
        let begun: Vec<_> = all.told.iter().map(|one| one.begun).collect();
        assert_eq!(begun, (0..MOST_TOLD as u64).map(|at| 1_700_000_000_000 + at * 1000).collect::<Vec<_>>());
        let rest = ask(begun[MOST_TOLD - 1] + 1, u64::MAX);
        assert_eq!((rest.total, rest.told[0].file.as_str()), (20, "cam-1700000100.flv"));
        assert_eq!(ask(1_700_000_000_000, 1_700_000_003_000).total, 3);
    }

    #[test]
    fn streams_are_told_in_the_order_of_their_names_so_many_at_once() {
        let scratch = Scratch::new();
        let of = |stream: usize| [0, 7].map(|at| format!("c{stream:03}-{}.flv", 1_700_000_000 + at));
        let folders = folder(&scratch, (0..MOST_TOLD + 5).rev().flat_map(of));
        let ask = |after: &str| answer(&folders, &Question::Streams(after.into()));
        let first = ask("");
        assert!(first.total > MOST_TOLD);
        let names: Vec<_> = first.told.iter().map(|one| one.stream.clone()).collect();
        assert_eq!(names, (0..MOST_TOLD).map(|at| format!("c{at:03}")).collect::<Vec<_>>());
        let one = &first.told[0];
        assert_eq!((one.files, one.bytes, one.begun), (2, 2000, 1_700_000_000_000));
        let rest = ask(names.last().unwrap());
        assert_eq!((rest.total, rest.told.len(), rest.told[0].stream.as_str()), (5, 5, "c100"));
    }
}
