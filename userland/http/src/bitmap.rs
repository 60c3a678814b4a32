// SPDX-License-Identifier: Apache-2.0 OR MIT

//! 256 bits as a picture of 16 by 16 squares.

use core::fmt;

/// Squares along each side.
const SIDE: usize = 16;

/// An SVG image of 256 bits, row by row, the high bit of each byte first; set bits are dark.
pub struct Svg<'b>(pub &'b [u8; 32]);

impl fmt::Display for Svg<'_> {
    fn fmt(&self, output: &mut fmt::Formatter) -> fmt::Result {
        output.write_str(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 16 16\" width=\"256\" \
             height=\"256\" shape-rendering=\"crispEdges\" role=\"img\" \
             aria-label=\"256 random bits\"><path fill=\"#eee\" d=\"M0 0h16v16H0z\"/><path d=\"",
        )?;
        for (row, bytes) in self.0.as_chunks::<2>().0.iter().enumerate() {
            let mut bits = u16::from_be_bytes(*bytes);
            let mut column = 0;
            // One closed outline per run of set bits.
            while bits != 0 {
                let clear = bits.leading_zeros() as usize;
                bits <<= clear;
                let set = bits.leading_ones() as usize;
                bits = bits.checked_shl(set as u32).unwrap_or(0);
                column += clear;
                write!(output, "M{column} {row}h{set}v1h-{set}z")?;
                column += set;
            }
            debug_assert!(column <= SIDE);
        }
        output.write_str("\"/></svg>")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Paints the outlines of the second path again.
    fn paint(svg: &str) -> [u8; 32] {
        let outlines = svg
            .rsplit("d=\"")
            .next()
            .unwrap()
            .split('"')
            .next()
            .unwrap();
        let mut bits = [0; 32];
        for outline in outlines.split_terminator('z') {
            let (corner, sides) = outline.strip_prefix('M').unwrap().split_once('h').unwrap();
            let (column, row) = corner.split_once(' ').unwrap();
            let (column, row): (usize, usize) = (column.parse().unwrap(), row.parse().unwrap());
            let width: usize = sides.split_once("v1h-").unwrap().1.parse().unwrap();
            for x in column..column + width {
                bits[row * 2 + x / 8] |= 0x80 >> (x % 8);
            }
        }
        bits
    }

    #[test]
    fn full_and_empty_bitmaps_are_drawn() {
        for bits in [[0; 32], [0xFF; 32]] {
            assert_eq!(paint(&Svg(&bits).to_string()), bits);
        }
    }

    proptest! {
        #[test]
        fn the_picture_shows_the_bits(bits: [u8; 32]) {
            prop_assert_eq!(paint(&Svg(&bits).to_string()), bits);
        }
    }
}
