// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Helpers that the kernel, chips, capsules and boards share.

pub mod arch_helpers;
pub mod binary_write;
pub mod boot_memory;
pub mod capability_ptr;
pub mod cells;
pub mod copy_slice;
pub mod dma_slice;
pub mod helpers;
pub mod io_write;
pub mod leasable_buffer;
pub mod machine_register;
pub mod peripheral_management;
pub mod registers;
pub mod single_thread_value;
pub mod slice_uninit;
pub mod static_init;
pub mod static_ref;
pub mod streaming_process_slice;

pub use static_ref::StaticRef;
