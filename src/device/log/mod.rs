//! The log: lines that nothing from outside can forge or stretch, on their way to
//! standard error, the machine's log, or a file that does not grow beyond its size.
//!
//! The caller never waits for a line to be written: it goes into a queue, and a
//! thread of its own takes it to its target.

mod line;
mod queue;
mod target;

use std::time::Duration;

use log::{Metadata, Record};

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

/// Starts the log; says why if its target cannot be written. `RUST_LOG` goes before
/// `log.level`. Lines wait until [`run`].
pub fn start(config: &conf::Log) -> Result<(), String> {
    let (target, style) = target::open(config)?;
    QUEUE.begin(target, style.clone());
    let chosen = std::env::var("RUST_LOG").ok();
    // the level can change later on, so all that is compiled in passes the filter
    let filter = env_filter::Builder::new().parse(chosen.as_deref().unwrap_or("trace")).build();
    log::set_max_level(filter.filter());
    // it is called once; were it not, the first would stay
    let _ = log::set_logger(Box::leak(Box::new(Logger { filter, style })));
    set_level(config);
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
pub fn run() -> Result<(), String> {
    QUEUE.run().map_err(|error| format!("the thread of the log cannot be started: {error}"))
}

/// Gets out what waits; false if it does not get out in time.
pub fn finish() -> bool {
    QUEUE.flush(LAST)
}

/// Goes by `log.level`, unless `RUST_LOG` has another.
pub fn set_level(config: &conf::Log) {
    if std::env::var_os("RUST_LOG").is_none() {
        log::set_max_level(config.level.0);
    }
}
