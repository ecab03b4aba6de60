use super::*;
use crate::hub::Name;
use crate::net::Via;
use crate::proto::NO_CREDENTIALS;

const KEY: &str = "secret";
const LACKS: LinkError = LinkError::Lack(Lack::Missing);
const WRONG: LinkError = LinkError::Lack(Lack::Wrong);

// printf KEYSTREAM | openssl md5
const LAL: &str = "dcf7d9a5c31890976df6fd4f35eda95d";
// printf 'v1\n...' | openssl dgst -sha256 -hmac secret -binary | head -c 16 | base64, with - and _ for + and /
const TO_PLAY: &str = "ZFinmgLQvVXx2pmjNbc0jw";
const TO_PUBLISH: &str = "ulUeZl86L17FEvGoPkDojg";
// printf EXPRESSION | openssl md5 -binary | openssl base64, with - and _ for + and /, as nginx documents it
const FLV: &str = "xxl6mwmy0QW4fMWpFZi1hA";
const NO_EXPIRY: &str = "TuwRDjAEnvvvvWx_PYyYog";
const HLS: &str = "6jPmp_L80uHNIIIVJya2Mg";

/// Asks for `live/cam1` from 192.0.2.1.
fn with<T>(action: Action, protocol: &'static str, query: &str, check: impl FnOnce(&Request<'_>) -> T) -> T {
    let (name, form) = (Name::new("cam1").unwrap(), (protocol == "http").then_some("flv"));
    let app = if protocol == "hls" { "hls" } else { "live" };
    let (peer, via, credentials) = ("192.0.2.1:9".parse().unwrap(), Via::Network, &NO_CREDENTIALS);
    let name = Some(&name);
    check(&Request { action, protocol, form, tls: false, name, app, query, peer, via, credentials, agent: "" })
}

#[test]
fn the_secret_of_lal_is_the_md5_of_key_and_stream() {
    let check = |query: &str, written| with(Action::Publish, "rtmp", query, |it| lal(it, Some("0123key"), written));
    assert_eq!(check(&format!("a=b&lal_secret={LAL}"), None), Ok(()));
    assert_eq!(check(&format!("lal_secret={}", LAL.to_uppercase()), Some("open")), Ok(()));
    assert_eq!((check("lal_secret=open", Some("open")), check("lal_secret=open", None)), (Ok(()), Err(WRONG)));
    assert_eq!((check("lal_secret=Open", Some("open")), check("", Some("open"))), (Err(WRONG), Err(LACKS)));
    let only_written = with(Action::Play, "rtmp", &format!("lal_secret={LAL}"), |it| lal(it, None, Some("x")));
    assert_eq!(only_written, Err(WRONG));
}

#[test]
fn a_signed_link_permits_one_thing_until_it_expires() {
    let check = |action, query: &str, now| with(action, "rtmp", query, |it| signed(it, KEY, Clock::at(now)));
    let play = format!("rx=1900000000&ra=r&rs={TO_PLAY}");
    let publish = format!("rx=1900000000&ra=p&rs={TO_PUBLISH}");
    assert_eq!(check(Action::Play, &play, 1_899_999_999), Ok(()));
    assert_eq!(check(Action::Publish, &publish, 1_899_999_999), Ok(()), "with its address");
    assert_eq!(check(Action::Play, &play, 1_900_000_000), Err(LinkError::Expired));
    assert_eq!(check(Action::Play, &play, 86_400), Err(LinkError::NoClock));
    for (action, query) in [
        (Action::Publish, play.clone()),
        (Action::Play, publish.clone()),
        (Action::Play, publish.replace("ra=p", "ra=r")),
        (Action::Play, play.replace("190", "191")),
        (Action::Play, play.replace("rs=", "rs=A")),
        (Action::Play, "rx=1900000000&ra=r&rs=".into()),
        (Action::Api, play.clone()),
    ] {
        assert_eq!(check(action, &query, 1_899_999_999), Err(WRONG), "{action:?} {query}");
    }
    assert_eq!(check(Action::Play, "rx=1900000000&ra=r", 1_899_999_999), Err(LACKS));
    let other = with(Action::Publish, "rtmp", &publish, |it| {
        signed(&Request { peer: "192.0.2.2:9".parse().unwrap(), ..*it }, KEY, Clock::at(1_899_999_999))
    });
    assert_eq!(other, Err(WRONG), "of another address");
}

#[test]
fn a_link_of_nginx_is_checked_by_the_expression_that_nginx_has() {
    const WHOLE: &str = "$secure_link_expires$uri$remote_addr secret";
    let check = |protocol, expression, query: &str, now| {
        with(Action::Play, protocol, query, |it| secure_link(it, expression, Clock::at(now)))
    };
    let flv = format!("md5={FLV}&expires=1900000000");
    assert_eq!(check("http", WHOLE, &flv, 1_899_999_999), Ok(()));
    assert_eq!(check("hls", WHOLE, &format!("md5={HLS}&expires=1900000000"), 1_899_999_999), Ok(()));
    assert_eq!(check("rtmp", "$uri secret", &format!("md5={NO_EXPIRY}"), 1_899_999_999), Ok(()));
    assert_eq!(check("http", WHOLE, &flv, 1_900_000_000), Err(LinkError::Expired));
    assert_eq!(check("http", WHOLE, &flv, 1), Err(LinkError::NoClock));
    assert_eq!(check("http", WHOLE, &format!("md5={FLV}"), 1_899_999_999), Err(LACKS));
    assert_eq!(check("http", WHOLE, "expires=1900000000", 1_899_999_999), Err(LACKS));
    assert_eq!(check("http", WHOLE, &flv.replace("190", "191"), 1_899_999_999), Err(WRONG));
    assert_eq!(check("ws", WHOLE, &flv, 1_899_999_999), Err(WRONG), "of another path");
    // what comes from outside is no variable
    assert_eq!(check("rtmp", WHOLE, "md5=AAAA&expires=$uri", 1_899_999_999), Err(WRONG));
}
