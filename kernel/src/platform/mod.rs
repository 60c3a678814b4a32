// SPDX-License-Identifier: Apache-2.0 OR MIT

//! What a chip and a board provide to the kernel.

pub mod chip;
pub mod dma_fence;
pub mod mpu;
pub mod scheduler_timer;
pub mod watchdog;

mod resources;
mod tbf_filter;

pub use resources::{
    ContextSwitchCallback, KernelResources, ProcessFault, SyscallDriverLookup, SyscallFilter,
};
pub use tbf_filter::TbfHeaderFilterDefaultAllow;
