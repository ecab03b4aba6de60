//! A server of HTTP on loopback that is asked by the real server: each request is answered by a function.

#![allow(dead_code, reason = "each test uses a part")]

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

pub struct Authority {
    pub address: SocketAddr,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Authority {
    /// One that gives each request, head and body, to `answer`, and closes then.
    pub fn new(answer: impl Fn(&str, &mut TcpStream) + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (asked, answer) = (Arc::<Mutex<Vec<String>>>::default(), Arc::new(answer));
        let log = asked.clone();
        thread::spawn(move || {
            for socket in listener.incoming().map_while(Result::ok) {
                let (log, answer) = (log.clone(), answer.clone());
                thread::spawn(move || serve(socket, &log, &*answer));
            }
        });
        Self { address, asked }
    }

    /// One that always answers the same.
    pub fn saying(status: u16, body: &'static str) -> Self {
        Self::new(move |_, socket| say(socket, status, body))
    }

    pub fn url(&self) -> String {
        format!("http://user:Secret-1@{}/may?key=Secret-2", self.address)
    }

    /// All requests, head and body.
    pub fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }

    /// Their bodies.
    pub fn bodies(&self) -> Vec<String> {
        self.asked().iter().map(|one| one.split_once("\r\n\r\n").unwrap().1.to_string()).collect()
    }
}

pub fn say(socket: &mut TcpStream, status: u16, body: &str) {
    let length = body.len();
    let answer = format!("HTTP/1.1 {status} X\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}");
    let _ = socket.write_all(answer.as_bytes()); // it may have left
}

fn serve(mut socket: TcpStream, log: &Mutex<Vec<String>>, answer: &dyn Fn(&str, &mut TcpStream)) {
    let mut said = Vec::new();
    let whole = loop {
        let text = String::from_utf8_lossy(&said);
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head.lines().find_map(|line| line.strip_prefix("Content-Length: "));
            if body.len() >= length.map_or(0, |length| length.parse().unwrap()) {
                break text.into_owned();
            }
        }
        let mut buffer = [0; 4 << 10];
        match socket.read(&mut buffer) {
            Ok(0) | Err(_) => return,
            Ok(len) => said.extend_from_slice(&buffer[..len]),
        }
    };
    log.lock().unwrap().push(whole.clone());
    answer(&whole, &mut socket);
}
