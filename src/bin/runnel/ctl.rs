//! `runnel ctl`: asks a running server by its API, and prints the answer.

mod ask;
mod print;

use std::ffi::OsString;
use std::io;

use runnel::wire::percent_encode;

use crate::arguments::{CTL, HELP, Usage, config_file};
use crate::failure::Failure;
use crate::source::Source;
use crate::{complain, print as tell};
pub use ask::Unheard;
use ask::{Ask, Door};
use print::Told;

/// A word, the kind of argument that it wants, and the method and the path of its request: the argument ends the path.
type Word = (&'static str, Option<&'static str>, &'static str, &'static str);

/// The words for requests to paths of the API.
const WORDS: &[Word] = &[
    ("streams", None, "GET", "streams?per_page=1000"),
    ("stream", Some("a NAME"), "GET", "streams/"),
    ("sessions", None, "GET", "sessions?per_page=1000"),
    ("kick", Some("an ID"), "DELETE", "sessions/"),
    ("relays", None, "GET", "relays?per_page=1000"),
    ("recordings", None, "GET", "recordings?per_page=1000"),
    ("blacklist", None, "GET", "blacklist?per_page=1000"),
    ("plan", None, "GET", "plan"),
    ("log", None, "GET", "log"),
    ("config", None, "GET", "config?per_page=1000"),
    ("reload", None, "POST", "reload"),
    ("info", None, "GET", "info"),
];

/// The words for methods, whose path is an argument.
const METHODS: [(&str, &str); 3] = [("get", "GET"), ("post", "POST"), ("delete", "DELETE")];

const ROOT: &str = "/api/v1/";

/// The command line.
#[derive(Default)]
struct Options {
    file: Option<OsString>,
    socket: Option<OsString>,
    url: Option<OsString>,
    json: bool,
    words: Vec<String>,
}

/// Runs the command with the arguments after the word `ctl`.
pub fn ctl(args: impl Iterator<Item = OsString>) -> Result<(), Failure> {
    let Some(options) = Options::read(args)? else {
        tell(format_args!("{HELP}{CTL}"));
        return Ok(());
    };
    let (ask, json) = (asked(&options.words)?, options.json);
    let mut heard = options.door()?.hear(&ask)?;
    if !heard.is_json {
        // a stream of events has no end of its own
        let _ = io::copy(&mut heard.body, &mut io::stdout());
        return Ok(());
    }
    let text = heard.text()?;
    if json {
        tell(format_args!("{}\n", text.trim_end()));
        return Ok(());
    }
    let told = Told::read(&text).ok_or(Unheard::Garbled)?;
    tell(&told);
    if let Some(missing) = told.missing() {
        complain(format_args!("{missing} more are on further pages: runnel ctl get 'PATH?page=1&per_page=1000'"));
    }
    Ok(())
}

/// The request that words ask for.
fn asked(words: &[String]) -> Result<Ask, Usage> {
    let mut words = words.iter();
    let name = words.next().ok_or(Usage::Wants("ctl", "a command"))?;
    let ask = match (WORDS.iter().find(|word| word.0 == name), METHODS.iter().find(|word| word.0 == name)) {
        (Some((word, wants, method, path)), _) => {
            let end = wants.map(|what| words.next().ok_or(Usage::Wants(word, what))).transpose()?;
            let end = end.map_or(String::new(), |item| percent_encode(item));
            Ask { method, path: format!("{ROOT}{path}{end}"), body: String::new() }
        }
        (_, Some((word, method))) => {
            let path = words.next().ok_or(Usage::Wants(word, "a PATH"))?;
            if !path.bytes().all(|byte| byte.is_ascii_graphic()) {
                return Err(Usage::Wants(word, "a PATH whose letters are those of a URL: others are written as %20"));
            }
            let root = if path.starts_with('/') { "" } else { ROOT };
            let body = if *method == "POST" { words.next().cloned().unwrap_or_default() } else { String::new() };
            Ask { method, path: format!("{root}{path}"), body }
        }
        _ => return Err(Usage::Unknown(name.into())),
    };
    words.next().map_or(Ok(ask), |word| Err(Usage::Unknown(word.into())))
}

impl Options {
    /// The options among the arguments; `None` if help is asked for.
    fn read(mut args: impl Iterator<Item = OsString>) -> Result<Option<Self>, Usage> {
        let mut options = Self::default();
        while let Some(given) = args.next() {
            let mut value = |name, what| args.next().ok_or(Usage::Wants(name, what)).map(Some);
            match given.to_str() {
                Some("-h" | "--help") => return Ok(None),
                Some("-c" | "--config") => options.file = value("-c", "a FILE")?,
                Some("--socket") => options.socket = value("--socket", "a PATH")?,
                Some("--url") => options.url = value("--url", "a URL")?,
                Some("--json") => options.json = true,
                Some(word) if !word.starts_with('-') => options.words.push(word.into()),
                _ => return Err(Usage::Unknown(given)),
            }
        }
        Ok(Some(options))
    }

    /// The way to the server: the one that is named, or that of the configuration.
    fn door(self) -> Result<Door, Failure> {
        if let Some(path) = self.socket {
            return Ok(Door::Socket(path.into()));
        }
        if let Some(url) = self.url {
            let door = url.to_str().and_then(Door::at);
            return Ok(door.ok_or(Usage::Wants("--url", "a URL such as http://127.0.0.1:8083, without a user"))?);
        }
        let (config, _) = Source::load(self.file.map(config_file))?;
        Ok(Door::of(&config))
    }
}
