//! The command line.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use async_signal::{Signal, Signals};
use runnel::conf::Config;
use runnel::serve::Server;
use smol::Executor;
use smol::stream::StreamExt;

const HELP: &str = "\
Usage: runnel [-c FILE] [--check | --plan]

  -c, --config FILE   read FILE; without it the embedded default applies
      --check         check the configuration and end
      --plan          print the worst case of its memory and end
  -V, --version       print the version and end
  -h, --help          print this and end

RUST_LOG sets the log level, as error, warn, info, debug or trace.
";

/// What the command line asks for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Task {
    Run,
    Check,
    Plan,
}

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("runnel: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<(), String> {
    let mut task = Task::Run;
    let mut file = None;
    let mut args = std::env::args().skip(1);
    while let Some(arg) = args.next() {
        match arg.as_str() {
            "-c" | "--config" => file = Some(PathBuf::from(args.next().ok_or("-c wants a FILE")?)),
            "--check" => task = Task::Check,
            "--plan" => task = Task::Plan,
            "-V" | "--version" => {
                println!("runnel {}", env!("CARGO_PKG_VERSION"));
                return Ok(());
            }
            "-h" | "--help" => {
                print!("{HELP}");
                return Ok(());
            }
            other => return Err(format!("unknown argument {other:?}; runnel -h lists them")),
        }
    }
    let config = file.map_or_else(Config::embedded, |file| Config::load(&file)).map_err(|error| error.to_string())?;
    let plan = config.plan();
    if task == Task::Plan {
        println!("{plan}");
    }
    if !plan.fits() {
        let knobs: Vec<_> = plan.knobs().iter().take(3).map(|(key, cut)| format!("{key} by {cut} %")).collect();
        let remedy = if knobs.is_empty() { String::new() } else { format!("; or lower {}", knobs.join(", or ")) };
        return Err(format!(
            "the worst case of this configuration is {} KiB, but memory.total is {} KiB: raise memory.total{remedy} (see runnel --plan)",
            plan.total().div_ceil(1024),
            plan.limit / 1024
        ));
    }
    if task == Task::Run { serve(config) } else { Ok(()) }
}

fn serve(config: Config) -> Result<(), String> {
    start_log(&config.log.level);
    let executor = Arc::new(Executor::new());
    for number in 1..config.threads {
        let executor = executor.clone();
        let run = move || async_io::block_on(executor.run(std::future::pending::<()>()));
        let thread = std::thread::Builder::new().name(format!("runnel-{number}"));
        thread.spawn(run).map_err(|error| format!("a thread cannot be started: {error}"))?;
    }
    let mut signals = Signals::new([Signal::Term, Signal::Int]).map_err(|error| error.to_string())?;
    let server = Server::new(config, executor.clone());
    server.start()?;
    // a task of its own: what stands in `run` itself is polled with every turn
    let end = executor.spawn(async move {
        if let Some(Ok(signal)) = signals.next().await {
            log::info!("signal {signal:?}: all connections are closed");
        }
        server.stop(Duration::from_secs(2)).await;
    });
    async_io::block_on(executor.run(end));
    Ok(())
}

/// Lines on standard error: time (UTC), level, text.
fn start_log(level: &str) {
    use std::io::Write;
    env_logger::Builder::new()
        .parse_filters(&std::env::var("RUST_LOG").unwrap_or_else(|_| level.to_string()))
        .format(|out, record| {
            let time = runnel::wire::iso8601(std::time::SystemTime::now());
            writeln!(out, "{time} {:5} {}", record.level(), record.args())
        })
        .init();
}
