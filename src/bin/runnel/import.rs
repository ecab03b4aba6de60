//! `runnel import`: makes a configuration from one of lal.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::{fmt, fs, io};

use runnel::conf::Config;
use runnel::lal::{Unreadable, import as translate};

use crate::arguments::{HELP, IMPORT, Usage, config_file};
use crate::failure::Failure;
use crate::print;

/// A file that cannot be imported.
#[derive(Debug)]
pub struct Unimported {
    file: PathBuf,
    why: Why,
}

#[derive(Debug)]
enum Why {
    Read(io::Error),
    Translate(Unreadable),
}

/// Runs the command with the arguments after the word `import`.
pub fn import(args: impl Iterator<Item = OsString>) -> Result<(), Failure> {
    let args: Vec<_> = args.collect();
    let [file] = <[OsString; 1]>::try_from(args).map_err(|_| Usage::Wants("import", "a FILE"))?;
    if file == "-h" || file == "--help" {
        print(format_args!("{HELP}{IMPORT}"));
        return Ok(());
    }
    let toml = translated(&config_file(file))?;
    print(&toml);
    // a path or address that is only accepted there is told after the text, with its line
    Ok(Config::parse("the text above", &toml).map(drop)?)
}

fn translated(file: &Path) -> Result<String, Unimported> {
    let unimported = |why| Unimported { file: file.into(), why };
    let json = fs::read_to_string(file).map_err(|error| unimported(Why::Read(error)))?;
    translate(&json).map_err(|error| unimported(Why::Translate(error)))
}

impl fmt::Display for Unimported {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.file.display())?;
        match &self.why {
            Why::Read(error) => error.fmt(f),
            Why::Translate(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for Unimported {}
