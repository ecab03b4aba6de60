//! The Unix socket of the API, and `runnel ctl`, by the real program.

#[path = "support/encoder.rs"]
mod encoder;
#[path = "support/peer.rs"]
mod peer;
#[path = "support/program.rs"]
mod program;
#[path = "support/records.rs"]
mod records;

use std::io::{Read, Write};
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

use peer::{Http, Rtmp};
use program::{File, Program, run};

/// A folder that goes with the value.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        // a path of a socket has 107 bytes at most
        let path = std::env::temp_dir().join(format!("runnel-ctl-{}-{name}", std::process::id()));
        let _ = std::fs::remove_dir_all(&path);
        std::fs::create_dir(&path).unwrap();
        Self(path)
    }

    fn socket(&self) -> PathBuf {
        self.0.join("s.sock")
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn keys(socket: &Path) -> String {
    format!("api.listen = \"127.0.0.1:0\"\napi.socket = {socket:?}\n")
}

/// The answer at a socket.
fn ask(socket: &Path, line: &str) -> String {
    let mut link = UnixStream::connect(socket).unwrap();
    write!(link, "{line} HTTP/1.1\r\nHost: page.example\r\nConnection: close\r\n\r\n").unwrap();
    let mut said = String::new();
    link.read_to_string(&mut said).unwrap();
    said
}

/// The exit code, standard output, and standard error of `runnel ctl`.
fn ctl(args: &[&str]) -> (Option<i32>, String, String) {
    let done = run(&[&["ctl"], args].concat());
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (done.status.code(), text(done.stdout), text(done.stderr))
}

/// Publishes some pictures.
fn publish(program: &Program, name: &str) -> Rtmp {
    let mut publisher = Rtmp::publisher(program.rtmp, name);
    (0..30).for_each(|at| publisher.picture(at * 40, at % 10 == 0, at, 500).unwrap());
    publisher
}

#[test]
fn who_opens_the_socket_may_do_everything() {
    let folder = Folder::new("all");
    let socket = folder.socket();
    let rules = "[[access]]\naction = \"api\"\ndeny = true\n";
    let program = Program::start(&format!("{}{rules}", keys(&socket)));
    let about = std::fs::metadata(&socket).unwrap();
    assert!(about.file_type().is_socket() && about.mode() & 0o777 == 0o600, "{:o}", about.mode());
    let info = ask(&socket, "GET /api/v1/info");
    assert!(info.starts_with("HTTP/1.1 200 "), "{info}");
    let kick = ask(&socket, "DELETE /api/v1/sessions/NOBODY1");
    assert!(kick.starts_with("HTTP/1.1 404 "), "{kick}");
    program.signal("TERM");
    assert!(program.end().0.success());
    assert!(!socket.exists());
}

#[test]
fn a_dead_servers_socket_is_replaced_and_a_live_ones_is_not() {
    let folder = Folder::new("stale");
    let socket = folder.socket();
    let first = Program::start(&keys(&socket));
    let file = File::new(&format!(
        "{}rtmp.listen = \"127.0.0.1:0\"\nrtsp.enable = false\nhttp.listen = \"127.0.0.1:0\"\n",
        keys(&socket)
    ));
    let name = file.0.to_str().unwrap();
    let second = run(&["-c", name]);
    let said = String::from_utf8(second.stderr).unwrap();
    assert_eq!(second.status.code(), Some(71), "{said}");
    assert!(said.contains("line 2: api.socket: ") && said.contains("a runnel that is running"), "{said}");
    let checked = run(&["-c", name, "--check"]);
    let (code, said) = (checked.status.code(), String::from_utf8(checked.stderr).unwrap());
    assert!(code == Some(0) && said.contains("line 2: api.socket: "), "it may be that of this server: {said}");
    assert!(ask(&socket, "GET /api/v1/info").starts_with("HTTP/1.1 200 "), "the first still has it");
    first.signal("KILL");
    first.end();
    assert!(socket.exists());
    let _third = Program::start(&keys(&socket));
    assert!(ask(&socket, "GET /api/v1/info").starts_with("HTTP/1.1 200 "));
}

#[test]
fn streams_and_sessions_are_listed_and_ended() {
    let folder = Folder::new("list");
    let socket = folder.socket();
    let program = Program::start(&keys(&socket));
    let at = socket.to_str().unwrap();
    assert_eq!(ctl(&["--socket", at, "sessions"]), (Some(0), String::new(), String::new()));
    let _publisher = publish(&program, "cam1");
    let mut player = Http::new(program.http);
    assert_eq!(player.open("/live/cam1.flv").status, 200);
    let (code, out, err) = ctl(&["sessions", "--socket", at]);
    assert_eq!((code, err.as_str()), (Some(0), ""));
    let lines: Vec<Vec<&str>> = out.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(lines.len(), 3, "{out}");
    assert_eq!(lines[0][..3], ["ID", "STREAM", "ACTION"], "{out}");
    let row = |action| lines.iter().find(|line| line.get(2) == Some(&action)).unwrap();
    assert_eq!((row("publish")[1], row("play")[1]), ("cam1", "cam1"), "{out}");
    // columns stand below each other
    let starts: Vec<_> = out.lines().map(|line| line.find("cam1").or(line.find("STREAM"))).collect();
    assert!(starts.windows(2).all(|pair| pair[0] == pair[1]), "{out}");

    let (code, out, _) = ctl(&["--socket", at, "--json", "get", "sessions?stream=cam1"]);
    assert!(code == Some(0) && out.starts_with("{\"total\":2,\"items\":[{\"id\":\""), "{out}");
    let (code, out, _) = ctl(&["--socket", at, "get", "/api/stat/lal_info"]);
    assert!(code == Some(0) && out.contains("data.lal_version"), "{out}");
    let (code, _, err) = ctl(&["--socket", at, "sessions?x"]);
    assert!(code == Some(64) && err.contains("unknown argument"), "{err}");

    let id = row("play")[0];
    assert_eq!(ctl(&["--socket", at, "kick", id]), (Some(0), String::new(), String::new()));
    player.rest();
    let (code, _, err) = ctl(&["--socket", at, "kick", id]);
    assert_eq!(
        (code, err.as_str()),
        (Some(65), "runnel: the server refuses that (404): there is no session of that id\n")
    );
}

#[test]
fn the_configuration_says_where_to_ask() {
    let folder = Folder::new("where");
    let socket = folder.socket();
    let file = File::new(&keys(&socket));
    let name = file.0.to_str().unwrap();
    let (code, _, err) = ctl(&["-c", name, "info"]);
    assert!(code == Some(69) && err.contains(socket.to_str().unwrap()), "{err}");
    let trusted = "connections.trusted_proxies = [\"127.0.0.1\"]\n";
    let program = Program::start(&format!("{}{trusted}", keys(&socket)));
    let (code, out, err) = ctl(&["-c", name, "info"]);
    assert!(code == Some(0) && err.is_empty(), "{err}");
    assert!(out.lines().any(|line| line.split_whitespace().eq(["version", env!("CARGO_PKG_VERSION")])), "{out}");

    let url = format!("http://{}", program.http);
    assert_eq!(ctl(&["--url", &url, "info"]).0, Some(0));
    let (code, _, err) = ctl(&["--url", &url, "kick", "NOBODY1"]);
    assert!(code == Some(77) && err.contains("(403)"), "it comes by the way of proxies: {err}");
    for args in [
        &["--url", "https://h", "info"][..],
        &["--url", "http://a@h", "info"],
        &["--url"],
        &["kick"],
        &[],
        &["info", "more"],
        &["get"],
        &["get", "a b"],
        &["nonsense"],
        &["--nonsense", "info"],
    ] {
        assert_eq!(ctl(args).0, Some(64), "{args:?}");
    }
}
