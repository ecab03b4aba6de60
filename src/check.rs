//! `--check`: all that would keep the server from starting here, or from serving what it
//! is told to.

use runnel::budget::Plan;
use runnel::conf::{Config, Keys, features};
use runnel::device::{self, Fault, User};

/// A fault that the check found.
pub struct Unfit {
    /// The server does not start; else it serves what it can.
    pub fatal: bool,
    pub why: String,
}

/// Says that all is well, or what is not.
pub fn check(config: &Config, keys: &Keys, plan: &Plan) -> Result<(), Unfit> {
    #[cfg(feature = "record")]
    for (at, record) in config.record.iter().enumerate() {
        if let Some((key, words)) = record.hint() {
            eprintln!("runnel: {}", keys.fault(&format!("record[{at}].{key}"), words));
        }
    }
    let faults = faults(config);
    let Some((last, others)) = faults.split_last() else {
        let (worst, limit) = (plan.total().div_ceil(1024), plan.limit / 1024);
        let profile = config.profile.name();
        println!("{}: sound; profile {profile}; {worst} of {limit} KiB at worst; {}", keys.file(), features());
        return Ok(());
    };
    let fatal = faults.iter().any(|fault| fault.fatal);
    let say = |fault: &Fault| keys.fault(&fault.key, &fault.why).to_string();
    for fault in others {
        eprintln!("runnel: {}", say(fault));
    }
    Err(Unfit { fatal, why: say(last) })
}

/// In the order of the start: some things are opened before rights are dropped.
fn faults(config: &Config) -> Vec<Fault> {
    let mut faults = device::opened_first(config);
    let user = &config.process.user;
    let fault = |why| Fault { key: "process.user".into(), why, fatal: true };
    match User::find(user) {
        _ if user.is_empty() => {}
        // what only that user may do cannot be tried
        Ok(_) if !User::is_within_reach() => return faults,
        Ok(user) => faults.extend(user.become_it().err().map(|error| fault(error.to_string()))),
        Err(why) => faults.push(fault(why)),
    }
    faults.extend(device::opened_later(config));
    faults
}
