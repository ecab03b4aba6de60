//! The memory that connections take beside what they are themselves: heads, messages and
//! requests of which not all has come, answers.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use super::Account;

/// The accounts for that, which all connections share.
#[derive(Clone)]
pub struct Greetings {
    all: Account,
    few: Account,
    files: Account,
    each: Arc<AtomicUsize>,
}

impl Greetings {
    /// So many bytes for all. `each` is what one connection may have as long as others have no more than
    /// that either; what is longer has a third of all.
    pub fn new(total: &Account, limit: usize, each: usize) -> Self {
        let all = total.child("connections", limit);
        let few = all.child("answers", limit / 3);
        let files = few.child("files", limit / 6);
        Self { all, few, files, each: Arc::new(each.into()) }
    }

    /// Connections that begin from here on may have `each` so.
    pub fn set_each(&self, each: usize) {
        self.each.store(each, Relaxed);
    }

    /// The account of them all.
    pub fn account(&self) -> &Account {
        &self.all
    }

    /// The account for so many bytes of one connection.
    pub fn account_for(&self, bytes: usize) -> &Account {
        if bytes <= self.each.load(Relaxed) { &self.all } else { &self.few }
    }

    /// An account for the messages of one connection.
    pub fn messages(&self) -> Account {
        self.all.child("greeting", self.each.load(Relaxed))
    }

    /// The account for the pieces of files: half of what there is for answers.
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
