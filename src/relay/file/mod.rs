//! Files as sources, which are published like the streams of publishers.

mod clock;
mod read_ahead;
mod span;

use std::future::Future;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use crate::reactor::Timer;
use smol::future::or;

use super::{Need, Playing, RelayJob};
use crate::budget::Key::Count;
use crate::conf::{Config, Cost};
use crate::container::Event;
use crate::disk::{self, Lane, Use};
use crate::net::{Close, Failed};
use crate::proto::Url;
use crate::session::{Ingest, sent_away};
use clock::Clock;
use read_ahead::{Batch, Item, ReadAhead};

/// A file, and how it is played.
#[derive(Clone, Debug)]
pub struct Playback {
    /// The file.
    pub path: PathBuf,
    /// True if it is repeated.
    pub repeat: bool,
    /// The speed of playback, above 0; above 1 it is faster than normal.
    pub speed: f64,
}

impl Playback {
    /// A file that is repeated without end.
    fn always(url: &Url) -> Self {
        Self { path: url.path.clone().into(), repeat: true, speed: 1.0 }
    }
}

/// Files that are played: the task of each, its tables or packets, and the list of what was read ahead.
pub(crate) static PLAYED: Cost = Cost {
    what: "files that are played",
    keys: &[Count("pull")],
    count: Config::played_files,
    user: |_| 128 << 10,
    kernel: |_| 0,
};

/// The longest wait without a check whether a stream on demand has viewers: the last that leaves tells nobody.
const MAX_WAIT: Duration = Duration::from_secs(1);

/// A file that is being published.
struct Session<'a> {
    job: &'a RelayJob,
    ingest: Ingest,
    clock: Clock,
    need: Need,
    /// It waits until a viewer has received data.
    holds: bool,
    /// A frame was published.
    begun: bool,
}

/// Publishes the file of the job's URL, again and again.
pub(crate) fn pull(job: RelayJob) -> Playing {
    Box::pin(async move { play(&job, &Playback::always(&job.url), false).await })
}

/// Publishes a file until its end, or until the stream is no longer needed. With `holds` it waits near the start
/// until a viewer has received data.
pub(super) async fn play(job: &RelayJob, playback: &Playback, holds: bool) -> (Close, u64) {
    let RelayJob { config, name, who, .. } = job;
    // the other half of a stream's memory is for frames on their way to viewers
    let (most, max_frame) = (config.streams.memory.0 / 8, config.streams.max_frame.0);
    let (path, lane) = (playback.path.clone(), Lane::to(&playback.path));
    let show = match disk::read(lane, Use::Stream, move || ReadAhead::open(&path, most, max_frame)).await {
        Ok(show) => show,
        Err(error) => return (Failed::file(&error).into(), 0),
    };
    let admitted = match job.publish(Instant::now()) {
        Ok(admitted) => admitted,
        Err(why) => return (why.into(), 0),
    };
    log::info!("{who} plays {} as {name}", playback.path.display());
    if show.rotation() != 0 {
        log::warn!(
            "{who} {name} has to be shown turned right by {} degrees, which viewers do not know",
            show.rotation()
        );
    }
    let ingest = Ingest::new(admitted, config);
    let mut session = Session {
        job,
        ingest,
        clock: Clock::new(playback.speed, show.is_timed()),
        need: Need::new(),
        holds,
        begun: false,
    };
    let why = session.run(show, playback).await;
    (why, session.ingest.publisher.moved())
}

impl Session<'_> {
    /// Publishes the content of the file.
    async fn run(&mut self, mut show: ReadAhead, playback: &Playback) -> Close {
        loop {
            let room = self.ingest.publisher.room();
            let lane = show.lane();
            let read = disk::read(lane, Use::Stream, move || show.next(&room).map(|batch| (show, batch)));
            let batch: Batch;
            (show, batch) = match self.unless_over(read).await {
                Ok(Ok(read)) => read,
                Ok(Err(error)) => return Failed::file(&error).into(),
                Err(why) => return why,
            };
            let ended = batch.ended;
            if let Err(why) = self.publish(batch).await {
                return why;
            }
            if !ended {
                continue;
            }
            if !playback.repeat {
                return self.end().await;
            }
            let lane = Lane::to(&playback.path);
            show = match disk::read(lane, Use::Stream, move || show.rewind().map(|()| show)).await {
                Ok(show) => show,
                Err(error) => return Failed::file(&error).into(),
            };
        }
    }

    /// Publishes each frame when it is due.
    async fn publish(&mut self, mut batch: Batch) -> Result<(), Close> {
        if !self.begun {
            self.begin(&mut batch);
        }
        let mut items = batch.items.into_iter();
        while let Some((at, item)) = items.next() {
            if let Item::Event(Event::Frame(_)) = item {
                let now = Instant::now();
                let due = self.clock.due(at, items.as_slice().iter().map(|(at, _)| *at), now);
                if due > now {
                    self.ingest.show();
                    self.wait(due).await?;
                    self.hold().await?;
                }
            }
            match item {
                Item::Event(event) => self.ingest.take(event, Instant::now())?,
                Item::Lost(kind, error) => self.ingest.lost(kind, &error.into()),
            }
        }
        self.ingest.show();
        self.wait(Instant::now()).await
    }

    /// Announces all tracks before the first frame, and then that the tracks are complete.
    fn begin(&mut self, batch: &mut Batch) {
        let mut known = Vec::new();
        batch.items.sort_by_cached_key(|(_, item)| match item {
            Item::Event(Event::Track(track)) if !known.contains(&(track.codec.kind(), track.id)) => {
                known.push((track.codec.kind(), track.id));
                0
            }
            _ => 1,
        });
        self.begun = batch.items.iter().any(|(_, item)| matches!(item, Item::Event(Event::Frame(_))));
        if self.begun && !batch.both {
            self.ingest.publisher.complete();
        }
    }

    /// Ends the file; with `holds` it first waits until a viewer has received data.
    async fn end(&mut self) -> Close {
        let is_open = self.ingest.publisher.stream().is_open();
        if self.holds && !is_open {
            return Failed::File("there is nothing in it to play".into()).into();
        }
        self.hold().await.err().unwrap_or(Close::Eof)
    }

    /// Waits. It fails if the publisher is dismissed or the stream is no longer needed.
    async fn wait(&mut self, until: Instant) -> Result<(), Close> {
        loop {
            let next = if self.job.on_demand { until.min(Instant::now() + MAX_WAIT) } else { until };
            self.unless_over(Timer::at(next)).await?;
            let watched = !self.job.on_demand || self.ingest.publisher.stream().is_watched();
            if !self.need.holds(watched, Instant::now()) {
                return Err(Close::Done);
            }
            if next == until {
                return Ok(());
            }
        }
    }

    /// The result of `work`. It fails when the publisher is dismissed, or the server stops: a file has no connection
    /// that would be closed then.
    async fn unless_over<T>(&self, work: impl Future<Output = T>) -> Result<T, Close> {
        let dismissed = async {
            let why = std::future::poll_fn(|cx| self.ingest.publisher.poll_dismissed(cx)).await;
            Err(sent_away(why))
        };
        let over = async {
            self.job.core.watch.stopped().await;
            Err(Close::Shutdown)
        };
        or(dismissed, or(async { Ok(work.await) }, over)).await
    }

    /// Stops the clock, once the stream can be joined, until a viewer has received data.
    async fn hold(&mut self) -> Result<(), Close> {
        let publisher = &self.ingest.publisher;
        if !self.holds || !publisher.stream().is_open() {
            return Ok(());
        }
        self.unless_over(std::future::poll_fn(|cx| publisher.poll_received(cx))).await?;
        self.holds = false;
        self.clock.resume();
        Ok(())
    }
}
