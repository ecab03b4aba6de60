//! The log: lines that cannot be forged or stretched from outside, written to standard error, the system log, or a
//! file of limited size.
//!
//! The caller never waits for a line to be written. Lines go into a queue, from which a thread writes them to the
//! target. The latest of them stay in memory for the API.

mod kept;
mod line;
mod queue;
mod target;

use std::time::Duration;

use log::{LevelFilter, Metadata, Record};

use super::Error;
use crate::conf;
use kept::KEPT;
pub use kept::{KEPT_LINES, KeptLine, LogPlace, keep, latest, next_line};
use line::{Line, Style};
use queue::QUEUE;
pub use target::{give, reopen};

/// The time limit for writing the last lines when the program ends or panics.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(1);

struct Logger {
    filter: env_filter::Filter,
    style: Style,
}

impl log::Log for Logger {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        self.filter.enabled(metadata)
    }

    fn log(&self, record: &Record<'_>) {
        if self.filter.matches(record) {
            let line = Line::of(&self.style, record.level(), record.args());
            KEPT.put(record.level(), line.text());
            QUEUE.put(line.as_bytes());
        }
    }

    fn flush(&self) {
        QUEUE.flush(FLUSH_TIMEOUT);
    }
}

/// `RUST_LOG`, which overrides `log.level`.
enum Chosen {
    Nothing,
    Filter(env_filter::Filter),
    /// A text that is not a valid filter.
    Wrong(String),
}

fn chosen() -> Chosen {
    let Some(text) = std::env::var_os("RUST_LOG").filter(|text| !text.is_empty()) else { return Chosen::Nothing };
    let text = text.to_string_lossy();
    // a single word must be a level or a part of the program; anything else is a misspelt level
    let is_known = |word: &str| word.contains('=') || word.starts_with("runnel") || word.parse::<LevelFilter>().is_ok();
    let words = text.split('/').next().unwrap_or_default().split(',').map(str::trim);
    let mut words = words.filter(|word| !word.is_empty()).peekable();
    let is_filter = words.peek().is_some() && words.all(is_known);
    let mut filter = env_filter::Builder::new();
    match filter.try_parse(&text) {
        Ok(filter) if is_filter => Chosen::Filter(filter.build()),
        _ => Chosen::Wrong(text.into_owned()),
    }
}

/// Starts the log; fails if its target cannot be opened. Lines wait until [`run`].
pub fn start(config: &conf::Log) -> Result<(), Error> {
    let (target, style) = target::open(config)?;
    QUEUE.begin(target, style.clone());
    // the level can change later, so the filter passes everything that is compiled in
    let all = || env_filter::Builder::new().filter_level(LevelFilter::Trace).build();
    let (filter, wrong) = match chosen() {
        Chosen::Nothing => (all(), None),
        Chosen::Filter(filter) => (filter, None),
        Chosen::Wrong(text) => (all(), Some(text)),
    };
    log::set_max_level(filter.filter());
    // this is called only once, so it cannot fail
    let _ = log::set_logger(Box::leak(Box::new(Logger { filter, style })));
    set_level(config);
    if let Some(text) = wrong {
        log::error!("RUST_LOG = {text:?} is not a filter such as \"debug\" or \"runnel=debug\": log.level applies");
    }
    let before = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        log::error!("{panic}");
        QUEUE.flush(FLUSH_TIMEOUT);
        if std::env::var_os("RUST_BACKTRACE").is_some() {
            before(panic);
        }
    }));
    Ok(())
}

/// Starts the thread that writes, with the current rights of the caller.
pub fn run() -> Result<(), Error> {
    QUEUE.run().map_err(Error::LogThread)
}

/// Writes the waiting lines; false if that takes too long.
pub fn finish() -> bool {
    QUEUE.flush(FLUSH_TIMEOUT)
}

/// Applies `log.level`, unless `RUST_LOG` sets another level.
pub fn set_level(config: &conf::Log) {
    if !matches!(chosen(), Chosen::Filter(_)) {
        log::set_max_level(config.level.0);
    }
}
