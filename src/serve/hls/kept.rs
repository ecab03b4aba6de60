//! A folder whose segments are kept for good, although later ones are not. A list names the segments to be deleted
//! there, because names and dates of files depend on the clock of their time.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufRead, BufReader, BufWriter, ErrorKind, Read, Write};
use std::os::unix::fs::FileExt;
use std::path::Path;

use super::store::remove;
use crate::listing::{self, FAULTS, bring_folder};

/// The file that marks a folder whose segments are kept for good.
const KEPT: &str = ".kept";
/// The list of segments that are not kept, and its name until it is complete.
const TEMPORARY: &str = ".temporary";
const UNFINISHED: &str = ".temporary.new";
/// The longest line, in bytes: names are shorter.
const MAX_LINE: u64 = 1024;
/// The length of the list, in bytes, above which it is shortened if segments are deleted soon: most that it names are
/// deleted then.
const MAX_LIST: u64 = 64 << 10;

/// True if the folder has segments that are kept for good.
pub(super) fn is_kept(folder: &Path) -> io::Result<bool> {
    folder.join(KEPT).try_exists()
}

/// Marks all present segments as kept for good.
pub(super) fn keep(folder: &Path) -> io::Result<()> {
    File::options().write(true).create(true).truncate(false).open(folder.join(KEPT))?;
    remove(&folder.join(TEMPORARY))
}

/// Lists a segment for deletion, before it is written.
pub(super) fn lend(folder: &Path, name: &str, soon: bool, sync: bool) -> io::Result<()> {
    let path = folder.join(TEMPORARY);
    let open = || listing::open(&path, OpenOptions::new().read(true).write(true).create(true).truncate(false));
    let mut file = open()?;
    if soon && file.metadata()?.len() > MAX_LIST {
        shorten(folder, sync)?;
        file = open()?;
    }
    let len = file.metadata()?.len();
    // a power loss may have cut off the last line
    let line = format!("\n{name}\n");
    let mut last = vec![0; line.len()];
    let is_listed = len >= line.len() as u64
        && file.read_exact_at(&mut last, len - line.len() as u64).is_ok()
        && last == line.as_bytes();
    if !is_listed {
        file.write_all_at(line.as_bytes(), len)?;
    }
    if sync {
        file.sync_all()?;
    }
    if len == 0 { bring_folder(folder, sync) } else { Ok(()) }
}

/// Deletes the listed segments for which `is_left` is true.
pub(super) fn clear(folder: &Path, is_left: &dyn Fn(&Path) -> bool) -> io::Result<()> {
    let mut removed = Ok(());
    // a segment that cannot be removed does not stop the rest
    let listed = each(folder, &mut |name| {
        if is_left(Path::new(name)) {
            removed = std::mem::replace(&mut removed, Ok(())).and(remove(&folder.join(name)));
        }
        Ok(())
    });
    listed.and(removed)
}

/// Removes deleted segments from the list. A stream that writes there has listed some.
pub(super) fn forget(folder: &Path, is_used: bool, sync: bool) -> io::Result<()> {
    if is_used { shorten(folder, sync) } else { remove(&folder.join(TEMPORARY)) }
}

/// Rewrites the list without deleted segments.
fn shorten(folder: &Path, sync: bool) -> io::Result<()> {
    let new = folder.join(UNFINISHED);
    let mut out = BufWriter::new(listing::make(&new)?);
    each(folder, &mut |name| {
        if folder.join(name).try_exists().unwrap_or(true) { write!(out, "\n{name}\n") } else { Ok(()) }
    })?;
    let file = out.into_inner().map_err(io::IntoInnerError::into_error)?;
    if sync {
        file.sync_all()?;
    }
    fs::rename(new, folder.join(TEMPORARY))?;
    bring_folder(folder, sync)
}

/// Passes the listed names to `show`. The list may be missing.
fn each(folder: &Path, show: &mut dyn FnMut(&str) -> io::Result<()>) -> io::Result<()> {
    let mut file = match listing::open(&folder.join(TEMPORARY), OpenOptions::new().read(true)) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        file => BufReader::new(file?),
    };
    let (mut text, mut left) = (Vec::new(), FAULTS);
    while left > 0 {
        text.clear();
        if (&mut file).take(MAX_LINE).read_until(b'\n', &mut text)? == 0 {
            return Ok(());
        }
        let name = std::str::from_utf8(&text).ok().and_then(|line| line.strip_suffix('\n'));
        match name.filter(|name| !name.contains(['/', '\0'])) {
            Some("") => {}
            Some(name) => show(name)?,
            None => left = left.saturating_sub(text.len()),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_listed_goes_and_a_list_of_what_is_gone_stays_short() {
        let folder = std::env::temp_dir().join(format!("runnel-kept-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let make = |name: &str| fs::write(folder.join(name), "a segment").unwrap();
        let len = || folder.join(TEMPORARY).metadata().unwrap().len();
        keep(&folder).unwrap();
        make("cam-1700000000000-0.ts");
        let name = |at: usize| format!("cam-1600000000000-{at}.ts");
        for at in 0..5000 {
            lend(&folder, &name(at), true, false).unwrap();
            make(&name(at));
            let listed = len();
            lend(&folder, &name(at), true, false).unwrap();
            assert!(len() <= listed && listed < MAX_LIST + 100, "{at}: {listed}");
            if at >= 5 {
                fs::remove_file(folder.join(name(at - 5))).unwrap();
            }
        }
        // a power loss has cut off a line, and other programs have written invalid names
        let mut text = fs::read(folder.join(TEMPORARY)).unwrap();
        text.extend_from_slice(b"\ncam-1700000000000-0.t\0\n../x/cam-1700000000000-0.ts\ncam-17000");
        fs::write(folder.join(TEMPORARY), text).unwrap();
        lend(&folder, &name(5000), false, true).unwrap();
        make(&name(5000));
        clear(&folder, &|file| super::super::store::is_segment(file, "cam")).unwrap();
        forget(&folder, false, true).unwrap();
        let mut left: Vec<_> = fs::read_dir(&folder).unwrap().map(|file| file.unwrap().file_name()).collect();
        left.sort();
        fs::remove_dir_all(&folder).unwrap();
        assert_eq!(left, [KEPT, "cam-1700000000000-0.ts"]);
    }
}
