//! The answers of a build that serves no files.

use std::io;
use std::task::{Context, Poll};

use super::reply::{Answer, Exchange, Otherwise, Reply};
use crate::net::Outlet;
use crate::proto::http::Status;

/// A file that is being sent.
pub(in crate::serve) enum Body {}

impl Body {
    pub(super) fn len(&self) -> u64 {
        match *self {}
    }

    pub(super) fn poll_next(&mut self, _: &mut Context<'_>) -> Poll<io::Result<&mut Outlet>> {
        match *self {}
    }

    pub(super) fn is_late(&self) -> bool {
        match *self {}
    }
}

impl Exchange {
    /// The refusal, as there are no files.
    pub(in crate::serve) fn rooted_or(self, refusal: Status) -> Answer {
        Reply::from(refusal).into()
    }

    /// The other answer, as there are no files.
    pub(super) fn rooted(self, otherwise: Otherwise) -> Answer {
        otherwise(self)
    }
}
