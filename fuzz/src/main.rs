//! Feeds made-up bytes to everything that reads what comes from outside.
//!
//! One program for all targets, so that it is built once: `FUZZ_TARGET` names the row
//! of the table that it runs, or is `list`. With `FUZZ_SEEDS` it writes what the tests
//! know to that folder instead, as the inputs to begin with. `tests/fuzz` does both.
//!
//! With the same seed and number of inputs two runs do the same: nothing here goes by
//! chance or by the clock.

#![no_main]

mod containers;
mod disk;
mod hub;
mod machines;
mod pieces;
mod rtp;
mod texts;
mod tokens;

#[path = "../../tests/support/answers.rs"]
mod answers;
#[path = "../../tests/support/drive.rs"]
mod drive;
#[path = "../../tests/support/encoder.rs"]
mod encoder;
#[path = "../../tests/support/packets.rs"]
mod packets;
#[path = "../../tests/support/records.rs"]
mod records;
#[path = "../../tests/support/rtsp_talks.rs"]
mod rtsp_talks;
#[path = "../../tests/support/storage.rs"]
mod storage;
#[path = "../../tests/support/tags.rs"]
mod tags;
#[path = "../../tests/support/talks.rs"]
mod talks;

use std::path::Path;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU8, Ordering};

use peak_alloc::PeakAlloc;

#[global_allocator]
static HEAP: PeakAlloc = PeakAlloc;

/// Something that reads bytes from outside.
struct Target {
    name: &'static str,
    /// The longest input.
    max_len: usize,
    /// Inputs of a run that can be repeated: some seconds' worth.
    inputs: usize,
    /// Panics if anything is wrong.
    run: fn(&[u8]),
    /// Inputs to begin with.
    seeds: fn() -> Vec<Vec<u8>>,
}

macro_rules! targets {
    ($($name:literal $max_len:literal $inputs:literal $module:ident :: $function:ident $seeds:ident;)*) => {
        &[$(Target {
            name: $name,
            max_len: $max_len,
            inputs: $inputs,
            run: $module::$function,
            seeds: $module::$seeds,
        },)*]
    };
}

static TARGETS: &[Target] = targets! {
    "rtmp-server" 8192 8000 machines::rtmp_server rtmp_server_seeds;
    "rtmp-client" 8192 6000 machines::rtmp_client rtmp_client_seeds;
    "rtsp-server" 8192 2500 machines::rtsp_server rtsp_server_seeds;
    "rtsp-client" 8192 5000 machines::rtsp_client rtsp_client_seeds;
    "http" 4096 60_000 machines::http http_seeds;
    "http-client" 4096 40_000 machines::http_client http_client_seeds;
    "websocket" 4096 60_000 machines::websocket websocket_seeds;
    "rtp" 8192 10_000 rtp::packets packet_seeds;
    "rtcp" 1024 200_000 rtp::reports report_seeds;
    "sdp" 4096 12_000 rtp::descriptions description_seeds;
    "flv-tags" 8192 15_000 containers::tags tag_seeds;
    "flv-file" 8192 20_000 containers::file flv_seeds;
    "ts-file" 8192 8000 containers::file ts_seeds;
    "mp4-file" 8192 30_000 containers::file mp4_seeds;
    "amf" 2048 100_000 containers::amf amf_seeds;
    "records" 2048 40_000 containers::records record_seeds;
    "frames" 2048 80_000 containers::frames frame_seeds;
    "hub" 8192 5000 hub::streams stream_seeds;
    "conf" 4096 25_000 texts::configuration configuration_seeds;
    "texts" 1024 80_000 texts::addresses address_seeds;
    "references" 512 80_000 texts::references reference_seeds;
    "digest" 2048 20_000 texts::digest digest_seeds;
    "tokens" 2048 20_000 tokens::tokens token_seeds;
    "requests" 1024 80_000 texts::requests request_seeds;
    "api" 4096 40_000 texts::bodies body_seeds;
    "tunnel" 1024 60_000 texts::tunnel tunnel_seeds;
    "proxy-header" 512 80_000 texts::proxy_header proxy_header_seeds;
    "peers" 256 20_000 texts::peers peer_seeds;
    "record-index" 2048 3_000 disk::index index_seeds;
    "record-playlist" 2048 4_000 disk::playlist playlist_seeds;
    "segment" 8192 8_000 disk::probe probe_seeds;
    "fragments" 4096 4_000 disk::fragments fragment_seeds;
};

/// The heap of a target beside its accounts at most: so much, and so much
/// for each byte of its input.
const HELD: usize = 2 << 20;
const HELD_BY_BYTE: usize = 64;

libfuzzer_sys::fuzz_target!(init: prepare(), |data: &[u8]| {
    let target = chosen();
    let held = |bytes: &[u8]| {
        let before = HEAP.current_usage();
        HEAP.reset_peak_usage();
        (target.run)(bytes);
        let most = HEAP.peak_usage().saturating_sub(before);
        assert!(most <= HELD + HELD_BY_BYTE * bytes.len(), "it held {most} bytes for {}", bytes.len());
        HEAP.current_usage().saturating_sub(before)
    };
    // what is made once and stays is not made a second and a third time
    assert!(held(data) == 0 || held(data) == 0 || held(data) == 0, "it did not give back all that it held");
});

/// Hash maps ask for it, and packets, which begin at random: the same in every run.
///
/// # Safety
///
/// `buffer` has room for `len` bytes.
#[unsafe(no_mangle)]
unsafe extern "C" fn getrandom(buffer: *mut u8, len: usize, _flags: std::ffi::c_uint) -> isize {
    static NEXT: AtomicU8 = AtomicU8::new(0);
    // SAFETY: the caller's
    let bytes = unsafe { std::slice::from_raw_parts_mut(buffer, len) };
    bytes.fill_with(|| NEXT.fetch_add(73, Ordering::Relaxed));
    len as isize
}

fn chosen() -> &'static Target {
    static CHOSEN: OnceLock<&Target> = OnceLock::new();
    CHOSEN.get_or_init(|| {
        let name = std::env::var("FUZZ_TARGET").unwrap_or_default();
        TARGETS.iter().find(|target| target.name == name).unwrap_or_else(|| panic!("no such target: {name:?}"))
    })
}

fn prepare() {
    if std::env::var("FUZZ_TARGET").as_deref() == Ok("list") {
        TARGETS.iter().for_each(|target| println!("{} {} {}", target.name, target.max_len, target.inputs));
        std::process::exit(0);
    }
    if let Some(folder) = std::env::var_os("FUZZ_SEEDS") {
        TARGETS.iter().for_each(|target| write_seeds(&Path::new(&folder).join(target.name), &(target.seeds)()));
        std::process::exit(0);
    }
}

fn write_seeds(folder: &Path, seeds: &[Vec<u8>]) {
    std::fs::create_dir_all(folder).unwrap();
    for (number, seed) in seeds.iter().enumerate() {
        std::fs::write(folder.join(format!("{number:03}")), seed).unwrap();
    }
}
