//! Where log lines go: standard error, the machine's log, or a file that does
//! not grow beyond its size.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::SystemTime;

use log::{Level, LevelFilter};

use crate::conf::{self, Target};
use crate::wire::iso8601;

static REOPEN: AtomicBool = AtomicBool::new(false);

/// Starts the log. `RUST_LOG` goes before `log.level`.
pub fn start(config: &conf::Log) {
    let mut builder = env_logger::Builder::new();
    let chosen = std::env::var("RUST_LOG").ok();
    // the level can change later on, so all that is compiled in passes the filter
    builder.parse_filters(chosen.as_deref().unwrap_or("trace"));
    match config.target.clone() {
        Target::Syslog => {
            let name = format!("runnel[{}]", std::process::id());
            builder.format(move |out, record| {
                writeln!(out, "<{}>{name}: {}", DAEMON | severity(record.level()), record.args())
            });
            builder.target(env_logger::Target::Pipe(Box::new(Syslog::default())));
        }
        Target::Stderr => {
            builder.format(line);
        }
        Target::File(path) => {
            builder.format(line);
            let most = config.max_size.0 as u64;
            builder.target(env_logger::Target::Pipe(Box::new(Files { path, most, open: None })));
        }
    }
    builder.init();
    set_level(config);
}

/// Goes by `log.level`, unless `RUST_LOG` has another.
pub fn set_level(config: &conf::Log) {
    if std::env::var_os("RUST_LOG").is_none() {
        // it was checked, so there is no other
        log::set_max_level(config.level.parse().unwrap_or(LevelFilter::Info));
    }
}

/// Has the file opened anew with the next line: somebody may have moved it.
pub fn reopen() {
    REOPEN.store(true, Relaxed);
}

/// Time (UTC), level, text.
fn line(out: &mut env_logger::fmt::Formatter, record: &log::Record<'_>) -> io::Result<()> {
    let time = iso8601(SystemTime::now());
    writeln!(out, "{time} {:5} {}", record.level(), record.args())
}

/// The facility of daemons. RFC 3164 section 4.1.1.
const DAEMON: u8 = 3 << 3;

fn severity(level: Level) -> u8 {
    match level {
        Level::Error => 3,
        Level::Warn => 4,
        Level::Info => 6,
        Level::Debug | Level::Trace => 7,
    }
}

/// Every line is a datagram. While nobody listens, lines are lost.
#[derive(Default)]
struct Syslog(Option<UnixDatagram>);

impl Syslog {
    fn send(&mut self, line: &[u8]) -> io::Result<()> {
        let socket = match self.0.take() {
            Some(socket) => socket,
            None => {
                let socket = UnixDatagram::unbound()?;
                socket.set_nonblocking(true)?;
                socket.connect("/dev/log")?;
                socket
            }
        };
        match socket.send(line) {
            // it has too much to do just now, and is still there
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            sent => drop(sent?),
        }
        self.0 = Some(socket);
        Ok(())
    }
}

impl Write for Syslog {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let text = line.strip_suffix(b"\n").unwrap_or(line);
        // the machine's log may have been started anew
        let _ = self.send(text).or_else(|_| self.send(text));
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// FILE, and FILE.1 with what stood there before.
struct Files {
    path: PathBuf,
    most: u64,
    open: Option<(File, u64)>,
}

impl Files {
    fn append(&mut self, line: &[u8]) -> io::Result<()> {
        if REOPEN.swap(false, Relaxed) {
            self.open = None;
        }
        let (mut file, mut size) = match self.open.take() {
            Some(open) => open,
            None => open(&self.path)?,
        };
        if size > 0 && size + line.len() as u64 > self.most {
            let mut old = self.path.clone().into_os_string();
            old.push(".1");
            // where no new file can be made, the old one is emptied
            if fs::rename(&self.path, old).is_err() {
                file.set_len(0)?;
            }
            (file, size) = open(&self.path)?;
        }
        file.write_all(line)?;
        self.open = Some((file, size + line.len() as u64));
        Ok(())
    }
}

fn open(path: &Path) -> io::Result<(File, u64)> {
    let file = OpenOptions::new().create(true).append(true).open(path)?;
    let size = file.metadata()?.len();
    Ok((file, size))
}

impl Write for Files {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        // a full disk costs lines, not the server
        let _ = self.append(line);
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
