//! Checks of the places for recordings and segments.

use std::io;
use std::path::Path;

use super::{Fault, Place, Weight, listed, makes_files};
use crate::conf::{Config, Record};
use crate::disk;

/// The places that are written to.
pub(super) fn places(config: &Config) -> Vec<Place> {
    let rule = |(at, record): (usize, &Record)| {
        // recordings need the card, which may be inserted later
        let try_it = if record.mounted { listed } else { writable };
        Place::new(format!("record[{at}].path"), record.path.as_ref(), try_it)
    };
    let store = config.hls.store.0.as_deref().filter(|_| config.hls.enable);
    let store = store.map(|path| Place::new("hls.store".into(), path, writable));
    config.record.iter().enumerate().map(rule).chain(store).collect()
}

/// The faults of missing cards, and of folders that are used twice.
pub(super) fn faults(config: &Config) -> Vec<Fault> {
    let cards = config.record.iter().enumerate().filter_map(|(at, record)| no_card(at, record));
    let link = config.refused_link();
    let link = link.map(|(key, fault)| Fault { key, why: fault.to_string(), weight: Weight::Wrong });
    cards.chain(link).collect()
}

/// The fault of a missing card, which may be inserted later.
fn no_card(at: usize, record: &Record) -> Option<Fault> {
    let path = Path::new(&record.path);
    let is_out = record.mounted && path.is_dir() && !disk::may_be_mounted(path);
    let why = format!("{}: nothing is mounted there: nothing is recorded until it is", record.path);
    is_out.then(|| Fault { key: format!("record[{at}].path"), why, weight: Weight::Untried })
}

/// Tells if a folder can be listed, and files can be created in it. Nothing is created.
fn writable(folder: &Path) -> io::Result<()> {
    listed(folder)?;
    makes_files(folder)
}
