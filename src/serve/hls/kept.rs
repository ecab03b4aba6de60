//! A folder whose segments are kept for good, though those that come later are not: a list names the
//! segments to be deleted there, since names and dates of files say only what the clock was.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufRead, BufReader, BufWriter, ErrorKind, Read, Write};
use std::os::unix::fs::FileExt;
use std::path::Path;

use super::store::remove;
use crate::listing::{self, FAULTS, bring_folder};

/// The file that marks a folder whose segments are kept for good.
const KEPT: &str = ".kept";
/// The list of segments that are not kept, and its name until it is whole.
const TEMPORARY: &str = ".temporary";
const UNFINISHED: &str = ".temporary.new";
/// No line is longer: names are not.
const LONGEST: u64 = 1024;
/// If segments are deleted soon, a list of more bytes names hardly any that are there.
const MANY: u64 = 64 << 10;

/// Whether segments are there that are kept for good.
pub(super) fn is_kept(folder: &Path) -> io::Result<bool> {
    folder.join(KEPT).try_exists()
}

/// All that is there is kept for good from here on.
pub(super) fn keep(folder: &Path) -> io::Result<()> {
    File::options().write(true).create(true).truncate(false).open(folder.join(KEPT))?;
    remove(&folder.join(TEMPORARY))
}

/// Lists a segment as one that is to be deleted, before it is there.
pub(super) fn lend(folder: &Path, name: &str, soon: bool, sync: bool) -> io::Result<()> {
    let path = folder.join(TEMPORARY);
    let open = || listing::open(&path, OpenOptions::new().read(true).write(true).create(true).truncate(false));
    let mut file = open()?;
    if soon && file.metadata()?.len() > MANY {
        shorten(folder, sync)?;
        file = open()?;
    }
    let len = file.metadata()?.len();
    // a loss of power may have cut the last line off
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

/// Deletes those that are listed and were left there.
pub(super) fn clear(folder: &Path, is_left: &dyn Fn(&Path) -> bool) -> io::Result<()> {
    let mut removed = Ok(());
    // each of them: one that cannot be removed keeps no other
    let listed = each(folder, &mut |name| {
        if is_left(Path::new(name)) {
            removed = std::mem::replace(&mut removed, Ok(())).and(remove(&folder.join(name)));
        }
        Ok(())
    });
    listed.and(removed)
}

/// Lists no more of those that are gone. A stream that writes there has lent some.
pub(super) fn forget(folder: &Path, is_used: bool, sync: bool) -> io::Result<()> {
    if is_used { shorten(folder, sync) } else { remove(&folder.join(TEMPORARY)) }
}

/// Writes the list anew without those that are gone.
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

/// Shows the names that are listed. There need be no list.
fn each(folder: &Path, show: &mut dyn FnMut(&str) -> io::Result<()>) -> io::Result<()> {
    let mut file = match listing::open(&folder.join(TEMPORARY), OpenOptions::new().read(true)) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        file => BufReader::new(file?),
    };
    let (mut text, mut left) = (Vec::new(), FAULTS);
    while left > 0 {
        text.clear();
        if (&mut file).take(LONGEST).read_until(b'\n', &mut text)? == 0 {
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
            assert!(len() <= listed && listed < MANY + 100, "{at}: {listed}");
            if at >= 5 {
                fs::remove_file(folder.join(name(at - 5))).unwrap();
            }
        }
        // a loss of power cut a line off, and others wrote what is no name
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
