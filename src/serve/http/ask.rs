//! Requests that wait for the decision whether the client may have what it asks for.

use std::time::Instant;

use super::live;
use super::reply::{Answer, Exchange, HalfClosed, NO_ROOM, Pending, Reply};
use crate::container::Form;
use crate::hub::Name;
use crate::net::canonical;
use crate::proto::http::{Request, Status};
use crate::proto::{Credentials, agent};
use crate::session::{self, Action, Leave, Refusal};
use crate::wire::percent_decode;

/// The name of the cookie of a login.
pub(in crate::serve) const LOGIN: &str = "runnel_login";

/// The object of a request.
pub(in crate::serve) enum Wish {
    /// A stream in a form.
    Live(Name, &'static Form),
    /// A stream by HLS: its playlists.
    Hls(Name),
    /// The object at the path: a file to be read, which may be a recording of that stream, or an answer of the API.
    Path(Action, Option<Name>),
}

impl Wish {
    fn action(&self) -> Action {
        match self {
            Self::Live(..) | Self::Hls(_) => Action::Play,
            Self::Path(action, _) => *action,
        }
    }

    fn form(&self) -> Option<&'static Form> {
        if let Self::Live(_, form) = self { Some(form) } else { None }
    }

    fn name(&self) -> Option<&Name> {
        match self {
            Self::Live(name, _) | Self::Hls(name) => Some(name),
            Self::Path(_, name) => name.as_ref(),
        }
    }

    /// The protocol of a request, and the path before the name, as rules use them.
    fn way(&self, request: &Request) -> (&'static str, String) {
        let path = request.path.trim_matches('/');
        let folders = path.rsplit_once('/').unwrap_or_default().0.trim_matches('/');
        let decoded = |path| percent_decode(path).unwrap_or_default();
        match self {
            Self::Hls(_) => ("hls", "hls".into()),
            Self::Live(..) if request.websocket().is_some() => ("ws", decoded(folders)),
            Self::Live(..) => ("http", decoded(folders)),
            Self::Path(..) => ("http", decoded(path)),
        }
    }
}

impl Exchange {
    /// Asks whether the client may have something; `then` makes the answer once that is granted.
    pub(in crate::serve) fn ask(self, wish: Wish, then: impl FnOnce(Self, Leave) -> Answer + Send + 'static) -> Answer {
        self.decide(wish, |exchange, decided| match decided {
            Ok(leave) => then(exchange, leave),
            Err(why) => exchange.turn_down(why),
        })
    }

    /// The same, but `then` also handles a refusal.
    pub(super) fn decide(
        self,
        wish: Wish,
        then: impl FnOnce(Self, Result<Leave, Refusal>) -> Answer + Send + 'static,
    ) -> Answer {
        let shown = self.shown();
        self.decide_by(wish, &shown, then)
    }

    /// The same, with these credentials.
    pub(in crate::serve) fn decide_by(
        mut self,
        wish: Wish,
        credentials: &Credentials,
        then: impl FnOnce(Self, Result<Leave, Refusal>) -> Answer + Send + 'static,
    ) -> Answer {
        if let Some(leave) = self.leave.take() {
            return then(self, Ok(leave));
        }
        let way = wish.way(&self.request);
        let asking = self.server.core.ask(&self.question(&wish, (way.0, &way.1), credentials));
        let asking = match asking.now() {
            Ok(decided) => return then(self, decided),
            Err(asking) => asking,
        };
        let size = self.request.size();
        let Ok(paid) = self.server.core.greetings.account_for(size).charge(size) else {
            return Reply::refuse(Status::UNAVAILABLE, NO_ROOM).retry_after(5).into();
        };
        let half_closed = if wish.form().is_some() { HalfClosed::Dropped } else { HalfClosed::Answered };
        let answer = async move {
            let decided = asking.await;
            let answer = then(self, decided);
            drop(paid);
            Ok(answer)
        };
        Answer::Later(Pending::new(answer, half_closed))
    }

    /// True if the client that shows these may do something at the path, as far as that is known; nothing is counted.
    #[cfg(feature = "api")]
    pub(in crate::serve) fn foretells(&self, action: Action, credentials: &Credentials) -> bool {
        let wish = Wish::Path(action, None);
        let way = wish.way(&self.request);
        self.server.core.foretells(&self.question(&wish, (way.0, &way.1), credentials))
    }

    fn question<'a>(
        &'a self,
        wish: &'a Wish,
        (protocol, app): (&'static str, &'a str),
        credentials: &'a Credentials,
    ) -> session::Request<'a> {
        let Request { query, fields, .. } = &self.request;
        session::Request {
            action: wish.action(),
            protocol,
            form: wish.form().map(|form| form.name),
            tls: self.tls,
            name: wish.name(),
            app,
            query,
            peer: canonical(self.peer),
            via: self.via,
            credentials,
            agent: agent(fields.get("user-agent").unwrap_or_default()),
        }
    }

    /// The credentials that the request carries, or for which its cookie stands.
    pub(in crate::serve) fn shown(&self) -> Credentials {
        match self.request.fields.get("authorization") {
            None => self.credentials_of_login(),
            field => Credentials::of_field(field),
        }
    }

    /// The id of the login that the client's cookie names.
    pub(in crate::serve) fn login(&self) -> Option<&str> {
        let cookies = self.request.fields.values("cookie").flat_map(|field| field.split(';'));
        cookies.filter_map(|cookie| cookie.trim().split_once('=')).find(|(name, _)| *name == LOGIN).map(|(_, id)| id)
    }

    fn credentials_of_login(&self) -> Credentials {
        let found = self.login().and_then(|id| self.server.core.logins.find(id, Instant::now()));
        found.unwrap_or_default()
    }

    /// Refuses the client; if a place is missing, it may try again. A page asks for credentials itself, and not by the
    /// dialogue that a challenge opens.
    pub(in crate::serve) fn turn_down(&self, why: Refusal) -> Answer {
        let path = &self.request.path;
        if !why.is_question() || why.challenges().next().is_none() {
            let stream = live::parse(path).and_then(Result::ok).map(|(name, _)| name);
            let said = format_args!("is refused {path:?}: {why}");
            self.server.core.refused_guest(why.label(), self.peer, stream.as_ref(), said);
        }
        if why.is_wrong()
            && self.request.fields.get("authorization").is_none()
            && let Some(id) = self.login()
        {
            // the rules have changed since
            self.server.core.logins.end(id, Instant::now());
        }
        let is_page = self.request.fields.get("x-requested-with").is_some();
        let challenges = why.challenges().filter(|_| !is_page);
        let challenges = challenges.map(|challenge| ("WWW-Authenticate", challenge.into()));
        let reply = Reply::refuse(why.in_http(), why.to_string()).with(challenges);
        match reply.status {
            Status::UNAVAILABLE => reply.retry_after(5).into(),
            Status::TOO_MANY_REQUESTS => reply.retry_after(60).into(),
            _ => reply.into(),
        }
    }
}
