//! The window of time that is measured, and its report.

use std::fmt;
use std::time::{Duration, Instant};

use runnel::device::{Signal, Signals};
use runnel::reactor::Timer;
use smol::future::or;

use crate::args::{Args, Role};
use crate::failed::Failed;
use crate::proc;
use crate::tally::{Samples, Shared};

/// The result of the measurement: one line of JSON.
pub struct Report {
    role: Role,
    sessions: usize,
    refused: usize,
    seconds: f64,
    cpu_seconds: f64,
    tally: Shared,
    server: Option<Server>,
}

/// The server's processes during the window.
#[derive(Clone, Copy, Default)]
struct Server {
    cpu_seconds: f64,
    resident_kib: u64,
    peak_kib: u64,
}

/// Waits until all sessions are up, then measures.
pub async fn measure(args: &Args, tally: &Shared) -> Result<Report, Failed> {
    let mut signals = Signals::catch(&[Signal::Term, Signal::Int])?;
    let ready = async {
        all_started(args, tally).await;
        Timer::after(args.warmup).await;
        false
    };
    let interrupted = or(ready, async { signals.next().await.is_ok() }).await;

    let pids: Vec<String> = args.server.iter().map(u32::to_string).collect();
    let own = ["self".to_string()];
    let (begun, own_before, mut server) = (Instant::now(), cpu_seconds(&own)?, Server::begin(&pids)?);
    tally.borrow_mut().open = true;
    if !interrupted {
        let end = async {
            match args.length {
                Some(length) => Timer::after(length).await,
                None => std::future::pending().await,
            };
        };
        let signal = async { drop(signals.next().await) };
        or(server.watch(&pids), or(end, signal)).await;
    }
    tally.borrow_mut().open = false;
    server.end(&pids)?;
    let started = tally.borrow().started;
    Ok(Report {
        role: args.role,
        sessions: args.sessions,
        refused: args.sessions.saturating_sub(started),
        seconds: begun.elapsed().as_secs_f64(),
        cpu_seconds: cpu_seconds(&own)? - own_before,
        tally: tally.clone(),
        server: (!pids.is_empty()).then_some(server),
    })
}

/// Ready when every session is up or has failed, or has had time enough.
async fn all_started(args: &Args, tally: &Shared) {
    let end = Instant::now() + args.start(args.sessions) + PATIENCE;
    loop {
        let known = tally.borrow().started + tally.borrow().refused;
        if known >= args.sessions || Instant::now() > end {
            return;
        }
        Timer::after(Duration::from_millis(20)).await;
    }
}

/// The longest time that the last session may take to start.
const PATIENCE: Duration = Duration::from_secs(15);

impl Server {
    fn begin(pids: &[String]) -> Result<Self, Failed> {
        Ok(Self { cpu_seconds: cpu_seconds(pids)?, ..Self::default() })
    }

    /// Looks at the memory five times a second.
    async fn watch(&mut self, pids: &[String]) {
        loop {
            self.look(pids);
            Timer::after(Duration::from_millis(200)).await;
        }
    }

    fn look(&mut self, pids: &[String]) {
        self.resident_kib = pids.iter().filter_map(|pid| proc::resident_kib(pid)).sum();
        self.peak_kib = self.peak_kib.max(self.resident_kib);
    }

    fn end(&mut self, pids: &[String]) -> Result<(), Failed> {
        self.look(pids);
        self.cpu_seconds = cpu_seconds(pids)? - self.cpu_seconds;
        Ok(())
    }
}

fn cpu_seconds(who: &[String]) -> Result<f64, Failed> {
    who.iter()
        .map(|who| proc::cpu_seconds(who).ok_or_else(|| Failed::asked(format!("process {who} is not there"))))
        .sum()
}

impl Report {
    /// True if no session was refused or lost.
    pub fn all_well(&self) -> bool {
        self.refused == 0 && self.tally.borrow().lost == 0
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let tally = self.tally.borrow();
        let (role, start, age) = match self.role {
            Role::Push => ("push", "accepted_ms", "late_ms"),
            Role::Play => ("play", "first_frame_ms", "latency_ms"),
        };
        write!(f, "{{\"role\":\"{role}\",\"n\":{},\"seconds\":{:.2}", self.sessions, self.seconds)?;
        let counts = [
            ("bytes", tally.bytes),
            ("frames", tally.frames),
            ("key_frames", tally.key_frames),
            ("gaps", tally.gaps),
            ("disconnects", tally.lost as u64),
            ("refused", self.refused as u64),
        ];
        counts.iter().try_for_each(|(name, count)| write!(f, ",\"{name}\":{count}"))?;
        write!(f, ",\"{start}\":{},\"{age}\":{}", json(&tally.starts), json(&tally.ages))?;
        write!(f, ",\"cpu_seconds\":{:.2}", self.cpu_seconds)?;
        if let Some(Server { cpu_seconds, resident_kib, peak_kib }) = self.server {
            let per_gb = cpu_seconds / (tally.bytes.max(1) as f64 / 1e9);
            write!(f, ",\"server\":{{\"cpu_seconds\":{cpu_seconds:.2},\"resident_kib\":{resident_kib}")?;
            write!(f, ",\"peak_kib\":{peak_kib},\"cpu_seconds_per_gb\":{per_gb:.3}}}")?;
        }
        f.write_str("}")
    }
}

fn json(samples: &Samples) -> String {
    let number = |value: Option<f64>| value.map_or("null".into(), |value| format!("{value:.1}"));
    let [p50, p99] = [50, 99].map(|percent| number(samples.percentile(percent)));
    format!("{{\"p50\":{p50},\"p99\":{p99},\"max\":{}}}", number(samples.max()))
}
