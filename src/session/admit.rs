//! Whether somebody may publish or play.

use crate::hub::Refused;
use crate::net::{Claim, Seat};

/// Has a connection publish or play, by way of `begin`, if its address may do that.
pub fn may_be<T>(seat: Option<&Seat>, what: Claim, begin: impl FnOnce() -> Result<T, Refused>) -> Result<T, Refused> {
    if seat.is_some_and(|seat| !seat.take(what)) {
        return Err(Refused::Peer);
    }
    begin().inspect_err(|_| seat.iter().for_each(|seat| seat.leave()))
}
