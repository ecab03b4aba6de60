//! `GET /metrics`: Prometheus text. Labels are words of the program, so that their number is bounded, and with
//! `metrics.streams` that number of names of streams.

use std::collections::BTreeMap;
use std::fmt::{self, Display, Write};
use std::time::Instant;

use bytes::Bytes;

use super::Server;
use super::http::{Answer, CORS, Exchange, NO_CACHE, NO_ROOM, Reply};
use crate::budget::{Account, OverBudget, Overflow, Room, Rope};
use crate::hub::Stream;
use crate::proto::http::Status;
use crate::session::{Charged, Core};

/// A text that is paid for piece by piece.
struct Page<'a> {
    rope: Rope,
    room: &'a dyn Room,
    /// The reason why it is not whole.
    refusal: Option<OverBudget>,
}

/// A figure of each stream: its name, kind and help, and its value.
struct Family(&'static str, &'static str, &'static str, fn(&Core, &Stream) -> u64);

const OF_STREAMS: [Family; 7] = [
    Family("runnel_stream_received_bytes_total", "counter", "Bytes of frames received.", |_, one| {
        one.traffic().bytes_in
    }),
    Family("runnel_stream_sent_bytes_total", "counter", "Bytes sent to viewers, without HLS.", |_, one| {
        one.traffic().bytes_out
    }),
    Family("runnel_stream_received_bits_per_second", "gauge", "The bit rate of the last 5 s.", |_, one| {
        8 * u64::from(one.gauges(Instant::now()).received)
    }),
    Family("runnel_stream_sent_bits_per_second", "gauge", "The bit rate to viewers of the last 5 s.", |_, one| {
        8 * u64::from(one.gauges(Instant::now()).sent)
    }),
    Family("runnel_stream_viewers", "gauge", "Sessions that play it, pushes included.", |core, one| {
        core.company(one).viewers as u64
    }),
    Family(
        "runnel_stream_frames_lost_total",
        "counter",
        "Frames that were too large, found no room, or were lost.",
        |_, one| one.traffic().lost,
    ),
    Family("runnel_stream_skips_total", "counter", "Times a slow viewer was moved to a key frame.", |_, one| {
        one.traffic().skips
    }),
];

/// The page of all metrics.
pub(super) fn answer(exchange: Exchange) -> Answer {
    match write(&exchange.server, exchange.config.metrics.streams, &exchange.room()) {
        Ok(pieces) => Reply::pieces("text/plain; version=0.0.4; charset=utf-8", pieces).with([CORS, NO_CACHE]),
        Err(OverBudget { .. }) => Reply::refuse(Status::UNAVAILABLE, NO_ROOM),
    }
    .into()
}

/// All metrics at this moment, with those of a number of streams.
fn write(server: &Server, told: usize, room: &dyn Room) -> Result<Vec<Bytes>, OverBudget> {
    let mut page = Page { rope: Rope::new(usize::MAX), room, refusal: None };
    let (mut live, mut viewers, mut missing) = (0, BTreeMap::new(), BTreeMap::new());
    let streams = server.core.hub.streams();
    for stats in streams.iter().map(|stream| stream.stats()) {
        live += usize::from(stats.publisher.is_some());
        for form in &stats.forms {
            *viewers.entry(form.form).or_insert(0) += form.viewers;
            for codec in &form.missing {
                *missing.entry((form.form, *codec)).or_insert(0) += 1;
            }
        }
    }
    page.gauge("runnel_streams", "Streams that are known, published or not.", streams.len());
    page.gauge("runnel_publishers", "Streams that are published.", live);
    page.gauge("runnel_connections", "Open connections.", server.core.gate.open());
    #[cfg(feature = "rtsp")]
    page.gauge("runnel_udp_pairs", "Pairs of UDP ports that are open.", server.core.udp.open());
    page.gauge("runnel_hls_streams", "Streams that have HLS segments.", server.hls.streams());
    #[cfg(feature = "record")]
    recordings(&mut page, &server.core.recorded.counts());
    page.gauge("runnel_hls_viewers", "Players of HLS that hls.sessions tells apart.", server.hls.sessions.len());
    page.family("runnel_viewers", "gauge", "Viewers by form.");
    for (form, count) in &viewers {
        page.sample("runnel_viewers", &format!("{{form=\"{form}\"}}"), count);
    }
    page.family("runnel_tracks_not_carried", "gauge", "Tracks that a form in use has no room for.");
    for ((form, codec), count) in &missing {
        page.sample("runnel_tracks_not_carried", &format!("{{form=\"{form}\",codec=\"{codec}\"}}"), count);
    }
    let traffic = server.core.hub.traffic();
    page.counter("runnel_received_bytes_total", "Bytes of frames received.", traffic.bytes_in);
    page.counter("runnel_sent_bytes_total", "Bytes sent to viewers.", traffic.bytes_out);
    page.counter("runnel_frames_total", "Frames received.", traffic.frames);
    page.counter(
        "runnel_frames_lost_total",
        "Frames and script data that were too large, found no room, or were lost on the way.",
        traffic.lost,
    );
    page.counter("runnel_skips_total", "Times a slow viewer was moved to a key frame.", traffic.skips);
    by_reason(&mut page, "runnel_refusals_total", "Requests refused, by reason.", &server.core.counters.all_refused());
    by_reason(&mut page, "runnel_closed_total", "Connections ended, by reason.", &server.core.counters.all_closed());
    accounts(
        &mut page,
        [&server.core.total, server.core.hub.account(), server.core.greetings.account(), &server.core.hls],
    );
    if let Some(resident) = resident() {
        page.gauge("process_resident_memory_bytes", "Resident memory.", resident);
    }
    if told > 0 {
        each_stream(&mut page, &server.core, told)?;
    }
    page.finish()
}

/// The figures of the first streams by name.
fn each_stream(page: &mut Page<'_>, core: &Core, told: usize) -> Result<(), OverBudget> {
    let Charged { items, lease: _lease } = core.streams_by_name()?;
    for Family(name, kind, help, value) in OF_STREAMS {
        page.family(name, kind, help);
        for stream in items.iter().take(told) {
            // no name has a character that would have to be escaped
            page.sample(name, &format!("{{stream=\"{}\"}}", stream.name()), &value(core, stream));
        }
    }
    Ok(())
}

#[cfg(feature = "record")]
fn recordings(page: &mut Page<'_>, counts: &crate::session::Counts) {
    page.gauge("runnel_recordings", "Streams that are being recorded.", counts.running);
    let help = "Streams that should be recorded and are not: the disk does not take them, or recording.max is reached.";
    page.gauge("runnel_recordings_failing", help, counts.failing + counts.left_out);
    page.counter("runnel_recordings_failed_total", "Times that a file could not be begun or written.", counts.failed);
    page.counter("runnel_recorded_bytes_total", "Bytes written to files.", counts.bytes);
    page.counter("runnel_recordings_lost_total", "Times that frames found no room, up to a key frame.", counts.lost);
}

fn accounts(page: &mut Page<'_>, accounts: [&Account; 4]) {
    type Value = fn(&Account) -> usize;
    let families: [(&str, &str, Value); 3] = [
        ("runnel_account_used_bytes", "Bytes charged now.", Account::used),
        ("runnel_account_peak_bytes", "The most bytes charged at once.", Account::peak),
        ("runnel_account_limit_bytes", "Bytes that may be charged.", Account::limit),
    ];
    for (name, help, value) in families {
        page.family(name, "gauge", help);
        for account in accounts {
            page.sample(name, &format!("{{account=\"{}\"}}", account.name()), &value(account));
        }
    }
}

fn by_reason(page: &mut Page<'_>, name: &str, help: &str, counts: &[(&'static str, u64)]) {
    page.family(name, "counter", help);
    for (reason, count) in counts {
        page.sample(name, &format!("{{reason=\"{reason}\"}}"), count);
    }
}

/// Resident memory in bytes, as the kernel counts it.
fn resident() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kib: u64 = line.trim().trim_end_matches("kB").trim().parse().ok()?;
    Some(kib * 1024)
}

impl Page<'_> {
    fn family(&mut self, name: &str, kind: &str, help: &str) {
        // the refusal is kept
        let _ = writeln!(self, "# HELP {name} {help}\n# TYPE {name} {kind}");
    }

    fn sample(&mut self, name: &str, labels: &str, value: &dyn Display) {
        let _ = writeln!(self, "{name}{labels} {value}");
    }

    fn finish(mut self) -> Result<Vec<Bytes>, OverBudget> {
        self.refusal.map_or(Ok(self.rope.take()), Err)
    }

    fn gauge(&mut self, name: &str, help: &str, value: impl Display) {
        self.family(name, "gauge", help);
        self.sample(name, "", &value);
    }

    fn counter(&mut self, name: &str, help: &str, value: impl Display) {
        self.family(name, "counter", help);
        self.sample(name, "", &value);
    }
}

impl Write for Page<'_> {
    fn write_str(&mut self, part: &str) -> fmt::Result {
        let pushed = match self.refusal {
            Some(refusal) => Err(Overflow::OverBudget(refusal)),
            None => self.rope.push(part.as_bytes(), self.room),
        };
        pushed.map_err(|why| {
            let Overflow::OverBudget(refusal) = why else { return fmt::Error };
            self.refusal = Some(refusal);
            fmt::Error
        })
    }
}
