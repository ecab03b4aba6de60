//! A file that is being sent: pieces are read as the client receives them.

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

/// A file that is being sent.
pub(in crate::serve) struct Body {
    file: Arc<Opened>,
    /// The use of the file.
    due: Use,
    at: u64,
    left: u64,
    outlet: Outlet,
    reading: Option<Reading>,
    account: Account,
    /// The charge for the jobs.
    _lease: Lease,
}

/// A read in progress, and its start.
struct Reading(Pin<Box<dyn Future<Output = io::Result<Bytes>> + Send>>, Instant);

/// The most bytes of one read, and the fewest when memory is short.
const READ_SIZES: (usize, usize) = (16 << 10, 1 << 10);
/// The pause before a read that has no memory is tried again.
const RETRY: Duration = Duration::from_millis(50);
/// The duration of a read after which the connection is checked for a client that has left.
const LATE_AFTER: Duration = Duration::from_secs(1);

impl Body {
    /// A number of bytes of a file `at` a position; `lease` is the charge for the work.
    pub(super) fn new(file: Opened, due: Use, (at, left): (u64, u64), account: Account, lease: Lease) -> Self {
        let (outlet, reading) = (Outlet::default(), None);
        Self { file: Arc::new(file), due, at, left, outlet, reading, account, _lease: lease }
    }

    /// The bytes not read yet.
    pub(in crate::serve::http) fn len(&self) -> u64 {
        self.left
    }

    /// The next bytes; ready and empty at the end. An error cuts the connection, because the announced length cannot be
    /// sent.
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

    /// True if the read takes so long that the client may have left.
    pub(in crate::serve::http) fn is_late(&self) -> bool {
        self.reading.as_ref().is_some_and(|Reading(_, since)| since.elapsed() >= LATE_AFTER)
    }
}

async fn read(file: Arc<Opened>, due: Use, at: u64, left: u64, account: Account) -> io::Result<Bytes> {
    loop {
        let (file, account) = (file.clone(), account.clone());
        let piece = disk::read(file.lane(), due, move || read_piece(&file, at, left, &account)).await?;
        match piece {
            Some(bytes) => return Ok(bytes),
            None => {
                Timer::after(RETRY).await;
            }
        }
    }
}

/// A piece of the file at that position, of up to half of the free memory; `None` if there is none.
fn read_piece(file: &Opened, at: u64, left: u64, account: &Account) -> io::Result<Option<Bytes>> {
    let (longest, shortest) = READ_SIZES;
    let most = (account.available() / 2).clamp(shortest, longest).min(usize::try_from(left).unwrap_or(longest));
    let Ok(mut block) = BlockMut::new(account, most) else { return Ok(None) };
    let mut read = Ok(0);
    block.fill_by(most, |buffer| {
        read = file.read_at(buffer, at);
        *read.as_ref().unwrap_or(&0)
    });
    read.map(|_| Some(block.freeze()))
}
