//! HLS over HTTP: requests for playlists and for files.

use super::path::Target;
use super::query::{ask, seated};
use super::waiting::{Waiting, Wanted};
use super::{PLAYER, path};
use crate::conf;
use crate::hub::Name;
use crate::proto::http::{Request, Status};
use crate::serve::http::{Answer, Body, CORS, Exchange, NO_CACHE, Reply, Wish, beside};
use crate::session::{Action, Leave};

const NO_SESSION: &str = "no such session, or no longer";
const NONE_SHOWN: &str = "segments are for players whose session_id a playlist gave them";
pub(super) const NO_FILE: &str = "no such segment, or no longer";
const NO_LIST: &str = "no such list, or not yet";
const OFF: &str = "HLS is off: hls.enable";

/// Answers requests for paths below `/hls/`.
pub(in crate::serve) fn answer(exchange: Exchange) -> Answer {
    match Target::parse(&exchange.request.path) {
        Some(Ok(Target::Playlist(name))) => exchange.playlist(name),
        Some(Ok(Target::Record(name))) => exchange.record(name),
        Some(Ok(Target::Segment(name, file))) => match exchange.objection(&name) {
            None => exchange.segment(name, file),
            Some(refusal) => refusal.into(),
        },
        Some(Err(status)) => exchange.rooted_or(status),
        None => exchange.rooted_or(Status::NOT_FOUND),
    }
}

impl Exchange {
    fn playlist(self, name: Name) -> Answer {
        match ask(&self.request.query) {
            Some(ask) => self.want(name, Wanted::Playlist(ask)),
            None => Reply::refuse(Status::BAD_REQUEST, "_HLS_msn, _HLS_part, _HLS_skip").into(),
        }
    }

    /// The list of all segments in memory.
    pub(super) fn record_in_memory(self, name: Name) -> Answer {
        self.want(name, Wanted::Record)
    }

    /// A segment, part or head in memory.
    pub(super) fn segment_in_memory(self, name: Name, file: String) -> Answer {
        if !self.config.hls.enable {
            return Reply::refuse(Status::NOT_FOUND, OFF).into();
        }
        match self.server.hls.find(&name, self.customer()) {
            Some(entry) => Waiting::answer(self, entry, name, Wanted::File(file)),
            None => Reply::refuse(Status::NOT_FOUND, NO_FILE).into(),
        }
    }

    /// True if players have sessions.
    pub(super) fn has_sessions(&self) -> bool {
        self.config.has_hls_sessions()
    }

    /// The session of the request, if it belongs to that stream.
    pub(super) fn known(&self, name: &Name) -> Option<u64> {
        path::session(&self.request).filter(|number| self.server.hls.sessions.see(*number, name, 0))
    }

    /// The refusal of a request with an unknown session.
    pub(super) fn unknown(&self, name: &Name) -> Option<Reply> {
        let is_unknown = path::session(&self.request).is_some() && self.known(name).is_none();
        (self.has_sessions() && is_unknown).then(|| Reply::refuse(Status::NOT_FOUND, NO_SESSION))
    }

    /// The refusal of a request for a file without a session, if players have sessions: file names can be guessed, and
    /// only playlists are checked for permission.
    fn objection(&self, name: &Name) -> Option<Reply> {
        let shows_none = self.has_sessions() && path::session(&self.request).is_none();
        if shows_none { Some(Reply::refuse(Status::FORBIDDEN, NONE_SHOWN)) } else { self.unknown(name) }
    }

    /// A known session was admitted already. Others are asked for; an unknown number is refused.
    fn want(self, name: Name, wanted: Wanted) -> Answer {
        if !self.config.hls.enable {
            return Reply::refuse(Status::NOT_FOUND, OFF).into();
        }
        if self.known(&name).is_some() {
            return match self.server.hls.ask(&self.server, &name, self.customer()) {
                Ok(entry) => Waiting::answer(self, entry, name, wanted),
                Err(denied) => self.turn_down(denied),
            };
        }
        match self.unknown(&name) {
            None => self.ask(Wish::Hls(name), |exchange, leave| exchange.listen(leave, wanted)),
            Some(refusal) => refusal.into(),
        }
    }

    /// Admits a player: it gets its answer, or first its session. A request for a list of all segments starts no
    /// session if there are none.
    fn listen(self, leave: Leave, wanted: Wanted) -> Answer {
        let is_there = leave.to(Action::Play).is_ok_and(|name| self.plays(name));
        if self.has_sessions() && !is_there && matches!(wanted, Wanted::Record) {
            return Reply::refuse(Status::NOT_FOUND, NO_LIST).into();
        }
        let asked = leave.to(Action::Play).cloned().and_then(|name| {
            let entry = self.server.hls.ask(&self.server, &name, self.customer())?;
            Ok((name, entry))
        });
        match asked {
            Ok(_) if self.has_sessions() => self.seat(leave, is_there, |request, number| {
                let Request { path, query, .. } = request;
                format!("{}?{}", beside(path), seated(query, number))
            }),
            Ok((name, entry)) => Waiting::answer(self, entry, name, wanted),
            Err(denied) => self.turn_down(denied),
        }
    }

    /// True if a stream can be played, or will be.
    pub(super) fn plays(&self, name: &Name) -> bool {
        self.server.hls.plays(&self.server, name)
    }

    /// Starts a session, and redirects the client to the URL with its number. If the stream can be played, a session of
    /// a stream that cannot gives way.
    pub(super) fn seat(&self, leave: Leave, is_there: bool, place: impl FnOnce(&Request, u64) -> String) -> Answer {
        let who = self.server.core.who(PLAYER).at(self.peer);
        let own = leave.to(Action::Play).cloned();
        let plays = |name: &Name| if own.as_ref() == Ok(name) { is_there } else { self.plays(name) };
        match self.server.hls.sessions.enter(&self.server.core, leave, who, &self.request, &plays) {
            Ok(number) => found(place(&self.request, number)),
            Err(refused) => self.turn_down(refused),
        }
    }
}

/// Redirects the client to that reference.
pub(super) fn found(place: String) -> Answer {
    let fields = [("Location", place.into()), NO_CACHE, CORS];
    Reply::new(Status::FOUND, Body::Text("".into())).with(fields).into()
}

/// Cache-Control of segments, parts and heads: their names are never used again, and they are requested while playlists
/// contain them.
pub(super) fn cache(hls: &conf::Hls) -> String {
    let listed = hls.segment.0.as_secs().max(1).saturating_mul(hls.segments as u64);
    format!("public, max-age={listed}")
}
