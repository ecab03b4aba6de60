//! The configuration, its reference, the command line and the pages for readers are in step.

mod command;
mod messages;
mod migration;
mod pages;
#[path = "../support/program.rs"]
mod program;
mod reference;
