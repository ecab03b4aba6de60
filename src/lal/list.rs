//! Lists in lal's JSON.

use crate::budget::OverBudget;
use crate::session::JsonText;

/// A list in a text. lal writes an empty one as `null`, as Go does.
#[derive(Default)]
pub(super) struct List {
    has_begun: bool,
}

impl List {
    /// Goes before each item.
    pub(super) fn next(&mut self, text: &mut JsonText<'_>) -> Result<(), OverBudget> {
        text.put(if std::mem::replace(&mut self.has_begun, true) { "," } else { "[" })
    }

    /// Ends the list.
    pub(super) fn end(self, text: &mut JsonText<'_>) -> Result<(), OverBudget> {
        text.put(if self.has_begun { "]" } else { "null" })
    }
}
