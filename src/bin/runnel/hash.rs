//! `--hash`: what a configuration may have instead of a password.

use std::io::{self, Stdin, stdin};
use std::time::{Duration, Instant};

use runnel::auth::derive;
use runnel::conf::{Pbkdf2, stored_sha256};
use runnel::net::random;
use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};

use crate::arguments::Usage;
use crate::failure::Failure;
use crate::{complain, print};

/// A terminal that does not show what is typed, until it is dropped.
struct Quiet(Option<Termios>);

/// The rounds by which the machine is measured.
const TRIAL: u32 = 2000;
/// The time that a password takes, and the bounds of its rounds.
const GOAL: Duration = Duration::from_millis(250);
const ROUNDS: (u32, u32) = (10_000, 600_000);

/// Reads a password, and prints both of its hashes.
pub fn hash() -> Result<(), Failure> {
    let password = read().map_err(Usage::Password)?;
    let salt: [u8; 16] = random::bytes();
    let begun = Instant::now();
    derive(TRIAL, &salt, &password);
    let rounds = GOAL.as_micros() * u128::from(TRIAL) / begun.elapsed().as_micros().max(1);
    let rounds = u32::try_from(rounds).unwrap_or(u32::MAX).clamp(ROUNDS.0, ROUNDS.1);
    let slow = Pbkdf2 { rounds, hash: derive(rounds, &salt, &password), salt: salt.into() };
    print(format_args!("{}\n{slow}\n", stored_sha256(&password)));
    Ok(())
}

/// The first line of standard input.
fn read() -> io::Result<String> {
    let input = stdin();
    let quiet = Quiet::begin(&input);
    if quiet.0.is_some() {
        complain("password: (it is not shown)");
    }
    let mut line = String::new();
    input.read_line(&mut line)?;
    let password = line.trim_end_matches(['\n', '\r']);
    if password.is_empty() { Err(io::Error::other("an empty password is none")) } else { Ok(password.into()) }
}

impl Quiet {
    fn begin(input: &Stdin) -> Self {
        let Ok(before) = tcgetattr(input) else { return Self(None) };
        let mut quiet = before.clone();
        quiet.local_modes.remove(LocalModes::ECHO);
        Self(tcsetattr(input, OptionalActions::Flush, &quiet).ok().map(|()| before))
    }
}

impl Drop for Quiet {
    fn drop(&mut self) {
        if let Some(before) = &self.0 {
            let _ = tcsetattr(stdin(), OptionalActions::Flush, before);
        }
    }
}
