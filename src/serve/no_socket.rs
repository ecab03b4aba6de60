//! The Unix socket of the API in a build without the API.

use std::sync::Arc;

use super::{Error, Server, Unbound};
use crate::conf::Config;

/// The socket: none.
#[derive(Default)]
pub(super) struct ApiSocket(());

impl ApiSocket {
    /// Opens nothing.
    pub(super) fn bind(&self, _: &Config) -> Result<(), Unbound> {
        Ok(())
    }

    /// Accepts nothing.
    pub(super) fn listen(&self, _: &Arc<Server>) -> Result<(), Error> {
        Ok(())
    }

    /// Has no file.
    pub(super) fn close(&self) {}
}
