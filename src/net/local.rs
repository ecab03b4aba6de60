//! A Unix socket: only its user, and root, can open it.

use std::fs;
use std::io;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::fs::{Mode, fchmod};
use socket2::{Domain, SockAddr, Socket, Type};

use super::listen::RETRY;
use super::{Client, Conn, Gate, SocketSizes, Watch};
use crate::reactor::{Async, Timer};

/// The file of a socket; it goes when this is dropped, unless another server has put one in its place.
#[derive(Debug)]
pub struct SocketFile {
    path: PathBuf,
    inode: (u64, u64),
}

/// The connections that wait to be accepted.
const BACKLOG: i32 = 8;

/// Listens at `path`, in place of a server that has ended without taking its file away.
///
/// # Errors
/// A server listens there, or something else than a socket is there.
pub fn bind_local(path: &Path) -> io::Result<(UnixListener, SocketFile)> {
    if !is_free(path)? {
        fs::remove_file(path)?;
    }
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    // the file has the mode that its socket has, from the first moment on
    fchmod(&socket, Mode::RUSR | Mode::WUSR)?;
    socket.bind(&SockAddr::unix(path)?)?;
    let file = SocketFile { path: path.into(), inode: inode(path)? };
    socket.listen(BACKLOG)?;
    Ok((socket.into(), file))
}

/// True if nothing is at `path`; false if it is the socket of a server that has ended.
///
/// # Errors
/// A server listens there, or something else than a socket is there.
pub fn is_free(path: &Path) -> io::Result<bool> {
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(true),
        Err(error) => return Err(error),
        Ok(about) if about.file_type().is_socket() => {}
        Ok(_) => return Err(io::Error::new(io::ErrorKind::AlreadyExists, "is there, and is no socket")),
    }
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    socket.set_nonblocking(true)?;
    match socket.connect(&SockAddr::unix(path)?) {
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => Ok(false),
        // its queue is full
        Err(error) if error.kind() != io::ErrorKind::WouldBlock => Err(error),
        _ => Err(io::ErrorKind::AddrInUse.into()),
    }
}

/// Accepts for ever: `serve` receives the connections that the gate admits, others are closed.
pub async fn accept_local(
    listener: Async<UnixListener>,
    gate: Gate,
    watch: Arc<Watch>,
    sizes: SocketSizes,
    serve: impl Fn(Conn),
) {
    loop {
        match listener.accept().await {
            Ok(socket) => {
                if let Some(pass) = gate.enter() {
                    serve(Conn::new(socket, Client::by_socket(), sizes, &watch, pass));
                }
            }
            Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
            Err(_) => drop(Timer::after(RETRY).await),
        }
        smol::future::yield_now().await;
    }
}

/// The device and the inode of a file.
fn inode(path: &Path) -> io::Result<(u64, u64)> {
    fs::symlink_metadata(path).map(|about| (about.dev(), about.ino()))
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        if inode(&self.path).is_ok_and(|inode| inode == self.inode) {
            // in a folder of another user it stays, until a start replaces it
            let _ = fs::remove_file(&self.path);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A path in a new folder.
    fn path(name: &str) -> PathBuf {
        let folder = std::env::temp_dir().join(format!("runnel-socket-{}-{name}", std::process::id()));
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir(&folder).unwrap();
        folder.join("runnel.sock")
    }

    #[test]
    fn a_socket_is_its_users_own_and_goes_with_its_server() {
        let path = path("own");
        let (listener, file) = bind_local(&path).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
        assert_eq!(bind_local(&path).unwrap_err().kind(), io::ErrorKind::AddrInUse);
        drop((listener, file));
        assert!(!path.exists());
    }

    #[test]
    fn the_socket_of_a_server_that_has_ended_is_replaced_and_nothing_else() {
        let path = path("stale");
        let (listener, file) = bind_local(&path).unwrap();
        drop(listener);
        // the next file gets another inode
        fs::hard_link(&path, path.with_extension("kept")).unwrap();
        let (_listener, _other) = bind_local(&path).unwrap();
        drop(file);
        assert!(path.exists(), "it is that of another server by now");
        let plain = path.with_extension("txt");
        fs::write(&plain, "kept").unwrap();
        assert_eq!(bind_local(&plain).unwrap_err().kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(fs::read(&plain).unwrap(), b"kept");
    }
}
