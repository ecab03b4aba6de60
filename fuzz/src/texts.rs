//! Texts that name something: configuration, addresses, names, passwords.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use runnel::budget::Account;
use runnel::conf::{Config, Keys};
use runnel::hub::Name;
use runnel::net::{Claim, Peers, ProxyHeader, ROW};
use runnel::proto::rtmp::Address;
use runnel::proto::rtsp::auth::{Answer, Challenger};
use runnel::proto::{AuthScheme, Credentials, Secret, Target, Url, ws};
use runnel::registry::plan;
use runnel::serve::fuzz::{decoded, understand, understand_body};
use runnel::session::MAX_RELAY_URL;
use runnel::wire::{percent_decode, percent_encode};

/// A configuration is taken or refused in words, and one that is taken has a plan.
pub fn configuration(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let read = |text: &str| Keys::parse("fuzz.toml", text);
    match read(&text) {
        Err(error) => assert!(!error.to_string().is_empty()),
        Ok((config, keys)) => {
            let plan = plan(&config);
            let _ = (plan.total(), plan.fits(), plan.knobs(), plan.to_string(), config.sums());
            let (_, mut before) = read("").unwrap();
            before.adopt(&keys);
            let adopted = before.config();
            assert!(adopted.is_ok(), "what was adopted is refused: {adopted:?}");
        }
    }
}

/// References to other URLs: what they lead to is a URL, to which nobody else's password goes along.
pub fn references(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let base = Url::parse("https://u:p@h/a/b?c").unwrap();
    if let Ok(url) = base.join(&text) {
        let (path, _) = url.path.split_once('?').unwrap_or((&url.path, ""));
        assert!(path.starts_with('/') && !path.contains("/../"), "{path}");
        assert!(url.user.is_empty() || url.is_of_origin(&base), "{}", url.target());
        assert!(url.join("").is_ok_and(|again| again == url), "{}", url.target());
    }
}

pub fn reference_seeds() -> Vec<Vec<u8>> {
    let texts =
        ["../x/./y;z?d=e#f", "//h:443/..", "http://u:p@[::1]:80?q", "?", "/a b/\u{e9}", "HTTPS://H/x:y@z", "mailto:a"];
    texts.iter().map(|text| text.as_bytes().to_vec()).collect()
}

/// Numbers that are made of a configuration.
trait Sums {
    fn sums(&self) -> [usize; 5];
}

impl Sums for Config {
    fn sums(&self) -> [usize; 5] {
        [self.max_connections(), self.tls_connections(), self.udp_pairs(), self.descriptors(), self.recordings()]
    }
}

pub fn configuration_seeds() -> Vec<Vec<u8>> {
    let reference = include_str!("../../conf/reference.toml");
    // every table of it with its keys, whether they are set there or not
    let plain: Vec<_> = reference.lines().map(|line| line.strip_prefix("# ").unwrap_or(line)).collect();
    let is_kept = |line: &&&str| line.starts_with('[') || line.split_once(" = ").is_some_and(|(key, _)| is_key(key));
    let lines: Vec<_> = plain.iter().filter(is_kept).copied().collect();
    let mut tables: Vec<String> = vec![String::new()];
    for line in lines {
        if line.starts_with('[') {
            tables.push(String::new());
        }
        let last = tables.last_mut().unwrap();
        last.push_str(line);
        last.push('\n');
    }
    let profiles = ["tiny", "router", "box", "server"].map(|name| format!("profile = \"{name}\"\nhls.enable = true\n"));
    tables.into_iter().chain(profiles).map(String::into_bytes).collect()
}

fn is_key(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '.')
}

/// Addresses and names: what is taken can be written and read again.
pub fn addresses(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    // what is encoded already is not encoded again
    let encoded = percent_encode(&text);
    assert!(text.contains('%') || percent_decode(&encoded).as_deref() == Some(&*text), "{encoded}");
    if let Some(plain) = percent_decode(&text) {
        assert!(plain.len() <= text.len());
    }
    for name in [Name::new(&text), Name::of_url(&text)].into_iter().flatten() {
        assert!(Name::of_url(&percent_encode(name.as_str())) == Ok(name.clone()), "{name}");
        assert!(!name.as_str().contains(['/', '\\', '\0', '\n', '"', '%']) && name.as_str() != "..");
    }
    if let Ok(url) = Url::parse(&text) {
        let shown = [url.to_string(), format!("{url:?}"), url.target()];
        assert!(shown.iter().all(|shown| shown.len() <= 3 * text.len() + 200));
        let _ = (Address::of(&url), Target::of_url(&text));
        let again = Url::parse(&url.target());
        // an @ in a path is told from one behind a password by the rest alone
        let is_same = |again: &Url| again.host == url.host && again.port == url.port;
        assert!(url.path.contains('@') || again.as_ref().is_ok_and(is_same), "{again:?} of {text}");
    }
    let asked = [("sec-websocket-protocol", &*text)].into_iter().collect();
    let _ = (Url::file(&text), Target::of_url(&text), ws::subprotocols(&asked).count(), ws::Server::accept(&text));
    let (app, name) = text.split_once(' ').unwrap_or((&text, ""));
    let _ = (Target::new(app, name), Address::new("rtmp://h", app, name));
    let _ = runnel::listing::name_parts(true, &text);
}

pub fn address_seeds() -> Vec<Vec<u8>> {
    [
        "rtsp://user:p%40ss@[fe80::1]:8554/live/a%20b?x=1&y=2",
        "rtmp://h/live/_definst_/test?key=a/b@c",
        "rtmp://us/er:pa/ss@h:1935/app/name",
        "file:///srv/a%20b.mp4",
        "http://h:8080/hls/%E9%97%A8.m3u8?session=1",
        "live/app?vhost=v test110?key=1",
        "cam_1.2-3~x@y+z=,",
        "test-20250101-000000-12",
        "rtsp, other , binary",
    ]
    .map(|text| text.as_bytes().to_vec())
    .into()
}

const SCHEMES: [AuthScheme; 2] = [AuthScheme::Digest, AuthScheme::Basic];

/// Challenges and what answers them: nobody passes who does not know the password, and
/// our own answer to our own challenge does.
pub fn digest(data: &[u8]) {
    const URI: &str = "rtsp://127.0.0.1:8554/live/test";
    let text = String::from_utf8_lossy(data);
    let mut challenger = Challenger::new([7; 16]);
    let ours = challenger.challenges(&SCHEMES, text.len() % 2 == 0);
    let given = challenger.read("PLAY", URI, Some(&text)).credentials;
    let proof = given.prove("user", Secret::Password("pass"), &SCHEMES);
    assert!(proof.is_err() || text.to_ascii_lowercase().contains("basic"), "{text}");
    assert!(given.name().len() <= text.len() && format!("{given:?}").len() <= 10);
    let _ = Credentials::of_field(Some(&text));
    let challenges: Vec<_> = text.lines().collect();
    if let Some(mut answer) = Answer::new(challenges.iter().copied(), "us\"er", "pa:ss", true, 1) {
        let said = answer.authorization("PLAY", URI);
        assert!(!said.contains(['\r', '\n']), "it breaks out of its line: {said:?}");
        assert!(said.len() <= 4 * text.len() + 1000);
    }
    let mixed = challenges.into_iter().chain(ours.iter().map(String::as_str));
    let _ = Answer::new(mixed, "user", "pass", true, 1).map(|mut answer| answer.authorization("PLAY", &text));
}

pub fn digest_seeds() -> Vec<Vec<u8>> {
    let challenges = Challenger::new([7; 16]).challenges(&SCHEMES, false);
    let mut answer = Answer::new(challenges.iter().map(String::as_str), "user", "guess", true, 1).unwrap();
    let wrong = answer.authorization("PLAY", "rtsp://127.0.0.1:8554/live/test");
    let camera = "Digest realm=\"IP Camera(12345)\", nonce=\"6f3a\", qop=\"auth,auth-int\", stale=\"FALSE\", \
                  opaque=\"a\\\"b\", algorithm=MD5-sess\nBasic realm=\"/\"";
    vec![
        challenges.join("\n").into_bytes(),
        wrong.into_bytes(),
        camera.into(),
        b"Basic dXNlcjpndWVzcw==".to_vec(),
        b"Bearer a.b.c".to_vec(),
    ]
}

/// The paths and queries of requests: what a player shows again is what it was told.
pub fn requests(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let (path, query) = text.split_once('?').unwrap_or((&text, ""));
    let (items, suffix) = understand(path, query);
    assert!(items <= 1 + path.len() && suffix.len() <= 1 + query.len(), "{suffix}");
    assert!(suffix.is_empty() || suffix.starts_with('?') && !suffix.contains(['"', '\n']) || query.contains('\n'));
    let (_, again) = understand(path, suffix.strip_prefix('?').unwrap_or_default());
    assert!(again == suffix, "{again} of {suffix}");
}

pub fn request_seeds() -> Vec<Vec<u8>> {
    [
        "/hls/test110/test110-1700-3.2.m4s?session_id=00000000000000ff&key=a",
        "/hls/test110.m3u8?_HLS_msn=12&_HLS_part=1&_HLS_skip=YES&token=a%20b",
        "/live/a/b.flv?hevc=12&tracks=all",
        "/record/cam/record.m3u8?stream=cam&before=1700000000000",
        "/a//../%2e%2e/b%00?",
    ]
    .map(|text| text.as_bytes().to_vec())
    .into()
}

/// Bodies of changes by the API: a pull that is taken has a URL within its limit, from another server.
pub fn bodies(data: &[u8]) {
    let (changes, pull) = understand_body(data);
    assert!(changes <= 6);
    if let Some(pull) = pull {
        assert!(pull.url.target().len() <= 3 * MAX_RELAY_URL + 200 && !pull.url.is_file(), "{pull:?}");
        assert!(Name::new(&pull.stream).is_ok(), "{pull:?}");
    }
}

pub fn body_seeds() -> Vec<Vec<u8>> {
    [
        r#"{"url":"rtsp://u:p@192.0.2.7/cam?a=1","stream_name":"door","pull_timeout_ms":9000,"rtsp_mode":1}"#,
        r#"{"url":"rtmp://h/live/a%20b","pull_retry_num":-1,"auto_stop_pull_after_no_out_ms":0}"#,
        r#"{"stream_name":"test110","session_id":"FLVPUBSUB1","more":[{"a":null}]}"#,
        r#"{"ip":"2001:db8::1","duration_sec":60}"#,
        r#"{"source":"rtsp://h/a","sourceOnDemand":true,"sourceOnDemandCloseAfter":"1m30s","record":false}"#,
    ]
    .map(|text| text.as_bytes().to_vec())
    .into()
}

/// Base64 that is posted decodes to the same bytes however it is cut, and to no more than came.
pub fn tunnel(data: &[u8]) {
    let whole = decoded(std::iter::once(data));
    for longest in [1, 3, 7] {
        assert_eq!(whole, decoded(data.chunks(longest)), "cut into {longest}");
    }
    assert!(whole.is_none_or(|whole| whole.len() <= data.len() / 4 * 3));
}

pub fn tunnel_seeds() -> Vec<Vec<u8>> {
    ["T1BUSU9OUyAqIFJUU1AvMS4wDQo=Q1NlcTogMQ0KDQo=", "AAAA\r\nBBBB\r\n CC==DD\tDD", "QQ==QUI=QUJD****"]
        .map(|text| text.as_bytes().to_vec())
        .into()
}

/// The header of a proxy: it is the same however it is cut, and no longer than what there is.
pub fn proxy_header(data: &[u8]) {
    let whole = ProxyHeader::read(data);
    if let Ok(Some(header)) = whole {
        assert!(header.used <= data.len());
        assert_eq!(ProxyHeader::read(&data[..header.used]), whole);
        assert_eq!(ProxyHeader::read(&data[..header.used - 1]), Ok(None));
    }
}

pub fn proxy_header_seeds() -> Vec<Vec<u8>> {
    let binary = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\xcb\0\x71\x09\x7f\0\0\x01\x12\x67\0\x50";
    vec![b"PROXY TCP4 203.0.113.9 127.0.0.1 4711 80\r\n".to_vec(), b"PROXY UNKNOWN\r\n".to_vec(), binary.to_vec()]
}

/// Addresses that come and go: none has more than its part, and all is given back.
pub fn peers(data: &[u8]) {
    const MOST: [usize; 5] = [3, 1, 2, 1, 2];
    let account = Account::root("peers", 8 * ROW);
    let peers = Peers::new(MOST, vec![IpAddr::from(Ipv4Addr::new(192, 0, 2, 9)).into()], account.clone());
    let mut seats: Vec<(IpAddr, Arc<_>, Option<_>)> = Vec::new();
    for step in data.chunks_exact(2) {
        let (what, number) = (step[0] & 7, step[1]);
        let at = usize::from(number) % seats.len().max(1);
        let chosen = seats.get_mut(at);
        match (what, chosen) {
            (0..=2, _) => {
                let host = u16::from(number & 15);
                let address: IpAddr = match number >> 4 {
                    0 => Ipv6Addr::new(0x2001, 0xdb8, 0, host & 3, 0, 0, 0, host).into(),
                    1 => Ipv4Addr::new(192, 0, 2, number & 15).to_ipv6_mapped().into(),
                    _ => Ipv4Addr::new(192, 0, 2, number & 15).into(),
                };
                seats.extend(peers.seat(address).map(|seat| (address, seat, None)));
                let customer = peers.customer(address);
                let has = seats.iter().filter(|(other, ..)| peers.customer(*other) == customer).count();
                assert!(customer.is_none() || has <= MOST[0], "{has} of {customer:?}");
            }
            // what it did before ends after the next has begun
            (3, Some((_, seat, does))) => *does = seat.take(Claim::Publisher),
            (4, Some((_, seat, does))) => *does = seat.take(Claim::Viewer),
            (5, Some((_, _, does))) => *does = None,
            (7, Some((_, seat, _))) => drop((seat.also(Claim::Tls), seat.also(Claim::Ports))),
            (6, Some(_)) => drop(seats.swap_remove(at)),
            _ => {}
        }
        seats.truncate(64);
    }
    drop(seats);
    assert_eq!(account.used(), 0);
}

pub fn peer_seeds() -> Vec<Vec<u8>> {
    vec![vec![0, 33, 0, 17, 0, 1, 3, 0, 4, 0, 4, 1, 3, 2, 5, 1, 6, 0, 0, 41, 3, 3, 6, 9], (0..=255).collect()]
}
