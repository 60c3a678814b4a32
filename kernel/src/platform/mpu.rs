// SPDX-License-Identifier: Apache-2.0 OR MIT

//! What an architecture provides to keep processes out of memory that is not theirs.
//!
//! A configuration is planned in memory, per process, and put into force when the process runs.

use core::fmt::{self, Display};

/// What a process may do in a region.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Permissions {
    /// Everything.
    ReadWriteExecute,
    /// Load and store.
    ReadWriteOnly,
    /// Load and run.
    ReadExecuteOnly,
    /// Load.
    ReadOnly,
    /// Run.
    ExecuteOnly,
}

/// A stretch of memory that a configuration covers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Region {
    start: *const u8,
    size: usize,
}

impl Region {
    /// Names the `size` bytes from `start`.
    pub const fn new(start: *const u8, size: usize) -> Self {
        Self { start, size }
    }

    /// Returns the first address.
    pub const fn start_address(&self) -> *const u8 {
        self.start
    }

    /// Returns the length in bytes.
    pub const fn size(&self) -> usize {
        self.size
    }
}

/// A configuration of a machine without memory protection.
#[derive(Clone, Copy, Debug, Default)]
pub struct MpuConfigDefault;

impl Display for MpuConfigDefault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("no memory protection\r\n")
    }
}

/// A memory protection unit.
///
/// The process's own RAM is the *app memory region* of its configuration: it has one owner on
/// each side, the process from the bottom up to its break and the kernel from the top down to the
/// kernel break, and the process must not reach past its own. Further regions cover the process's
/// flash and memory that others share with it.
///
/// # Safety
///
/// Once a configuration is in force, a process reaches nothing but the regions in it, each with
/// its permissions, except that hardware granularity may let it reach past the app break, yet
/// never past the kernel break.
#[expect(
    clippy::result_unit_err,
    reason = "architectures implement these signatures as they are"
)]
pub unsafe trait MPU {
    /// The plan for one process. Its `Display` is for panic output.
    type MpuConfig: Display;

    /// Puts protection into force, just before a process runs.
    fn enable_app_mpu(&self);

    /// Lifts what stands between the kernel and the memory of processes.
    ///
    /// # Safety
    ///
    /// A process must not run until [`enable_app_mpu`](Self::enable_app_mpu) has been called.
    unsafe fn disable_app_mpu(&self);

    /// Returns how many regions a configuration can hold.
    fn number_total_regions(&self) -> usize;

    /// Makes a configuration without regions, or `None` when there are no more of them.
    fn new_config(&self) -> Option<Self::MpuConfig>;

    /// Removes every region from `config`.
    fn reset_config(&self, config: &mut Self::MpuConfig);

    /// Adds a region of at least `min_region_size` bytes within the memory offered.
    ///
    /// Returns `None`, with `config` unchanged, when no such region fits.
    fn allocate_region(
        &self,
        unallocated_memory_start: *const u8,
        unallocated_memory_size: usize,
        min_region_size: usize,
        permissions: Permissions,
        config: &mut Self::MpuConfig,
    ) -> Option<Region>;

    /// Takes a region out that [`allocate_region`](Self::allocate_region) added.
    ///
    /// # Errors
    ///
    /// Fails when `config` does not hold exactly this region.
    fn remove_memory_region(&self, region: Region, config: &mut Self::MpuConfig) -> Result<(), ()>;

    /// Places a process's RAM within the memory offered and adds the region to `config`.
    ///
    /// The block has at least `min_memory_size` bytes, and room for `initial_app_memory_size` of
    /// the process beside `initial_kernel_memory_size` of the kernel. Returns its start and size,
    /// or `None` when it does not fit.
    #[expect(
        clippy::too_many_arguments,
        reason = "architectures implement this signature as it is"
    )]
    fn allocate_app_memory_region(
        &self,
        unallocated_memory_start: *const u8,
        unallocated_memory_size: usize,
        min_memory_size: usize,
        initial_app_memory_size: usize,
        initial_kernel_memory_size: usize,
        permissions: Permissions,
        config: &mut Self::MpuConfig,
    ) -> Option<(*const u8, usize)>;

    /// Moves the end of the process's part of its RAM to `app_memory_break`.
    ///
    /// # Errors
    ///
    /// Fails, with `config` unchanged, when the process's part would run into the kernel's, which
    /// starts at `kernel_memory_break`.
    fn update_app_memory_region(
        &self,
        app_memory_break: *const u8,
        kernel_memory_break: *const u8,
        permissions: Permissions,
        config: &mut Self::MpuConfig,
    ) -> Result<(), ()>;

    /// Puts `config` into force for the process that runs next.
    ///
    /// # Safety
    ///
    /// `config` is the one of that process, and every region in it is memory that the process may
    /// use as its permissions say.
    unsafe fn configure_mpu(&self, config: &Self::MpuConfig);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn regions_are_equal_when_start_and_size_are() {
        let start = core::ptr::without_provenance(0x100);
        let region = Region::new(start, 16);
        assert_eq!((region.start_address(), region.size()), (start, 16));
        assert_eq!(region, Region::new(start, 16));
        assert_ne!(region, Region::new(start, 17));
        assert_ne!(region, Region::new(start.wrapping_add(1), 16));
    }
}
