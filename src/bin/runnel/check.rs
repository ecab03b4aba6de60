//! `--check`: all faults that would keep the server from starting here, or from serving all of its
//! configuration. A start that is refused says the same.

use std::path::Path;

use runnel::budget::Plan;
use runnel::conf::{Config, features};
use runnel::device::{self, Fault, User, Weight};

use super::{CONFIG, Failure, LACKING, SYSTEM, Source, complain, print};

/// The exit code of a fault.
fn code(weight: Weight) -> u8 {
    match weight {
        Weight::Wrong => CONFIG,
        Weight::Refused => SYSTEM,
        Weight::Lacking | Weight::Untried => LACKING,
    }
}

/// Says that all is well, or prints the faults.
pub fn check(config: &Config, source: &Source, plan: &Plan) -> Result<(), Failure> {
    let keys = &source.keys;
    for (key, words) in keys.hints(config) {
        complain(keys.fault(&key, words));
    }
    let say = |fault: &Fault| keys.fault(&fault.key, &fault.why).to_string();
    let (untried, faults): (Vec<_>, Vec<_>) =
        faults(config, source.file.as_deref()).into_iter().partition(|fault| fault.weight == Weight::Untried);
    let last = faults.split_last();
    for fault in untried.iter().chain(last.map(|(_, others)| others).unwrap_or_default()) {
        complain(say(fault));
    }
    let Some((last, others)) = last else {
        let (worst, limit) = (plan.total().div_ceil(1024), plan.limit / 1024);
        let profile = config.profile.name();
        let (file, features) = (keys.file(), features());
        print(format_args!("{file}: sound; profile {profile}; {worst} of {limit} KiB at worst; {features}\n"));
        return Ok(());
    };
    let worst = others.iter().fold(last.weight, |worst, fault| worst.max(fault.weight));
    Err(Failure { code: code(worst), why: say(last) })
}

/// The failure of a start for lack of what `key` names: the fault that the check finds, or else the
/// reason that is handed in, which may pass.
pub fn refusal<'a>(config: &'a Config, source: &'a Source, key: &'a str) -> impl Fn(String) -> Failure + 'a {
    let is_it = move |fault: &Fault| fault.key == key || key == "tls.required" && fault.key.starts_with("tls.");
    move |why| {
        let mut found = opened_first(config, true).into_iter().filter(|fault| fault.weight > Weight::Lacking);
        let (key, why, code) = match found.find(is_it) {
            Some(fault) => (fault.key, fault.why, code(fault.weight)),
            None => (key.to_string(), why, SYSTEM),
        };
        Failure { code, why: source.keys.fault(&key, &why).to_string() }
    }
}

/// In the order of the start: some things are opened before rights are dropped.
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
    if let Err(why) = device::reserve_thread() {
        faults.push(Fault { key: "threads".into(), why, weight: Weight::Refused });
    }
    faults.extend(device::opened_later(config, are_the_server_s));
    faults
}

/// The faults of all that a start opens or takes before it drops rights, and of dropping them.
fn opened_first(config: &Config, are_the_server_s: bool) -> Vec<Fault> {
    let mut faults = device::opened_first(config, are_the_server_s);
    let mut find = |key: &str, weight, why| faults.push(Fault { key: key.into(), why, weight });
    if let Err(why) = super::reserve_descriptors(config) {
        find("viewers.max", Weight::Wrong, why);
    }
    let name = &config.process.user;
    let user = Some(name).filter(|name| !name.is_empty()).map(|name| User::find(name));
    if let Some(Err(why)) = &user {
        find("process.user", Weight::Wrong, why.clone());
    }
    if !name.is_empty() && !User::is_within_reach() {
        let (weight, more) = match are_the_server_s {
            true => (Weight::Wrong, ""),
            false => (Weight::Untried, ": all is looked at with the rights of who asks"),
        };
        find("process.user", weight, format!("only root can become {name:?}{more}"));
    }
    if config.memory.prefault && are_the_server_s {
        match (device::lift_lock_limit(user.and_then(Result::ok)), super::check_free_memory(config)) {
            (Err(why), _) => find("memory.prefault", Weight::Wrong, why),
            // a server that runs may have it
            (_, Err(why)) => find("memory.prefault", Weight::Untried, why),
            _ => {}
        }
    }
    faults
}
