//! The payload format of a track, as a session description has it.

use crate::media::Hz;

/// A payload type with its `a=rtpmap` and `a=fmtp`. RFC 8866 sections 6.6 and 6.15.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Format {
    /// The number in the packets, 0 to 127.
    pub payload_type: u8,
    /// The encoding's name in capitals, such as `H264` or `MPEG4-GENERIC`.
    pub encoding: String,
    /// Ticks of the timestamps a second.
    pub clock: Hz,
    /// Audio channels; 1 where nothing is said.
    pub channels: u8,
    /// Parameters, their names in small letters.
    pub fmtp: Vec<(String, String)>,
}

impl Format {
    /// The value of the parameter `name`, which is in small letters.
    pub fn parameter(&self, name: &str) -> Option<&str> {
        self.fmtp.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}
