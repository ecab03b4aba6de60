//! The state of the server: first the whole of it, then what has changed.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use serde::Serialize;

use super::machine::Cpu;
use crate::budget::{Account, OverBudget};
use crate::hub::{Name, Stream};
use crate::serve::api::v1::streams::Told;
use crate::session::{Core, JsonText};

/// The state as a reader has been told of it.
#[derive(Default)]
pub(super) struct State {
    /// The streams, by name.
    rows: Vec<Row>,
    /// A hash of the server as it was told.
    server: u64,
    is_begun: bool,
    cpu: Cpu,
}

/// A stream as it was told.
struct Row {
    name: Name,
    /// A hash of the item.
    digest: u64,
}

/// The changes since the last message.
pub(super) struct Changes {
    pub json: Vec<Bytes>,
    /// True if there were too many for one message.
    pub has_more: bool,
}

/// The sums over all streams.
#[derive(Default)]
struct Totals {
    streams: usize,
    viewers: usize,
    kbps_in: u64,
    kbps_out: u64,
}

/// The server itself.
#[derive(Serialize)]
struct ServerTold {
    streams: usize,
    viewers: usize,
    kbps_in: u64,
    kbps_out: u64,
    accounts: [AccountTold; 5],
    /// In thousandths of one core.
    #[serde(skip_serializing_if = "Option::is_none")]
    cpu_permille: Option<u64>,
    /// The bytes that recordings have written.
    #[serde(skip_serializing_if = "Option::is_none")]
    written_bytes: Option<u64>,
}

#[derive(Serialize)]
struct AccountTold {
    name: String,
    used: usize,
    limit: usize,
}

/// The name of the event.
pub(super) const NAME: &str = "state";
/// The bytes that a row takes, with a name that is kept for it, and the free places of the list.
pub(super) const ROW: usize = 256;
const _: () = assert!(2 * size_of::<Row>() + Name::MAX + 16 <= ROW, "the plan has room for a row");
/// The bytes of streams in one message. Those that do not fit are in the next, which follows at once.
const MOST: usize = 2 << 10;

impl State {
    /// What has changed; `None` if nothing has. Where there is no room for it, that is told later.
    pub fn changes(&mut self, core: &Core, account: &Account, now: Instant) -> Option<Changes> {
        let mut text = JsonText::new(account);
        match self.write(&mut text, core, now) {
            Ok(None) => None,
            Ok(Some(has_more)) => Some(Changes { json: text.finish(), has_more }),
            Err(_) => {
                // what was told and not sent is not known: all is told anew
                *self = Self { cpu: std::mem::take(&mut self.cpu), ..Self::default() };
                None
            }
        }
    }

    /// Writes the changes. `None` without any; else whether there are more.
    fn write(&mut self, text: &mut JsonText<'_>, core: &Core, now: Instant) -> Result<Option<bool>, OverBudget> {
        let mut streams = core.hub.streams();
        streams.retain(|stream| stream.is_live());
        streams.sort_unstable_by(|one, other| one.name().cmp(other.name()));
        let (is_first, mut totals) = (!self.is_begun, Totals::default());
        let whole = if is_first { ",\"whole\":true" } else { "" };
        text.put(&format!("{{\"event\":\"{NAME}\"{whole},\"streams\":["))?;
        let (mut told, mut has_more) = (0, false);
        for stream in &streams {
            let item = Told::of(core, stream, &stream.gauges(now));
            totals.add(&item);
            // none of these values fails: their keys are texts
            let json = serde_json::to_string(&item).unwrap_or_default();
            let digest = digest(&json);
            let place = self.rows.binary_search_by(|row| row.name.cmp(stream.name()));
            if place.is_ok_and(|at| self.rows.get(at).is_some_and(|row| row.digest == digest)) {
                continue;
            }
            if told > MOST {
                has_more = true;
                continue;
            }
            text.put(if told == 0 { "" } else { "," })?;
            text.put(&json)?;
            told += json.len();
            let row = Row { name: stream.name().clone(), digest };
            match place {
                Ok(at) => self.rows.get_mut(at).into_iter().for_each(|known| known.digest = digest),
                Err(at) => self.rows.insert(at, row),
            }
        }
        text.put("],\"removed\":")?;
        let gone = self.forget(&streams);
        text.value(&gone)?;
        let server = serde_json::to_string(&ServerTold::of(core, &totals, self.cpu.measure(now))).unwrap_or_default();
        let has_news = std::mem::replace(&mut self.server, digest(&server)) != self.server;
        if has_news {
            text.put(",\"server\":")?;
            text.put(&server)?;
        }
        text.put("}")?;
        self.is_begun = true;
        let changes = is_first || told > 0 || !gone.is_empty() || has_news;
        Ok(changes.then_some(has_more))
    }

    /// Removes the rows of streams that are gone, and returns the names of some: others are told of next time.
    fn forget(&mut self, streams: &[Arc<Stream>]) -> Vec<String> {
        let mut gone = Vec::new();
        self.rows.retain(|row| {
            let is_there = streams.binary_search_by(|stream| stream.name().cmp(&row.name)).is_ok();
            let is_told = !is_there && gone.len() < MOST_GONE;
            if is_told {
                gone.push(row.name.to_string());
            }
            !is_told
        });
        gone
    }
}

/// The names of streams that are gone in one message.
const MOST_GONE: usize = 8;

fn digest(text: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    text.hash(&mut hasher);
    hasher.finish()
}

impl Totals {
    fn add(&mut self, item: &Told<'_>) {
        self.streams += 1;
        self.viewers += item.viewers;
        self.kbps_in += item.kbps_in;
        self.kbps_out += item.kbps_out;
    }
}

impl ServerTold {
    fn of(core: &Core, &Totals { streams, viewers, kbps_in, kbps_out }: &Totals, cpu_permille: Option<u64>) -> Self {
        let accounts = [&core.total, core.hub.account(), core.greetings.account(), &core.hls, &core.recordings];
        let accounts =
            accounts.map(|one| AccountTold { name: one.name().into(), used: one.used(), limit: one.limit() });
        let written_bytes = core.recorded.bytes_written();
        Self { streams, viewers, kbps_in, kbps_out, accounts, cpu_permille, written_bytes }
    }
}
