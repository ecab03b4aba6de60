//! The rules of `[[access]]`, as each protocol meets them. The gatekeeper grants whatever begins with `open`.

use base64ct::{Base64, Encoding};
use md5::{Digest as _, Md5};
use runnel::proto::rtmp::Address;

use super::credentials::{Rtsp, answer, challenges};
use super::*;

/// Of `secret`, by Python's hashlib.
const SLOW: &str = "pbkdf2:1000:c2FsdHNhbHQ=:hgR9HsqtKupWxpnv8y99TrPDajTT/9PcSTlNafpdLXQ=";
/// `camera:Tiger-97`, `camera:secret` and `camera:guess`.
const BASIC: [&str; 3] = ["Basic Y2FtZXJhOlRpZ2VyLTk3", "Basic Y2FtZXJhOnNlY3JldA==", "Basic Y2FtZXJhOmd1ZXNz"];

fn rule(keys: &str) -> String {
    format!("[[access]]\n{keys}\n")
}

fn rtmp(gate: &Gate, role: Role, user: &str, name: &str) -> Rtmp {
    Rtmp::at(gate.rtmp, role, Address::new(&format!("rtmp://{user}127.0.0.1"), "live", name))
}

fn publishing(gate: &Gate, user: &str, name: &str) -> Rtmp {
    let mut publisher = rtmp(gate, Role::Publish, user, name);
    assert_eq!(publisher.event(), Some(ClientEvent::Started), "{user}{name}");
    publisher.tracks();
    pictures(&mut publisher, 200);
    publisher
}

#[test]
fn a_user_publishes_and_plays_by_every_protocol() {
    let gate = Gate::begin(&rule("user = \"camera\"\npassword = \"Tiger-97\""));
    let _publisher = publishing(&gate, "camera:Tiger-97@", "open");
    let refused = |user, name| rtmp(&gate, Role::Publish, user, name).refusal().unwrap();
    assert_eq!(refused("", "open2"), "NetStream.Publish.Denied");
    let mut player = rtmp(&gate, Role::Play, "", "open?user=camera&pass=Tiger%2d97");
    assert_eq!(player.event(), Some(ClientEvent::Started), "the query has them too");
    // names of segments can be guessed: players of HLS are sent on to a playlist of their session
    for (path, let_in) in [("/live/open.flv", 200), ("/hls/open.m3u8", 302)] {
        let asked = gate.http_with(path, None, "");
        assert_eq!(
            (asked.status, challenges(&asked.head)),
            (401, vec!["Basic realm=\"runnel\"".to_string()]),
            "{path}"
        );
        assert_eq!(gate.http_with(path, Some(BASIC[0]), "").status, let_in, "{path}");
    }
    let mut rtsp = Rtsp::new(&gate);
    let all = rtsp.challenges("DESCRIBE", "open");
    assert_eq!(all.iter().filter(|one| one.starts_with("Digest")).count(), 2, "{all:?}");
    let right = answer(&all[0], "camera", "Tiger-97", "DESCRIBE", "open");
    assert_eq!(rtsp.ask("DESCRIBE", "open", Some(&right)).0, 200);
    assert_eq!((gate.http("/metrics"), gate.http_with("/metrics", Some(BASIC[0]), "").status), (401, 200));
    assert_eq!(gate.http_with("/live/shut.flv", Some(BASIC[0]), "").status, 403, "the gatekeeper has to agree");
}

/// Connects with this query in the application, as ffmpeg and OBS do.
fn adobe(gate: &Gate, query: &str, name: &str) -> Rtmp {
    let app = format!("live{query}");
    let told = Address { tc_url: format!("rtmp://127.0.0.1/{app}"), app, name: name.into() };
    Rtmp::at(gate.rtmp, Role::Publish, told)
}

/// Connects a third time, with the answer to a challenge.
fn answering(gate: &Gate, user: &str, password: &str, name: &str) -> Rtmp {
    let asked = adobe(gate, &format!("?authmod=adobe&user={user}"), name).event();
    let Some(ClientEvent::Refused(why)) = asked else { panic!("{asked:?}") };
    let value = |key| why.split_once(key).unwrap().1.split('&').next().unwrap();
    let (salt, opaque) = (value("salt="), value("opaque="));
    let hash = |text: String| Base64::encode_string(&Md5::digest(text));
    let response = hash(format!("{}{opaque}0badf00d", hash(format!("{user}{salt}{password}"))));
    let answer = format!("?authmod=adobe&user={user}&challenge=0badf00d&response={response}&opaque={opaque}");
    adobe(gate, &answer, name)
}

#[test]
fn encoders_are_asked_for_a_user_in_adobes_way() {
    let users = "action = \"publish\"\nuser = \"cam\"\npassword = \"Tiger-97\"";
    let gate = Gate::begin(&format!("rtmp.auth = \"adobe\"\n{}", rule(users)));
    let asked = adobe(&gate, "", "open").event();
    let Some(ClientEvent::Refused(why)) = asked else { panic!("{asked:?}") };
    assert_eq!(
        why,
        "NetConnection.Connect.Rejected: [ AccessManager.Reject ] : [ code=403 need auth; authmod=adobe ] : "
    );
    let mut publisher = answering(&gate, "cam", "Tiger-97", "open");
    assert_eq!(publisher.event(), Some(ClientEvent::Started));
    assert!(gate.asked().iter().any(|line| line.starts_with("Publish rtmp - live/open? by")), "{:?}", gate.asked());
    publisher.tracks();
    pictures(&mut publisher, 200);
    let mut player = rtmp(&gate, Role::Play, "", "open");
    assert_eq!(player.event(), Some(ClientEvent::Started), "players need no user, and are not asked");
    for (user, password) in [("cam", "Tiger-98"), ("nob", "Tiger-97"), ("cam", ""), ("cam", "x"), ("cam", "y")] {
        assert_eq!(answering(&gate, user, password, "open2").refusal().unwrap(), "NetStream.Publish.Denied");
    }
    let late = answering(&gate, "cam", "Tiger-97", "open2").event();
    let Some(ClientEvent::Refused(why)) = late else { panic!("{late:?}") };
    assert!(why.contains("too many wrong passwords have come from its address"), "{why}");
}

#[test]
fn a_password_that_takes_long_is_waited_for() {
    let rules = rule(&format!("action = [\"publish\", \"play\"]\nuser = \"camera\"\npassword = \"{SLOW}\""));
    let gate = Gate::begin(&rules);
    let _publisher = publishing(&gate, "camera:secret@", "open");
    assert_eq!(rtmp(&gate, Role::Publish, "camera:guess@", "open2").refusal().unwrap(), "NetStream.Publish.Denied");
    let statuses = [BASIC[1], BASIC[2]].map(|given| gate.http_with("/live/open.flv", Some(given), "").status);
    assert_eq!(statuses, [200, 401]);
    let mut rtsp = Rtsp::new(&gate);
    assert_eq!(rtsp.challenges("DESCRIBE", "open"), ["Basic realm=\"runnel\""]);
    assert_eq!(rtsp.ask("DESCRIBE", "open", Some(BASIC[2])).0, 401);
    assert_eq!(rtsp.ask("DESCRIBE", "open", Some(BASIC[1])).0, 200);
    assert_eq!(gate.http("/metrics"), 200, "no rule is about it");
}

#[test]
fn who_guesses_is_shut_out_in_the_words_of_each_protocol() {
    let play = rule("action = \"play\"\nuser = \"camera\"\npassword = \"Tiger-97\"");
    let gate = Gate::begin(&play);
    let _publisher = publishing(&gate, "", "open");
    for _ in 0..5 {
        assert_eq!(gate.http_with("/live/open.flv", Some(BASIC[2]), "").status, 401);
    }
    for path in ["/live/open.flv", "/hls/open.m3u8"] {
        let shut = gate.http_with(path, Some(BASIC[0]), "");
        assert_eq!(shut.status, 429, "{path}");
        assert!(shut.head.contains("\r\nRetry-After: 60\r\n"), "{}", shut.head);
    }
    assert_eq!(Rtsp::new(&gate).ask("DESCRIBE", "open", None).0, 503);
    assert_eq!(rtmp(&gate, Role::Play, "camera:Tiger-97@", "open").refusal().unwrap(), "NetStream.Play.Failed");
    gate.counts("password", 5);
    gate.counts("failures", 4);
    let _other = publishing(&gate, "", "open2");
}

#[test]
fn a_stream_is_published_with_the_secret_of_lal() {
    // MD5 of keyopen
    let gate = Gate::begin(&rule("action = \"publish\"\nsecret = \"key\""));
    let _publisher = publishing(&gate, "", "open?lal_secret=7d730f587a0760df408b9aa980f20575");
    assert_eq!(
        rtmp(&gate, Role::Publish, "", "open2?lal_secret=7d730f587a0760df408b9aa980f20575").refusal().unwrap(),
        "NetStream.Publish.Denied"
    );
    let announced = Rtsp::new(&gate).ask("ANNOUNCE", "open2", None);
    assert_eq!(announced.0, 403, "nothing can be asked for: {}", announced.1);
    gate.counts("signature", 2);
    assert_eq!(gate.http("/live/open.flv"), 200);
}
