//! HLS over HTTP: who gets a playlist, and who a file.

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

    /// The list of all that memory has.
    pub(super) fn record_in_memory(self, name: Name) -> Answer {
        self.want(name, Wanted::Record)
    }

    /// A segment, part or head that memory has.
    pub(super) fn segment_in_memory(self, name: Name, file: String) -> Answer {
        if !self.config.hls.enable {
            return Reply::refuse(Status::NOT_FOUND, OFF).into();
        }
        match self.server.hls.find(&name, self.customer()) {
            Some(entry) => Waiting::answer(self, entry, name, Wanted::File(file)),
            None => Reply::refuse(Status::NOT_FOUND, NO_FILE).into(),
        }
    }

    /// Whether players are told apart.
    pub(super) fn has_sessions(&self) -> bool {
        self.config.hls.enable && self.config.hls.sessions
    }

    /// The session that is shown, if it is one of that stream.
    pub(super) fn known(&self, name: &Name) -> Option<u64> {
        path::session(&self.request).filter(|number| self.server.sessions.see(*number, name, 0))
    }

    /// The refusal of a request that shows a session that is not known.
    pub(super) fn unknown(&self, name: &Name) -> Option<Reply> {
        let is_unknown = path::session(&self.request).is_some() && self.known(name).is_none();
        (self.has_sessions() && is_unknown).then(|| Reply::refuse(Status::NOT_FOUND, NO_SESSION))
    }

    /// The refusal of a request for a file, if players are told apart and it shows no session: names of files can
    /// be guessed, and playlists alone are asked for.
    fn objection(&self, name: &Name) -> Option<Reply> {
        let shows_none = self.has_sessions() && path::session(&self.request).is_none();
        if shows_none { Some(Reply::refuse(Status::FORBIDDEN, NONE_SHOWN)) } else { self.unknown(name) }
    }

    /// A known session has been let in. For others it is asked; a number that is not known is refused.
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

    /// Lets a player in: it gets what it wants, or its session first. A list of all that there is begins none where
    /// there is nothing.
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

    /// Whether there is something of a stream to play, or will be.
    pub(super) fn plays(&self, name: &Name) -> bool {
        self.server.hls.plays(&self.server, name)
    }

    /// Begins a session, and has the client ask again by the reference that its number gives. If there is something to
    /// play, sessions of streams without it give way.
    pub(super) fn seat(&self, leave: Leave, is_there: bool, place: impl FnOnce(&Request, u64) -> String) -> Answer {
        let who = self.server.core.who(PLAYER).at(self.peer);
        let own = leave.to(Action::Play).cloned();
        let plays = |name: &Name| if own.as_ref() == Ok(name) { is_there } else { self.plays(name) };
        match self.server.sessions.enter(&self.server.core, leave, who, &self.request, &plays) {
            Ok(number) => found(place(&self.request, number)),
            Err(refused) => self.turn_down(refused),
        }
    }
}

/// Has the client ask again by that reference.
pub(super) fn found(place: String) -> Answer {
    let fields = [("Location", place.into()), NO_CACHE, CORS];
    Reply::new(Status::FOUND, Body::Text("".into())).with(fields).into()
}

/// Cache-Control of segments, parts and heads: their names never come again, and they
/// are asked for as long as playlists name them.
pub(super) fn cache(hls: &conf::Hls) -> String {
    let listed = hls.segment.0.as_secs().max(1).saturating_mul(hls.segments as u64);
    format!("public, max-age={listed}")
}
