//! Segments and lists on a disk: those of `hls.store`, and those of recordings.

use std::path::PathBuf;
use std::sync::Arc;

use super::entry::Entry;
use super::http::{cache, found};
use super::lock;
use super::path::{in_path, session};
use super::query::seated;
use crate::conf::FileFormat;
use crate::disk::Use;
use crate::hls::Found;
use crate::hub::Name;
use crate::proto::http::Request;
use crate::serve::Server;
use crate::serve::http::{Answer, Exchange, Lookup, NO_CACHE, Wish};
use crate::session::Leave;

/// The session of a request, to which the bytes sent are reported.
pub(in crate::serve) struct Listener {
    server: Arc<Server>,
    number: u64,
    name: Name,
}

impl Exchange {
    /// The list of all segments, from the disk or from memory. If players have sessions, it is for requests with a
    /// session in the path, so that the session is in the URL of each file.
    pub(super) fn record(self, name: Name) -> Answer {
        let roots = self.segment_folders();
        if roots.is_empty() {
            return self.record_in_memory(name);
        }
        if let Some(refusal) = self.unknown(&name) {
            return refusal.into();
        }
        match self.known(&name) {
            Some(number) if in_path(&self.request).is_none() && self.has_sessions() => {
                found(below(&self.request, number))
            }
            Some(_) => self.record_of(roots, name, None),
            None => self.ask(Wish::Hls(name.clone()), |exchange, leave| match exchange.has_sessions() {
                true => exchange.record_of(roots, name, Some(leave)),
                false => Self { leave: Some(leave), ..exchange }.record_of(roots, name, None),
            }),
        }
    }

    /// The list, or a new session if the player `begins` with it.
    fn record_of(self, roots: Vec<PathBuf>, name: Name, begins: Option<Leave>) -> Answer {
        let (path, listener) = (format!("{name}/record.m3u8"), Listener::of(&self, &name));
        let is_new = begins.is_some();
        let lookup = Lookup { roots, due: Use::Segment, cache: NO_CACHE.1, listener, begins };
        let otherwise = move |mut exchange: Self| match exchange.leave.take() {
            // the disk will have it soon
            Some(leave) if is_new && exchange.plays(&name) => exchange.seat_in_path(leave),
            leave => Self { leave, ..exchange }.record_in_memory(name),
        };
        self.look(&path, lookup, Some(Box::new(otherwise)))
    }

    /// Starts a session, and redirects the client to the list in the session's folder.
    pub(in crate::serve) fn seat_in_path(&self, leave: Leave) -> Answer {
        self.seat(leave, true, below)
    }

    /// A segment, part or head: one that has left the memory may be on the disk.
    pub(super) fn segment(self, name: Name, file: String) -> Answer {
        let roots = self.segment_folders();
        if roots.is_empty() || self.has(&name, &file) {
            return self.segment_in_memory(name, file);
        }
        let (path, listener) = (format!("{name}/{file}"), Listener::of(&self, &name));
        let cache = cache(&self.config.hls).into();
        let lookup = Lookup { roots, due: Use::Segment, cache, listener, begins: None };
        self.look(&path, lookup, Some(Box::new(|exchange| exchange.segment_in_memory(name, file))))
    }

    /// True if the window of a stream has a file, or will soon.
    fn has(&self, name: &Name, file: &str) -> bool {
        self.server.hls.find(name, self.customer()).is_some_and(|entry| entry.has(file))
    }

    /// The folders that contain streams' folders with segments.
    fn segment_folders(&self) -> Vec<PathBuf> {
        let stored = self.config.hls.store.0.clone().filter(|_| self.config.hls.enable);
        let rules = self.config.record.iter().filter(|rule| rule.format == FileFormat::Hls);
        let recorded = rules.filter(|_| self.config.recording.http).map(|rule| PathBuf::from(&rule.path));
        stored.into_iter().chain(recorded).collect()
    }
}

impl Entry {
    /// True if the window has a file of that name, or will soon.
    fn has(&self, name: &str) -> bool {
        !matches!(lock(&self.state).window.file(name), Found::Never)
    }
}

impl Listener {
    /// The session of a request for the stream `name`, if it has one.
    fn of(exchange: &Exchange, name: &Name) -> Option<Self> {
        let number = session(&exchange.request)?;
        Some(Self { server: exchange.server.clone(), number, name: name.clone() })
    }

    /// Counts sent bytes.
    pub(in crate::serve) fn see(&self, bytes: u64) {
        self.server.hls.sessions.see(self.number, &self.name, usize::try_from(bytes).unwrap_or(usize::MAX));
    }
}

/// The relative reference to the list with that session.
fn below(request: &Request, number: u64) -> String {
    let query = if request.query.is_empty() { String::new() } else { format!("?{}", request.query) };
    format!("./{}/record.m3u8{query}", seated("", number))
}
