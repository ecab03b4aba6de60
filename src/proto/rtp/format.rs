//! The payload format of a track, as in a session description.

use crate::media::Hz;

/// A payload type with its `a=rtpmap` and `a=fmtp`. RFC 8866 sections 6.6 and 6.15.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Format {
    /// The payload type in the packets, 0 to 127.
    pub payload_type: u8,
    /// The encoding name in capital letters, such as `H264` or `MPEG4-GENERIC`.
    pub encoding: String,
    /// The clock rate of the timestamps.
    pub clock: Hz,
    /// Audio channels; 1 if not given.
    pub channels: u8,
    /// Format parameters, with names in lower case.
    pub fmtp: Vec<(String, String)>,
}

impl Format {
    /// The value of the parameter `name`, which must be in lower case.
    pub fn parameter(&self, name: &str) -> Option<&str> {
        self.fmtp.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}
