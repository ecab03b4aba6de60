//! PBKDF2 with HMAC-SHA256, by the library of TLS. RFC 8018 section 5.2.

use std::num::NonZeroU32;

use ring::pbkdf2::{self, PBKDF2_HMAC_SHA256};

/// Derives a key of a password; 0 rounds count as one.
pub fn derive(rounds: u32, salt: &[u8], password: &str) -> [u8; 32] {
    let mut hash = [0; 32];
    let rounds = NonZeroU32::new(rounds).unwrap_or(NonZeroU32::MIN);
    pbkdf2::derive(PBKDF2_HMAC_SHA256, rounds, salt, password.as_bytes(), &mut hash);
    hash
}
