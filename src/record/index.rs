//! The index of a folder of recordings, in the order in which they were made. It is a file in the folder, needed
//! because names only contain the time of a clock that may be wrong.
//!
//! Each recording has a line: a sign, its size, its name. A line is added when a recording begins, and overwritten
//! in place when it ends or is deleted. Errors in the file are mended from the folder (`heal`), so the file may be
//! lost.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufRead, BufReader, BufWriter, Read, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use crate::listing::{self, FAULTS};

/// The index of one folder.
#[derive(Debug)]
pub(super) struct Index {
    folder: PathBuf,
    /// True if writes are synced to the disk.
    sync: bool,
}

/// The file's name, which is hidden so that it is not mistaken for a recording.
pub(super) const NAME: &str = ".runnel-index";
const NEW: &str = ".runnel-index.new";
const HEAD: &str = "# runnel: the recordings here in their order. It is written anew if it is lost.\n";
/// The maximum length of a line, given by the length of names.
const MAX_LINE: u64 = 1024;
/// The number of hexadecimal digits of the size, and the length of sign and size before the name.
const DIGITS: usize = 12;
const PREFIX: usize = DIGITS + 3;

/// The state of a recording.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// It is being written, or was at a power failure.
    Open,
    Whole,
    Gone,
}

/// A line of the index.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Line<'a> {
    /// Its offset in the file.
    pub(super) at: u64,
    pub(super) state: State,
    pub(super) size: u64,
    /// The name, relative to the folder.
    pub(super) name: &'a str,
}

/// Writes further lines before a line, or at the end.
type Before<'a> = dyn FnMut(Option<Line<'_>>, &mut dyn Write) -> io::Result<()> + 'a;

impl Index {
    pub(super) fn new(folder: &Path, sync: bool) -> Self {
        Self { folder: folder.into(), sync }
    }

    /// True if writes are synced to the disk.
    pub(super) fn syncs(&self) -> bool {
        self.sync
    }

    /// True if the index exists and can be read.
    pub(super) fn is_readable(&self) -> bool {
        self.open(OpenOptions::new().read(true)).is_ok()
    }

    /// True if the index exists and can be read and written.
    pub(super) fn is_usable(&self) -> bool {
        self.open(OpenOptions::new().read(true).write(true)).is_ok()
    }

    /// Replaces a file with the index's name that cannot be used as an index.
    pub(super) fn replace_useless(&self) -> io::Result<()> {
        let path = self.folder.join(NAME);
        let error = match self.open(OpenOptions::new().read(true).write(true)) {
            Err(error) if listing::is_useless(&path, &error) => error,
            _ => return Ok(()),
        };
        // an index that can only be read is copied
        if self.open(OpenOptions::new().read(true)).is_ok() && self.rewrite(&mut |_, _| Ok(())).is_ok() {
            return Ok(());
        }
        let remedy =
            |left| io::Error::other(format!("{}: {error}; it cannot be replaced: {left}; delete it", path.display()));
        listing::put_aside(&path).map_err(remedy)?;
        log::warn!("{}: {error}: another is written from the names of the recordings", path.display());
        Ok(())
    }

    fn open(&self, options: &mut OpenOptions) -> io::Result<File> {
        listing::open(&self.folder.join(NAME), options)
    }

    /// Passes all lines to `show`, in order. Gives whether some could not be read. A missing index has no lines.
    pub(super) fn each(&self, show: &mut dyn FnMut(Line<'_>)) -> io::Result<bool> {
        let mut file = match self.open(OpenOptions::new().read(true)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
            file => BufReader::with_capacity(8 << 10, file?),
        };
        let (mut at, mut damaged, mut text, mut ended, mut left) = (0, false, Vec::new(), true, FAULTS);
        loop {
            text.clear();
            if left == 0 {
                return Ok(true);
            }
            // after a read error the rest is restored from the folder
            let Ok(read) = (&mut file).take(MAX_LINE).read_until(b'\n', &mut text) else { return Ok(true) };
            let read = read as u64;
            if read == 0 {
                return Ok(damaged || !ended);
            }
            let begins = std::mem::replace(&mut ended, text.ends_with(b"\n"));
            match Line::parse(at, &text).filter(|_| begins && ended) {
                Some(line) => show(line),
                None => {
                    damaged |= !text.starts_with(b"#");
                    left = left.saturating_sub(text.len());
                }
            }
            at += read;
        }
    }

    /// Adds a recording at the end. Gives the offset of its line.
    pub(super) fn add(&self, state: State, size: u64, name: &str) -> io::Result<u64> {
        let path = self.folder.join(NAME);
        let is_new = !path.exists();
        let file = self.open(OpenOptions::new().read(true).write(true).create(true).truncate(false))?;
        let len = file.metadata()?.len();
        let mut last = [b'\n'];
        if len > 0 {
            file.read_exact_at(&mut last, len - 1)?;
        }
        // a power failure may have cut off the last line
        let before = if last != [b'\n'] { "\n" } else { "" };
        let before = if len == 0 { HEAD } else { before };
        let written = file.write_all_at(format!("{before}{}", write(state, size, name)).as_bytes(), len);
        // an incomplete line would damage the next
        written.inspect_err(|_| _ = file.set_len(len))?;
        self.sync_file(&file)?;
        if is_new {
            self.bring_folder(&self.folder)?;
        }
        Ok(len + before.len() as u64)
    }

    /// Writes the state and size of a recording over its line at `at`, or searches for its line.
    pub(super) fn set(&self, at: u64, state: State, size: u64, name: &str) -> io::Result<()> {
        let file = self.open(OpenOptions::new().read(true).write(true))?;
        let line = write(state, size, name);
        let mut there = vec![0; line.len()];
        let is_it =
            file.read_exact_at(&mut there, at).is_ok() && Line::parse(at, &there).is_some_and(|line| line.name == name);
        let mut at = is_it.then_some(at);
        if at.is_none() {
            self.each(&mut |line| at = if line.name == name { Some(line.at) } else { at })?;
        }
        match at {
            Some(at) => {
                file.write_all_at(line.get(..PREFIX).unwrap_or_default().as_bytes(), at)?;
                self.sync_file(&file)
            }
            None if state == State::Gone => Ok(()),
            None => self.add(state, size, name).map(|_| ()),
        }
    }

    /// Marks the lines at these offsets as deleted.
    pub(super) fn remove(&self, lines: &[u64]) -> io::Result<()> {
        let file = self.open(OpenOptions::new().write(true))?;
        lines.iter().try_for_each(|at| file.write_all_at(b"-", *at))?;
        self.sync_file(&file)
    }

    /// Marks the lines for whose names `is_gone` is true. Gives their number.
    pub(super) fn mark(&self, is_gone: &dyn Fn(&str) -> bool) -> io::Result<usize> {
        let file = self.open(OpenOptions::new().write(true))?;
        let (mut marked, mut result) = (0, Ok(()));
        self.each(&mut |line| {
            if result.is_ok() && line.state != State::Gone && is_gone(line.name) {
                result = file.write_all_at(b"-", line.at);
                marked += 1;
            }
        })?;
        result?;
        self.sync_file(&file)?;
        Ok(marked)
    }

    /// Rewrites the index without deleted files. `before` may write lines before each line and before the end.
    pub(super) fn rewrite(&self, before: &mut Before<'_>) -> io::Result<()> {
        let new = self.folder.join(NEW);
        let mut out = BufWriter::new(listing::make(&new)?);
        out.write_all(HEAD.as_bytes())?;
        let mut result = Ok(());
        let mut copy = |line: Line<'_>| {
            if result.is_ok() && line.state != State::Gone {
                result = before(Some(line), &mut out)
                    .and_then(|()| out.write_all(write(line.state, line.size, line.name).as_bytes()));
            }
        };
        self.each(&mut copy)?;
        result?;
        before(None, &mut out)?;
        let file = out.into_inner().map_err(io::IntoInnerError::into_error)?;
        self.sync_file(&file)?;
        fs::rename(new, self.folder.join(NAME))?;
        self.bring_folder(&self.folder)
    }

    fn sync_file(&self, file: &File) -> io::Result<()> {
        if self.sync { file.sync_all() } else { Ok(()) }
    }

    /// Syncs the names in a folder to the disk.
    pub(super) fn bring_folder(&self, folder: &Path) -> io::Result<()> {
        listing::bring_folder(folder, self.sync)
    }
}

/// The text of a line.
pub(super) fn write(state: State, size: u64, name: &str) -> String {
    let sign = match state {
        State::Open => 'o',
        State::Whole => '+',
        State::Gone => '-',
    };
    let size = size.min((1 << (4 * DIGITS)) - 1);
    format!("{sign} {size:0DIGITS$x} {name}\n")
}

impl<'a> Line<'a> {
    fn parse(at: u64, text: &'a [u8]) -> Option<Self> {
        let text = std::str::from_utf8(text).ok()?.strip_suffix('\n')?;
        let (prefix, name) = (text.get(..PREFIX)?, text.get(PREFIX..)?);
        let state = match prefix.get(..2)? {
            "o " => State::Open,
            "+ " => State::Whole,
            "- " => State::Gone,
            _ => return None,
        };
        let size = u64::from_str_radix(prefix.get(2..)?.strip_suffix(' ')?, 16).ok()?;
        (!name.is_empty()).then_some(Self { at, state, size, name })
    }
}

#[cfg(test)]
mod tests {
    use super::super::scratch::Scratch;
    use super::*;

    fn read(index: &Index) -> (Vec<(State, u64, String)>, bool) {
        let mut lines = Vec::new();
        let damaged = index.each(&mut |line| lines.push((line.state, line.size, line.name.into()))).unwrap();
        (lines, damaged)
    }

    #[test]
    fn lines_are_added_and_written_over_in_place() {
        let scratch = Scratch::new();
        let index = Index::new(&scratch.0, true);
        let a = index.add(State::Open, 0, "a-1.ts").unwrap();
        index.add(State::Open, 0, "b/b-1-0.ts").unwrap();
        index.set(a, State::Whole, 77, "a-1.ts").unwrap();
        // the line is found wherever it is
        index.set(a, State::Whole, 5 << 40, "b/b-1-0.ts").unwrap();
        let expected = [(State::Whole, 77, "a-1.ts".into()), (State::Whole, 5 << 40, "b/b-1-0.ts".into())];
        assert_eq!(read(&index), (expected.to_vec(), false));
        index.remove(&[a]).unwrap();
        index
            .rewrite(&mut |line, out| if line.is_none() { out.write_all(b"+ 000000000001 c\n") } else { Ok(()) })
            .unwrap();
        let names: Vec<_> = read(&index).0.into_iter().map(|(_, _, name)| name).collect();
        assert_eq!(names, ["b/b-1-0.ts", "c"]);
    }

    #[test]
    fn what_a_loss_of_power_leaves_is_passed_over() {
        let scratch = Scratch::new();
        let index = Index::new(&scratch.0, false);
        index.add(State::Whole, 1, "a-1.ts").unwrap();
        index.add(State::Whole, 2, "a-2.ts").unwrap();
        let path = scratch.0.join(NAME);
        let whole = fs::read(&path).unwrap();
        for cut in 0..whole.len() {
            // the last line cut off, or with zeros after it, more than a line may have
            for zeros in [0, 5000] {
                let mut text = whole[..cut].to_vec();
                text.resize(cut + zeros, 0);
                fs::write(&path, &text).unwrap();
                index.add(State::Whole, 3, "a-3.ts").unwrap();
                let (lines, _) = read(&index);
                assert_eq!(lines.last().map(|(_, size, name)| (*size, name.as_str())), Some((3, "a-3.ts")), "{cut}");
                assert!(lines.len() <= 3, "{lines:?}");
            }
        }
    }
}
