//! Tokens whose keys an identity server publishes.

use super::authority::{Authority, say};
use super::*;

/// A public key, and tokens of it and of another that name it `a`; by Python's cryptography, from private keys of 32 times
/// 1 and 2.
const KEYS: &str = "{\"keys\":[{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"use\":\"sig\",\"kid\":\"a\",\"x\":\"iojj3XQJ8ZX9UtstPLpdcspnCb8dlBIb83SIAbQPb1w\"},{\"kty\":\"OKP\",\"crv\":\"X25519\",\"kid\":\"x\",\"x\":\"AA\"}]}";
const CLAIMS: &str = "eyJleHAiOjQwMDAwMDAwMDAsIm1lZGlhbXR4X3Blcm1pc3Npb25zIjpbeyJhY3Rpb24iOiJyZWFkIn1dfQ";
const BY_A: [&str; 2] = [
    "eyJhbGciOiJFZERTQSIsImtpZCI6ImEifQ",
    "AdqwOgZu6Vg17xqm8DJRrWzlZVetR50sUw6pq9DwCQ1zQdspmtIQLgVIpIjj5g_NVoqiAlXSlI0qB-QMlns9DQ",
];
const BY_ANOTHER: [&str; 2] = [
    "eyJhbGciOiJFZERTQSIsImtpZCI6ImEifQ",
    "jShGRlJL7Nx8NDRLQlNHdlemrqa9-ZNYhh0CJEDOB3ILyJSjFmxTvE7FQkotLZ3U4sDUgbInZjmUsyphdU90BQ",
];
const UNKNOWN: [&str; 2] = [
    "eyJhbGciOiJFZERTQSIsImtpZCI6ImIifQ",
    "Am25ulIr7H_bxLTAv2s8l0__DMHfA1QBgZn5uPG5OPfl6vypD75YJGhkZo9oooCh911dYRaziYei13YaYWPeAQ",
];

fn status(gate: &Gate, [head, signature]: [&str; 2]) -> u16 {
    let token = format!("Bearer {head}.{CLAIMS}.{signature}");
    gate.http_with("/live/open.flv", Some(&token), "").status
}

fn gate(authority: &Authority) -> (Gate, Rtmp) {
    let gate = Gate::begin(&format!("[[access]]\naction = \"play\"\njwks = \"{}\"\n", authority.url()));
    let publisher = Rtmp::publisher(gate.rtmp, "open");
    (gate, publisher)
}

#[test]
fn a_token_is_checked_with_the_key_that_it_names() {
    let authority = Authority::saying(200, KEYS);
    let (gate, _publisher) = gate(&authority);
    wait(|| status(&gate, BY_A) == 200);
    assert_eq!((status(&gate, BY_ANOTHER), status(&gate, UNKNOWN)), (401, 401));
    assert_eq!(gate.http("/live/open.flv"), 401, "a token is asked for");
    assert_eq!(authority.asked().len(), 1, "an unknown key is not asked for at once: the set is a minute old at most");
}

#[test]
fn an_identity_server_that_is_no_good_takes_no_time_from_anybody() {
    let answers: [fn(&mut TcpStream); 4] = [
        |socket| _ = socket.read(&mut [0]), // until it is cut
        |socket| say(socket, 500, ""),
        |socket| say(socket, 200, "{\"keys\":[]}"),
        |socket| say(socket, 200, &format!("{{\"keys\":[\"{}\"]}}", "x".repeat(20 << 10))),
    ];
    for answer in answers {
        let authority = Authority::new(move |_, socket| answer(socket));
        let (gate, _publisher) = gate(&authority);
        wait(|| authority.asked().len() == 1);
        let begun = Instant::now();
        assert_eq!([0; 20].map(|_| status(&gate, BY_A)), [503; 20]);
        // a request of its own takes 10 s
        assert!(begun.elapsed() < Duration::from_secs(8), "{:?}", begun.elapsed());
        assert_eq!(authority.asked().len(), 1);
    }
}
