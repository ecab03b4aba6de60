//! Publisher, hub and viewers on a clock of the tests' own: no sockets, no waiting.

mod budget;
mod harness;
mod join;
mod packed;
mod publishers;
mod silence;
mod slow;
