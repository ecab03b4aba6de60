//! The command line.

use std::ffi::{OsStr, OsString};
use std::fmt;
use std::path::PathBuf;

use runnel::conf::REFERENCE;
#[cfg(feature = "record")]
use runnel::conf::Wrong;

use crate::print;

/// The help.
pub const HELP: &str = "\
Usage: runnel [-c FILE] [--check | --plan | --make-cert | --hash | --reference]

  -c, --config FILE   read the configuration from FILE, or from standard input
                      if FILE is -; the default is embedded in the program
      --check         check the configuration, and the files, folders and the
                      user that it names on this machine, and exit
      --plan          print how much memory the configuration takes at most, on
                      any machine, and exit
      --make-cert     write a self-signed certificate and its key to the files
                      tls.cert and tls.key, by default cert.pem and key.pem in
                      the current folder, and exit
      --hash          read a password from standard input, print the hashes that
                      a configuration may have in its place, and exit
      --reference     print all keys of the configuration with their meaning,
                      and exit
  -V, --version       print the version and exit
  -h, --help          print this help and exit

SIGHUP reads FILE again, SIGTERM and SIGINT end the program. Exit codes:
64 an argument is wrong; 78 the configuration, or what it names, has to be
changed before a start; 71 another try may succeed: a port is in use, or an
address does not exist yet. --check exits as a start would, or with 69 if the
server would start without a certificate, file or folder; --make-cert exits with
73 if its files exist or cannot be written. RUST_LOG sets the log level: error,
warn, info or debug.
";

/// The help for `runnel push`.
#[cfg(feature = "record")]
pub const PUSH: &str = "
Usage: runnel push [OPTION...] FILE URL

Sends FILE (FLV, MPEG-TS or MP4) at its own speed to a URL that begins with
rtmp://, rtmps://, rtsp:// or rtsps://, and exits at the end of the file.

      --loop          repeat the file without end
      --speed NUMBER  send NUMBER times as fast, from 0.01 to 100
      --udp           send RTSP over UDP
      --ca FILE       trust certificates of the authorities in FILE
      --insecure      trust any certificate
  -c, --config FILE   as above; its limits of frames and memory apply
";
#[cfg(not(feature = "record"))]
pub const PUSH: &str = "";

/// The help for `runnel import`.
#[cfg(feature = "api")]
pub const IMPORT: &str = "
Usage: runnel import FILE

Reads FILE, the lalserver.conf.json of lal, and prints a configuration that does
the same here; comments name what has no counterpart. Exits with 65 if FILE is
not one of lal, and with 78 if a value has to be corrected by hand.
";
#[cfg(not(feature = "api"))]
pub const IMPORT: &str = "";

/// The help for `runnel ctl`.
#[cfg(feature = "api")]
pub const CTL: &str = "
Usage: runnel ctl [OPTION...] COMMAND

Asks a running server by its API, and prints the answer.

  streams             list streams; stream NAME tells of one
  sessions            list publishers and viewers; kick ID ends one
  relays, recordings, blacklist, plan, log, config, info
                      tell of those
  reload              have the configuration read again
  get PATH, post PATH [JSON], delete PATH
                      any request; PATH is below /api/v1/, or begins with /
      --json          print JSON as it comes
  -c, --config FILE   ask the server of FILE: at api.socket, else api.listen
      --socket PATH   ask at a Unix socket
      --url URL       ask at a URL; the default is http://127.0.0.1:8083

Exits with 69 if no server answers, or cannot do that now, with 77 if it lets
nobody do that from here, and with 65 if it refuses the request.
";
#[cfg(not(feature = "api"))]
pub const CTL: &str = "";

/// The task of a command line.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Task {
    Run,
    Check,
    Plan,
    MakeCertificate,
    Hash,
}

/// A fault of the command line.
#[derive(Debug)]
pub enum Usage {
    /// An unknown argument.
    Unknown(OsString),
    /// An argument that needs a value, and the kind of value.
    Wants(&'static str, &'static str),
    /// An argument that is not text.
    #[cfg(feature = "record")]
    NoText(&'static str),
    /// Standard input has no password.
    #[cfg(feature = "auth")]
    Password(std::io::Error),
    /// A second FILE.
    Twice,
    /// Two tasks in one command line.
    Errands(&'static str, &'static str),
    /// A URL to which streams cannot be sent.
    #[cfg(feature = "record")]
    Url(Wrong),
    /// A task that needs a feature.
    #[cfg(not(all(feature = "record", feature = "tls", feature = "auth", feature = "api")))]
    Feature(runnel::conf::MissingFeature),
}

const TASKS: [(&str, Task); 4] =
    [("--check", Task::Check), ("--plan", Task::Plan), ("--make-cert", Task::MakeCertificate), ("--hash", Task::Hash)];

/// The task and the file of the command line; `None` if it was answered already.
pub fn parse(mut args: impl Iterator<Item = OsString>) -> Result<Option<(Task, Option<PathBuf>)>, Usage> {
    let mut task: Option<(&str, Task)> = None;
    let mut file = None;
    while let Some(given) = args.next() {
        // one that is not text is unknown
        let arg = given.to_str().unwrap_or_default();
        let chosen = TASKS.into_iter().find(|(name, _)| *name == arg);
        match arg {
            "-c" | "--config" => {
                let name = args.next().ok_or(Usage::Wants("-c", "a FILE"))?;
                if file.replace(config_file(name)).is_some() {
                    return Err(Usage::Twice);
                }
            }
            "--reference" => return answer(REFERENCE),
            "-V" | "--version" => return answer(concat!("runnel ", env!("CARGO_PKG_VERSION"), "\n")),
            "-h" | "--help" => return answer(format_args!("{HELP}{PUSH}{IMPORT}{CTL}")),
            _ => match (task, chosen) {
                (_, None) => return Err(Usage::Unknown(given)),
                (Some((before, first)), Some((name, other))) if first != other => {
                    return Err(Usage::Errands(before, name));
                }
                _ => task = chosen,
            },
        }
    }
    Ok(Some((task.map_or(Task::Run, |(_, task)| task), file)))
}

/// Prints the answer, after which nothing is left to do.
fn answer<T>(words: impl fmt::Display) -> Result<Option<T>, Usage> {
    print(words);
    Ok(None)
}

/// The file that `-c` names.
pub fn config_file(name: OsString) -> PathBuf {
    if name == "-" { "/dev/stdin".into() } else { name.into() }
}

impl fmt::Display for Usage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown(arg) if is_file(arg) => write!(f, "unknown argument {arg:?}; write -c before a FILE"),
            Self::Unknown(arg) => write!(f, "unknown argument {arg:?}; runnel -h lists them"),
            Self::Wants(arg, what) => write!(f, "{arg} needs {what}"),
            #[cfg(feature = "record")]
            Self::NoText(arg) => write!(f, "{arg}: is not text in UTF-8"),
            #[cfg(feature = "auth")]
            Self::Password(error) => write!(f, "--hash reads a password from standard input: {error}"),
            Self::Twice => f.write_str("-c is given twice: only one FILE is read"),
            Self::Errands(one, other) => write!(f, "{one} and {other} cannot be combined: run it once for each"),
            #[cfg(feature = "record")]
            Self::Url(wrong) => write!(f, "URL: {wrong}"),
            #[cfg(not(all(feature = "record", feature = "tls", feature = "auth", feature = "api")))]
            Self::Feature(missing) => missing.fmt(f),
        }
    }
}

impl std::error::Error for Usage {}

/// True if an unknown argument is probably the file of the configuration.
fn is_file(arg: &OsStr) -> bool {
    let arg = arg.to_string_lossy();
    !arg.starts_with('-') || ["-c", "--config="].iter().any(|option| arg.starts_with(option))
}
