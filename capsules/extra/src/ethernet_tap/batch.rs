// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Frames back to back in a process's buffer, each behind its length (u16 in the byte order of the
//! machine).

use core::ops::RangeInclusive;
use kernel::ErrorCode;
use kernel::processbuffer::ReadableProcessSlice;

const LENGTH_LEN: usize = 2;

/// Why a frame is not sent, and its length, which is 0 if that is unknown.
pub(super) type Refusal = (ErrorCode, usize);

/// How far a batch has got.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Batch {
    /// Where the next frame's length is.
    at: usize,
    /// Where the last frame ends.
    end: usize,
    /// Frames before `at`.
    frames: usize,
}

/// One frame of a batch.
#[derive(Clone, Copy)]
pub(super) struct Entry<'f> {
    pub(super) frame: &'f ReadableProcessSlice,
    len: usize,
}

impl Batch {
    /// Takes the frames in the first `bytes` bytes of `shared`, whose lengths are to be in `lengths`.
    ///
    /// # Errors
    ///
    /// - `SIZE`: the buffer is shorter, or a frame has another length.
    /// - `INVAL`: there is no frame, or the last one does not end with the last byte.
    pub(super) fn check(
        shared: &ReadableProcessSlice,
        bytes: usize,
        lengths: &RangeInclusive<usize>,
    ) -> Result<Self, Refusal> {
        if shared.len() < bytes {
            return Err((ErrorCode::SIZE, 0));
        }
        let batch = Batch {
            at: 0,
            end: bytes,
            frames: 0,
        };
        let mut rest = batch;
        while !rest.is_over() {
            let entry = rest.next(shared, lengths)?;
            rest.pass(entry);
        }
        if rest.frames == 0 {
            return Err((ErrorCode::INVAL, 0));
        }
        Ok(batch)
    }

    pub(super) fn is_over(&self) -> bool {
        self.at >= self.end
    }

    /// Finds the next frame, in a buffer that may have changed since it was checked.
    ///
    /// # Errors
    ///
    /// Those of [`check`](Self::check).
    #[inline]
    pub(super) fn next<'f>(
        &self,
        shared: &'f ReadableProcessSlice,
        lengths: &RangeInclusive<usize>,
    ) -> Result<Entry<'f>, Refusal> {
        const CUT_OFF: Refusal = (ErrorCode::INVAL, 0);
        let rest = shared.get(self.at..self.end);
        let rest = rest.ok_or((ErrorCode::SIZE, 0))?;
        let mut len = [0; LENGTH_LEN];
        rest.get(..LENGTH_LEN)
            .and_then(|place| place.copy_to_slice_or_err(&mut len).ok())
            .ok_or(CUT_OFF)?;
        let len = usize::from(u16::from_ne_bytes(len));
        if !lengths.contains(&len) {
            return Err((ErrorCode::SIZE, len));
        }
        let frame = rest
            .get(LENGTH_LEN..LENGTH_LEN.wrapping_add(len))
            .ok_or(CUT_OFF)?;
        Ok(Entry { frame, len })
    }

    /// Goes on behind a frame.
    #[inline]
    pub(super) fn pass(&mut self, entry: Entry<'_>) {
        self.at = self.at.wrapping_add(LENGTH_LEN).wrapping_add(entry.len);
        self.frames = self.frames.wrapping_add(1);
    }

    /// How many frames are behind it, and how many bytes of the buffer they take.
    pub(super) fn progress(&self) -> (usize, usize) {
        (self.frames, self.at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec::Vec;

    fn buffer(lengths: &[usize]) -> Vec<u8> {
        let frame = |len: &usize| {
            let mut bytes = (*len as u16).to_ne_bytes().to_vec();
            bytes.resize(2 + len, *len as u8);
            bytes
        };
        lengths.iter().flat_map(frame).collect()
    }

    fn check(bytes: &[u8], count: usize) -> Result<Batch, ErrorCode> {
        Batch::check(bytes.into(), count, &(14..=1518)).map_err(|(code, _)| code)
    }

    #[test]
    fn frames_come_out_in_order_and_at_their_lengths() {
        let bytes = buffer(&[14, 61, 1518]);
        let mut batch = check(&bytes, bytes.len()).unwrap();
        for len in [14, 61, 1518] {
            let entry = batch.next(bytes.as_slice().into(), &(14..=1518)).unwrap();
            assert_eq!(entry.frame.len(), len);
            assert!(entry.frame.iter().all(|byte| byte.get() == len as u8));
            batch.pass(entry);
        }
        assert!(batch.is_over());
        assert_eq!(batch.progress(), (3, bytes.len()));
    }

    #[test]
    fn lengths_and_ends_are_checked() {
        let bytes = buffer(&[60, 60]);
        assert!(check(&bytes, 62).is_ok());
        assert_eq!(check(&bytes, 0), Err(ErrorCode::INVAL));
        for cut in [1, 2, 61, 63, 64, 123] {
            assert_eq!(check(&bytes, cut), Err(ErrorCode::INVAL), "{cut}");
        }
        for beyond in [125, usize::MAX] {
            assert_eq!(check(&bytes, beyond), Err(ErrorCode::SIZE), "{beyond}");
        }
        for len in [0, 13, 1519, 65_535] {
            let bytes = buffer(&[60, len]);
            let refused = Batch::check(bytes.as_slice().into(), bytes.len(), &(14..=1518));
            assert_eq!(refused, Err((ErrorCode::SIZE, len)));
        }
    }

    #[test]
    fn a_buffer_that_shrinks_or_changes_is_noticed() {
        let bytes = buffer(&[60, 60]);
        let mut batch = check(&bytes, bytes.len()).unwrap();
        let entry = batch.next(bytes.as_slice().into(), &(14..=1518)).unwrap();
        batch.pass(entry);
        let mut changed = bytes.clone();
        let shorter = batch.next((&bytes[..123]).into(), &(14..=1518));
        assert_eq!(shorter.err(), Some((ErrorCode::SIZE, 0)));
        changed[62..64].copy_from_slice(&61u16.to_ne_bytes());
        let longer = batch.next(changed.as_slice().into(), &(14..=1518));
        assert_eq!(longer.err(), Some((ErrorCode::INVAL, 0)));
    }
}
