//! Accounts and leases: memory is charged before it is allocated.

use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, OnceLock};

use super::ballast::Ballast;

/// A budget in bytes with a limit, and the share of a parent's budget that it
/// may use. Cloning gives another handle on the same account.
#[derive(Clone)]
pub struct Account(Arc<Node>);

struct Node {
    name: Box<str>,
    limit: AtomicUsize,
    used: AtomicUsize,
    peak: AtomicUsize,
    parent: Option<Account>,
    /// The memory that is held without a charge, once `prefault` was called.
    ballast: OnceLock<Ballast>,
}

/// The right to hold `bytes` bytes; returned when dropped.
pub struct Lease {
    account: Account,
    bytes: usize,
}

/// A charge was refused: the account or one above it would exceed its limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OverBudget {
    /// The bytes of the charge.
    pub wanted: usize,
    /// The limit that was exceeded, in bytes.
    pub limit: usize,
}

impl Account {
    /// A root account.
    pub fn root(name: &str, limit: usize) -> Self {
        Self::make(name, limit, None)
    }

    /// An account whose charges are also charged to `self`.
    pub fn child(&self, name: &str, limit: usize) -> Self {
        Self::make(name, limit, Some(self.clone()))
    }

    fn make(name: &str, limit: usize, parent: Option<Account>) -> Self {
        Self(Arc::new(Node {
            name: name.into(),
            limit: AtomicUsize::new(limit),
            used: AtomicUsize::new(0),
            peak: AtomicUsize::new(0),
            parent,
            ballast: OnceLock::new(),
        }))
    }

    /// Reserves `bytes` in this account and in all above it, or in none.
    pub fn charge(&self, bytes: usize) -> Result<Lease, OverBudget> {
        self.take(bytes)?;
        Ok(Lease { account: self.clone(), bytes })
    }

    /// The name given at creation.
    pub fn name(&self) -> &str {
        &self.0.name
    }

    /// The most bytes charged at once.
    pub fn limit(&self) -> usize {
        self.0.limit.load(Relaxed)
    }

    /// Sets the limit. Charges beyond it stay, and further ones are refused until enough was returned.
    pub fn set_limit(&self, limit: usize) {
        self.0.limit.store(limit, Relaxed);
    }

    /// Bytes charged now.
    pub fn used(&self) -> usize {
        self.0.used.load(Relaxed)
    }

    /// The highest number of bytes charged at once so far.
    pub fn peak(&self) -> usize {
        self.0.peak.load(Relaxed)
    }

    /// The bytes that this account itself would still allow.
    pub fn available(&self) -> usize {
        self.limit().saturating_sub(self.used())
    }

    /// Takes `whole` bytes of memory now. They are released as bytes are charged, and `replenish` takes refunded memory
    /// back.
    pub fn prefault(&self, whole: usize) {
        self.0.ballast.get_or_init(|| Ballast::new(whole));
        self.replenish();
    }

    /// Takes refunded memory back, if `prefault` was called.
    pub fn replenish(&self) {
        if let Some(ballast) = self.0.ballast.get() {
            ballast.settle(self.used());
        }
    }

    /// The bytes that are held without a charge.
    pub fn ballast(&self) -> usize {
        self.0.ballast.get().map_or(0, Ballast::held)
    }

    fn take(&self, bytes: usize) -> Result<(), OverBudget> {
        let (node, limit) = (&*self.0, self.limit());
        let room = |used: usize| used.checked_add(bytes).filter(|sum| *sum <= limit);
        let before = node.used.fetch_update(Relaxed, Relaxed, room).map_err(|_| OverBudget { wanted: bytes, limit })?;
        if let Some(parent) = &node.parent
            && let Err(refusal) = parent.take(bytes)
        {
            node.used.fetch_sub(bytes, Relaxed);
            return Err(refusal);
        }
        node.peak.fetch_max(before + bytes, Relaxed);
        if let Some(ballast) = node.ballast.get() {
            ballast.make_way(self.used());
        }
        Ok(())
    }

    fn give(&self, bytes: usize) {
        let mut account = Some(self);
        while let Some(Account(node)) = account {
            node.used.fetch_sub(bytes, Relaxed);
            account = node.parent.as_ref();
        }
    }
}

impl Lease {
    /// Bytes held.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Returns all but `bytes`; a lease never grows.
    pub fn shrink(&mut self, bytes: usize) {
        if let Some(rest) = self.bytes.checked_sub(bytes) {
            self.account.give(rest);
            self.bytes = bytes;
        }
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.account.give(self.bytes);
    }
}

impl fmt::Debug for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}/{}", self.name(), self.used(), self.limit())
    }
}

impl fmt::Debug for Lease {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Lease({} of {})", self.bytes, self.account.name())
    }
}

impl fmt::Display for OverBudget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes do not fit in a budget of {}", self.wanted, self.limit)
    }
}

impl std::error::Error for OverBudget {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_charge_counts_in_every_account_above_and_is_refunded() {
        let total = Account::root("total", 100);
        let stream = total.child("stream", 60);
        let lease = stream.charge(50).unwrap();
        assert_eq!((total.used(), stream.used(), lease.bytes()), (50, 50, 50));
        drop(lease);
        assert_eq!((total.used(), stream.used()), (0, 0));
        assert_eq!((total.peak(), stream.peak()), (50, 50));
    }

    #[test]
    fn a_lease_gives_a_part_back_and_never_grows() {
        let total = Account::root("total", 100);
        let stream = total.child("stream", 60);
        let mut lease = stream.charge(50).unwrap();
        lease.shrink(20);
        assert_eq!((total.used(), stream.used(), lease.bytes()), (20, 20, 20));
        lease.shrink(30);
        assert_eq!((total.used(), lease.bytes()), (20, 20));
        drop(lease);
        assert_eq!((total.used(), stream.used()), (0, 0));
    }

    #[test]
    fn a_refusal_above_leaves_nothing_charged_below() {
        let total = Account::root("total", 40);
        let stream = total.child("stream", 60);
        assert_eq!(stream.charge(50).unwrap_err(), OverBudget { wanted: 50, limit: 40 });
        assert_eq!((total.used(), stream.used(), stream.peak()), (0, 0, 0));
    }

    #[test]
    fn a_limit_that_shrinks_refuses_until_enough_was_given_back() {
        let stream = Account::root("total", 100).child("stream", 100);
        let leases = [stream.charge(40).unwrap(), stream.charge(40).unwrap()];
        stream.set_limit(50);
        assert_eq!((stream.charge(1).unwrap_err().limit, stream.available()), (50, 0));
        drop(leases);
        assert!(stream.charge(50).is_ok() && stream.charge(51).is_err());
    }

    #[test]
    fn ballast_makes_way_for_what_is_charged_and_comes_back() {
        let total = Account::root("total", 10 << 20);
        assert_eq!(total.ballast(), 0);
        total.prefault(10 << 20);
        assert_eq!(total.ballast(), 10 << 20);
        let lease = total.child("stream", 5 << 20).charge(3 << 20).unwrap();
        assert_eq!(total.ballast(), 7 << 20);
        let more = total.charge(1).unwrap();
        assert!(total.ballast() + total.used() <= total.limit(), "never more than the limit");
        drop((lease, more));
        assert!(total.ballast() < 7 << 20);
        total.replenish();
        assert_eq!(total.ballast(), 10 << 20);
    }

    #[test]
    fn a_charge_that_would_wrap_is_refused() {
        let total = Account::root("total", usize::MAX);
        let _one = total.charge(1).unwrap();
        assert!(total.charge(usize::MAX).is_err());
    }
}
