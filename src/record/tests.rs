//! Tests of the index, of its healing, and of deletion.

mod recorder;

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::mpsc::sync_channel;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use super::folder::{Busy, Folder, Home};
use super::heal;
use super::index::{Index, NAME, State};
use super::keep::{self, End, Keeper, Message};
use super::queue::Queue;
use super::recording::Recording;
use super::retain::enforce;
use super::scratch::Scratch;
use super::writer::{Job, Pace, Place, Writer};
use super::{Prepared, Recorder};
use crate::conf::{Config, Record};
use crate::disk::disk_of;
use crate::hub::Name;
use crate::session::{Core, said};

fn pace(seconds: u64) -> Pace {
    let pace = Pace::default();
    pace.set(Duration::from_secs(seconds));
    pace
}

/// A folder with a single rule, which also contains `keys`.
fn folder(scratch: &Scratch, keys: &str) -> Folder {
    Folder::new(&Home::at(&scratch.0), &rules(scratch, keys), true, Busy::default())
}

fn rules(scratch: &Scratch, keys: &str) -> Vec<Arc<Record>> {
    let path = scratch.0.to_str().unwrap();
    let text = format!("profile = \"box\"\n[[record]]\nstreams = \"cam*\"\npath = {path:?}\n{keys}\n");
    Config::parse("test", &text).unwrap().record.into_iter().map(Arc::new).collect()
}

fn make(folder: &Folder, name: &str, size: usize) {
    let path = folder.path().join(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, vec![7; size]).unwrap();
}

/// Adds a recording that ends now, whatever the time in its name.
fn record(folder: &Folder, name: &str, size: usize) {
    make(folder, name, size);
    folder.index.add(State::Whole, size as u64, name).unwrap();
}

fn indexed(index: &Index) -> Vec<String> {
    let mut names = Vec::new();
    index
        .each(&mut |line| {
            if line.state != State::Gone {
                names.push(line.name.to_string());
            }
        })
        .unwrap();
    names
}

/// Mends the index. Gives whether it was wrong.
fn healed(folder: &Folder, first: Option<&str>, thorough: bool) -> std::io::Result<bool> {
    heal::mend(folder, first, heal::look(folder, thorough, &mut || Ok(()))?)
}

fn left(folder: &Folder) -> Vec<String> {
    let mut names = Vec::new();
    let mut push = |name: &str| {
        names.push(name.to_string());
        Ok(())
    };
    folder.walk(&mut push).unwrap();
    names.sort();
    names
}

#[test]
fn what_was_recorded_first_goes_first_whatever_the_clock_said() {
    let scratch = Scratch::new();
    let folder = folder(&scratch, "keep_size = 1000");
    // the clock set back by an hour, and not set at all
    for name in ["cam-1700003600.flv", "cam-1700007200.flv", "cam-1700000001.flv", "cam-12.flv", "cam-20.flv"] {
        record(&folder, name, 400);
    }
    enforce(&folder, &folder.rules[0], true).unwrap();
    assert_eq!(left(&folder), ["cam-12.flv", "cam-20.flv"]);
    assert_eq!(indexed(&folder.index), ["cam-12.flv", "cam-20.flv"]);
}

#[test]
fn of_many_that_are_deleted_some_are_named() {
    let scratch = Scratch::new();
    let folder = folder(&scratch, "keep_size = 400");
    for at in 10..99 {
        record(&folder, &format!("cam-17000000{at}.flv"), 400);
    }
    said::lines();
    enforce(&folder, &folder.rules[0], true).unwrap();
    assert_eq!(left(&folder), ["cam-1700000098.flv"]);
    let said = said::lines();
    assert!((1..20).contains(&said.len()), "{said:?}");
    assert!(
        said.first().unwrap().contains("cam-1700000010.flv") && said.last().unwrap().contains("72 more"),
        "{said:?}"
    );
}

#[test]
fn a_stream_costs_another_nothing() {
    let scratch = Scratch::new();
    let folder = folder(&scratch, "keep_size = 1000");
    record(&folder, "cam1-1700000000.flv", 900);
    record(&folder, "cam2-1700000001.flv", 900);
    for at in 2..9 {
        record(&folder, &format!("camEVIL-170000000{at}.flv"), 500);
    }
    enforce(&folder, &folder.rules[0], true).unwrap();
    let expected = ["cam1-1700000000.flv", "cam2-1700000001.flv", "camEVIL-1700000007.flv", "camEVIL-1700000008.flv"];
    assert_eq!(left(&folder), expected);
}

#[test]
fn of_all_together_those_give_that_have_most() {
    let scratch = Scratch::new();
    let folder = folder(&scratch, "keep_total = 3000");
    record(&folder, "cam1-1700000000.flv", 900);
    record(&folder, "cam2-1700000001.flv", 100);
    for at in 2..9 {
        record(&folder, &format!("camEVIL-170000000{at}.flv"), 500);
    }
    enforce(&folder, &folder.rules[0], true).unwrap();
    let left = left(&folder);
    assert!(left.contains(&"cam1-1700000000.flv".into()) && left.contains(&"cam2-1700000001.flv".into()), "{left:?}");
    assert_eq!(left.len(), 2 + 4, "{left:?}");
}

#[test]
fn what_is_being_recorded_and_the_newest_stay() {
    let scratch = Scratch::new();
    let folder = folder(&scratch, "keep_size = 1\nkeep_total = 1");
    record(&folder, "cam-3.flv", 400);
    record(&folder, "cam-2.flv", 400);
    folder.busy.lock().push(folder.path().join("cam-3.flv"));
    record(&folder, "cam2-1.flv", 400);
    enforce(&folder, &folder.rules[0], true).unwrap();
    assert_eq!(left(&folder), ["cam-2.flv", "cam-3.flv", "cam2-1.flv"]);
}

/// Adds a recording that began and ended this number of seconds ago, by the clock.
fn record_ago(folder: &Folder, stream: &str, begun: u64, ended: u64) -> String {
    let now = SystemTime::now();
    let name = format!("{stream}-{}.flv", now.duration_since(UNIX_EPOCH).unwrap().as_secs() - begun);
    record(folder, &name, 9);
    let file = fs::File::options().write(true).open(folder.path().join(&name)).unwrap();
    file.set_modified(now - Duration::from_secs(ended)).unwrap();
    name
}

#[test]
fn what_is_too_old_goes_by_the_date_of_its_end_and_what_has_none_stays() {
    for has_all in [true, false] {
        let scratch = Scratch::new();
        let folder = folder(&scratch, "keep_age = \"1h\"");
        record_ago(&folder, "cam", 9000, 4000);
        let long = record_ago(&folder, "cam", 5000, 3000);
        record(&folder, "cam-12.flv", 9);
        let last = record_ago(&folder, "cam", 2000, 1000);
        enforce(&folder, &folder.rules[0], has_all).unwrap();
        assert_eq!(left(&folder), ["cam-12.flv".into(), long, last], "{has_all}");
    }
}

#[test]
fn the_newest_that_is_whole_stays_however_old_it_is() {
    for has_all in [true, false] {
        let scratch = Scratch::new();
        let folder = folder(&scratch, "keep_age = \"1h\"");
        // with a clock that is ahead, all recordings seem that old
        record_ago(&folder, "cam1", 9000, 8000);
        let newest = record_ago(&folder, "cam1", 7000, 6000);
        record_ago(&folder, "cam2", 9000, 8000);
        let before = record_ago(&folder, "cam2", 7000, 6000);
        let open = record_ago(&folder, "cam2", 6000, 5000);
        folder.busy.lock().push(folder.path().join(&open));
        enforce(&folder, &folder.rules[0], has_all).unwrap();
        assert_eq!(left(&folder), [newest, before, open], "{has_all}");
    }
}

#[test]
fn others_hands_are_seen() {
    let scratch = Scratch::new();
    let folder = folder(&scratch, "[[record]]\nstreams = \"cam*\"\npath = \"/x\"\nformat = \"hls\"");
    make(&folder, "cam-1700000005.flv", 9);
    make(&folder, "cam-1700000003.flv", 9);
    make(&folder, "door-1700000003.flv", 9);
    make(&folder, "cam-1700000004.txt", 9);
    assert!(healed(&folder, None, true).unwrap());
    assert_eq!(indexed(&folder.index), ["cam-1700000003.flv", "cam-1700000005.flv"]);
    // this run begins with a clock that is not set
    record(&folder, "cam-7.flv", 9);
    record(&folder, "cam-8.flv", 9);
    // a user deletes one file, and adds others
    fs::remove_file(folder.path().join("cam-1700000005.flv")).unwrap();
    for name in ["cam-1700000009.flv", "cam-1600000000.flv"] {
        make(&folder, name, 9);
    }
    assert!(healed(&folder, Some("cam-7.flv"), false).unwrap());
    let expected = ["cam-1600000000.flv", "cam-1700000003.flv", "cam-1700000009.flv", "cam-7.flv", "cam-8.flv"];
    assert_eq!(indexed(&folder.index), expected);
    assert!(!healed(&folder, Some("cam-7.flv"), false).unwrap(), "nothing is wrong any more");
    // a line that no rule matches is not changed
    record(&folder, "door-1700000003.flv", 9);
    healed(&folder, None, false).unwrap();
    assert_eq!(indexed(&folder.index).len(), 6);
    // the index is lost
    fs::remove_file(folder.path().join(NAME)).unwrap();
    healed(&folder, None, false).unwrap();
    assert_eq!(indexed(&folder.index).len(), 5);
}

#[test]
fn what_a_loss_of_power_has_left_is_settled() {
    let scratch = Scratch::new();
    let folder = folder(&scratch, "");
    record(&folder, "cam-1.flv", 9);
    for (name, size) in [("cam-2.flv", 0), ("cam-3.flv", 5), ("cam-4.flv", 0)] {
        make(&folder, name, size);
        folder.index.add(State::Open, 0, name).unwrap();
    }
    fs::write(folder.path().join("cam-1.flv"), []).unwrap();
    folder.busy.lock().push(folder.path().join("cam-4.flv"));
    healed(&folder, None, true).unwrap();
    assert_eq!(left(&folder), ["cam-3.flv", "cam-4.flv"]);
    assert_eq!(indexed(&folder.index), ["cam-3.flv", "cam-4.flv"]);
    let mut lines = Vec::new();
    folder.index.each(&mut |line| lines.push((line.state, line.size))).unwrap();
    assert!(lines.contains(&(State::Whole, 5)) && lines.contains(&(State::Open, 0)), "{lines:?}");
    // the index is overwritten with zeros
    fs::write(folder.path().join(NAME), [0; 9000]).unwrap();
    healed(&folder, None, true).unwrap();
    assert_eq!(indexed(&folder.index), ["cam-3.flv"]);
}

#[test]
fn thousands_are_put_in_order_in_bounded_steps() {
    let scratch = Scratch::new();
    let folder = folder(&scratch, "keep_size = 8800");
    let names: Vec<String> = (0..9000).map(|at| format!("cam-{}.flv", 1_700_000_000 + at)).collect();
    names.iter().for_each(|name| make(&folder, name, 1));
    assert!(healed(&folder, None, true).unwrap());
    assert_eq!(indexed(&folder.index), names);
    fs::remove_file(folder.path().join(&names[8999])).unwrap();
    fs::remove_file(folder.path().join(&names[3])).unwrap();
    make(&folder, "cam-1700000100-7.flv", 1);
    assert!(healed(&folder, None, false).unwrap());
    let indexed = indexed(&folder.index);
    assert_eq!((indexed.len(), indexed[100].as_str()), (8999, "cam-1700000100-7.flv"));
    while enforce(&folder, &folder.rules[0], true).unwrap().more {}
    assert_eq!(left(&folder), names[199..8999]);
}

#[test]
fn without_an_index_the_oldest_go_by_their_names() {
    let scratch = Scratch::new();
    let folder = folder(&scratch, "keep_size = 1000");
    for at in 0..5 {
        make(&folder, &format!("cam-170000000{at}.flv"), 400);
    }
    enforce(&folder, &folder.rules[0], true).unwrap();
    assert_eq!(left(&folder), ["cam-1700000003.flv", "cam-1700000004.flv"]);
    assert!(!folder.path().join(NAME).exists());
}

#[test]
fn the_keeper_goes_by_the_rules_of_now() {
    let scratch = Scratch::new();
    let (of_cams, busy) = (folder(&scratch, ""), Busy::default());
    let (all, few) = (rules(&scratch, ""), rules(&scratch, "keep_size = 1000"));
    let mut others = all.clone();
    Arc::make_mut(&mut others[0]).path = "/none".into();
    let (old, first, late) = ("cam-1700000000.flv", "cam-7.flv", "cam-8.flv");
    [old, first, late].iter().for_each(|name| make(&of_cams, name, 400));
    let path = |name: &str| scratch.0.join(name);
    busy.lock().extend([path(first), path(late)]);
    let opened = |id, name| Message::Opened { id, path: path(name), rule: all[0].clone() };
    let closed = |id, name| Message::Closed { id, path: path(name), rule: all[0].clone(), end: End::Whole };
    let (tell, told) = sync_channel(keep::MAX_MESSAGES);
    let keeper = Keeper::new(pace(1), busy.clone(), Arc::default());
    let keeper = std::thread::spawn(move || keeper.run(&told));
    let wait_until = |is_so: &dyn Fn() -> bool| until(&of_cams, is_so);
    tell.send(Message::Rules(all.clone(), 0)).unwrap();
    wait_until(&|| indexed(&of_cams.index) == [old]);
    let news = [
        opened(0, first),
        closed(0, first),
        opened(1, late),
        Message::Rules(others, 0),
        closed(1, late),
        Message::Rules(few, 0),
    ];
    news.into_iter().for_each(|news| tell.send(news).unwrap());
    wait_until(&|| left(&of_cams) == [first, late]);
    tell.send(Message::Over).unwrap();
    keeper.join().unwrap();
    assert!(busy.lock().is_empty(), "one of a rule that is gone is never deleted");
    assert_eq!(left(&of_cams), [first, late]);
    let mut lines = Vec::new();
    of_cams.index.each(&mut |line| lines.push((line.state, line.name.to_string()))).unwrap();
    lines.retain(|(state, _)| *state != State::Gone);
    assert_eq!(lines, [(State::Whole, first.into()), (State::Whole, late.into())]);
}

/// The keeper has resolved the rule's path before its card was mounted.
#[test]
fn a_file_on_a_card_that_has_just_come_counts_at_once() {
    let scratch = Scratch::new();
    let (real, link) = (scratch.0.join("real"), scratch.0.join("link"));
    fs::create_dir(&real).unwrap();
    let mut rules = rules(&scratch, "");
    Arc::make_mut(&mut rules[0]).path = link.to_str().unwrap().into();
    let (heard, busy, (tell, told)) = (Arc::default(), Busy::default(), sync_channel(keep::MAX_MESSAGES));
    let keeper = Keeper::new(pace(1), busy.clone(), Arc::clone(&heard));
    let keeper = std::thread::spawn(move || keeper.run(&told));
    tell.send(Message::Rules(rules.clone(), 7)).unwrap();
    let folder = Folder::new(&Home::at(&real), &rules, true, busy.clone());
    until(&folder, &|| heard.load(Relaxed) == 7);
    std::os::unix::fs::symlink("real", &link).unwrap();
    let name = "cam-1700000000.flv";
    make(&folder, name, 400);
    busy.lock().push(real.join(name));
    tell.send(Message::Opened { id: 0, path: real.join(name), rule: rules[0].clone() }).unwrap();
    tell.send(Message::Over).unwrap();
    keeper.join().unwrap();
    assert_eq!(indexed(&folder.index), [name]);
}

/// Waits until the condition holds, with a limit.
fn until(folder: &Folder, is_so: &dyn Fn() -> bool) {
    let end = Instant::now() + Duration::from_secs(400);
    while !is_so() {
        assert!(Instant::now() < end, "{:?}", left(folder));
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Runs a keeper of these rules until the condition holds.
fn keep_until(folder: &Folder, rules: &[Arc<Record>], is_so: &dyn Fn() -> bool) {
    let (tell, told) = sync_channel(keep::MAX_MESSAGES);
    let keeper = std::thread::spawn(move || Keeper::new(pace(1), Busy::default(), Arc::default()).run(&told));
    tell.send(Message::Rules(rules.to_vec(), 0)).unwrap();
    until(folder, is_so);
    tell.send(Message::Over).unwrap();
    keeper.join().unwrap();
}

#[test]
fn each_rule_of_a_folder_is_kept_to() {
    let scratch = Scratch::new();
    let other = "keep_size = 1000\n[[record]]\nstreams = \"door*\"\nkeep_size = 1000";
    let path = format!("{other}\npath = {:?}", scratch.0.to_str().unwrap());
    let (both, folder) = (rules(&scratch, &path), folder(&scratch, &path));
    let names = |from| ["cam", "door"].map(|stream| (from..5).map(move |at| format!("{stream}-170000000{at}.flv")));
    names(0).into_iter().flatten().for_each(|name| make(&folder, &name, 400));
    keep_until(&folder, &both, &|| left(&folder) == names(3).into_iter().flatten().collect::<Vec<_>>());
}

#[test]
fn a_rule_that_waits_for_its_card_is_in_nobodys_way() {
    let scratch = Scratch::new();
    let path = scratch.0.to_str().unwrap();
    let both =
        format!("keep_size = 1000\n[[record]]\nstreams = \"*\"\npath = {path:?}\nformat = \"ts\"\nmounted = true");
    let (rules, folder) = (rules(&scratch, &both), folder(&scratch, "keep_size = 1000"));
    let names: Vec<_> = (0..4).map(|at| format!("cam-170000000{at}.flv")).collect();
    names.iter().for_each(|name| make(&folder, name, 400));
    make(&folder, "cam-1700000009.ts", 400);
    keep_until(&folder, &rules, &|| !folder.path().join(&names[1]).exists());
    let folders = [Arc::new(Folder::new(&Home::at(&scratch.0), &rules, true, Busy::default()))];
    let told: Vec<_> = super::list::list(&folders, "").into_iter().map(|one| one.file).collect();
    let has = |name: &str| told.iter().any(|text| text.contains(name));
    assert!(has(&names[2]) && has(&names[3]) && !has(".ts"), "{told:?}");
}

/// The listed recordings: their files and sizes.
fn told(folders: &[Arc<Folder>], query: &str) -> Vec<(String, u64)> {
    let mut told: Vec<_> = super::list::list(folders, query).into_iter().map(|told| (told.file, told.bytes)).collect();
    told.sort();
    told
}

#[test]
fn what_is_in_segments_is_told_once_with_the_size_of_all() {
    let scratch = Scratch::new();
    let folder = folder(&scratch, "format = \"hls\"");
    for (name, size) in [("1700000000000-0", 100), ("1700000006000-1", 200), ("1700000090000-0", 400)] {
        record(&folder, &format!("cam/cam-{name}.ts"), size);
    }
    let at = folder.index.add(State::Open, 0, "cam/cam-1700000096000-1.ts").unwrap();
    make(&folder, "cam/cam-1700000096000-1.ts", 50);
    let folders = [Arc::new(folder)];
    assert_eq!(told(&folders, ""), [("cam/record.m3u8".into(), 750)]);
    folders[0].index.set(at, State::Gone, 0, "cam/cam-1700000096000-1.ts").unwrap();
    assert_eq!(told(&folders, "stream=cam"), [("cam/record.m3u8".into(), 700)]);
    // it began with its first segment
    assert_eq!(told(&folders, "before=1700000000000"), []);
    // more streams than fit into one pass
    for at in 0..300 {
        record(&folders[0], &format!("cam{at}/cam{at}-{}-0.ts", 1_700_000_100_000_u64 + at), 7);
    }
    let mut all = Vec::new();
    for before in [1_700_000_100_300_u64, 1_700_000_100_200, 1_700_000_100_100, 1_700_000_100_000] {
        all.extend(told(&folders, &format!("before={before}")));
    }
    all.sort();
    all.dedup();
    assert_eq!((all.len(), all.iter().map(|(_, size)| size).sum::<u64>()), (301, 300 * 7 + 700));
}

#[test]
fn a_playlist_that_cannot_be_mended_changes_nothing_in_what_goes_first() {
    let scratch = Scratch::new();
    let keys = "format = \"hls\"\nkeep_size = 1000";
    let (rules, folder) = (rules(&scratch, keys), folder(&scratch, keys));
    // the newest has the earliest time in its name: the clock was not set
    let names = ["cam1/cam1-1700000000000-0.ts", "cam1/cam1-1700000000000-1.ts", "cam1/cam1-12000-0.ts"];
    names.iter().for_each(|name| record(&folder, name, 400));
    fs::create_dir_all(scratch.0.join("cam1/record.m3u8/in the way")).unwrap();
    keep_until(&folder, &rules, &|| left(&folder).len() == 2);
    assert_eq!(left(&folder), [names[2], names[1]]);
}

/// Five recordings of 400 bytes, of which two may be kept.
fn five(scratch: &Scratch) -> Folder {
    let folder = folder(scratch, "keep_size = 1000");
    for at in 0..5 {
        make(&folder, &format!("cam-170000000{at}.flv"), 400);
    }
    folder
}

const TWO: [&str; 2] = ["cam-1700000003.flv", "cam-1700000004.flv"];

#[test]
fn what_cannot_be_an_index_is_replaced_and_the_oldest_go() {
    let garbage = |path: &Path, byte| fs::write(path, vec![byte; 3 << 20]).unwrap();
    type Put<'a> = &'a dyn Fn(&Path);
    let kinds: [(&str, Put<'_>); 7] = [
        ("a pipe", &|path| rustix::fs::mkfifoat(rustix::fs::CWD, path, 0o600.into()).unwrap()),
        ("a link to nothing", &|path| std::os::unix::fs::symlink("/nothing/there", path).unwrap()),
        ("a link", &|path| std::os::unix::fs::symlink(path.with_file_name("mine.txt"), path).unwrap()),
        ("forbidden", &|path| {
            fs::write(path, "+ 000000000190 cam-1700000000.flv\n").unwrap();
            fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(0o000)).unwrap();
        }),
        ("zeros", &|path| garbage(path, 0)),
        ("lines", &|path| fs::write(path, "garbage\n".repeat(1 << 20)).unwrap()),
        ("much of it", &|path| fs::File::create(path).unwrap().set_len(2 << 30).unwrap()),
    ];
    for (what, put) in kinds {
        let scratch = Scratch::new();
        let folder = five(&scratch);
        fs::write(scratch.0.join("mine.txt"), "mine").unwrap();
        put(&scratch.0.join(NAME));
        let (tell, told) = sync_channel(1);
        std::thread::spawn(move || {
            healed(&folder, None, true).unwrap();
            enforce(&folder, &folder.rules[0], true).unwrap();
            tell.send(folder).unwrap();
        });
        let folder = told.recv_timeout(Duration::from_secs(100)).expect(what);
        assert_eq!(left(&folder), TWO, "{what}");
        assert_eq!(indexed(&folder.index), TWO, "{what}");
        assert!(fs::symlink_metadata(scratch.0.join(NAME)).unwrap().is_file(), "{what}");
        assert_eq!(fs::read_to_string(scratch.0.join("mine.txt")).unwrap(), "mine", "{what}");
    }
}

#[test]
fn what_cannot_be_replaced_is_told_and_the_oldest_go_all_the_same() {
    let scratch = Scratch::new();
    let folder = five(&scratch);
    fs::create_dir(scratch.0.join(NAME)).unwrap();
    let error = healed(&folder, None, true).unwrap_err().to_string();
    assert!(error.contains(".runnel-index: ") && error.ends_with("; delete it"), "{error}");
    enforce(&folder, &folder.rules[0], true).unwrap();
    assert_eq!(left(&folder), TWO);
}

#[test]
fn lines_of_what_is_gone_do_not_pile_up() {
    let scratch = Scratch::new();
    let folder = Folder::new(&Home::at(&scratch.0), &rules(&scratch, ""), false, Busy::default());
    let names: Vec<_> = (0..2500).map(|at| format!("cam-{}.flv", 1_700_000_000 + at)).collect();
    let lines: Vec<_> = names.iter().map(|name| folder.index.add(State::Whole, 1, name).unwrap()).collect();
    names[1200..].iter().for_each(|name| make(&folder, name, 1));
    folder.index.remove(&lines[..1100]).unwrap();
    let size = || fs::metadata(scratch.0.join(NAME)).unwrap().len();
    let before = size();
    assert!(healed(&folder, None, false).unwrap(), "a hundred are gone by other hands");
    assert_eq!(size(), before, "the others are more");
    folder.index.remove(&lines[1200..1300]).unwrap();
    names[1200..1300].iter().for_each(|name| fs::remove_file(scratch.0.join(name)).unwrap());
    assert!(!healed(&folder, None, false).unwrap());
    assert!(size() < before / 2, "{} of {before}", size());
    assert_eq!(indexed(&folder.index), names[1300..]);
    assert!(!healed(&folder, None, false).unwrap());
}

#[test]
fn who_records_meanwhile_is_heard() {
    let scratch = Scratch::new();
    let folder = folder(&scratch, "");
    let names: Vec<_> = (0..3000).map(|at| format!("cam-{}.flv", 1_700_000_000 + at)).collect();
    names.iter().for_each(|name| make(&folder, name, 1));
    // a recording begins at each hundredth step
    let (mut steps, mut first) = (0, None);
    let mut pause = || {
        steps += 1;
        if steps % 100 == 0 {
            let name = format!("cam-{steps}.flv");
            folder.busy.lock().push(scratch.0.join(&name));
            make(&folder, &name, 1);
            let at = folder.index.add(State::Open, 0, &name).unwrap();
            folder.index.set(at, State::Whole, 1, &name).unwrap();
            first.get_or_insert(name);
        }
        Ok(())
    };
    let faults = heal::look(&folder, true, &mut pause).unwrap();
    assert!(steps >= 2 * names.len());
    assert!(heal::mend(&folder, first.as_deref(), faults).unwrap());
    folder.busy.lock().clear();
    let recorded = (1..=steps / 100).map(|at| format!("cam-{}.flv", 100 * at));
    assert_eq!(indexed(&folder.index), names.iter().cloned().chain(recorded).collect::<Vec<_>>());
    assert!(!healed(&folder, first.as_deref(), false).unwrap());
    // an error of the pause ends the comparison
    fs::remove_file(scratch.0.join(NAME)).unwrap();
    let ended = heal::look(&folder, true, &mut || Err(std::io::ErrorKind::Interrupted.into()));
    assert_eq!(ended.err().map(|error| error.kind()), Some(std::io::ErrorKind::Interrupted));
    assert!(!scratch.0.join(NAME).exists());
}

#[test]
fn the_order_of_rules_does_not_matter() {
    let scratch = Scratch::new();
    let path = scratch.0.to_str().unwrap();
    let both = rules(&scratch, &format!("keep_size = 9\n[[record]]\nstreams = \"door\"\npath = {path:?}"));
    let keep = |rules: &[Arc<Record>]| Folder::new(&Home::at(&scratch.0), rules, true, Busy::default());
    let turned: Vec<_> = both.iter().rev().cloned().collect();
    assert!(keep(&turned).writes_as(&keep(&both)) && keep(&both).writes_as(&keep(&turned)));
    assert!(!keep(&both[..1]).writes_as(&keep(&both)) && !keep(&both[1..]).writes_as(&keep(&both[..1])));
}

#[test]
fn rules_that_meet_in_a_folder_know_of_each_other_s_files() {
    let scratch = Scratch::new();
    let (real, link) = (scratch.0.join("real"), scratch.0.join("link"));
    let keys = format!("keep_size = 1000\n[[record]]\nstreams = \"cam9\"\npath = {:?}", link.to_str().unwrap());
    let mut rules = rules(&scratch, &keys);
    Arc::make_mut(&mut rules[0]).path = real.to_str().unwrap().into();
    let busy = Busy::default();
    let (tell, told) = sync_channel(keep::MAX_MESSAGES);
    let (order, orders) = Queue::new(99);
    let core = Core::new(Config::parse("test", "profile = \"box\"").unwrap(), crate::registry::costs(), Arc::default());
    let writer = Writer::new(pace(0), busy.clone(), tell);
    let threads = [
        std::thread::spawn(move || writer.run(&orders)),
        std::thread::spawn(move || Keeper::new(pace(0), busy, Arc::default()).run(&told)),
    ];
    order.send(Job::Rules(rules.clone(), 0)).unwrap();
    // the card is mounted later, and the link is made
    fs::create_dir(&real).unwrap();
    std::os::unix::fs::symlink("real", &link).unwrap();
    for second in 1..=4 {
        let place = Place {
            recording: Recording::new(&core, rules[1].clone(), Name::new("cam9").unwrap(), core.who("RECORD")),
            begun: Duration::from_secs(1000 + second),
            number: 0,
        };
        let id = usize::try_from(second).unwrap();
        order.send(Job::Open { id, place, failed: Arc::default() }).unwrap();
        order.send(Job::Write { id, bytes: vec![7; 400].into() }).unwrap();
        // the first recording continues
        if id > 1 {
            order.send(Job::Close { id, patch: None, duration: Duration::ZERO, discontinuity: false }).unwrap();
        }
    }
    let path = |second: u64| real.join(format!("cam9-{}.flv", 1000 + second));
    let end = Instant::now() + Duration::from_secs(400);
    while !path(4).exists() || path(3).exists() {
        assert!(path(1).exists() || !path(4).exists(), "one that is being written is deleted");
        assert!(Instant::now() < end, "{:?}", fs::read_dir(&real).unwrap().collect::<Vec<_>>());
        std::thread::sleep(Duration::from_millis(5));
    }
    drop(order);
    threads.into_iter().for_each(|thread| thread.join().unwrap());
    assert_eq!([1, 2, 3, 4].map(|second| path(second).exists()), [true, false, false, true]);
}

#[test]
fn rules_whose_paths_meet_have_one_keeper_and_none_in_the_store() {
    let scratch = Scratch::new();
    if disk_of(&scratch.0) != disk_of(Path::new("/")) {
        return; // links are read without waiting only on the system's own disk
    }
    let (real, link) = (scratch.0.join("real"), scratch.0.join("link"));
    fs::create_dir(&real).unwrap();
    std::os::unix::fs::symlink(&real, &link).unwrap();
    let prepare = |store: &str, format: &str| {
        let rule = |path: &Path, streams: &str| {
            format!("[[record]]\nstreams = {streams:?}\npath = {path:?}\nformat = {format:?}\nmounted = true\n")
        };
        let (first, second) = (rule(&real, "a*"), rule(&link, "b*"));
        let text = format!("profile = \"box\"\nhls.store = {store:?}\n{first}{second}");
        let config = Config::parse("test", &text).unwrap();
        let core = Arc::new(Core::new(config.clone(), crate::registry::costs(), Arc::default()));
        Recorder::new(&core).prepare(&config).map(|Prepared(disks)| disks.len()).map_err(|error| error.to_string())
    };
    assert_eq!(prepare("memory", "flv"), Ok(1));
    assert_eq!(prepare(link.to_str().unwrap(), "flv"), Ok(1));
    assert_eq!(prepare("memory", "hls"), Ok(1));
    let other = scratch.0.join("other");
    std::os::unix::fs::symlink(&link, &other).unwrap();
    assert!(prepare(other.to_str().unwrap(), "hls").unwrap_err().contains("leads to the folder of hls.store"));
}
