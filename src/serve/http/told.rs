//! Messages in JSON that are made as they come: server-sent events (WHATWG HTML section 9.2), or texts of a WebSocket.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;

use super::reply::{Answer, Body, Exchange, Reply};
use super::stream::Turn;
use super::transport::Transport;
use crate::hub::Unit;
use crate::media::Ticks;
use crate::net::{Close, Conn, Outlet};
use crate::proto::http::{Extent, Method};
use crate::proto::ws;
use crate::reactor::Timer;

/// A message.
pub(in crate::serve) struct Message {
    /// Its name.
    pub name: &'static str,
    /// Its id, by which a client can go on behind it.
    pub id: Option<String>,
    /// The JSON, without line breaks.
    pub json: Vec<Bytes>,
}

/// Makes the messages of one client.
pub(in crate::serve) trait Source: Send {
    /// The next message. It is asked only when the one before was sent.
    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Message>;

    /// Takes a message of the client, of at most `MOST_HEARD` bytes.
    fn hear(&mut self, text: &[u8]);
}

/// One who is told messages.
pub(in crate::serve) struct Told {
    source: Box<dyn Source>,
    transport: Transport,
    /// The rest of a message.
    outlet: Outlet,
    /// The time at which a sign of life is due.
    quiet: Timer,
    /// What has come of a message of the client.
    heard: Vec<u8>,
}

/// The longest time without a message: proxies close what says nothing for a minute, or less.
const QUIET: Duration = Duration::from_secs(15);
/// The longest message of a client that is read, in bytes; longer ones are passed over.
const MOST_HEARD: usize = 256;

impl Told {
    /// Answers with the messages of `source`. Pages of other sites read them if they are listed.
    pub fn answer(exchange: &Exchange, source: Box<dyn Source>) -> Answer {
        if let Some(status) = Transport::objection(&exchange.request) {
            let version = ("Sec-WebSocket-Version", "13".into());
            return Reply::new(status, Body::Text(status.1.into())).with([version]).into();
        }
        let (transport, reply) = Transport::converse(&exchange.request);
        let reply = reply.with(exchange.listed_origin());
        if exchange.request.method == Method::Head {
            return reply.into();
        }
        let (outlet, quiet) = (Outlet::default(), Timer::after(QUIET));
        let told = Self { source, transport, outlet, quiet, heard: Vec::new() };
        Reply { body: Body::Stream(told.into()), ..reply }.into()
    }

    /// The end of what it sends.
    pub(super) fn extent(&self) -> Extent {
        self.transport.extent()
    }

    /// Sends the rest of a message, control bytes between messages, and the next message.
    pub(super) fn poll(
        &mut self,
        cx: &mut Context<'_>,
        conn: &mut Conn,
        plain: &mut Vec<u8>,
        slow: Duration,
    ) -> Result<Turn, Close> {
        if !self.outlet.is_empty() && conn.poll_outlet(cx, &mut self.outlet, slow, |_| {})?.is_pending() {
            return Ok(Turn::Waits);
        }
        if conn.poll_send(cx, self.transport.control(plain), slow)?.is_pending() {
            return Ok(Turn::Waits);
        }
        if let Poll::Ready(message) = self.source.poll_next(cx) {
            self.put(message);
        } else if Pin::new(&mut self.quiet).poll(cx).is_ready() {
            self.transport.show_life(plain);
        } else {
            return Ok(Turn::Waits);
        }
        self.quiet = Timer::after(QUIET);
        Ok(Turn::Again)
    }

    /// Reads what the client sends, and returns the number of bytes used, and whether it closes.
    pub(super) fn input(&mut self, data: &[u8]) -> Result<(usize, bool), Close> {
        let Self { source, transport, heard, .. } = self;
        transport.hear(data, |part, is_last| {
            let room = MOST_HEARD + 1 - heard.len();
            heard.extend(part.iter().take(room));
            if is_last && heard.len() <= MOST_HEARD {
                source.hear(heard);
            }
            if is_last {
                heard.clear();
            }
        })
    }

    /// Ends it: `plain` gets a close frame, unless a message is being sent.
    pub(super) fn end(&mut self, plain: &mut Vec<u8>) {
        if self.outlet.is_empty() {
            let last = std::mem::take(self.transport.control(plain));
            *plain = last;
        }
    }

    fn put(&mut self, Message { name, id, json }: Message) {
        let (head, end) = match self.transport {
            Transport::Http => {
                let id = id.map_or(String::new(), |id| format!("id: {id}\n"));
                (format!("event: {name}\n{id}data: ").into_bytes(), "\n\n")
            }
            Transport::WebSocket(_) => {
                let mut head = Vec::new();
                ws::text_header(json.iter().map(Bytes::len).sum(), &mut head);
                (head, "")
            }
        };
        let parts = std::iter::once(head.into()).chain(json).chain([Bytes::from_static(end.as_bytes())]);
        self.outlet.fill(|units| units.extend(parts.map(|part| Unit::whole(part, Ticks(0)))));
    }
}
