//! The carriers that begin with a request of HTTP, in a build without it.

use std::task::{Context, Poll};

use super::Carrier;
use crate::net::{Close, Conn, Received};
use crate::proto::rtsp;

/// A carrier that is a connection of HTTP.
pub(in crate::serve) enum HttpCarrier {}

impl From<HttpCarrier> for Carrier {
    fn from(carrier: HttpCarrier) -> Self {
        Self::Http(carrier)
    }
}

impl HttpCarrier {
    pub(super) fn header(&self) -> fn(u8, usize, &mut Vec<u8>) {
        match *self {}
    }

    pub(super) fn control<'a>(&'a mut self, _: &'a mut rtsp::Server) -> &'a mut Vec<u8> {
        match *self {}
    }

    pub(super) fn has_more(&mut self, _: &mut rtsp::Server) -> bool {
        match *self {}
    }

    pub(super) fn poll_read(
        &mut self,
        _: &mut Context<'_>,
        _: &mut Conn,
        _: usize,
        _: impl FnMut(&[u8]) -> Result<usize, Close>,
    ) -> Poll<Result<Received, Close>> {
        match *self {}
    }
}
