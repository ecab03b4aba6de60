//! Clients that come by a proxy: X-Forwarded-For and the PROXY protocol say who they are, if the proxy is trusted.

#[path = "support/encoder.rs"]
mod encoder;
#[path = "support/peer.rs"]
mod peer;
#[path = "support/program.rs"]
mod program;
#[path = "support/records.rs"]
mod records;

use std::io::{ErrorKind, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use peer::{Rtmp, connect};
use program::PATIENCE;
use runnel::conf::Config;
use runnel::registry;
use runnel::serve::Server;
use runnel::session::Core;

/// A server inside this program; this machine is the proxy.
struct Served {
    core: Arc<Core>,
    rtmp: SocketAddr,
    http: SocketAddr,
    api: SocketAddr,
}

impl Served {
    fn begin(more: &str) -> Self {
        let [rtmp, http, api, _] = program::free_ports();
        let listen = [("rtmp", rtmp), ("http", http), ("api", api)];
        let listen = listen.map(|(table, address)| format!("{table}.listen = \"{address}\"\n")).concat();
        let config = Config::parse("test", &format!("rtsp.enable = false\n{listen}{more}")).unwrap();
        let core = Core::new(config, registry::costs(), Arc::default());
        let server = Server::new(&core, registry::listens());
        server.start(server.bind().unwrap(), || {}).unwrap();
        let shared = core.clone();
        thread::spawn(move || {
            smol::block_on(shared.executor.clone().run(std::future::pending::<()>()));
            drop(server);
        });
        Self { core, rtmp, http, api }
    }

    /// The status for a client of this address.
    fn status(&self, path: &str, from: &str) -> u16 {
        status(self.http, &format!("GET {path}"), &format!("X-Forwarded-For: {from}\r\n"))
    }

    /// The addresses of all sessions, once there are `count`.
    fn peers(&self, count: usize) -> Vec<String> {
        let begun = Instant::now();
        loop {
            let sessions = self.core.sessions();
            let peers: Vec<_> = sessions.iter().map(|(_, one, _)| one.peer.unwrap().to_string()).collect();
            if peers.len() == count {
                return peers;
            }
            assert!(begun.elapsed() < PATIENCE, "{peers:?}");
            thread::sleep(Duration::from_millis(20));
        }
    }

    fn refuse(&self, address: &str) {
        self.core.blacklist.add(address.parse().unwrap(), PATIENCE, Instant::now()).unwrap();
    }
}

fn status(address: SocketAddr, line: &str, fields: &str) -> u16 {
    let mut socket = connect(address);
    write!(socket, "{line} HTTP/1.1\r\nHost: 127.0.0.1\r\n{fields}Connection: close\r\n\r\n").unwrap();
    let mut head = [0; 12];
    socket.read_exact(&mut head).unwrap();
    str::from_utf8(&head[9..]).unwrap().parse().unwrap()
}

/// Plays, and leaves the connection open.
fn play(served: &Served, from: &str) -> (u16, TcpStream) {
    let mut socket = connect(served.http);
    let fields = format!("Host: 127.0.0.1\r\nX-Forwarded-For: {from}\r\n");
    write!(socket, "GET /live/a.flv HTTP/1.1\r\n{fields}\r\n").unwrap();
    let mut head = [0; 12];
    socket.read_exact(&mut head).unwrap();
    (str::from_utf8(&head[9..]).unwrap().parse().unwrap(), socket)
}

/// True if the server closes a connection without a word.
fn is_closed(socket: &mut TcpStream) -> bool {
    match socket.read(&mut [0; 64]) {
        Ok(read) => read == 0,
        Err(error) => error.kind() == ErrorKind::ConnectionReset,
    }
}

const TRUSTED: &str = "connections.trusted_proxies = [\"127.0.0.1\", \"10.0.0.0/8\"]\n";
/// The answer to a player of HLS who may play: the way to a playlist of its own.
const LET_IN: u16 = 302;
const RULES: &str = "
    [[access]]
    action = \"play\"
    from = \"FROM\"
    allow = true
    [[access]]
    action = \"play\"
    deny = true
";

/// Rules by which clients of 203.0.113.0/24 alone play.
fn rules() -> String {
    RULES.replace("\"FROM\"", "[\"203.0.113.0/24\"]")
}

#[test]
fn rules_go_by_the_address_that_a_trusted_proxy_names() {
    let served = Served::begin(&format!("{TRUSTED}{}", rules()));
    let path = "/hls/nobody.m3u8";
    for (from, is_let_in) in [
        ("203.0.113.9", true),
        ("::ffff:203.0.113.9", true),
        ("198.51.100.1, 203.0.113.9", true),
        ("198.51.100.1, 203.0.113.9, 10.1.2.3", true),
        ("203.0.113.9, 198.51.100.1", false),
        ("198.51.100.1", false),
        ("203.0.113.9, nobody", false),
        ("", false),
    ] {
        assert_eq!(served.status(path, from), if is_let_in { LET_IN } else { 403 }, "{from:?}");
    }
    let fields = "X-Forwarded-For: 198.51.100.1\r\nX-Forwarded-For: 203.0.113.9\r\n";
    assert_eq!(status(served.http, &format!("GET {path}"), fields), LET_IN, "the last field has the last address");
}

#[test]
fn others_are_not_believed() {
    let served = Served::begin(&format!("connections.trusted_proxies = [\"10.0.0.0/8\"]\n{}", rules()));
    assert_eq!(served.status("/hls/nobody.m3u8", "203.0.113.9"), 403);
    let kick = |from: &str| {
        let fields = format!("X-Forwarded-For: {from}\r\n");
        status(served.api, "DELETE /api/v1/sessions/NOBODY1", &fields)
    };
    assert_eq!(kick("203.0.113.9"), 403, "a proxy that nobody has listed passes it on");
    assert_eq!(status(served.api, "DELETE /api/v1/sessions/NOBODY1", ""), 404, "it is on this machine");
}

#[test]
fn who_comes_by_a_proxy_on_this_machine_is_no_operator() {
    let served = Served::begin(TRUSTED);
    let kick = |fields: &str| status(served.api, "DELETE /api/v1/sessions/NOBODY1", fields);
    assert_eq!(kick(""), 403);
    assert_eq!(kick("X-Forwarded-For: 203.0.113.9\r\n"), 403);
    assert_eq!(kick("X-Forwarded-For: 127.0.0.1, 203.0.113.9\r\n"), 403);
    assert_eq!(kick("X-Forwarded-For: 127.0.0.1, 10.0.0.1\r\n"), 403, "that is the machine of 10.0.0.1");
    assert_eq!(kick("X-Forwarded-For: nobody\r\n"), 403);
    // a proxy may pass on what its client wrote there
    assert_eq!(kick("X-Forwarded-For: 127.0.0.1\r\n"), 403);
    assert_eq!(kick("X-Forwarded-For: ::1\r\n"), 403);
}

#[test]
fn failures_and_refused_addresses_are_the_clients_own() {
    let users = "[[access]]\naction = \"play\"\nuser = \"anna\"\npassword = \"secret\"\n";
    let served = Served::begin(&format!("{TRUSTED}{users}"));
    let guess = |from: &str| {
        let fields = format!("X-Forwarded-For: {from}\r\nAuthorization: Basic YW5uYTp3cm9uZw==\r\n");
        status(served.http, "GET /hls/nobody.m3u8", &fields)
    };
    let tries: Vec<_> = (0..6).map(|_| guess("203.0.113.9")).collect();
    assert_eq!((tries[4], tries[5], guess("203.0.113.8")), (401, 429, 401));
    served.refuse("203.0.113.7");
    assert_eq!((served.status("/healthz", "203.0.113.7"), served.status("/healthz", "203.0.113.8")), (403, 200));
}

#[test]
fn places_are_counted_for_each_client_of_a_proxy() {
    let keys = "viewers.max = 4\nconnections.per_peer = 50\n";
    let served = Served::begin(&format!("{keys}{TRUSTED}"));
    let mut publisher = Rtmp::publisher(served.rtmp, "a");
    (0..30).for_each(|at| publisher.picture(at * 40, at % 10 == 0, at, 500).unwrap());
    let plays: Vec<_> = (0..3).map(|_| play(&served, "203.0.113.9")).collect();
    assert_eq!(plays.iter().map(|(status, _)| *status).collect::<Vec<_>>(), [200, 200, 503]);
    let other = play(&served, "203.0.113.8");
    assert_eq!(other.0, 200);
    let peers = served.peers(4);
    assert_eq!(peers.iter().filter(|peer| *peer == "203.0.113.9:0").count(), 2, "{peers:?}");
    drop(plays);
    served.peers(2);
    assert_eq!(play(&served, "203.0.113.9").0, 200);
}

const PROXIED: &str = "connections.proxy_protocol = [\"rtmp\", \"http\"]\n";

#[test]
fn a_connection_is_that_of_the_client_in_its_header() {
    let served = Served::begin(&format!("{TRUSTED}{PROXIED}{}", rules()));
    let ask = |header: &[u8]| {
        let mut socket = connect(served.http);
        socket.write_all(header).unwrap();
        socket.write_all(b"GET /hls/nobody.m3u8 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").unwrap();
        let mut head = [0; 12];
        socket.read_exact(&mut head).unwrap();
        str::from_utf8(&head[9..]).unwrap().parse::<u16>().unwrap()
    };
    assert_eq!(ask(b"PROXY TCP4 203.0.113.9 127.0.0.1 4711 80\r\n"), LET_IN);
    assert_eq!(ask(b"PROXY TCP4 198.51.100.1 127.0.0.1 4711 80\r\n"), 403);
    assert_eq!(ask(b"PROXY UNKNOWN\r\n"), 403);
    let version_2 = |command: u8| {
        let body = [203, 0, 113, 9, 127, 0, 0, 1, 0x12, 0x67, 0, 80];
        [b"\r\n\r\n\0\r\nQUIT\n", &[command, 0x11, 0, 12][..], &body].concat()
    };
    assert_eq!((ask(&version_2(0x21)), ask(&version_2(0x20))), (LET_IN, 403));
    // a proxy behind the proxy, which is trusted too
    let mut both = b"PROXY TCP4 10.0.0.7 127.0.0.1 4711 80\r\n".to_vec();
    assert_eq!(ask(&both), 403);
    both.extend_from_slice(b"GET /healthz HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: 127.0.0.1\r\n\r\n");
    assert_eq!(ask(&both), 200);
    served.refuse("203.0.113.9");
    let mut refused = connect(served.http);
    refused.write_all(b"PROXY TCP4 203.0.113.9 127.0.0.1 4711 80\r\n").unwrap();
    assert!(is_closed(&mut refused));
    // the API's port is not named
    assert_eq!(status(served.api, "GET /api/v1/info", ""), 200);
}

#[test]
fn a_trusted_proxy_without_a_sound_header_is_closed() {
    let served = Served::begin(&format!("{TRUSTED}{PROXIED}connections.handshake = \"1s\"\n"));
    for header in ["GET / HTTP/1.1\r\n\r\n", "PROXY TCP4 203.0.113.9\r\n", "PROXY TCP4 a b c d\r\n", ""] {
        let mut socket = connect(served.http);
        socket.write_all(header.as_bytes()).unwrap();
        assert!(is_closed(&mut socket), "{header:?}");
    }
    let begun = Instant::now();
    while served.core.counters.all_refused() != [("proxy", 4)] {
        assert!(begun.elapsed() < PATIENCE, "{:?}", served.core.counters.all_refused());
        thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn a_publisher_by_a_proxy_is_listed_with_its_own_address() {
    let served = Served::begin(&format!("{TRUSTED}{PROXIED}"));
    let proxy = program::free_ports()[0];
    let listener = std::net::TcpListener::bind(proxy).unwrap();
    let target = served.rtmp;
    // a proxy as small as they come
    thread::spawn(move || {
        let (client, from) = listener.accept().unwrap();
        let mut server = TcpStream::connect(target).unwrap();
        let source = SocketAddr::new(IpAddr::from([203, 0, 113, 9]), from.port());
        write!(server, "PROXY TCP4 {} 127.0.0.1 {} 1935\r\n", source.ip(), source.port()).unwrap();
        let (mut up, mut down) = (client.try_clone().unwrap(), server.try_clone().unwrap());
        thread::spawn(move || std::io::copy(&mut up, &mut server));
        let _ = std::io::copy(&mut down, &mut &client);
    });
    let mut publisher = Rtmp::publisher(proxy, "a");
    (0..30).for_each(|at| publisher.picture(at * 40, at % 10 == 0, at, 500).unwrap());
    let peers = served.peers(1);
    assert!(peers[0].starts_with("203.0.113.9:") && !peers[0].ends_with(":0"), "{peers:?}");
}
