//! `runnel push`: sends a file to another server, and ends.

use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::Arc;

use runnel::conf::{self, Config};
use runnel::device;
use runnel::net::random;
use runnel::registry;
use runnel::relay::{Destination, Playback, Unsent, push_file};
use runnel::session::Core;
use smol::Executor;

use crate::arguments::{HELP, PUSH, Usage, config_file};
use crate::check::refusal;
use crate::failure::{Failure, System};
use crate::print;
use crate::source::Source;

/// The values of the command line.
#[derive(Debug)]
struct Push {
    /// The configuration, if it is not the embedded one.
    config: Option<PathBuf>,
    playing: Playback,
    to: Destination,
}

/// Runs the command with the arguments after the word `push`.
pub fn push(args: impl Iterator<Item = OsString>) -> Result<(), Failure> {
    random::open().map_err(System::Random)?;
    let Some(push) = Push::parse(args)? else {
        print(format_args!("{HELP}{PUSH}"));
        return Ok(());
    };
    let (config, source) = Source::load(push.config.clone())?;
    device::log::start(&config.log).map_err(|error| refusal(&config, &source, "log.target", &error))?;
    let threads = device::reserve_thread().and_then(|()| device::log::run());
    threads.map_err(|error| refusal(&config, &source, "threads", &error))?;
    Ok(push.run(config)?)
}

impl Push {
    /// Reads the arguments after the word `push`; `None` if they ask for help.
    fn parse(mut args: impl Iterator<Item = OsString>) -> Result<Option<Self>, Usage> {
        let (mut repeat, mut udp, mut insecure, mut speed) = (false, false, false, 1.0);
        let (mut config, mut ca, mut rest) = (None, OsString::new(), Vec::new());
        while let Some(arg) = args.next() {
            let mut value = |name| args.next().ok_or(Usage::Wants(name, "a value"));
            match arg.to_str() {
                Some("-h" | "--help") => return Ok(None),
                Some("--loop") => repeat = true,
                Some("--udp") => udp = true,
                Some("--insecure") => insecure = true,
                Some("--ca") => ca = value("--ca")?,
                Some("-c" | "--config") => config = Some(config_file(value("-c")?)),
                Some("--speed") => speed = parse_speed(&value("--speed")?)?,
                Some(other) if other.starts_with('-') => return Err(Usage::Unknown(arg)),
                _ => rest.push(arg),
            }
        }
        let [path, url] = <[OsString; 2]>::try_from(rest).map_err(|_| Usage::Wants("push", "a FILE and a URL"))?;
        let text = |name, text: OsString| text.into_string().map_err(|_| Usage::NoText(name));
        let (ca, url) = (text("--ca", ca)?, text("URL", url)?);
        let url = conf::Source::parse(&url).map_err(Usage::Url)?.0;
        let playing = Playback { path: path.into(), repeat, speed };
        Ok(Some(Self { config, playing, to: Destination { url, udp, insecure, ca } }))
    }

    /// Sends the file.
    fn run(self, mut config: Config) -> Result<(), Unsent> {
        // there are no players, so no segments are made
        config.hls.enable = false;
        let executor = Arc::new(Executor::new());
        let core = Core::new(config, registry::costs(), executor.clone());
        core.start(|_| {});
        runnel::reactor::block_on(runnel::net::run(
            &executor,
            push_file(&core, self.playing, self.to, registry::carrier),
        ))
    }
}

fn parse_speed(text: &OsString) -> Result<f64, Usage> {
    let speed = text.to_str().and_then(|text| text.parse().ok()).filter(|speed| (0.01..=100.0).contains(speed));
    speed.ok_or(Usage::Wants("--speed", "a number between 0.01 and 100"))
}
