//! PBKDF2 with HMAC-SHA256, for programs without TLS. RFC 8018 section 5.2.

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// Derives a key of a password; 0 rounds count as one.
pub fn derive(rounds: u32, salt: &[u8], password: &str) -> [u8; 32] {
    let Ok(mac) = Hmac::<Sha256>::new_from_slice(password.as_bytes()) else { return [0; 32] };
    let next = |said: &[u8]| -> [u8; 32] { mac.clone().chain_update(said).finalize().into_bytes().into() };
    // the one block that there is has the number 1
    let mut one = next(&[salt, &1u32.to_be_bytes()].concat());
    let mut hash = one;
    for _ in 1..rounds {
        one = next(&one);
        hash.iter_mut().zip(one).for_each(|(byte, other)| *byte ^= other);
    }
    hash
}
