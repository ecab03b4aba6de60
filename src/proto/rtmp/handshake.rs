//! The handshake: simple (RTMP 1.0 section 5.2), and with digests as in Flash Media Server, which some encoders
//! require.

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use crate::wire::Writer;

/// The length of C0 and C1, or S0 and S1.
pub const HELLO: usize = 1 + PACKET;
/// The length of C1, S1, C2 or S2.
pub const PACKET: usize = 1536;

const VERSION: u8 = 3;
const DIGEST: usize = 32;

/// The bytes S0, S1 and S2 that answer `hello`. `seed` varies the filler between connections; it is not for
/// security.
pub fn answer(hello: &[u8; HELLO], seed: u64) -> Vec<u8> {
    let [_, c1 @ ..] = hello;
    let mut s1 = packet(seed);
    let mut s2 = c1.to_vec();
    if let Some((layout, client)) = client_digest(c1) {
        layout.sign(&mut s1, SERVER_KEY);
        s2 = reply(&client, seed);
    }
    let mut out = vec![VERSION];
    out.bytes(&s1);
    out.bytes(&s2);
    out
}

/// C0 and C1 of the simple handshake.
pub fn hello(seed: u64) -> Vec<u8> {
    let mut out = vec![VERSION];
    let c1 = packet(seed);
    let (_, filler) = c1.split_at(8);
    out.bytes(&[0; 8]); // time, and a version that does not support digests
    out.bytes(filler);
    out
}

/// S1: time 0, a version that supports digests, filler.
fn packet(seed: u64) -> Vec<u8> {
    let mut out = vec![0, 0, 0, 0, 4, 5, 0, 1];
    let mut state = seed | 1;
    while out.len() < PACKET {
        // xorshift64
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        out.bytes(&state.to_be_bytes());
    }
    out
}

/// S2 of the handshake with digests: filler, signed with the client's digest.
fn reply(client: &[u8; DIGEST], seed: u64) -> Vec<u8> {
    let mut out = packet(!seed);
    out.truncate(PACKET - DIGEST);
    let key = hmac(&[SERVER_KEY, SECRET].concat(), &[client]);
    let digest = hmac(&key, &[&out]);
    out.bytes(&digest);
    out
}

/// The position of the digest in a packet. The sum of the four bytes at `base`, modulo 728, is the digest's
/// distance from the byte after them.
#[derive(Clone, Copy)]
struct Layout {
    base: usize,
}

const LAYOUTS: [Layout; 2] = [Layout { base: 772 }, Layout { base: 8 }];

impl Layout {
    /// Splits a packet into the bytes before the digest, the digest, and the bytes after it.
    fn split(self, packet: &[u8]) -> Option<(&[u8], &[u8; DIGEST], &[u8])> {
        let (_, tail) = packet.split_at_checked(self.base)?;
        let distance: usize = tail.iter().take(4).map(|byte| usize::from(*byte)).sum();
        let (before, rest) = packet.split_at_checked(self.base + 4 + distance % 728)?;
        let (digest, after) = rest.split_first_chunk()?;
        Some((before, digest, after))
    }

    fn sign(self, packet: &mut Vec<u8>, key: &[u8]) {
        let Some((before, _, after)) = self.split(packet) else { return };
        let digest = hmac(key, &[before, after]);
        *packet = [before, &digest, after].concat();
    }
}

/// The digest in C1 and the layout of the packet; `None` for the simple handshake.
fn client_digest(c1: &[u8]) -> Option<(Layout, [u8; DIGEST])> {
    LAYOUTS.into_iter().find_map(|layout| {
        let (before, digest, after) = layout.split(c1)?;
        (hmac(CLIENT_KEY, &[before, after]) == *digest).then_some((layout, *digest))
    })
}

fn hmac(key: &[u8], parts: &[&[u8]]) -> [u8; DIGEST] {
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(key) else { return [0; DIGEST] };
    parts.iter().for_each(|part| mac.update(part));
    mac.finalize().into_bytes().into()
}

const CLIENT_KEY: &[u8] = b"Genuine Adobe Flash Player 001";
const SERVER_KEY: &[u8] = b"Genuine Adobe Flash Media Server 001";
/// A constant that both sides append to their keys.
const SECRET: &[u8] = &[
    0xf0, 0xee, 0xc2, 0x4a, 0x80, 0x68, 0xbe, 0xe8, 0x2e, 0x00, 0xd0, 0xd1, 0x02, 0x9e, 0x7e, 0x57, 0x6e, 0xec, 0x5d,
    0x2d, 0x29, 0x80, 0x6f, 0xab, 0x93, 0xb8, 0xe6, 0x36, 0xcf, 0xeb, 0x31, 0xae,
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_simple_hello_is_echoed() {
        let c: [u8; HELLO] = hello(7).try_into().unwrap();
        let s = answer(&c, 9);
        assert_eq!((s.len(), s[0]), (1 + 2 * PACKET, 3));
        assert_eq!(s[1 + PACKET..], c[1..]);
    }

    #[test]
    fn digests_are_verified_and_answered_in_both_layouts() {
        for layout in LAYOUTS {
            let mut c1 = packet(42);
            layout.sign(&mut c1, CLIENT_KEY);
            let (_, client, _) = layout.split(&c1).unwrap();
            let c = [&[3], &c1[..]].concat().try_into().unwrap();
            let s = answer(&c, 9);
            let (s1, s2) = s[1..].split_at(PACKET);
            let (before, digest, after) = layout.split(s1).unwrap();
            assert_eq!(*digest, hmac(SERVER_KEY, &[before, after]));
            let key = hmac(&[SERVER_KEY, SECRET].concat(), &[client]);
            assert_eq!(s2[PACKET - DIGEST..], hmac(&key, &[&s2[..PACKET - DIGEST]]));
        }
    }
}
