// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Tests: copies memory of every length from and to every alignment, and compares byte by byte.

#![no_std]
#![no_main]
#![forbid(unsafe_code)]

use core::hint::black_box;
use tock_app::{ErrorCode, Singleton, println};

tock_app::entry!(main, stack = 2048);

/// Longest copy.
const LONGEST: usize = 160;
/// Bytes around a copy that must stay as they are.
const MARGIN: usize = 8;
const SPACE: usize = LONGEST + 2 * MARGIN;

/// Buffers at a word border.
#[repr(align(4))]
struct Aligned([u8; SPACE]);

static SPACES: Singleton<[Aligned; 2]> = Singleton::new([Aligned([0; SPACE]), Aligned([0; SPACE])]);

fn main() -> Result<(), ErrorCode> {
    let [source, target] = SPACES.take().ok_or(ErrorCode::Already)?;
    let (mut copies, mut wrong) = (0, 0);
    for (at, byte) in source.0.iter_mut().enumerate() {
        *byte = (at * 7 + 1) as u8;
    }
    for from in 0..4 {
        for to in MARGIN..MARGIN + 4 {
            for length in 0..=LONGEST - 4 {
                target.0.fill(0xEE);
                if let (Some(source), Some(target)) = (
                    source.0.get(from..from + length),
                    target.0.get_mut(to..to + length),
                ) {
                    black_box(target).copy_from_slice(black_box(source));
                }
                copies += 1;
                let is_right = |(at, byte): (usize, &u8)| {
                    let expected = match at.checked_sub(to) {
                        Some(offset) if offset < length => ((from + offset) * 7 + 1) as u8,
                        _ => 0xEE,
                    };
                    *byte == expected
                };
                if !black_box(&target.0).iter().enumerate().all(is_right) {
                    wrong += 1;
                }
            }
        }
    }
    println!("copying: {copies} copies, {wrong} wrong");
    Ok(())
}
