//! Targets of log lines: standard error, the system log, or a file of limited size.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::fd::AsRawFd;
use std::os::unix::fs::FileTypeExt;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;

use log::Level;

use super::super::{Error, User};
use super::line::{Line, Style};
use crate::conf;
use crate::disk;

static REOPEN: AtomicBool = AtomicBool::new(false);

/// Reopens the file at the next line, because it may have been moved.
pub fn reopen() {
    REOPEN.store(true, Relaxed);
}

/// A target of lines, each written in one piece.
pub(super) enum Target {
    Stderr,
    Syslog(Syslog),
    Files(Files),
}

/// Opens the configured target, and gives the format of its lines. The system log may be started later than this
/// program.
pub(super) fn open(config: &conf::Log) -> Result<(Target, Style), Error> {
    match &config.target {
        conf::Target::Stderr => Ok((Target::Stderr, Style::Plain)),
        conf::Target::Syslog => {
            let name = format!("runnel[{}]", std::process::id());
            Ok((Target::Syslog(Syslog { path: "/dev/log", socket: None }), Style::Syslog(name)))
        }
        conf::Target::File(path) => {
            let open = open_file(path).map_err(|error| Error::File(path.clone(), error))?;
            let most = config.max_size.0 as u64;
            let files = Files { path: path.clone(), most, open, is_stale: false, told: false, lost: 0 };
            Ok((Target::Files(files), Style::Plain))
        }
    }
}

impl Target {
    /// Writes lines, each with its end, and gives the number of lines that failed. After a timeout of the system
    /// log the rest is not tried.
    pub(super) fn write_all(&mut self, lines: &[u8]) -> usize {
        let (mut failed, mut is_late) = (0, false);
        for line in lines.split_inclusive(|byte| *byte == b'\n') {
            let written = if is_late { Err(io::ErrorKind::TimedOut.into()) } else { self.write(line) };
            failed += usize::from(written.is_err());
            is_late = written.is_err_and(|error| error.kind() == io::ErrorKind::TimedOut);
        }
        failed
    }

    /// The number of lines that were written and then lost, since the last call.
    pub(super) fn take_lost(&mut self) -> usize {
        if let Self::Files(files) = self { std::mem::take(&mut files.lost) } else { 0 }
    }

    /// Writes a line with its end; may block.
    pub(super) fn write(&mut self, line: &[u8]) -> io::Result<()> {
        match self {
            Self::Stderr => io::stderr().write_all(line),
            Self::Syslog(syslog) => syslog.write(line.strip_suffix(b"\n").unwrap_or(line)),
            Self::Files(files) => files.append(line),
        }
    }
}

/// The system log, which receives each line as a datagram. While it is not running, lines are lost.
pub(super) struct Syslog {
    path: &'static str,
    socket: Option<UnixDatagram>,
}

/// The time after which a line is dropped if the system log does not read: its socket queues about ten.
const SYSLOG_TIMEOUT: Duration = Duration::from_secs(1);

impl Syslog {
    fn write(&mut self, line: &[u8]) -> io::Result<()> {
        let connected = self.socket.is_some();
        match self.send(line) {
            // the system log may have been restarted
            Err(error) if connected && error.kind() != io::ErrorKind::WouldBlock => self.send(line),
            sent => sent,
        }
    }

    fn send(&mut self, line: &[u8]) -> io::Result<()> {
        let socket = match self.socket.take() {
            Some(socket) => socket,
            None => {
                let socket = UnixDatagram::unbound()?;
                socket.set_write_timeout(Some(SYSLOG_TIMEOUT))?;
                socket.connect(self.path)?;
                socket
            }
        };
        let sent = socket.send(line).map(drop);
        if !sent.as_ref().is_err_and(|error| error.kind() != io::ErrorKind::WouldBlock) {
            // it is overloaded, but still running
            self.socket = Some(socket);
        }
        sent.map_err(
            |error| if error.kind() == io::ErrorKind::WouldBlock { io::ErrorKind::TimedOut.into() } else { error },
        )
    }
}

/// FILE, and FILE.1 with the previous lines.
pub(super) struct Files {
    path: PathBuf,
    most: u64,
    open: Opened,
    /// The file must be reopened.
    is_stale: bool,
    /// The reason for emptying the file was logged.
    told: bool,
    /// The number of lines that were lost by emptying the file, and not reported yet.
    lost: usize,
}

/// An open file and its size; `None` for a pipe or a device.
type Opened = (File, Option<u64>);

impl Files {
    fn append(&mut self, line: &[u8]) -> io::Result<()> {
        let asked = REOPEN.swap(false, Relaxed);
        if asked || self.is_stale {
            self.reopen_file(asked);
        }
        let most = self.most.saturating_sub(line.len() as u64);
        if self.open.1.is_some_and(|size| size > 0 && size > most) {
            self.make_room()?;
        }
        self.put(line).inspect_err(|_| self.is_stale = true)
    }

    fn put(&mut self, line: &[u8]) -> io::Result<()> {
        let (file, size) = &mut self.open;
        file.write_all(line)?;
        size.iter_mut().for_each(|size| *size += line.len() as u64);
        Ok(())
    }

    /// Reopens the file. If that fails, lines are still written to the old one.
    fn reopen_file(&mut self, asked: bool) {
        match open_file(&self.path) {
            Ok(open) => (self.open, self.is_stale) = (open, false),
            Err(error) => {
                self.is_stale = true;
                if asked {
                    self.log_fault(
                        &self.path.clone(),
                        &error,
                        "it is not opened again, and lines still go to the old one",
                    );
                }
            }
        }
    }

    /// Begins a new file, or empties this one if it cannot be renamed or created.
    fn make_room(&mut self) -> io::Result<()> {
        let mut old = self.path.clone().into_os_string();
        old.push(".1");
        let refused = match fs::rename(&self.path, &old) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => error,
            // it was renamed, here or by a user
            _ => match open_file(&self.path) {
                Err(error) if error.kind() == io::ErrorKind::PermissionDenied => error,
                opened => {
                    (self.open, self.told) = (opened?, false);
                    return Ok(());
                }
            },
        };
        self.lost = self.lost.saturating_add(lines_of(&self.open.0));
        self.open.0.set_len(0)?;
        self.open.1 = Some(0);
        if !std::mem::replace(&mut self.told, true) {
            self.log_fault(old.as_ref(), &refused, "the log is emptied when it is full");
        }
        Ok(())
    }

    /// Logs in the file itself why `path` cannot be used.
    fn log_fault(&mut self, path: &Path, error: &io::Error, so: &str) {
        let said = format_args!("log.target: {}: {error}: {so}", path.display());
        let line = Line::of(&Style::Plain, Level::Warn, &said);
        // if it fails, so will the next line, which is counted
        let _ = self.put(line.as_bytes());
    }
}

/// The number of lines in a file that is open only for appending; 0 if it cannot be read.
fn lines_of(file: &File) -> usize {
    let Ok(mut file) = File::open(format!("/proc/self/fd/{}", file.as_raw_fd())) else { return 0 };
    let (mut lines, mut part) = (0, [0; 1024]);
    while let Ok(read @ 1..) = file.read(&mut part) {
        lines += part.iter().take(read).filter(|byte| **byte == b'\n').count();
    }
    lines
}

/// Opens the file for appending, and creates it if it is missing. A pipe must have a reader.
fn open_file(path: &Path) -> io::Result<Opened> {
    let file = disk::open_at_once(OpenOptions::new().create(true).append(true), path).map_err(|error| {
        let is_pipe = fs::metadata(path).is_ok_and(|about| about.file_type().is_fifo());
        if is_pipe { io::Error::other("is a pipe that nobody reads") } else { error }
    })?;
    let about = file.metadata()?;
    if !about.is_file() {
        // writes wait for a slow reader
        rustix::io::ioctl_fionbio(&file, false)?;
    }
    Ok((file, about.is_file().then_some(about.len())))
}

/// Gives the file to `user`, who may have to reopen it. Devices are not changed.
pub fn give(path: &Path, user: User) -> io::Result<()> {
    if fs::metadata(path)?.is_file() { user.own(path) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A socket in place of the system log, and the target that writes to it.
    fn machine(name: &str) -> (UnixDatagram, Syslog) {
        let path = std::env::temp_dir().join(format!("runnel-syslog-{}-{name}", std::process::id()));
        let _ = fs::remove_file(&path);
        let machine = UnixDatagram::bind(&path).unwrap();
        machine.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        (machine, Syslog { path: path.to_str().unwrap().to_string().leak(), socket: None })
    }

    #[test]
    fn the_machine_s_log_gets_all_lines_of_a_burst() {
        const LINES: usize = 2000;
        let (machine, mut syslog) = machine("burst");
        let reader = std::thread::spawn(move || {
            let mut line = [0; 100];
            (0..LINES).map(|_| machine.recv(&mut line).unwrap()).sum::<usize>()
        });
        for number in 0..LINES {
            syslog.write(format!("{number:80}").as_bytes()).unwrap();
        }
        assert_eq!(reader.join().unwrap(), 80 * LINES);
        fs::remove_file(syslog.path).unwrap();
    }

    #[test]
    fn a_machine_s_log_that_stands_still_is_not_waited_for_without_end() {
        let (machine, mut syslog) = machine("still");
        let full = (0..10_000).find_map(|_| syslog.write(b"a line").err());
        assert_eq!(full.map(|error| error.kind()), Some(io::ErrorKind::TimedOut));
        assert!(syslog.socket.is_some(), "it is still there");
        machine.recv(&mut [0; 10]).unwrap();
        syslog.write(b"a line").unwrap();
        fs::remove_file(syslog.path).unwrap();
    }

    #[test]
    fn a_machine_s_log_that_stands_still_is_waited_for_once_for_all_lines() {
        const LINES: usize = 40;
        let (machine, mut syslog) = machine("once");
        while syslog.write(b"a line").is_ok() {}
        let (path, mut target) = (syslog.path, Target::Syslog(syslog));
        let begun = std::time::Instant::now();
        assert_eq!(target.write_all(&b"a line\n".repeat(LINES)), LINES);
        assert!(begun.elapsed() < SYSLOG_TIMEOUT * (LINES as u32 / 2), "each was waited for");
        machine.recv(&mut [0; 10]).unwrap();
        assert_eq!(target.write_all(b"a line\n"), 0, "it is tried again with the next");
        fs::remove_file(path).unwrap();
    }
}
