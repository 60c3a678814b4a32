// SPDX-License-Identifier: Apache-2.0 OR MIT

//! What a driver needs besides its device: memory that both see, deferred calls, a transport.

use std::cell::Cell;
use std::sync::atomic::{AtomicUsize, Ordering};

use kernel::deferred_call::{DeferredCall, initialize_deferred_call_state};
use kernel::platform::chip::ThreadIdProvider;
use queue_model::{Coherent, SharedMemory};
use virtio::devices::VirtIODeviceDriver;
use virtio::queues::negotiated_queue::NegotiatedVirtqueue;
use virtio::queues::{IndirectMemory, QueueMemory, Virtqueue};
use virtio::transports::mmio::VirtIOMMIODevice;
use virtio::transports::{Polled, VirtIOInitializationError, VirtIOTransport};

use crate::registers::{Identity, Registers, USED};

/// The transport.
pub type Transport = VirtIOMMIODevice<&'static Registers>;

/// A queue in whichever layout is agreed on.
pub type Queue<const SIZE: usize> = NegotiatedVirtqueue<'static, 'static, SIZE, Coherent>;

/// The kernel of one thread.
struct Kernel;

std::thread_local! {
    static KERNEL: Cell<usize> = const { Cell::new(0) };
}

// SAFETY: each thread draws a number of its own, once.
unsafe impl ThreadIdProvider for Kernel {
    fn running_thread_id() -> usize {
        static THREADS: AtomicUsize = AtomicUsize::new(1);
        if KERNEL.get() == 0 {
            KERNEL.set(THREADS.fetch_add(1, Ordering::Relaxed));
        }
        KERNEL.get()
    }
}

/// Moves a value to where it stays, as static memory on a board does.
pub fn keep<T>(value: T) -> &'static mut T {
    Box::leak(Box::new(value))
}

/// A device with its transport, and the memory for a driver.
pub struct Machine {
    /// The device's registers.
    pub registers: &'static Registers,
    /// The transport.
    pub transport: &'static Transport,
    memory: SharedMemory,
    driver: Option<&'static dyn VirtIODeviceDriver>,
    queues: &'static [&'static dyn Virtqueue],
}

impl Machine {
    /// Plugs in a device.
    #[must_use]
    pub fn new(identity: Identity) -> Machine {
        initialize_deferred_call_state::<Kernel>();
        let memory = SharedMemory::map(1 << 18);
        let registers: &'static Registers = keep(Registers::new(memory.guest(), identity));
        let transport: &'static Transport = keep(VirtIOMMIODevice::with_registers(registers));
        Machine {
            registers,
            transport,
            memory,
            driver: None,
            queues: &[],
        }
    }

    /// Makes a queue.
    pub fn queue<const SIZE: usize>(&mut self) -> &'static Queue<SIZE> {
        let rings = self.memory.take::<QueueMemory<'static, SIZE>>();
        let queue = keep(NegotiatedVirtqueue::new(rings, Coherent));
        queue.set_indirect_tables(self.memory.take::<IndirectMemory<'static, SIZE>>());
        queue.set_transport(self.transport);
        queue
    }

    /// Makes a buffer.
    pub fn buffer<const LEN: usize>(&mut self) -> &'static mut [u8; LEN] {
        self.memory.take::<[u8; LEN]>().write([0; LEN])
    }

    /// Names the driver and its queues.
    pub fn drive(
        &mut self,
        driver: &'static dyn VirtIODeviceDriver,
        queues: impl IntoIterator<Item = &'static dyn Virtqueue>,
    ) {
        self.driver = Some(driver);
        self.queues = keep(queues.into_iter().collect::<Vec<_>>());
    }

    /// Initializes the device, as a board does.
    ///
    /// # Errors
    ///
    /// What the transport says.
    ///
    /// # Panics
    ///
    /// No driver was named.
    pub fn initialize(&self) -> Result<(), VirtIOInitializationError> {
        let driver = self.driver.expect("a driver");
        self.transport.initialize(driver, self.queues).map(|_| ())
    }

    /// Lets the kernel run until it has nothing to do.
    pub fn run(&self) {
        for _ in 0..1_000 {
            if self.registers.has_causes() {
                self.transport.handle_interrupt();
            } else if DeferredCall::service_next_pending().is_none() {
                return;
            }
        }
    }

    /// Interrupts for one queue's used buffers, if the driver wants that, and lets the kernel run.
    pub fn announce(&self, queue: usize) {
        if self.registers.with_half(queue, |half| half.interrupts()) == Some(true) {
            self.registers.raise(USED);
        }
        self.run();
    }

    /// Lets half a second pass.
    pub fn pass_time(&self) {
        self.transport.poll();
        self.run();
    }
}
