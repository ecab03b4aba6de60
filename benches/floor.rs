//! The floor under any server that fans out over TCP: what one thread pays to
//! write the same bytes to N sockets at a cadence, and nothing else.
//!
//! `cargo bench --bench floor -- -n 1000 --rate-kbit 200 --cadence-ms 100 -t 15`

#[path = "../src/bin/runnel-bench/proc.rs"]
mod proc;

use std::cell::RefCell;
use std::future::poll_fn;
use std::io::{self, IoSlice, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::ExitCode;
use std::rc::Rc;
use std::thread;
use std::time::{Duration, Instant};

use async_io::Async;
use smol::LocalExecutor;

/// The bytes that are written: the defaults stand in `parse`.
struct Load {
    sockets: usize,
    rate_kbit: u64,
    cadence: Duration,
    length: Duration,
}

fn main() -> ExitCode {
    let done = parse(std::env::args().skip(1)).and_then(|load| measure(&load).map_err(|error| error.to_string()));
    match done {
        Ok(report) => {
            println!("{report}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("floor: {error}");
            ExitCode::FAILURE
        }
    }
}

fn parse(mut words: impl Iterator<Item = String>) -> Result<Load, String> {
    let (mut sockets, mut rate_kbit, mut cadence_ms, mut seconds) = (1000, 200, 100, 15);
    while let Some(word) = words.next() {
        let mut number = || words.next()?.parse().ok().filter(|number| *number > 0);
        let value = match word.as_str() {
            "--bench" => continue, // cargo says it
            "-n" => number().map(|number| sockets = number),
            "--rate-kbit" => number().map(|number| rate_kbit = number),
            "--cadence-ms" => number().map(|number| cadence_ms = number),
            "-t" => number().map(|number| seconds = number),
            _ => return Err("[-n SOCKETS] [--rate-kbit N] [--cadence-ms MS] [-t SECONDS]".into()),
        };
        value.ok_or_else(|| format!("{word} wants a number above 0"))?;
    }
    let (cadence, length) = (Duration::from_millis(cadence_ms), Duration::from_secs(seconds));
    Ok(Load { sockets: sockets as usize, rate_kbit, cadence, length })
}

/// Writes to all sockets and gives the report; another thread reads.
fn measure(load: &Load) -> io::Result<String> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?;
    let sockets = load.sockets;
    let reader = thread::spawn(move || read_all(address, sockets));
    let mut writers = (0..sockets).map(|_| accept(&listener)).collect::<io::Result<Vec<_>>>()?;

    let payload = vec![0x5a; (load.rate_kbit * load.cadence.as_millis() as u64 / 8) as usize];
    let (begun, cpu) = (Instant::now(), cpu_seconds()?);
    let mut bytes = 0;
    let mut due = begun;
    while begun.elapsed() < load.length {
        for socket in &mut writers {
            bytes += write(socket, &payload)?;
        }
        due += load.cadence;
        thread::sleep(due.saturating_duration_since(Instant::now()));
    }
    let (cpu, seconds) = (cpu_seconds()? - cpu, begun.elapsed().as_secs_f64());
    drop(writers);
    reader.join().map_err(|_| io::Error::other("the reader has failed"))??;

    let Load { rate_kbit, cadence, .. } = load;
    let (cadence, per_gb) = (cadence.as_millis(), cpu / (bytes as f64 / 1e9));
    Ok(format!(
        "{{\"role\":\"floor\",\"n\":{sockets},\"rate_kbit\":{rate_kbit},\"cadence_ms\":{cadence},\
         \"seconds\":{seconds:.2},\"bytes\":{bytes},\"cpu_seconds\":{cpu:.2},\"cpu_seconds_per_gb\":{per_gb:.3}}}"
    ))
}

fn accept(listener: &TcpListener) -> io::Result<TcpStream> {
    let (socket, _) = listener.accept()?;
    socket.set_nodelay(true)?;
    Ok(socket)
}

/// One `writev`; what the socket does not take at once follows with another.
fn write(socket: &mut TcpStream, payload: &[u8]) -> io::Result<usize> {
    let taken = socket.write_vectored(&[IoSlice::new(payload)])?;
    socket.write_all(payload.get(taken..).unwrap_or_default())?;
    Ok(payload.len())
}

fn cpu_seconds() -> io::Result<f64> {
    proc::cpu_seconds("thread-self").ok_or_else(|| io::Error::other("/proc/thread-self/stat cannot be read"))
}

/// Connects `sockets` times and reads until all are closed.
fn read_all(address: SocketAddr, sockets: usize) -> io::Result<()> {
    let executor = LocalExecutor::new();
    let buffer = Rc::new(RefCell::new(vec![0; 256 << 10]));
    async_io::block_on(executor.run(async {
        let mut readers = Vec::new();
        for _ in 0..sockets {
            let socket = Async::<TcpStream>::connect(address).await?;
            readers.push(executor.spawn(read_to_end(socket, buffer.clone())));
        }
        for reader in readers {
            reader.await?;
        }
        Ok(())
    }))
}

async fn read_to_end(socket: Async<TcpStream>, buffer: Rc<RefCell<Vec<u8>>>) -> io::Result<()> {
    loop {
        poll_fn(|cx| socket.poll_readable(cx)).await?;
        match socket.get_ref().read(&mut buffer.borrow_mut()) {
            Ok(0) => return Ok(()),
            Err(error) if error.kind() != io::ErrorKind::WouldBlock => return Err(error),
            _ => {}
        }
    }
}
