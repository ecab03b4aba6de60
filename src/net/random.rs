//! Random bytes from the system, which cannot be guessed.

use std::fs::File;
use std::io::{self, Read};
use std::sync::OnceLock;

use rustix::rand::{GetRandomFlags, getrandom};

/// The source of random bytes in Linux before 3.17, and on any Linux that has just started: reading it never waits.
const DEVICE: &str = "/dev/urandom";

/// Makes sure that random bytes are available later, when the device may be out of reach.
pub fn open() -> io::Result<()> {
    fill(&mut [0])
}

/// `N` random bytes.
///
/// # Panics
///
/// If the system has none, which cannot happen after `open`.
pub fn bytes<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    let filled = fill(&mut bytes);
    assert!(filled.is_ok(), "the system has no random bytes: {filled:?}");
    bytes
}

/// A random number of 64 bits.
pub fn number() -> u64 {
    u64::from_ne_bytes(bytes())
}

fn fill(bytes: &mut [u8]) -> io::Result<()> {
    // a request of a few bytes is filled completely or not at all
    match getrandom(&mut *bytes, GetRandomFlags::NONBLOCK) {
        Ok(len) if len == bytes.len() => Ok(()),
        _ => device()?.read_exact(bytes),
    }
}

/// The device, opened once.
fn device() -> io::Result<&'static File> {
    static OPEN: OnceLock<File> = OnceLock::new();
    if let Some(file) = OPEN.get() {
        return Ok(file);
    }
    let file = File::open(DEVICE)?;
    Ok(OPEN.get_or_init(|| file))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn they_differ_wherever_they_come_from() {
        let mut all = vec![bytes::<16>(), bytes()];
        for _ in 0..2 {
            let mut more = [0; 16];
            device().unwrap().read_exact(&mut more).unwrap();
            all.push(more);
        }
        all.sort_unstable();
        assert!(all.windows(2).all(|pair| pair[0] != pair[1]), "{all:?}");
    }
}
