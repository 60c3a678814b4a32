// SPDX-License-Identifier: Apache-2.0 OR MIT

//! The Ethernet tap system call driver: raw frames between processes and one adapter.
//!
//! A received frame goes to the processes that want it, which are all that share a slice for it
//! unless they say otherwise. Frames between processes of the board are switched here. Over an
//! adapter with the interface of `kernel::hil::ethernet` there is one transmit buffer:
//!
//! ```text
//! let grant = kernel.create_grant(ethernet_tap::DRIVER_NUM, &memory_cap);
//! let buffer = static_init!([u8; ethernet_tap::MAX_MTU], [0; ethernet_tap::MAX_MTU]);
//! let tap = static_init!(
//!     EthernetTapDriver<'static, Adapter>,
//!     EthernetTapDriver::new(adapter, grant, buffer)
//! );
//! adapter.set_client(tap);
//! tap.initialize();
//! ```
//!
//! Over one with that of `ethernet_adapter` (feature `ethernet-adapter`) there are several, a full
//! slice holds frames back, and processes see the link: `EthernetTapDriver::with_pool`.
//!
//! `switching` decides where a frame goes, `receive` and `transmit` are the two ways, `turns` serves
//! those who wait to send, `app` is what is kept for a process, and `path` is what differs between
//! adapters.

mod app;
mod batch;
mod commands;
#[cfg(feature = "ethernet-adapter")]
mod extended;
mod frame_chunk;
mod hold_time;
mod members;
mod path;
mod plain;
mod pool;
mod receive;
mod retry;
mod switching;
mod transmit;
mod turns;

pub use app::App;
#[cfg(feature = "ethernet-adapter")]
pub use extended::Extended;
pub use path::Datapath;
pub use pool::MAX_TRANSMIT_BUFFERS;
pub use retry::{LookAgain, Retry, RetryAlarm};

use core::cell::Cell;
use core::marker::PhantomData;
use hold_time::HoldTime;
use kernel::ErrorCode;
use kernel::ProcessId;
use kernel::grant::{AllowRoCount, AllowRwCount, Grant, GrantKernelData, UpcallCount};
use kernel::process;
use kernel::syscall::{CommandReturn, SyscallDriver};
use members::Members;
use path::{LinkState, Path};
use pool::BufferPool;
use receive::Hold;
use switching::Address;
use transmit::Request;

/// The driver's number.
pub const DRIVER_NUM: usize = capsules_core::driver::NUM::EthernetTap as usize;

/// The longest frame: header, VLAN tag and 1500 bytes of payload, without frame check sequence.
pub const MAX_MTU: usize = 1518;

/// How many processes can use a tap, unless the board says otherwise.
pub const DEFAULT_PROCESSES: usize = 8;

/// The shortest frame: two addresses and a type.
const MIN_FRAME: u16 = 14;

mod upcall {
    pub const RECEIVED: usize = 0;
    pub const SENT: usize = 1;
    pub const LINK_CHANGED: usize = 2;
    pub const BATCH_DONE: usize = 3;
    pub const COUNT: u8 = 4;
}

mod ro_allow {
    pub const FRAME: usize = 0;
    pub const BATCH: usize = 1;
    pub const COUNT: u8 = 2;
}

mod rw_allow {
    pub const RECEIVED: usize = 0;
    pub const SENT_INFO: usize = 1;
    pub const COUNT: u8 = 2;
}

/// The grant of an [`EthernetTapDriver`].
pub type EthernetTapGrant = Grant<
    App,
    UpcallCount<{ upcall::COUNT }>,
    AllowRoCount<{ ro_allow::COUNT }>,
    AllowRwCount<{ rw_allow::COUNT }>,
>;

/// Raw Ethernet frames for up to `PROCESSES` processes (driver 0x30007), over an adapter of type `E`
/// that is used in the way `P`.
pub struct EthernetTapDriver<'a, E, P = Datapath, const PROCESSES: usize = DEFAULT_PROCESSES> {
    adapter: &'a E,
    apps: EthernetTapGrant,
    members: Members<PROCESSES>,
    pool: BufferPool,
    hold: Hold<'a>,
    hold_time: HoldTime<PROCESSES>,
    /// Whether a process may wait to send.
    waiting: Cell<bool>,
    /// Whether a process may have an upcall due.
    behind: Cell<bool>,
    /// Who sent last of those that had to wait.
    last_served: Cell<usize>,
    /// Received frames that are too short or too long for a process.
    malformed: Cell<u32>,
    /// The link as it was when the adapter last spoke of it.
    link: Cell<Option<LinkState>>,
    /// Whether the adapter is still to be told which frames are wanted.
    demand_untold: Cell<bool>,
    path: PhantomData<P>,
}

impl<'a, E, P: Path<'a, E>, const N: usize> EthernetTapDriver<'a, E, P, N> {
    fn with_path(adapter: &'a E, grant: EthernetTapGrant, pool: BufferPool) -> Self {
        EthernetTapDriver {
            adapter,
            apps: grant,
            members: Members::new(),
            pool,
            hold: Hold::new(),
            hold_time: HoldTime::new(),
            waiting: Cell::new(false),
            behind: Cell::new(false),
            last_served: Cell::new(0),
            malformed: Cell::new(0),
            link: Cell::new(None),
            demand_untold: Cell::new(false),
            path: PhantomData,
        }
    }

    /// Starts reception. Call it once the adapter knows its client.
    pub fn initialize(&self) {
        self.link.set(P::link(self.adapter));
        P::start(self.adapter);
    }

    /// The address of the card, if it tells.
    fn address(&self) -> Option<Address> {
        self.link.get().map(|link| link.address)
    }

    /// Enters the grant of a process, and gives it a number if it has none.
    ///
    /// # Errors
    ///
    /// Those of the grant, and `NOMEM` when too many processes use the tap.
    #[inline(always)]
    fn enter<R>(
        &self,
        process_id: ProcessId,
        visit: impl FnOnce(usize, &mut App, &GrantKernelData) -> Result<R, ErrorCode>,
    ) -> Result<R, ErrorCode> {
        self.apps.enter(process_id, |app, kernel_data| {
            let number = match app.number {
                Some(number) => number.into(),
                None => self.admit(process_id, app)?,
            };
            visit(number, app, kernel_data)
        })?
    }

    /// Enters the grant of a process, through one copy of the code for all that need not be quick.
    ///
    /// # Errors
    ///
    /// Those of the grant.
    fn visit<R>(
        &self,
        process_id: ProcessId,
        visit: impl FnOnce(&mut App, &GrantKernelData) -> R,
    ) -> Result<R, process::Error> {
        let mut visit = Some(visit);
        let mut result = None;
        self.visit_dyn(process_id, &mut |app, kernel_data| {
            result = visit.take().map(|visit| visit(app, kernel_data));
        })?;
        // `Grant::enter` has called the function unless it failed.
        result.ok_or(process::Error::KernelError)
    }

    #[inline(never)]
    fn visit_dyn(
        &self,
        process_id: ProcessId,
        visit: &mut dyn FnMut(&mut App, &GrantKernelData),
    ) -> Result<(), process::Error> {
        self.apps
            .enter(process_id, |app, kernel_data| visit(app, kernel_data))
    }

    /// Visits a process by its number, if it still runs.
    fn visit_member<R>(
        &self,
        number: usize,
        visit: impl FnOnce(&mut App, &GrantKernelData) -> R,
    ) -> Result<R, process::Error> {
        let process_id = self.members.process(number);
        let process_id = process_id.ok_or(process::Error::NoSuchApp)?;
        self.visit(process_id, visit)
            .inspect_err(|error| self.forget_if_gone(number, *error))
    }

    #[cold]
    #[inline(never)]
    fn admit(&self, process_id: ProcessId, app: &mut App) -> Result<usize, ErrorCode> {
        for number in self.members.present() {
            // For what it does if the process is gone.
            let _ = self.visit_member(number, |_, _| ());
        }
        let number = self.members.add(process_id).ok_or(ErrorCode::NOMEM)?;
        app.number = Some(number as u8);
        self.tell_demand();
        Ok(number)
    }

    /// Tells the adapter which frames are wanted, now or when it can listen.
    fn tell_demand(&self) {
        #[cfg(feature = "ethernet-adapter")]
        {
            let told = P::want(self.adapter, &self.members);
            self.demand_untold.set(!told);
            if !told {
                self.hold.arm();
            }
        }
    }

    /// Has the timer try again if an upcall is due to a process. It may wait for just that one, with
    /// no frame to come and no reason to give a command.
    #[inline(always)]
    fn note_if_behind(&self, app: &App) {
        if app.is_behind() {
            self.note_behind();
        }
    }

    #[cold]
    #[inline(never)]
    fn note_behind(&self) {
        self.behind.set(true);
        self.hold.arm();
    }

    /// Tries all upcalls that are due.
    #[cold]
    fn catch_up_all(&self) {
        for number in self.members.present() {
            // One that is gone is told nothing.
            let _ = self.visit_member(number, |app, kernel_data| {
                app.catch_up(kernel_data);
                self.note_if_behind(app);
            });
        }
    }

    /// Tells all processes of the link.
    #[cfg(feature = "ethernet-adapter")]
    fn link_is_now(&self, link: LinkState) {
        self.link.set(Some(link));
        for number in self.members.present() {
            // One that is gone is not told.
            let _ = self.visit_member(number, |app, kernel_data| {
                app.note_link(link.word());
                app.catch_up(kernel_data);
                self.note_if_behind(app);
            });
        }
        if self.waiting.get() {
            self.serve_waiting();
        }
    }
}

impl<'a, E, P: Path<'a, E>, const N: usize> SyscallDriver for EthernetTapDriver<'a, E, P, N> {
    /// Commands, as `doc/syscalls/30007_ethernet_tap.md` describes them.
    fn command(
        &self,
        command_num: usize,
        r2: usize,
        r3: usize,
        process_id: ProcessId,
    ) -> CommandReturn {
        self.settle();
        let request = match command_num {
            commands::TRANSMIT => Request::Report { id: r3 },
            commands::TRANSMIT_AT_ONCE => Request::AtOnce { offset: r3 },
            _ => return self.other_command(command_num, r2, r3, process_id),
        };
        self.transmit(process_id, r2, request).into()
    }

    fn allocate_grant(&self, process_id: ProcessId) -> Result<(), process::Error> {
        self.visit(process_id, |app, _| match app.number {
            Some(_) => Ok(()),
            None => self
                .admit(process_id, app)
                .map(|_| ())
                .map_err(|_| process::Error::OutOfMemory),
        })?
    }
}
