//! The memory that is planned, and how much of it is used.

use serde::Serialize;

use super::reply::{Memory, written};
use crate::budget::{Key, Line};
use crate::serve::http::{Answer, Exchange};

/// A row of the plan. Bytes are those of all things of the row in the worst case.
#[derive(Serialize)]
struct Row {
    what: &'static str,
    count: usize,
    user: usize,
    kernel: usize,
    /// The keys of the configuration that change it.
    keys: Vec<&'static str>,
}

/// The sums of the rows, and `memory.total`.
#[derive(Serialize)]
struct Total {
    user: usize,
    kernel: usize,
    limit: usize,
}

/// `GET /api/v1/plan`.
pub(in crate::serve) fn tell(exchange: Exchange) -> Answer {
    let core = &exchange.server.core;
    let plan = core.plan(&core.config());
    let total = Total { user: plan.user(), kernel: plan.kernel(), limit: plan.limit };
    let accounts = [&core.total, core.hub.account(), core.greetings.account(), &core.hls, &core.recordings];
    written(&exchange, |text| {
        text.put("{\"rows\":")?;
        text.array(plan.lines, |text, line| text.value(&Row::of(&line)))?;
        text.put(",\"total\":")?;
        text.value(&total)?;
        text.put(",\"accounts\":")?;
        text.array(accounts, |text, account| {
            text.put("{\"name\":")?;
            text.value(&account.name())?;
            text.put(",\"memory\":")?;
            text.value(&Memory::of(account))?;
            text.put("}")
        })?;
        text.put("}")
    })
}

impl Row {
    fn of(line: &Line) -> Self {
        let keys = line.keys.iter().copied().map(Key::name).collect();
        Self { what: line.what, count: line.count, user: line.total_user(), kernel: line.total_kernel(), keys }
    }
}
