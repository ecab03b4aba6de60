//! The real binary, on ports of its own, with a configuration of the test's.
//!
//! `RUNNEL_REMOTE=RTMP,HTTP` names the ports of one that runs elsewhere, with the
//! same configuration: a test that looks at no log can be held against that.

#![allow(dead_code, reason = "each test uses a part")]

use std::io::{BufRead, BufReader};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use socket2::{Domain, Socket, Type};

pub const BINARY: &str = env!("CARGO_BIN_EXE_runnel");
/// An event that is awaited comes sooner than this, or never.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// A running server; killed if it still runs when dropped.
pub struct Program {
    pub rtmp: SocketAddr,
    /// `None` if it runs elsewhere.
    pub rtsp: Option<SocketAddr>,
    pub http: SocketAddr,
    /// `None` if it runs elsewhere.
    local: Option<Local>,
}

struct Local {
    child: Child,
    log: Arc<Log>,
    _config: File,
}

/// The lines that it has written to standard error.
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
    command().args(args).output().unwrap()
}

/// The command that starts the binary: where that is for a processor of another kind,
/// `RUNNEL_LAUNCHER` has the words to put before it.
pub fn command() -> Command {
    let launcher = launcher();
    let mut words = launcher.split_whitespace().chain([BINARY]);
    let mut command = Command::new(words.next().unwrap());
    command.args(words).env_remove("RUST_LOG");
    command
}

fn launcher() -> String {
    std::env::var("RUNNEL_LAUNCHER").unwrap_or_default()
}

impl Program {
    /// Starts it with `config`, which sets no `listen`, and waits until it listens.
    pub fn start(config: &str) -> Self {
        if let Some([rtmp, http]) = remote() {
            return Self { rtmp, rtsp: None, http, local: None };
        }
        for _ in 0..5 {
            let program = Self::spawn(config);
            let log = &program.local().log;
            let listens = |name: &str| log.find(|line| line.contains(&format!("{name} listens on"))).is_some();
            if listens("rtmp") && listens("http") && listens("rtsp") {
                return program;
            }
            // somebody else may take a free port before the program does
            assert!(log.all().contains("in use"), "{}", log.all());
        }
        panic!("no port stays free");
    }

    fn spawn(config: &str) -> Self {
        let [rtmp, rtsp, websocket, http] = free_ports();
        let listen = |table: &str, address| format!("{table}.listen = \"{address}\"\n");
        let config = File::new(
            &[
                listen("rtmp", rtmp),
                listen("rtsp", rtsp),
                format!("rtsp.websocket_listen = \"{websocket}\"\n"),
                listen("http", http),
                // its port would be the same for all
                if config.contains("api.listen") { String::new() } else { "api.enable = false\n".into() },
                config.into(),
            ]
            .concat(),
        );
        let mut command = command();
        command.arg("-c").arg(&config.0);
        let mut child = command.stdin(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let log = Log::of(&mut child);
        Self { rtmp, rtsp: Some(rtsp), http, local: Some(Local { child, log, _config: config }) }
    }

    fn local(&self) -> &Local {
        self.local.as_ref().expect("this test does not work with a program that runs elsewhere")
    }

    /// True if it runs elsewhere: who started it there sees to its end and its peak of memory.
    pub fn is_remote(&self) -> bool {
        self.local.is_none()
    }

    /// Waits for a line that contains `text`.
    pub fn says(&self, text: &str) -> String {
        let log = &self.local().log;
        let line = log.find(|line| line.contains(text));
        line.unwrap_or_else(|| panic!("the log has no {text:?}:\n{}", log.all()))
    }

    /// Sends a signal by its name.
    pub fn signal(&self, name: &str) {
        let id = self.local().child.id().to_string();
        assert!(Command::new("kill").args([&format!("-{name}"), &id]).status().unwrap().success());
    }

    /// Waits until it ends: when it says nothing more, it is as good as gone.
    pub fn end(mut self) -> (ExitStatus, String) {
        let mut local = self.local.take().expect("it runs here");
        let gone = local.log.wait(|lines| lines.ended.then_some(()));
        assert!(gone.is_some(), "it does not end:\n{}", local.log.all());
        (local.child.wait().unwrap(), local.log.all())
    }

    /// Its processor is made of software: figures of time and memory are not its own.
    pub fn is_emulated(&self) -> bool {
        !launcher().is_empty()
    }

    /// The time that each thread which runs connections has had on a processor; `None` as with `memory`.
    pub fn threads(&self) -> Option<Vec<Duration>> {
        if self.is_emulated() {
            return None;
        }
        let id = self.local.as_ref()?.child.id();
        let threads = std::fs::read_dir(format!("/proc/{id}/task")).ok()?.map_while(Result::ok);
        let time = |thread: std::fs::DirEntry| {
            let name = std::fs::read_to_string(thread.path().join("comm")).ok()?;
            let is_ours = name
                .trim()
                .strip_prefix("runnel")
                .is_some_and(|rest| rest.bytes().all(|byte| b"-0123456789".contains(&byte)));
            let times = std::fs::read_to_string(thread.path().join("schedstat")).ok().filter(|_| is_ours)?;
            Some(Duration::from_nanos(times.split(' ').next()?.parse().ok()?))
        };
        Some(threads.filter_map(time).collect())
    }

    /// A figure of `/proc/PID/status` in bytes, such as VmHWM; `None` where there is no such file,
    /// or where it is about an emulator.
    pub fn memory(&self, name: &str) -> Option<usize> {
        if self.is_emulated() {
            return None;
        }
        let id = self.local.as_ref()?.child.id();
        let status = std::fs::read_to_string(format!("/proc/{id}/status")).ok()?;
        let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
        Some(line.trim().strip_suffix(" kB")?.parse::<usize>().ok()? * 1024)
    }
}

impl Drop for Local {
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

/// The ports of a program that runs elsewhere.
fn remote() -> Option<[SocketAddr; 2]> {
    let ports = std::env::var("RUNNEL_REMOTE").ok()?;
    let (rtmp, http) = ports.split_once(',').expect("two ports");
    Some([rtmp, http].map(|port| (Ipv4Addr::LOCALHOST, port.parse().unwrap()).into()))
}

/// Connects to a program here or elsewhere.
pub fn dial(address: SocketAddr) -> TcpStream {
    let socket = || Socket::new(Domain::for_address(address), Type::STREAM, None).unwrap();
    if remote().is_none() {
        let socket = socket();
        socket.connect(&address.into()).unwrap();
        return socket.into();
    }
    // The emulator between us and one elsewhere has a queue of one for connections:
    // others would be tried again after one second, three, seven ...
    let begun = Instant::now();
    loop {
        let socket = socket();
        // It would keep megabytes for a peer that does not read, as segments are so long
        // on the loopback interface; on no other they are.
        socket.set_tcp_mss(1400).unwrap();
        match socket.connect_timeout(&address.into(), KNOCK) {
            Ok(()) => return socket.into(),
            Err(error) => assert!(begun.elapsed() < PATIENCE, "{error}"),
        }
    }
}

/// The longest wait for a connection to be answered.
const KNOCK: Duration = Duration::from_millis(200);

/// Four ports of the loopback interface that nobody uses just now.
/// Ports that are free now.
pub fn free_ports() -> [SocketAddr; 4] {
    let listeners = [(); 4].map(|()| TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap());
    listeners.map(|listener| listener.local_addr().unwrap())
}
