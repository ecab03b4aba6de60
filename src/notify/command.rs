//! A command that runs: its process group, its end, and what it says.
//!
//! Programs are started without a shell, with an environment of their own. All that a command has started is in its
//! process group, which is killed when the command ends: a device has no memory for what is left over.

use std::ffi::OsString;
use std::io;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process_group, waitid};
use smol::future::or;

use super::output::Output;
use crate::disk::{Lane, aside};
use crate::reactor::Timer;

/// A command to run.
#[derive(Clone, Debug)]
pub(super) struct Job {
    /// The program and its arguments.
    pub words: Vec<String>,
    /// The facts, as variables of the environment.
    pub facts: Vec<(&'static str, OsString)>,
    /// The longest time; zero for any.
    pub timeout: Duration,
    /// Its name in the log.
    pub who: String,
}

/// The reason why a command is ended before its time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cause {
    /// The server ends.
    ServerEnds,
    /// Its `[[exec]]` is no longer in the configuration.
    RuleGone,
}

/// The end of a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// It has ended, with this status if it was not killed.
    Exited(Option<i32>),
    /// It was ended after its longest time.
    Late,
    /// It was ended before its time.
    Stopped(Cause),
}

/// A running command, whose group is killed when it is dropped.
struct Running {
    /// `None` once it is dropped.
    child: Option<Child>,
    group: Pid,
}

/// The variables of the server's own environment that commands get.
const INHERITED: [&str; 5] = ["PATH", "HOME", "LANG", "TZ", "TMPDIR"];
/// `PATH` where the server has none.
const PATH: &str = "/usr/sbin:/usr/bin:/sbin:/bin";
/// The time between SIGTERM and SIGKILL.
const GRACE: Duration = Duration::from_secs(2);
/// The same when the server ends.
const LAST_GRACE: Duration = Duration::from_millis(200);
/// The first and the longest time between two looks at whether a command has ended. Linux 3.10 cannot wait for that by
/// a descriptor.
const LOOKS: (Duration, Duration) = (Duration::from_millis(10), Duration::from_millis(250));

/// Commands that were killed and have not ended yet, since they wait for a disk.
static KILLED: Mutex<Vec<Child>> = Mutex::new(Vec::new());

impl Cause {
    fn grace(self) -> Duration {
        match self {
            Self::ServerEnds => LAST_GRACE,
            Self::RuleGone => GRACE,
        }
    }
}

/// Runs a command to its end. `stops` is ready when the command is to be ended.
pub(super) async fn run(job: &Job, stops: impl Future<Output = Cause>) -> io::Result<End> {
    reap_killed();
    let (mut running, mut output) = start(job).await?;
    let exited = async {
        running.exits(&mut output).await;
        (None, Duration::ZERO)
    };
    let late = async {
        match job.timeout {
            Duration::ZERO => std::future::pending().await,
            timeout => _ = Timer::after(timeout).await,
        }
        (Some(End::Late), GRACE)
    };
    let stopped = async {
        let cause = stops.await;
        (Some(End::Stopped(cause)), cause.grace())
    };
    let (cut, grace) = or(exited, or(late, stopped)).await;
    running.signal(Signal::TERM);
    running.exits_within(grace, &mut output).await;
    // those that it has started may not have heeded the first
    running.signal(Signal::KILL);
    // it keeps its place until it has ended, which may take as long as a disk
    running.exits(&mut output).await;
    output.end();
    let status = running.child.as_mut().and_then(|child| child.try_wait().ok().flatten());
    Ok(cut.unwrap_or(End::Exited(status.and_then(|status| status.code()))))
}

/// Starts the program, in a thread that may wait for its disk.
async fn start(job: &Job) -> io::Result<(Running, Output)> {
    let (pipe, said) = io::pipe()?;
    // a page is enough, and all that the plan has
    let _ = rustix::pipe::fcntl_setpipe_size(&said, PIPE);
    let Job { words, facts, who, .. } = job.clone();
    let output = Output::new(pipe, who)?;
    let lane = words.first().map_or(Lane::hash(""), |program| Lane::to(Path::new(program)));
    let spawn = move || {
        let (program, arguments) = words.split_first().ok_or(io::ErrorKind::InvalidInput)?;
        let inherited = INHERITED.iter().filter_map(|name| Some((*name, std::env::var_os(name)?)));
        let mut command = Command::new(program);
        command.args(arguments).env_clear().env("PATH", PATH).envs(inherited).envs(facts);
        command.stdin(Stdio::null()).stdout(said.try_clone()?).stderr(said).process_group(0).spawn().map(Running::new)
    };
    Ok((aside(lane, spawn).await?, output))
}

/// The bytes of a command's pipe in the kernel.
pub(super) const PIPE: usize = 4 << 10;

impl Running {
    fn new(child: Child) -> Self {
        Self { group: Pid::from_child(&child), child: Some(child) }
    }

    /// Waits for the end of the program, and reads what it says meanwhile.
    async fn exits(&self, output: &mut Output) {
        let mut pause = LOOKS.0;
        while !self.has_exited() {
            or(output.next(), async { _ = Timer::after(pause).await }).await;
            smol::future::yield_now().await;
            pause = (pause * 2).min(LOOKS.1);
        }
    }

    async fn exits_within(&self, limit: Duration, output: &mut Output) {
        or(self.exits(output), async { _ = Timer::after(limit).await }).await;
    }

    /// True once the program has ended. It is not waited for yet, so that its number stays that of its group.
    fn has_exited(&self) -> bool {
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
        !matches!(waitid(WaitId::Pid(self.group), options), Ok(None))
    }

    fn signal(&self, signal: Signal) {
        // a group without processes needs none
        let _ = kill_process_group(self.group, signal);
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let Some(mut child) = self.child.take() else { return };
        if matches!(child.try_wait(), Ok(None)) {
            self.signal(Signal::KILL);
            KILLED.lock().unwrap_or_else(PoisonError::into_inner).push(child);
        }
    }
}

/// Waits for those that were killed and have ended since, so that none stays a zombie.
fn reap_killed() {
    let mut killed = KILLED.lock().unwrap_or_else(PoisonError::into_inner);
    killed.retain_mut(|child| matches!(child.try_wait(), Ok(None)));
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;
    use crate::reactor::block_on;

    fn job(script: &str, timeout: u64) -> Job {
        let words = ["/bin/sh", "-c", script].map(String::from).to_vec();
        let facts = vec![("RUNNEL_STREAM", "cam; rm -rf /".into())];
        Job { words, facts, timeout: Duration::from_millis(timeout), who: "exec test".into() }
    }

    fn ended(job: &Job) -> End {
        block_on(run(job, std::future::pending())).unwrap()
    }

    #[test]
    fn a_command_gets_the_facts_and_nothing_else_of_the_environment() {
        let script =
            "test \"$RUNNEL_STREAM\" = 'cam; rm -rf /' && test -z \"$CARGO_MANIFEST_DIR\" && test -n \"$PATH\"";
        assert_eq!(ended(&job(script, 0)), End::Exited(Some(0)));
        assert_eq!(ended(&job("exit 7", 0)), End::Exited(Some(7)));
        let missing = Job { words: vec!["/nowhere/at/all".into()], ..job("", 0) };
        assert_eq!(block_on(run(&missing, std::future::pending())).unwrap_err().kind(), io::ErrorKind::NotFound);
    }

    #[test]
    fn a_command_that_lasts_too_long_is_ended_with_all_that_it_has_started() {
        let folder = std::env::temp_dir().join(format!("runnel-exec-{}", std::process::id()));
        let script = format!("trap '' TERM; (trap '' TERM; sleep 60) & echo $! >{}; wait", folder.display());
        let begun = Instant::now();
        assert_eq!(ended(&job(&script, 300)), End::Late);
        assert!(begun.elapsed() >= GRACE, "it did not heed SIGTERM");
        let child: i32 = std::fs::read_to_string(&folder).unwrap().trim().parse().unwrap();
        let is_there = || {
            let stat = std::fs::read_to_string(format!("/proc/{child}/stat"));
            stat.is_ok_and(|stat| !stat.contains(") Z "))
        };
        while is_there() {
            assert!(begun.elapsed() < Duration::from_secs(30), "it lives on");
            std::thread::yield_now();
        }
        std::fs::remove_file(&folder).unwrap();
    }

    #[test]
    fn what_says_much_is_read_to_its_end() {
        let script = "i=0; while [ $i -lt 3000 ]; do echo a line that nobody needs $i; i=$((i+1)); done";
        assert_eq!(ended(&job(script, 60_000)), End::Exited(Some(0)));
    }
}
