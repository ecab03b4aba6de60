//! Live forms and playlists that wait until it is decided who may have them.

use super::reply::{Answer, Exchange, NO_ROOM, Reply};
use crate::container::Form;
use crate::hub::Name;
use crate::net::canonical;
use crate::proto::agent;
use crate::proto::http::{Request, Status};
use crate::session::{self, Action, Leave, Refusal};
use crate::wire::percent_decode;

impl Exchange {
    /// Asks whether the client may have a stream in a form, or in HLS without one; `then` gives what it may have, once
    /// that is decided.
    pub(super) fn ask(
        mut self,
        name: &Name,
        form: Option<&'static Form>,
        then: impl FnOnce(Self, Leave) -> Answer + Send + 'static,
    ) -> Answer {
        if let Some(leave) = self.leave.take() {
            return then(self, leave);
        }
        let Request { path, query, fields, .. } = &self.request;
        let (folders, _) = path.trim_matches('/').rsplit_once('/').unwrap_or_default();
        let folders = percent_decode(folders.trim_matches('/')).unwrap_or_default();
        let (protocol, app) = match form {
            None => ("hls", "hls"),
            Some(_) if self.request.websocket().is_some() => ("ws", folders.as_str()),
            Some(_) => ("http", folders.as_str()),
        };
        let asking = self.server.core.ask(&session::Request {
            action: Action::Play,
            protocol,
            form: form.map(|form| form.name),
            tls: self.tls,
            name,
            app,
            query,
            peer: canonical(self.peer),
            agent: agent(fields.get("user-agent").unwrap_or_default()),
        });
        let asking = match asking.now() {
            Ok(decided) => return self.decided(decided, then),
            Err(asking) => asking,
        };
        let size = self.request.size();
        let Ok(paid) = self.server.core.greetings.account_for(size).charge(size) else {
            return Reply::refuse(Status::UNAVAILABLE, NO_ROOM).retry_after(5).into();
        };
        let pending = Box::pin(async move {
            let decided = asking.await;
            let answer = self.decided(decided, then);
            drop(paid);
            Ok(answer)
        });
        if form.is_some() { Answer::Decided(pending) } else { Answer::Later(pending) }
    }

    fn decided(self, decided: Result<Leave, Refusal>, then: impl FnOnce(Self, Leave) -> Answer) -> Answer {
        match decided {
            Ok(leave) => then(self, leave),
            Err(why) => self.turn_down(why),
        }
    }

    /// It may not, or is one too many: then the client may try again.
    pub(super) fn turn_down(&self, why: Refusal) -> Answer {
        let path = &self.request.path;
        self.server.core.refused_guest(why.label(), self.peer, format_args!("is refused {path:?}: {why}"));
        let reply = Reply::refuse(why.in_http(), why.to_string());
        if reply.status == Status::UNAVAILABLE { reply.retry_after(5).into() } else { reply.into() }
    }
}
