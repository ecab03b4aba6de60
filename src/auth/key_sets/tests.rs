use std::io::{Read, Write};
use std::net::TcpListener;
use std::thread;

use super::*;

const SET: &str = "{\"keys\":[{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"kid\":\"a\",\"x\":\"iojj3XQJ8ZX9UtstPLpdcspnCb8dlBIb83SIAbQPb1w\"}]}";
/// Heads of `{"alg":"EdDSA","kid":"a"}` and of one with `b`.
const TOKENS: [&str; 2] = ["eyJhbGciOiJFZERTQSIsImtpZCI6ImEifQ.e30.", "eyJhbGciOiJFZERTQSIsImtpZCI6ImIifQ.e30."];

/// A source whose server answers each request with the next of these.
fn source(answers: &'static [&'static str]) -> Source {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = Url::parse(&format!("http://{}/keys", listener.local_addr().unwrap())).unwrap();
    thread::spawn(move || {
        for (answer, socket) in answers.iter().zip(listener.incoming()) {
            let mut socket = socket.unwrap();
            let mut said = Vec::new();
            while !said.ends_with(b"\r\n\r\n") {
                let mut byte = [0];
                socket.read_exact(&mut byte).unwrap();
                said.extend(byte);
            }
            let length = answer.len();
            write!(socket, "HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n{answer}").unwrap();
        }
    });
    Source::new(&url, "", &Means::default())
}

fn refresh(source: &Source) -> bool {
    let executor = Arc::<smol::Executor<'_>>::default();
    smol::block_on(executor.run(source.refresh()))
}

#[test]
fn the_last_keys_stay_while_there_are_no_others() {
    let source = source(&[SET, "<html>", "{\"keys\":[]}"]);
    assert!(!source.is_there());
    assert_eq!([0; 4].map(|_| refresh(&source)), [true, false, false, false], "at the end nobody listens");
    assert!(source.key(TOKENS[0]).unwrap().is_some());
}

#[test]
fn a_key_that_an_old_set_lacks_has_it_fetched_again() {
    let source = source(&[SET]);
    assert!(refresh(&source));
    assert_eq!(source.key(TOKENS[1]), Ok(None), "a set of this minute is believed");
    assert_eq!(source.key("x"), Ok(None));
    assert!(source.wanted.1.is_empty());
    if let Some((_, since)) = &mut *lock(&source.held) {
        *since -= PAUSE;
    }
    assert_eq!([0; 3].map(|_| source.key(TOKENS[1])), [0; 3].map(|_| Err(Denial::Unanswered)));
    assert_eq!(source.wanted.1.len(), 1, "many who ask are one wish");
    assert!(source.key(TOKENS[0]).unwrap().is_some());
}

#[test]
fn a_task_is_in_its_line_of_the_plan() {
    let size = size_of_val(&Arc::new(source(&[])).run());
    assert!(size <= TASK * 3 / 4, "{size} bytes");
}
