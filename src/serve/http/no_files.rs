//! The answers of a build that serves no files.

use super::reply::{Answer, Exchange, Otherwise, Reply};
use crate::proto::http::Status;

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
