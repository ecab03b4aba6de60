//! Signals: SIGHUP reloads the configuration, the others end the program.

use std::sync::Arc;

use runnel::device::supervisor::{State, tell};
use runnel::device::{self, Signal, Signals};
use runnel::serve::Server;

use crate::failure::{Failure, System};
use crate::rest::Rest;
use crate::source::{Anew, Source};

/// Catches the signals from here on.
pub fn signals() -> Result<Signals, System> {
    Signals::catch(&[Signal::Term, Signal::Int, Signal::Hup]).map_err(System::Signals)
}

/// Acts on signals, until one ends the program.
pub async fn obey(mut signals: Signals, source: &mut Source, server: &Arc<Server>, rest: &mut Rest) {
    let mut next = until_signal(&mut signals).await;
    while next == Signal::Hup {
        tell(State::Reloading);
        device::log::reopen();
        // a disk that does not respond does not keep a signal from ending the program
        let mut again = false;
        let ended = async {
            loop {
                match until_signal(&mut signals).await {
                    Signal::Hup => again = true,
                    end => break Err(end),
                }
            }
        };
        let followed = async { Ok(follow(source, server, rest).await) };
        match smol::future::or(followed, ended).await {
            Ok(Ok(())) => log::info!("SIGHUP: the configuration was read again"),
            Ok(Err(failure)) => {
                failure.lines().iter().for_each(|line| log::error!("SIGHUP: nothing was changed: {line}"));
            }
            Err(end) => {
                next = end;
                break;
            }
        }
        tell(State::Ready);
        next = if again { Signal::Hup } else { until_signal(&mut signals).await };
    }
    log::info!("SIG{}: all connections are closed", if next == Signal::Int { "INT" } else { "TERM" });
}

/// The next signal; if none can be read, the program ends.
async fn until_signal(signals: &mut Signals) -> Signal {
    signals.next().await.unwrap_or(Signal::Term)
}

/// Applies the present file, or changes nothing.
async fn follow(source: &mut Source, server: &Arc<Server>, rest: &mut Rest) -> Result<(), Failure> {
    let Anew { config, keys, live, hints } = source.reload().await?;
    let log = config.log.clone();
    let prepared = rest.prepare(&config)?;
    server.reload(config).await?;
    source.keys = keys;
    if !live.is_empty() {
        log::info!("SIGHUP: now in effect: {}", live.join(", "));
    }
    device::log::set_level(&log);
    source.tell(hints);
    rest.follow(prepared).await;
    Ok(())
}
