// SPDX-License-Identifier: Apache-2.0 OR MIT

//! A received frame as a process finds it in its streaming slice.
//!
//! Each frame follows a header of 12 bytes, in the byte order of the machine: flags (2 bytes, bit
//! 0: the timestamp is valid), length of the frame (2), timestamp (8). Nothing in the slice is
//! trusted: its own header was written by the process.

use kernel::ErrorCode;
use kernel::processbuffer::{ReadableProcessSlice, WriteableProcessSlice};

const HEADER_LEN: usize = 12;

/// The header of a streaming slice: version, flags, and the offset of the next chunk.
const SLICE_HEADER_LEN: usize = 8;
/// The low byte of the flags, which are big-endian.
const SLICE_FLAGS: usize = 3;
const SLICE_OFFSET: core::ops::Range<usize> = 4..8;
/// Set by the kernel when a chunk did not fit.
const EXCEEDED: u8 = 1;
/// Set by the process to get nothing more after a miss.
const HALT: u8 = 2;

/// What became of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stored {
    /// It is in the slice.
    Yes {
        /// Whether the slice was empty.
        first: bool,
    },
    /// It is not, and the slice holds what it held.
    No {
        /// Whether the slice is marked as exceeded only now.
        newly_exceeded: bool,
        /// Whether it would go into this slice if that were empty, so that waiting makes sense.
        patient: bool,
    },
}

/// How much goes from one process to another at a time.
const PART_LEN: usize = 128;

/// A frame, wherever it lies.
pub(super) trait Frame {
    /// Its length in bytes.
    fn length(&self) -> usize;

    /// Copies it; false if `place` has another length.
    fn copy_to(&self, place: &WriteableProcessSlice) -> bool;
}

impl Frame for [u8] {
    #[inline(always)]
    fn length(&self) -> usize {
        self.len()
    }

    #[inline(always)]
    fn copy_to(&self, place: &WriteableProcessSlice) -> bool {
        place.copy_from_slice_or_err(self).is_ok()
    }
}

/// One that another process shares. Its memory may not be borrowed, so each part is copied twice.
impl Frame for ReadableProcessSlice {
    fn length(&self) -> usize {
        self.len()
    }

    fn copy_to(&self, place: &WriteableProcessSlice) -> bool {
        let mut part = [0; PART_LEN];
        let mut parts = self.chunks(PART_LEN).zip(place.chunks(PART_LEN));
        self.len() == place.len()
            && parts.all(|(from, to)| {
                read_part(from, &mut part)
                    .is_some_and(|part| to.copy_from_slice_or_err(part).is_ok())
            })
    }
}

/// Not in line: two copies that follow each other would become one that minds overlaps, and the kernel
/// has no such copy otherwise.
#[inline(never)]
fn read_part<'p>(from: &ReadableProcessSlice, part: &'p mut [u8; PART_LEN]) -> Option<&'p [u8]> {
    let part = part.get_mut(..from.len())?;
    from.copy_to_slice_or_err(part).ok()?;
    Some(part)
}

/// A received frame with its header.
pub(super) struct FrameChunk<'f, F: Frame + ?Sized> {
    length: u16,
    timestamp: Option<u64>,
    frame: &'f F,
}

impl<'f, F: Frame + ?Sized> FrameChunk<'f, F> {
    /// Makes a chunk of a frame; none when the header cannot tell its length.
    #[inline(always)]
    pub(super) fn new(frame: &'f F, timestamp: Option<u64>) -> Option<Self> {
        Some(FrameChunk {
            length: u16::try_from(frame.length()).ok()?,
            timestamp,
            frame,
        })
    }

    /// The frame alone.
    pub(super) fn frame(&self) -> &'f F {
        self.frame
    }

    /// Appends header and frame, or neither.
    ///
    /// The kernel's streaming slice appends in one piece what lies in one piece. Here the header of
    /// the slice is read once for two pieces, and a miss leaves nothing of either behind.
    #[inline(always)]
    pub(super) fn append_to(&self, slice: &WriteableProcessSlice) -> Stored {
        const UNTOUCHED: Stored = Stored::No {
            newly_exceeded: false,
            patient: false,
        };
        let Some((flags, offset)) = read_slice_header(slice) else {
            return UNTOUCHED;
        };
        let len = HEADER_LEN.wrapping_add(self.frame.length());
        let Some(end) = u32::try_from(len)
            .ok()
            .and_then(|len| offset.checked_add(len))
        else {
            return UNTOUCHED;
        };
        if flags != EXCEEDED | HALT
            && let Some(data) = slice.get(SLICE_HEADER_LEN..)
            && let Some(place) = data.get(offset as usize..end as usize)
            && self.fill(place)
        {
            if let Some(place) = slice.get(SLICE_OFFSET) {
                let _ = place.copy_from_slice_or_err(&end.to_ne_bytes());
            }
            return Stored::Yes { first: offset == 0 };
        }
        let exceeded = flags & EXCEEDED != 0;
        if let Some(place) = slice.get(SLICE_FLAGS) {
            place.set(flags | EXCEEDED);
        }
        Stored::No {
            newly_exceeded: !exceeded,
            patient: len <= slice.len().saturating_sub(SLICE_HEADER_LEN),
        }
    }

    #[inline]
    fn fill(&self, place: &WriteableProcessSlice) -> bool {
        let (Some(header), Some(frame)) = (place.get(..HEADER_LEN), place.get(HEADER_LEN..)) else {
            return false;
        };
        let [l0, l1] = self.length.to_ne_bytes();
        let written = match self.timestamp {
            None => header.copy_from_slice_or_err(&[0, 0, l0, l1, 0, 0, 0, 0, 0, 0, 0, 0]),
            Some(time) => fill_stamped(header, self.length, time),
        };
        written.is_ok() && self.frame.copy_to(frame)
    }
}

/// Writes a header with a timestamp, which few adapters give.
#[cold]
#[inline(never)]
fn fill_stamped(header: &WriteableProcessSlice, length: u16, time: u64) -> Result<(), ErrorCode> {
    let [f0, f1] = 1u16.to_ne_bytes();
    let [l0, l1] = length.to_ne_bytes();
    let [t0, t1, t2, t3, t4, t5, t6, t7] = time.to_ne_bytes();
    header.copy_from_slice_or_err(&[f0, f1, l0, l1, t0, t1, t2, t3, t4, t5, t6, t7])
}

/// Reads flags and offset; none if the header is not all there, or not one that this kernel knows.
#[inline]
fn read_slice_header(slice: &WriteableProcessSlice) -> Option<(u8, u32)> {
    let mut header = [0; SLICE_HEADER_LEN];
    slice
        .get(..SLICE_HEADER_LEN)?
        .copy_to_slice_or_err(&mut header)
        .ok()?;
    // Version, and flags without a meaning: all of them are 0.
    const MUST_BE_ZERO: u32 = u32::from_ne_bytes([0xFF, 0xFF, 0xFF, !(EXCEEDED | HALT)]);
    let [v0, v1, reserved, flags, o0, o1, o2, o3] = header;
    let known = u32::from_ne_bytes([v0, v1, reserved, flags]) & MUST_BE_ZERO == 0;
    known.then_some((flags, u32::from_ne_bytes([o0, o1, o2, o3])))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec;
    use std::vec::Vec;

    fn empty_slice(room: usize) -> Vec<u8> {
        vec![0; SLICE_HEADER_LEN + room]
    }

    fn append(memory: &mut [u8], frame: &[u8]) -> Stored {
        FrameChunk::new(frame, None)
            .unwrap()
            .append_to(memory.into())
    }

    fn used(memory: &[u8]) -> usize {
        u32::from_ne_bytes(memory[SLICE_OFFSET].try_into().unwrap()) as usize
    }

    #[test]
    fn a_frame_follows_its_header() {
        let mut memory = empty_slice(100);
        let chunk = FrameChunk::new(&b"frame"[..], Some(0x0102_0304_0506_0708)).unwrap();
        let stored = chunk.append_to(memory.as_mut_slice().into());
        assert_eq!(stored, Stored::Yes { first: true });
        assert_eq!(used(&memory), 17);
        let data = &memory[SLICE_HEADER_LEN..];
        assert_eq!(data[..2], 1u16.to_ne_bytes());
        assert_eq!(data[2..4], 5u16.to_ne_bytes());
        assert_eq!(data[4..12], 0x0102_0304_0506_0708u64.to_ne_bytes());
        assert_eq!(&data[12..17], b"frame");
        assert_eq!(data[17..], [0; 83]);
    }

    #[test]
    fn frames_follow_each_other_without_a_gap() {
        let mut memory = empty_slice(2 * HEADER_LEN + 3 + 4);
        assert_eq!(append(&mut memory, b"abc"), Stored::Yes { first: true });
        assert_eq!(append(&mut memory, b"defg"), Stored::Yes { first: false });
        assert_eq!(&memory[SLICE_HEADER_LEN + 12..][..3], b"abc");
        assert_eq!(memory[SLICE_HEADER_LEN + 15..][..2], [0, 0]);
        assert_eq!(&memory[SLICE_HEADER_LEN + 27..], b"defg");
        assert_eq!(memory[SLICE_FLAGS] & EXCEEDED, 0);
    }

    #[test]
    fn a_frame_that_does_not_fit_leaves_no_header_behind() {
        // Room for the header, or for the frame, but not for both.
        for room in [0, 11, 12, 13, 12 + 59] {
            let mut memory = empty_slice(room);
            let stored = append(&mut memory, &[7; 60]);
            assert_eq!(
                stored,
                Stored::No {
                    newly_exceeded: true,
                    patient: false
                },
                "room {room}"
            );
            assert_eq!(used(&memory), 0);
            assert_eq!(memory[SLICE_FLAGS], EXCEEDED);
        }
    }

    #[test]
    fn a_second_miss_is_not_new() {
        let mut memory = empty_slice(40);
        append(&mut memory, &[1; 20]);
        let before = used(&memory);
        assert_eq!(
            append(&mut memory, &[2; 20]),
            Stored::No {
                newly_exceeded: true,
                patient: true
            }
        );
        assert_eq!(
            append(&mut memory, &[2; 20]),
            Stored::No {
                newly_exceeded: false,
                patient: true
            }
        );
        assert_eq!(used(&memory), before);
    }

    #[test]
    fn a_smaller_frame_still_goes_in_after_a_miss_unless_halted() {
        for halt in [0, HALT] {
            let mut memory = empty_slice(60);
            memory[SLICE_FLAGS] = halt;
            append(&mut memory, &[1; 20]);
            append(&mut memory, &[2; 20]);
            let last = append(&mut memory, &[3; 4]);
            let expected = if halt == 0 {
                Stored::Yes { first: false }
            } else {
                Stored::No {
                    newly_exceeded: false,
                    patient: true,
                }
            };
            assert_eq!(last, expected);
        }
    }

    #[test]
    fn a_slice_with_a_bad_header_is_left_alone() {
        let mut short = vec![0u8; 7];
        assert_eq!(
            append(&mut short, &[1; 20]),
            Stored::No {
                newly_exceeded: false,
                patient: false
            }
        );
        assert_eq!(short, [0; 7]);
        for (at, value) in [(0, 1), (1, 1), (2, 0x80), (3, 0x04), (4, 0xFF), (7, 0xFF)] {
            let mut memory = empty_slice(100);
            memory[at] = value;
            let before = memory.clone();
            let stored = append(&mut memory, &[1; 20]);
            assert!(
                matches!(stored, Stored::No { patient, .. } if patient == (at >= 4)),
                "byte {at}"
            );
            assert_eq!(memory[SLICE_HEADER_LEN..], before[SLICE_HEADER_LEN..]);
            assert_eq!(used(&memory), used(&before));
        }
        let mut memory = empty_slice(100);
        memory[SLICE_OFFSET].fill(0xFF);
        assert!(matches!(append(&mut memory, &[1; 20]), Stored::No { .. }));
    }

    #[test]
    fn a_frame_longer_than_the_header_can_tell_makes_no_chunk() {
        assert!(FrameChunk::new(&vec![0; 65_535][..], None).is_some());
        assert!(FrameChunk::new(&vec![0; 65_536][..], None).is_none());
    }

    #[test]
    fn a_frame_of_another_process_is_stored_like_one_of_the_kernel() {
        for len in [0, 1, 60, PART_LEN - 1, PART_LEN, PART_LEN + 1, 1518] {
            let frame: Vec<u8> = (0..len).map(|at| at as u8).collect();
            for room in [HEADER_LEN + len, HEADER_LEN + len + 1, HEADER_LEN + len - 1] {
                let (mut own, mut other) = (empty_slice(room), empty_slice(room));
                let shared: &ReadableProcessSlice = frame.as_slice().into();
                let chunk = FrameChunk::new(shared, None).unwrap();
                let stored = chunk.append_to(other.as_mut_slice().into());
                assert_eq!(stored, append(&mut own, &frame), "{len} bytes, {room} room");
                assert_eq!(other, own);
            }
        }
    }
}
