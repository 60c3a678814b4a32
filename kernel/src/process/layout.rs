// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Where a process's RAM block lies, and where the kernel's part is inside it.
//!
//! The kernel's part is at the end of the block: the control block, then the grant table.
//! Addresses only.

use super::load_error::ProcessLoadError;

/// Size and alignment of what the kernel keeps for one process.
#[derive(Clone, Copy)]
pub(super) struct KernelPart {
    pub(super) control_block: core::alloc::Layout,
    pub(super) grant_table: core::alloc::Layout,
}

/// Where the kernel's part is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct KernelPlaces {
    /// Address of the control block, and the first kernel break.
    pub(super) control_block: usize,
    /// Address of the grant table.
    pub(super) grant_table: usize,
}

impl KernelPart {
    /// Bytes to ask for so that the part fits, wherever the block ends. `None` if no address
    /// space could hold it.
    pub(super) fn reserve(&self) -> Option<usize> {
        let mut total = 0usize;
        for part in [self.control_block, self.grant_table] {
            total = total.checked_add(part.size().checked_add(part.align())?)?;
        }
        Some(total)
    }

    /// Places the part at the end of the block from `start` to `end`.
    pub(super) fn place(&self, start: usize, end: usize) -> Option<KernelPlaces> {
        let below = |top: usize, part: core::alloc::Layout| {
            Some(top.checked_sub(part.size())? & !(part.align() - 1))
        };
        let grant_table = below(end, self.grant_table)?;
        let control_block = below(grant_table, self.control_block)?;
        (control_block >= start).then_some(KernelPlaces {
            control_block,
            grant_table,
        })
    }
}

/// Picks the lowest address for a RAM block in the rest of the pool, from `pool` to `pool_end`.
///
/// # Errors
///
/// - [`ProcessLoadError::MemoryAddressMismatch`]: the application was linked for an address below
///   the rest of the pool.
/// - [`ProcessLoadError::NotEnoughMemory`]: it was linked for one beyond.
pub(super) fn block_start(
    pool: *mut u8,
    pool_end: usize,
    fixed: Option<usize>,
) -> Result<*mut u8, ProcessLoadError> {
    let Some(fixed) = fixed else {
        return Ok(pool);
    };
    if fixed < pool.addr() {
        return Err(ProcessLoadError::MemoryAddressMismatch {
            actual_address: pool,
            expected_address: core::ptr::without_provenance_mut(fixed),
        });
    }
    if fixed >= pool_end {
        return Err(ProcessLoadError::NotEnoughMemory);
    }
    Ok(pool.with_addr(fixed))
}

#[cfg(test)]
mod tests {
    use super::*;
    use core::alloc::Layout;

    fn part() -> KernelPart {
        KernelPart {
            control_block: Layout::from_size_align(700, 8).unwrap(),
            grant_table: Layout::from_size_align(60, 4).unwrap(),
        }
    }

    #[test]
    fn the_reserve_is_enough_for_every_end() {
        let part = part();
        let reserve = part.reserve().unwrap();
        for end in 0x9000..0x9040 {
            let places = part.place(end - reserve, end).unwrap();
            assert!(places.grant_table + 60 <= end);
            assert!(places.control_block + 700 <= places.grant_table);
            assert_eq!(places.control_block % 8, 0);
            assert_eq!(places.grant_table % 4, 0);
        }
    }

    #[test]
    fn a_block_too_small_for_the_kernel_is_refused() {
        assert_eq!(part().place(0x9000, 0x9100), None);
        assert_eq!(part().place(0, 16), None);
    }

    #[test]
    fn a_fixed_address_skips_forward_but_never_back() {
        let pool = core::ptr::without_provenance_mut::<u8>(0x8000);
        assert_eq!(block_start(pool, 0x9000, None), Ok(pool));
        assert_eq!(
            block_start(pool, 0x9000, Some(0x8800)),
            Ok(pool.with_addr(0x8800))
        );
        assert_eq!(
            block_start(pool, 0x9000, Some(0x7FFC)),
            Err(ProcessLoadError::MemoryAddressMismatch {
                actual_address: pool,
                expected_address: pool.with_addr(0x7FFC),
            })
        );
        assert_eq!(
            block_start(pool, 0x9000, Some(0x9000)),
            Err(ProcessLoadError::NotEnoughMemory)
        );
    }
}
