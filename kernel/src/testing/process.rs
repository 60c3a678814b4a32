// SPDX-License-Identifier: Apache-2.0 OR MIT

//! A process that exists on the host only, for tests of what works on processes.
//!
//! It has RAM, a bounded queue and a bounded supply of grant memory. It runs no code.

use core::cell::{Cell, RefCell};
use core::ptr::{self, NonNull};
use std::collections::VecDeque;
use std::vec::Vec;

use super::{allow_read_only, allow_read_write, forever};
use crate::capabilities::{
    ApplicationStorageCapability, ExternalProcessCapability, MainLoopCapability,
    MemoryAllocationCapability, ProcessManagementCapability,
};
use crate::errorcode::ErrorCode;
use crate::grant::{AllowRoSize, AllowRwSize, Grant, UpcallSize};
use crate::ipc::IPCUpcallType;
use crate::kernel::Kernel;
use crate::process::{Error, ProcessId, ProcessSlot, ShortId, State, Task};
use crate::syscall_driver::SyscallDriver;

/// The capabilities that tests of capsules need.
pub struct TestCapability;
// SAFETY: tests may do everything.
unsafe impl MemoryAllocationCapability for TestCapability {}
// SAFETY: as above.
unsafe impl ApplicationStorageCapability for TestCapability {}
// SAFETY: as above.
unsafe impl ExternalProcessCapability for TestCapability {}
// SAFETY: as above.
unsafe impl MainLoopCapability for TestCapability {}
// SAFETY: as above.
unsafe impl ProcessManagementCapability for TestCapability {}

pub(super) struct FakeGrant {
    pub(super) driver_num: usize,
    pub(super) memory: NonNull<u8>,
    pub(super) entered: bool,
}

/// Entries that the queue of a [`FakeProcess`] holds.
pub const QUEUE_LENGTH: usize = 10;

/// Bytes of RAM of a [`FakeProcess`].
pub(super) const RAM_SIZE: usize = 256;
const GRANTS: usize = 4;

/// The number of an upcall and its arguments.
pub type Upcall = (usize, (usize, usize, usize));

/// A piece of memory that a process can share.
#[derive(Clone, Copy)]
pub struct Memory(&'static [Cell<u8>]);

impl Memory {
    /// Memory with this content.
    pub fn of(bytes: &[u8]) -> Self {
        let cells: &'static Vec<_> = forever(bytes.iter().copied().map(Cell::new).collect());
        // The kernel makes its pointers from addresses.
        cells.as_ptr().expose_provenance();
        Memory(cells)
    }

    /// Memory full of zeros.
    pub fn zeroed(len: usize) -> Self {
        Self::of(&std::vec![0; len])
    }

    /// What is there now.
    pub fn bytes(&self) -> Vec<u8> {
        self.0.iter().map(Cell::get).collect()
    }

    /// Writes as the process does, from `offset` on.
    pub fn write(&self, offset: usize, bytes: &[u8]) {
        let places = &self.0[offset..][..bytes.len()];
        places
            .iter()
            .zip(bytes)
            .for_each(|(at, byte)| at.set(*byte));
    }

    /// The first `len` bytes of this memory.
    pub fn first(&self, len: usize) -> Self {
        Memory(&self.0[..len])
    }

    fn contains(&self, start: *const u8, size: usize) -> bool {
        let offset = start.addr().wrapping_sub(self.0.as_ptr().addr());
        offset <= self.0.len() && size <= self.0.len() - offset
    }

    fn parts(&self) -> (*mut u8, usize) {
        (self.0.as_ptr().cast::<u8>().cast_mut(), self.0.len())
    }
}

/// A process whose circumstances a test decides.
pub struct FakeProcess {
    pub(super) id: Cell<ProcessId>,
    kernel: &'static Kernel,
    pub(super) index: usize,
    /// The state; a process that a test does not touch has yielded.
    pub state: Cell<State>,
    /// What is queued, oldest first.
    pub queue: RefCell<VecDeque<Task>>,
    pub(super) grants: RefCell<Vec<Option<FakeGrant>>>,
    pub(super) custom_grants: RefCell<Vec<NonNull<u8>>>,
    /// Bytes left for grants.
    pub room: Cell<usize>,
    ram: Memory,
    /// What the process has shared beyond its RAM.
    lent: RefCell<Vec<Memory>>,
    /// The commands it may use: a driver, the offset of a block of commands, and their mask.
    pub permissions: Cell<Option<(usize, usize, u64)>>,
    /// The application's identity.
    pub short_id: Cell<ShortId>,
    /// Starts after the first.
    pub restart_count: Cell<usize>,
}

/// Makes a kernel with `count` processes, all active.
pub(crate) fn kernel_with(count: usize) -> (&'static Kernel, Vec<&'static FakeProcess>) {
    let slots: &'static Vec<ProcessSlot> = forever((0..count).map(ProcessSlot::new).collect());
    let kernel = forever(Kernel::new(slots));
    let processes = (0..count)
        .map(|index| {
            let process = forever(FakeProcess::new(kernel, index));
            slots[index].set(process);
            process
        })
        .collect();
    (kernel, processes)
}

/// Makes a kernel with one active process.
#[cfg(test)]
pub(crate) fn kernel_with_process() -> (&'static Kernel, &'static FakeProcess) {
    let (kernel, processes) = kernel_with(1);
    (kernel, processes[0])
}

/// A kernel with processes and no hardware.
pub struct Host<const N: usize> {
    /// The kernel.
    pub kernel: &'static Kernel,
    /// Its processes, by slot.
    pub processes: [&'static FakeProcess; N],
}

impl<const N: usize> Default for Host<N> {
    fn default() -> Self {
        Self::new()
    }
}

impl<const N: usize> Host<N> {
    /// Makes a kernel with `N` active processes.
    pub fn new() -> Self {
        let (kernel, processes) = kernel_with(N);
        Host {
            kernel,
            processes: core::array::from_fn(|index| processes[index]),
        }
    }

    /// The process table.
    pub fn slots(&self) -> &'static [ProcessSlot] {
        self.kernel.process_slots()
    }

    /// Creates the grant of a driver.
    pub fn grant<T: Default, U: UpcallSize, RO: AllowRoSize, RW: AllowRwSize>(
        &self,
        driver_num: usize,
    ) -> Grant<T, U, RO, RW> {
        self.kernel.create_grant(driver_num, &TestCapability)
    }
}

impl FakeProcess {
    fn new(kernel: &'static Kernel, index: usize) -> Self {
        let process = Self {
            id: Cell::new(ProcessId::new(kernel, 0, index)),
            kernel,
            index,
            state: Cell::new(State::Yielded),
            queue: RefCell::default(),
            grants: RefCell::new((0..GRANTS).map(|_| None).collect()),
            custom_grants: RefCell::default(),
            room: Cell::new(4096),
            ram: Memory::zeroed(RAM_SIZE),
            lent: RefCell::default(),
            permissions: Cell::new(None),
            short_id: Cell::new(ShortId::LocallyUnique),
            restart_count: Cell::new(0),
        };
        process.take_identifier();
        process
    }

    fn take_identifier(&self) {
        if let Some(identifier) = self.kernel.create_process_identifier() {
            self.id.set(self.id.get().with_identifier(identifier));
        }
    }

    /// Gives the current run another identifier.
    pub fn set_id(&self, id: ProcessId) {
        self.id.set(id);
    }

    /// The identifier of the current run.
    pub fn id(&self) -> ProcessId {
        self.id.get()
    }

    /// The RAM, as the process itself sees it.
    pub fn ram(&self) -> &'static [Cell<u8>] {
        self.ram.0
    }

    /// Address of a byte of RAM, as the process would give it to the kernel.
    pub fn address(&self, offset: usize) -> *mut u8 {
        let address = self.ram.0.as_ptr().addr().wrapping_add(offset);
        ptr::with_exposed_provenance_mut(address)
    }

    /// Shares `memory` with a driver of this number for reading.
    ///
    /// # Panics
    ///
    /// When the driver takes no such buffer.
    pub fn allow_ro(&self, driver: (&dyn SyscallDriver, usize), number: usize, memory: Memory) {
        self.lent.borrow_mut().push(memory);
        let (start, len) = memory.parts();
        let shared = allow_read_only(self, driver.0, driver.1, number, start, len);
        assert_eq!(shared, Ok(()));
    }

    /// Shares `memory` with a driver of this number for reading and writing.
    ///
    /// # Panics
    ///
    /// When the driver takes no such buffer.
    pub fn allow_rw(&self, driver: (&dyn SyscallDriver, usize), number: usize, memory: Memory) {
        self.lent.borrow_mut().push(memory);
        let (start, len) = memory.parts();
        let shared = allow_read_write(self, driver.0, driver.1, number, start, len);
        assert_eq!(shared, Ok(()));
    }

    /// Takes all that is queued, and returns the upcalls among it.
    pub fn upcalls(&self) -> Vec<Upcall> {
        let upcall = |task| match task {
            Task::ReturnValue(values) => Some((
                values.upcall_id.subscribe_num,
                (values.argument0, values.argument1, values.argument2),
            )),
            // What `fill_queue` put there.
            _ => None,
        };
        self.queue.take().into_iter().filter_map(upcall).collect()
    }

    /// Leaves no room for upcalls until the next call of [`upcalls`](Self::upcalls).
    pub fn fill_queue(&self) {
        let filler = Task::IPC((self.id(), IPCUpcallType::Client));
        self.queue.borrow_mut().resize(QUEUE_LENGTH, filler);
    }

    /// Ends the process: its grants and its queue are gone.
    pub fn end(&self) {
        self.end_as(State::Terminated);
    }

    pub(super) fn end_as(&self, state: State) {
        self.state.set(state);
        self.queue.borrow_mut().clear();
        self.grants.borrow_mut().fill_with(|| None);
        self.custom_grants.borrow_mut().clear();
        self.lent.borrow_mut().clear();
    }

    /// Ends the process and runs it anew, under a new identifier.
    pub fn restart(&self) {
        self.end_as(State::Yielded);
        self.take_identifier();
        self.restart_count.set(self.restart_count.get() + 1);
    }

    pub(super) fn active(&self) -> Result<(), Error> {
        if self.state.get().is_active() {
            Ok(())
        } else {
            Err(Error::InactiveApp)
        }
    }

    /// Takes memory out of the room that is left.
    pub(super) fn allocate(&self, size: usize, align: usize) -> Result<NonNull<u8>, ()> {
        self.active().map_err(|_| ())?;
        let left = self.room.get().checked_sub(size).ok_or(())?;
        self.room.set(left);
        // Never zero, and never in line for more than was asked.
        let block = forever(
            (0..size + 2 * align)
                .map(|_| Cell::new(0xA5u8))
                .collect::<Vec<_>>(),
        );
        let padding = block.as_ptr().align_offset(align);
        // An odd multiple of the alignment shows who relies on more than was asked for.
        let odd = usize::from((block.as_ptr().addr() + padding).is_multiple_of(2 * align)) * align;
        let start = block[padding + odd..].as_ptr().cast_mut();
        NonNull::new(start.cast()).ok_or(())
    }

    /// Tells whether these bytes are RAM or memory that was shared.
    pub(super) fn contains(&self, start: *const u8, size: usize) -> bool {
        let lent = self.lent.borrow();
        let mut all = core::iter::once(&self.ram).chain(lent.iter());
        size == 0 || all.any(|memory| memory.contains(start, size))
    }

    /// The bytes of a buffer that the process shares, if it has them.
    pub(super) fn shared(&self, start: *const u8, size: usize) -> Result<*mut u8, ErrorCode> {
        self.active()?;
        if self.contains(start, size) {
            Ok(ptr::with_exposed_provenance_mut(start.addr()))
        } else {
            Err(ErrorCode::INVAL)
        }
    }
}
