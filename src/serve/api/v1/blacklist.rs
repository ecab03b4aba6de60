//! Addresses that the operator refuses for a while.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::reply::{done, item, list, no_room, object, refuse};
use crate::proto::http::Status;
use crate::serve::api::lal::read;
use crate::serve::http::{Answer, Exchange};
use crate::session::TooManyAddresses;

/// An address that is refused, and for how many seconds from now on.
#[derive(Deserialize, Serialize)]
pub(in crate::serve::api) struct Row {
    ip: IpAddr,
    seconds: u32,
}

/// `GET /api/v1/blacklist`: by address.
pub(in crate::serve) fn tell(exchange: Exchange) -> Answer {
    let core = &exchange.server.core;
    let bytes = exchange.config.api.blacklist.saturating_mul(size_of::<(IpAddr, Duration)>());
    let Ok(_paid) = core.greetings.account_for(bytes).charge(bytes) else { return no_room(&exchange) };
    list(&exchange, core.blacklist.list(Instant::now()), |text, (ip, left)| {
        // the last second counts as one
        let seconds = left.as_secs() + u64::from(left.subsec_nanos() > 0);
        text.value(&Row { ip, seconds: u32::try_from(seconds).unwrap_or(u32::MAX) })
    })
}

/// `POST /api/v1/blacklist`: `{"ip":"192.0.2.1","seconds":60}`. An address that is there already gets the new time.
pub(in crate::serve) fn add(exchange: Exchange) -> Answer {
    let Some(row) = read::<Row>(&exchange).filter(|row| row.seconds > 0) else {
        let why = "the body must be {\"ip\":\"ADDRESS\",\"seconds\":NUMBER}, with a number from 1 to 4294967295";
        return refuse(&exchange, Status::BAD_REQUEST, why);
    };
    let row = Row { ip: row.ip.to_canonical(), ..row };
    let time = Duration::from_secs(row.seconds.into());
    match exchange.server.core.blacklist.add(row.ip, time, Instant::now()) {
        Ok(()) => {
            log::info!("{} is refused for {} s by the API, peer={}", row.ip, row.seconds, exchange.peer);
            object(&exchange, &row)
        }
        Err(TooManyAddresses) => refuse(&exchange, Status::CONFLICT, "api.blacklist addresses are refused already"),
    }
}

/// `DELETE /api/v1/blacklist/IP`.
pub(in crate::serve) fn remove(exchange: Exchange) -> Answer {
    let ip = item(&exchange, "/api/v1/blacklist/", "").and_then(|ip| ip.parse().ok());
    match ip.is_some_and(|ip| exchange.server.core.blacklist.remove(ip, Instant::now())) {
        true => done(&exchange),
        false => refuse(&exchange, Status::NOT_FOUND, "that address is not refused"),
    }
}
