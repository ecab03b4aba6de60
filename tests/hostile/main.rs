//! Nothing that comes from outside panics, hangs, or costs more than its budget.

#[path = "../support/answers.rs"]
mod answers;
mod containers;
mod conversations;
#[path = "../support/drive.rs"]
mod drive;
#[path = "../support/encoder.rs"]
mod encoder;
mod faults;
#[cfg(feature = "record")]
mod files;
#[cfg(feature = "rtsp")]
#[path = "../support/packets.rs"]
mod packets;
#[path = "../support/records.rs"]
mod records;
#[cfg(feature = "rtsp")]
mod rtp_faults;
#[cfg(feature = "rtsp")]
mod rtsp;
#[cfg(feature = "rtsp")]
mod rtsp_faults;
#[cfg(feature = "rtsp")]
#[path = "../support/rtsp_talks.rs"]
mod rtsp_talks;
#[cfg(feature = "record")]
#[path = "../support/storage.rs"]
mod storage;
#[path = "../support/tags.rs"]
mod tags;
#[path = "../support/talks.rs"]
mod talks;

use drive::one_in;

/// Hands `data` to `check` cut at every length, and with every byte changed to a
/// few others.
fn damaged(data: &[u8], check: impl FnMut(&[u8])) {
    damaged_behind(0, data, check);
}

/// The same, but only here and there in the `filler` that `data` begins with.
fn damaged_behind(filler: usize, data: &[u8], mut check: impl FnMut(&[u8])) {
    let (sweep, first) = (one_in(), data.len() % one_in());
    let worthwhile = |at: &usize| at % sweep == first && (*at >= filler || at % 50 < 2);
    for len in (0..=data.len()).filter(worthwhile) {
        let _witness = Witness { at: len, value: None };
        check(&data[..len]);
    }
    let mut copy = data.to_vec();
    for at in (0..data.len()).filter(worthwhile) {
        let byte = data[at];
        for value in [0, 0xff, byte ^ 1, byte ^ 0x80] {
            let _witness = Witness { at, value: Some(value) };
            copy[at] = value;
            check(&copy);
        }
        copy[at] = byte;
    }
}

/// Says what the damage was when the check fails.
struct Witness {
    at: usize,
    value: Option<u8>,
}

impl Drop for Witness {
    fn drop(&mut self) {
        if std::thread::panicking() {
            match self.value {
                Some(value) => eprintln!("byte {} is {value:#04x}", self.at),
                None => eprintln!("cut to {} bytes", self.at),
            }
        }
    }
}
