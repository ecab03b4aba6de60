//! Parts of MPEG-TS: consecutive units, with the tables before the first.

use super::chain::Chain;
use super::maker::{BLOCK, Follows, Made, Maker};
use crate::budget::{Account, OverBudget};
use crate::container::ts;
use crate::hub::Unit;

/// The running part, and the tables.
#[derive(Debug)]
pub(super) struct Transport {
    chain: Chain,
    independent: bool,
    /// The newest tables, or none.
    tables: Vec<u8>,
    /// The number of times that they were written, for the counters of their packets.
    counter: u8,
    /// True if they have to be written before the next unit.
    due: bool,
}

impl Default for Transport {
    fn default() -> Self {
        Self { chain: Chain::new(BLOCK), independent: false, tables: Vec::new(), counter: 0, due: false }
    }
}

impl Maker for Transport {
    fn reserve(&mut self, account: &Account, unit: &Unit) -> Result<(), OverBudget> {
        self.chain.reserve(account, unit.packed.len() + ts::TABLES)
    }

    fn take(&mut self, unit: &Unit) {
        for slice in unit.packed.slices() {
            let (tables, rest) = ts::split_tables(slice);
            if !tables.is_empty() {
                self.tables = tables.to_vec();
                self.due = true;
            }
            if rest.is_empty() {
                continue;
            }
            if self.chain.is_empty() {
                (self.due, self.independent) = (true, unit.start);
            }
            if std::mem::take(&mut self.due) {
                self.counter = self.counter.wrapping_add(1);
                ts::count_tables(&mut self.tables, self.counter);
                self.chain.append(&self.tables);
            }
            self.chain.append(rest);
        }
    }

    fn pending(&self) -> usize {
        self.chain.len()
    }

    fn end(&mut self, account: &Account, _: Follows) -> Option<Made> {
        let len = self.chain.len();
        let blocks = self.chain.finish(account).into();
        (len > 0).then_some(Made { blocks, len, independent: self.independent })
    }

    fn clear(&mut self) {
        self.chain = Chain::new(BLOCK);
    }
}
