//! The start of a server, in the order that rights require: steps for which root is needed come first, and threads
//! last.

use std::fmt::Display;
use std::io;
use std::sync::Arc;

use runnel::conf::{Config, Keys, Target};
use runnel::device::supervisor::{State, tell, wants_pulse};
use runnel::device::{self, Place, User, Watchdog};
use runnel::disk::{Lane, aside};
use runnel::registry;
use runnel::serve::Server;
use runnel::session::Core;
use smol::Executor;

use crate::check::refusal;
use crate::failure::{Failure, System};
use crate::follow;
use crate::plan::{check_free_memory, reserve_descriptors};
use crate::rest::Rest;
use crate::source::Source;

/// Starts the configuration, and serves until a signal ends it.
pub fn serve(mut source: Source, config: Config) -> Result<(), Failure> {
    let refused = |key: &str, why: &dyn Display| refusal(&config, &source, key, why);
    reserve_descriptors(&config).map_err(|error| refused("viewers.max", &error))?;
    let executor = Arc::new(Executor::new());
    let core = Core::new(config.clone(), registry::costs(), executor.clone());
    let server = Server::new(&core, registry::listens());
    let listeners = server.bind().map_err(|port| refused(port.key, &port.why))?;
    let watchdog = open_watchdog(&config.process.watchdog).map_err(|error| refused("process.watchdog", &error))?;
    give_up_rights(&config, &source, &core)?;
    let threads = device::reserve_thread().and_then(|()| device::log::run());
    threads.map_err(|error| refused("threads", &error))?;
    start_threads(&core, config.connection_threads())?;
    let signals = follow::signals()?;
    server.start(listeners, pulse(&core, watchdog.clone()))?;
    let mut rest = Rest::new(&core);
    source.keys.check_links(&config)?;
    let prepared = rest.prepare(&config)?;
    source.tell(source.keys.hints(&config));
    core.reloads.show(source.keys.clone());
    tell_who_may(&config);
    look_at_places(&config, &source.keys, &executor);
    tell(State::Ready);
    // in a task of its own, because a future in `run` itself is polled in every turn
    let end = executor.spawn(async move {
        rest.follow(prepared).await;
        follow::obey(signals, &mut source, &server, &mut rest).await;
        tell(State::Stopping);
        rest.stop(&server).await;
    });
    runnel::reactor::block_on(runnel::net::run(&executor, end));
    watchdog.iter().for_each(|watchdog| watchdog.disarm());
    Ok(())
}

/// Takes the resources for which root is needed, if configured, and becomes the configured user.
fn give_up_rights(config: &Config, source: &Source, core: &Core) -> Result<(), Failure> {
    let refused = |key: &str, why: &dyn Display| refusal(config, source, key, why);
    let user = Some(&config.process.user).filter(|user| !user.is_empty()).map(|user| User::find(user)).transpose();
    let user = user.map_err(|error| refused("process.user", &error))?;
    if config.memory.prefault {
        hold_memory(config, core, user).map_err(|error| refused("memory.prefault", &error))?;
    }
    let Some(user) = user else { return Ok(()) };
    become_user(config, user).map_err(|error| refused("process.user", &error))?;
    if let Some(fault) = source.file.as_ref().and_then(|file| device::read_again(file, config, user)) {
        log::warn!("{}: {}", fault.key, fault.why);
    }
    Ok(())
}

fn open_watchdog(device: &str) -> Result<Option<Arc<Watchdog>>, device::Error> {
    if device.is_empty() {
        return Ok(None);
    }
    let opened = Watchdog::open(device).map_err(|error| device::Error::File(device.into(), error))?;
    Ok(Some(Arc::new(opened)))
}

/// Takes the memory of the plan, if the machine has it.
fn hold_memory(config: &Config, core: &Core, user: Option<User>) -> Result<(), device::Error> {
    check_free_memory(config)?;
    device::lock_memory(user)?;
    core.prefault();
    Ok(())
}

/// Becomes `user`, who owns the log and the socket of the API from then on.
fn become_user(config: &Config, user: User) -> io::Result<()> {
    if let Target::File(file) = &config.log.target {
        device::log::give(file, user)?;
    }
    if let Some(socket) = config.api_socket() {
        user.own(socket)?;
    }
    user.become_it()
}

/// Starts the further threads that run connections.
fn start_threads(core: &Core, threads: usize) -> Result<(), Failure> {
    for number in 1..threads {
        let executor = core.workers.add();
        let run = move || runnel::reactor::block_on(runnel::net::run(&executor, std::future::pending::<()>()));
        let thread = std::thread::Builder::new().name(format!("runnel-{number}"));
        thread.spawn(run).map_err(System::Thread)?;
    }
    Ok(())
}

/// The work of each second, besides the server's.
fn pulse(core: &Arc<Core>, watchdog: Option<Arc<Watchdog>>) -> impl Fn() + Send + 'static {
    let give_back = give_back(core.clone());
    move || {
        give_back();
        watchdog.iter().for_each(|watchdog| watchdog.feed());
        if wants_pulse() {
            tell(State::Well);
        }
    }
}

/// Returns freed memory to the system, where the C library does not do so itself.
#[cfg(target_env = "gnu")]
fn give_back(core: Arc<Core>) -> impl Fn() + Send + 'static {
    let slack = device::Slack::default();
    move || slack.settle(core.held())
}

#[cfg(not(target_env = "gnu"))]
fn give_back(_: Arc<Core>) -> impl Fn() + Send + 'static {
    || {}
}

/// Logs what everybody may do.
fn tell_who_may(config: &Config) {
    let open: Vec<_> = ["publish", "play"].into_iter().filter(|action| !config.restricts(action)).collect();
    if !open.is_empty() {
        log::info!("everybody who reaches the ports may {}: no [[access]] says otherwise", open.join(" and "));
    }
}

/// Logs missing files and folders in the background: a disk that does not respond does not delay the start.
fn look_at_places(config: &Config, keys: &Keys, executor: &Executor<'static>) {
    for Place { key, path, try_it } in device::places(config) {
        let at = keys.place(&key);
        let look = async move {
            let name = path.display().to_string();
            if let Err(error) = aside(Lane::to(&path.clone()), move || try_it(&path)).await {
                log::warn!("{at}{name}: {error}");
            }
        };
        executor.spawn(look).detach();
    }
}
