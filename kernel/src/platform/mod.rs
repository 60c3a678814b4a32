// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Module `platform`.

pub mod chip;
pub mod dma_fence;
pub mod mpu;
pub mod scheduler_timer;
pub mod watchdog;
