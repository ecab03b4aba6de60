//! Appends big-endian fields to any growing buffer.

/// Writes fields to a buffer; implemented for `Vec<u8>`.
pub trait Writer {
    /// Appends bytes unchanged.
    fn bytes(&mut self, bytes: &[u8]);

    /// One byte.
    fn u8(&mut self, value: u8) {
        self.bytes(&[value]);
    }

    /// 16 bits.
    fn u16(&mut self, value: u16) {
        self.bytes(&value.to_be_bytes());
    }

    /// The lower 24 bits.
    fn u24(&mut self, value: u32) {
        let [_, a, b, c] = value.to_be_bytes();
        self.bytes(&[a, b, c]);
    }

    /// 32 bits.
    fn u32(&mut self, value: u32) {
        self.bytes(&value.to_be_bytes());
    }

    /// 32 bits, least significant byte first.
    fn u32_le(&mut self, value: u32) {
        self.bytes(&value.to_le_bytes());
    }

    /// An IEEE 754 double.
    fn f64(&mut self, value: f64) {
        self.bytes(&value.to_be_bytes());
    }
}

impl Writer for Vec<u8> {
    fn bytes(&mut self, bytes: &[u8]) {
        self.extend_from_slice(bytes);
    }
}
