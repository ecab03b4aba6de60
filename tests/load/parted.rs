//! When a crowd has gone, so has what it took of memory.

use std::io::Write;
use std::net::TcpStream;
use std::time::Instant;

use crate::peer::{Http, Rtmp, connect, metric, until};
use crate::program::{PATIENCE, Program};

const CONFIG: &str = "profile = \"box\"\nviewers.max = 1600\nmemory.total = \"1GiB\"\n";
/// As many as come at once, and how often.
const CROWD: usize = 1000;
const ROUNDS: usize = 3;
/// The bytes that may stay of them all.
const BOUND: usize = 2 << 20;

/// A publisher that goes on meanwhile: its frames take the room that others have left.
struct Source(Rtmp, u32);

impl Source {
    fn picture(&mut self) {
        self.1 += 1;
        self.0.picture(self.1 * 40, self.1 % 25 == 1, self.1, 700).unwrap();
    }

    fn crowd(&mut self, http: std::net::SocketAddr, count: usize) -> Vec<TcpStream> {
        let sockets = (0..count).map(|number| {
            if number % 10 == 0 {
                self.picture();
            }
            let mut socket = connect(http);
            let form = ["flv", "ts", "mp4"][number % 3];
            socket.write_all(format!("GET /live/a.{form} HTTP/1.1\r\nHost: h\r\n\r\n").as_bytes()).unwrap();
            socket
        });
        let sockets: Vec<_> = sockets.collect();
        until(http, "all of them", |page| metric(page, "runnel_connections") == count as u64 + 2);
        sockets
    }

    fn nobody(&mut self, http: std::net::SocketAddr) {
        until(http, "nobody", |page| metric(page, "runnel_connections") == 2);
    }
}

/// A socket for each of them, here.
fn open_files() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }).unwrap();
}

#[test]
fn what_a_crowd_took_is_given_back() {
    open_files();
    let program = Program::start(CONFIG);
    let mut source = Source(Rtmp::publisher(program.rtmp, "a"), 0);
    (0..100).for_each(|_| source.picture());
    drop(source.crowd(program.http, 10));
    source.nobody(program.http);
    let Some(before) = program.memory("VmRSS") else { return };
    for _ in 0..ROUNDS {
        drop(source.crowd(program.http, CROWD));
        source.nobody(program.http);
        (0..100).for_each(|_| source.picture());
    }
    let begun = Instant::now();
    loop {
        source.picture();
        let stays = program.memory("VmRSS").unwrap().saturating_sub(before);
        if stays <= BOUND {
            return eprintln!("{} KiB stay", stays >> 10);
        }
        assert!(begun.elapsed() < PATIENCE, "{} KiB stay", stays >> 10);
        assert_eq!(Http::new(program.http).get("/healthz").status, 200);
        std::thread::sleep(std::time::Duration::from_millis(100));
    }
}
