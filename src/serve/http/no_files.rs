//! No files are served.

use super::reply::{Answer, Exchange, Otherwise, Reply};
use crate::proto::http::Status;

impl Exchange {
    /// There is no such file.
    pub(in crate::serve) fn rooted_or(self, refusal: Status) -> Answer {
        Reply::from(refusal).into()
    }

    /// There is no such file, but something else.
    pub(super) fn rooted(self, otherwise: Otherwise) -> Answer {
        otherwise(self)
    }
}
