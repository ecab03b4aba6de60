//! The plan of a configuration: its memory in the worst case. Each module that uses memory has a `Cost` beside the
//! code.

use super::Config;
use crate::budget::{Key, Line, Plan};

/// A line of the plan: the number of things that a configuration allows, and the memory of each.
pub struct Cost {
    /// Its name in plain words.
    pub what: &'static str,
    /// The configuration keys that change `count` or a size.
    pub keys: &'static [Key],
    /// The most things at once.
    pub count: fn(&Config) -> usize,
    /// The bytes of each in the process.
    pub user: fn(&Config) -> usize,
    /// The bytes of each in the kernel.
    pub kernel: fn(&Config) -> usize,
}

impl Cost {
    /// The line for a configuration.
    pub fn line(&self, config: &Config) -> Line {
        let &Self { what, keys, count, user, kernel } = self;
        Line { what, keys, count: count(config), user: user(config), kernel: kernel(config) }
    }

    /// The most bytes in the process, for the limit of the account of all these things.
    pub fn limit(&self, config: &Config) -> usize {
        (self.count)(config).saturating_mul((self.user)(config))
    }
}

impl Config {
    /// The worst case of all these costs.
    pub fn plan(&self, costs: &[&Cost]) -> Plan {
        Plan { lines: costs.iter().map(|cost| cost.line(self)).collect(), limit: self.memory.total.0 }
    }
}
