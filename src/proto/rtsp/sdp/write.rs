//! Writes descriptions of this server's streams.

use std::fmt::Write as _;

use crate::media::Kind;
use crate::proto::rtp::Format;

/// A track to be described.
#[derive(Clone, Copy, Debug)]
pub struct Offer<'a> {
    /// The format of the track's packets.
    pub format: &'a Format,
    /// Video or audio.
    pub kind: Kind,
    /// The URL for SETUP, relative to the stream's URL.
    pub control: &'a str,
}

/// Describes the stream `name` at the IP address `address`, from now on.
pub fn write(name: &str, address: &str, offers: &[Offer<'_>]) -> String {
    let (name, address) = (clean(name), clean(address));
    let (network, any) = if address.contains(':') { ("IP6", "::") } else { ("IP4", "0.0.0.0") };
    let title = if name.is_empty() { " " } else { name.as_str() };
    let mut out = format!(
        "v=0\r\no=- {} 1 IN {network} {address}\r\ns={title}\r\nc=IN {network} {any}\r\nt=0 0\r\n\
         a=tool:runnel\r\na=range:npt=now-\r\na=control:*\r\n",
        id(&name)
    );
    for offer in offers {
        // writing into a String cannot fail
        let _ = write_media(&mut out, offer);
    }
    out
}

/// Writes one media of the description.
fn write_media(out: &mut String, offer: &Offer<'_>) -> std::fmt::Result {
    let Format { payload_type, encoding, clock, channels, fmtp } = offer.format;
    let kind = match offer.kind {
        Kind::Video => "video",
        Kind::Audio => "audio",
    };
    // encoding names are not case-sensitive, but this one is always written in lower case
    let encoding = if encoding == "OPUS" { "opus" } else { encoding.as_str() };
    write!(out, "m={kind} 0 RTP/AVP {payload_type}\r\na=rtpmap:{payload_type} {}/{}", clean(encoding), clock.get())?;
    if offer.kind == Kind::Audio && *channels > 1 {
        write!(out, "/{channels}")?;
    }
    out.push_str("\r\n");
    if !fmtp.is_empty() {
        let pair = |(name, value): &(String, String)| {
            if value.is_empty() { clean(name) } else { format!("{}={}", clean(name), clean(value)) }
        };
        let list: Vec<_> = fmtp.iter().map(pair).collect();
        write!(out, "a=fmtp:{payload_type} {}\r\n", list.join(";"))?;
    }
    write!(out, "a=control:{}\r\n", clean(offer.control))
}

/// A text without control characters, which could end a line.
fn clean(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).collect()
}

/// A session identifier, which must differ between the streams of one address. RFC 8866 section 5.2. It is the
/// FNV-1a hash of the name.
fn id(name: &str) -> u32 {
    name.bytes().fold(0x811c_9dc5, |hash: u32, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193))
}
