// SPDX-License-Identifier: Apache-2.0 OR MIT

//! The way of frames out of processes.
//!
//! A frame is copied to a buffer and handed to the adapter within the command, and reported at
//! once. If there is no buffer for it, it stays with the process until there is one (`turns`). An
//! adapter that takes one frame at a time reports later.
//!
//! A frame that stays on the board goes from the memory of one process to that of another. It needs
//! neither buffer nor adapter, so it never waits for those that do.

use super::app::{App, Outgoing, Transmission};
use super::batch::{Batch, Refusal};
use super::path::Path;
use super::switching::Origin;
use super::{EthernetTapDriver, MIN_FRAME, ro_allow, rw_allow, upcall};
use kernel::ErrorCode;
use kernel::ProcessId;
use kernel::errorcode::into_statuscode;
use kernel::grant::GrantKernelData;
use kernel::processbuffer::{ReadableProcessBuffer, ReadableProcessSlice, WriteableProcessBuffer};

/// Frames that leave before anybody else gets a chance, more than an adapter takes at once. Only those
/// that stay on the board could be more, and a process would keep the kernel busy with them.
const AT_ONCE: usize = 64;

/// What a frame is longer than its payload: header and VLAN tag.
const OVERHEAD: usize = 18;

/// Who sends.
#[derive(Clone, Copy)]
pub(super) struct Sender {
    pub(super) number: usize,
    pub(super) process_id: ProcessId,
}

/// What a process asks for.
#[derive(Clone, Copy)]
pub(super) enum Request {
    /// To send the start of the buffer for single frames as soon as that is possible, and to tell.
    Report {
        /// The process's own number for the frame.
        id: usize,
    },
    /// To send a part of the buffer for batches now, or to refuse it.
    AtOnce {
        /// Where the frame begins.
        offset: usize,
    },
}

/// How far a frame has got. As wide as an error, so that either is passed in registers.
#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(usize)]
pub(super) enum Reached {
    Adapter,
    /// It stays on the board.
    Processes,
}

impl<'a, E, P: Path<'a, E>, const N: usize> EthernetTapDriver<'a, E, P, N> {
    fn lengths(&self) -> core::ops::RangeInclusive<usize> {
        usize::from(MIN_FRAME)..=self.pool.capacity()
    }

    /// Accepts a process's frame: hands it to the adapter, or notes it.
    #[inline(always)]
    pub(super) fn transmit(
        &self,
        process_id: ProcessId,
        length: usize,
        request: Request,
    ) -> Result<(), ErrorCode> {
        self.make_room(false);
        let accepted = self.enter(process_id, |number, app, kernel_data| {
            app.catch_up(kernel_data);
            let sender = Sender { number, process_id };
            let accepted = self
                .transmit_one(sender, app, kernel_data, length, request)
                .inspect_err(|code| {
                    // A frame that cannot go at once comes again in another way.
                    if !matches!((request, *code), (Request::AtOnce { .. }, ErrorCode::BUSY)) {
                        self.count_refusal(app, *code, length);
                    }
                });
            self.note_if_behind(app);
            accepted
        });
        self.ask_for_buffers();
        accepted
    }

    #[inline(always)]
    fn transmit_one(
        &self,
        sender: Sender,
        app: &mut App,
        kernel_data: &GrantKernelData,
        length: usize,
        request: Request,
    ) -> Result<(), ErrorCode> {
        if !matches!(app.transmission, Transmission::None) {
            return Err(ErrorCode::BUSY);
        }
        if !self.lengths().contains(&length) {
            return Err(ErrorCode::SIZE);
        }
        let (buffer, start) = match request {
            Request::Report { .. } => (ro_allow::FRAME, 0),
            Request::AtOnce { offset } => (ro_allow::BATCH, offset),
        };
        // Those who wait for the adapter already come first.
        let send = |frame: &_| self.pass_on(sender, frame, !self.waiting.get());
        match self.with_shared(kernel_data, (buffer, start, length), send) {
            Ok(reached) => {
                P::flush(self.adapter);
                match request {
                    Request::Report { id } => {
                        let length = length as u16;
                        let frame = Outgoing { length, id };
                        handed_over::<E, P>(app, kernel_data, frame, reached);
                    }
                    Request::AtOnce { .. } => app.sent.count(length),
                }
                Ok(())
            }
            Err(ErrorCode::BUSY) => self.put_off(app, length, request),
            Err(code) => Err(code),
        }
    }

    /// Notes a frame for which there is no room now.
    ///
    /// # Errors
    ///
    /// - `BUSY`: the process does not want it to wait.
    #[cold]
    #[inline(never)]
    fn put_off(&self, app: &mut App, length: usize, request: Request) -> Result<(), ErrorCode> {
        let Request::Report { id } = request else {
            return Err(ErrorCode::BUSY);
        };
        let length = length as u16;
        app.transmission = Transmission::Queued(Outgoing { length, id });
        self.note_waiting();
        Ok(())
    }

    /// Accepts the frames in the first `bytes` bytes of a process's batch buffer.
    pub(super) fn transmit_batch(
        &self,
        sender: Sender,
        app: &mut App,
        kernel_data: &GrantKernelData,
        bytes: usize,
    ) -> Result<(), ErrorCode> {
        self.begin_batch(sender, app, kernel_data, bytes)
            .map_err(|(code, length)| {
                self.count_refusal(app, code, length);
                code
            })
    }

    fn begin_batch(
        &self,
        sender: Sender,
        app: &mut App,
        kernel_data: &GrantKernelData,
        bytes: usize,
    ) -> Result<(), Refusal> {
        if !matches!(app.transmission, Transmission::None) {
            return Err((ErrorCode::BUSY, 0));
        }
        let mut batch = kernel_data
            .get_readonly_processbuffer(ro_allow::BATCH)
            .and_then(|shared| shared.enter(|shared| Batch::check(shared, bytes, &self.lengths())))
            .unwrap_or(Err((ErrorCode::SIZE, 0)))?;
        let may_leave = !self.waiting.get();
        let limit = self.at_once();
        let outcome = self.send_batch(sender, app, kernel_data, &mut batch, limit, may_leave);
        P::flush(self.adapter);
        match outcome {
            Err((ErrorCode::BUSY, _)) => {
                app.transmission = Transmission::Batch(batch);
                self.note_waiting();
                Ok(())
            }
            Err(refusal) if batch.progress().0 == 0 => Err(refusal),
            outcome => {
                self.end_batch(app, kernel_data, &batch, outcome);
                Ok(())
            }
        }
    }

    /// How many frames leave before anybody else gets a chance.
    pub(super) fn at_once(&self) -> usize {
        // Without a timer nobody would go on with the rest. There is an end to it all the same: the
        // memory of those who wait, who can add nothing meanwhile.
        if self.hold.has_timer() {
            AT_ONCE
        } else {
            usize::MAX
        }
    }

    /// Passes up to `limit` frames of a batch on.
    ///
    /// # Errors
    ///
    /// - `BUSY`: frames are left for which there is no room now, or which may not leave the board.
    /// - Others: the next frame is not sent, nor those behind it.
    pub(super) fn send_batch(
        &self,
        sender: Sender,
        app: &mut App,
        kernel_data: &GrantKernelData,
        batch: &mut Batch,
        limit: usize,
        may_leave: bool,
    ) -> Result<(), Refusal> {
        let lengths = self.lengths();
        kernel_data
            .get_readonly_processbuffer(ro_allow::BATCH)
            .and_then(|shared| {
                shared.enter(|shared| {
                    let mut left = limit;
                    while !batch.is_over() {
                        left = left.checked_sub(1).ok_or((ErrorCode::BUSY, 0))?;
                        let entry = batch.next(shared, &lengths)?;
                        let length = entry.frame.len();
                        self.pass_on(sender, entry.frame, may_leave)
                            .map_err(|code| (code, length))?;
                        app.sent.count(length);
                        batch.pass(entry);
                    }
                    Ok(())
                })
            })
            .unwrap_or(Err((ErrorCode::SIZE, 0)))
    }

    /// Copies a frame to a buffer.
    ///
    /// # Errors
    ///
    /// - `BUSY`: there is no buffer.
    #[inline(always)]
    fn copy_in(&self, frame: &ReadableProcessSlice) -> Result<&'static mut [u8], ErrorCode> {
        let buffer = self.pool.take().ok_or(ErrorCode::BUSY)?;
        let copied = match buffer.get_mut(..frame.len()) {
            Some(place) => frame.copy_to_slice_or_err(place),
            None => Err(ErrorCode::SIZE),
        };
        match copied {
            Ok(()) => Ok(buffer),
            Err(code) => {
                self.pool.put(buffer);
                Err(code)
            }
        }
    }

    /// Calls `send` with `length` bytes of a buffer that the process shares, from `start` on.
    ///
    /// # Errors
    ///
    /// - `SIZE`: they are not all there.
    #[inline(always)]
    pub(super) fn with_shared(
        &self,
        kernel_data: &GrantKernelData,
        (shared, start, length): (usize, usize, usize),
        send: impl FnOnce(&ReadableProcessSlice) -> Result<Reached, ErrorCode>,
    ) -> Result<Reached, ErrorCode> {
        kernel_data
            .get_readonly_processbuffer(shared)
            .and_then(|shared| {
                shared.enter(|shared| {
                    // An end that has wrapped lies before the start, which is no range either.
                    match shared.get(start..start.wrapping_add(length)) {
                        Some(frame) => send(frame),
                        None => Err(ErrorCode::SIZE),
                    }
                })
            })
            // Without a shared frame there is no length that fits.
            .unwrap_or(Err(ErrorCode::SIZE))
    }

    /// Passes a frame on to other processes, and to the wire if it is for somebody there.
    ///
    /// # Errors
    ///
    /// - `BUSY`: it is, and may not leave the board now, or there is no room for it. Nobody got it.
    /// - Others: the adapter refused it. Processes got it all the same.
    #[inline(always)]
    fn pass_on(
        &self,
        sender: Sender,
        frame: &ReadableProcessSlice,
        may_leave: bool,
    ) -> Result<Reached, ErrorCode> {
        if !may_leave {
            self.switch(sender, frame, false)
        } else if self.members.surely_goes_out(sender.number, frame) {
            self.pass_out(sender, frame)
        } else {
            self.switch(sender, frame, true)
        }
    }

    /// Copies a frame and hands it to the adapter.
    ///
    /// # Errors
    ///
    /// - `BUSY`: there is no room for it.
    /// - Others: the adapter refused it.
    #[inline(always)]
    fn pass_out(&self, sender: Sender, frame: &ReadableProcessSlice) -> Result<Reached, ErrorCode> {
        let buffer = self.copy_in(frame)?;
        let identifier = sender.process_id.id();
        match P::submit(self.adapter, buffer, frame.len() as u16, identifier) {
            Ok(()) => Ok(Reached::Adapter),
            Err((code, buffer)) => {
                self.pool.put(buffer);
                Err(code)
            }
        }
    }

    /// As [`pass_on`](Self::pass_on), for any frame.
    #[inline(never)]
    pub(super) fn switch(
        &self,
        sender: Sender,
        frame: &ReadableProcessSlice,
        may_leave: bool,
    ) -> Result<Reached, ErrorCode> {
        let mut heading = [0; MIN_FRAME as usize];
        let start = frame.get(..heading.len()).ok_or(ErrorCode::SIZE)?;
        start.copy_to_slice_or_err(&mut heading)?;
        let route = self.route(Origin::Port(sender.number), &heading);
        let has_room = || !self.pool.is_empty() && P::has_room(self.adapter);
        if route.wire && !(may_leave && has_room()) {
            return Err(ErrorCode::BUSY);
        }
        self.members.count_filtered(route.filtered);
        self.frame_to_processes(frame, route.to);
        if route.wire {
            self.pass_out(sender, frame)
        } else {
            Ok(Reached::Processes)
        }
    }

    /// Tells a process what became of its batch.
    pub(super) fn end_batch(
        &self,
        app: &mut App,
        kernel_data: &GrantKernelData,
        batch: &Batch,
        outcome: Result<(), Refusal>,
    ) {
        let outcome = outcome.map_err(|(code, length)| {
            self.count_refusal(app, code, length);
            code
        });
        let (frames, bytes) = batch.progress();
        let arguments = (into_statuscode(outcome), frames, bytes);
        tell(app, kernel_data, upcall::BATCH_DONE, arguments);
    }

    /// Counts a frame that was not accepted, by cause.
    #[cold]
    #[inline(never)]
    pub(super) fn count_refusal(&self, app: &mut App, code: ErrorCode, length: usize) {
        let link = P::link(self.adapter);
        let allowed = link.map_or(usize::MAX, |link| usize::from(link.mtu) + OVERHEAD);
        let drops = &mut app.drops;
        let count = if code == ErrorCode::SIZE && length > allowed.min(self.pool.capacity()) {
            &mut drops.oversize
        } else {
            &mut drops.refused
        };
        *count = count.wrapping_add(1);
    }

    /// Notes that the adapter is done with a frame of the process `identifier`.
    #[inline(always)]
    pub(super) fn transmission_over(
        &self,
        outcome: Result<(), ErrorCode>,
        identifier: usize,
        timestamp: Option<u64>,
    ) {
        // What a deep adapter has sent was reported when it was handed over.
        if !P::DEEP || outcome.is_err() {
            self.transmission_ended(outcome, identifier, timestamp);
        }
    }

    #[inline(never)]
    fn transmission_ended(
        &self,
        outcome: Result<(), ErrorCode>,
        identifier: usize,
        timestamp: Option<u64>,
    ) {
        let Some(process_id) = self.members.by_identifier(identifier) else {
            return;
        };
        // A process that is gone needs no answer.
        let _ = self.visit(process_id, |app, kernel_data| {
            if outcome.is_err() {
                app.drops.lost = app.drops.lost.wrapping_add(1);
            }
            if !P::DEEP
                && let Transmission::InFlight(frame) = app.transmission
            {
                report(app, kernel_data, frame, outcome, timestamp);
                self.note_if_behind(app);
            }
        });
    }
}

/// Notes that a frame is handed over, and reports it unless the adapter does so later.
#[inline(always)]
pub(super) fn handed_over<'a, E, P: Path<'a, E>>(
    app: &mut App,
    kernel_data: &GrantKernelData,
    frame: Outgoing,
    reached: Reached,
) {
    if P::DEEP || reached == Reached::Processes {
        report(app, kernel_data, frame, Ok(()), None);
    } else {
        app.transmission = Transmission::InFlight(frame);
    }
}

/// Tells a process what became of its frame.
#[inline(never)]
pub(super) fn report(
    app: &mut App,
    kernel_data: &GrantKernelData,
    frame: Outgoing,
    outcome: Result<(), ErrorCode>,
    timestamp: Option<u64>,
) {
    if outcome.is_ok() {
        app.sent.count(usize::from(frame.length));
    }
    write_info(kernel_data, timestamp);
    let flags = usize::from(timestamp.is_some());
    let arguments = (
        into_statuscode(outcome),
        flags << 16 | usize::from(frame.length),
        frame.id,
    );
    tell(app, kernel_data, upcall::SENT, arguments);
}

#[inline]
fn tell(
    app: &mut App,
    kernel_data: &GrantKernelData,
    upcall: usize,
    arguments: (usize, usize, usize),
) {
    if kernel_data.schedule_upcall(upcall, arguments).is_ok() {
        app.transmission = Transmission::None;
    } else {
        app.note_ended(upcall, arguments);
        app.catch_up(kernel_data);
    }
}

/// Leaves the time of transmission with a process that shares room for it.
#[inline]
fn write_info(kernel_data: &GrantKernelData, timestamp: Option<u64>) {
    // Sharing the buffer is optional, and one that is too short is like none.
    let _ = kernel_data
        .get_readwrite_processbuffer(rw_allow::SENT_INFO)
        .and_then(|info| {
            info.mut_enter(|info| {
                let bytes = timestamp.unwrap_or(0).to_be_bytes();
                info.get(..bytes.len())
                    .map(|place| place.copy_from_slice_or_err(&bytes))
            })
        });
}
