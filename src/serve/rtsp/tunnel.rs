//! RTSP through HTTP: the server's messages are the body of an answer to GET, the client's messages arrive in base64 as
//! the body of a POST on another connection. Both have the same cookie, and the GET owns the conversation.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::{Context, Poll, Waker, ready};

use base64ct::{Base64, Encoding};

use super::super::Server;
use super::carrier::{Kept, MAX_KEPT};
use crate::net::{Close, Conn, Received, SHORT_READ, poll_in_turns};
use crate::proto::Error;
use crate::proto::http::{self, Status};

/// Conversations by their cookie.
#[derive(Default)]
pub(crate) struct Tunnels(Mutex<HashMap<String, Weak<Pipe>>>);

/// The bytes from one connection to the other.
struct Pipe {
    peer: IpAddr,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// Decoded bytes that are not read yet.
    data: Vec<u8>,
    /// True if there is a POST: a second one is refused.
    posted: bool,
    /// True if the conversation has ended.
    closed: bool,
    reader: Option<Waker>,
    writer: Option<Waker>,
}

/// The connection that carries the server's messages.
pub(crate) struct Get {
    pipe: Arc<Pipe>,
    out: Vec<u8>,
    kept: Kept,
}

/// The connection that carries the client's messages.
pub(crate) struct Post {
    pipe: Arc<Pipe>,
    decoder: Decoder,
}

/// The longest cookie, in bytes.
const MAX_COOKIE: usize = 64;
/// The most bytes that may wait, and of one read: a request has a few hundred.
const MAX_PENDING: usize = 512;
/// The most blanks in a row: line ends are shorter.
const MAX_BLANKS: usize = 1 << 10;

impl Pipe {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Get {
    /// Starts a conversation under a cookie that is not in use.
    pub(super) fn open(cookie: &str, server: &Server, peer: IpAddr) -> Result<Self, Status> {
        if !(1..=MAX_COOKIE).contains(&cookie.len()) {
            return Err(Status::BAD_REQUEST);
        }
        let mut all = server.tunnels.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|_, pipe| pipe.strong_count() > 0);
        if all.get(cookie).is_some_and(|pipe| pipe.strong_count() > 0) {
            return Err(Status::FORBIDDEN);
        }
        let pipe = Arc::new(Pipe { peer, state: Mutex::default() });
        all.insert(cookie.into(), Arc::downgrade(&pipe));
        let fields = [
            ("Content-Type", "application/x-rtsp-tunnelled"),
            ("Cache-Control", "no-store"),
            ("Pragma", "no-cache"),
            ("Connection", "close"),
        ];
        Ok(Self { pipe, out: http::head(Status::OK, &fields), kept: Kept::default() })
    }

    /// True if all is sent.
    pub(super) fn is_sent(&self) -> bool {
        self.out.is_empty()
    }

    pub(super) fn control(&mut self, answers: &mut Vec<u8>) -> &mut Vec<u8> {
        // further answers stay in the machine, whose limit counts them
        if self.out.is_empty() {
            self.out.append(answers);
        }
        &mut self.out
    }

    /// Passes the posted bytes to `input`; this connection has no further input.
    pub(super) fn poll_read(
        &mut self,
        cx: &mut Context<'_>,
        conn: &mut Conn,
        mut input: impl FnMut(&[u8]) -> Result<usize, Close>,
    ) -> Poll<Result<Received, Close>> {
        let mut bytes = self.kept.feed(&mut input)?;
        if bytes == 0 {
            let mut state = self.pipe.lock();
            state.reader = Some(cx.waker().clone());
            if self.kept.bytes.len() < MAX_KEPT {
                self.kept.bytes.append(&mut std::mem::take(&mut state.data));
                state.writer.take().into_iter().for_each(Waker::wake);
            }
            drop(state);
            bytes = self.kept.feed(&mut input)?;
        }
        self.kept.settle(conn)?;
        if bytes > 0 {
            return Poll::Ready(Ok(Received { bytes, end: false }));
        }
        conn.poll_read(cx, SHORT_READ, |data| Ok(data.len()))
    }
}

impl Drop for Get {
    fn drop(&mut self) {
        let mut state = self.pipe.lock();
        state.closed = true;
        state.writer.take().into_iter().for_each(Waker::wake);
    }
}

impl Post {
    /// Joins the conversation of that cookie, if it was started from the same address.
    pub(super) fn open(cookie: &str, server: &Server, peer: IpAddr) -> Result<Self, Status> {
        let all = server.tunnels.0.lock().unwrap_or_else(PoisonError::into_inner);
        let pipe = all.get(cookie).and_then(Weak::upgrade).filter(|pipe| pipe.peer == peer);
        let pipe = pipe.ok_or(Status::NOT_FOUND)?;
        let mut state = pipe.lock();
        if std::mem::replace(&mut state.posted, true) {
            return Err(Status::FORBIDDEN);
        }
        drop(state);
        Ok(Self { pipe, decoder: Decoder::default() })
    }

    /// Passes on the posted bytes until either side ends.
    pub(super) async fn run(mut self: Box<Self>, server: Arc<Server>, mut conn: Conn) {
        conn.expect_input(std::time::Duration::ZERO);
        let why = std::future::poll_fn(|cx| self.poll(cx, &mut conn)).await;
        server.core.counters.closed(&why);
    }

    fn poll(&mut self, cx: &mut Context<'_>, conn: &mut Conn) -> Poll<Close> {
        poll_in_turns(cx, |cx| self.step(cx, conn))
    }

    /// Passes on the decoded bytes, then reads once.
    fn step(&mut self, cx: &mut Context<'_>, conn: &mut Conn) -> Poll<Result<(), Close>> {
        let mut state = self.pipe.lock();
        if state.closed {
            return Poll::Ready(Err(Close::Done));
        }
        state.writer = Some(cx.waker().clone());
        if state.data.len() >= MAX_PENDING {
            return Poll::Pending;
        }
        if !self.decoder.out.is_empty() {
            state.data.append(&mut std::mem::take(&mut self.decoder.out));
            state.reader.take().into_iter().for_each(Waker::wake);
        }
        drop(state);
        let received = ready!(conn.poll_read(cx, MAX_PENDING, |input| Ok(self.decoder.take(input)?)))?;
        Poll::Ready(if received.end { Err(Close::Eof) } else { Ok(()) })
    }
}

impl Drop for Post {
    fn drop(&mut self) {
        self.pipe.lock().posted = false;
    }
}

/// A decoder of base64 in lines. Every request may have been encoded separately, so padding may occur anywhere.
#[derive(Default)]
struct Decoder {
    /// Decoded bytes that had no room yet.
    out: Vec<u8>,
    /// Blanks since the last decoded letter.
    blanks: usize,
}

impl Decoder {
    /// Decodes four letters; returns the number of bytes read, blanks included.
    fn take(&mut self, input: &[u8]) -> Result<usize, Error> {
        let before = input.iter().take_while(|byte| byte.is_ascii_whitespace()).count();
        if before > 0 {
            self.blanks += before;
            return if self.blanks > MAX_BLANKS { Err(Error::misbehaved("a POST of white space")) } else { Ok(before) };
        }
        let mut letters = input.iter().enumerate().filter(|(_, byte)| !byte.is_ascii_whitespace());
        let mut four = [0; 4];
        let mut used = 0;
        for slot in &mut four {
            let Some((at, letter)) = letters.next() else { return Ok(0) };
            (*slot, used) = (*letter, at + 1);
        }
        let mut three = [0; 3];
        let decoded = Base64::decode(four, &mut three);
        self.out.extend(decoded.map_err(|_| Error::malformed("a POST that is not base64"))?);
        self.blanks = 0;
        Ok(used)
    }
}

/// The decoded bytes of a POST that arrives in these pieces, for the fuzzer; `None` if it is refused.
#[cfg(fuzzing)]
pub fn decoded<'a>(pieces: impl Iterator<Item = &'a [u8]>) -> Option<Vec<u8>> {
    let (mut kept, mut decoder) = (Vec::new(), Decoder::default());
    for piece in pieces {
        kept.extend_from_slice(piece);
        loop {
            match decoder.take(&kept).ok()? {
                0 => break,
                used => drop(kept.drain(..used)),
            }
        }
    }
    Some(decoder.out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_that_were_encoded_apart_are_one_stream() {
        let text = format!("{}\r\n{}", Base64::encode_string(b"OPTIONS *"), Base64::encode_string(b"\r\nDESCRIBE"));
        for cut in 0..text.len() {
            let (mut kept, mut decoder) = (Vec::new(), Decoder::default());
            for part in [&text.as_bytes()[..cut], &text.as_bytes()[cut..]] {
                kept.extend_from_slice(part);
                while let Ok(used @ 1..) = decoder.take(&kept) {
                    kept.drain(..used);
                }
            }
            assert_eq!(String::from_utf8(decoder.out).unwrap(), "OPTIONS *\r\nDESCRIBE", "{cut}");
        }
        assert!(Decoder::default().take(b"****").is_err());
    }

    #[test]
    fn who_sends_blanks_alone_is_refused() {
        let mut decoder = Decoder::default();
        for _ in 0..100 {
            assert_eq!(decoder.take(&[b' '; MAX_BLANKS]).unwrap(), MAX_BLANKS);
            assert_eq!(decoder.take(b"AAAA").unwrap(), 4);
        }
        assert!((0..=MAX_BLANKS).any(|_| decoder.take(b"\n").is_err()));
    }
}
