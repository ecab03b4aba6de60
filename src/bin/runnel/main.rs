//! The program: does what the command line asks for, and ends with the code of a failure.

// these panic if their output is closed
#![deny(clippy::print_stdout, clippy::print_stderr)]

mod arguments;
mod check;
#[cfg(feature = "api")]
mod ctl;
mod failure;
mod follow;
#[cfg(feature = "auth")]
mod hash;
#[cfg(feature = "api")]
mod import;
#[cfg(not(feature = "notify"))]
mod no_notifier;
#[cfg(not(feature = "record"))]
mod no_recorder;
mod plan;
#[cfg(feature = "record")]
mod push;
mod rest;
mod source;
mod start;

use std::fmt::Display;
use std::io::{Write as _, stderr, stdout};
use std::process::ExitCode;

use arguments::Task;
use check::refusal;
#[cfg(feature = "api")]
use ctl::ctl;
use failure::{Failure, System};
#[cfg(feature = "auth")]
use hash::hash;
#[cfg(feature = "api")]
use import::import;
use plan::{check_machine, check_plan};
#[cfg(feature = "record")]
use push::push;
use runnel::conf::{Config, Target};
use runnel::device;
use runnel::net::random;
use runnel::registry;
use source::Source;

fn main() -> ExitCode {
    match run() {
        Ok(()) => {
            device::log::finish();
            ExitCode::SUCCESS
        }
        Err(failure) => {
            // output that is not read would block the end
            if device::log::finish() {
                failure.lines().iter().for_each(complain);
            }
            ExitCode::from(failure.code())
        }
    }
}

/// Prints to standard output. The exit code does not depend on whether that succeeds.
fn print(words: impl Display) {
    let _ = write!(stdout(), "{words}");
}

/// Prints a line to standard error, as `print` does.
fn complain(words: impl Display) {
    let _ = writeln!(stderr(), "runnel: {words}");
}

fn run() -> Result<(), Failure> {
    let mut args = std::env::args_os().skip(1).peekable();
    if args.next_if(|word| word == "push").is_some() {
        return push(args);
    }
    if args.next_if(|word| word == "import").is_some() {
        return import(args);
    }
    if args.next_if(|word| word == "ctl").is_some() {
        return ctl(args);
    }
    let Some((task, file)) = arguments::parse(args)? else { return Ok(()) };
    if task == Task::Hash {
        return hash();
    }
    let (config, source) = Source::load(file)?;
    let plan = registry::plan(&config);
    if task == Task::Plan {
        print(format_args!("{plan}\n"));
    }
    if task == Task::MakeCertificate {
        return make_certificate(&config);
    }
    check_plan(&plan, &source.keys)?;
    if task == Task::Plan {
        return Ok(());
    }
    check_machine(&plan, &source.keys)?;
    if task == Task::Check {
        return check::check(&config, &source, &plan);
    }
    random::open().map_err(System::Random)?;
    device::log::keep(config.kept_log());
    device::log::start(&config.log).map_err(|error| refusal(&config, &source, "log.target", &error))?;
    let elsewhere = config.log.target != Target::Stderr;
    start::serve(source, config).inspect_err(|failure| {
        // the error is logged too, for users who read only the log
        if elsewhere {
            failure.lines().iter().for_each(|line| log::error!("{line}"));
        }
    })
}

#[cfg(not(feature = "record"))]
fn push(_: impl Iterator) -> Result<(), Failure> {
    Err(arguments::Usage::Feature(runnel::conf::MissingFeature("record")).into())
}

#[cfg(not(feature = "auth"))]
fn hash() -> Result<(), Failure> {
    Err(arguments::Usage::Feature(runnel::conf::MissingFeature("auth")).into())
}

#[cfg(not(feature = "api"))]
fn ctl(_: impl Iterator) -> Result<(), Failure> {
    Err(arguments::Usage::Feature(runnel::conf::MissingFeature("api")).into())
}

#[cfg(feature = "tls")]
fn make_certificate(config: &Config) -> Result<(), Failure> {
    Ok(device::make_certificate(&config.tls).map(print)?)
}

#[cfg(not(feature = "api"))]
fn import(_: impl Iterator) -> Result<(), Failure> {
    Err(arguments::Usage::Feature(runnel::conf::MissingFeature("api")).into())
}

#[cfg(not(feature = "tls"))]
fn make_certificate(_: &Config) -> Result<(), Failure> {
    Err(arguments::Usage::Feature(runnel::conf::MissingFeature("tls")).into())
}
