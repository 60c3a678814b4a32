// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Whole buffers: an address and a length that the kernel has checked, and whose they are.

use core::cell::Cell;
use core::marker::PhantomData;
use core::ops::Deref;
use core::ptr;

use super::readable_slice::ReadableProcessSlice;
use super::writeable_slice::WriteableProcessSlice;
use crate::capabilities::ExternalProcessCapability;
use crate::process::{Error, Process, ProcessId};

/// A buffer of a process that can be read.
pub trait ReadableProcessBuffer {
    /// Returns the length in bytes, 0 when the process that shared it is gone.
    fn len(&self) -> usize;

    /// Tells whether there is nothing to read.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns the address in the process, null when the process that shared it is gone.
    fn ptr(&self) -> *const u8;

    /// Lends the bytes to `f`.
    ///
    /// # Errors
    ///
    /// - [`Error::NoSuchApp`]: the process is gone, or has been restarted since, or there never
    ///   was one.
    /// - [`Error::InactiveApp`]: the process has exited or faulted.
    fn enter<F, R>(&self, f: F) -> Result<R, Error>
    where
        F: FnOnce(&ReadableProcessSlice) -> R;
}

/// A buffer of a process that can also be written.
pub trait WriteableProcessBuffer: ReadableProcessBuffer {
    /// Returns the address in the process, null when the process that shared it is gone.
    fn mut_ptr(&self) -> *mut u8;

    /// Lends the bytes to `f`, for reading and writing.
    ///
    /// # Errors
    ///
    /// As for [`enter`](ReadableProcessBuffer::enter).
    fn mut_enter<F, R>(&self, f: F) -> Result<R, Error>
    where
        F: FnOnce(&WriteableProcessSlice) -> R;
}

/// Succeeds while the run of the process that shared a buffer goes on.
fn check_owner(owner: Option<ProcessId>) -> Result<(), Error> {
    let id = owner.ok_or(Error::NoSuchApp)?;
    let process = id.slot_process().ok_or(Error::NoSuchApp)?;
    if process.goes_on(id) {
        Ok(())
    } else {
        Err(why_not(process, id))
    }
}

/// Why a run does not go on.
#[cold]
fn why_not(process: &dyn Process, id: ProcessId) -> Error {
    if process.processid() == id {
        Error::InactiveApp
    } else {
        Error::NoSuchApp
    }
}

/// Describes a process's bytes.
///
/// # Safety
///
/// Unless `length` is 0, all `length` bytes at `address` are memory of a process, may be read
/// throughout `'a`, and are not lent as `&[u8]` or `&mut [u8]`.
#[inline]
unsafe fn readable<'a>(address: *const u8, length: usize) -> &'a ReadableProcessSlice {
    if length == 0 {
        // A process may give any address with a length of 0, null as well.
        return (&[] as &[u8]).into();
    }
    address.expose_provenance();
    // SAFETY: what the caller vouches for includes that the address is not null.
    unsafe { ReadableProcessSlice::new(address, length) }
}

/// Describes a process's bytes.
///
/// # Safety
///
/// As for [`readable`]; and the bytes may be written too.
#[inline]
unsafe fn writeable<'a>(address: *mut u8, length: usize) -> &'a WriteableProcessSlice {
    if length == 0 {
        return WriteableProcessSlice::from_cells(&[]);
    }
    let first = ptr::with_exposed_provenance_mut::<Cell<u8>>(address.expose_provenance());
    // SAFETY: the caller vouches for the bytes; a `Cell<u8>` is laid out as a byte and allows that
    // others hold the same byte.
    WriteableProcessSlice::from_cells(unsafe { core::slice::from_raw_parts(first, length) })
}

/// A buffer that a process lets a driver read. The default is empty and nobody's.
///
/// It lies within the flash or within the RAM of the process that shared it. A driver can keep it,
/// and then still gives it back when asked to, because the process counts on it.
#[derive(Default)]
pub struct ReadOnlyProcessBuffer {
    address: AddressOf,
    length: usize,
    owner: Option<ProcessId>,
}

/// An address whose default is null.
#[derive(Clone, Copy)]
struct AddressOf(*const u8);

impl Default for AddressOf {
    fn default() -> Self {
        Self(ptr::null())
    }
}

impl ReadOnlyProcessBuffer {
    /// Makes a buffer of `length` bytes at `address` in the process `owner`.
    ///
    /// # Safety
    ///
    /// Unless `length` is 0, all the bytes are memory of that process, which can be read as long
    /// as this run of the process lasts. The kernel does not lend them as `&[u8]` or `&mut [u8]`.
    #[inline]
    pub(crate) unsafe fn new(address: *const u8, length: usize, owner: ProcessId) -> Self {
        Self {
            address: AddressOf(address),
            length,
            owner: Some(owner),
        }
    }

    /// Makes a buffer in a process that is implemented outside of this crate.
    ///
    /// # Safety
    ///
    /// Unless `length` is 0, all the bytes are memory of the process `owner`, which can be read as
    /// long as this run of the process lasts, and nobody lends them as `&[u8]` or `&mut [u8]`.
    pub unsafe fn new_external(
        address: *const u8,
        length: usize,
        owner: ProcessId,
        _cap: &dyn ExternalProcessCapability,
    ) -> Self {
        // SAFETY: the caller vouches for the same.
        unsafe { Self::new(address, length, owner) }
    }

    /// Ends the buffer's life and returns address and length as the process gave them.
    #[inline]
    pub(crate) fn into_parts(self) -> (*const u8, usize) {
        (self.address.0, self.length)
    }
}

impl ReadableProcessBuffer for ReadOnlyProcessBuffer {
    fn len(&self) -> usize {
        check_owner(self.owner).map_or(0, |()| self.length)
    }

    fn ptr(&self) -> *const u8 {
        check_owner(self.owner).map_or(ptr::null(), |()| self.address.0)
    }

    #[inline]
    fn enter<F, R>(&self, f: F) -> Result<R, Error>
    where
        F: FnOnce(&ReadableProcessSlice) -> R,
    {
        check_owner(self.owner)?;
        // SAFETY: `new` took the promise that the bytes can be read as long as this run of the
        // process lasts, which has just been checked. The process cannot run, and so not end,
        // before `f` returns.
        Ok(f(unsafe { readable(self.address.0, self.length) }))
    }
}

/// A [`ReadOnlyProcessBuffer`] on loan from a grant.
pub struct ReadOnlyProcessBufferRef<'a> {
    buffer: ReadOnlyProcessBuffer,
    grant: PhantomData<&'a ()>,
}

impl ReadOnlyProcessBufferRef<'_> {
    /// Lends a buffer for as long as the grant is entered.
    ///
    /// # Safety
    ///
    /// As for [`ReadOnlyProcessBuffer::new`].
    #[inline]
    pub(crate) unsafe fn new(address: *const u8, length: usize, owner: ProcessId) -> Self {
        Self {
            // SAFETY: the caller vouches for the same.
            buffer: unsafe { ReadOnlyProcessBuffer::new(address, length, owner) },
            grant: PhantomData,
        }
    }
}

impl Deref for ReadOnlyProcessBufferRef<'_> {
    type Target = ReadOnlyProcessBuffer;

    #[inline]
    fn deref(&self) -> &ReadOnlyProcessBuffer {
        &self.buffer
    }
}

/// A buffer that a process lets a driver read and write. The default is empty and nobody's.
///
/// It lies within the RAM of the process that shared it. A driver can keep it, and then still
/// gives it back when asked to, because the process counts on it.
pub struct ReadWriteProcessBuffer {
    address: *mut u8,
    length: usize,
    owner: Option<ProcessId>,
}

/// A [`ReadWriteProcessBuffer`] that the process goes on reading while it is shared.
pub type UserspaceReadableProcessBuffer = ReadWriteProcessBuffer;

impl ReadWriteProcessBuffer {
    /// Whether this run of a process has shared it.
    pub(crate) fn is_of(&self, run: ProcessId) -> bool {
        self.owner == Some(run)
    }

    /// Makes an empty buffer that is nobody's.
    pub const fn const_default() -> Self {
        Self {
            address: ptr::null_mut(),
            length: 0,
            owner: None,
        }
    }

    /// Makes a buffer of `length` bytes at `address` in the process `owner`.
    ///
    /// # Safety
    ///
    /// Unless `length` is 0, all the bytes are RAM of that process, which can be read and written
    /// as long as this run of the process lasts. The kernel does not lend them as `&[u8]` or
    /// `&mut [u8]`.
    #[inline]
    pub(crate) unsafe fn new(address: *mut u8, length: usize, owner: ProcessId) -> Self {
        Self {
            address,
            length,
            owner: Some(owner),
        }
    }

    /// Makes a buffer in a process that is implemented outside of this crate.
    ///
    /// # Safety
    ///
    /// Unless `length` is 0, all the bytes are RAM of the process `owner`, which can be read and
    /// written as long as this run of the process lasts, and nobody lends them as `&[u8]` or
    /// `&mut [u8]`.
    pub unsafe fn new_external(
        address: *mut u8,
        length: usize,
        owner: ProcessId,
        _cap: &dyn ExternalProcessCapability,
    ) -> Self {
        // SAFETY: the caller vouches for the same.
        unsafe { Self::new(address, length, owner) }
    }

    /// Ends the buffer's life and returns address and length as the process gave them.
    #[inline]
    pub(crate) fn into_parts(self) -> (*mut u8, usize) {
        (self.address, self.length)
    }
}

impl Default for ReadWriteProcessBuffer {
    fn default() -> Self {
        Self::const_default()
    }
}

impl ReadableProcessBuffer for ReadWriteProcessBuffer {
    fn len(&self) -> usize {
        check_owner(self.owner).map_or(0, |()| self.length)
    }

    fn ptr(&self) -> *const u8 {
        self.mut_ptr()
    }

    #[inline]
    fn enter<F, R>(&self, f: F) -> Result<R, Error>
    where
        F: FnOnce(&ReadableProcessSlice) -> R,
    {
        check_owner(self.owner)?;
        // SAFETY: as in `mut_enter`.
        Ok(f(unsafe { readable(self.address, self.length) }))
    }
}

impl WriteableProcessBuffer for ReadWriteProcessBuffer {
    fn mut_ptr(&self) -> *mut u8 {
        check_owner(self.owner).map_or(ptr::null_mut(), |()| self.address)
    }

    #[inline]
    fn mut_enter<F, R>(&self, f: F) -> Result<R, Error>
    where
        F: FnOnce(&WriteableProcessSlice) -> R,
    {
        check_owner(self.owner)?;
        // SAFETY: `new` took the promise that the bytes can be read and written as long as this
        // run of the process lasts, which has just been checked. The process cannot run, and so
        // not end, before `f` returns.
        Ok(f(unsafe { writeable(self.address, self.length) }))
    }
}

/// A [`ReadWriteProcessBuffer`] on loan from a grant.
pub struct ReadWriteProcessBufferRef<'a> {
    buffer: ReadWriteProcessBuffer,
    grant: PhantomData<&'a ()>,
}

impl ReadWriteProcessBufferRef<'_> {
    /// Lends a buffer for as long as the grant is entered.
    ///
    /// # Safety
    ///
    /// As for [`ReadWriteProcessBuffer::new`].
    #[inline]
    pub(crate) unsafe fn new(address: *mut u8, length: usize, owner: ProcessId) -> Self {
        Self {
            // SAFETY: the caller vouches for the same.
            buffer: unsafe { ReadWriteProcessBuffer::new(address, length, owner) },
            grant: PhantomData,
        }
    }
}

impl Deref for ReadWriteProcessBufferRef<'_> {
    type Target = ReadWriteProcessBuffer;

    #[inline]
    fn deref(&self) -> &ReadWriteProcessBuffer {
        &self.buffer
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::process::{Process, State};
    use crate::testing::kernel_with_process;

    /// Error of reading and of writing.
    fn failures(buffer: &ReadWriteProcessBuffer) -> (Option<Error>, Option<Error>) {
        (buffer.enter(|_| ()).err(), buffer.mut_enter(|_| ()).err())
    }

    #[test]
    fn a_buffer_lends_the_bytes_it_was_made_of() {
        let (_, process) = kernel_with_process();
        let buffer = process
            .build_readwrite_process_buffer(process.address(10), 3)
            .unwrap();
        assert_eq!((buffer.len(), buffer.mut_ptr()), (3, process.address(10)));
        buffer
            .mut_enter(|bytes| bytes.copy_from_slice(&[4, 5, 6]))
            .unwrap();
        assert_eq!(process.ram()[9].get(), 0);
        assert_eq!(process.ram()[12].get(), 6);
        process.ram()[11].set(8);
        assert_eq!(buffer.enter(|bytes| bytes[1].get()), Ok(8));
    }

    #[test]
    fn a_buffer_of_nobody_is_empty_and_cannot_be_entered() {
        let buffer = ReadWriteProcessBuffer::default();
        assert_eq!((buffer.len(), buffer.mut_ptr()), (0, ptr::null_mut()));
        let gone = Some(Error::NoSuchApp);
        assert_eq!(failures(&buffer), (gone, gone));
        let buffer = ReadOnlyProcessBuffer::default();
        assert!(buffer.is_empty() && buffer.ptr().is_null());
        assert_eq!(buffer.enter(|_| ()), Err(Error::NoSuchApp));
    }

    #[test]
    fn an_address_without_length_is_never_followed() {
        let (_, process) = kernel_with_process();
        for address in [0, 1, usize::MAX] {
            let address = ptr::with_exposed_provenance_mut(address);
            let buffer = process.build_readwrite_process_buffer(address, 0).unwrap();
            assert_eq!(buffer.ptr(), address.cast_const());
            assert_eq!(buffer.enter(|bytes| bytes.iter().count()), Ok(0));
            assert_eq!(buffer.mut_enter(|bytes| bytes.iter().count()), Ok(0));
            let buffer = process.build_readonly_process_buffer(address, 0).unwrap();
            assert_eq!(buffer.enter(|bytes| bytes.chunks(4).count()), Ok(0));
        }
    }

    #[test]
    fn a_buffer_outlives_its_process_without_harm() {
        let (_, process) = kernel_with_process();
        let written = process
            .build_readwrite_process_buffer(process.address(0), 4)
            .unwrap();
        let read = process
            .build_readonly_process_buffer(process.address(0), 4)
            .unwrap();
        for state in [State::Faulted, State::Terminated] {
            process.state.set(state);
            let inactive = Some(Error::InactiveApp);
            assert_eq!(failures(&written), (inactive, inactive));
            assert_eq!(read.enter(|_| ()), Err(Error::InactiveApp));
        }
        process.restart();
        let gone = Some(Error::NoSuchApp);
        assert_eq!(failures(&written), (gone, gone));
        assert_eq!(read.enter(|_| ()), Err(Error::NoSuchApp));
        assert_eq!((written.len(), read.len()), (0, 0));
        assert!(written.mut_ptr().is_null() && read.ptr().is_null());
    }
}
