//! The command line, and the order in which a server starts.

// these panic if nobody reads what they print
#![deny(clippy::print_stdout, clippy::print_stderr)]

mod check;
#[cfg(feature = "record")]
mod push;

use std::ffi::{OsStr, OsString};
use std::fmt::Display;
use std::io::{Write as _, stderr, stdout};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use runnel::budget::Plan;
use runnel::conf::{Changes, Config, Hint, Keys, Target, machine};
use runnel::device::supervisor::{State, tell, wants_pulse};
use runnel::device::{self, Place, Signal, Signals, User, Watchdog};
use runnel::disk::{Lane, aside, read_small};
#[cfg(feature = "record")]
use runnel::record::{Prepared, Recorder};
use runnel::registry;
use runnel::relay::Relays;
use runnel::serve::Server;
use runnel::session::Core;
use smol::Executor;

const HELP: &str = "\
Usage: runnel [-c FILE] [--check | --plan | --make-cert | --reference]

  -c, --config FILE   read FILE, or what comes in if it is -; without it the
                      embedded default applies
      --check         check the configuration, and on this machine what it
                      names: files, folders, the user; and end
      --plan          print the worst case of its memory and end; for a
                      configuration of whatever machine
      --make-cert     write a certificate that nobody has signed, and its key,
                      to the files of tls.cert and tls.key, else to cert.pem
                      and key.pem here
      --reference     print all keys of a configuration, each explained, and end
  -V, --version       print the version and end
  -h, --help          print this and end

SIGHUP reads FILE again, SIGTERM and SIGINT end the program. It ends with 64 if
an argument is wrong, with 78 if it cannot start until somebody changes the
configuration or what it names, with 71 if another try may do: a port is taken,
or an address not there yet. --check ends as a start would, and with 69 if the
server would start, but lack a certificate, file or folder; --make-cert with 73
if its files are there or cannot be written. RUST_LOG sets the log level, as
error, warn, info or debug.
";

/// The help for `runnel push`.
#[cfg(feature = "record")]
const PUSH: &str = "
Usage: runnel push [OPTION...] FILE URL

Sends FILE, which is FLV, MPEG-TS or MP4, as fast as it plays to a URL that
begins with rtmp://, rtmps://, rtsp:// or rtsps://, and ends with it.

      --loop          begin anew at the end, for ever
      --speed NUMBER  so many times as fast
      --udp           RTSP over UDP
      --ca FILE       believe certificates that those in FILE have signed
      --insecure      believe any certificate
  -c, --config FILE   as above; what bounds frames and memory applies
";
#[cfg(not(feature = "record"))]
const PUSH: &str = "";

/// The task that the command line asks for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Task {
    Run,
    Check,
    Plan,
    MakeCertificate,
}

const TASKS: [(&str, Task); 3] =
    [("--check", Task::Check), ("--plan", Task::Plan), ("--make-cert", Task::MakeCertificate)];

/// The reason why the program ends, with a code that tells a supervisor whether to try again.
/// sysexits.h.
struct Failure {
    code: u8,
    why: String,
}

/// EX_USAGE: the command line is wrong.
const USAGE: u8 = 64;
/// EX_UNAVAILABLE: it would start, but something that it is to serve is not there.
const LACKING: u8 = 69;
/// EX_OSERR: the system refuses something; it may not the next time.
const SYSTEM: u8 = 71;
/// EX_CANTCREAT: files cannot be written, or are there already.
#[cfg(feature = "tls")]
const UNWRITTEN: u8 = 73;
/// EX_CONFIG: the configuration is wrong, or the machine has not what it names, and that stays
/// so until somebody mends it.
const CONFIG: u8 = 78;

fn fail(code: u8) -> impl Fn(String) -> Failure {
    move |why| Failure { code, why }
}

/// A failure at the start is one of the system, unless it is marked otherwise.
impl From<String> for Failure {
    fn from(why: String) -> Self {
        Self { code: SYSTEM, why }
    }
}

fn main() -> ExitCode {
    match run() {
        Ok(()) => {
            device::log::finish();
            ExitCode::SUCCESS
        }
        Err(Failure { code, why }) => {
            // one that nobody reads would keep us
            if device::log::finish() {
                complain(why);
            }
            ExitCode::from(code)
        }
    }
}

/// Prints to standard output. It is all the same to the exit code whether somebody reads it.
fn print(words: impl Display) {
    let _ = write!(stdout(), "{words}");
}

/// Prints a line to standard error, as `print` does.
fn complain(words: impl Display) {
    let _ = writeln!(stderr(), "runnel: {words}");
}

fn run() -> Result<(), Failure> {
    #[cfg(feature = "record")]
    if std::env::args_os().nth(1).is_some_and(|word| word == "push") {
        return push();
    }
    let Some((task, file)) = arguments().map_err(fail(USAGE))? else { return Ok(()) };
    let (config, source) = Source::load(file).map_err(fail(CONFIG))?;
    let plan = config.plan();
    if task == Task::Plan {
        print(format_args!("{plan}\n"));
    }
    if task == Task::MakeCertificate {
        return make_certificate(&config);
    }
    check_plan(&plan, &source.keys).map_err(fail(CONFIG))?;
    if task == Task::Plan {
        return Ok(());
    }
    check_machine(&plan).map_err(fail(CONFIG))?;
    if task == Task::Check {
        return check::check(&config, &source, &plan);
    }
    check_random().map_err(fail(SYSTEM))?;
    device::log::start(&config.log).map_err(check::refusal(&config, &source, "log.target"))?;
    let elsewhere = config.log.target != Target::Stderr;
    serve(source, config).inspect_err(|failure| {
        // somebody who only reads the log is told as well
        if elsewhere {
            log::error!("{}", failure.why);
        }
    })
}

fn check_random() -> Result<(), String> {
    runnel::net::random::open().map_err(|error| format!("the system has no random bytes: {error}"))
}

#[cfg(feature = "record")]
fn push() -> Result<(), Failure> {
    check_random().map_err(fail(SYSTEM))?;
    let Some(push) = push::Push::parse(std::env::args_os().skip(2)).map_err(fail(USAGE))? else {
        print(format_args!("{HELP}{PUSH}"));
        return Ok(());
    };
    let (config, source) = Source::load(push.config.clone()).map_err(fail(CONFIG))?;
    device::log::start(&config.log).map_err(check::refusal(&config, &source, "log.target"))?;
    device::reserve_thread().and_then(|()| device::log::run()).map_err(check::refusal(&config, &source, "threads"))?;
    push.run(config).map_err(fail(SYSTEM))
}

#[cfg(feature = "tls")]
fn make_certificate(config: &Config) -> Result<(), Failure> {
    device::make_certificate(&config.tls).map(print).map_err(fail(UNWRITTEN))
}

#[cfg(not(feature = "tls"))]
fn make_certificate(_: &Config) -> Result<(), Failure> {
    Err(fail(USAGE)(runnel::conf::lacks("tls")))
}

fn check_plan(plan: &Plan, keys: &Keys) -> Result<(), String> {
    if plan.fits() {
        return Ok(());
    }
    let knobs: Vec<_> = plan.knobs().iter().take(3).map(ToString::to_string).collect();
    let profile = || {
        let (profile, worst) = keys.fitting(plan.limit)?;
        Some(format!("; or choose profile = {:?}, whose worst case is {} KiB", profile.name(), worst.div_ceil(1024)))
    };
    let remedy = match knobs.is_empty() {
        true => profile().unwrap_or_default(),
        false => format!("; or lower {}", knobs.join(", or ")),
    };
    Err(format!(
        "the worst case of this configuration is {} KiB, but memory.total is {} KiB: raise memory.total{remedy} (see runnel --plan)",
        plan.total().div_ceil(1024),
        plan.limit / 1024
    ))
}

/// Whether the machine has what the plan may take. A configuration for another
/// machine may be checked on this one all the same.
fn check_machine(plan: &Plan) -> Result<(), String> {
    match machine::memory() {
        Some(there) if there < plan.limit as u64 => Err(format!(
            "memory.total is {} KiB, but the machine has {} KiB: choose a smaller profile, or \"auto\"",
            plan.limit / 1024,
            there / 1024
        )),
        _ => Ok(()),
    }
}

/// The file that `-c` names.
fn config_file(name: OsString) -> PathBuf {
    if name == "-" { "/dev/stdin".into() } else { name.into() }
}

/// The task and the file that the command line asks for; nothing if it is answered already.
fn arguments() -> Result<Option<(Task, Option<PathBuf>)>, String> {
    let mut task: Option<(&str, Task)> = None;
    let mut file = None;
    let mut args = std::env::args_os().skip(1);
    while let Some(given) = args.next() {
        // one that is no text is none of those that there are
        let arg = given.to_str().unwrap_or_default();
        let chosen = TASKS.into_iter().find(|(name, _)| *name == arg);
        match arg {
            "-c" | "--config" => {
                let name = args.next().ok_or("-c wants a FILE")?;
                if file.replace(config_file(name)).is_some() {
                    return Err("-c stands there twice: one FILE is read".into());
                }
            }
            _ if chosen.is_some() => {
                if let Some((before, _)) = task.filter(|_| task != chosen) {
                    return Err(format!("{before} and {arg} are two errands: run it once for each"));
                }
                task = chosen;
            }
            "--reference" => {
                print(runnel::conf::REFERENCE);
                return Ok(None);
            }
            "-V" | "--version" => {
                print(concat!("runnel ", env!("CARGO_PKG_VERSION"), "\n"));
                return Ok(None);
            }
            "-h" | "--help" => {
                print(format_args!("{HELP}{PUSH}"));
                return Ok(None);
            }
            #[cfg(not(feature = "record"))]
            "push" => return Err(runnel::conf::lacks("record")),
            _ => return Err(unknown(&given)),
        }
    }
    Ok(Some((task.map_or(Task::Run, |(_, task)| task), file)))
}

/// The words about an argument that is none of those that there are.
fn unknown(arg: &OsStr) -> String {
    let is_option = arg.to_string_lossy().starts_with('-');
    let is_file = !is_option || ["-c", "--config="].iter().any(|option| arg.to_string_lossy().starts_with(option));
    format!("unknown argument {arg:?}; {}", if is_file { "a FILE stands behind -c" } else { "runnel -h lists them" })
}

/// The file of the configuration, its keys, and its hints.
struct Source {
    file: Option<PathBuf>,
    keys: Keys,
    /// The hints that were told.
    hints: Vec<Hint>,
}

impl Source {
    fn load(file: Option<PathBuf>) -> Result<(Config, Self), String> {
        let loaded = file.as_deref().map_or_else(|| Keys::parse("embedded", ""), Keys::load);
        let (config, keys) = loaded.map_err(|error| error.to_string())?;
        Ok((config, Self { file, keys, hints: Vec::new() }))
    }

    /// Tells the hints that are new.
    fn tell(&mut self, hints: Vec<Hint>) {
        for (key, words) in hints.iter().filter(|hint| !self.hints.contains(hint)) {
            log::warn!("{key} {words}");
        }
        self.hints = hints;
    }

    /// Reads the file again: the configuration for a running server, the keys that make
    /// it, what of them is new, and the hints about the file.
    async fn reload(&self) -> Result<(Config, Keys, Vec<String>, Vec<Hint>), String> {
        let (whole, new) = match self.file.clone() {
            None => Keys::parse("embedded", ""),
            Some(file) => {
                let path = file.clone();
                let read = aside(Lane::to(&file), move || Ok(read_small(&path))).await;
                Keys::of(&file, read.unwrap_or_else(|why| Err(std::io::Error::other(why))))
            }
        }
        .map_err(|error| error.to_string())?;
        check_plan(&whole.plan(), &new)?;
        let mut keys = self.keys.clone();
        let Changes { live, mut restart } = keys.adopt(&new);
        let file = self.file.as_deref().map_or_else(String::new, |file| file.display().to_string());
        let config = keys.checked(&file).map_err(|error| error.to_string());
        let checked = config.and_then(|config| check_plan(&config.plan(), &new).map(|()| config));
        if checked.is_err() {
            // the whole file is right, but not without what is made at start
            restart.extend(live.iter().cloned());
        }
        if !restart.is_empty() {
            log::warn!("SIGHUP: Restart required for: {}", restart.join(", "));
        }
        let config = checked?;
        reserve_descriptors(&config)?;
        Ok((config, keys, live, new.hints(&whole)))
    }
}

/// Starts what the configuration asks for, in the order that rights ask for: steps that only root
/// may take come first, and threads come last.
fn serve(mut source: Source, config: Config) -> Result<(), Failure> {
    let threads = config.threads.0;
    let refusal = |key| check::refusal(&config, &source, key);
    reserve_descriptors(&config).map_err(refusal("viewers.max"))?;
    let executor = Arc::new(Executor::new());
    let core = Core::new(config.clone(), executor.clone());
    let server = Server::new(&core, registry::listens());
    let listeners = server.bind().map_err(|(key, why)| refusal(key)(why))?;
    let watchdog = open_watchdog(&config.process.watchdog).map_err(refusal("process.watchdog"))?;
    let user = Some(&config.process.user).filter(|user| !user.is_empty()).map(|user| User::find(user)).transpose();
    let user = user.map_err(refusal("process.user"))?;
    if config.memory.prefault {
        hold_memory(&config, &core, user).map_err(refusal("memory.prefault"))?;
    }
    if let Some(user) = user {
        drop_rights(&config, user).map_err(|error| refusal("process.user")(error.to_string()))?;
        if let Some(fault) = source.file.as_ref().and_then(|file| device::read_again(file, &config, user)) {
            log::warn!("{}: {}", fault.key, fault.why);
        }
    }
    device::reserve_thread().and_then(|()| device::log::run()).map_err(refusal("threads"))?;

    let feed = watchdog.clone();
    #[cfg(target_env = "gnu")]
    let (slack, held) = (device::Slack::default(), core.clone());
    let pulse = move || {
        #[cfg(target_env = "gnu")]
        slack.settle(held.held());
        feed.iter().for_each(|watchdog| watchdog.feed());
        if wants_pulse() {
            tell(State::Well);
        }
    };
    for number in 1..threads {
        let executor = core.workers.add();
        let run = move || runnel::reactor::block_on(runnel::net::run(&executor, std::future::pending::<()>()));
        let thread = std::thread::Builder::new().name(format!("runnel-{number}"));
        thread.spawn(run).map_err(|error| format!("a thread cannot be started: {error}"))?;
    }
    let signals = Signals::catch(&[Signal::Term, Signal::Int, Signal::Hup]).map_err(|error| error.to_string())?;
    server.start(listeners, pulse)?;
    let mut rest = Rest::new(&core);
    #[cfg(feature = "record")]
    if let Some((key, why)) = config.refused_link() {
        return Err(Failure { code: CONFIG, why: source.keys.fault(&key, &why).to_string() });
    }
    let prepared = rest.prepare(&config)?;
    source.tell(source.keys.hints(&config));
    look_at_places(&config, &source.keys, &executor);
    tell(State::Ready);
    // a task of its own: what stands in `run` itself is polled with every turn
    let end = executor.spawn(async move {
        rest.follow(prepared).await;
        obey(signals, &mut source, &server, &mut rest).await;
        tell(State::Stopping);
        let closed = server.stop(Duration::from_secs(2));
        // a disk that stands still keeps nobody connected
        #[cfg(feature = "record")]
        let closed = smol::future::zip(closed, rest.recorder.stop());
        #[cfg(feature = "record")]
        let closed = smol::future::zip(rest.relays.stop(), closed);
        closed.await;
    });
    runnel::reactor::block_on(runnel::net::run(&executor, end));
    watchdog.iter().for_each(|watchdog| watchdog.disarm());
    Ok(())
}

/// Tells of files and folders that are not there, meanwhile: a disk that stands still holds up no start.
fn look_at_places(config: &Config, keys: &Keys, executor: &Executor<'static>) {
    for Place { key, path, try_it } in device::places(config) {
        let at = keys.fault(&key, "").to_string();
        let look = async move {
            let name = path.display().to_string();
            let found = aside(Lane::to(&path.clone()), move || try_it(&path).map_err(|error| error.to_string())).await;
            if let Err(why) = found {
                log::warn!("{at}{name}: {why}");
            }
        };
        executor.spawn(look).detach();
    }
}

/// Does what signals say, until one says to end.
async fn obey(mut signals: Signals, source: &mut Source, server: &Arc<Server>, rest: &mut Rest) {
    let mut next = until_signal(&mut signals).await;
    while next == Signal::Hup {
        tell(State::Reloading);
        device::log::reopen();
        // a disk that stands still keeps nobody from ending it
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
            Ok(Ok(())) => log::info!("SIGHUP: the configuration is read again"),
            Ok(Err(error)) => log::error!("SIGHUP: all stays as it was: {error}"),
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

/// The next signal; one that cannot be read ends the program.
async fn until_signal(signals: &mut Signals) -> Signal {
    signals.next().await.unwrap_or(Signal::Term)
}

/// Goes by the file as it is now, or on as before.
async fn follow(source: &mut Source, server: &Arc<Server>, rest: &mut Rest) -> Result<(), String> {
    let (config, keys, live, hints) = source.reload().await?;
    let log = config.log.clone();
    let prepared = rest.prepare(&config)?;
    server.reload(config).await?;
    source.keys = keys;
    if !live.is_empty() {
        log::info!("SIGHUP: {} apply from here on", live.join(", "));
    }
    device::log::set_level(&log);
    source.tell(hints);
    rest.follow(prepared).await;
    Ok(())
}

/// Nothing needs to be made ready.
#[cfg(not(feature = "record"))]
struct Prepared;

/// Relays and recordings, which follow the configuration beside the server.
struct Rest {
    relays: Relays,
    #[cfg(feature = "record")]
    recorder: Recorder,
}

impl Rest {
    fn new(core: &Arc<Core>) -> Self {
        Self {
            relays: Relays::new(core, registry::carrier),
            #[cfg(feature = "record")]
            recorder: Recorder::new(core),
        }
    }

    /// The steps of `follow` that may fail. Nothing changes by them.
    #[allow(unused_variables, clippy::unnecessary_wraps, reason = "a feature uses it")]
    fn prepare(&self, config: &Config) -> Result<Prepared, String> {
        #[cfg(feature = "record")]
        return self.recorder.prepare(config);
        #[cfg(not(feature = "record"))]
        Ok(Prepared)
    }

    /// Begins what is new, and ends what is gone.
    #[allow(unused_variables, reason = "a feature uses it")]
    async fn follow(&mut self, prepared: Prepared) {
        self.relays.follow().await;
        #[cfg(feature = "record")]
        self.recorder.follow(prepared).await;
    }
}

fn open_watchdog(device: &str) -> Result<Option<Arc<Watchdog>>, String> {
    if device.is_empty() {
        return Ok(None);
    }
    let opened = Watchdog::open(device).map_err(|error| format!("{device}: {error}"))?;
    Ok(Some(Arc::new(opened)))
}

/// Takes the memory of the plan, if the machine has it.
fn hold_memory(config: &Config, core: &Core, user: Option<User>) -> Result<(), String> {
    check_free_memory(config)?;
    device::lock_memory(user)?;
    core.prefault();
    Ok(())
}

/// Whether the machine has the memory of the plan now.
fn check_free_memory(config: &Config) -> Result<(), String> {
    let wanted = config.plan().user() as u64;
    match machine::available() {
        Some(there) if there < wanted => {
            Err(format!("the plan takes {} KiB, but {} KiB are free: lower memory.total", wanted / 1024, there / 1024))
        }
        _ => Ok(()),
    }
}

/// Becomes `user`, to whom the log belongs from then on.
fn drop_rights(config: &Config, user: User) -> std::io::Result<()> {
    if let Target::File(file) = &config.log.target {
        device::log::give(file, user)?;
    }
    user.become_it()
}

/// Makes sure that as many files may be open as the plan has.
fn reserve_descriptors(config: &Config) -> Result<(), String> {
    device::reserve_descriptors(config.descriptors() + OTHER_DESCRIPTORS)
}

/// Open files beside connections: standard streams, listeners, the reactor's, the
/// signals', the log, the watchdog, and those that are turned away.
const OTHER_DESCRIPTORS: usize = 32;
