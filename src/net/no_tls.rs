//! TLS in a build without it: no connection has any.

use std::io::{self, Write};
use std::net::TcpStream;
use std::{error, fmt};

/// The state of a connection under TLS.
pub(super) enum Tls {}

/// The reason why certificates cannot be used.
#[derive(Debug)]
pub enum CertificateError {}

/// All handshakes of a server.
#[derive(Debug, Default)]
pub struct HandshakeThrottle(());

impl Tls {
    pub(super) fn is_cut(&self) -> bool {
        match *self {}
    }

    pub(super) fn read(&self, _: &mut [u8]) -> io::Result<usize> {
        match *self {}
    }

    pub(super) fn receive(&self, _: &TcpStream) -> io::Result<usize> {
        match *self {}
    }

    pub(super) fn write(&self, _: impl FnOnce(&mut dyn Write) -> io::Result<usize>) -> io::Result<usize> {
        match *self {}
    }

    pub(super) fn is_full(&self) -> bool {
        match *self {}
    }

    pub(super) fn send(&mut self, _: &mut dyn Write) -> io::Result<usize> {
        match *self {}
    }

    pub(super) fn close(&self, _: &TcpStream) {
        match *self {}
    }
}

impl fmt::Display for CertificateError {
    fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {}
    }
}

impl error::Error for CertificateError {}
