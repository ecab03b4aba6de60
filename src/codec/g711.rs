//! G.711: the linear samples of its codes. ITU-T G.711 sections 3 and 4.

/// The sample of each A-law code: 13 bits, in the upper bits of 16. Table 1.
pub static A_LAW: [i16; 256] = {
    let mut table = [0; 256];
    let mut code = 0;
    while code < table.len() {
        // even bits are inverted on the line
        let bits = code as i16 ^ 0x55;
        let (segment, step) = (bits >> 4 & 7, bits & 0xf);
        let level = match segment {
            0 => 2 * step + 1,
            _ => (2 * step + 33) << (segment - 1),
        };
        #[allow(clippy::indexing_slicing, reason = "the loop ends with the table, and so does the compiler")]
        {
            table[code] = signed(level << 3, bits & 0x80 != 0);
        }
        code += 1;
    }
    table
};

/// The sample of each mu-law code: 14 bits, in the upper bits of 16. Table 2.
pub static MU_LAW: [i16; 256] = {
    let mut table = [0; 256];
    let mut code = 0;
    while code < table.len() {
        // all bits are inverted on the line
        let bits = code as i16 ^ 0xff;
        let (segment, step) = (bits >> 4 & 7, bits & 0xf);
        let level = ((2 * step + 33) << segment) - 33;
        #[allow(clippy::indexing_slicing, reason = "the loop ends with the table, and so does the compiler")]
        {
            table[code] = signed(level << 2, bits & 0x80 == 0);
        }
        code += 1;
    }
    table
};

const fn signed(level: i16, positive: bool) -> i16 {
    if positive { level } else { -level }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_of_the_tables() {
        // ffmpeg -f alaw -i CODES -f s16le -, and -f mulaw
        let a_law = [(0x00, -5504), (0x55, -8), (0xd5, 8), (0x2a, -32_256), (0xaa, 32_256), (0x80, 5504), (0xff, 848)];
        assert!(a_law.iter().all(|(code, level)| A_LAW[*code] == *level));
        let mu_law = [(0x00, -32_124), (0x80, 32_124), (0x7f, 0), (0xff, 0), (0x7e, -8), (0xfe, 8), (0x3c, -2364)];
        assert!(mu_law.iter().all(|(code, level)| MU_LAW[*code] == *level));
    }

    #[test]
    fn each_law_is_odd_and_leaves_its_lower_bits_empty() {
        for code in 0..128 {
            assert_eq!(A_LAW[code], -A_LAW[code + 128]);
            assert_eq!(MU_LAW[code], -MU_LAW[code + 128]);
            assert_eq!((A_LAW[code] & 7, MU_LAW[code] & 3), (0, 0));
        }
    }
}
