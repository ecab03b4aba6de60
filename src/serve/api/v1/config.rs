//! The configuration: what it is, without secrets, and reading it again.

use std::future::poll_fn;
use std::time::Duration;

use serde::Serialize;
use smol::future::or;

use super::reply::{answer, object, refuse, written};
use crate::budget::OverBudget;
use crate::conf::{Changes, Told};
use crate::proto::http::Status;
use crate::reactor::Timer;
use crate::serve::api::lal::parameter;
use crate::serve::http::{Answer, Exchange};
use crate::session::{JsonText, Mistake, NoReload, Reloaded};

/// The file.
#[derive(Serialize)]
struct File<'a> {
    file: &'a str,
    profile: &'static str,
    total: usize,
}

/// The changes of a new configuration.
#[derive(Serialize)]
struct Changed<'a> {
    changed: &'a [String],
    restart: &'a [String],
}

/// A mistake.
#[derive(Serialize)]
struct Wrong<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    line: Option<usize>,
    text: &'a str,
}

/// The reason where a program has the server inside.
const UNFOLLOWED: &str = "the program that this server is a part of has no such file";
/// The longest time that an answer waits for the file; a disk has 10 s.
const READ_WITHIN: Duration = Duration::from_secs(15);

/// `GET /api/v1/config`: the keys that the file sets, and all of them with `?all=1`.
pub(in crate::serve) fn tell(exchange: Exchange) -> Answer {
    let Some(keys) = exchange.server.core.reloads.keys() else {
        return refuse(&exchange, Status::NOT_IMPLEMENTED, UNFOLLOWED);
    };
    let told = keys.told(parameter(&exchange.request.query, "all").as_deref() == Some("1"));
    written(&exchange, |text| {
        text.open(&File { file: keys.file(), profile: exchange.config.profile.name(), total: told.len() })?;
        text.put(",\"items\":")?;
        text.array(&told, entry)?;
        text.put("}")
    })
}

/// `POST /api/v1/reload`: reads the file again, as SIGHUP does.
pub(in crate::serve) fn reload(exchange: Exchange) -> Answer {
    let core = exchange.server.core.clone();
    let number = match core.reloads.ask() {
        Ok(number) => number,
        Err(NoReload::Unfollowed) => return refuse(&exchange, Status::NOT_IMPLEMENTED, UNFOLLOWED),
        Err(NoReload::Busy) => return refuse(&exchange, Status::CONFLICT, "the configuration is being read again"),
    };
    log::info!("the configuration is read again by the API, peer={}", exchange.peer);
    Answer::later(async move {
        let late = async {
            Timer::after(READ_WITHIN).await;
            None
        };
        let done = or(poll_fn(|cx| core.reloads.poll_done(number, cx)), late).await;
        Ok(match done {
            Some(result) => outcome(&exchange, &result),
            None => refuse(&exchange, Status::UNAVAILABLE, "the file is not read yet: the log says what comes of it"),
        })
    })
}

/// The answer to a request to read the file again.
fn outcome(exchange: &Exchange, result: &Reloaded) -> Answer {
    match result {
        Ok(Changes { live, restart }) => object(exchange, &Changed { changed: live, restart }),
        Err(mistakes) => answer(exchange, Status::BAD_REQUEST, |text| {
            text.put("{\"error\":\"nothing was changed: the configuration has mistakes\",\"mistakes\":")?;
            text.array(mistakes, |text, Mistake { key, line, text: why }| {
                text.value(&Wrong { key: key.as_deref(), line: line.map(usize::from), text: why })
            })?;
            text.put("}")
        }),
    }
}

/// Writes a key with its value.
fn entry(text: &mut JsonText<'_>, Told { key, value: shown, running, line }: &Told) -> Result<(), OverBudget> {
    text.put("{\"key\":")?;
    text.value(key)?;
    text.put(",\"value\":")?;
    value(text, shown)?;
    if let Some(running) = running {
        text.put(",\"running\":")?;
        value(text, running)?;
    }
    text.put(&line.map_or_else(|| "}".into(), |line| format!(",\"line\":{line}}}")))
}

/// Writes a value. Dates, which no key has, are `null`.
fn value(text: &mut JsonText<'_>, shown: &toml::Value) -> Result<(), OverBudget> {
    match shown {
        toml::Value::String(shown) => text.value(shown),
        toml::Value::Integer(number) => text.value(number),
        toml::Value::Float(number) => text.value(number),
        toml::Value::Boolean(whether) => text.value(whether),
        toml::Value::Array(list) => text.array(list, value),
        toml::Value::Datetime(_) | toml::Value::Table(_) => text.put("null"),
    }
}
