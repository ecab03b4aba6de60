//! Arrows point down only, and what belongs to the machine stays above `net`.

use std::fs;
use std::path::{Path, PathBuf};

/// The parts of the crate, each with those that it may use.
const MAY_USE: [(&str, &[&str]); 23] = [
    ("budget", &[]),
    ("wire", &[]),
    ("reactor", &[]),
    ("disk", &["reactor"]),
    ("media", &["wire", "budget"]),
    ("codec", &["media", "wire", "budget"]),
    ("container", &["codec", "media", "wire", "budget"]),
    ("proto", &["container", "codec", "media", "wire", "budget"]),
    ("hub", &["container", "codec", "media", "wire", "budget"]),
    ("hls", &["hub", "container", "media", "wire", "budget"]),
    ("net", &["disk", "reactor", "hub", "proto", "container", "media", "budget"]),
    ("conf", &["disk", "net", "hub", "proto", "budget"]),
    ("device", &["disk", "reactor", "conf", "net", "wire", "budget"]),
    ("listing", &["container", "codec", "media", "wire", "budget"]),
    ("auth", &["disk", "reactor", "conf", "net", "hub", "proto", "container", "wire", "budget"]),
    (
        "session",
        &["disk", "reactor", "listing", "auth", "conf", "net", "hub", "proto", "container", "media", "wire", "budget"],
    ),
    ("lal", &["session", "hub", "media", "wire", "budget"]),
    (
        "serve",
        &[
            "disk",
            "reactor",
            "lal",
            "session",
            "listing",
            "device",
            "conf",
            "hls",
            "net",
            "hub",
            "proto",
            "container",
            "media",
            "wire",
            "budget",
        ],
    ),
    ("relay", &["disk", "reactor", "session", "conf", "net", "hub", "proto", "container", "media", "budget"]),
    (
        "record",
        &["disk", "reactor", "session", "listing", "conf", "net", "hub", "container", "media", "wire", "budget"],
    ),
    ("notify", &["disk", "reactor", "lal", "session", "conf", "net", "hub", "proto", "budget"]),
    ("registry", &["notify", "record", "relay", "serve", "session", "device", "conf", "proto", "budget"]),
    (
        "bin/runnel",
        &[
            "disk", "auth", "budget", "conf", "device", "lal", "net", "notify", "reactor", "record", "registry",
            "relay", "serve", "session", "wire",
        ],
    ),
];

/// Parts that know of no socket, file, thread, clock or executor.
const PURE: [&str; 8] = ["budget", "wire", "media", "codec", "container", "proto", "hub", "hls"];

/// The words that the pure parts do not have.
const IMPURE: [&str; 13] = [
    "smol",
    "async_io",
    "socket2",
    "std::net",
    "std::fs",
    "std::io",
    "std::thread",
    "std::process",
    "std::env",
    "SystemTime::now",
    "println!",
    "eprintln!",
    "Instant::now",
];

/// The files that have one all the same, with the reason.
const EXCEPTIONS: [(&str, &str, &str); 14] = [
    ("proto/ws.rs", "std::io", "a Cursor over a slice, which tungstenite reads from"),
    ("hub/stream.rs", "Instant::now", "a stream is made by one who plays it, and players are given no time"),
    ("hub/publisher.rs", "Instant::now", "Drop takes no arguments"),
    ("hub/viewer.rs", "Instant::now", "Drop takes no arguments"),
    ("session/admit.rs", "hub.publish(", "it takes a leave"),
    ("session/admit.rs", "hub.play(", "it takes a leave"),
    ("session/admit.rs", "hub.cast(", "it takes a leave"),
    ("session/admit.rs", "Leave::own(", "a program that has the server inside decides for itself"),
    ("relay/mod.rs", "Leave::own(", "a relay is configured"),
    ("record/mod.rs", "Leave::own(", "a recording is configured"),
    ("serve/rtsp/multicast.rs", "Leave::own(", "those who listen have been let in"),
    ("serve/hls/streams.rs", "core.play(", "those who ask for its segments have been let in"),
    ("device/memory.rs", "unsafe", "glibc gives memory back by malloc_trim alone, which no crate has"),
    ("net/parting.rs", "unsafe", "the kernel says by SIOCOUTQ alone what a peer has not taken, and no crate has that"),
];

/// The words that no file has, with the reason.
const NOWHERE: [(&str, &str); 12] = [
    ("AtomicU64", "mipsel and armv5 have none"),
    ("AtomicI64", "mipsel and armv5 have none"),
    ("unbounded(", "every queue has a bound"),
    ("mpsc::channel(", "every queue has a bound"),
    ("smol::spawn", "there is one executor, and main runs it"),
    ("hub.publish(", "whoever has a leave goes by Core::admit_publisher"),
    ("hub.play(", "whoever has a leave goes by Core::admit_player"),
    ("hub.cast(", "whoever has a leave goes by Core::admit_cast"),
    ("Leave::own(", "whoever comes from outside asks Core::ask for a leave"),
    ("core.publish(", "whoever comes from outside asks Core::ask for a leave"),
    ("core.play(", "whoever comes from outside asks Core::ask for a leave"),
    ("unsafe", "nothing else here needs it"),
];

/// The load generator: what it may use is all the same to the server.
const BENCH: &str = "bin/runnel-bench";

/// The longest file, in lines.
const LONGEST: usize = 600;

/// A source file without its tests and comments.
struct Source {
    /// Relative to `src`.
    path: String,
    lines: Vec<(usize, String)>,
    len: usize,
}

fn sources() -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut paths = Vec::new();
    walk(&root, &mut paths);
    assert!(paths.len() > 50, "{} files in {}", paths.len(), root.display());
    let is_test = |source: &Source| source.path.ends_with("/tests.rs") || source.path.contains("/tests/");
    paths.iter().map(|path| Source::read(&root, path)).filter(|source| !is_test(source)).collect()
}

fn walk(folder: &Path, out: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            walk(&path, out);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            out.push(path);
        }
    }
}

impl Source {
    fn read(root: &Path, path: &Path) -> Self {
        let text = fs::read_to_string(path).unwrap();
        let path = path.strip_prefix(root).unwrap().to_str().unwrap().replace('\\', "/");
        let len = text.lines().count();
        Self { path, lines: program(&text), len }
    }

    /// The part of the crate that it belongs to: programs are parts of their own.
    fn part(&self) -> &str {
        match self.path.strip_prefix("bin/") {
            Some(program) => self.path.split_at("bin/".len() + program.find('/').unwrap()).0,
            None => self.path.split(['/', '.']).next().unwrap(),
        }
    }

    /// The lines that name `word`.
    fn naming<'a>(&'a self, word: &'a str) -> impl Iterator<Item = String> + 'a {
        let found = self.lines.iter().filter(move |(_, line)| names(line, word));
        found.map(move |(number, line)| format!("src/{}:{number}: {}", self.path, line.trim()))
    }
}

/// The numbered lines that are neither comments nor under `#[cfg(test)]`, a chain of calls as one. The
/// end of an item is where rustfmt puts it: at the indentation of its start.
fn program(text: &str) -> Vec<(usize, String)> {
    let mut lines = (1..).zip(text.lines());
    let mut out: Vec<(usize, String)> = Vec::new();
    while let Some((number, line)) = lines.next() {
        if line.trim() == "#[cfg(test)]" || line.trim().starts_with("#[cfg(all(test, ") {
            let end = format!("{}}}", &line[..line.len() - line.trim_start().len()]);
            let item = lines.find(|(_, line)| !line.trim_start().starts_with("#["));
            if item.is_some_and(|(_, line)| !line.ends_with(';') && !line.ends_with('}')) {
                lines.find(|(_, line)| *line == end);
            }
        } else if !line.trim_start().starts_with("//") {
            let code = line.split(" //").next().unwrap_or_default();
            match out.last_mut() {
                Some((_, chain)) if code.trim_start().starts_with('.') => chain.push_str(code.trim()),
                _ => out.push((number, code.to_string())),
            }
        }
    }
    out
}

/// True if `word` stands in `line`, and not as a part of a longer name.
fn names(line: &str, word: &str) -> bool {
    let part_of_name = |c: char| c.is_alphanumeric() || c == '_';
    line.match_indices(word).any(|(at, _)| {
        let (before, after) = (line[..at].chars().next_back(), line[at + word.len()..].chars().next());
        let longer = after.is_some_and(part_of_name) && word.ends_with(part_of_name);
        !longer && !before.is_some_and(part_of_name)
    })
}

/// The parts of the library that a line names, as `crate::part` or `runnel::part`.
fn parts<'a>(line: &'a str, roots: &[&str]) -> Vec<&'a str> {
    let paths = roots.iter().flat_map(|root| line.match_indices(root).map(|(at, root)| &line[at + root.len()..]));
    paths.map(|rest| rest.split(|c: char| !c.is_alphanumeric() && c != '_').next().unwrap_or_default()).collect()
}

/// The two types of each `Result` that names both.
fn results(code: &str) -> Vec<(&str, &str)> {
    let inside = |rest: &'_ str| {
        let (mut depth, mut comma, mut before) = (1, None, ' ');
        let end = rest.char_indices().find_map(|(at, c)| {
            match c {
                '<' | '(' | '[' => depth += 1,
                '>' if before == '-' => {}
                '>' | ')' | ']' => depth -= 1,
                ',' if depth == 1 => comma = Some(at),
                _ => {}
            }
            before = c;
            (depth == 0).then_some(at)
        });
        comma.zip(end)
    };
    let after = code.match_indices("Result<").map(|(at, word)| &code[at + word.len()..]);
    let parts = after.filter_map(|rest| inside(rest).map(|(comma, end)| (&rest[..comma], &rest[comma + 1..end])));
    parts.map(|(value, error)| (value.trim(), error.trim())).collect()
}

#[test]
fn arrows_point_down_only() {
    let mut wrong = Vec::new();
    for source in sources().iter().filter(|source| source.path != "lib.rs" && source.part() != BENCH) {
        let row = MAY_USE.iter().find(|(part, _)| *part == source.part());
        let Some((_, may_use)) = row else { panic!("src/{} belongs to no part in the table", source.path) };
        // what a program calls its crate is not the library
        let roots = if source.path.starts_with("bin/") { &["runnel::"][..] } else { &["crate::", "runnel::"] };
        for (number, line) in &source.lines {
            let others =
                parts(line, roots).into_iter().filter(|part| *part != source.part() && !may_use.contains(part));
            wrong.extend(others.map(|part| format!("src/{}:{number} uses {part:?}", source.path)));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_table_has_every_part_and_no_circle() {
    let sources = sources();
    let library = sources.iter().find(|source| source.path == "lib.rs").unwrap();
    let modules = library.lines.iter().filter_map(|(_, line)| line.strip_prefix("pub mod ")?.strip_suffix(';'));
    let mut modules: Vec<_> = modules.chain(["bin/runnel"]).collect();
    let mut rows: Vec<_> = MAY_USE.iter().map(|(part, _)| *part).collect();
    modules.sort_unstable();
    rows.sort_unstable();
    assert_eq!(rows, modules);
    // what a part uses stands above it in the table
    let mut above = Vec::new();
    for (part, uses) in MAY_USE {
        assert!(uses.iter().all(|used| above.contains(used)), "{part}");
        above.push(part);
    }
}

#[test]
fn what_belongs_to_the_machine_stays_above_net() {
    let mut wrong = Vec::new();
    for source in sources().iter().filter(|source| PURE.contains(&source.part())) {
        for word in IMPURE {
            let excused = EXCEPTIONS.iter().any(|(path, what, _)| (*path, *what) == (source.path.as_str(), word));
            wrong.extend(source.naming(word).filter(|_| !excused));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn exceptions_are_still_needed() {
    let sources = sources();
    for (path, word, _) in EXCEPTIONS {
        let needed = sources.iter().any(|source| source.path == path && source.naming(word).next().is_some());
        assert!(needed, "src/{path} does not name {word} any more");
    }
}

#[test]
fn what_nobody_names() {
    for (word, why) in NOWHERE {
        let excused = |path: &str| EXCEPTIONS.iter().any(|(at, what, _)| (*at, *what) == (path, word));
        let sources = sources();
        let found = sources.iter().filter(|source| !excused(&source.path));
        let found: Vec<_> = found.flat_map(|source| source.naming(word).collect::<Vec<_>>()).collect();
        assert!(found.is_empty(), "{word}: {why}\n{}", found.join("\n"));
    }
}

/// Code can tell by a type whose fault it is, and by a text it cannot.
#[test]
fn errors_are_no_texts() {
    for source in sources() {
        let code: Vec<_> = source.lines.iter().map(|(_, line)| line.trim()).collect();
        let code = code.join(" ");
        let texts: Vec<_> = results(&code).into_iter().filter(|(_, error)| *error == "String").collect();
        assert!(texts.is_empty(), "src/{}: {texts:?}", source.path);
    }
}

#[test]
fn files_are_short() {
    let long: Vec<_> = sources().into_iter().filter(|source| source.len > LONGEST).map(|source| source.path).collect();
    assert!(long.is_empty(), "{long:?}");
}

/// The scan itself sees what it is there for.
#[test]
fn tests_and_comments_are_not_scanned() {
    let text = "use crate::hub::Hub; // not crate::net\n/// crate::serve\n#[cfg(test)]\nmod tests {\n    use crate::net;\n}\n\
                #[cfg(test)]\npub(crate) fn f() {\n}\nfn g() { smol::spawn(x) }\n    self.hub\n        .play(x);\n";
    let lines = program(text);
    assert_eq!(lines.iter().map(|(number, _)| *number).collect::<Vec<_>>(), [1, 10, 11]);
    assert!(names(&lines[2].1, "hub.play("));
    assert_eq!(parts(&lines[0].1, &["crate::"]), ["hub"]);
    assert!(names(&lines[1].1, "smol::spawn") && !names("not_smol::spawn()", "smol::spawn"));
    assert!(names("std::io::Read", "std::io") && !names("std::iota", "std::io"));
    let code = "fn f(g: fn() -> Result<Box<dyn Fn() -> u8>, String>) -> io::Result<Option<String>> { Result<(), E> }";
    assert_eq!(results(code), [("Box<dyn Fn() -> u8>", "String"), ("()", "E")]);
}
