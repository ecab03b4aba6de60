//! Messages in a build without the API: nobody is told any.

use std::task::Context;
use std::time::Duration;

use super::stream::Turn;
use crate::net::{Close, Conn};
use crate::proto::http::Extent;

pub(in crate::serve) enum Told {}

impl Told {
    pub(super) fn extent(&self) -> Extent {
        match *self {}
    }

    pub(super) fn poll(
        &mut self,
        _: &mut Context<'_>,
        _: &mut Conn,
        _: &mut Vec<u8>,
        _: Duration,
    ) -> Result<Turn, Close> {
        match *self {}
    }

    pub(super) fn input(&mut self, _: &[u8]) -> Result<(usize, bool), Close> {
        match *self {}
    }

    pub(super) fn end(&mut self, _: &mut Vec<u8>) {
        match *self {}
    }
}
