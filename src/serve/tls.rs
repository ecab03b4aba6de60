//! Connections under TLS: the certificates, and the ports.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::reactor::Timer;
use smol::Task;

use super::{Entrance, Error, Server};
use crate::conf::{Config, Port, Tls};
use crate::disk::aside;
use crate::net::{CertificateError, Close, Conn, Files, Gate, Identity, canonical};

/// The time between two checks of the certificates' files.
const CHECK_INTERVAL: Duration = Duration::from_secs(5);

/// Certificates and ports for TLS.
pub(super) struct TlsPorts {
    /// The certificates; `None` while there is no service over TLS.
    identity: Mutex<Option<Arc<Identity>>>,
    gate: Gate,
    /// The ports that are open.
    ports: Mutex<Vec<Task<()>>>,
}

impl TlsPorts {
    /// Loads the certificates. A broken one counts as none: clients without TLS are still served.
    pub(super) fn new(config: &Tls) -> Self {
        let loaded = load(files_of(config), config.record.0)
            .inspect_err(|why| log::error!("tls: {why}: no client is served over TLS"));
        let identity = Mutex::new(loaded.ok().flatten());
        Self { identity, gate: Gate::new(config.max), ports: Mutex::default() }
    }

    /// The present certificates.
    fn identity(&self) -> Option<Arc<Identity>> {
        self.identity.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// True if there is a certificate.
    pub(super) fn has_identity(&self) -> bool {
        self.identity().is_some()
    }

    /// Keeps a port open, one for TLS until there is no certificate.
    pub(super) fn hold(&self, port: &Port, task: Task<()>) {
        if port.is_tls() {
            self.add(task);
        } else {
            task.detach();
        }
    }

    fn add(&self, port: Task<()>) {
        self.ports.lock().unwrap_or_else(PoisonError::into_inner).push(port);
    }

    /// Reloads the certificates if their files have changed.
    async fn refresh(&self, trouble: &mut String) {
        let Some(identity) = self.identity() else { return };
        match aside(identity.lane(), move || identity.refresh()).await.map_err(|error| error.to_string()) {
            Ok(changed) => {
                if changed {
                    log::info!("tls: the certificates have changed and are used from now on");
                }
                trouble.clear();
            }
            Err(why) if why != *trouble => {
                log::error!("tls: {why}: the previous ones are still used");
                *trouble = why;
            }
            Err(_) => {}
        }
    }

    /// Sets the certificates for new connections.
    fn show(&self, identity: Option<Arc<Identity>>) {
        if identity.is_none() {
            self.ports.lock().unwrap_or_else(PoisonError::into_inner).clear();
        }
        *self.identity.lock().unwrap_or_else(PoisonError::into_inner) = identity;
    }
}

impl Server {
    /// Serves a connection, under TLS if its port is for TLS.
    pub(super) fn let_in(self: &Arc<Self>, conn: Conn, entrance: Entrance) {
        if entrance.port.is_tls() {
            self.core.workers.spawn(self.clone().let_in_by_tls(conn, entrance));
        } else {
            (entrance.row.serve)(self.clone(), conn);
        }
    }

    /// Serves a connection to a port for TLS.
    async fn let_in_by_tls(self: Arc<Self>, conn: Conn, Entrance { port, row }: Entrance) {
        let Some(identity) = self.tls.identity() else { return };
        let (peer, limit) = (conn.peer(), self.core.config().connections.handshake.0);
        match conn.sealed(&identity, &self.tls.gate, &self.core.throttle, limit).await {
            Ok(conn) => (row.serve)(self.clone(), conn),
            Err(why) => {
                match &why {
                    Close::Refused(why) => {
                        self.core.refused_guest("tls", peer, None, format_args!("is refused {}: {why}", port.name));
                    }
                    why => log::debug!("peer={} {}: the handshake fails: {why}", canonical(peer), port.name),
                }
                self.core.counters.closed(&why);
            }
        }
    }

    /// Checks the certificates every few seconds.
    pub(super) fn watch_certificates(self: &Arc<Self>) {
        let server = self.clone();
        let checks = async move {
            let mut trouble = String::new();
            loop {
                Timer::after(CHECK_INTERVAL).await;
                server.tls.refresh(&mut trouble).await;
            }
        };
        self.core.executor.spawn(checks).detach();
    }

    /// Uses the certificates of `config`, and opens the ports with the first or closes them with the last. A
    /// certificate that cannot be used changes nothing.
    pub(super) async fn follow_certificates(self: &Arc<Self>, config: &Config) -> Result<(), Error> {
        let files = files_of(&config.tls);
        let is_same = files == files_of(&self.core.config().tls);
        let shown = self.tls.identity();
        if is_same && shown.is_some() {
            return Ok(());
        }
        let (lane, record) = (Files::lane(&files), config.tls.record.0);
        let identity = match aside(lane, move || load(files, record)).await {
            Ok(identity) => identity,
            // they were broken before, which was logged
            Err(_) if is_same && !config.tls.required => return Ok(()),
            Err(error) => return Err(error.into()),
        };
        if shown.is_none() && identity.is_some() {
            let bound = self.bind_ports(config, Port::is_tls)?;
            let ports = bound.into_iter().map(|port| self.listen(port));
            ports.collect::<Result<Vec<_>, _>>()?.into_iter().for_each(|port| self.tls.add(port));
        }
        self.tls.show(identity);
        Ok(())
    }
}

/// The files of the certificates in the configuration.
fn files_of(config: &Tls) -> Vec<Files> {
    let first = Some((&config.cert, &config.key)).filter(|(cert, _)| !cert.is_empty());
    let all = first.into_iter().chain(config.more.iter().map(|more| (&more.cert, &more.key)));
    all.map(|(cert, key)| Files { certificate: cert.into(), key: key.into() }).collect()
}

/// The certificates in these files, if there are any.
fn load(files: Vec<Files>, record: usize) -> Result<Option<Arc<Identity>>, CertificateError> {
    if files.is_empty() {
        return Ok(None);
    }
    Identity::load(files, record).map(|identity| Some(Arc::new(identity)))
}
