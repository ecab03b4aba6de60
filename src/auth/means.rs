//! The means of the server that the rules work with.

use std::sync::Arc;

use smol::Executor;

use crate::budget::Account;
use crate::conf::Config;
use crate::net::HandshakeThrottle;

/// The means for what takes time: servers that are asked.
#[derive(Clone)]
pub struct Means {
    /// It runs their tasks.
    pub executor: Arc<Executor<'static>>,
    /// The account whose parts theirs are.
    pub account: Account,
    /// Limits the rate of TLS handshakes.
    pub throttle: Arc<HandshakeThrottle>,
    /// The questions that one server is asked at once.
    pub questions: usize,
    /// The same with those that wait.
    pub open_questions: usize,
}

impl Means {
    /// Those of a configuration.
    pub fn of(
        config: &Config,
        executor: &Arc<Executor<'static>>,
        account: &Account,
        throttle: &Arc<HandshakeThrottle>,
    ) -> Self {
        Self {
            executor: executor.clone(),
            account: account.clone(),
            throttle: throttle.clone(),
            questions: config.questions(),
            open_questions: config.open_questions(),
        }
    }
}

#[cfg(test)]
impl Default for Means {
    fn default() -> Self {
        let config = Config::parse("test", "profile = \"router\"\n").unwrap();
        Self::of(&config, &Arc::default(), &Account::root("test", 8 << 20), &Arc::default())
    }
}
