//! The part of an answer behind its head: a body, or the messages of a WebSocket.

use std::task::{Context, Poll, ready};
use std::time::Duration;

use super::files;
use super::live::Player;
use super::told::Told;
use crate::net::{Close, Conn, Outlet};
use crate::proto::http::Extent;
use crate::session::Tail;

/// A body that is being sent, or the messages of a WebSocket.
pub(in crate::serve) enum Stream {
    /// Blocks that are shared, or charged.
    Blocks(Outlet),
    /// A file.
    File(Box<files::Body>),
    /// A live form.
    Live(Box<Player>),
    /// Messages that are made as they come.
    Told(Box<Told>),
}

/// The result of one turn of sending.
pub(super) enum Turn {
    /// Another turn is due.
    Again,
    /// There is nothing to send now; meanwhile the client's input is read.
    Waits,
    /// It has ended for this reason.
    Over(Close),
}

impl Stream {
    /// Its extent, with the bytes that are sent already.
    pub(super) fn extent(&self) -> Extent {
        match self {
            Self::Blocks(outlet) => Extent::Bytes(outlet.len() as u64),
            Self::File(body) => Extent::Bytes(body.len()),
            Self::Live(player) => player.transport.extent(),
            Self::Told(told) => told.extent(),
        }
    }

    /// Sends once; `plain` has the bytes that a body without framing sends first. An error cuts the connection, because
    /// the announced length cannot be sent.
    pub(super) fn poll(
        &mut self,
        cx: &mut Context<'_>,
        conn: &mut Conn,
        plain: &mut Vec<u8>,
        slow: Duration,
    ) -> Poll<Result<Turn, Close>> {
        let outlet = match self {
            Self::Blocks(outlet) => outlet,
            Self::File(body) => {
                // the client may have left during a read that takes long
                let is_late = body.is_late();
                match body.poll_next(cx) {
                    Poll::Ready(next) => next?,
                    Poll::Pending if is_late => return Poll::Ready(Ok(Turn::Waits)),
                    Poll::Pending => return Poll::Pending,
                }
            }
            Self::Live(player) => return Poll::Ready(player.poll(cx, conn, plain, slow)),
            Self::Told(told) => return Poll::Ready(told.poll(cx, conn, plain, slow)),
        };
        if outlet.is_empty() {
            return Poll::Ready(Ok(Turn::Over(Close::Done)));
        }
        ready!(conn.poll_outlet(cx, outlet, slow, |_| {}))?;
        Poll::Ready(Ok(Turn::Again))
    }

    /// Reads what the client sends meanwhile, and returns the number of bytes used, and whether it closes.
    pub(super) fn input(&mut self, data: &[u8]) -> Result<(usize, bool), Close> {
        match self {
            Self::Live(player) => player.transport.input(data),
            Self::Told(told) => told.input(data),
            Self::Blocks(_) | Self::File(_) => Ok((0, false)),
        }
    }

    /// Logs the reason why a viewer ends.
    pub(super) fn ends(&mut self, why: &Close) {
        if let Self::Live(player) = self {
            player.sender.ends(why);
        }
    }

    /// Ends it: `plain` gets the last bytes between batches, such as a close frame, and the rest of a batch is returned.
    pub(super) fn into_tail(self, plain: &mut Vec<u8>) -> Tail {
        match self {
            Self::Live(mut player) => {
                let last = std::mem::take(player.transport.control(plain));
                *plain = last;
                player.sender.into_tail()
            }
            Self::Told(mut told) => {
                told.end(plain);
                Tail::default()
            }
            Self::Blocks(_) | Self::File(_) => Tail::default(),
        }
    }
}

impl From<Told> for Stream {
    fn from(told: Told) -> Self {
        Self::Told(Box::new(told))
    }
}

impl From<files::Body> for Stream {
    fn from(body: files::Body) -> Self {
        Self::File(Box::new(body))
    }
}
