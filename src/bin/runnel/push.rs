//! `runnel push`: a file is sent elsewhere, and that is all.

use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::Arc;

use runnel::conf::{Config, Source};
use runnel::registry;
use runnel::relay::{Destination, Playback, push_file};
use runnel::session::Core;
use smol::Executor;

/// The values of the command line.
#[derive(Debug)]
pub struct Push {
    /// The configuration, if it is not the embedded one.
    pub config: Option<PathBuf>,
    playing: Playback,
    to: Destination,
}

impl Push {
    /// Reads what follows the word `push`; nothing if that asks for help.
    pub fn parse(mut args: impl Iterator<Item = OsString>) -> Result<Option<Self>, String> {
        let (mut repeat, mut udp, mut insecure, mut speed) = (false, false, false, 1.0);
        let (mut config, mut ca, mut rest) = (None, OsString::new(), Vec::new());
        while let Some(arg) = args.next() {
            let mut value = |name: &str| args.next().ok_or(format!("{name} wants a value"));
            match arg.to_str() {
                Some("-h" | "--help") => return Ok(None),
                Some("--loop") => repeat = true,
                Some("--udp") => udp = true,
                Some("--insecure") => insecure = true,
                Some("--ca") => ca = value("--ca")?,
                Some("-c" | "--config") => config = Some(super::config_file(value("-c")?)),
                Some("--speed") => speed = parse_speed(&value("--speed")?)?,
                Some(other) if other.starts_with('-') => {
                    return Err(super::unknown(&arg));
                }
                _ => rest.push(arg),
            }
        }
        let [path, url] = <[OsString; 2]>::try_from(rest).map_err(|_| "push wants a FILE and a URL")?;
        let text = |name: &str, text: OsString| text.into_string().map_err(|_| format!("{name}: is no text in UTF-8"));
        let (ca, url) = (text("--ca", ca)?, text("URL", url)?);
        let url = Source::parse(&url).map_err(|why| format!("URL: {why}"))?.0;
        let playing = Playback { path: path.into(), repeat, speed };
        Ok(Some(Self { config, playing, to: Destination { url, udp, insecure, ca } }))
    }

    /// Sends the file.
    pub fn run(self, mut config: Config) -> Result<(), String> {
        // nobody comes, so nothing is made for them
        config.hls.enable = false;
        let executor = Arc::new(Executor::new());
        let core = Core::new(config, executor.clone());
        core.start(|_| {});
        runnel::reactor::block_on(runnel::net::run(
            &executor,
            push_file(&core, self.playing, self.to, registry::carrier),
        ))
    }
}

fn parse_speed(text: &OsString) -> Result<f64, String> {
    let speed = text.to_str().and_then(|text| text.parse().ok()).filter(|speed| (0.01..=100.0).contains(speed));
    speed.ok_or("--speed wants a number between 0.01 and 100".into())
}
