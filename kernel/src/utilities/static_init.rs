// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Memory for objects that are built at boot and live for the whole run.
//!
//! Each use of a macro here stands for one place in memory. The place is handed out as `&'static
//! mut` once; a second run of the same line panics, since it would hand it out again. The memory
//! lies in section `.bss.noinit`: the linker script may put it where start-up code does not clear
//! it, and one that does not know the name puts it into `.bss`.

use core::cell::{Cell, UnsafeCell};
use core::mem::MaybeUninit;

/// Memory for a `T`; what the macros of this module expand to.
#[doc(hidden)]
#[repr(transparent)]
pub struct StaticSlot<T>(UnsafeCell<MaybeUninit<T>>);

/// Remembers whether a [`StaticSlot`] was handed out. Lies apart from it, as it must start cleared.
#[doc(hidden)]
pub struct StaticClaim(Cell<bool>);

// SAFETY: nothing but `claim` touches the content, and that is `unsafe` to call.
unsafe impl<T> Sync for StaticSlot<T> {}

// SAFETY: as above.
unsafe impl Sync for StaticClaim {}

impl<T> StaticSlot<T> {
    /// Creates memory that nothing was written to.
    pub const fn uninit() -> Self {
        Self(UnsafeCell::new(MaybeUninit::uninit()))
    }

    /// Hands the memory out.
    ///
    /// # Panics
    ///
    /// On the second call with the same `claim`.
    ///
    /// # Safety
    ///
    /// `slot` and `claim` are statics that are used with one another only, on one thread.
    pub unsafe fn claim(
        slot: *const Self,
        claim: *const StaticClaim,
    ) -> &'static mut MaybeUninit<T> {
        // SAFETY: the caller vouches for the pointer and rules out a race.
        unsafe { &*claim }.close();
        // SAFETY: the claim was open, so this is the first reference, and no other will follow.
        // The caller vouches for the pointer.
        unsafe { &mut *(*slot).0.get() }
    }
}

impl StaticClaim {
    /// Creates an open claim.
    pub const fn open() -> Self {
        Self(Cell::new(false))
    }

    /// Out of line, as a board has many of these.
    #[inline(never)]
    fn close(&self) {
        if self.0.replace(true) {
            panic!("a static buffer was claimed twice")
        }
    }
}

/// Memory for the kernel's stack; what [`stack_size!`](crate::stack_size) expands to.
#[doc(hidden)]
#[repr(C, align(16))]
pub struct StackMemory<const SIZE: usize>(UnsafeCell<MaybeUninit<[u8; SIZE]>>);

// SAFETY: no Rust code reaches the content; the processor uses it as stack.
unsafe impl<const SIZE: usize> Sync for StackMemory<SIZE> {}

impl<const SIZE: usize> StackMemory<SIZE> {
    /// Creates a stack of `SIZE` bytes, which has to be a multiple of 16.
    pub const fn reserve() -> Self {
        const {
            assert!(
                SIZE.is_multiple_of(16),
                "the stack size must be a multiple of 16"
            )
        };
        Self(UnsafeCell::new(MaybeUninit::uninit()))
    }
}

/// Returns uninitialised memory for a `T` as `&'static mut MaybeUninit<T>`.
///
/// # Panics
///
/// When the same line runs a second time.
///
/// # Safety
///
/// Expands to a call of an `unsafe` function: a given line runs on one thread only.
#[macro_export]
macro_rules! static_buf {
    ($T:ty $(,)?) => {{
        #[cfg_attr(target_os = "none", unsafe(link_section = ".bss.noinit"))]
        static SLOT: $crate::utilities::static_init::StaticSlot<$T> =
            $crate::utilities::static_init::StaticSlot::uninit();
        static CLAIM: $crate::utilities::static_init::StaticClaim =
            $crate::utilities::static_init::StaticClaim::open();
        $crate::utilities::static_init::StaticSlot::claim(&raw const SLOT, &raw const CLAIM)
    }};
}

/// Like [`static_buf!`](crate::static_buf), under a symbol name that debuggers and tools can find.
#[macro_export]
macro_rules! static_named_buf {
    ($T:ty, $name:expr $(,)?) => {{
        #[cfg_attr(target_os = "none", unsafe(link_section = ".bss.noinit"))]
        #[unsafe(export_name = $name)]
        static SLOT: $crate::utilities::static_init::StaticSlot<$T> =
            $crate::utilities::static_init::StaticSlot::uninit();
        static CLAIM: $crate::utilities::static_init::StaticClaim =
            $crate::utilities::static_init::StaticClaim::open();
        $crate::utilities::static_init::StaticSlot::claim(&raw const SLOT, &raw const CLAIM)
    }};
}

/// Builds a `T` in static memory and returns it as `&'static mut T`.
///
/// Panics and safety are those of [`static_buf!`](crate::static_buf).
#[macro_export]
macro_rules! static_init {
    ($T:ty, $value:expr $(,)?) => {
        $crate::static_buf!($T).write($value)
    };
}

/// Counts its arguments without evaluating them.
#[macro_export]
macro_rules! count_expressions {
    (@one $counted:expr) => {
        1usize
    };
    ($($counted:expr),* $(,)?) => {
        0usize $(+ $crate::count_expressions!(@one $counted))*
    };
}

/// Reserves the kernel's stack, once per binary: `STACK_MEMORY` in section `.stack_buffer`.
///
/// The size counts bytes and is a multiple of 16. Needs a crate that may use `unsafe`, for it chooses
/// a symbol's name.
#[macro_export]
macro_rules! stack_size {
    ($size:expr) => {
        #[used]
        #[allow(unsafe_code)]
        #[unsafe(no_mangle)]
        #[cfg_attr(target_os = "none", unsafe(link_section = ".stack_buffer"))]
        static STACK_MEMORY: $crate::utilities::static_init::StackMemory<{ $size }> =
            $crate::utilities::static_init::StackMemory::reserve();
    };
}

/// Reserves `kibibytes` of flash under `name`, in section `.storage`.
///
/// Only the address is of use to the program: the content changes behind the compiler's back, so
/// read it through the flash driver. Needs a crate that may use `unsafe`: under a name such as `memcpy`
/// the volume would take that symbol's place.
///
/// ```compile_fail,E0453
/// #![forbid(unsafe_code)]
/// kernel::storage_volume!(memcpy, 1);
/// # fn main() {}
/// ```
#[macro_export]
macro_rules! storage_volume {
    ($name:ident, $kibibytes:expr $(,)?) => {
        #[doc = "Flash that the board sets aside for storage."]
        #[used]
        #[allow(unsafe_code)]
        #[unsafe(no_mangle)]
        #[cfg_attr(target_os = "none", unsafe(link_section = ".storage"))]
        pub static $name: [u8; $kibibytes * 1024] = [0; $kibibytes * 1024];
    };
}

#[cfg(test)]
mod tests {
    crate::storage_volume!(TEST_VOLUME, 3);

    #[test]
    fn each_line_has_memory_of_its_own() {
        // SAFETY: only this test runs these lines, on one thread.
        let (first, second) = unsafe { (static_init!(u32, 1), static_init!(u32, 2)) };
        *first += 10;
        assert_eq!((*first, *second), (11, 2));
    }

    #[test]
    fn a_value_may_hold_memory_claimed_while_it_is_built() {
        struct Holder(&'static mut [u8; 8]);
        // SAFETY: as above.
        let holder = unsafe { static_init!(Holder, Holder(static_buf!([u8; 8]).write([5; 8]))) };
        assert_eq!(holder.0[7], 5);
    }

    #[test]
    #[should_panic(expected = "claimed twice")]
    fn running_a_line_twice_panics() {
        for _ in 0..2 {
            // SAFETY: only this test runs this line, on one thread.
            unsafe { static_named_buf!(u64, "kernel_test_named_buffer") };
        }
    }

    #[test]
    fn arguments_are_counted_and_not_run() {
        assert_eq!(count_expressions!(), 0);
        assert_eq!(count_expressions!(unreachable!(), 2,), 2);
    }

    #[test]
    fn volumes_are_sized_in_kibibytes() {
        assert_eq!(TEST_VOLUME.len(), 3072);
    }
}
