//! One request, over a Unix socket or TCP.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::time::Duration;
use std::{error, fmt};

use runnel::conf::Config;

use super::print::{Told, shown};

/// The way to a server.
pub enum Door {
    Socket(PathBuf),
    /// A host and its port.
    Network(String),
}

/// A request.
pub struct Ask {
    pub method: &'static str,
    pub path: String,
    pub body: String,
}

/// The answer to a request.
pub struct Heard {
    pub is_json: bool,
    pub body: Box<dyn BufRead>,
}

/// The reason why there is no answer.
#[derive(Debug)]
pub enum Unheard {
    /// The server cannot be reached there.
    Unreached(String, io::Error),
    /// The connection ends too early.
    Cut(io::Error),
    /// The answer is none of a runnel.
    Garbled,
    /// The server refuses that: its status, and the reason.
    Refused(u16, String),
}

/// A connection.
trait Link: Read + Write {}
impl<T: Read + Write> Link for T {}

/// The longest time without a byte of an answer.
const PATIENCE: Duration = Duration::from_secs(60);
/// The longest answer that is not passed on as it comes, and the longest head of any, in bytes.
const MAX_TEXT: u64 = 16 << 20;
const MAX_HEAD: u64 = 64 << 10;

impl Door {
    /// The door that a configuration has.
    pub fn of(config: &Config) -> Self {
        if let Some(path) = config.api_socket() {
            return Self::Socket(path.into());
        }
        let mut address = config.api.listen.0;
        if address.ip().is_unspecified() {
            address.set_ip(Ipv4Addr::LOCALHOST.into());
        }
        Self::Network(address.to_string())
    }

    /// The door at a URL.
    pub fn at(url: &str) -> Option<Self> {
        let host = url.strip_prefix("http://")?.trim_end_matches('/');
        let is_host = !host.is_empty() && host.bytes().all(|byte| byte.is_ascii_graphic() && !b"/@?#".contains(&byte));
        let has_port = host.rsplit_once(':').is_some_and(|(_, port)| port.parse::<u16>().is_ok());
        is_host.then(|| Self::Network(if has_port { host.into() } else { format!("{host}:80") }))
    }

    /// Asks, and waits for the head of the answer.
    pub fn hear(&self, ask: &Ask) -> Result<Heard, Unheard> {
        let mut link = self.open().map_err(|error| Unheard::Unreached(self.to_string(), error))?;
        let host = if let Self::Network(host) = self { host } else { "localhost" };
        let Ask { method, path, body } = ask;
        let kind = if body.is_empty() { "" } else { "Content-Type: application/json\r\n" };
        let length = body.len();
        write!(
            link,
            "{method} {path} HTTP/1.1\r\nHost: {host}\r\n{kind}Content-Length: {length}\r\nConnection: close\r\n\r\n{body}"
        )
        .map_err(Unheard::Cut)?;
        let mut body = BufReader::new(link);
        let mut head = String::new();
        let mut lines = (&mut body).take(MAX_HEAD);
        while !head.ends_with("\r\n\r\n") {
            if lines.read_line(&mut head).map_err(Unheard::Cut)? == 0 {
                return Err(Unheard::Garbled);
            }
        }
        let status = head.strip_prefix("HTTP/1.1 ").and_then(|rest| rest.get(..3)?.parse().ok());
        let is_json = head.to_ascii_lowercase().contains("\r\ncontent-type: application/json");
        let mut heard = Heard { is_json, body: Box::new(body) };
        match status.ok_or(Unheard::Garbled)? {
            200..=299 => Ok(heard),
            status => Err(Unheard::Refused(status, heard.reason()?)),
        }
    }

    fn open(&self) -> io::Result<Box<dyn Link>> {
        match self {
            Self::Socket(path) => {
                let socket = UnixStream::connect(path)?;
                socket.set_read_timeout(Some(PATIENCE))?;
                Ok(Box::new(socket))
            }
            Self::Network(host) => {
                let socket = TcpStream::connect(host)?;
                socket.set_read_timeout(Some(PATIENCE))?;
                Ok(Box::new(socket))
            }
        }
    }
}

impl Heard {
    /// The whole of a text.
    pub fn text(&mut self) -> Result<String, Unheard> {
        let mut text = String::new();
        (&mut self.body).take(MAX_TEXT).read_to_string(&mut text).map_err(Unheard::Cut)?;
        Ok(text)
    }

    /// The reason of a refusal.
    fn reason(&mut self) -> Result<String, Unheard> {
        let text = self.text()?;
        let said = Told::read(&text).filter(|_| self.is_json).and_then(|told| told.member("error"));
        Ok(shown(said.unwrap_or(text).trim()))
    }
}

impl fmt::Display for Door {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Socket(path) => path.display().fmt(f),
            Self::Network(host) => write!(f, "http://{host}"),
        }
    }
}

impl fmt::Display for Unheard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreached(door, error) => write!(f, "{door}: {error}: no server can be asked there"),
            Self::Cut(error) => write!(f, "the answer breaks off: {error}"),
            Self::Garbled => f.write_str("the answer is none of runnel's API"),
            Self::Refused(status, why) => write!(f, "the server refuses that ({status}): {why}"),
        }
    }
}

impl error::Error for Unheard {}
