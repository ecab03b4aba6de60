//! Conversations for the client of HTTP: what servers answer.

#![allow(dead_code, reason = "each test uses a part")]

use std::collections::VecDeque;

use runnel::budget::Account;
use runnel::proto::http::{Client, ClientEvent, Method, Outgoing, Response, Then};
use runnel::proto::{Error, Machine};

use super::drive::React;

/// The requests of a conversation, in their order.
const REQUESTS: [Outgoing<'_>; 9] = {
    let get = Outgoing { method: Method::Get, target: "/a?b=c", fields: &[], body: &[], then: Then::Keep };
    let post = Outgoing { method: Method::Post, fields: &[("Content-Type", "text/plain")], body: b"a\r\nb", ..get };
    let head = Outgoing { method: Method::Head, ..get };
    let last = Outgoing { then: Then::Close, ..get };
    [get, post, get, head, get, get, get, get, last]
};

/// An answer as it came. Bodies come in the pieces that were read: they are joined here.
#[derive(Clone, Debug, PartialEq)]
pub enum Answered {
    Head(Response),
    Body(Vec<u8>),
}

/// A client that asks one thing after the other.
pub struct Asking {
    client: Client,
    asked: usize,
    /// Of the answer that has not ended.
    pub body: Vec<u8>,
    events: VecDeque<Answered>,
}

pub fn http_client(account: Account) -> Asking {
    let mut asking =
        Asking { client: Client::new("h:8080", 1024, account), asked: 0, body: Vec::new(), events: VecDeque::new() };
    asking.ask();
    asking
}

impl Asking {
    fn ask(&mut self) {
        if let Some(request) = REQUESTS.get(self.asked) {
            // what was asked before is as good as sent; an account without room ends the conversation
            let sent = std::mem::take(self.client.transmit());
            self.asked += usize::from(self.client.ask(request).is_ok());
            self.client.transmit().splice(0..0, sent);
        }
    }
}

impl Machine for Asking {
    type Event = Answered;

    fn input(&mut self, data: &[u8]) -> Result<usize, Error> {
        let used = self.client.input(data)?;
        let mut heads = 0;
        while let Some(event) = self.client.event() {
            match event {
                ClientEvent::Head(head) => {
                    heads += 1;
                    self.events.push_back(Answered::Head(head));
                }
                ClientEvent::Body(len) => self.body.extend(&data[..len]),
                ClientEvent::End => self.events.push_back(Answered::Body(std::mem::take(&mut self.body))),
            }
        }
        assert!(heads <= 1);
        Ok(used)
    }

    fn event(&mut self) -> Option<Answered> {
        self.events.pop_front()
    }

    fn transmit(&mut self) -> &mut Vec<u8> {
        self.client.transmit()
    }
}

impl React for Asking {
    fn react(&mut self, event: &Answered) {
        if let Answered::Body(_) = event {
            self.ask();
        }
    }
}

/// The answers of one connection, the last of which ends with it.
pub fn answers() -> Vec<u8> {
    let last = "HTTP/1.1 200 OK\r\nContent-Type: video/x-flv\r\nConnection: close\r\n\r\nFLV\x01\x05";
    [all_but_one(), last.into()].concat()
}

/// Those behind which another may come.
pub fn all_but_one() -> Vec<u8> {
    [
        "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nServer: x/1\r\nContent-Length: 12\r\n\r\nHTTP/1.1 404",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: Digest\r\n\r\n\
         5;x=y\r\nHTTP/\r\n13\r\n1.1 200 OK\r\n\r\nabcde\r\n0\r\nDigest: x\r\n\r\n",
        "HTTP/1.1 204 No Content\r\nVary: *\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 100000\r\nETag: \"1\"\r\n\r\n",
        "HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n",
        "HTTP/1.1 302 Found\r\nLocation: /b/../c?d#e\r\nContent-Length: 4\r\n\r\nhere",
        "HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Basic realm=\"a, b\"\r\nWWW-Authenticate: Digest x=y\r\n\
         Content-Length: 0\r\n\r\n",
        // as simple servers have it
        "HTTP/1.0 200\nConnection: keep-alive\nContent-Length: 3\nServer: Cam\u{e9}ra\n\nabc",
    ]
    .concat()
    .into_bytes()
}
