//! A file on its way out: pieces are read as the client takes them.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use crate::reactor::Timer;
use bytes::Bytes;

use crate::budget::{Account, BlockMut, Lease};
use crate::disk::{self, Opened, Use};
use crate::hub::Unit;
use crate::media::Ticks;
use crate::net::Outlet;

/// A file on its way out.
pub(in crate::serve) struct Body {
    file: Arc<Opened>,
    /// The use that it has.
    due: Use,
    at: u64,
    left: u64,
    outlet: Outlet,
    reading: Option<Reading>,
    account: Account,
    /// Pays for the jobs.
    _lease: Lease,
}

/// A piece that the disk is to give, and since when.
struct Reading(Pin<Box<dyn Future<Output = io::Result<Bytes>> + Send>>, Instant);

/// The most bytes that are read at once, and the fewest where others have the room.
const READ: (usize, usize) = (16 << 10, 1 << 10);
/// A download that finds no room for a piece looks again after this.
const AGAIN: Duration = Duration::from_millis(50);
/// While a read takes longer it is looked whether the client has left.
const LATE: Duration = Duration::from_secs(1);

impl Body {
    /// So many bytes of a file `at` a place; `lease` pays for the work.
    pub(super) fn new(file: Opened, due: Use, (at, left): (u64, u64), account: Account, lease: Lease) -> Self {
        let (outlet, reading) = (Outlet::default(), None);
        Self { file: Arc::new(file), due, at, left, outlet, reading, account, _lease: lease }
    }

    /// The bytes that are left.
    pub(in crate::serve::http) fn len(&self) -> u64 {
        self.left
    }

    /// The bytes to be sent next; ready and empty when that was all. An error cuts the connection: the
    /// length that was promised cannot be sent.
    pub(in crate::serve::http) fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<&mut Outlet>> {
        while self.outlet.is_empty() && self.left > 0 {
            let Self { file, due, at, left, account, .. } = self;
            let read = || Reading(Box::pin(read(file.clone(), *due, *at, *left, account.clone())), Instant::now());
            let Reading(reading, _) = self.reading.get_or_insert_with(read);
            let bytes = ready!(reading.as_mut().poll(cx))?;
            self.reading = None;
            if bytes.is_empty() {
                return Poll::Ready(Err(io::ErrorKind::UnexpectedEof.into()));
            }
            self.at += bytes.len() as u64;
            self.left -= bytes.len() as u64;
            self.outlet.fill(|units| units.push(Unit::whole(bytes, Ticks(0))));
        }
        Poll::Ready(Ok(&mut self.outlet))
    }

    /// Whether the disk takes so long that somebody may have left meanwhile.
    pub(in crate::serve::http) fn is_late(&self) -> bool {
        self.reading.as_ref().is_some_and(|Reading(_, since)| since.elapsed() >= LATE)
    }
}

async fn read(file: Arc<Opened>, due: Use, at: u64, left: u64, account: Account) -> io::Result<Bytes> {
    loop {
        let (file, account) = (file.clone(), account.clone());
        let piece = disk::read(file.lane(), due, move || read_piece(&file, at, left, &account)).await?;
        match piece {
            Some(bytes) => return Ok(bytes),
            None => {
                Timer::after(AGAIN).await;
            }
        }
    }
}

/// A piece of the file from that place on, as long as half of the room that is left; `None` if there is none.
fn read_piece(file: &Opened, at: u64, left: u64, account: &Account) -> io::Result<Option<Bytes>> {
    let (longest, shortest) = READ;
    let most = (account.available() / 2).clamp(shortest, longest).min(usize::try_from(left).unwrap_or(longest));
    let Ok(mut block) = BlockMut::new(account, most) else { return Ok(None) };
    let mut read = Ok(0);
    block.fill_by(most, |buffer| {
        read = file.read_at(buffer, at);
        *read.as_ref().unwrap_or(&0)
    });
    read.map(|_| Some(block.freeze()))
}
