//! README.md, CONTRIBUTING.md, DESIGN.md and docs/ name only what is there: files, links, keys, commands, metrics.

use std::fs::{read_dir, read_to_string};
use std::path::{Path, PathBuf};

use runnel::conf::{Config, REFERENCE};
use runnel::container::FORMS;
use runnel::registry::{PROTOCOLS, plan};
use runnel::relay::Direction;

use crate::program::run;

/// A page in Markdown.
struct Page {
    /// In the repository.
    path: PathBuf,
    text: String,
}

/// Folders of the repository that pages name files of.
const FOLDERS: [&str; 8] = ["benches", "board", "buildroot", "conf", "docs", "fuzz", "src", "tests"];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn pages() -> Vec<Page> {
    let of_docs =
        read_dir(root().join("docs")).unwrap().map(|entry| Path::new("docs").join(entry.unwrap().file_name()));
    let paths: Vec<_> =
        ["README.md", "CONTRIBUTING.md", "DESIGN.md"].map(PathBuf::from).into_iter().chain(of_docs).collect();
    assert!(paths.len() > 3, "docs/ is empty");
    paths.into_iter().map(|path| Page { text: read_to_string(root().join(&path)).unwrap(), path }).collect()
}

impl Page {
    /// The lines that are not code, cut at their backticks: words and code in turn.
    fn turns(&self) -> Vec<String> {
        let prose: Vec<_> = self.text.lines().filter(|line| !line.starts_with("    ")).collect();
        let turns: Vec<_> = prose.join(" ").split('`').map(str::to_string).collect();
        assert!(turns.len() % 2 == 1, "{}: a backtick is missing", self.path.display());
        turns
    }

    /// Code within lines.
    fn spans(&self) -> Vec<String> {
        self.turns().into_iter().skip(1).step_by(2).collect()
    }

    /// Indented code, without the indentation; an empty line ends a piece.
    fn code(&self) -> Vec<String> {
        let mut pieces = vec![String::new()];
        for line in self.text.lines() {
            match (line.strip_prefix("    "), pieces.last_mut()) {
                (Some(code), Some(piece)) => *piece += &format!("{code}\n"),
                _ => pieces.push(String::new()),
            }
        }
        pieces.retain(|piece| !piece.is_empty());
        pieces
    }

    /// The targets of its links that are pages or files of ours.
    fn links(&self) -> impl Iterator<Item = &str> {
        let targets = self.text.split("](").skip(1).filter_map(|rest| rest.split(')').next());
        targets.filter(|target| !target.starts_with("http"))
    }
}

/// The anchors of a page: its headings, as GitHub writes them.
fn anchors(text: &str) -> Vec<String> {
    let headings = text.lines().filter(|line| line.starts_with('#')).map(|line| line.trim_start_matches(['#', ' ']));
    let anchor = |heading: &str| {
        let kept = heading.chars().filter(|c| c.is_alphanumeric() || "- _".contains(*c));
        kept.collect::<String>().to_lowercase().replace(' ', "-")
    };
    headings.map(anchor).collect()
}

/// The file that a piece of code names, as far as no placeholder stands in its path.
fn file(span: &str) -> Option<PathBuf> {
    let (folder, _) = span.split_once('/').filter(|(folder, _)| FOLDERS.contains(folder))?;
    let path = span.split(' ').next()?;
    let is_said = |item: &&str| !item.contains('*') && item.chars().any(|c| !c.is_uppercase());
    Some(
        path.split('/')
            .skip(1)
            .filter(|item| !item.is_empty())
            .take_while(is_said)
            .fold(folder.into(), |path: PathBuf, item| path.join(item)),
    )
}

#[test]
fn every_link_leads_to_a_page_and_a_heading() {
    for page in pages() {
        for link in page.links() {
            let (target, anchor) = link.split_once('#').unwrap_or((link, ""));
            let folder = root().join(&page.path);
            let path = if target.is_empty() { folder } else { folder.with_file_name(target) };
            let text = read_to_string(&path).unwrap_or_else(|error| panic!("{}: {link}: {error}", page.path.display()));
            let is_there = anchor.is_empty() || anchors(&text).iter().any(|known| known == anchor);
            assert!(is_there, "{}: {link}: no such heading", page.path.display());
        }
    }
}

#[test]
fn the_readme_leads_to_every_page() {
    let pages = pages();
    for page in &pages[1..] {
        assert!(pages[0].links().any(|link| Path::new(link) == page.path), "{}", page.path.display());
    }
}

#[test]
fn every_file_that_is_named_is_there() {
    for page in pages() {
        for span in page.spans() {
            let Some(path) = file(&span) else { continue };
            assert!(root().join(&path).exists(), "{}: `{span}`", page.path.display());
        }
    }
}

/// "`A`, `B` and `C` in `FILE`" says that FILE has these words.
#[test]
fn what_is_said_to_be_in_a_file_is_in_it() {
    let mut found = 0;
    for page in pages() {
        let turns = page.turns();
        for at in (3..turns.len()).step_by(2).filter(|at| turns[at - 1] == " in ") {
            // a folder is no file
            let Some(Ok(text)) = file(&turns[at]).map(|path| read_to_string(root().join(path))) else { continue };
            let mut word = at - 2;
            loop {
                assert!(text.contains(&turns[word]), "{}: `{}` in `{}`", page.path.display(), turns[word], turns[at]);
                found += 1;
                let is_list = [", ", " and "].contains(&turns[word - 1].as_str());
                if !is_list || word < 3 || file(&turns[word - 2]).is_some() {
                    break;
                }
                word -= 2;
            }
        }
    }
    assert!(found > 10, "{found}");
}

#[test]
fn every_key_that_is_named_is_one_and_may_have_the_value() {
    let reference: toml::Table = REFERENCE.parse().unwrap();
    for page in pages() {
        for span in page.spans() {
            let (names, value) = span.split_once(" = ").unwrap_or((&span, ""));
            for (table, name) in names.split(" / ").filter_map(|key| key.split_once('.')) {
                let Some(keys) = reference.get(table).and_then(|keys| keys.as_table()) else { continue };
                assert!(keys.contains_key(name), "{}: `{span}`", page.path.display());
                if !value.is_empty() {
                    Config::parse("page", &span).unwrap_or_else(|error| panic!("{}: {error}", page.path.display()));
                }
            }
        }
    }
}

#[test]
fn every_configuration_is_sound() {
    let all: Vec<_> = pages().iter().flat_map(Page::code).filter(|code| code.starts_with('[')).collect();
    assert!(all.len() > 5, "{all:?}");
    for code in all {
        Config::parse("page", &code).unwrap_or_else(|error| panic!("{error}\n{code}"));
    }
}

#[test]
fn the_table_of_profiles_is_that_of_the_files() {
    let pages = pages();
    let rows = pages.iter().flat_map(|page| page.text.lines());
    let rows: Vec<_> = rows.filter_map(|row| row.strip_prefix("| `")?.split_once("` | ")).collect();
    for profile in ["tiny", "router", "box"] {
        let (_, row) = rows.iter().find(|(name, _)| *name == profile).unwrap();
        let config = Config::parse("page", &format!("profile = {profile:?}")).unwrap();
        let numbers = row.split(" | ").map(|cell| cell.split(' ').next().unwrap().parse::<f64>());
        let numbers: Vec<_> = numbers.map_while(Result::ok).collect();
        let mib = config.memory.total.0 as f64 / f64::from(1 << 20);
        let counts = [config.streams.max, config.viewers.max, config.hls.streams, config.tls.max, config.recording.max];
        let expected: Vec<_> = std::iter::once(mib).chain(counts.map(|count| count as f64)).collect();
        assert_eq!(numbers, expected, "{profile}");
    }
}

/// The sentences about `tiny` name the totals with which it fits, and these are no more than it takes.
#[test]
fn what_is_said_to_fit_in_tiny_fits_with_the_totals_that_are_named() {
    const TLS: &str = "[tls]\ncert = \"/c\"\nkey = \"/k\"\n";
    const FILE: &str = "[[pull]]\nstream = \"a\"\nurl = \"file:/m.flv\"\n";
    const RECORD: &str = "[[record]]\nstreams = \"*\"\npath = \"/m\"\n";
    let page = read_to_string(root().join("docs/configuration.md")).unwrap();
    let total = |before: &str| -> usize {
        let (_, behind) = page.split_once(before).unwrap();
        behind.split_once("KiB\"").unwrap().0.parse().unwrap()
    };
    let fits = |kib: usize, tables: &[&str]| {
        let text = format!("profile = \"tiny\"\nmemory.total = \"{kib}KiB\"\n{}", tables.concat());
        plan(&Config::parse("page", &text).unwrap()).fits()
    };
    let own = Config::parse("page", "profile = \"tiny\"").unwrap().memory.total.0 >> 10;
    assert!(fits(own, &[TLS, FILE]));
    let recorded = total("a `[[record]]` fits in `tiny` with `memory.total = \"");
    let all = total("and with both others with `\"");
    for (total, tables) in [(recorded, &[RECORD] as &[_]), (recorded, &[RECORD, TLS]), (all, &[RECORD, TLS, FILE])] {
        assert!(fits(total, tables) && !fits(total - 100, tables) && !fits(own, tables), "{tables:?}");
    }
}

/// An image says which ports it has, and the command publishes them.
#[test]
fn the_container_has_the_port_of_each_protocol() {
    let file = read_to_string(root().join("board/container/Containerfile")).unwrap();
    let page = read_to_string(root().join("docs/devices.md")).unwrap();
    let config = Config::parse("page", "").unwrap();
    for listen in [config.rtmp.listen, config.rtsp.listen, config.http.listen, config.api.listen] {
        let port = listen.0.port();
        assert!(file.contains(&format!(" {port}/tcp")), "{port}");
        for text in [&file, &page] {
            assert!(text.contains(&format!(" -p {port}:{port} ")), "{port}");
        }
    }
}

#[test]
fn every_option_is_in_the_help() {
    let help = String::from_utf8(run(&["--help"]).stdout).unwrap();
    for page in pages() {
        let code = page.code();
        let lines = code.iter().flat_map(|piece| piece.lines()).filter(|line| line.starts_with("runnel "));
        for option in lines.flat_map(|line| line.split([' ', ','])).filter(|word| word.starts_with('-')) {
            assert!(help.contains(option), "{}: {option}", page.path.display());
        }
    }
}

#[test]
fn every_metric_that_is_named_is_one() {
    let metrics = read_to_string(root().join("src/serve/metrics.rs")).unwrap();
    let spans: Vec<_> = pages().iter().flat_map(Page::spans).filter(|span| span.starts_with("runnel_")).collect();
    assert!(!spans.is_empty());
    for span in spans {
        assert!(metrics.contains(&format!("\"{span}\"")), "{span}");
    }
}

/// The table of ids has the words of all protocols, relays and forms.
#[test]
fn every_id_is_in_the_table_of_ids() {
    let page = read_to_string(root().join("docs/configuration.md")).unwrap();
    let directions = PROTOCOLS.iter().filter_map(|protocol| protocol.relay.as_ref());
    let relays = directions.flat_map(|carrier| [Some(carrier.pull), carrier.push]).flatten().map(Direction::prefix);
    let sessions = PROTOCOLS.iter().flat_map(|protocol| protocol.sessions).copied();
    let all: Vec<_> = relays.chain(sessions).chain(FORMS.iter().map(|form| form.session)).collect();
    assert!(all.len() > 10, "{all:?}");
    for word in all {
        let is_there = page.lines().any(|line| line.starts_with("| `") && line.contains(&format!("`{word}`")));
        assert!(is_there, "{word}");
    }
}
