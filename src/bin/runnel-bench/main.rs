//! A load generator: publishes a file as many streams, or plays many, on one
//! thread, and reports the throughput and the cost in one line of JSON.

mod args;
mod failed;
mod file;
mod flv;
mod glance;
mod hls;
mod link;
mod play;
mod proc;
mod push;
mod rtsp;
mod sei;
mod stamp;
mod tally;
mod target;
mod viewer;
mod voice;
mod window;

use std::process::ExitCode;
use std::rc::Rc;

use smol::LocalExecutor;

use args::{Args, HELP, Role};
use failed::Failed;
use tally::Shared;

fn main() -> ExitCode {
    let args = match Args::parse(std::env::args().skip(1)) {
        Ok(Some(args)) => Rc::new(args),
        Ok(None) => {
            print!("{HELP}");
            return ExitCode::SUCCESS;
        }
        Err(error) => return fail(&error),
    };
    let executor = Rc::new(LocalExecutor::new());
    // a task of its own is polled only when it is woken
    let measurement = executor.spawn(measure(executor.clone(), args));
    match runnel::reactor::block_on(executor.run(measurement)) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => fail(&error),
    }
}

/// Runs the sessions and prints the report; false if any was refused or lost.
async fn measure(executor: Rc<LocalExecutor<'static>>, args: Rc<Args>) -> Result<bool, Failed> {
    let tally = Shared::default();
    let sessions = match args.role {
        Role::Push => {
            let media = Rc::new(file::Media::load(&args.input)?);
            executor.spawn(push::run(executor.clone(), args.clone(), tally.clone(), media))
        }
        Role::Play => executor.spawn(play::run(executor.clone(), args.clone(), tally.clone())),
    };
    let report = window::measure(&args, &tally).await?;
    drop(sessions);
    println!("{report}");
    Ok(report.all_well())
}

fn fail(error: &Failed) -> ExitCode {
    eprintln!("runnel-bench: {error}");
    ExitCode::FAILURE
}
