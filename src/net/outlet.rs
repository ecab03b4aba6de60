//! What a viewer is being sent: a batch of shared units, and how far it has got.

use std::io::IoSlice;
use std::sync::Arc;

use crate::hub::{Step, Unit};

/// A batch on its way out.
#[derive(Default)]
pub struct Outlet {
    /// Writes what stands before a batch of so many bytes, where batches are messages.
    header: Option<fn(usize, &mut Vec<u8>)>,
    /// What stands before the batch.
    lead: Vec<u8>,
    units: Vec<Arc<Unit>>,
    /// Units that are sent whole, and bytes of the lead and the next unit.
    done: usize,
    lead_sent: usize,
    unit_sent: usize,
}

/// What one batch may hold: enough that writes are few, little enough that a
/// slow viewer pins little.
pub const BATCH: Step = Step { units: 32, bytes: 64 << 10 };
/// The most slices that one write is given.
const SLICES: usize = 96;

impl Outlet {
    /// An empty outlet whose batches are messages: `header` writes what stands
    /// before one of so many bytes.
    pub fn framed(header: fn(usize, &mut Vec<u8>)) -> Self {
        Self { header: Some(header), ..Self::default() }
    }

    /// Whether everything was sent.
    pub fn is_empty(&self) -> bool {
        self.units.is_empty() && self.lead.is_empty()
    }

    /// Fills an empty outlet: `fill` appends units.
    pub fn fill<T>(&mut self, fill: impl FnOnce(&mut Vec<Arc<Unit>>) -> T) -> T {
        let result = fill(&mut self.units);
        let len: usize = self.units.iter().map(|unit| unit.packed.len()).sum();
        if len == 0 {
            self.units.clear();
        } else if let Some(header) = self.header {
            header(len, &mut self.lead);
        }
        result
    }

    /// Hands the slices that come next to `write`, which says how many bytes
    /// it took.
    pub fn send<E>(&mut self, write: impl FnOnce(&[IoSlice<'_>]) -> Result<usize, E>) -> Result<usize, E> {
        let mut slices = [(); SLICES].map(|()| IoSlice::new(&[]));
        let mut count = 0;
        let mut skip = self.lead_sent + self.unit_sent;
        let bodies = self.units.iter().skip(self.done).flat_map(|unit| unit.packed.slices());
        for slice in std::iter::once(self.lead.as_slice()).chain(bodies) {
            let passed = skip.min(slice.len());
            skip -= passed;
            let (Some(slot), Some(slice)) = (slices.get_mut(count), slice.get(passed..)) else { break };
            if !slice.is_empty() {
                *slot = IoSlice::new(slice);
                count += 1;
            }
        }
        let taken = write(slices.get(..count).unwrap_or_default())?;
        self.advance(taken);
        Ok(taken)
    }

    fn advance(&mut self, taken: usize) {
        let of_lead = taken.min(self.lead.len() - self.lead_sent);
        self.lead_sent += of_lead;
        self.unit_sent += taken - of_lead;
        while let Some(unit) = self.units.get(self.done)
            && self.unit_sent >= unit.packed.len()
        {
            self.unit_sent -= unit.packed.len();
            self.done += 1;
        }
        if self.done == self.units.len() && self.lead_sent == self.lead.len() {
            self.units.clear();
            self.lead.clear();
            (self.done, self.lead_sent, self.unit_sent) = (0, 0, 0);
        }
    }
}
