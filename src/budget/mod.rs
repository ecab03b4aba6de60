//! Memory that is charged before it is allocated: accounts, leases, blocks, and the plan that sums their worst case at
//! start.

mod account;
mod ballast;
mod block;
mod greetings;
mod paid;
mod plan;
mod rope;

pub use account::{Account, Lease, OverBudget};
pub use block::{BLOCK_OVERHEAD, BlockMut, Room};
pub use greetings::Greetings;
pub use paid::Paid;
pub use plan::{Key, Line, Plan};
pub use rope::{MAX_CHUNK, Overflow, Rope};
