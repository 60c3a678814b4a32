// SPDX-License-Identifier: Apache-2.0 OR MIT

//! The moving borders inside a process's RAM block.
//!
//! From the bottom: what the process can access, up to the application break; memory that
//! belongs to neither; the kernel's part, from the kernel break to the end. Grants move the
//! kernel break down, the process moves its own break both ways, and buffers that it shared hold
//! its break up. Addresses only: whoever asks touches the memory.
//!
//! Always: start ≤ high-water mark ≤ application break ≤ kernel break ≤ end.

use core::cell::Cell;

use super::error::Error;

/// The borders of one RAM block.
pub(super) struct Breaks {
    start: usize,
    end: usize,
    app_break: Cell<usize>,
    kernel_break: Cell<usize>,
    /// End of the highest buffer that the process has shared in this run.
    high_water: Cell<usize>,
    /// End of the highest buffer that another process was given access to, over all runs. That one
    /// may still have it, so the kernel's part never reaches below this.
    exposed: Cell<usize>,
}

impl Breaks {
    /// Describes the block from `start` to `end`, both of which stay.
    pub(super) fn new(start: usize, end: usize, app_break: usize, kernel_break: usize) -> Breaks {
        Breaks {
            start,
            end,
            app_break: Cell::new(app_break),
            kernel_break: Cell::new(kernel_break),
            high_water: Cell::new(start),
            exposed: Cell::new(start),
        }
    }

    /// Puts the borders where they are when the process starts.
    pub(super) fn reset(&self, app_break: usize, kernel_break: usize) {
        self.app_break.set(app_break);
        self.kernel_break.set(kernel_break);
        self.high_water.set(self.start);
    }

    pub(super) fn start(&self) -> usize {
        self.start
    }

    pub(super) fn end(&self) -> usize {
        self.end
    }

    pub(super) fn app_break(&self) -> usize {
        self.app_break.get()
    }

    pub(super) fn kernel_break(&self) -> usize {
        self.kernel_break.get()
    }

    /// Tells whether the process may move its break to `new`.
    pub(super) fn allows_app_break(&self, new: usize) -> bool {
        self.high_water.get() <= new && new <= self.kernel_break.get() && new < self.end
    }

    /// Moves the application break, where [`allows_app_break`](Self::allows_app_break) agreed.
    pub(super) fn set_app_break(&self, new: usize) {
        self.app_break.set(new);
    }

    /// The application break after a change by `increment`; fails where addresses end.
    pub(super) fn app_break_after(&self, increment: isize) -> Result<usize, Error> {
        self.app_break
            .get()
            .checked_add_signed(increment)
            .ok_or(Error::AddressOutOfBounds)
    }

    /// Where the kernel break would be with `size` more bytes, aligned to `align`, for the kernel.
    ///
    /// The new memory starts at the address returned. `None` if that would reach into what the
    /// process can access, or into what another process was ever given access to.
    pub(super) fn kernel_break_after(&self, size: usize, align: usize) -> Option<usize> {
        if !align.is_power_of_two() {
            return None;
        }
        let new = self.kernel_break.get().checked_sub(size)? & !(align - 1);
        (new >= self.app_break.get() && new >= self.exposed.get()).then_some(new)
    }

    /// Moves the kernel break to where [`kernel_break_after`](Self::kernel_break_after) said.
    pub(super) fn set_kernel_break(&self, new: usize) {
        self.kernel_break.set(new);
    }

    /// Tells whether the process can access all of `size` bytes at `address`.
    pub(super) fn accessible(&self, address: usize, size: usize) -> bool {
        within(address, size, self.start, self.app_break.get())
    }

    /// Notes that the process shared `size` bytes at `address`, which are
    /// [`accessible`](Self::accessible).
    pub(super) fn hold(&self, address: usize, size: usize) {
        let end = address.wrapping_add(size);
        if end > self.high_water.get() {
            self.high_water.set(end);
        }
    }

    /// Up to where shared buffers hold the application break.
    pub(super) fn held(&self) -> usize {
        self.high_water.get()
    }

    /// Ends what was held above `held`, which [`held`](Self::held) returned in this run.
    pub(super) fn release(&self, held: usize) {
        self.high_water.set(self.high_water.get().min(held));
    }

    /// Notes that another process is given access to memory up to `end`.
    pub(super) fn note_exposed(&self, end: usize) {
        self.exposed.set(self.exposed.get().max(end).min(self.end));
    }
}

/// Tells whether `size` bytes at `address` lie in the area from `start` to `end`, for any values.
pub(super) fn within(address: usize, size: usize, start: usize, end: usize) -> bool {
    address >= start && address <= end && size <= end - address
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 0x1000 bytes at 0x8000, of which 0x400 are open to the process and 0x200 the kernel's.
    fn block() -> Breaks {
        Breaks::new(0x8000, 0x9000, 0x8400, 0x8E00)
    }

    #[test]
    fn the_application_break_moves_between_start_and_kernel_break() {
        let breaks = block();
        for good in [0x8000, 0x8001, 0x8400, 0x8DFF, 0x8E00] {
            assert!(breaks.allows_app_break(good), "{good:#x}");
        }
        for bad in [0, 0x7FFF, 0x8E01, 0x8FFF, 0x9000, usize::MAX] {
            assert!(!breaks.allows_app_break(bad), "{bad:#x}");
        }
    }

    #[test]
    fn the_application_break_stays_below_the_end_of_the_block() {
        let breaks = Breaks::new(0x8000, 0x9000, 0x8000, 0x9000);
        assert!(breaks.allows_app_break(0x8FFF));
        assert!(!breaks.allows_app_break(0x9000));
    }

    #[test]
    fn shared_buffers_hold_the_break_up_until_the_reset() {
        let breaks = block();
        breaks.hold(0x8100, 0x100);
        breaks.hold(0x8000, 0x10);
        assert!(breaks.allows_app_break(0x8200));
        assert!(!breaks.allows_app_break(0x81FF));
        breaks.reset(0x8000, 0x8E00);
        assert!(breaks.allows_app_break(0x8000));
    }

    #[test]
    fn increments_never_wrap() {
        let breaks = block();
        assert_eq!(breaks.app_break_after(-0x400), Ok(0x8000));
        assert_eq!(breaks.app_break_after(0), Ok(0x8400));
        assert_eq!(
            breaks.app_break_after(isize::MIN),
            Err(Error::AddressOutOfBounds)
        );
        let high = Breaks::new(usize::MAX - 8, usize::MAX, usize::MAX - 4, usize::MAX);
        assert_eq!(high.app_break_after(9), Err(Error::AddressOutOfBounds));
    }

    #[test]
    fn grants_are_aligned_and_stop_at_the_application_break() {
        let breaks = block();
        assert_eq!(breaks.kernel_break_after(5, 1), Some(0x8DFB));
        assert_eq!(breaks.kernel_break_after(5, 16), Some(0x8DF0));
        assert_eq!(breaks.kernel_break_after(0xA00, 4), Some(0x8400));
        assert_eq!(breaks.kernel_break_after(0xA01, 4), None);
        assert_eq!(breaks.kernel_break_after(usize::MAX, 4), None);
        assert_eq!(breaks.kernel_break_after(4, 0), None);
        assert_eq!(breaks.kernel_break_after(4, 3), None);
    }

    #[test]
    fn a_buffer_that_is_not_shared_after_all_holds_nothing() {
        let breaks = block();
        breaks.hold(0x8000, 0x80);
        let held = breaks.held();
        breaks.hold(0x8100, 0x100);
        breaks.release(held);
        assert!(breaks.allows_app_break(0x8080));
        assert!(!breaks.allows_app_break(0x807F));
        // Nothing is held that was not.
        breaks.release(0x8200);
        assert!(breaks.allows_app_break(0x8080));
    }

    #[test]
    fn grants_never_reach_into_what_another_process_had_access_to_in_any_run() {
        let breaks = block();
        breaks.hold(0x8000, 0x300);
        breaks.note_exposed(0x8200);
        breaks.note_exposed(0x8100);
        breaks.reset(0x8000, 0x8E00);
        assert_eq!(breaks.kernel_break_after(0xC00, 4), Some(0x8200));
        assert_eq!(breaks.kernel_break_after(0xC04, 4), None);
    }

    #[test]
    fn access_ends_at_the_break_for_any_length() {
        let breaks = block();
        assert!(breaks.accessible(0x8000, 0x400));
        assert!(breaks.accessible(0x83FF, 1));
        for (address, size) in [
            (0x7FFF, 1),
            (0x7FFF, 2),
            (0x8000, 0x401),
            (0x8400, 1),
            (0x8001, usize::MAX),
            (usize::MAX, 2),
            (0x8000, usize::MAX - 0x7FFF),
        ] {
            assert!(!breaks.accessible(address, size), "{address:#x}+{size:#x}");
        }
    }
}
