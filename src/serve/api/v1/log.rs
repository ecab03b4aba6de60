//! The log.

use serde::Serialize;

use super::reply::{number, refuse, written};
use crate::device::log::{latest, next_line};
use crate::proto::http::Status;
use crate::serve::http::{Answer, Exchange};
use crate::wire::iso8601;

/// A line.
#[derive(Serialize)]
struct Told<'a> {
    time: String,
    /// As `log.level` has it.
    level: String,
    text: &'a str,
}

/// The lines where the client says no number.
const USUAL: usize = 200;

/// `GET /api/v1/log?lines=200`: the latest lines, the oldest of them first.
pub(in crate::serve) fn tell(exchange: Exchange) -> Answer {
    let Ok(lines) = number(&exchange.request.query, "lines") else {
        return refuse(&exchange, Status::BAD_REQUEST, "lines is not a number from 0");
    };
    let (total, mut place) = latest(lines.unwrap_or(USUAL));
    // lines that are logged meanwhile do not count
    let lines = std::iter::from_fn(|| next_line(&mut place)).take(total.min(lines.unwrap_or(USUAL)));
    written(&exchange, |text| {
        text.put(&format!("{{\"total\":{total},\"items\":"))?;
        text.array(lines, |text, line| {
            let level = line.level.as_str().to_ascii_lowercase();
            text.value(&Told { time: iso8601(line.time), level, text: &line.text })
        })?;
        text.put("}")
    })
}
