//! The log: lines that nothing from outside can forge or stretch, on their way to
//! standard error, the machine's log, or a file that does not grow beyond its size.
//!
//! The caller never waits for a line to be written: it goes into a queue, and a
//! thread of its own takes it to its target.

mod line;
mod queue;
mod target;

use std::time::Duration;

use log::{LevelFilter, Metadata, Record};

use super::Error;
use crate::conf;
use line::{Line, Style};
use queue::QUEUE;
pub use target::{give, reopen};

/// The time that lines have to get out when the program ends or panics.
const LAST: Duration = Duration::from_secs(1);

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
            QUEUE.put(Line::of(&self.style, record.level(), record.args()).as_bytes());
        }
    }

    fn flush(&self) {
        QUEUE.flush(LAST);
    }
}

/// `RUST_LOG`, which goes before `log.level`.
enum Chosen {
    Nothing,
    Filter(env_filter::Filter),
    /// A text that is no filter.
    Wrong(String),
}

fn chosen() -> Chosen {
    let Some(text) = std::env::var_os("RUST_LOG").filter(|text| !text.is_empty()) else { return Chosen::Nothing };
    let text = text.to_string_lossy();
    // a lone word is a level or a part of the program: any other is a level with a slip
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

/// Starts the log; says why if its target cannot be written. Lines wait until [`run`].
pub fn start(config: &conf::Log) -> Result<(), Error> {
    let (target, style) = target::open(config)?;
    QUEUE.begin(target, style.clone());
    // the level can change later on, so all that is compiled in passes the filter
    let all = || env_filter::Builder::new().filter_level(LevelFilter::Trace).build();
    let (filter, wrong) = match chosen() {
        Chosen::Nothing => (all(), None),
        Chosen::Filter(filter) => (filter, None),
        Chosen::Wrong(text) => (all(), Some(text)),
    };
    log::set_max_level(filter.filter());
    // it is called once; were it not, the first would stay
    let _ = log::set_logger(Box::leak(Box::new(Logger { filter, style })));
    set_level(config);
    if let Some(text) = wrong {
        log::error!("RUST_LOG = {text:?} is no filter such as \"debug\" or \"runnel=debug\": log.level applies");
    }
    let before = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        log::error!("{panic}");
        QUEUE.flush(LAST);
        if std::env::var_os("RUST_BACKTRACE").is_some() {
            before(panic);
        }
    }));
    Ok(())
}

/// Starts the thread that writes. It has the rights that the caller has by then.
pub fn run() -> Result<(), Error> {
    QUEUE.run().map_err(Error::LogThread)
}

/// Writes the lines that wait; false if they do not get out in time.
pub fn finish() -> bool {
    QUEUE.flush(LAST)
}

/// Goes by `log.level`, unless `RUST_LOG` has another.
pub fn set_level(config: &conf::Log) {
    if !matches!(chosen(), Chosen::Filter(_)) {
        log::set_max_level(config.level.0);
    }
}
