use super::*;

use crate::proto::AuthScheme::{self, Basic, Digest};
use crate::proto::{Lack, Secret};

const URI: &str = "rtsp://h/live/a";
const BOTH: [AuthScheme; 2] = [Digest, Basic];

/// A server that knows the password of `user`.
struct Guard {
    challenger: Challenger,
    schemes: Vec<AuthScheme>,
}

impl Guard {
    fn new(schemes: &[AuthScheme], seed: [u8; 16]) -> Self {
        let mut challenger = Challenger::new(seed);
        challenger.renew();
        Self { challenger, schemes: schemes.into() }
    }

    fn challenges(&mut self, stale: bool) -> Vec<String> {
        self.challenger.challenges(&self.schemes, stale)
    }

    fn check(&mut self, method: &str, uri: &str, authorization: Option<&str>) -> Result<(), Lack> {
        let given = self.challenger.read(method, uri, authorization);
        given.credentials.prove("user", Secret::Password("p:a\"ss"), &self.schemes)?;
        self.challenger.used(&given);
        Ok(())
    }
}

fn guard(schemes: &[AuthScheme]) -> Guard {
    Guard::new(schemes, [7; 16])
}

fn answer(challenges: &[String]) -> Answer {
    Answer::new(challenges.iter().map(String::as_str), "user", "p:a\"ss", true, 1).unwrap()
}

/// The Authorization of a client that supports only RFC 2069.
fn old(guard: &mut Guard, uri: &str) -> String {
    answer(&guard.challenges(false)[1..2]).authorization("DESCRIBE", uri)
}

fn example(challenge: &str, password: &str, cnonce: &str) -> String {
    let answer = Answer::new([challenge].into_iter(), "Mufasa", password, true, 0).unwrap();
    answer.with_cnonce(cnonce).authorization("GET", "/dir/index.html")
}

#[test]
fn an_answer_stays_in_its_line() {
    // as `%0d%0a` in a URL
    let challenge = "Digest realm=\"a\rb\", nonce=\"c\n\0d\"";
    let mut answer = Answer::new([challenge].into_iter(), "us\r\nX: er", "", false, 0).unwrap();
    let said = answer.authorization("PLAY", URI);
    assert!(said.starts_with("Digest username=\"usX: er\", realm=\"ab\", nonce=\"cd\","), "{said}");
    assert!(!said.contains(char::is_control), "{said:?}");
}

#[test]
fn the_examples_of_the_specifications_are_answered() {
    let rfc7616 = |algorithm: &str| {
        let challenge = format!(
            "Digest realm=\"http-auth@example.org\", qop=\"auth, auth-int\", algorithm={algorithm}, \
             nonce=\"7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v\", opaque=\"FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS\""
        );
        example(&challenge, "Circle of Life", "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ")
    };
    assert!(rfc7616("MD5").contains("response=\"8ca523f5e9506fed4657c9700eebdbec\""));
    let sha256 = rfc7616("SHA-256");
    assert!(
        sha256.contains("response=\"753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1\""),
        "{sha256}"
    );
    assert!(sha256.contains(
        ", algorithm=SHA-256, opaque=\"FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS\", qop=auth, nc=00000001, "
    ));
    let rfc2617 = "Digest realm=\"testrealm@host.com\", qop=\"auth,auth-int\", \
                   nonce=\"dcd98b7102dd2f0e8b11d0f600bfb0c093\", opaque=\"5ccc069c403ebaf9f0171e9517f40e41\"";
    let md5 = example(rfc2617, "Circle Of Life", "0a4f113b");
    assert!(md5.contains("response=\"6629fae49393a05397450978507c4ef1\"") && !md5.contains("algorithm"), "{md5}");
    let mut basic = Answer::new(["Basic realm=\"x\""].into_iter(), "Aladdin", "open sesame", true, 0).unwrap();
    assert_eq!(basic.authorization("GET", "/"), "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==");
}

#[test]
fn guards_and_answers_agree_in_every_combination() {
    for methods in [&BOTH[..], &BOTH[..1], &BOTH[1..]] {
        let challenges = guard(methods).challenges(false);
        assert_eq!(
            challenges.len(),
            2 * usize::from(methods.contains(&Digest)) + usize::from(methods.contains(&Basic))
        );
        for at in 0..challenges.len() {
            let mut guard = guard(methods);
            let mut right = answer(&challenges[at..=at]);
            for method in ["DESCRIBE", "SETUP", "PLAY"] {
                assert_eq!(guard.check(method, URI, Some(&right.authorization(method, URI))), Ok(()));
            }
            let said = right.authorization("PLAY", URI);
            let digest = said.starts_with("Digest");
            assert_eq!(guard.check("PAUSE", URI, Some(&said)) == Err(Lack::Wrong), digest);
            for (user, password) in [("user", "wrong"), ("other", "p:a\"ss"), ("", ""), ("user", "p:a\"ss ")] {
                let mut wrong = Answer::new([challenges[at].as_str()].into_iter(), user, password, true, 1).unwrap();
                assert_eq!(guard.check("PLAY", URI, Some(&wrong.authorization("PLAY", URI))), Err(Lack::Wrong));
            }
            assert_eq!(guard.check("PLAY", URI, None), Err(Lack::Missing));
        }
    }
}

#[test]
fn md5_is_the_last_digest_and_reads_as_old_clients_want_it() {
    let challenges = guard(&BOTH).challenges(true);
    let [sha256, md5, basic] = &challenges[..] else { panic!("{challenges:?}") };
    assert!(sha256.ends_with(", stale=true, algorithm=SHA-256, qop=\"auth\""));
    assert!(md5.starts_with("Digest realm=\"runnel\", nonce=\"") && md5.ends_with("\", stale=true"));
    assert!(sha256.starts_with(md5.as_str()));
    assert_eq!(basic, "Basic realm=\"runnel\"");
}

#[test]
fn an_answer_in_md5_to_the_first_challenge_passes() {
    let mut guard = guard(&[Digest]);
    let first = guard.challenges(false)[0].replace(", algorithm=SHA-256, qop=\"auth\"", "");
    let said = answer(&[first]).authorization("DESCRIBE", URI);
    assert_eq!(guard.check("DESCRIBE", URI, Some(&said)), Ok(()));
}

#[test]
fn a_hash_is_as_good_as_the_password_for_its_algorithm_alone() {
    let mut guard = guard(&[Digest]);
    let [sha256, md5] = [0..1, 1..2].map(|at| answer(&guard.challenges(false)[at]).authorization("PLAY", URI));
    let hash = |algorithm: Algorithm| algorithm.hash(&["user", "runnel", "p:a\"ss"]).to_uppercase();
    let prove = |said: &str, name, algorithm, hash: &str| {
        let given = guard.challenger.read("PLAY", URI, Some(said));
        given.credentials.prove(name, Secret::Ha1(algorithm, hash), &[Digest])
    };
    for (algorithm, said, other) in [(Algorithm::Md5, &md5, &sha256), (Algorithm::Sha256, &sha256, &md5)] {
        let hash = hash(algorithm);
        assert_eq!(prove(said, "user", algorithm, &hash), Ok(()));
        assert_eq!(prove(other, "user", algorithm, &hash), Err(Lack::Wrong));
        assert_eq!(prove(said, "other", algorithm, &hash), Err(Lack::Wrong));
        assert_eq!(prove(said, "user", algorithm, &hash.replace('A', "B")), Err(Lack::Wrong));
    }
}

#[test]
fn what_is_not_offered_is_missing() {
    let basic = answer(&["Basic realm=\"runnel\"".into()]).authorization("PLAY", URI);
    assert_eq!(guard(&[Digest]).check("PLAY", URI, Some(&basic)), Err(Lack::Missing));
    let digest = old(&mut guard(&[Digest]), URI);
    assert_eq!(guard(&[Basic]).check("DESCRIBE", URI, Some(&digest)), Err(Lack::Missing));
    assert_eq!(guard(&BOTH).check("PLAY", URI, Some("Bearer x")), Err(Lack::Missing));
    assert_eq!(guard(&BOTH).check("PLAY", URI, Some("")), Err(Lack::Missing));
    assert!(guard(&[]).challenges(false).is_empty());
}

#[test]
fn answers_grow_stale() {
    let mut guard = guard(&BOTH);
    let (before, mut counted) = (old(&mut guard, URI), answer(&guard.challenges(false)));
    let said = counted.authorization("DESCRIBE", URI);
    assert_eq!(guard.check("DESCRIBE", URI, Some(&said)), Ok(()));
    assert_eq!(guard.check("DESCRIBE", URI, Some(&said)), Err(Lack::Stale)); // nc did not increase
    assert_eq!(guard.check("DESCRIBE", URI, Some(&counted.authorization("DESCRIBE", URI))), Ok(()));
    guard.challenger.renew();
    for said in [before, counted.authorization("DESCRIBE", URI)] {
        assert_eq!(guard.check("DESCRIBE", URI, Some(&said)), Err(Lack::Stale));
        assert_eq!(guard.check("PLAY", URI, Some(&said)), Err(Lack::Wrong)); // the client does not know the password
    }
    let mut again = answer(&guard.challenges(true));
    assert!(again.is_stale() && !counted.is_stale());
    assert_eq!(guard.check("PLAY", URI, Some(&again.authorization("PLAY", URI))), Ok(()));
}

#[test]
fn nonces_are_of_one_connection() {
    let mut other = Guard::new(&BOTH, [8; 16]);
    assert_ne!(other.challenges(false), guard(&BOTH).challenges(false));
    assert_eq!(guard(&BOTH).check("DESCRIBE", URI, Some(&old(&mut other, URI))), Err(Lack::Stale));
}

#[test]
fn urls_may_differ_in_the_ways_of_real_clients_and_no_other() {
    let mut guard = guard(&BOTH);
    for (uri, said, verdict) in [
        ("rtsp://h/p", "rtsp://h/p", Ok(())),
        ("rtsp://h/p", "rtsp://h/p/", Ok(())),
        ("rtsp://h/p/", "rtsp://h/p", Ok(())),
        ("rtsp://h/p", "/p", Ok(())),
        ("/p/", "rtsp://h:554/p", Ok(())),
        ("rtsp://h", "/", Ok(())),
        ("rtsp://h/p/trackID=1", "rtsp://h/p/", Ok(())),
        ("rtsp://h/p/trackID=1", "rtsp://h/p", Ok(())),
        ("rtsp://h/p?x=1/trackID=1", "/p?x=1", Ok(())),
        ("*", "*", Ok(())),
        ("rtsp://h/a/b/trackID=1", "rtsp://h/a", Err(Lack::Wrong)),
        ("rtsp://h/p", "rtsp://h/", Err(Lack::Wrong)),
        ("rtsp://h/p", "rtsp://h/q", Err(Lack::Wrong)),
        ("rtsp://h/p", "rtsp://g/p", Err(Lack::Wrong)),
        ("rtsp://h/p", "rtsp://h/p/trackID=1", Err(Lack::Wrong)),
        ("rtsp://h/pq", "rtsp://h/p", Err(Lack::Wrong)),
        ("rtsp://h/p", "rtsp:", Err(Lack::Wrong)),
        ("/p", "/", Err(Lack::Wrong)),
        ("rtsp://h", "", Err(Lack::Wrong)),
    ] {
        let authorization = old(&mut guard, said);
        assert_eq!(guard.check("DESCRIBE", uri, Some(&authorization)), verdict, "{uri} {said}");
    }
}

#[test]
fn answers_are_written_in_many_ways() {
    let mut guard = guard(&BOTH);
    let said = old(&mut guard, URI);
    let response = said.split("response=\"").nth(1).unwrap().split('"').next().unwrap();
    let nonce = said.split("nonce=\"").nth(1).unwrap().split('"').next().unwrap();
    for text in [
        format!(
            "digest   USERNAME = \"us\\er\" ,Realm=runnel,, NONCE={nonce} URI=\"{URI}\",Response=\"{}\"",
            response.to_uppercase()
        ),
        format!(
            "Digest x=\"a, b=\\\"c\", username=\"user\",realm=\"runnel\",nonce=\"{nonce}\",uri=\"{URI}\",response={response},algorithm=\"MD5\",qop=\"\""
        ),
    ] {
        assert_eq!(guard.check("DESCRIBE", URI, Some(&text)), Ok(()), "{text}");
    }
    for (from, to) in [
        ("realm=\"runnel\"", "realm=\"x\""),
        ("Digest ", "Digest algorithm=MD5-sess, "),
        ("Digest ", "Digest qop=auth-int, "),
    ] {
        assert_eq!(guard.check("DESCRIBE", URI, Some(&said.replace(from, to))), Err(Lack::Wrong));
    }
    let basic = |token: &str| guard.check("PLAY", URI, Some(&format!("basic  {token} ")));
    assert_eq!(
        ["dXNlcjpwOmEic3M=", "dXNlcjpwOmEic3M", "dXNlcjpwOmEic3N", "%", ""].map(basic),
        [Ok(()), Ok(()), Err(Lack::Wrong), Err(Lack::Wrong), Err(Lack::Wrong)]
    );
}

#[test]
fn the_strongest_challenge_that_can_be_answered_is_chosen() {
    let chosen = |challenges: &[&str]| {
        Answer::new(challenges.iter().copied(), "u", "p", true, 1)
            .map(|mut answer| answer.authorization("PLAY", "rtsp://h/"))
    };
    let md5 = "Digest realm=\"a\", nonce=\"m\", qop=\"auth\", stale=FALSE";
    let sha256 = "Digest realm=\"a, Basic\", nonce=\"s\", algorithm=\"SHA-256\"";
    let said = chosen(&["Basic realm=\"x\"", md5, sha256]).unwrap();
    assert!(said.contains("nonce=\"s\"") && said.contains("algorithm=SHA-256") && !said.contains("qop"), "{said}");
    let said = chosen(&[&format!("Negotiate, Basic realm=\"x\", {md5}")]).unwrap();
    assert!(said.ends_with(", qop=auth, nc=00000001, cnonce=\"0000000000000001\""), "{said}");
    let said = chosen(&[md5, &md5.replace("\"m\"", "\"n\"")]).unwrap();
    assert!(said.contains("nonce=\"m\""), "{said}");
    for unknown in
        ["Digest realm=a, nonce=b, algorithm=MD5-sess", "Digest realm=a, nonce=b, qop=\"auth-int\"", "Digest realm=a"]
    {
        assert!(chosen(&[unknown]).is_none());
        assert!(chosen(&[unknown, "Basic realm=\"x\""]).unwrap().starts_with("Basic"));
    }
    assert!(chosen(&[""]).is_none() && chosen(&["Bearer", "realm=\"x\", nonce=\"y\""]).is_none());
}

#[test]
fn secrets_are_not_shown() {
    let mut guard = guard(&BOTH);
    let said = old(&mut guard, URI);
    let shown = format!("{:?}", guard.challenger.read("DESCRIBE", URI, Some(&said)));
    assert_eq!(shown, "Given { credentials: Digest(..), count: 0 }");
    let shown = format!("{:?}", answer(&guard.challenges(false)));
    assert!(shown.contains("user") && !shown.contains("ss"), "{shown}");
}

#[test]
fn no_damage_panics_or_grants() {
    let mut guard = guard(&BOTH);
    let counted = answer(&guard.challenges(false)[..1]).authorization("DESCRIBE", URI);
    for text in [old(&mut guard, URI), counted, "Basic dXNlcjpwOmEic3M=".into()] {
        for at in 0..text.len() {
            let verdict = guard.check("DESCRIBE", URI, Some(&text[..at]));
            // a missing closing quote or padding is accepted
            assert!(verdict != Ok(()) || at + 1 == text.len(), "{}", &text[..at]);
            for mask in [1, 2, 4, 8, 0x10, 0x40, 0x80, 0xff] {
                let mut bytes = text.as_bytes().to_vec();
                bytes[at] ^= mask;
                let damaged = String::from_utf8_lossy(&bytes);
                if guard.check("DESCRIBE", URI, Some(&damaged)) == Ok(()) {
                    guard.challenger.renew();
                    guard = self::guard(&BOTH);
                }
                let said = Answer::new([&*damaged].into_iter(), "u", "p", true, 1)
                    .map(|mut answer| answer.authorization("PLAY", URI));
                assert!(said.unwrap_or_default().len() < 4 * text.len() + 400);
            }
        }
    }
    let many = Challenge::parse_all(&"Digest a=b,".repeat(1000));
    assert_eq!(many.len(), MAX_CHALLENGES);
    assert_eq!(Challenge::parse_all(&format!("Digest {}", "a=b,".repeat(1000)))[0].parameters.len(), MAX_PARAMETERS);
}

#[test]
fn a_password_is_told_to_nobody_who_may_only_have_it_proved() {
    let chosen = |challenges: &[&'static str]| Answer::new(challenges.iter().copied(), "u", "p", false, 1);
    assert!(chosen(&["Basic realm=\"x\""]).is_none());
    let said = chosen(&["Basic realm=\"x\"", "Digest realm=\"x\", nonce=\"n\""]).unwrap().authorization("PLAY", "/");
    assert!(said.starts_with("Digest "), "{said}");
}
