// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Fences for devices that see memory as the CPU does.

use kernel::platform::dma_fence::DmaFence;

/// A DMA fence for machines whose devices take part in cache coherence, or where there is no cache.
///
/// Then ordering is all that is needed: `fence` between accesses to memory and to device registers.
#[derive(Clone, Copy, Debug)]
pub struct RiscvCoherentDmaFence {
    _private: (),
}

impl RiscvCoherentDmaFence {
    /// Creates the fence.
    ///
    /// # Safety
    ///
    /// Every device that the fence is used for accesses memory coherently with the CPU.
    pub const unsafe fn new() -> Self {
        RiscvCoherentDmaFence { _private: () }
    }
}

// SAFETY: memory is coherent, as `new` demands, so order is all that matters. Both `fence`
// instructions order memory and device accesses in the direction that the trait describes. The
// assembly takes the address and may touch memory, so the compiler keeps no access to the range
// on the wrong side.
unsafe impl DmaFence for RiscvCoherentDmaFence {
    #[inline(always)]
    fn release<T>(self, buf: *mut [T]) {
        #[cfg(target_arch = "riscv32")]
        // SAFETY: a fence changes neither registers nor memory.
        unsafe {
            core::arch::asm!("fence rw, ow // {0}", in(reg) buf.cast::<T>(), options(nostack));
        }
        #[cfg(not(target_arch = "riscv32"))]
        {
            let _ = core::hint::black_box(buf);
            core::sync::atomic::fence(core::sync::atomic::Ordering::SeqCst);
        }
    }

    #[inline(always)]
    fn acquire<T>(self, buf: *mut [T]) {
        #[cfg(target_arch = "riscv32")]
        // SAFETY: a fence changes neither registers nor memory.
        unsafe {
            core::arch::asm!("fence ir, rw // {0}", in(reg) buf.cast::<T>(), options(nostack));
        }
        #[cfg(not(target_arch = "riscv32"))]
        {
            let _ = core::hint::black_box(buf);
            core::sync::atomic::fence(core::sync::atomic::Ordering::SeqCst);
        }
    }
}
