//! Requests to other servers: to the program itself, under TLS too, and to servers that do what others have done.

#[path = "support/peer.rs"]
mod peer;
#[path = "support/program.rs"]
mod program;
#[path = "support/records.rs"]
mod records;

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use peer::{Rtmp, metric};
use program::{PATIENCE, Program, free_ports};
use runnel::budget::Account;
use runnel::net::fetch::{Dialer, Download, Failure, Fetched, Limits, MAX_REDIRECTS, Request, fetch, open};
use runnel::net::{Files, Gate, HandshakeThrottle, SocketSizes, Trust, Watch, make_certificate};
use runnel::proto::Url;
use runnel::proto::http::Method;
use smol::block_on;

/// All that a dialer refers to.
struct House {
    gate: Gate,
    watch: Watch,
    trust: Trust,
    throttle: HandshakeThrottle,
    account: Account,
}

impl House {
    fn new() -> Self {
        Self {
            gate: Gate::new(100),
            watch: Watch::default(),
            trust: Trust::browsers().unwrap(),
            throttle: HandshakeThrottle::default(),
            account: Account::root("requests", 1 << 20),
        }
    }

    fn dialer(&self) -> Dialer<'_> {
        let sizes = SocketSizes { send: 16 << 10, receive: 64 << 10 };
        Dialer { gate: &self.gate, watch: &self.watch, sizes, trust: &self.trust, throttle: &self.throttle }
    }

    fn limits(&self) -> Limits<'_> {
        Limits { time: PATIENCE, body: 64 << 10, redirects: MAX_REDIRECTS, account: &self.account }
    }

    fn get(&self, url: &str) -> Result<Fetched, Failure> {
        self.fetch(Method::Get, url, b"", &self.limits())
    }

    fn fetch(&self, method: Method, url: &str, body: &[u8], limits: &Limits<'_>) -> Result<Fetched, Failure> {
        let url = Url::parse(url).unwrap();
        block_on(fetch(&Request { method, url: &url, fields: &[("X-Secret", "s")], body }, self.dialer(), limits))
    }

    fn open(&self, url: &str, limits: &Limits<'_>) -> Result<Download, Failure> {
        let url = Url::parse(url).unwrap();
        block_on(open(&Request { method: Method::Get, url: &url, fields: &[], body: b"" }, self.dialer(), limits))
    }

    /// Waits until connections that were let go of have ended.
    fn until_closed(&self) {
        let end = Instant::now() + PATIENCE;
        while self.gate.open() > 0 {
            assert!(Instant::now() < end);
            self.watch.sweep(Instant::now());
            thread::sleep(Duration::from_millis(10));
        }
    }

    /// The text of the answer to GET.
    fn text(&self, url: &str) -> String {
        let fetched = self.get(url).unwrap();
        assert_eq!(fetched.response.status, 200, "{:?}", fetched.response);
        String::from_utf8(fetched.body.to_vec()).unwrap()
    }
}

/// A server that answers each connection with the next of its texts, and closes it then.
struct Scripted {
    address: SocketAddr,
    /// The requests that came.
    asked: Arc<Mutex<Vec<String>>>,
}

impl Scripted {
    /// In texts, `HERE` is the address.
    fn new<const N: usize>(texts: [&str; N]) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let (address, asked) = (listener.local_addr().unwrap(), Arc::new(Mutex::new(Vec::new())));
        let (log, texts) = (asked.clone(), texts.map(|text| text.replace("HERE", &address.to_string())));
        thread::spawn(move || {
            for text in texts {
                let (mut socket, _) = listener.accept().unwrap();
                log.lock().unwrap().push(request(&mut socket));
                // it comes in pieces, of which a reader may see the end first
                for piece in text.as_bytes().chunks(1000) {
                    let _ = socket.write_all(piece);
                }
            }
        });
        Self { address, asked }
    }

    fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

/// A request up to the end of its body.
fn request(socket: &mut impl Read) -> String {
    let (mut text, mut buffer) = (String::new(), [0; 4096]);
    loop {
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head.lines().find_map(|line| line.strip_prefix("Content-Length: "));
            if body.len() >= length.map_or(0, |length| length.parse().unwrap()) {
                return text;
            }
        }
        match socket.read(&mut buffer).unwrap() {
            0 => return text,
            len => text.push_str(str::from_utf8(&buffer[..len]).unwrap()),
        }
    }
}

fn with_length(text: &str) -> String {
    format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{text}", text.len())
}

/// A folder that goes with the value.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&path);
        std::fs::create_dir(&path).unwrap();
        Self(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

#[test]
fn the_program_answers_in_the_clear_and_under_tls() {
    let folder = Folder::new("fetch");
    let files = Files { certificate: folder.0.join("cert.pem"), key: folder.0.join("key.pem") };
    make_certificate(&files, vec!["localhost".into(), "127.0.0.1".into()]).unwrap();
    let [https, rtmps, rtsps, _] = free_ports();
    let (cert, key) = (files.certificate.display(), files.key.display());
    let program = Program::start(&format!(
        "[tls]\ncert = \"{cert}\"\nkey = \"{key}\"\nhttp_listen = \"{https}\"\nrtmp_listen = \"{rtmps}\"\n\
         rtsp_listen = \"{rtsps}\"\n"
    ));
    let mut house = House::new();
    let path = format!("http://{}/metrics", program.http);
    assert!(house.text(&path).contains("runnel_"));
    let head = house.fetch(Method::Head, &path, b"", &house.limits()).unwrap();
    assert_eq!((head.response.status, head.body.len()), (200, 0));
    assert_eq!(house.get(&format!("http://{}/nothing", program.http)).unwrap().response.status, 404);

    let url = format!("https://localhost:{}/metrics", https.port());
    assert!(matches!(house.get(&url), Err(Failure::Server(_))), "nobody has signed its certificate");
    house.trust = Trust::authorities(&files.certificate).unwrap();
    assert!(house.text(&url).contains("runnel_"));
    assert!(house.text(&format!("https://{https}/metrics")).contains("runnel_"), "an address is a name too");
    let clear = house.get(&format!("https://{}/", program.http)).unwrap_err();
    assert!(matches!(clear, Failure::Server(_)), "no TLS is there: {clear:?}");
}

/// A server under TLS that answers each connection with the next of its texts, and says goodbye or is cut.
fn sealed<const N: usize>(files: &Files, answers: [(&str, bool); N]) -> SocketAddr {
    use rustls::pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};
    let chain = CertificateDer::pem_file_iter(&files.certificate).unwrap().map(Result::unwrap).collect();
    let config = rustls::ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()));
    let config = config.with_safe_default_protocol_versions().unwrap().with_no_client_auth();
    let config = Arc::new(config.with_single_cert(chain, PrivateKeyDer::from_pem_file(&files.key).unwrap()).unwrap());
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = listener.local_addr().unwrap();
    let answers = answers.map(|(text, parts)| (text.to_string(), parts));
    thread::spawn(move || {
        for (text, parts) in answers {
            let (socket, _) = listener.accept().unwrap();
            let mut stream = rustls::StreamOwned::new(rustls::ServerConnection::new(config.clone()).unwrap(), socket);
            request(&mut stream);
            stream.write_all(text.as_bytes()).unwrap();
            if parts {
                stream.conn.send_close_notify();
            }
            stream.flush().unwrap();
        }
    });
    address
}

#[test]
fn a_connection_under_tls_that_is_cut_is_no_end_of_a_body() {
    let folder = Folder::new("cut");
    let files = Files { certificate: folder.0.join("cert.pem"), key: folder.0.join("key.pem") };
    make_certificate(&files, vec!["127.0.0.1".into()]).unwrap();
    let (open, known) = ("HTTP/1.1 200 OK\r\n\r\nhello", with_length("hello"));
    let chunks = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n";
    let answers = [(open, true), (&known, false), (chunks, false), (open, false)];
    let url = format!("https://{}/", sealed(&files, answers));
    let house = House { trust: Trust::authorities(&files.certificate).unwrap(), ..House::new() };
    for _ in 0..3 {
        assert_eq!(house.text(&url), "hello");
    }
    assert_eq!(house.get(&url).unwrap_err().to_string(), "peer: the connection is cut within the answer");
}

#[test]
fn a_live_stream_is_read_as_it_comes() {
    let program = Program::start("");
    let mut publisher = Rtmp::publisher(program.rtmp, "a");
    publisher.picture(0, true, 0, 100).unwrap();
    let house = House::new();
    let mut live = house.open(&format!("http://{}/live/a.flv", program.http), &house.limits()).unwrap();
    assert_eq!(live.response.fields.get("content-type"), Some("video/x-flv"));
    assert_eq!(live.response.length, None);
    peer::until(program.http, "the viewer", |page| metric(page, "runnel_viewers{form=\"flv\"}") == 1);
    let mut got = Vec::new();
    for number in 1..20u32 {
        publisher.picture(40 * number, false, number, 5000).unwrap();
        let marked = [&[0x41][..], &number.to_be_bytes(), &[0x55; 100]].concat();
        while !got.windows(marked.len()).any(|window| window == marked) {
            assert!(
                block_on(live.next(|piece| {
                    got.extend_from_slice(piece);
                    Ok(())
                }))
                .unwrap()
            );
        }
    }
    assert!(got.starts_with(b"FLV\x01"));
    assert!(house.account.used() < 2 << 10, "{} bytes: nothing of it is kept", house.account.used());
    // who wants no more of it says why
    publisher.picture(1000, false, 0, 100).unwrap();
    let refused = block_on(live.next(|_| Err(Failure::Redirect("enough"))));
    assert_eq!(refused, Err(Failure::Redirect("enough")));
    drop(live);
    let nobody = |page: &str| metric(page, "runnel_viewers{form=\"flv\"}") == 0;
    peer::until(program.http, "the end of the viewer", nobody);
    house.until_closed();
}

#[test]
fn bodies_end_in_each_way_that_servers_know() {
    let long = "x".repeat(20_000);
    let chunks =
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5;a=b\r\nhello\r\n1\r\n!\r\n0\r\nA: b\r\n\r\nmore";
    for (text, expected) in [
        (with_length("hello"), "hello"),
        (with_length(""), ""),
        (with_length(&long), &*long),
        (format!("HTTP/1.1 200 OK\r\n\r\n{long}"), &*long),
        (format!("HTTP/1.0 200 OK\nServer: small\n\n{long}"), &*long),
        (chunks.into(), "hello!"),
        (format!("HTTP/1.1 100 Continue\r\n\r\n{}", with_length("late")), "late"),
    ] {
        let server = Scripted::new([text.as_str()]);
        assert_eq!(House::new().text(&server.url("/a")), expected);
    }
}

#[test]
fn a_request_is_as_it_was_asked_for() {
    let server = Scripted::new([&*with_length("x")]);
    let url = format!("http://us%40er:pa%2Fss@{}/p q/\u{e9}?a=b#c", server.address).replace(' ', "%20");
    House::new().fetch(Method::Post, &url, b"{\"a\":1}", &House::new().limits()).unwrap();
    let [request] = &server.asked()[..] else { panic!() };
    let (head, body) = request.split_once("\r\n\r\n").unwrap();
    let lines: Vec<_> = head.lines().collect();
    assert_eq!(lines[0], "POST /p%20q/%C3%A9?a=b HTTP/1.1");
    let fields = [
        &*format!("Host: {}", server.address),
        "Connection: close",
        "Content-Length: 7",
        "X-Secret: s",
        "Accept-Encoding: identity",
    ];
    for field in fields.into_iter().chain(["Authorization: Basic dXNAZXI6cGEvc3M="]) {
        assert_eq!(lines.iter().filter(|line| **line == field).count(), 1, "{field}: {head}");
    }
    assert_eq!(body, "{\"a\":1}");
}

#[test]
fn redirections_are_followed_and_nobody_else_is_told_a_secret() {
    let last = Scripted::new([&*with_length("there")]);
    let away = format!("HTTP/1.1 307 Go\r\nLocation: {}\r\nContent-Length: 0\r\n\r\n", last.url("/c"));
    let first = Scripted::new(["HTTP/1.1 302 Found\r\nLocation: ../b?x\r\nContent-Length: 4\r\n\r\nhere", &away]);
    let url = format!("http://u:p@{}/a/a", first.address);
    let fetched = House::new().get(&url).unwrap();
    assert_eq!((&fetched.body[..], fetched.url.target()), (&b"there"[..], last.url("/c")));
    let (asked, elsewhere) = (first.asked(), last.asked());
    assert!(asked[1].starts_with("GET /b?x HTTP/1.1\r\n"));
    for (request, knows) in [(&asked[0], true), (&asked[1], true), (&elsewhere[0], false)] {
        assert_eq!((request.contains("Authorization"), request.contains("X-Secret")), (knows, knows), "{request}");
    }
}

#[test]
fn redirections_have_an_end() {
    let again = "HTTP/1.1 302 Found\r\nLocation: http://HERE/a\r\nContent-Length: 0\r\n\r\n";
    let house = House::new();
    let server = Scripted::new([again; MAX_REDIRECTS + 2]);
    let limits = Limits { redirects: 100, ..house.limits() };
    let ended = house.fetch(Method::Get, &server.url("/"), b"", &limits).unwrap_err();
    assert_eq!(ended, Failure::Redirect("it redirects too often"));
    assert_eq!(server.asked().len(), MAX_REDIRECTS + 1);
    // who follows none has the answer
    let server = Scripted::new([again]);
    let fetched = house.fetch(Method::Get, &server.url("/"), b"", &Limits { redirects: 0, ..house.limits() }).unwrap();
    assert_eq!((fetched.response.status, fetched.response.location()), (302, Some(&*server.url("/a"))));
}

#[test]
fn failures_say_whose_fault_they_are() {
    let house = House::new();
    let of = |text: &str| house.get(&Scripted::new([text]).url("/")).unwrap_err();
    let server = |text: &str| match of(text) {
        Failure::Server(why) => why.to_string(),
        other => panic!("{text}: {other:?}"),
    };
    assert_eq!(server(""), "peer: it closed the connection before it answered: is that an HTTP port?");
    assert_eq!(server("SSH-2.0-x\r\n"), "peer: an answer that is not one of HTTP/1, at byte 0");
    assert_eq!(
        server("HTTP/1.1 200 OK\r\nA: b"),
        "peer: it closed the connection before it answered: is that an HTTP port?"
    );
    assert_eq!(
        server("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nshort"),
        "peer: the connection ends within the answer"
    );
    let chunks = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\nx\r\n";
    assert_eq!(server(chunks), format!("peer: a damaged line between chunks, at byte {}", chunks.len() - 3));
    let too_long = |text: &str| assert!(of(text).to_string().contains("an answer that is too long"), "{text:.99}");
    let long = "x".repeat(70_000);
    too_long("HTTP/1.1 200 OK\r\nContent-Length: 999999999999\r\n\r\n");
    too_long(&format!("HTTP/1.1 200 OK\r\n\r\n{long}"));
    too_long(&format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{:x}\r\n{long}\r\n0\r\n\r\n", long.len()));
    assert!(matches!(of(&format!("HTTP/1.1 200 OK\r\nA: {long}\r\n\r\n")), Failure::Limit(_)));

    let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap();
    assert!(matches!(house.get(&format!("http://{free}/")), Err(Failure::Unreachable(_))));
    assert!(matches!(house.get("http://no-such-name.invalid/"), Err(Failure::Unreachable(_))));
    for url in ["rtsp://127.0.0.1/", "ftp://127.0.0.1/"] {
        assert!(matches!(house.get(url), Err(Failure::Request(_))), "{url}");
    }
    let poor = Account::root("poor", 10 << 10);
    let limits = Limits { account: &poor, ..house.limits() };
    let server = Scripted::new([&*with_length(&long[..60_000])]);
    assert!(matches!(house.fetch(Method::Get, &server.url("/"), b"", &limits), Err(Failure::Limit(_))));
    let post = house.fetch(Method::Post, &server.url("/"), &[b'x'; 20_000], &limits);
    assert!(matches!(post, Err(Failure::Limit(_))), "it is not even asked");
    assert_eq!((poor.used(), house.account.used()), (0, 0), "all is given back");
}

#[test]
fn who_answers_before_it_has_read_all_is_heard() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = listener.local_addr().unwrap();
    let server = thread::spawn(move || {
        let (mut socket, _) = listener.accept().unwrap();
        socket.read_exact(&mut [0; 10]).unwrap();
        socket.write_all(b"HTTP/1.1 413 Content Too Large\r\nContent-Length: 2\r\n\r\nno").unwrap();
        // it reads no more, and is not gone before it is heard
        socket
    });
    let house = House { account: Account::root("requests", 32 << 20), ..House::new() };
    let refused =
        house.fetch(Method::Post, &format!("http://{address}/"), &vec![b'x'; 16 << 20], &house.limits()).unwrap();
    assert_eq!((refused.response.status, &refused.body[..]), (413, &b"no"[..]));
    drop(server.join().unwrap());
}

#[test]
fn a_server_may_begin_its_answer_before_it_has_the_whole_request() {
    const LEN: usize = 8 << 20;
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = listener.local_addr().unwrap();
    let server = thread::spawn(move || {
        let (mut socket, _) = listener.accept().unwrap();
        socket.read_exact(&mut [0; 10]).unwrap();
        socket.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n").unwrap();
        let mut body = vec![0; LEN];
        socket.read_exact(&mut body).unwrap();
        socket.write_all(b"ok").unwrap();
    });
    let house = House { account: Account::root("requests", 16 << 20), ..House::new() };
    let fetched = house.fetch(Method::Post, &format!("http://{address}/"), &vec![b'x'; LEN], &house.limits()).unwrap();
    assert_eq!(&fetched.body[..], b"ok");
    server.join().unwrap();
}

#[test]
fn time_is_limited_for_the_whole_and_between_pieces() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let house = House::new();
    let soon = Limits { time: Duration::from_millis(200), ..house.limits() };
    // nobody answers
    assert_eq!(house.fetch(Method::Get, &url, b"", &soon).unwrap_err(), Failure::Late);
    drop(listener.accept().unwrap());
    // or the answer has no end
    let sending = listener.try_clone().unwrap();
    thread::spawn(move || {
        let (mut socket, _) = sending.accept().unwrap();
        request(&mut socket);
        let _ = socket.write_all(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
        while socket.write_all(b"1\r\nx\r\n").is_ok() {
            thread::sleep(Duration::from_millis(1));
        }
    });
    assert_eq!(house.fetch(Method::Get, &url, b"", &soon).unwrap_err(), Failure::Late);
    // a download has no deadline, but may be expected to go on
    let silent = thread::spawn(move || {
        let (mut socket, _) = listener.accept().unwrap();
        request(&mut socket);
        socket.write_all(b"HTTP/1.1 200 OK\r\n\r\nabc").unwrap();
        socket
    });
    let mut download = house.open(&url, &house.limits()).unwrap();
    download.expect_input(Duration::from_secs(1));
    let mut got = Vec::new();
    let mut next = || {
        block_on(download.next(|piece| {
            got.extend_from_slice(piece);
            Ok(())
        }))
    };
    assert_eq!(next(), Ok(true));
    thread::scope(|scope| {
        let late = scope.spawn(next);
        let end = Instant::now() + PATIENCE;
        while !late.is_finished() && Instant::now() < end {
            house.watch.sweep(Instant::now());
            thread::sleep(Duration::from_millis(10));
        }
        // who still waits then hears of another end
        house.watch.shut_all();
        assert_eq!(late.join().unwrap(), Err(Failure::Late));
    });
    assert_eq!(got, b"abc");
    drop(silent.join().unwrap());
}

#[test]
fn the_gate_bounds_requests_that_are_open() {
    let texts = [with_length("a"), with_length("b"), with_length("c")];
    let server = Scripted::new(texts.each_ref().map(String::as_str));
    let house = House { gate: Gate::new(2), ..House::new() };
    let one = house.open(&server.url("/"), &house.limits()).unwrap();
    let other = house.open(&server.url("/"), &house.limits()).unwrap();
    let third = house.get(&server.url("/")).unwrap_err();
    assert_eq!(third.to_string(), "a limit is reached: connections.spare is reached");
    drop((one, other));
    house.until_closed();
    assert_eq!(house.text(&server.url("/")), "c");
}
