//! Bytes that are known to be charged.

use std::ops::Deref;

use bytes::Bytes;

use super::{Account, BlockMut, OverBudget};

/// Bytes of blocks, which are charged to an account while they are held. Machines return them, and
/// `hub::Publisher::paid` makes them from any bytes.
#[derive(Clone, Debug, Eq)]
pub struct Paid(Bytes);

impl Paid {
    /// A copy of `data`, charged to `account`.
    pub fn copy(account: &Account, data: &[u8]) -> Result<Self, OverBudget> {
        BlockMut::copy(account, data).map(Self)
    }

    /// A part of a block, or of the program itself.
    pub(crate) fn of(bytes: Bytes) -> Self {
        Self(bytes)
    }

    /// The bytes, shared.
    pub fn share(&self) -> Bytes {
        self.0.clone()
    }
}

impl Deref for Paid {
    type Target = Bytes;

    fn deref(&self) -> &Bytes {
        &self.0
    }
}

impl<T: ?Sized> PartialEq<T> for Paid
where
    Bytes: PartialEq<T>,
{
    fn eq(&self, other: &T) -> bool {
        self.0 == *other
    }
}

impl PartialEq<Paid> for Bytes {
    fn eq(&self, other: &Paid) -> bool {
        *self == other.0
    }
}

/// In tests that only read frames nothing is charged.
#[cfg(test)]
impl<T: Into<Bytes>> From<T> for Paid {
    fn from(data: T) -> Self {
        Self(data.into())
    }
}
