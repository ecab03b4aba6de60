//! Sorts any number of lines. Those that exceed a window in memory are written to an unnamed file, in sorted runs.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::fs::{self, File};
use std::io::{self, BufWriter, Seek, SeekFrom, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use super::file;

/// The maximum number of lines, and of their bytes, that are kept in memory.
const MAX_LINES: usize = 256;
const MAX_BYTES: usize = 24 << 10;
/// The number of runs that are merged into one.
const MERGED_RUNS: usize = 8;
/// Bytes of a run that are read at once; also the maximum length of a line.
const PIECE: usize = 1 << 10;
/// The name of the file until it is unlinked.
const NAME: &str = ".runnel-sort";

/// Collects lines in any order. A line contains no line feed, and is shorter than `PIECE` bytes.
pub struct Sorter {
    folder: PathBuf,
    window: Vec<String>,
    bytes: usize,
    file: Option<File>,
    runs: Vec<Run>,
}

/// A run of sorted lines in the file.
struct Run {
    /// The number of times that its lines were merged.
    level: u32,
    at: u64,
    end: u64,
}

/// Sorted lines.
pub struct Lines {
    file: Option<File>,
    runs: Vec<Reader>,
    /// The first line of each run, and the lines that are in no run.
    first: BinaryHeap<Reverse<(String, usize)>>,
}

struct Reader {
    run: Run,
    piece: Vec<u8>,
    /// The number of bytes of `piece` that were used.
    done: usize,
}

impl Sorter {
    /// A sorter that creates its file in `folder` if it is needed.
    pub fn new(folder: &Path) -> Self {
        Self { folder: folder.into(), window: Vec::new(), bytes: 0, file: None, runs: Vec::new() }
    }

    /// Adds a line.
    pub fn add(&mut self, line: String) -> io::Result<()> {
        if line.len() >= PIECE || line.contains('\n') {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        if self.window.len() >= MAX_LINES || self.bytes + line.len() > MAX_BYTES {
            self.spill()?;
        }
        self.bytes += line.len();
        self.window.push(line);
        Ok(())
    }

    /// Gives all lines, sorted.
    pub fn into_lines(mut self) -> io::Result<Lines> {
        while self.runs.len() > MERGED_RUNS {
            self.merge()?;
        }
        let mut lines = Lines::of(self.file, self.runs)?;
        lines.first.extend(self.window.into_iter().map(|line| Reverse((line, usize::MAX))));
        Ok(lines)
    }

    fn spill(&mut self) -> io::Result<()> {
        self.window.sort_unstable();
        self.bytes = 0;
        let mut lines = std::mem::take(&mut self.window).into_iter();
        self.write(0, &mut || Ok(lines.next()))?;
        let is_same = |runs: &[Run]| runs.windows(2).all(|pair| matches!(pair, [a, b] if a.level == b.level));
        while self.runs.len() >= MERGED_RUNS && self.runs.get(self.runs.len() - MERGED_RUNS..).is_some_and(is_same) {
            self.merge()?;
        }
        Ok(())
    }

    /// Merges the last runs into one.
    fn merge(&mut self) -> io::Result<()> {
        let last = self.runs.split_off(self.runs.len().saturating_sub(MERGED_RUNS));
        let level = last.iter().map(|run| run.level).max().unwrap_or(0) + 1;
        let file = self.file.as_ref().map(File::try_clone).transpose()?;
        let mut lines = Lines::of(file, last)?;
        self.write(level, &mut || lines.next())
    }

    fn write(&mut self, level: u32, next: &mut dyn FnMut() -> io::Result<Option<String>>) -> io::Result<()> {
        if self.file.is_none() {
            let path = self.folder.join(NAME);
            self.file = Some(file::make(&path)?);
            // the file disappears in any case when it is closed
            fs::remove_file(path)?;
        }
        let Some(file) = &self.file else { return Ok(()) };
        let at = (&mut &*file).seek(SeekFrom::End(0))?;
        let mut out = BufWriter::with_capacity(4 << 10, file);
        while let Some(line) = next()? {
            out.write_all(line.as_bytes())?;
            out.write_all(b"\n")?;
        }
        out.flush()?;
        drop(out);
        self.runs.push(Run { level, at, end: (&mut &*file).stream_position()? });
        Ok(())
    }
}

impl Lines {
    /// No lines.
    pub fn none() -> Self {
        Self { file: None, runs: Vec::new(), first: BinaryHeap::new() }
    }

    fn of(file: Option<File>, runs: Vec<Run>) -> io::Result<Self> {
        let readers = runs.into_iter().map(|run| Reader { run, piece: Vec::new(), done: 0 });
        let mut lines = Self { file, runs: readers.collect(), first: BinaryHeap::new() };
        (0..lines.runs.len()).try_for_each(|run| lines.take_from(run))?;
        Ok(lines)
    }

    /// The next line, which is not removed.
    pub fn first(&self) -> Option<&str> {
        self.first.peek().map(|Reverse((line, _))| line.as_str())
    }

    /// Removes and gives the next line.
    #[allow(clippy::should_implement_trait, reason = "it may fail")]
    pub fn next(&mut self) -> io::Result<Option<String>> {
        let Some(Reverse((line, run))) = self.first.pop() else { return Ok(None) };
        self.take_from(run)?;
        Ok(Some(line))
    }

    fn take_from(&mut self, run: usize) -> io::Result<()> {
        if let (Some(reader), Some(file)) = (self.runs.get_mut(run), &self.file)
            && let Some(line) = reader.next(file)?
        {
            self.first.push(Reverse((line, run)));
        }
        Ok(())
    }
}

impl Reader {
    fn next(&mut self, file: &File) -> io::Result<Option<String>> {
        loop {
            let rest = self.piece.get(self.done..).unwrap_or_default();
            if let Some(len) = rest.iter().position(|byte| *byte == b'\n') {
                let line = rest.get(..len).unwrap_or_default();
                let line = String::from_utf8(line.to_vec()).map_err(io::Error::other)?;
                self.done += len + 1;
                return Ok(Some(line));
            }
            if self.run.at >= self.run.end {
                return Ok(None);
            }
            self.piece.drain(..self.done);
            self.done = 0;
            let held = self.piece.len();
            let left = usize::try_from(self.run.end - self.run.at).unwrap_or(usize::MAX);
            self.piece.resize(held + left.min(PIECE), 0);
            file.read_exact_at(self.piece.get_mut(held..).unwrap_or_default(), self.run.at)?;
            self.run.at += (self.piece.len() - held) as u64;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn however_many_there_are_they_come_in_their_order() {
        let folder = std::env::temp_dir().join(format!("runnel-sorted-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        for count in [0, 1, 255, 256, 257, 2100, 20_000, 40_000] {
            let mut sorter = Sorter::new(&folder);
            let line = |at: usize| format!("{:016x} 门-{at}.ts", at.wrapping_mul(0x9e37_79b9) % 100_003);
            (0..count).for_each(|at| sorter.add(line(at)).unwrap());
            assert!(
                sorter.window.len() <= MAX_LINES && sorter.runs.len() <= 3 * MERGED_RUNS,
                "{count}: {}",
                sorter.runs.len()
            );
            assert_eq!(fs::read_dir(&folder).unwrap().count(), 0);
            let mut expected: Vec<_> = (0..count).map(line).collect();
            expected.sort_unstable();
            let (mut lines, mut sorted) = (sorter.into_lines().unwrap(), Vec::new());
            assert!(lines.runs.len() <= MERGED_RUNS);
            while let Some(line) = lines.next().unwrap() {
                sorted.push(line);
            }
            assert!(sorted == expected, "{count}");
        }
        fs::remove_dir_all(&folder).unwrap();
    }

    #[test]
    fn long_lines_are_bounded_by_their_bytes() {
        let mut sorter = Sorter::new(&std::env::temp_dir());
        for at in 0..100 {
            sorter.add(format!("{}{at:03}", "x".repeat(PIECE - 4))).unwrap();
            assert!(sorter.bytes <= MAX_BYTES);
        }
        assert!(sorter.add("x".repeat(PIECE)).is_err() && sorter.add("a\nb".into()).is_err());
        let mut lines = sorter.into_lines().unwrap();
        assert!((0..100).all(|at| lines.next().unwrap().unwrap().ends_with(&format!("{at:03}"))));
        assert_eq!(lines.next().unwrap(), None);
    }
}
