//! The Unix socket of the API.

use std::os::unix::net::UnixListener;
use std::sync::{Arc, Mutex, PoisonError};

use super::{Error, Refused, Server, Unbound, http};
use crate::conf::{Config, Cost};
use crate::net::{Conn, Gate, SocketFile, SocketSizes, accept_local, bind_local};
use crate::reactor::Async;
use crate::session::GREETING;

/// The socket, from its opening to the end of the server.
#[derive(Default)]
pub(super) struct ApiSocket(Mutex<Option<(Option<UnixListener>, SocketFile)>>);

/// The buffers of a connection: requests are short, and answers are read by a program on this machine.
const SIZES: SocketSizes = SocketSizes { send: 8 << 10, receive: 8 << 10 };

/// Connections to the socket. They have places of their own, so that an operator gets in beside any crowd.
pub static SOCKET_CLIENTS: Cost = Cost {
    what: "api.socket: connections",
    keys: &[],
    count: Config::socket_clients,
    user: |_| GREETING,
    kernel: |_| SIZES.of_stream(),
};

impl ApiSocket {
    /// Opens the socket, if there is one.
    pub(super) fn bind(&self, config: &Config) -> Result<(), Unbound> {
        let Some(path) = config.api_socket() else { return Ok(()) };
        let refused = |error| Unbound { key: "api.socket", why: Refused::Socket(path.into(), error) };
        let (listener, file) = bind_local(path).map_err(refused)?;
        self.set(Some((Some(listener), file)));
        Ok(())
    }

    /// Accepts connections, until the executor is dropped.
    pub(super) fn listen(&self, server: &Arc<Server>) -> Result<(), Error> {
        let config = server.core.config();
        let Some(listener) = self.lock().as_mut().and_then(|(listener, _)| listener.take()) else { return Ok(()) };
        let deaf = |error| {
            Error::Unbound(Unbound { key: "api.socket", why: Refused::Socket(config.api.socket.clone().into(), error) })
        };
        let listener = Async::new(listener).map_err(deaf)?;
        log::info!("api listens on {}", config.api.socket);
        let core = server.core.clone();
        let gate = Gate::new(config.socket_clients()).charging(core.greetings.clone());
        let server = server.clone();
        let serve = move |mut conn: Conn| {
            let served = server.clone();
            server.core.workers.share_out(move |slot| {
                conn.stay(slot);
                http::serve_api(served, conn);
            });
        };
        core.executor.spawn(accept_local(listener, gate, core.watch.clone(), SIZES, serve)).detach();
        Ok(())
    }

    /// Takes its file away.
    pub(super) fn close(&self) {
        self.set(None);
    }

    fn set(&self, open: Option<(Option<UnixListener>, SocketFile)>) {
        *self.lock() = open;
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<(Option<UnixListener>, SocketFile)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
