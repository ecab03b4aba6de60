//! The real binary, on ports of its own, with a configuration of the test's.

#![allow(dead_code, reason = "each test uses a part")]

use std::io::{BufRead, BufReader};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

pub const BINARY: &str = env!("CARGO_BIN_EXE_runnel");
/// What is awaited comes sooner than this, or never.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// A running server; killed if it still runs when dropped.
pub struct Program {
    pub rtmp: SocketAddr,
    pub http: SocketAddr,
    child: Child,
    log: Arc<Log>,
    _config: File,
}

/// What it has said on standard error.
#[derive(Default)]
struct Log {
    lines: Mutex<Lines>,
    more: Condvar,
}

#[derive(Default)]
struct Lines {
    list: Vec<String>,
    ended: bool,
}

/// A file that goes with the value.
pub struct File(pub PathBuf);

impl File {
    pub fn new(text: &str) -> Self {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let name = format!("{}-{}.toml", std::process::id(), COUNT.fetch_add(1, Relaxed));
        let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
        std::fs::write(&path, text).unwrap();
        Self(path)
    }
}

impl Drop for File {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

/// Runs the binary to its end.
pub fn run(args: &[&str]) -> Output {
    Command::new(BINARY).args(args).env_remove("RUST_LOG").output().unwrap()
}

impl Program {
    /// Starts it with `config`, which sets no `listen`, and waits until it listens.
    pub fn start(config: &str) -> Self {
        for _ in 0..5 {
            let program = Self::spawn(config);
            let listens = |name: &str| program.log.find(|line| line.contains(&format!("{name} listens on"))).is_some();
            if listens("rtmp") && listens("http") {
                return program;
            }
            // somebody else may take a free port before the program does
            assert!(program.log.all().contains("in use"), "{}", program.log.all());
        }
        panic!("no port stays free");
    }

    fn spawn(config: &str) -> Self {
        let [rtmp, http] = free_ports();
        let listen = |table: &str, address| format!("{table}.listen = \"{address}\"\n");
        let config = File::new(&format!("{}{}{config}", listen("rtmp", rtmp), listen("http", http)));
        let mut command = Command::new(BINARY);
        command.arg("-c").arg(&config.0).env_remove("RUST_LOG");
        let mut child = command.stdin(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let log = Log::of(&mut child);
        Self { rtmp, http, child, log, _config: config }
    }

    /// Waits for a line that contains `text`.
    pub fn says(&self, text: &str) -> String {
        let line = self.log.find(|line| line.contains(text));
        line.unwrap_or_else(|| panic!("the log has no {text:?}:\n{}", self.log.all()))
    }

    /// Sends a signal by its name.
    pub fn signal(&self, name: &str) {
        let id = self.child.id().to_string();
        assert!(Command::new("kill").args([&format!("-{name}"), &id]).status().unwrap().success());
    }

    /// Waits until it ends: when it says nothing more, it is as good as gone.
    pub fn end(mut self) -> (ExitStatus, String) {
        let gone = self.log.wait(|lines| lines.ended.then_some(()));
        assert!(gone.is_some(), "it does not end:\n{}", self.log.all());
        (self.child.wait().unwrap(), self.log.all())
    }

    /// A figure of `/proc/PID/status` in bytes, such as VmHWM; `None` where there is no such file.
    pub fn memory(&self, name: &str) -> Option<usize> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).ok()?;
        let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
        Some(line.trim().strip_suffix(" kB")?.parse::<usize>().ok()? * 1024)
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Log {
    /// Gathers what `child` says, on a thread that ends with it.
    fn of(child: &mut Child) -> Arc<Self> {
        let log = Arc::new(Self::default());
        let (writer, pipe) = (log.clone(), child.stderr.take().unwrap());
        std::thread::spawn(move || {
            for line in BufReader::new(pipe).lines().map_while(Result::ok) {
                writer.lines.lock().unwrap().list.push(line);
                writer.more.notify_all();
            }
            writer.lines.lock().unwrap().ended = true;
            writer.more.notify_all();
        });
        log
    }

    fn find(&self, wanted: impl Fn(&str) -> bool) -> Option<String> {
        let found = self.wait(|lines| match lines.list.iter().find(|line| wanted(line)) {
            None if lines.ended => Some(None),
            None => None,
            found => Some(found.cloned()),
        });
        found.flatten()
    }

    /// Waits until `look` gives something; `None` if that takes too long.
    fn wait<T>(&self, look: impl Fn(&Lines) -> Option<T>) -> Option<T> {
        let waiting = |lines: &mut Lines| look(lines).is_none();
        let (lines, _) = self.more.wait_timeout_while(self.lines.lock().unwrap(), PATIENCE, waiting).unwrap();
        look(&lines)
    }

    fn all(&self) -> String {
        self.lines.lock().unwrap().list.join("\n")
    }
}

/// Two ports of the loopback interface that nobody uses just now.
fn free_ports() -> [SocketAddr; 2] {
    let listeners = [(); 2].map(|()| TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap());
    listeners.map(|listener| listener.local_addr().unwrap())
}
