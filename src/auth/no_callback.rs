//! Servers that are asked, in a build without HTTP: there are none, and a configuration that names one is refused.

use super::means::Means;
use super::state::State;
use super::{Denial, Request, Verdict};
use crate::conf::{Authority, Config};
use crate::proto::Credentials;

/// The servers that were asked.
pub(super) struct Desks;

/// An answer that is known already, or the question.
pub(super) enum Asked {
    Known(Verdict),
    #[allow(dead_code, reason = "nobody is asked")]
    Open(Box<Question>),
}

/// A question that cannot be.
pub(super) enum Question {}

impl Desks {
    pub(super) fn new(_: Means) -> Self {
        Self
    }

    pub(super) fn keep(&self, _: &Config) {}
}

pub(super) fn ask(_: &State, _: &Authority<'_>, _: bool, _: &Request<'_>, _: &Credentials) -> Asked {
    Asked::Known(Err(Denial::Unanswered))
}

impl Question {
    pub(super) async fn answer(self) -> Verdict {
        match self {}
    }
}
