//! The memory of connections besides their own structures: incomplete heads, messages and requests, and answers.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use super::Account;

/// The accounts for that memory, which all connections share.
#[derive(Clone)]
pub struct Greetings {
    all: Account,
    few: Account,
    files: Account,
    each: Arc<AtomicUsize>,
}

impl Greetings {
    /// Accounts of `limit` bytes for all connections. `each` is the part of one connection that is guaranteed while
    /// others use no more than that either; longer input shares a third of all.
    pub fn new(total: &Account, limit: usize, each: usize) -> Self {
        let all = total.child("connections", limit);
        let few = all.child("answers", limit / 3);
        let files = few.child("files", limit / 6);
        Self { all, few, files, each: Arc::new(each.into()) }
    }

    /// Sets `each` for connections that begin from here on.
    pub fn set_each(&self, each: usize) {
        self.each.store(each, Relaxed);
    }

    /// The account of all connections.
    pub fn account(&self) -> &Account {
        &self.all
    }

    /// The account for that number of bytes of one connection.
    pub fn account_for(&self, bytes: usize) -> &Account {
        if bytes <= self.each.load(Relaxed) { &self.all } else { &self.few }
    }

    /// An account for the messages of one connection.
    pub fn messages(&self) -> Account {
        self.all.child("greeting", self.each.load(Relaxed))
    }

    /// The account for pieces of files: half of that for answers.
    pub fn files(&self) -> &Account {
        &self.files
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_has_much_leaves_each_of_the_others_its_part() {
        let total = Account::root("total", 1 << 20);
        let greetings = Greetings::new(&total, 60 << 10, 4 << 10);
        let take = |bytes: usize| greetings.account_for(bytes).charge(bytes);
        let files: Vec<_> = std::iter::from_fn(|| greetings.files().charge(1 << 10).ok()).collect();
        let long: Vec<_> = std::iter::from_fn(|| take(5 << 10).ok()).collect();
        assert_eq!((files.len(), long.len()), (10, 2));
        let messages: Vec<_> = (0..10).map(|_| greetings.messages().charge(4 << 10).unwrap()).collect();
        assert!(greetings.messages().charge((4 << 10) + 1).is_err());
        drop((files, long, messages));
        assert_eq!(total.used(), 0);
    }
}
