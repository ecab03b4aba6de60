//! An answer whose body is still arriving.

use std::future::poll_fn;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;

use super::super::conn::FULL_READ;
use super::super::{Close, Conn, Fault, drive, poll_in_turns};
use super::Failure;
use crate::budget::{Account, Overflow, Rope};
use crate::proto::http::{Client, ClientEvent, Response};
use crate::proto::{Error, Machine, Url};

/// An answer whose body arrives piece by piece. Dropping it ends the connection.
pub struct Download {
    /// The head.
    pub response: Response,
    /// The URL that has answered.
    pub url: Url,
    conn: Conn,
    client: Client,
    upload: Upload,
    /// The longest time without input from the server; zero for any.
    silence: Duration,
    /// The whole body has been received.
    is_over: bool,
}

/// The part of the request that the server has not received: it may answer before it has all.
struct Upload {
    bytes: Vec<u8>,
    sent: usize,
}

/// A whole answer.
#[derive(Clone, Debug)]
pub struct Fetched {
    /// The head.
    pub response: Response,
    /// The URL that has answered.
    pub url: Url,
    /// The body, which stays charged to the account of its limits as long as it is held.
    pub body: Bytes,
}

/// The size of a read within the head, small so that little of the body behind it has to be kept.
const HEAD_READ: usize = 1 << 10;

impl Download {
    /// Sends the request of `client` and waits for the head of the answer.
    pub(super) async fn begin(mut conn: Conn, mut client: Client, url: Url) -> Result<Self, Failure> {
        // a server may write the head and the body in two pieces, and wait between them
        conn.acknowledge_at_once(true);
        let mut upload = Upload { bytes: std::mem::take(client.transmit()), sent: 0 };
        let (response, is_over) = poll_fn(|cx| poll_head(cx, &mut conn, &mut client, &mut upload)).await?;
        conn.acknowledge_at_once(false);
        // the input behind the head
        conn.offer_again();
        Ok(Self { response, url, conn, client, upload, silence: Duration::ZERO, is_over })
    }

    /// Sets the longest time without input from the server; zero, the default, for any time. A longer silence fails as
    /// late, at most a second afterwards.
    pub fn expect_input(&mut self, silence: Duration) {
        self.silence = silence;
        self.conn.expect_input(silence);
    }

    /// Passes the next part of the body to `take`, in one or several pieces from the read buffer: nothing is kept here.
    /// False at the end of the body.
    ///
    /// # Errors
    /// The body is not complete, or `take` has failed.
    pub fn poll_body(
        &mut self,
        cx: &mut Context<'_>,
        mut take: impl FnMut(&[u8]) -> Result<(), Failure>,
    ) -> Poll<Result<bool, Failure>> {
        let Self { conn, client, upload, is_over, silence, .. } = self;
        let mut taken = false;
        while !*is_over && !taken {
            upload.send(cx, conn);
            let mut refused = None;
            let received = ready!(conn.poll_read(cx, FULL_READ, |data| {
                drive(client, data, |_, event| {
                    match event {
                        ClientEvent::Body(len) => {
                            taken = true;
                            let piece = data.get(..len).unwrap_or_default();
                            take(piece).map_err(|why| {
                                refused = Some(why);
                                Close::Done
                            })?;
                        }
                        ClientEvent::End => *is_over = true,
                        ClientEvent::Head(_) => {}
                    }
                    Ok(())
                })
            }));
            let received = received.map_err(|why| refused.take().unwrap_or_else(|| why.into()))?;
            if received.end && !*is_over {
                client.end().map_err(Close::from)?;
                if conn.is_cut() {
                    return Poll::Ready(Err(Close::Eof.into()));
                }
                *is_over = client.event().is_some();
            }
            if !silence.is_zero() {
                conn.expect_input(*silence);
            }
        }
        Poll::Ready(Ok(taken))
    }

    /// The same as a future.
    ///
    /// # Errors
    /// As for [`poll_body`](Self::poll_body).
    pub async fn next(&mut self, mut take: impl FnMut(&[u8]) -> Result<(), Failure>) -> Result<bool, Failure> {
        poll_fn(|cx| self.poll_body(cx, &mut take)).await
    }

    /// Waits for the whole body, of `most` bytes at most, which are charged to `account` as they arrive.
    ///
    /// # Errors
    /// The body is longer, or not complete.
    pub async fn whole(mut self, most: usize, account: &Account) -> Result<Fetched, Failure> {
        let too_long = || Failure::Limit(Error::limit("an answer that is too long"));
        let full = || Failure::Limit(Error::limit("no room for an answer"));
        if !self.is_over && self.response.length.is_some_and(|length| length > most as u64) {
            return Err(too_long());
        }
        let mut body = Rope::new(most);
        let mut push = |piece: &[u8]| {
            body.push(piece, account).map_err(|why| match why {
                Overflow::TooLong => too_long(),
                Overflow::OverBudget(_) => full(),
            })
        };
        // after much input at once other tasks get their turn, the clock among them
        let ended = poll_fn(|cx| {
            poll_in_turns(cx, |cx| match ready!(self.poll_body(cx, &mut push)) {
                Ok(true) => Poll::Ready(Ok(())),
                Ok(false) => Poll::Ready(Err(Ok(()))),
                Err(why) => Poll::Ready(Err(Err(why))),
            })
        });
        ended.await?;
        let Self { response, url, .. } = self;
        Ok(Fetched { response, url, body: body.finish(account).map_err(|_| full())? })
    }
}

impl Upload {
    /// Sends what the socket accepts. A server that accepts no more may have sent the reason before it closed.
    fn send(&mut self, cx: &mut Context<'_>, conn: &mut Conn) {
        if conn.poll_send_from(cx, &self.bytes, &mut self.sent, Duration::ZERO).is_ready() {
            *self = Self { bytes: Vec::new(), sent: 0 };
        }
    }
}

/// Sends, and reads up to the end of a head. Returns the head, and whether the answer has no body.
fn poll_head(
    cx: &mut Context<'_>,
    conn: &mut Conn,
    client: &mut Client,
    upload: &mut Upload,
) -> Poll<Result<(Response, bool), Close>> {
    let (mut head, mut is_over) = (None, false);
    loop {
        upload.send(cx, conn);
        let most = conn.kept() + HEAD_READ;
        let read = ready!(conn.poll_read(cx, most, |data| {
            if head.is_some() {
                return Ok(0); // the body is read later
            }
            drive(client, data, |_, event| {
                match event {
                    ClientEvent::Head(response) => head = Some(response),
                    ClientEvent::End => is_over = true,
                    ClientEvent::Body(_) => {}
                }
                Ok(())
            })
        }));
        let has_ended = match read {
            Ok(received) => received.end,
            Err(Close::Eof) => true,
            Err(why) => return Poll::Ready(Err(why)),
        };
        if let Some(head) = head {
            return Poll::Ready(Ok((head, is_over)));
        }
        if has_ended {
            return Poll::Ready(Err(match client.is_answered() {
                true => client.end().map_or_else(Close::from, |()| Close::Eof),
                false => Close::Peer(Fault::Unanswered("HTTP")),
            }));
        }
    }
}
