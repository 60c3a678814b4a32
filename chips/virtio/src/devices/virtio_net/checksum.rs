// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Filling in a checksum that the sender left open (VirtIO 1.2, 5.1.6.4.1).

use super::header::{Flaw, PartialChecksum};

/// Completes the checksum of a frame.
///
/// It covers everything from its start on, and its own place holds the sum of what else it covers, a
/// pseudo-header mostly. Both must lie in the frame.
pub(super) fn complete(frame: &mut [u8], checksum: PartialChecksum) -> Result<(), Flaw> {
    let covered = frame.get_mut(checksum.start..).ok_or(Flaw::Malformed)?;
    let sum = !fold(covered);
    let place = covered.get_mut(checksum.offset..).ok_or(Flaw::Malformed)?;
    let place = place.first_chunk_mut().ok_or(Flaw::Malformed)?;
    // Zero stands for no checksum in UDP; its other form is right for all protocols.
    *place = if sum == 0 { u16::MAX } else { sum }.to_be_bytes();
    Ok(())
}

/// The ones' complement sum of the 16-bit words of `bytes`, the last one filled up with zero.
fn fold(bytes: &[u8]) -> u16 {
    let (pairs, rest) = bytes.as_chunks();
    let last = rest.first().map_or(0, |byte| u32::from(*byte) << 8);
    let words = pairs
        .iter()
        .map(|pair| u32::from(u16::from_be_bytes(*pair)));
    // A frame has far fewer than 65 536 words, so the sum fits; twice for the carry of the first time.
    let mut sum = words.fold(last, u32::wrapping_add);
    for _ in 0..2 {
        sum = (sum & 0xFFFF) + (sum >> 16);
    }
    sum as u16
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec::Vec;

    /// Whether everything from `start` on sums up to all ones.
    fn holds(frame: &[u8], start: usize) -> bool {
        fold(&frame[start..]) == u16::MAX
    }

    #[test]
    fn a_completed_checksum_holds_for_any_length_and_place() {
        for len in 20..60 {
            for start in [0, 6, 13] {
                for offset in [0, 4] {
                    let mut frame: Vec<u8> = (0..len).map(|n| (n * 37) as u8).collect();
                    let before = frame.clone();
                    complete(&mut frame, PartialChecksum { start, offset }).unwrap();
                    // What the place held counts as the sum of the pseudo-header.
                    let held = [before[start + offset], before[start + offset + 1]];
                    let place = start + offset;
                    let mut covered = frame[start..].to_vec();
                    if covered.len() % 2 == 1 {
                        covered.push(0);
                    }
                    covered.extend(held);
                    assert!(holds(&covered, 0), "{len} {start} {offset}");
                    assert_eq!(frame[..place], before[..place]);
                    assert_eq!(frame[place + 2..], before[place + 2..]);
                }
            }
        }
    }

    #[test]
    fn a_sum_of_zero_is_written_in_its_other_form() {
        let mut frame = [0xFF, 0xFF, 0, 0];
        let checksum = PartialChecksum {
            start: 0,
            offset: 2,
        };
        complete(&mut frame, checksum).unwrap();
        assert_eq!(frame, [0xFF; 4]);
    }

    #[test]
    fn places_outside_the_frame_are_malformed_and_nothing_is_written() {
        for (start, offset) in [
            (0, 19),
            (0, 20),
            (19, 0),
            (20, 0),
            (21, 0),
            (65_535, 65_535),
            (3, 65_535),
        ] {
            let mut frame = [7; 20];
            let completed = complete(&mut frame, PartialChecksum { start, offset });
            assert_eq!(completed, Err(Flaw::Malformed), "{start} {offset}");
            assert_eq!(frame, [7; 20]);
        }
        let mut frame = [7; 20];
        let last = PartialChecksum {
            start: 2,
            offset: 16,
        };
        assert_eq!(complete(&mut frame, last), Ok(()));
    }

    #[test]
    fn the_longest_frames_do_not_overflow_the_sum() {
        let frame = std::vec![0xFF; 0x1_0000];
        assert_eq!(fold(&frame), 0xFFFF);
    }
}
