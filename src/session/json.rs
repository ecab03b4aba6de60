//! JSON that is written piece by piece, each of which is paid for before it is kept.

use bytes::Bytes;
use serde::Serialize;

use crate::budget::{OverBudget, Overflow, Room, Rope};

/// A text of JSON.
pub struct JsonText<'a> {
    room: &'a dyn Room,
    rope: Rope,
}

/// The longest text. It is reached by no plan that fits.
const LONGEST: usize = 1 << 30;

impl<'a> JsonText<'a> {
    /// An empty text, whose blocks are those of `room`.
    pub fn new(room: &'a dyn Room) -> Self {
        Self { room, rope: Rope::new(LONGEST) }
    }

    /// Appends JSON that is there.
    pub fn put(&mut self, part: &str) -> Result<(), OverBudget> {
        self.append(part.as_bytes())
    }

    /// Appends a value, of at most some hundred bytes.
    pub fn value(&mut self, value: &impl Serialize) -> Result<(), OverBudget> {
        // none of our values fails: their keys are texts
        self.append(&serde_json::to_vec(value).unwrap_or_default())
    }

    /// Appends an object without its end, so that more entries can follow.
    pub fn open(&mut self, object: &impl Serialize) -> Result<(), OverBudget> {
        let json = serde_json::to_vec(object).unwrap_or_default();
        self.append(json.strip_suffix(b"}").unwrap_or(&json))
    }

    /// Appends an array, whose items `item` appends. The first error ends it.
    #[cfg(feature = "api")]
    pub fn array<T>(
        &mut self,
        items: impl IntoIterator<Item = T>,
        mut item: impl FnMut(&mut Self, T) -> Result<(), OverBudget>,
    ) -> Result<(), OverBudget> {
        self.put("[")?;
        for (number, one) in items.into_iter().enumerate() {
            if number > 0 {
                self.put(",")?;
            }
            item(self, one)?;
        }
        self.put("]")
    }

    /// The text, in blocks.
    pub fn finish(mut self) -> Vec<Bytes> {
        self.rope.take()
    }

    /// The text in one block.
    #[cfg(feature = "notify")]
    pub fn whole(mut self) -> Result<Bytes, OverBudget> {
        self.rope.finish(self.room)
    }

    fn append(&mut self, part: &[u8]) -> Result<(), OverBudget> {
        self.rope.push(part, self.room).map_err(|why| match why {
            Overflow::OverBudget(refusal) => refusal,
            Overflow::TooLong => OverBudget { wanted: part.len(), limit: LONGEST },
        })
    }
}
