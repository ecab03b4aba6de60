use super::*;

const URI: &str = "rtsp://h/live/a";
const BOTH: [Method; 2] = [Method::Digest, Method::Basic];

fn guard(methods: &[Method]) -> Guard {
    Guard::new("user", "p:a\"ss", methods, [7; 16])
}

fn answer(challenges: &[String]) -> Answer {
    Answer::new(challenges.iter().map(String::as_str), "user", "p:a\"ss", true, 1).unwrap()
}

/// The Authorization of a client that knows no more than RFC 2069.
fn old(guard: &Guard, uri: &str) -> String {
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
            2 * usize::from(methods.contains(&Method::Digest)) + usize::from(methods.contains(&Method::Basic))
        );
        for at in 0..challenges.len() {
            let mut guard = guard(methods);
            let mut right = answer(&challenges[at..=at]);
            for method in ["DESCRIBE", "SETUP", "PLAY"] {
                assert_eq!(guard.check(method, URI, Some(&right.authorization(method, URI))), Verdict::Granted);
            }
            let said = right.authorization("PLAY", URI);
            let digest = said.starts_with("Digest");
            assert_eq!(guard.check("PAUSE", URI, Some(&said)) == Verdict::Denied, digest);
            for (user, password) in [("user", "wrong"), ("other", "p:a\"ss"), ("", ""), ("user", "p:a\"ss ")] {
                let mut wrong = Answer::new([challenges[at].as_str()].into_iter(), user, password, true, 1).unwrap();
                assert_eq!(guard.check("PLAY", URI, Some(&wrong.authorization("PLAY", URI))), Verdict::Denied);
            }
            assert_eq!(guard.check("PLAY", URI, None), Verdict::Missing);
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
    let mut guard = guard(&[Method::Digest]);
    let first = guard.challenges(false)[0].replace(", algorithm=SHA-256, qop=\"auth\"", "");
    let said = answer(&[first]).authorization("DESCRIBE", URI);
    assert_eq!(guard.check("DESCRIBE", URI, Some(&said)), Verdict::Granted);
}

#[test]
fn what_is_not_offered_is_missing() {
    let basic = answer(&["Basic realm=\"runnel\"".into()]).authorization("PLAY", URI);
    assert_eq!(guard(&[Method::Digest]).check("PLAY", URI, Some(&basic)), Verdict::Missing);
    let digest = old(&guard(&[Method::Digest]), URI);
    assert_eq!(guard(&[Method::Basic]).check("DESCRIBE", URI, Some(&digest)), Verdict::Missing);
    assert_eq!(guard(&BOTH).check("PLAY", URI, Some("Bearer x")), Verdict::Missing);
    assert_eq!(guard(&BOTH).check("PLAY", URI, Some("")), Verdict::Missing);
    assert!(guard(&[]).challenges(false).is_empty());
}

#[test]
fn answers_grow_stale() {
    let mut guard = guard(&BOTH);
    let (before, mut counted) = (old(&guard, URI), answer(&guard.challenges(false)));
    let said = counted.authorization("DESCRIBE", URI);
    assert_eq!(guard.check("DESCRIBE", URI, Some(&said)), Verdict::Granted);
    assert_eq!(guard.check("DESCRIBE", URI, Some(&said)), Verdict::Stale); // nc did not grow
    assert_eq!(guard.check("DESCRIBE", URI, Some(&counted.authorization("DESCRIBE", URI))), Verdict::Granted);
    guard.renew();
    for said in [before, counted.authorization("DESCRIBE", URI)] {
        assert_eq!(guard.check("DESCRIBE", URI, Some(&said)), Verdict::Stale);
        assert_eq!(guard.check("PLAY", URI, Some(&said)), Verdict::Denied); // it does not know the password
    }
    let mut again = answer(&guard.challenges(true));
    assert!(again.is_stale() && !counted.is_stale());
    assert_eq!(guard.check("PLAY", URI, Some(&again.authorization("PLAY", URI))), Verdict::Granted);
}

#[test]
fn nonces_are_of_one_connection() {
    let other = Guard::new("user", "p:a\"ss", &BOTH, [8; 16]);
    assert_ne!(other.challenges(false), guard(&BOTH).challenges(false));
    assert_eq!(guard(&BOTH).check("DESCRIBE", URI, Some(&old(&other, URI))), Verdict::Stale);
}

#[test]
fn urls_may_differ_in_the_ways_of_real_clients_and_no_other() {
    let mut guard = guard(&BOTH);
    for (uri, said, verdict) in [
        ("rtsp://h/p", "rtsp://h/p", Verdict::Granted),
        ("rtsp://h/p", "rtsp://h/p/", Verdict::Granted),
        ("rtsp://h/p/", "rtsp://h/p", Verdict::Granted),
        ("rtsp://h/p", "/p", Verdict::Granted),
        ("/p/", "rtsp://h:554/p", Verdict::Granted),
        ("rtsp://h", "/", Verdict::Granted),
        ("rtsp://h/p/trackID=1", "rtsp://h/p/", Verdict::Granted),
        ("rtsp://h/p/trackID=1", "rtsp://h/p", Verdict::Granted),
        ("rtsp://h/p?x=1/trackID=1", "/p?x=1", Verdict::Granted),
        ("*", "*", Verdict::Granted),
        ("rtsp://h/a/b/trackID=1", "rtsp://h/a", Verdict::Denied),
        ("rtsp://h/p", "rtsp://h/", Verdict::Denied),
        ("rtsp://h/p", "rtsp://h/q", Verdict::Denied),
        ("rtsp://h/p", "rtsp://g/p", Verdict::Denied),
        ("rtsp://h/p", "rtsp://h/p/trackID=1", Verdict::Denied),
        ("rtsp://h/pq", "rtsp://h/p", Verdict::Denied),
        ("rtsp://h/p", "rtsp:", Verdict::Denied),
        ("/p", "/", Verdict::Denied),
        ("rtsp://h", "", Verdict::Denied),
    ] {
        let authorization = old(&guard, said);
        assert_eq!(guard.check("DESCRIBE", uri, Some(&authorization)), verdict, "{uri} {said}");
    }
}

#[test]
fn answers_are_written_in_many_ways() {
    let mut guard = guard(&BOTH);
    let said = old(&guard, URI);
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
        assert_eq!(guard.check("DESCRIBE", URI, Some(&text)), Verdict::Granted, "{text}");
    }
    for (from, to) in [
        ("realm=\"runnel\"", "realm=\"x\""),
        ("Digest ", "Digest algorithm=MD5-sess, "),
        ("Digest ", "Digest qop=auth-int, "),
    ] {
        assert_eq!(guard.check("DESCRIBE", URI, Some(&said.replace(from, to))), Verdict::Denied);
    }
    let basic = |token: &str| guard.check("PLAY", URI, Some(&format!("basic  {token} ")));
    assert_eq!(
        ["dXNlcjpwOmEic3M=", "dXNlcjpwOmEic3M", "dXNlcjpwOmEic3N", "%", ""].map(basic),
        [Verdict::Granted, Verdict::Granted, Verdict::Denied, Verdict::Denied, Verdict::Denied]
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
    let shown = format!("{:?} {:?}", guard(&BOTH), answer(&guard(&BOTH).challenges(false)));
    assert!(shown.contains("user") && !shown.contains("ss"), "{shown}");
}

#[test]
fn no_damage_panics_or_grants() {
    let mut guard = guard(&BOTH);
    let counted = answer(&guard.challenges(false)[..1]).authorization("DESCRIBE", URI);
    for text in [old(&guard, URI), counted, "Basic dXNlcjpwOmEic3M=".into()] {
        for at in 0..text.len() {
            let verdict = guard.check("DESCRIBE", URI, Some(&text[..at]));
            // a closing quote or a padding may be missing
            assert!(verdict != Verdict::Granted || at + 1 == text.len(), "{}", &text[..at]);
            for mask in [1, 2, 4, 8, 0x10, 0x40, 0x80, 0xff] {
                let mut bytes = text.as_bytes().to_vec();
                bytes[at] ^= mask;
                let damaged = String::from_utf8_lossy(&bytes);
                if guard.check("DESCRIBE", URI, Some(&damaged)) == Verdict::Granted {
                    guard.renew();
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
