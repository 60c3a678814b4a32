// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Copying bytes in blocks of words.
//!
//! Network frames and console output pass through here once on their way into and out of a
//! process. The compiler's own routine moves a word with five instructions on a machine without
//! vectors, as it counts and branches for each; here eight words share that work.

/// Words that are moved between two branches.
const WORDS: usize = 8;

const BLOCK: usize = WORDS * size_of::<u32>();

/// Copies `length` bytes from `source` to `dest`.
///
/// # Safety
///
/// All bytes at `source` may be read and all at `dest` written, and no byte is in both places.
#[inline]
pub(crate) unsafe fn copy_block(source: *const u8, dest: *mut u8, length: usize) {
    let word = size_of::<u32>();
    // Both reach a word border at once, or never.
    let meet = (source.addr() ^ dest.addr()).is_multiple_of(word);
    if meet && length >= 2 * BLOCK {
        // SAFETY: the caller vouches for the same, and the rest has just been checked.
        unsafe { copy_words(source, dest, length) }
    } else {
        // SAFETY: the caller vouches for the same.
        unsafe { core::ptr::copy_nonoverlapping(source, dest, length) }
    }
}

/// Copies as [`copy_block`] does.
///
/// # Safety
///
/// As for [`copy_block`]; and the addresses differ by a multiple of the word size, and `length` is
/// at least one word.
#[inline(never)]
unsafe fn copy_words(source: *const u8, dest: *mut u8, length: usize) {
    let head = dest.addr().wrapping_neg() % size_of::<u32>();
    let blocks = (length - head) / BLOCK;
    // SAFETY: `head` is less than a word, so this stays within both. From here on both addresses
    // are aligned for words.
    let (mut from, mut to) = unsafe {
        core::ptr::copy_nonoverlapping(source, dest, head);
        (source.add(head).cast::<u32>(), dest.add(head).cast::<u32>())
    };
    for _ in 0..blocks {
        // SAFETY: `blocks` is how many whole blocks there are in both places.
        unsafe {
            let a = from.read();
            let b = from.add(1).read();
            let c = from.add(2).read();
            let d = from.add(3).read();
            let e = from.add(4).read();
            let f = from.add(5).read();
            let g = from.add(6).read();
            let h = from.add(7).read();
            to.write(a);
            to.add(1).write(b);
            to.add(2).write(c);
            to.add(3).write(d);
            to.add(4).write(e);
            to.add(5).write(f);
            to.add(6).write(g);
            to.add(7).write(h);
            from = from.add(WORDS);
            to = to.add(WORDS);
        }
    }
    let rest = (length - head) % BLOCK;
    // SAFETY: the bytes behind the last block, of which less than a block is left.
    unsafe { core::ptr::copy_nonoverlapping(from.cast::<u8>(), to.cast::<u8>(), rest) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec::Vec;

    #[test]
    fn every_length_and_alignment_copies_its_bytes_and_no_others() {
        let source: Vec<u8> = (0..160u8).collect();
        let lengths = if cfg!(miri) { 60..75 } else { 0..140 };
        for from in 0..5 {
            for to in 0..9 {
                for length in lengths.clone() {
                    let mut dest = [0xEE; 160];
                    // SAFETY: 8 + 140 bytes fit in both, which are apart from each other.
                    unsafe {
                        copy_block(source.as_ptr().add(from), dest.as_mut_ptr().add(to), length);
                    }
                    assert!(dest[..to].iter().all(|&byte| byte == 0xEE));
                    assert_eq!(dest[to..to + length], source[from..from + length]);
                    assert!(dest[to + length..].iter().all(|&byte| byte == 0xEE));
                }
            }
        }
    }
}
