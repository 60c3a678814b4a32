// SPDX-License-Identifier: Apache-2.0 OR MIT

//! The Ethernet tap system call driver: raw frames between processes and one adapter.
//!
//! Every received frame goes to every process that shares a slice for it. Processes send one
//! frame at a time each, in turn, through one kernel buffer.
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

mod app;
mod frame_chunk;

pub use app::App;

use app::{Outgoing, Transmission};
use capsules_core::turns;
use frame_chunk::FrameChunk;
use kernel::ErrorCode;
use kernel::ProcessId;
use kernel::errorcode::into_statuscode;
use kernel::grant::{AllowRoCount, AllowRwCount, Grant, GrantKernelData, UpcallCount};
use kernel::hil::ethernet::{EthernetAdapterDatapath, EthernetAdapterDatapathClient};
use kernel::process;
use kernel::processbuffer::{ReadableProcessBuffer, WriteableProcessBuffer};
use kernel::syscall::{CommandReturn, SyscallDriver};
use kernel::utilities::cells::{OptionalCell, TakeCell};

/// The driver's number.
pub const DRIVER_NUM: usize = capsules_core::driver::NUM::EthernetTap as usize;

/// The longest frame: header, VLAN tag and 1500 bytes of payload, without frame check sequence.
pub const MAX_MTU: usize = 1518;

/// The shortest frame: two addresses and a type.
const MIN_FRAME: u16 = 14;

mod upcall {
    pub const RECEIVED: usize = 0;
    pub const SENT: usize = 1;
    pub const COUNT: u8 = 2;
}

mod ro_allow {
    pub const FRAME: usize = 0;
    pub const COUNT: u8 = 1;
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

/// Raw Ethernet frames for processes (driver 0x30007).
pub struct EthernetTapDriver<'a, E: EthernetAdapterDatapath<'a>> {
    adapter: &'a E,
    apps: EthernetTapGrant,
    /// Absent while the adapter sends it.
    tx_buffer: TakeCell<'static, [u8]>,
    tx_capacity: usize,
    /// Whose frame the adapter has, or had last.
    last_sender: OptionalCell<ProcessId>,
}

impl<'a, E: EthernetAdapterDatapath<'a>> EthernetTapDriver<'a, E> {
    /// Creates the driver, which must be the client of `adapter`.
    ///
    /// `tx_buffer` holds one frame on its way out; [`MAX_MTU`] bytes serve every frame.
    pub fn new(adapter: &'a E, grant: EthernetTapGrant, tx_buffer: &'static mut [u8]) -> Self {
        EthernetTapDriver {
            adapter,
            apps: grant,
            tx_capacity: tx_buffer.len().min(MAX_MTU),
            tx_buffer: TakeCell::new(tx_buffer),
            last_sender: OptionalCell::empty(),
        }
    }

    /// Starts reception. Call it once the adapter knows its client.
    pub fn initialize(&self) {
        self.adapter.enable_receive();
    }

    /// Accepts a process's frame: sends it if the adapter is free, else notes it.
    fn transmit(&self, process_id: ProcessId, length: usize, id: usize) -> Result<(), ErrorCode> {
        let frame = Outgoing {
            length: u16::try_from(length)
                .ok()
                .filter(|_| length <= self.tx_capacity)
                .filter(|length| *length >= MIN_FRAME)
                .ok_or(ErrorCode::SIZE)?,
            id,
        };
        let buffer = self.tx_buffer.take();
        let idle = buffer.is_some();
        let accepted = self.apps.enter(process_id, |app, kernel_data| {
            app.catch_up(kernel_data);
            if app.transmission != Transmission::None {
                return Err(ErrorCode::BUSY);
            }
            if let Some(buffer) = buffer.as_deref() {
                // Checked here, copied by `send`, so that both ways to send share one copy.
                if readable_len(kernel_data) < length || buffer.len() < length {
                    return Err(ErrorCode::SIZE);
                }
            }
            app.transmission = Transmission::Queued(frame);
            Ok(())
        });
        self.tx_buffer.put(buffer);
        accepted??;
        if idle {
            return self.send(process_id).inspect_err(|_| {
                self.set_transmission(process_id, Transmission::None);
            });
        }
        Ok(())
    }

    /// Copies a queued frame out of the process and gives it to the adapter.
    ///
    /// After an error the frame is still queued.
    fn send(&self, process_id: ProcessId) -> Result<(), ErrorCode> {
        let buffer = self.tx_buffer.take().ok_or(ErrorCode::BUSY)?;
        let copied = self
            .apps
            .enter(process_id, |app, kernel_data| {
                let Transmission::Queued(frame) = app.transmission else {
                    return Err(ErrorCode::FAIL);
                };
                copy_frame(kernel_data, buffer, usize::from(frame.length))?;
                app.transmission = Transmission::InFlight(frame);
                Ok(frame)
            })
            .unwrap_or_else(|error| Err(error.into()));
        let frame = match copied {
            Ok(frame) => frame,
            Err(code) => {
                self.tx_buffer.replace(buffer);
                return Err(code);
            }
        };
        self.last_sender.set(process_id);
        self.adapter
            .transmit_frame(buffer, frame.length, frame.id)
            .map_err(|(code, buffer)| {
                self.tx_buffer.replace(buffer);
                self.set_transmission(process_id, Transmission::Queued(frame));
                code
            })
    }

    /// Gives the free adapter the next frame, in turn.
    fn send_next(&self) {
        while self.tx_buffer.is_some() {
            let queued = turns::after(&self.apps, self.last_sender.get()).find_map(|app| {
                let process_id = app.processid();
                app.try_enter(|app, _| matches!(app.transmission, Transmission::Queued(_)))
                    .filter(|queued| *queued)
                    .map(|_| process_id)
            });
            let Some(process_id) = queued else { return };
            if let Err(code) = self.send(process_id) {
                // Takes the frame out of the queue, so the loop ends.
                self.report(process_id, Err(code), None);
            }
        }
    }

    fn set_transmission(&self, process_id: ProcessId, transmission: Transmission) {
        // The state of a process that is gone went with it.
        let _ = self
            .apps
            .enter(process_id, |app, _| app.transmission = transmission);
    }

    /// Tells a process what became of its frame.
    fn report(
        &self,
        process_id: ProcessId,
        outcome: Result<(), ErrorCode>,
        timestamp: Option<u64>,
    ) {
        // A process that is gone needs no answer.
        let _ = self.apps.enter(process_id, |app, kernel_data| {
            let (Transmission::InFlight(frame) | Transmission::Queued(frame)) = app.transmission
            else {
                return;
            };
            if outcome.is_ok() {
                app.sent.count(usize::from(frame.length));
            }
            write_info(kernel_data, timestamp);
            let flags = usize::from(timestamp.is_some());
            app.transmission = Transmission::Ended((
                into_statuscode(outcome),
                flags << 16 | usize::from(frame.length),
                frame.id,
            ));
            app.catch_up(kernel_data);
        });
    }
}

fn readable_len(kernel_data: &GrantKernelData) -> usize {
    kernel_data
        .get_readonly_processbuffer(ro_allow::FRAME)
        .map_or(0, |frame| frame.len())
}

/// Copies the first `length` bytes of the shared frame to the start of `buffer`.
fn copy_frame(
    kernel_data: &GrantKernelData,
    buffer: &mut [u8],
    length: usize,
) -> Result<(), ErrorCode> {
    let to = buffer.get_mut(..length).ok_or(ErrorCode::SIZE)?;
    kernel_data
        .get_readonly_processbuffer(ro_allow::FRAME)
        .and_then(|shared| {
            shared.enter(|shared| {
                let from = shared.get(..length).ok_or(ErrorCode::SIZE)?;
                from.copy_to_slice_or_err(to)
            })
        })
        // Without a shared frame there is no length that fits.
        .unwrap_or(Err(ErrorCode::SIZE))
}

/// Leaves the time of transmission with a process that shares room for it.
fn write_info(kernel_data: &GrantKernelData, timestamp: Option<u64>) {
    let bytes = timestamp.unwrap_or(0).to_be_bytes();
    // Sharing the buffer is optional, and one that is too short is like none.
    let _ = kernel_data
        .get_readwrite_processbuffer(rw_allow::SENT_INFO)
        .and_then(|info| {
            info.mut_enter(|info| {
                info.get(..bytes.len())
                    .map(|place| place.copy_from_slice_or_err(&bytes))
            })
        });
}

impl<'a, E: EthernetAdapterDatapath<'a>> EthernetAdapterDatapathClient
    for EthernetTapDriver<'a, E>
{
    fn transmit_frame_done(
        &self,
        err: Result<(), ErrorCode>,
        frame_buffer: &'static mut [u8],
        _len: u16,
        _transmission_identifier: usize,
        timestamp: Option<u64>,
    ) {
        self.tx_buffer.replace(frame_buffer);
        if let Some(process_id) = self.last_sender.get() {
            self.report(process_id, err, timestamp);
        }
        self.send_next();
    }

    fn received_frame(&self, frame: &[u8], timestamp: Option<u64>) {
        let Some(chunk) = FrameChunk::new(frame, timestamp) else {
            return;
        };
        for app in self.apps.iter() {
            app.try_enter(|app, kernel_data| {
                let stored = kernel_data
                    .get_readwrite_processbuffer(rw_allow::RECEIVED)
                    .ok()
                    .filter(|slice| slice.len() > 0)
                    .and_then(|slice| slice.mut_enter(|slice| chunk.append_to(slice)).ok());
                // A process that shares no slice does not take part, so it drops nothing.
                if let Some(outcome) = stored {
                    app.count_received(outcome, frame.len());
                }
                app.catch_up(kernel_data);
            });
        }
    }
}

impl<'a, E: EthernetAdapterDatapath<'a>> SyscallDriver for EthernetTapDriver<'a, E> {
    /// Commands, as `doc/syscalls/30007_ethernet_tap.md` describes them.
    fn command(
        &self,
        command_num: usize,
        r2: usize,
        r3: usize,
        process_id: ProcessId,
    ) -> CommandReturn {
        let counters = |read: fn(&App) -> CommandReturn| {
            self.apps
                .enter(process_id, |app, kernel_data| {
                    app.catch_up(kernel_data);
                    read(app)
                })
                .unwrap_or_else(|error| CommandReturn::failure(error.into()))
        };
        match command_num {
            0 => CommandReturn::success(),
            1 => counters(|app| {
                let received = &app.received;
                CommandReturn::success_u32_u32_u32(received.frames, received.bytes, app.dropped)
            }),
            2 => counters(|app| CommandReturn::success_u32_u32(app.sent.frames, app.sent.bytes)),
            3 => self.transmit(process_id, r2, r3).into(),
            _ => CommandReturn::failure(ErrorCode::NOSUPPORT),
        }
    }

    fn allocate_grant(&self, process_id: ProcessId) -> Result<(), process::Error> {
        self.apps.enter(process_id, |_, _| {})
    }
}
