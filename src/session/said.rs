//! The lines that were logged on the thread of a test.

use std::cell::RefCell;

thread_local! {
    static SAID: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
}

struct Ear;

impl log::Log for Ear {
    fn enabled(&self, _: &log::Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &log::Record<'_>) {
        if record.level() <= log::Level::Info {
            SAID.with_borrow_mut(|said| said.push(record.args().to_string()));
        }
    }

    fn flush(&self) {}
}

/// The lines since the last call, without those for debugging; empty at the first call.
pub(crate) fn lines() -> Vec<String> {
    let _ = log::set_logger(&Ear);
    log::set_max_level(log::LevelFilter::Info);
    SAID.take()
}
