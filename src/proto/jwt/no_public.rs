//! Public keys of a program without `tls`, whose library checks them: there are none.

use super::KeyError;
use crate::wire::json::Json;

/// A key that cannot be.
#[derive(Clone, PartialEq, Eq)]
pub(super) enum PublicKey {}

impl PublicKey {
    pub(super) fn algorithm(&self) -> &'static str {
        match *self {}
    }

    pub(super) fn has_signed(&self, _: &[u8], _: &[u8]) -> bool {
        match *self {}
    }

    pub(super) fn of_pem(_: &str) -> Result<Self, KeyError> {
        Err(KeyError::Feature)
    }

    pub(super) fn of_jwk(_: Json<'_>, _: &dyn Fn(&str) -> Option<Vec<u8>>) -> Result<Self, KeyError> {
        Err(KeyError::Feature)
    }
}
