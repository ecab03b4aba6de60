//! HLS over HTTP: a playlist may have to be waited for, a segment is sent as blocks.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use async_io::Timer;

use super::super::hls::{Entry, HOLD};
use super::{CORS, NO_CACHE, Role, Session};
use crate::hub::{Name, Unit};
use crate::media::Ticks;
use crate::net::Outlet;
use crate::proto::http::{self, Method, Request, Status};

/// A request for a playlist that has nothing in it yet.
pub(super) struct Waiting {
    entry: Arc<Entry>,
    request: Request,
    prefix: String,
    suffix: String,
    limit: Timer,
}

/// The longest query that a playlist repeats behind each segment.
const MAX_SUFFIX: usize = 512;

impl Session {
    pub(super) fn playlist(&mut self, request: Request, name: &Name, prefix: String) {
        match self.server.hls.ask(&self.server, name) {
            Ok(entry) => {
                // what the client was given to show with the playlist it shows with the segments
                let query = Some(&request.query).filter(|query| (1..=MAX_SUFFIX).contains(&query.len()));
                let suffix = query.map_or_else(String::new, |query| format!("?{query}"));
                let limit = Timer::after(HOLD);
                self.role = Role::Waiting(Box::new(Waiting { entry, request, prefix, suffix, limit }));
            }
            Err(refused) => self.busy(&request, refused),
        }
    }

    pub(super) fn segment(&mut self, request: &Request, name: &Name, file: &str) {
        let Some((blocks, len)) = self.server.hls.file(name, file) else {
            return self.refuse(request, Status::NOT_FOUND, "no such segment, or no longer");
        };
        let length = len.to_string();
        let connection = if request.keep_alive { "keep-alive" } else { "close" };
        let fields =
            [("Content-Type", "video/mp2t"), ("Content-Length", &length), ("Connection", connection), NO_CACHE, CORS];
        self.machine.head(Status::OK, &fields);
        let mut outlet = Outlet::default();
        if request.method != Method::Head {
            outlet.fill(|units| units.extend(blocks.iter().map(|block| Unit::whole(block.clone(), Ticks(0)))));
        }
        self.role = Role::Body { outlet, keep_alive: request.keep_alive };
    }
}

impl Waiting {
    /// Ready when the answer is written.
    pub(super) fn poll_answer(&mut self, cx: &mut Context<'_>, machine: &mut http::Server) -> Poll<()> {
        self.poll(cx).map(|text| answer_playlist(machine, &self.request, text))
    }

    /// The playlist; `None` if none came in time.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<String>> {
        if let Poll::Ready(text) = self.entry.poll_playlist(cx, &self.prefix, &self.suffix) {
            return Poll::Ready(Some(text));
        }
        std::future::Future::poll(Pin::new(&mut self.limit), cx).map(|_| None)
    }
}

fn answer_playlist(machine: &mut http::Server, request: &Request, text: Option<String>) {
    match text {
        Some(text) => {
            let fields = [("Content-Type", "application/x-mpegurl"), CORS, NO_CACHE];
            machine.answer(Status::OK, &fields, text.as_bytes(), Some(request));
        }
        None => {
            let fields = [CORS, NO_CACHE, ("Retry-After", "2")];
            machine.answer(Status::NOT_FOUND, &fields, b"nothing is published under that name", Some(request));
        }
    }
}
