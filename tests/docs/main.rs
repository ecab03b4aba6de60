//! The configuration, its reference and the command line are in step.

mod command;
mod messages;
#[path = "../support/program.rs"]
mod program;
mod reference;
