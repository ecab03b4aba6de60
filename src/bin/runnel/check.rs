//! `--check`: all faults because of which the server would not start here, or would not serve its whole configuration.
//! A refused start reports the same.

use std::fmt::Display;
use std::path::Path;

use runnel::budget::Plan;
use runnel::conf::{Config, features};
use runnel::device::{self, Fault, User, Weight};

use crate::failure::{Failure, Lacks};
use crate::plan::{check_free_memory, reserve_descriptors};
use crate::source::Source;
use crate::{complain, print};

/// Prints that all is well, or the faults.
pub fn check(config: &Config, source: &Source, plan: &Plan) -> Result<(), Failure> {
    let keys = &source.keys;
    for (key, words) in keys.hints(config) {
        complain(format_args!("{}{words}", keys.place(&key)));
    }
    let placed = |fault: Fault| Lacks(keys.place(&fault.key), fault);
    let (untried, mut faults): (Vec<_>, Vec<_>) =
        faults(config, source.file.as_deref()).into_iter().partition(|fault| fault.weight == Weight::Untried);
    let worst = faults.iter().map(|fault| fault.weight).max();
    let last = faults.pop().zip(worst);
    for fault in untried.into_iter().chain(faults) {
        complain(placed(fault));
    }
    let Some((last, weight)) = last else {
        let (worst, limit) = (plan.total().div_ceil(1024), plan.limit / 1024);
        let profile = config.profile.name();
        let (file, features) = (keys.file(), features());
        print(format_args!("{file}: sound; profile {profile}; {worst} of {limit} KiB at worst; {features}\n"));
        return Ok(());
    };
    Err(placed(Fault { weight, ..last }).into())
}

/// The failure of a start because of `key`: the fault that the check finds, or else the given reason, which may be
/// temporary.
pub fn refusal(config: &Config, source: &Source, key: &str, why: &dyn Display) -> Failure {
    let is_it = |fault: &Fault| fault.key == key || key == "tls.required" && fault.key.starts_with("tls.");
    let mut found = opened_first(config, true).into_iter().filter(|fault| fault.weight > Weight::Lacking);
    let passes = || Fault { key: key.into(), why: why.to_string(), weight: Weight::Refused };
    let fault = found.find(is_it).unwrap_or_else(passes);
    Lacks(source.keys.place(&fault.key), fault).into()
}

/// The faults, in the order of the start: some files are opened before rights are dropped.
fn faults(config: &Config, file: Option<&Path>) -> Vec<Fault> {
    let name = &config.process.user;
    let are_the_server_s = name.is_empty() || User::is_within_reach();
    let mut faults = opened_first(config, are_the_server_s);
    if are_the_server_s
        && !name.is_empty()
        && let Ok(user) = User::find(name)
    {
        if let Err(error) = user.become_it() {
            faults.push(Fault { key: "process.user".into(), why: error.to_string(), weight: Weight::Wrong });
        }
        faults.extend(file.and_then(|file| device::read_again(file, config, user)));
    }
    faults.extend(device::reserve_thread().err().map(|error| Fault::of("threads", &error)));
    faults.extend(device::opened_later(config, are_the_server_s));
    faults
}

/// The faults of all that a start opens or uses before it drops rights, and of dropping them.
fn opened_first(config: &Config, are_the_server_s: bool) -> Vec<Fault> {
    let mut faults = device::opened_first(config, are_the_server_s);
    faults.extend(reserve_descriptors(config).err().map(|error| Fault::of("viewers.max", &error)));
    let name = &config.process.user;
    let user = Some(name).filter(|name| !name.is_empty()).map(|name| User::find(name)).transpose();
    faults.extend(user.as_ref().err().map(|error| Fault::of("process.user", error)));
    if !name.is_empty() && !User::is_within_reach() {
        let (weight, more) = match are_the_server_s {
            true => (Weight::Wrong, ""),
            false => (Weight::Untried, ": this check has the rights of the user who runs it"),
        };
        faults.push(Fault { key: "process.user".into(), why: format!("only root can become {name:?}{more}"), weight });
    }
    if config.memory.prefault && are_the_server_s {
        let lifted = device::lift_lock_limit(user.ok().flatten());
        let held = lifted.and_then(|()| check_free_memory(config));
        faults.extend(held.err().map(|error| Fault::of("memory.prefault", &error)));
    }
    faults
}
