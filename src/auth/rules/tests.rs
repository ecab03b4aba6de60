use super::*;
use crate::auth::{Means, Verdict};
use crate::net::Via;

/// A client of `live/cam1`, or of another stream.
struct Client {
    action: Action,
    protocol: &'static str,
    name: &'static str,
    from: &'static str,
    query: String,
    credentials: Credentials,
}

const PLAYS: Client = Client {
    action: Action::Play,
    protocol: "http",
    name: "cam1",
    from: "192.0.2.1",
    query: String::new(),
    credentials: Credentials::None,
};

fn user(name: &str, password: &str) -> Credentials {
    Credentials::Password { name: name.into(), password: password.into() }
}

struct House(Arc<State>, Config);

impl House {
    fn new(rules: &str) -> Self {
        let config = Config::parse("test", &format!("profile = \"tiny\"\n{rules}")).unwrap();
        Self(Arc::new(State::new(Means::default())), config)
    }

    fn with<T>(&self, client: &Client, then: impl FnOnce(&Request<'_>) -> T) -> T {
        let name = Name::new(client.name).unwrap();
        let (peer, via) = ((client.from.parse::<IpAddr>().unwrap(), 9).into(), Via::Network);
        let Client { action, protocol, ref query, ref credentials, .. } = *client;
        let (name, app, form) = (Some(&name), "live", None);
        then(&Request { action, protocol, form, tls: false, name, app, query, peer, via, credentials, agent: "" })
    }

    fn answer(&self, client: &Client) -> Answer {
        self.with(client, |request| super::super::rules(&self.0, &self.1, request))
    }

    fn foretold(&self, client: &Client) -> bool {
        self.with(client, |request| super::super::foretells(&self.0, &self.1, request))
    }

    fn ask(&self, client: &Client) -> Verdict {
        match self.answer(client) {
            Answer::Now(verdict) => verdict,
            Answer::Later(answer) => smol::block_on(answer),
        }
    }
}

fn lacks(schemes: usize) -> Verdict {
    Err(Denial::Unauthenticated(Lack::Missing, SETS[schemes]))
}

fn is_wrong(schemes: usize) -> Verdict {
    Err(Denial::Unauthenticated(Lack::Wrong, SETS[schemes]))
}

#[test]
fn the_first_rule_that_is_about_a_client_decides() {
    let house = House::new(
        "[[access]]\naction = \"publish\"\nstreams = \"cam*\"\nfrom = [\"192.0.2.0/24\", \"2001:db8::/32\"]\nallow = true\n\
         [[access]]\naction = [\"publish\", \"record\"]\ndeny = true\n\
         [[access]]\nprotocols = [\"ws\", \"hls\"]\nstreams = \"cam1\"\ndeny = true\n",
    );
    let publishes = Client { action: Action::Publish, protocol: "rtmp", ..PLAYS };
    assert_eq!(house.ask(&publishes), Ok(()));
    assert_eq!(house.ask(&Client { from: "::ffff:192.0.2.9", action: Action::Publish, ..PLAYS }), Ok(()));
    assert_eq!(house.ask(&Client { from: "2001:db8:9::1", action: Action::Publish, ..PLAYS }), Ok(()));
    assert_eq!(house.ask(&Client { from: "192.0.3.1", action: Action::Publish, ..PLAYS }), Err(Denial::Forbidden));
    assert_eq!(house.ask(&Client { name: "door", action: Action::Publish, ..PLAYS }), Err(Denial::Forbidden));
    assert_eq!(house.ask(&Client { action: Action::Read, ..PLAYS }), Err(Denial::Forbidden));
    assert_eq!(house.ask(&PLAYS), Ok(()), "no rule is about it");
    assert_eq!(house.ask(&Client { protocol: "hls", ..PLAYS }), Err(Denial::Forbidden));
    assert_eq!(house.ask(&Client { protocol: "hls", name: "cam2", ..PLAYS }), Ok(()));
}

#[test]
fn changes_by_the_api_are_those_of_this_machine_unless_a_rule_says_who() {
    let changes = |house: &House, from| house.ask(&Client { action: Action::Control, from, ..PLAYS });
    let open = House::new("[[access]]\naction = \"play\"\ndeny = true\n");
    assert_eq!((changes(&open, "::1"), changes(&open, "192.0.2.1")), (Ok(()), Err(Denial::Forbidden)));
    let ruled = House::new("[[access]]\naction = \"api\"\nfrom = [\"192.0.2.1\"]\nallow = true\n");
    assert_eq!((changes(&ruled, "192.0.2.1"), changes(&ruled, "192.0.2.2")), (Ok(()), Err(Denial::Forbidden)));
}

#[test]
fn reads_by_the_api_may_be_granted_alone() {
    let viewer = "[[access]]\naction = \"api:read\"\nuser = \"one\"\npassword = \"first\"\n";
    let admin = "[[access]]\naction = \"api\"\nuser = \"two\"\npassword = \"second\"\n";
    for rules in [format!("{viewer}{admin}"), format!("{admin}{viewer}")] {
        let house = House::new(&rules);
        let ask = |action, credentials| house.ask(&Client { action, credentials, ..PLAYS });
        let reads = [user("one", "first"), user("two", "second")].map(|user| ask(Action::Api, user));
        assert_eq!(reads, [Ok(()), Ok(())], "they are alternatives");
        assert_eq!(ask(Action::Control, user("two", "second")), Ok(()));
        assert_eq!(ask(Action::Control, user("one", "first")), Err(Denial::Forbidden));
        assert_eq!(ask(Action::Control, user("one", "x")), is_wrong(1));
        assert_eq!(ask(Action::Play, Credentials::None), Ok(()));
    }
    let alone = House::new(viewer);
    let ask = |from| alone.ask(&Client { action: Action::Control, from, credentials: user("one", "first"), ..PLAYS });
    assert_eq!((ask("192.0.2.1"), ask("::1")), (Err(Denial::Forbidden), Ok(())), "no rule says who may change");
}

#[test]
fn what_is_foretold_counts_for_nothing() {
    let stored = "pbkdf2:1000:c2FsdHNhbHQ=:hgR9HsqtKupWxpnv8y99TrPDajTT/9PcSTlNafpdLXQ=";
    let house = House::new(&format!(
        "[[access]]\naction = \"api\"\nuser = \"one\"\npassword = \"first\"\n\
         [[access]]\naction = \"api\"\nuser = \"two\"\npassword = \"{stored}\"\n"
    ));
    let told = |credentials| house.foretold(&Client { action: Action::Control, credentials, ..PLAYS });
    for _ in 0..8 {
        assert!(!told(user("one", "x")) && !told(user("two", "second")) && !told(Credentials::None));
    }
    assert!(told(user("one", "first")));
}

#[test]
fn a_rule_about_everything_opens_no_changes_by_the_api() {
    for rule in [
        "allow = true",
        "from = [\"192.0.2.0/24\", \"::1\"]\nallow = true",
        "user = \"one\"\npassword = \"first\"",
        "action = []\nallow = true",
        "action = [\"publish\", \"play\", \"record\", \"metrics\"]\nallow = true",
    ] {
        let house = House::new(&format!("[[access]]\n{rule}\n"));
        let ask = |action, from| house.ask(&Client { action, from, credentials: user("one", "first"), ..PLAYS });
        assert_eq!(ask(Action::Control, "192.0.2.1"), Err(Denial::Forbidden), "{rule}");
        assert_eq!((ask(Action::Control, "::1"), ask(Action::Api, "192.0.2.1")), (Ok(()), Ok(())), "{rule}");
    }
    let named = House::new("[[access]]\naction = [\"play\", \"api\"]\nuser = \"one\"\npassword = \"first\"\n");
    let ask = |password| named.ask(&Client { action: Action::Control, credentials: user("one", password), ..PLAYS });
    assert_eq!((ask("first"), ask("x")), (Ok(()), is_wrong(1)));
}

#[test]
fn several_users_may_have_a_stream_and_an_allow_behind_them_opens_nothing() {
    let house = House::new(
        "[[access]]\nstreams = \"cam*\"\nuser = \"one\"\npassword = \"first\"\n\
         [[access]]\naction = \"play\"\nuser = \"two\"\npassword = \"second\"\n\
         [[access]]\nallow = true\n",
    );
    let ask = |action, credentials| house.ask(&Client { action, credentials, ..PLAYS });
    assert_eq!(ask(Action::Play, user("one", "first")), Ok(()));
    assert_eq!(ask(Action::Play, user("two", "second")), Ok(()));
    // it is right for another rule: no guess, however often
    for _ in 0..8 {
        assert_eq!(ask(Action::Publish, user("two", "second")), Err(Denial::Forbidden));
    }
    assert_eq!(
        (ask(Action::Play, user("one", "second")), ask(Action::Play, Credentials::None)),
        (is_wrong(1), lacks(1))
    );
    assert_eq!(house.ask(&Client { protocol: "rtsp", ..PLAYS }), lacks(3));
    assert_eq!(house.ask(&Client { name: "door", action: Action::Publish, ..PLAYS }), Ok(()));
}

#[test]
fn a_rule_about_rtsp_decides_instead_of_its_own_user() {
    let house = House::new(
        "rtsp.auth = \"basic\"\nrtsp.user = \"own\"\nrtsp.password = \"third\"\n\
         [[access]]\nstreams = \"cam*\"\nuser = \"one\"\npassword = \"first\"\n\
         [[access]]\nstreams = \"open\"\nallow = true\n",
    );
    let ask = |name, credentials| house.ask(&Client { protocol: "rtsp", name, credentials, ..PLAYS });
    assert_eq!((ask("cam1", user("one", "first")), ask("cam1", user("own", "third"))), (Ok(()), is_wrong(3)));
    assert_eq!(ask("open", Credentials::None), Ok(()));
    assert_eq!((ask("door", user("own", "third")), ask("door", user("one", "first"))), (Ok(()), is_wrong(1)));
    assert_eq!(ask("door", Credentials::None), lacks(1));
}

#[test]
fn a_client_is_asked_by_all_schemes_that_would_do() {
    let house = House::new(
        "[[access]]\nsigned = \"key\"\n\
         [[access]]\njwt = \"0123456789abcdef0123456789abcdef\"\n\
         [[access]]\nuser = \"one\"\npassword = \"first\"\n",
    );
    assert_eq!((house.ask(&PLAYS), house.ask(&Client { protocol: "rtsp", ..PLAYS })), (lacks(5), lacks(5)));
    assert_eq!(house.ask(&Client { credentials: Credentials::Token("a.b.c".into()), ..PLAYS }), is_wrong(5));
    assert_eq!(house.ask(&Client { credentials: user("one", "first"), ..PLAYS }), Ok(()));
    let signed = Client { query: "rx=1900000000&ra=r&rs=AAAA".into(), ..PLAYS };
    let only = House::new("[[access]]\nsigned = \"key\"\n");
    assert_eq!(
        (only.ask(&signed), only.ask(&PLAYS)),
        (Err(Denial::Unsigned(Lack::Wrong)), Err(Denial::Unsigned(Lack::Missing)))
    );
}

#[test]
fn rtmp_has_user_and_password_in_the_query_too() {
    let house = House::new("[[access]]\nuser = \"one\"\npassword = \"fir&st\"\n");
    let asked = |protocol, query: &str| house.ask(&Client { protocol, query: query.into(), ..PLAYS });
    assert_eq!(asked("rtmp", "user=one&pass=fir%26st"), Ok(()));
    assert_eq!((asked("rtmp", "user=one&pass=fir"), asked("http", "user=one&pass=fir%26st")), (is_wrong(1), lacks(1)));
}

#[test]
fn passwords_are_checked_by_what_is_stored_of_them() {
    // by openssl dgst -sha256, by Python's hashlib.pbkdf2_hmac, and md5 of one:runnel:secret
    for stored in [
        "sha256:2bb80d537b1da3e38bd30361aa855686bde0eacd7162fef6a25fe97bf527a25b",
        "pbkdf2:1000:c2FsdHNhbHQ=:hgR9HsqtKupWxpnv8y99TrPDajTT/9PcSTlNafpdLXQ=",
        "ha1:634c9651b31e363d1b08cff61e66c157",
    ] {
        let house = House::new(&format!("[[access]]\nuser = \"one\"\npassword = \"{stored}\"\n"));
        let ask = |name, password| house.ask(&Client { credentials: user(name, password), ..PLAYS });
        assert_eq!((ask("one", "secret"), ask("one", "secret")), (Ok(()), Ok(())), "{stored}");
        assert_eq!((ask("one", "Secret"), ask("two", "secret"), ask("", "")), (is_wrong(1), is_wrong(1), is_wrong(1)));
        assert_eq!(house.ask(&PLAYS), lacks(1));
    }
}

#[test]
fn a_slow_password_is_checked_aside_and_remembered() {
    let house = House::new(
        "[[access]]\nuser = \"one\"\npassword = \"pbkdf2:1000:c2FsdHNhbHQ=:hgR9HsqtKupWxpnv8y99TrPDajTT/9PcSTlNafpdLXQ=\"\n[[access]]\nuser = \"two\"\npassword = \"plain\"\n",
    );
    let client = |name, password| Client { credentials: user(name, password), ..PLAYS };
    assert!(matches!(house.answer(&client("two", "plain")), Answer::Now(Ok(()))), "nobody waits who need not");
    assert!(matches!(house.answer(&client("nobody", "secret")), Answer::Later(_)), "an unknown user takes as long");
    let Answer::Later(first) = house.answer(&client("one", "secret")) else { panic!() };
    assert_eq!(smol::block_on(first), Ok(()));
    assert!(matches!(house.answer(&client("one", "secret")), Answer::Now(Ok(()))));
    assert!(matches!(house.answer(&client("one", "Secret")), Answer::Later(_)));
    assert!(matches!(house.answer(&client("one", &"x".repeat(MAX_PASSWORD + 1))), Answer::Now(Err(_))));
}

#[test]
fn slow_passwords_that_come_at_once_count_once_they_are_checked() {
    let house = House::new(
        "[[access]]\nuser = \"one\"\npassword = \"pbkdf2:1000:c2FsdHNhbHQ=:hgR9HsqtKupWxpnv8y99TrPDajTT/9PcSTlNafpdLXQ=\"\n",
    );
    let at_once = |password: &str, from| {
        let ask = |_| house.answer(&Client { credentials: user("one", password), from, ..PLAYS });
        let answers: Vec<_> = (0..12).map(ask).collect();
        let of = |answer| if let Answer::Later(later) = answer { smol::block_on(later) } else { panic!("{password}") };
        answers.into_iter().map(of).collect::<Vec<_>>()
    };
    assert_eq!(at_once("secret", "192.0.2.1"), [Ok(()); 12]);
    let guesses = at_once("guess", "192.0.2.2");
    assert_eq!((&guesses[..5], &guesses[5..]), (&[is_wrong(1); 5][..], &[Err(Denial::TooMany); 7][..]));
    assert!(matches!(house.answer(&Client { credentials: user("one", "secret"), ..PLAYS }), Answer::Now(Ok(()))));
}

#[test]
fn a_right_password_is_remembered_for_five_minutes_after_it_was_shown_last() {
    let (state, start, mark) = (State::new(Means::default()), Instant::now(), [7; 32]);
    let at = |secs| start + std::time::Duration::from_secs(secs);
    state.remember(mark, start);
    assert!(state.knows(&mark, at(299)) && state.knows(&mark, at(598)) && !state.knows(&mark, at(898)));
}

#[test]
fn more_slow_passwords_than_may_wait_are_refused() {
    let house = House::new(
        "[[access]]\nuser = \"one\"\npassword = \"pbkdf2:1000:c2FsdHNhbHQ=:hgR9HsqtKupWxpnv8y99TrPDajTT/9PcSTlNafpdLXQ=\"\n",
    );
    let from = |at: usize| -> &'static str { format!("192.0.2.{at}").leak() };
    let ask = |at| house.answer(&Client { credentials: user("one", "guess"), from: from(at), ..PLAYS });
    let mut waiting: Vec<_> =
        (1..40).map(ask).map(|answer| if let Answer::Later(it) = answer { it } else { panic!() }).collect();
    let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
    let refused = waiting.iter_mut().filter_map(|it| match it.as_mut().poll(&mut cx) {
        std::task::Poll::Ready(verdict) => Some(verdict),
        std::task::Poll::Pending => None,
    });
    let refused: Vec<_> = refused.collect();
    assert!(refused.len() >= 39 - 16 && refused.iter().all(|verdict| *verdict != Ok(())), "{refused:?}");
    assert!(refused.iter().filter(|verdict| **verdict == Err(Denial::Unanswered)).count() >= 20, "{refused:?}");
}

#[test]
fn who_is_wrong_too_often_is_shut_out_whatever_he_shows() {
    let house =
        House::new("[[access]]\nstreams = \"open\"\nallow = true\n[[access]]\nuser = \"one\"\npassword = \"first\"\n");
    let ask = |from, password| house.ask(&Client { from, credentials: user("one", password), ..PLAYS });
    (0..9).for_each(|_| assert_eq!(house.ask(&PLAYS), lacks(1), "who shows nothing guesses nothing"));
    (0..4).for_each(|_| assert_eq!(ask("192.0.2.1", "x"), is_wrong(1)));
    assert_eq!(ask("192.0.2.1", "first"), Ok(()), "four are not too many");
    assert_eq!(ask("192.0.2.1", "x"), is_wrong(1), "who was right does not begin anew");
    assert_eq!(ask("192.0.2.1", "first"), Err(Denial::TooMany));
    assert_eq!(ask("192.0.2.2", "first"), Ok(()));
    assert_eq!(house.ask(&Client { name: "open", ..PLAYS }), Ok(()), "what is open stays so");
}

#[cfg(feature = "http")]
#[test]
fn who_does_not_wait_for_a_server_has_guessed_all_the_same() {
    let rules = "[[access]]\nuser = \"one\"\npassword = \"first\"\n[[access]]\ncallback = \"http://127.0.0.1:9/\"\n";
    let house = House::new(rules);
    let answer = |credentials| house.answer(&Client { credentials, ..PLAYS });
    (0..9).for_each(|_| {
        assert!(matches!(answer(Credentials::None), Answer::Later(_)), "who shows nothing guesses nothing")
    });
    (0..5).for_each(|_| assert!(matches!(answer(user("one", "guess")), Answer::Later(_)), "the server may know it"));
    assert!(matches!(answer(user("one", "first")), Answer::Now(Err(Denial::TooMany))));
}

/// A token of HS256 with the key of these tests.
fn token(claims: &str) -> String {
    use base64ct::{Base64UrlUnpadded, Encoding};
    use hmac::{Hmac, KeyInit, Mac};
    let signed =
        ["{\"alg\":\"HS256\"}", claims].map(|part| Base64UrlUnpadded::encode_string(part.as_bytes())).join(".");
    let mac = Hmac::<sha2::Sha256>::new_from_slice(b"0123456789abcdef0123456789abcdef").unwrap();
    let mac = mac.chain_update(&signed).finalize().into_bytes();
    format!("{signed}.{}", Base64UrlUnpadded::encode_string(&mac))
}

#[test]
fn a_token_permits_what_it_lists_wherever_it_is_shown() {
    let house = House::new("[[access]]\njwt = \"0123456789abcdef0123456789abcdef\"\njwt_claim = \"may\"\n");
    let list = "[{\"action\":\"publish\",\"path\":\"live/cam1\"},{\"action\":\"read\",\"path\":\"\"},{\"action\":\"playback\"}]";
    let as_list = token(&format!("{{\"exp\":4e9,\"may\":{list}}}"));
    let as_text = token(&format!("{{\"exp\":4e9,\"may\":\"{}\"}}", list.replace('"', "\\\"")));
    for token in [&*as_list, &as_text] {
        let shows =
            |action, name| house.ask(&Client { action, name, credentials: Credentials::Token(token.into()), ..PLAYS });
        assert_eq!((shows(Action::Publish, "cam1"), shows(Action::Publish, "cam2")), (Ok(()), Err(Denial::Forbidden)));
        assert_eq!((shows(Action::Play, "cam2"), shows(Action::Read, "cam2")), (Ok(()), Ok(())));
        assert_eq!(
            (shows(Action::Api, "cam1"), shows(Action::Metrics, "cam1")),
            (Err(Denial::Forbidden), Err(Denial::Forbidden))
        );
        for query in [format!("token={token}"), format!("jwt={token}"), format!("user=any&pass={token}")] {
            assert_eq!(house.ask(&Client { query, protocol: "rtmp", ..PLAYS }), Ok(()));
        }
        assert_eq!(house.ask(&Client { credentials: user("any", token), ..PLAYS }), Ok(()));
    }
    let shows = |claims: &str| house.ask(&Client { credentials: Credentials::Token(token(claims).into()), ..PLAYS });
    assert_eq!(shows(&format!("{{\"exp\":1,\"may\":{list}}}")), Err(Denial::Expired));
    for claims in [
        "{\"exp\":4e9}",
        "{\"exp\":4e9,\"may\":\"read\"}",
        "{\"exp\":4e9,\"may\":[{\"action\":\"read\",\"path\":1}]}",
        "{\"exp\":4e9,\"mediamtx_permissions\":[{\"action\":\"read\",\"path\":\"\"}]}",
    ] {
        assert_eq!(shows(claims), Err(Denial::Forbidden), "{claims}");
    }
    assert_eq!((house.ask(&PLAYS), shows("{}")), (lacks(5), is_wrong(5)));
}

#[test]
fn a_key_of_a_file_is_used_once_it_was_read() {
    let path = std::env::temp_dir().join(format!("runnel-key-{}", std::process::id()));
    std::fs::write(&path, "0123456789abcdef0123456789abcdef\n").unwrap();
    let house = House::new(&format!("[[access]]\njwt_file = {path:?}\n"));
    let token = token("{\"exp\":4e9,\"mediamtx_permissions\":[{\"action\":\"read\",\"path\":\"\"}]}");
    let ask = || house.ask(&Client { credentials: Credentials::Token(token.clone().into()), ..PLAYS });
    assert_eq!(ask(), Err(Denial::Unanswered));
    smol::block_on(house.0.clone().read_keys(Arc::new(house.1.clone())));
    assert_eq!(ask(), Ok(()));
    // 32 bytes that are no UTF-8
    std::fs::write(&path, [0xff; 32]).unwrap();
    smol::block_on(house.0.clone().read_keys(Arc::new(house.1.clone())));
    assert_eq!(ask(), Err(Denial::Unanswered), "bytes that others could guess are no key");
    std::fs::remove_file(&path).unwrap();
    smol::block_on(house.0.clone().read_keys(Arc::new(house.1.clone())));
    assert_eq!(ask(), Err(Denial::Unanswered), "what cannot be read is not believed");
    let other =
        House::new(&format!("[[access]]\njwt_file = {path:?}\n[[access]]\nuser = \"one\"\npassword = \"first\"\n"));
    assert_eq!(other.ask(&PLAYS), lacks(1), "another way in is asked for");
    assert_eq!(other.ask(&Client { credentials: user("one", "first"), ..PLAYS }), Ok(()));
}

#[test]
fn denials_join_their_schemes() {
    let all: Vec<Denial> = SETS.iter().map(|schemes| Denial::Unauthenticated(Lack::Missing, schemes)).collect();
    assert!((0..8).all(|at| bits(SETS[at]) == at));
    assert_eq!(graver(all[3], graver(all[2], all[4])), all[7]);
    assert_eq!(graver(all[1], all[3]), all[1], "a hash that Basic alone can show is never shown by Digest");
    assert_eq!(graver(Denial::Unsigned(Lack::Missing), all[1]), all[1]);
}
