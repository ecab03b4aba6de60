//! Small files that the configuration names: the configuration itself, certificates, keys.
//!
//! A path may be anything: a pipe without a writer, a device without end, a file of a mount that hangs. Therefore
//! size and time are limited.

use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind, Read};
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};
use std::path::Path;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::READERS;
use super::pool::{Lane, Use};

/// The maximum length in bytes.
const MAX_LEN: usize = 1 << 20;
/// The longest time that a pipe may stay silent.
const MAX_SILENCE: Duration = Duration::from_secs(30);
/// The longest time that a disk may take; other tasks are not blocked meanwhile.
const DISK_TIMEOUT: Duration = Duration::from_secs(10);

/// Reads a regular file.
pub fn read_small(path: &Path) -> io::Result<Vec<u8>> {
    let file = open_at_once(OpenOptions::new().read(true), path)?;
    let kind = file.metadata()?.file_type();
    match () {
        () if kind.is_file() => read(file),
        () if kind.is_fifo() => Err(io::Error::other("is a pipe, which cannot be read a second time")),
        () => Err(io::Error::other("is not a regular file")),
    }
}

/// Reads a regular file, or a pipe. It is only called at start, because a pipe can be read only once.
pub fn read_once(path: &Path) -> io::Result<Vec<u8>> {
    let file = open_at_once(OpenOptions::new().read(true), path)?;
    if file.metadata()?.is_file() { read(file) } else { read(Awaited { file, silence: MAX_SILENCE, begun: false }) }
}

/// Opens a file without waiting for the other end of a pipe.
pub fn open_at_once(options: &mut OpenOptions, path: &Path) -> io::Result<File> {
    options.custom_flags(rustix::fs::OFlags::NONBLOCK.bits() as i32).open(path)
}

fn read(file: impl Read) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    file.take(MAX_LEN as u64 + 1).read_to_end(&mut bytes)?;
    if bytes.len() > MAX_LEN { Err(io::Error::other("is longer than 1 MiB")) } else { Ok(bytes) }
}

/// A pipe or a device, whose writer and end may be late.
struct Awaited {
    file: File,
    silence: Duration,
    begun: bool,
}

impl Read for Awaited {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut waited = false;
        loop {
            match self.file.read(buffer) {
                // a pipe also returns 0 while its other end was not opened
                Ok(0) if !self.begun && !waited => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                other => {
                    self.begun = true;
                    return other;
                }
            }
            let limit = Timespec { tv_sec: self.silence.as_secs() as _, tv_nsec: self.silence.subsec_nanos() as _ };
            if poll(&mut [PollFd::new(&self.file, PollFlags::IN)], Some(&limit))? == 0 {
                let why = format!("nothing has come through it for {} s", self.silence.as_secs());
                return Err(io::Error::new(ErrorKind::TimedOut, why));
            }
            waited = true;
        }
    }
}

/// Runs `work` in a thread that may wait for disks; fails if the disk blocks.
pub async fn aside<T: Send + 'static, E: From<io::Error> + Send + 'static>(
    lane: Lane,
    work: impl FnOnce() -> Result<T, E> + Send + 'static,
) -> Result<T, E> {
    let done = READERS.perform(lane, Use::Download, DISK_TIMEOUT, work).await;
    done.unwrap_or_else(|error| match error.kind() {
        ErrorKind::TimedOut => {
            let why = format!("the disk has not answered for {} s", DISK_TIMEOUT.as_secs());
            Err(io::Error::new(ErrorKind::TimedOut, why).into())
        }
        _ => Err(error.into()),
    })
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::os::fd::AsRawFd;
    use std::path::PathBuf;
    use std::sync::mpsc::sync_channel;

    use rustix::fs::{CWD, FileType, Mode, mknodat};

    use super::*;

    /// A path for one test.
    fn path(name: &str) -> PathBuf {
        let path = std::env::temp_dir().join(format!("runnel-small-{}-{name}", std::process::id()));
        let _ = std::fs::remove_file(&path);
        path
    }

    fn why(read: io::Result<Vec<u8>>) -> String {
        read.map(|bytes| bytes.len()).unwrap_err().to_string()
    }

    #[test]
    fn what_has_no_end_or_no_beginning_is_refused() {
        assert_eq!(why(read_small(Path::new("/dev/zero"))), "is not a regular file");
        assert_eq!(why(read_small(Path::new("/dev"))), "is not a regular file");
        assert_eq!(why(read_once(Path::new("/dev/zero"))), "is longer than 1 MiB");
        assert_eq!(read_once(Path::new("/dev/null")).unwrap(), b"");
        let file = path("long");
        std::fs::write(&file, vec![b'#'; MAX_LEN]).unwrap();
        assert_eq!(read_small(&file).unwrap().len(), MAX_LEN);
        OpenOptions::new().append(true).open(&file).unwrap().write_all(b"#").unwrap();
        assert_eq!(why(read_small(&file)), "is longer than 1 MiB");
        assert_eq!(why(read_once(&file)), "is longer than 1 MiB");
        std::fs::remove_file(&file).unwrap();
        let pipe = path("pipe");
        mknodat(CWD, &pipe, FileType::Fifo, Mode::from_raw_mode(0o600), 0).unwrap();
        assert_eq!(why(read_small(&pipe)), "is a pipe, which cannot be read a second time");
        let file = open_at_once(OpenOptions::new().read(true), &pipe).unwrap();
        let silent = read(Awaited { file, silence: Duration::from_millis(10), begun: false });
        assert!(why(silent).starts_with("nothing has come through it"));
        std::fs::remove_file(&pipe).unwrap();
    }

    #[test]
    fn what_comes_through_a_pipe_is_read_to_its_end() {
        let path = |pipe: &io::PipeReader| PathBuf::from(format!("/proc/self/fd/{}", pipe.as_raw_fd()));
        // the writer closes the pipe before it is read, as with a shell's process substitution
        let (pipe, mut writer) = io::pipe().unwrap();
        writer.write_all(b"threads = 1\n").unwrap();
        drop(writer);
        assert_eq!(read_once(&path(&pipe)).unwrap(), b"threads = 1\n");
        // the writer is slow
        let (pipe, mut writer) = io::pipe().unwrap();
        let (go, begins) = sync_channel(0);
        let late = std::thread::spawn(move || {
            begins.recv().unwrap();
            for _ in 0..50_000 {
                writer.write_all(b"# twenty bytes each\n").unwrap();
            }
        });
        go.send(()).unwrap();
        assert_eq!(read_once(&path(&pipe)).unwrap().len(), 1_000_000);
        late.join().unwrap();
    }
}
