// SPDX-License-Identifier: Apache-2.0 OR MIT

//! What a driver holds: its grant, and ways to the memory of each process.

use core::alloc::Layout;
use core::marker::PhantomData;
use core::ops::{Deref, DerefMut};
use core::ptr::NonNull;
use core::slice;

use super::allocator::GrantRegionAllocator;
use super::counts::{AllowRoSize, AllowRwSize, UpcallSize};
use super::entry::{Entered, GrantKind, GrantValue};
use super::kernel_data::GrantKernelData;
use super::layout::{Counts, GrantLayout};
use crate::kernel::Kernel;
use crate::process::{Error, Process, ProcessId, ProcessSlot};

/// A driver's value for one process.
pub struct GrantData<'a, T: ?Sized> {
    value: &'a mut T,
}

impl<'a, T: ?Sized> GrantData<'a, T> {
    #[inline]
    pub(super) fn new(value: &'a mut T) -> Self {
        Self { value }
    }
}

impl<T: ?Sized> Deref for GrantData<'_, T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        self.value
    }
}

impl<T: ?Sized> DerefMut for GrantData<'_, T> {
    #[inline]
    fn deref_mut(&mut self) -> &mut T {
        self.value
    }
}

/// A driver's grant: a `T`, upcalls and buffers in each process that uses the driver.
///
/// While a grant is entered for a process, entering it again for the same process fails; so there
/// is never a second reference to the same `T`. A `T` is not dropped when its process ends.
pub struct Grant<T: Default, Upcalls: UpcallSize, AllowROs: AllowRoSize, AllowRWs: AllowRwSize> {
    kernel: &'static Kernel,
    kind: GrantKind,
    marker: PhantomData<(T, Upcalls, AllowROs, AllowRWs)>,
}

impl<T: Default, Upcalls: UpcallSize, AllowROs: AllowRoSize, AllowRWs: AllowRwSize>
    Grant<T, Upcalls, AllowROs, AllowRWs>
{
    const LAYOUT: GrantLayout = GrantLayout::new(
        Counts {
            upcalls: Upcalls::COUNT,
            read_only: AllowROs::COUNT,
            read_write: AllowRWs::COUNT,
        },
        Layout::new::<T>(),
    );

    const VALUE: &'static GrantValue = &GrantValue {
        layout: Self::LAYOUT,
        write_default: write_default::<T>,
    };

    /// Makes the grant that `kernel` knows by `grant_num`, which no other grant has.
    pub(crate) fn new(kernel: &'static Kernel, driver_num: usize, grant_num: usize) -> Self {
        Self {
            kernel,
            kind: GrantKind {
                driver_num,
                grant_num,
            },
            marker: PhantomData,
        }
    }

    /// Enters the grant for a process, which gets the memory for it if need be.
    ///
    /// # Errors
    ///
    /// - [`Error::NoSuchApp`]: the process is gone or has been restarted.
    /// - [`Error::InactiveApp`]: the process has exited or faulted.
    /// - [`Error::OutOfMemory`]: the process has no memory left for the grant.
    /// - [`Error::AlreadyInUse`]: the grant is entered for this process already.
    #[inline]
    pub fn enter<F, R>(&self, processid: ProcessId, fun: F) -> Result<R, Error>
    where
        F: FnOnce(&mut GrantData<T>, &GrantKernelData) -> R,
    {
        let entered = self.enter_or_create(processid)?;
        Ok(self.run(&entered, fun))
    }

    /// Enters the grant as [`enter`](Self::enter) does, with an allocator for further memory.
    ///
    /// # Errors
    ///
    /// As for [`enter`](Self::enter).
    pub fn enter_with_allocator<F, R>(&self, processid: ProcessId, fun: F) -> Result<R, Error>
    where
        F: FnOnce(&mut GrantData<T>, &GrantKernelData, &mut GrantRegionAllocator) -> R,
    {
        let entered = self.enter_or_create(processid)?;
        let mut allocator = GrantRegionAllocator::new(processid);
        Ok(self.run(&entered, |data, kernel_data| {
            fun(data, kernel_data, &mut allocator)
        }))
    }

    /// Calls `fun` for each process in which the grant has memory.
    ///
    /// A process for which the grant is entered already is passed over.
    pub fn each<F>(&self, mut fun: F)
    where
        F: FnMut(ProcessId, &mut GrantData<T>, &GrantKernelData),
    {
        for grant in self.iter() {
            let processid = grant.processid();
            grant.try_enter(|data, kernel_data| fun(processid, data, kernel_data));
        }
    }

    /// Returns the processes in which the grant has memory.
    pub fn iter(&self) -> GrantIter<'_, T, Upcalls, AllowROs, AllowRWs> {
        GrantIter {
            grant: self,
            slots: self.kernel.process_slots().iter(),
        }
    }

    #[inline]
    fn enter_or_create(&self, processid: ProcessId) -> Result<Entered<'static>, Error> {
        // SAFETY: grant numbers are unique, so everyone who enters this grant does so with the
        // layout that belongs to its type, and that has room for a `T`.
        unsafe { Entered::existing_or_new(processid, &self.kind, Self::VALUE) }
    }

    /// Calls `fun` with what the grant holds.
    #[inline]
    fn run<F, R>(&self, entered: &Entered<'_>, fun: F) -> R
    where
        F: FnOnce(&mut GrantData<T>, &GrantKernelData) -> R,
    {
        // SAFETY: this type has one layout. The place holds a `T` since the grant was created, and
        // the process hands it out to one caller at a time, until `entered` is dropped.
        let value = unsafe { entered.value(&Self::LAYOUT).cast::<T>().as_mut() };
        fun(
            &mut GrantData::new(value),
            &GrantKernelData::new(entered, self.kind.driver_num),
        )
    }
}

/// Puts a default value in its place.
///
/// # Safety
///
/// `place` is aligned and valid for writing a `T`.
unsafe fn write_default<T: Default>(place: NonNull<u8>) {
    // SAFETY: the caller vouches for the place.
    unsafe { place.cast::<T>().write(T::default()) };
}

/// The grant of a driver in one process, where it has memory.
pub struct ProcessGrant<
    'a,
    T: Default,
    Upcalls: UpcallSize,
    AllowROs: AllowRoSize,
    AllowRWs: AllowRwSize,
> {
    grant: &'a Grant<T, Upcalls, AllowROs, AllowRWs>,
    process: &'static dyn Process,
    processid: ProcessId,
}

impl<T: Default, Upcalls: UpcallSize, AllowROs: AllowRoSize, AllowRWs: AllowRwSize>
    ProcessGrant<'_, T, Upcalls, AllowROs, AllowRWs>
{
    /// Returns the process.
    pub fn processid(&self) -> ProcessId {
        self.processid
    }

    /// Enters the grant.
    ///
    /// # Panics
    ///
    /// When the grant is entered for this process already, further up the call stack, or when the
    /// process has ended since the iteration came by: both are mistakes in the driver, and there
    /// is no `R` to return. Where it can happen, use [`try_enter`](Self::try_enter).
    pub fn enter<F, R>(self, fun: F) -> R
    where
        F: FnOnce(&mut GrantData<T>, &GrantKernelData) -> R,
    {
        self.try_enter(fun).unwrap_or_else(cannot_enter)
    }

    /// Enters the grant, unless it is entered already or the process has ended.
    pub fn try_enter<F, R>(self, fun: F) -> Option<R>
    where
        F: FnOnce(&mut GrantData<T>, &GrantKernelData) -> R,
    {
        let entered = self.entered()?;
        Some(self.grant.run(&entered, fun))
    }

    /// Enters the grant with an allocator for further memory.
    ///
    /// # Panics
    ///
    /// As [`enter`](Self::enter) does.
    pub fn enter_with_allocator<F, R>(self, fun: F) -> R
    where
        F: FnOnce(&mut GrantData<T>, &GrantKernelData, &mut GrantRegionAllocator) -> R,
    {
        let mut allocator = GrantRegionAllocator::new(self.processid);
        self.try_enter(|data, kernel_data| fun(data, kernel_data, &mut allocator))
            .unwrap_or_else(cannot_enter)
    }

    fn entered(&self) -> Option<Entered<'static>> {
        Entered::existing_in(self.process, self.processid, self.grant.kind.grant_num)
    }
}

#[cold]
#[track_caller]
fn cannot_enter<R>() -> R {
    panic!("a grant was entered twice, or after the end of its process")
}

/// The processes in which a grant has memory, in the order of the process table.
pub struct GrantIter<
    'a,
    T: Default,
    Upcalls: UpcallSize,
    AllowROs: AllowRoSize,
    AllowRWs: AllowRwSize,
> {
    grant: &'a Grant<T, Upcalls, AllowROs, AllowRWs>,
    slots: slice::Iter<'static, ProcessSlot>,
}

impl<'a, T: Default, Upcalls: UpcallSize, AllowROs: AllowRoSize, AllowRWs: AllowRwSize> Iterator
    for GrantIter<'a, T, Upcalls, AllowROs, AllowRWs>
{
    type Item = ProcessGrant<'a, T, Upcalls, AllowROs, AllowRWs>;

    fn next(&mut self) -> Option<Self::Item> {
        let grant = self.grant;
        let process = self
            .slots
            .by_ref()
            .filter_map(ProcessSlot::get)
            .find(|process| process.grant_is_allocated(grant.kind.grant_num) == Some(true))?;
        Some(ProcessGrant {
            grant,
            process,
            processid: process.processid(),
        })
    }
}

#[cfg(test)]
#[path = "handle_tests.rs"]
mod tests;
