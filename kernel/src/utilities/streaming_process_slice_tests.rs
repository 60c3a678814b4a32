// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Appending, and headers that a hostile process has written.

use std::vec::Vec;

use super::*;

/// The exceeded and halt bits are in the last byte of the flags.
const EXCEEDED: u8 = 1;
const HALT: u8 = 2;

/// A buffer of `capacity` data bytes, all 0xEE, behind a header with these fields.
fn buffer(version: u16, flags: [u8; 2], offset: u32, capacity: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    bytes.extend(version.to_ne_bytes());
    bytes.extend(flags);
    bytes.extend(offset.to_ne_bytes());
    bytes.resize(HEADER_SIZE + capacity, 0xEE);
    bytes
}

fn append(bytes: &mut [u8], chunk: &[u8]) -> Result<(bool, u32), ErrorCode> {
    StreamingProcessSlice::new(bytes.into()).append_chunk(chunk)
}

fn append_iter(bytes: &mut [u8], chunk: &[u8]) -> Result<(bool, u32), ErrorCode> {
    StreamingProcessSlice::new(bytes.into()).append_chunk_from_iter(chunk.iter().copied())
}

/// Appends through an iterator that does not know its length.
fn append_unsized(bytes: &mut [u8], chunk: &[u8]) -> Result<(bool, u32), ErrorCode> {
    let unsized_iter = chunk.iter().copied().filter(|_| true);
    StreamingProcessSlice::new(bytes.into()).append_chunk_from_iter(unsized_iter)
}

type Append = fn(&mut [u8], &[u8]) -> Result<(bool, u32), ErrorCode>;

const WAYS: [Append; 3] = [append, append_iter, append_unsized];

fn offset_of(bytes: &[u8]) -> u32 {
    u32::from_ne_bytes(bytes[4..8].try_into().unwrap())
}

#[test]
fn chunks_follow_each_other_and_the_first_is_told_apart() {
    for way in WAYS {
        let mut bytes = buffer(0, [0, 0], 0, 6);
        assert_eq!(way(&mut bytes, &[1, 2]), Ok((true, 2)));
        assert_eq!(way(&mut bytes, &[]), Ok((false, 2)));
        assert_eq!(way(&mut bytes, &[3, 4, 5]), Ok((false, 5)));
        assert_eq!(offset_of(&bytes), 5);
        assert_eq!(bytes[8..], [1, 2, 3, 4, 5, 0xEE]);
        assert_eq!(bytes[..4], [0, 0, 0, 0]);
    }
}

#[test]
fn a_chunk_that_fits_exactly_is_stored_and_the_next_is_a_miss() {
    for way in WAYS {
        let mut bytes = buffer(0, [0, 0], 0, 3);
        assert_eq!(way(&mut bytes, &[1, 2, 3]), Ok((true, 3)));
        assert_eq!(way(&mut bytes, &[]), Ok((false, 3)));
        assert_eq!(way(&mut bytes, &[4]), Err(ErrorCode::SIZE));
        assert_eq!(bytes[2..4], [0, EXCEEDED]);
        assert_eq!(offset_of(&bytes), 3);
        assert_eq!(bytes[8..], [1, 2, 3]);
    }
}

#[test]
fn after_a_miss_a_shorter_chunk_is_stored_unless_the_process_asked_to_halt() {
    for way in WAYS {
        let mut bytes = buffer(0, [0, 0], 0, 4);
        assert_eq!(way(&mut bytes, &[1; 5]), Err(ErrorCode::SIZE));
        assert_eq!(way(&mut bytes, &[2; 4]), Ok((true, 4)));
        assert_eq!(bytes[2..4], [0, EXCEEDED]);

        let mut bytes = buffer(0, [0, HALT], 0, 4);
        assert_eq!(way(&mut bytes, &[1; 5]), Err(ErrorCode::SIZE));
        assert_eq!(bytes[2..4], [0, EXCEEDED | HALT]);
        let before = bytes.clone();
        assert_eq!(way(&mut bytes, &[2; 4]), Err(ErrorCode::BUSY));
        assert_eq!(bytes, before);
    }
}

#[test]
fn a_miss_leaves_the_data_and_the_offset_alone() {
    for way in WAYS {
        let mut bytes = buffer(0, [0, HALT], 0, 4);
        way(&mut bytes, &[7, 8]).unwrap();
        assert_eq!(way(&mut bytes, &[1, 2, 3]), Err(ErrorCode::SIZE));
        assert_eq!(offset_of(&bytes), 2);
        assert_eq!(bytes[8..10], [7, 8]);
    }
}

#[test]
fn a_buffer_without_room_for_a_header_is_left_alone() {
    for way in WAYS {
        for length in 0..HEADER_SIZE {
            let mut bytes = std::vec![0; length];
            assert_eq!(way(&mut bytes, &[]), Err(ErrorCode::SIZE));
            assert_eq!(way(&mut bytes, &[1]), Err(ErrorCode::SIZE));
            assert!(bytes.iter().all(|&byte| byte == 0));
        }
    }
}

#[test]
fn unknown_versions_and_flags_are_left_alone() {
    let mut headers = std::vec![(1, [0, 0]), (0x100, [0, 0]), (u16::MAX, [0, 0])];
    for bit in 0..8 {
        headers.push((0, [1 << bit, 0]));
        if bit > 1 {
            headers.push((0, [0, 1 << bit]));
            headers.push((0, [0, 1 << bit | EXCEEDED | HALT]));
        }
    }
    for way in WAYS {
        for &(version, flags) in &headers {
            let mut bytes = buffer(version, flags, 0, 4);
            let before = bytes.clone();
            assert_eq!(way(&mut bytes, &[1]), Err(ErrorCode::INVAL));
            assert_eq!(bytes, before);
        }
    }
}

#[test]
fn an_offset_that_cannot_be_added_to_is_left_alone() {
    for way in [append as Append, append_iter] {
        for (offset, length) in [(u32::MAX, 1), (u32::MAX - 1, 2), (u32::MAX, 4)] {
            let mut bytes = buffer(0, [0, 0], offset, 4);
            let before = bytes.clone();
            assert_eq!(way(&mut bytes, &[1; 4][..length]), Err(ErrorCode::FAIL));
            assert_eq!(bytes, before);
        }
    }
}

#[test]
fn an_offset_beyond_the_buffer_is_a_miss() {
    for way in WAYS {
        for offset in [5, 8, 0x7FFF_FFFF, u32::MAX - 1] {
            let mut bytes = buffer(0, [0, 0], offset, 4);
            assert_eq!(way(&mut bytes, &[1]), Err(ErrorCode::SIZE));
            assert_eq!(bytes[2..4], [0, EXCEEDED]);
            assert_eq!(offset_of(&bytes), offset);
            assert_eq!(bytes[8..], [0xEE; 4]);
        }
    }
}

#[test]
fn all_ways_agree_on_every_small_case() {
    // Every case takes Miri a minute.
    let stride = if cfg!(miri) { 3 } else { 1 };
    for capacity in 0..5 {
        for offset in (0..7).step_by(stride) {
            for flags in (0..4).step_by(stride) {
                for length in 0..6 {
                    let chunk = &[1, 2, 3, 4, 5, 6][..length];
                    let [mut whole, mut sized, mut counted] =
                        [(); 3].map(|()| buffer(0, [0, flags], offset, capacity));
                    let expected = append(&mut whole, chunk);
                    assert_eq!(append_iter(&mut sized, chunk), expected);
                    assert_eq!(append_unsized(&mut counted, chunk), expected);
                    assert_eq!(sized, whole);
                    // Without a length, a miss is found out on the way.
                    let kept = HEADER_SIZE + if expected.is_ok() { capacity } else { 0 };
                    assert_eq!(counted[..kept], whole[..kept]);
                }
            }
        }
    }
}
