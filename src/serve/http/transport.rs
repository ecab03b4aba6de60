//! The transport of a live form: the body of an answer, or WebSocket messages.

use super::reply::{Body, CORS, NO_CACHE, Reply};
use crate::container::Form;
use crate::net::{Close, Framing, Outlet, drive};
use crate::proto::http::{Extent, Method, Request, Status};
use crate::proto::{Machine, ws};

/// The transport to one viewer.
pub(super) enum Transport {
    Http,
    WebSocket(ws::Server),
}

impl Transport {
    /// The status with which a request for a WebSocket is refused, if it must be.
    pub(super) fn objection(request: &Request) -> Option<Status> {
        request.websocket()?.err()
    }

    /// The head of the answer to a request without objection.
    pub(super) fn accept(request: &Request, form: &Form) -> (Self, Reply) {
        if let Some(reply) = Self::upgrade(request) {
            return (Self::WebSocket(ws::Server::default()), reply.with([CORS]));
        }
        let fields = [
            ("Content-Type", form.mime.into()),
            ("Expires", "-1".into()),
            ("Pragma", "no-cache".into()),
            NO_CACHE,
            CORS,
        ];
        (Self::Http, Reply::new(Status::OK, Body::NoStream).with(fields))
    }

    /// The head of the answer to one who wants messages: texts of a WebSocket, or server-sent events.
    #[cfg(feature = "api")]
    pub(super) fn converse(request: &Request) -> (Self, Reply) {
        match Self::upgrade(request) {
            Some(reply) => (Self::WebSocket(ws::Server::with_data()), reply),
            None => {
                let fields = [("Content-Type", "text/event-stream".into()), NO_CACHE];
                // nginx collects an answer otherwise
                let reply =
                    Reply::new(Status::OK, Body::NoStream).with(fields).with([("X-Accel-Buffering", "no".into())]);
                (Self::Http, reply)
            }
        }
    }

    /// The head of the answer to a request for a WebSocket.
    fn upgrade(request: &Request) -> Option<Reply> {
        let (Some(Ok(key)), Method::Get) = (request.websocket(), request.method) else { return None };
        let fields = [("Upgrade", "websocket".into()), ("Sec-WebSocket-Accept", ws::Server::accept(key).into())];
        // any name is echoed, as none describes the content, except one that would be wrong
        let agreed = ws::subprotocols(&request.fields).find(|name| !name.eq_ignore_ascii_case("rtsp"));
        let agreed = agreed.map(|name| ("Sec-WebSocket-Protocol", name.to_string().into()));
        Some(Reply::new(Status::SWITCHING_PROTOCOLS, Body::NoStream).with(fields).with(agreed))
    }

    /// The name in the log.
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::WebSocket(_) => "ws",
        }
    }

    /// The end of what it sends.
    pub(super) fn extent(&self) -> Extent {
        match self {
            Self::Http => Extent::Close,
            Self::WebSocket(_) => Extent::Upgrade,
        }
    }

    /// An empty outlet for this transport.
    pub(super) fn outlet(&self, form: &Form) -> Outlet {
        match self {
            // ISO/IEC 13818-1 section 2.4.3.2
            Self::Http if form.packet > 0 => Outlet::new(Framing::Packets(form.packet)),
            Self::Http => Outlet::default(),
            Self::WebSocket(_) => Outlet::new(Framing::Unit(ws::binary_header)),
        }
    }

    /// The buffer of bytes to be sent between batches; `plain` if the transport has none.
    pub(super) fn control<'a>(&'a mut self, plain: &'a mut Vec<u8>) -> &'a mut Vec<u8> {
        match self {
            Self::Http => plain,
            Self::WebSocket(ws) => ws.transmit(),
        }
    }

    /// Sends a comment, or a ping.
    #[cfg(feature = "api")]
    pub(super) fn show_life(&mut self, plain: &mut Vec<u8>) {
        match self {
            Self::Http => plain.extend_from_slice(b":\n\n"),
            Self::WebSocket(ws) => ws.ping(),
        }
    }

    /// Sends a close that asks the viewer to reconnect.
    pub(super) fn close(&mut self) {
        match self {
            Self::Http => {}
            Self::WebSocket(ws) => ws.close(),
        }
    }

    /// Reads the viewer's input, and returns whether it closes.
    pub(super) fn input(&mut self, data: &[u8]) -> Result<(usize, bool), Close> {
        self.hear(data, |_, _| {})
    }

    /// The same; `part` gets the parts of messages, and whether each is the last of its frame.
    pub(super) fn hear(&mut self, data: &[u8], mut part: impl FnMut(&[u8], bool)) -> Result<(usize, bool), Close> {
        match self {
            Self::Http => Ok((data.len(), false)),
            Self::WebSocket(ws) => {
                let mut goodbye = false;
                let used = drive(ws, data, |ws, event| {
                    match event {
                        ws::Event::Data(data) => part(&data, ws.is_between()),
                        ws::Event::Close => goodbye = true,
                    }
                    Ok(())
                })?;
                Ok((used, goodbye))
            }
        }
    }
}
