//! Targets of log lines: standard error, the machine's log, or a file that does
//! not grow beyond its size.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use super::line::Style;
use crate::conf;

static REOPEN: AtomicBool = AtomicBool::new(false);

/// Has the file opened anew with the next line: somebody may have moved it.
pub fn reopen() {
    REOPEN.store(true, Relaxed);
}

/// A target takes lines, each in one piece.
pub(super) enum Target {
    Stderr,
    Syslog(Syslog),
    Files(Files),
}

/// Opens what the configuration names, and says how its lines begin. The machine's log
/// may come later than we do.
pub(super) fn open(config: &conf::Log) -> Result<(Target, Style), String> {
    match &config.target {
        conf::Target::Stderr => Ok((Target::Stderr, Style::Plain)),
        conf::Target::Syslog => {
            let name = format!("runnel[{}]", std::process::id());
            Ok((Target::Syslog(Syslog::default()), Style::Syslog(name)))
        }
        conf::Target::File(path) => {
            let open = open_file(path).map_err(|error| format!("log.target = {path:?}: {error}"))?;
            let most = config.max_size.0 as u64;
            Ok((Target::Files(Files { path: path.clone(), most, open: Some(open) }), Style::Plain))
        }
    }
}

impl Target {
    /// Takes a line with its end; it may wait.
    pub(super) fn write(&mut self, line: &[u8]) -> io::Result<()> {
        match self {
            Self::Stderr => io::stderr().write_all(line),
            Self::Syslog(syslog) => {
                let text = line.strip_suffix(b"\n").unwrap_or(line);
                // the machine's log may have been started anew
                syslog.send(text).or_else(|_| syslog.send(text))
            }
            Self::Files(files) => files.append(line),
        }
    }
}

/// Every line is a datagram. While nobody listens, lines are lost.
#[derive(Default)]
pub(super) struct Syslog(Option<UnixDatagram>);

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
        let sent = socket.send(line).map(drop);
        if !sent.as_ref().is_err_and(|error| error.kind() != io::ErrorKind::WouldBlock) {
            // it has too much to do just now, and is still there
            self.0 = Some(socket);
        }
        sent
    }
}

/// FILE, and FILE.1 with what stood there before.
pub(super) struct Files {
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
            None => open_file(&self.path)?,
        };
        if size > 0 && size + line.len() as u64 > self.most {
            let mut old = self.path.clone().into_os_string();
            old.push(".1");
            // where no new file can be made, the old one is emptied
            if fs::rename(&self.path, old).is_err() {
                file.set_len(0)?;
            }
            (file, size) = open_file(&self.path)?;
        }
        file.write_all(line)?;
        self.open = Some((file, size + line.len() as u64));
        Ok(())
    }
}

fn open_file(path: &Path) -> io::Result<(File, u64)> {
    let file = OpenOptions::new().create(true).append(true).open(path)?;
    let size = file.metadata()?.len();
    Ok((file, size))
}
