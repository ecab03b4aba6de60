//! `--check`: all that would keep the server from starting here, or from serving what it
//! is told to.

use std::path::Path;

use runnel::budget::Plan;
use runnel::conf::{Config, features};
use runnel::device::{self, Fault, User, Weight};

use super::Source;

/// A fault that the check found.
pub struct Unfit {
    /// The server does not start; else it serves what it can.
    pub fatal: bool,
    pub why: String,
}

/// Says that all is well, or what is not.
pub fn check(config: &Config, source: &Source, plan: &Plan) -> Result<(), Unfit> {
    let keys = &source.keys;
    for (key, words) in keys.hints(config) {
        eprintln!("runnel: {}", keys.fault(&key, words));
    }
    let say = |fault: &Fault| keys.fault(&fault.key, &fault.why).to_string();
    let (untried, faults): (Vec<_>, Vec<_>) =
        faults(config, source.file.as_deref()).into_iter().partition(|fault| fault.weight == Weight::Untried);
    let last = faults.split_last();
    for fault in untried.iter().chain(last.map(|(_, others)| others).unwrap_or_default()) {
        eprintln!("runnel: {}", say(fault));
    }
    let Some((last, _)) = last else {
        let (worst, limit) = (plan.total().div_ceil(1024), plan.limit / 1024);
        let profile = config.profile.name();
        println!("{}: sound; profile {profile}; {worst} of {limit} KiB at worst; {}", keys.file(), features());
        return Ok(());
    };
    Err(Unfit { fatal: faults.iter().any(|fault| fault.weight == Weight::Fatal), why: say(last) })
}

/// In the order of the start: some things are opened before rights are dropped.
fn faults(config: &Config, file: Option<&Path>) -> Vec<Fault> {
    let name = &config.process.user;
    let are_the_server_s = name.is_empty() || User::is_within_reach();
    let mut faults = device::opened_first(config, are_the_server_s);
    let user = Some(name).filter(|name| !name.is_empty()).map(|name| User::find(name));
    let mut find = |key: &str, weight, why| faults.push(Fault { key: key.into(), why, weight });
    if let Err(why) = super::reserve_descriptors(config) {
        find("viewers.max", Weight::Fatal, why);
    }
    if !are_the_server_s {
        let why = format!("only root can become {name:?}: all is looked at with the rights of who asks");
        find("process.user", Weight::Untried, why);
    } else if config.memory.prefault
        && let Err(why) = device::lift_lock_limit(user.clone().and_then(Result::ok))
    {
        find("memory.prefault", Weight::Fatal, why);
    }
    match user {
        Some(Err(why)) => find("process.user", Weight::Fatal, why),
        Some(Ok(user)) if are_the_server_s => {
            if let Err(error) = user.become_it() {
                find("process.user", Weight::Fatal, error.to_string());
            }
            faults.extend(file.and_then(|file| device::read_again(file, config, user)));
        }
        _ => {}
    }
    faults.extend(device::opened_later(config, are_the_server_s));
    faults
}
