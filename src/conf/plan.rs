//! The plan of a configuration: the memory that it can cost at worst. Each module that spends any says so in a
//! `Cost` beside the code that does.

use super::Config;
use crate::budget::{Key, Line, Plan};

/// A line of the plan: as many things as a configuration allows, and the memory of each.
pub struct Cost {
    /// Its name in plain words.
    pub what: &'static str,
    /// The configuration keys that change `count` or a size.
    pub keys: &'static [Key],
    /// The most that there can be at once.
    pub count: fn(&Config) -> usize,
    /// Bytes in the process, each.
    pub user: fn(&Config) -> usize,
    /// Bytes in the kernel, each.
    pub kernel: fn(&Config) -> usize,
}

impl Cost {
    /// The line of that configuration.
    pub fn line(&self, config: &Config) -> Line {
        let &Self { what, keys, count, user, kernel } = self;
        Line { what, keys, count: count(config), user: user(config), kernel: kernel(config) }
    }

    /// The most bytes in the process, which an account of all these things is limited to.
    pub fn limit(&self, config: &Config) -> usize {
        (self.count)(config).saturating_mul((self.user)(config))
    }
}

impl Config {
    /// The worst case where all this is spent.
    pub fn plan(&self, costs: &[&Cost]) -> Plan {
        Plan { lines: costs.iter().map(|cost| cost.line(self)).collect(), limit: self.memory.total.0 }
    }
}
