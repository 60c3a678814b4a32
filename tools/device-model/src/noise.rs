// SPDX-License-Identifier: Apache-2.0 OR MIT

//! A fuzzer's input, as decisions.

use std::cell::{Cell, RefCell};

/// Bytes that decide what happens next. Steps are taken from the front, lies of registers from the
/// back; both end where they meet.
#[derive(Default)]
pub struct Noise {
    bytes: RefCell<Vec<u8>>,
    front: Cell<usize>,
    back: Cell<usize>,
}

/// One byte in this many is a lie.
const RARITY: u8 = 8;

impl Noise {
    /// Begins anew with these bytes.
    pub fn load(&self, input: &[u8]) {
        self.bytes.replace(input.to_vec());
        self.front.set(0);
        self.back.set(input.len());
    }

    /// Ends it: no more steps, and no more lies.
    pub fn silence(&self) {
        self.load(&[]);
    }

    /// The next byte of the steps.
    pub fn step(&self) -> Option<u8> {
        let at = self.front.get();
        (at < self.back.get()).then(|| {
            self.front.set(at + 1);
            self.bytes.borrow()[at]
        })
    }

    /// The next byte of the steps, or zero behind their end.
    pub fn byte(&self) -> u8 {
        self.step().unwrap_or_default()
    }

    /// A number from the next bytes.
    pub fn word(&self) -> u32 {
        u32::from_le_bytes([(); 4].map(|()| self.byte()))
    }

    /// A number below `bound`, which is not zero.
    pub fn below(&self, bound: usize) -> usize {
        let low = usize::from(self.byte());
        let high = if bound > 256 {
            usize::from(self.byte())
        } else {
            0
        };
        (high << 8 | low) % bound
    }

    fn last(&self) -> Option<u8> {
        let at = self.back.get();
        (at > self.front.get()).then(|| {
            self.back.set(at - 1);
            self.bytes.borrow()[at - 1]
        })
    }

    /// What a register reads that would read `honest`.
    pub fn twist(&self, honest: u32) -> u32 {
        let Some(choice) = self.last() else {
            return honest;
        };
        if !choice.is_multiple_of(RARITY) {
            return honest;
        }
        let noise = || u32::from(self.last().unwrap_or_default());
        match choice / RARITY % 6 {
            0 => 0,
            1 => u32::MAX,
            2 => honest ^ 1 << (noise() % 32),
            3 => honest.wrapping_add(1),
            4 => noise(),
            _ => noise() << 24 | noise() << 16 | noise() << 8 | noise(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_and_lies_end_where_they_meet() {
        let noise = Noise::default();
        // From the back: honest, a lie that flips bit 3, honest.
        noise.load(&[10, 20, 30, 7, 3, 2 * RARITY, 1]);
        assert_eq!((noise.byte(), noise.below(15)), (10, 5));
        assert_eq!(noise.twist(0xF0), 0xF0);
        assert_eq!(noise.twist(0xF0), 0xF8);
        assert_eq!(noise.twist(0xF0), 0xF0);
        assert_eq!(noise.step(), Some(30));
        assert_eq!(noise.step(), None);
        assert_eq!(noise.twist(5), 5);
        noise.silence();
        assert_eq!((noise.byte(), noise.twist(9)), (0, 9));
    }
}
