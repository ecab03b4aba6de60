//! Live forms of streams, by path.

use std::task::Context;
use std::time::Duration;

use super::ask::Wish;
use super::decoded;
use super::reply::{Answer, Body, CORS, Exchange, Reply};
use super::stream::{Stream, Turn};
use super::transport::Transport;
use crate::container::{FORMS, Form};
use crate::hub::Name;
use crate::net::{Close, Conn};
use crate::proto::http::{Method, Status};
use crate::session::{Action, Asker, Entrant, Leave, Sender};

/// A player of a live form.
pub(in crate::serve) struct Player {
    pub(super) sender: Sender,
    pub(super) transport: Transport,
}

/// A stream in a form, or a file.
pub(super) fn media(exchange: Exchange) -> Answer {
    match parse(&exchange.request.path) {
        // a published stream takes precedence
        Some(Ok((name, form))) if exchange.is_live(&name) => exchange.live(name, form),
        Some(Ok((name, form))) => exchange.rooted(Box::new(move |exchange| exchange.live(name, form))),
        Some(Err(status)) => exchange.rooted_or(status),
        None => exchange.rooted_or(Status::NOT_FOUND),
    }
}

/// The stream and the form of a path such as `/live/S.flv`, at any depth; `None` for another path.
pub(super) fn parse(path: &str) -> Option<Result<(Name, &'static Form), Status>> {
    let items = match decoded(path) {
        Ok(items) => items,
        Err(status) => return Some(Err(status)),
    };
    let (stem, extension) = items.last()?.rsplit_once('.')?;
    let form = *FORMS.iter().find(|form| form.extension == extension)?;
    Some(Name::new(stem).map(|name| (name, form)).map_err(|_| Status::BAD_REQUEST))
}

impl Player {
    /// Sends control bytes between batches, and batches as the stream provides them.
    pub(super) fn poll(
        &mut self,
        cx: &mut Context<'_>,
        conn: &mut Conn,
        plain: &mut Vec<u8>,
        slow: Duration,
    ) -> Result<Turn, Close> {
        match self.sender.poll(cx, conn, self.transport.control(plain), slow) {
            Ok(true) => Ok(Turn::Waits),
            Ok(false) => Ok(Turn::Again),
            Err(Close::Changed) => {
                self.transport.close();
                Ok(Turn::Over(Close::Changed))
            }
            Err(why) => Err(why),
        }
    }
}

impl Exchange {
    fn is_live(&self, name: &Name) -> bool {
        self.server.core.hub.find(name).is_some_and(|stream| stream.is_live())
    }

    /// Asks for a live form, over WebSocket if the client requests that.
    fn live(self, name: Name, form: &'static Form) -> Answer {
        let form = form.wished(&self.request.query).unwrap_or(form);
        if let Some(status) = Transport::objection(&self.request) {
            let fields = [CORS, ("Sec-WebSocket-Version", "13".into())];
            return Reply::new(status, Body::Text(status.1.into())).with(fields).into();
        }
        self.ask(Wish::Live(name, form), move |exchange, leave| exchange.play(leave, form))
    }

    /// Starts a live form.
    fn play(self, leave: Leave, form: &'static Form) -> Answer {
        let name = match leave.to(Action::Play) {
            Ok(name) => name.clone(),
            Err(why) => return self.turn_down(why),
        };
        let asker = Asker::Guest(form.session, Some(self.peer));
        let entrant = Entrant { asker, seat: self.seat.as_ref(), url: &self.request };
        let (viewer, mut grant) = match self.server.core.admit_player(leave, &entrant, form) {
            Ok(admitted) => admitted,
            Err(why) => return self.turn_down(why),
        };
        let (transport, reply) = Transport::accept(&self.request, form);
        if self.request.method == Method::Head {
            return reply.into();
        }
        grant.who.begins(
            &self.server.core.flood,
            &name,
            format_args!("plays {name} as {} over {}", form.name, transport.name()),
        );
        let outlet = transport.outlet(form);
        let viewer = if outlet.is_in_packets() { viewer.in_packets() } else { viewer };
        let sender = Sender::new((viewer, grant), outlet);
        Reply { body: Body::Stream(Stream::Live(Box::new(Player { sender, transport }))), ..reply }.into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::container::{FLV, TS};

    #[test]
    fn paths_of_the_url_table() {
        let cases: [(_, &'static Form); 3] =
            [("/live/test110.flv", &FLV), ("/test110.flv", &FLV), ("/a/b/test110.ts", &TS)];
        for (path, form) in cases {
            assert_eq!(parse(path), Some(Ok((Name::new("test110").unwrap(), form))), "{path}");
        }
    }

    #[test]
    fn paths_that_mean_nothing_or_lie() {
        for path in ["/", "/x", "/live/test110", "/live/test110.mp3", "/live/"] {
            assert_eq!(parse(path), None, "{path}");
        }
        for path in ["/live/%2e%2e%2fx.flv", "/live/...flv", "/live/a%00.flv", "/live/%zz.flv", "/live/.flv"] {
            assert_eq!(parse(path), Some(Err(Status::BAD_REQUEST)), "{path}");
        }
    }
}
