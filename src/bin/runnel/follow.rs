//! Signals, and requests by the API: SIGHUP and the API reload the configuration, other signals end the program.

use std::future::poll_fn;
use std::sync::Arc;

use runnel::conf::Changes;
use runnel::device::supervisor::{State, tell};
use runnel::device::{self, Signal, Signals};
use runnel::serve::Server;
use smol::future::or;

use crate::failure::{Failure, System};
use crate::rest::Rest;
use crate::source::{Anew, Cause, Source};

/// The next task: to read the configuration again, or to end for a signal.
type Next = Result<Cause, Signal>;

/// Catches the signals from here on.
pub fn signals() -> Result<Signals, System> {
    Signals::catch(&[Signal::Term, Signal::Int, Signal::Hup]).map_err(System::Signals)
}

/// Acts on signals and requests, until a signal ends the program.
pub async fn obey(mut signals: Signals, source: &mut Source, server: &Arc<Server>, rest: &mut Rest) {
    let mut next = next_task(&mut signals, server).await;
    let end = loop {
        let cause = match next {
            Ok(cause) => cause,
            Err(end) => break end,
        };
        tell(State::Reloading);
        device::log::reopen();
        // a disk that does not respond does not keep a signal from ending the program
        let mut again = false;
        let ended = async {
            loop {
                match next_signal(&mut signals).await {
                    Ok(_) => again = true,
                    Err(end) => break Err(end),
                }
            }
        };
        let followed = async { Ok(follow(cause, source, server, rest).await) };
        let result = match or(followed, ended).await {
            Ok(result) => result,
            Err(end) => break end,
        };
        match &result {
            Ok(_) => log::info!("{cause}: the configuration was read again"),
            Err(failure) => {
                failure.lines().iter().for_each(|line| log::error!("{cause}: nothing was changed: {line}"));
            }
        }
        if cause == Cause::Api {
            server.core.reloads.report(result.map_err(|failure| failure.mistakes()));
        }
        tell(State::Ready);
        next = if again { Ok(Cause::Signal) } else { next_task(&mut signals, server).await };
    };
    log::info!("SIG{}: all connections are closed", if end == Signal::Int { "INT" } else { "TERM" });
}

/// The next signal or request.
async fn next_task(signals: &mut Signals, server: &Server) -> Next {
    let asked = async {
        poll_fn(|cx| server.core.reloads.poll_asked(cx)).await;
        Ok(Cause::Api)
    };
    or(next_signal(signals), asked).await
}

/// The next signal; if none can be read, the program ends.
async fn next_signal(signals: &mut Signals) -> Next {
    match signals.next().await.unwrap_or(Signal::Term) {
        Signal::Hup => Ok(Cause::Signal),
        end => Err(end),
    }
}

/// Applies the present file, or changes nothing.
async fn follow(cause: Cause, source: &mut Source, server: &Arc<Server>, rest: &mut Rest) -> Result<Changes, Failure> {
    let Anew { config, keys, changes, hints } = source.reload(cause).await?;
    let prepared = rest.prepare(&config)?;
    server.reload(config).await?;
    let config = server.core.config();
    source.tell_changes(cause, &changes.live, &config);
    source.keys = Arc::new(keys);
    server.core.reloads.show(source.keys.clone());
    device::log::set_level(&config.log);
    source.tell(hints);
    rest.follow(prepared).await;
    Ok(changes)
}
