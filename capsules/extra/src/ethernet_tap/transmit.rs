// SPDX-License-Identifier: Apache-2.0 OR MIT

//! The way of frames out of processes.
//!
//! A frame is copied to a buffer and handed to the adapter within the command, and reported at
//! once. If there is no buffer for it, it stays with the process until there is one, and processes
//! that wait are served in turn. An adapter that takes one frame at a time reports later.

use super::app::{App, Outgoing, Transmission};
use super::batch::Batch;
use super::path::Path;
use super::switching::{Origin, Ports};
use super::{EthernetTapDriver, MIN_FRAME, ro_allow, rw_allow, upcall};
use kernel::ErrorCode;
use kernel::ProcessId;
use kernel::errorcode::into_statuscode;
use kernel::grant::GrantKernelData;
use kernel::process::Error;
use kernel::processbuffer::{ReadableProcessBuffer, ReadableProcessSlice, WriteableProcessBuffer};

/// Frames that leave before anybody else gets a chance, more than an adapter takes at once. Only those
/// that stay on the board could be more, and a process would keep the kernel busy with them.
const AT_ONCE: usize = 64;

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

/// How far a frame has got.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Reached {
    Adapter,
    /// It stays on the board.
    Processes,
}

/// What one turn of a process that waits has come to.
enum Turn {
    /// A frame of it is sent, or refused for good.
    Taken,
    /// It does not wait.
    NotWaiting,
    /// The adapter takes nothing more.
    Full,
}

impl<'a, E, P: Path<'a, E>, const N: usize> EthernetTapDriver<'a, E, P, N> {
    fn lengths(&self) -> core::ops::RangeInclusive<usize> {
        usize::from(MIN_FRAME)..=self.pool.capacity()
    }

    /// Gets buffers back, and serves those who wait, before a process gives a command.
    ///
    /// Not within it: those who wait could be the same.
    #[inline]
    pub(super) fn make_room(&self, much: bool) {
        if much || self.pool.is_empty() {
            P::reclaim(self.adapter);
        }
        if self.waiting.get() {
            self.serve_waiting();
        }
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
        // Those who wait already come first.
        if self.waiting.get() {
            return self.put_off(app, length, request);
        }
        let (buffer, start) = match request {
            Request::Report { .. } => (ro_allow::FRAME, 0),
            Request::AtOnce { offset } => (ro_allow::BATCH, offset),
        };
        let copied = self.copy_shared(kernel_data, buffer, start, length);
        match copied.and_then(|copy| self.pass_on(sender, copy, length)) {
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
            .inspect_err(|code| self.count_refusal(app, *code, 0))
    }

    fn begin_batch(
        &self,
        sender: Sender,
        app: &mut App,
        kernel_data: &GrantKernelData,
        bytes: usize,
    ) -> Result<(), ErrorCode> {
        if !matches!(app.transmission, Transmission::None) {
            return Err(ErrorCode::BUSY);
        }
        let mut batch = kernel_data
            .get_readonly_processbuffer(ro_allow::BATCH)
            .and_then(|shared| shared.enter(|shared| Batch::check(shared, bytes, &self.lengths())))
            .unwrap_or(Err(ErrorCode::SIZE))?;
        let outcome = if self.waiting.get() {
            Err(ErrorCode::BUSY)
        } else {
            let outcome = self.send_batch(sender, app, kernel_data, &mut batch, AT_ONCE);
            P::flush(self.adapter);
            outcome
        };
        match outcome {
            Err(ErrorCode::BUSY) => {
                app.transmission = Transmission::Batch(batch);
                self.note_waiting();
                Ok(())
            }
            Err(code) if batch.progress().0 == 0 => Err(code),
            outcome => {
                end_batch(app, kernel_data, &batch, outcome);
                Ok(())
            }
        }
    }

    /// Hands over up to `limit` frames of a batch.
    ///
    /// # Errors
    ///
    /// - `BUSY`: frames are left for which there is no room now.
    /// - Others: the next frame is not sent, nor those behind it.
    fn send_batch(
        &self,
        sender: Sender,
        app: &mut App,
        kernel_data: &GrantKernelData,
        batch: &mut Batch,
        limit: usize,
    ) -> Result<(), ErrorCode> {
        let lengths = self.lengths();
        kernel_data
            .get_readonly_processbuffer(ro_allow::BATCH)
            .and_then(|shared| {
                shared.enter(|shared| {
                    let mut left = limit;
                    while !batch.is_over() {
                        left = left.checked_sub(1).ok_or(ErrorCode::BUSY)?;
                        let entry = batch.next(shared, &lengths)?;
                        let copy = self.copy_in(entry.frame)?;
                        self.pass_on(sender, copy, entry.frame.len())?;
                        app.sent.count(entry.frame.len());
                        batch.pass(entry);
                    }
                    Ok(())
                })
            })
            .unwrap_or(Err(ErrorCode::SIZE))
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

    /// As [`copy_in`](Self::copy_in), for `length` bytes of a buffer that a process shares, from `start`
    /// on.
    ///
    /// # Errors
    ///
    /// - `SIZE`: they are not all there.
    #[inline(always)]
    fn copy_shared(
        &self,
        kernel_data: &GrantKernelData,
        shared: usize,
        start: usize,
        length: usize,
    ) -> Result<&'static mut [u8], ErrorCode> {
        kernel_data
            .get_readonly_processbuffer(shared)
            .and_then(|shared| {
                shared.enter(|shared| {
                    let frame = shared.get(start..).and_then(|rest| rest.get(..length));
                    self.copy_in(frame.ok_or(ErrorCode::SIZE)?)
                })
            })
            // Without a shared frame there is no length that fits.
            .unwrap_or(Err(ErrorCode::SIZE))
    }

    /// Passes a frame on that was copied, to the wire and to other processes.
    ///
    /// # Errors
    ///
    /// - `BUSY`: there is no room in the adapter; nobody got the frame.
    /// - Others: the adapter refused it. Processes got it all the same.
    #[inline(always)]
    fn pass_on(
        &self,
        sender: Sender,
        buffer: &'static mut [u8],
        length: usize,
    ) -> Result<Reached, ErrorCode> {
        let alone = self.members.present() == Ports::only(sender.number);
        if !alone {
            match self.switch(sender, buffer.get(..length).unwrap_or_default()) {
                Ok(true) => {}
                stays => {
                    self.pool.put(buffer);
                    return stays.map(|_| Reached::Processes);
                }
            }
        }
        let identifier = sender.process_id.id();
        match P::submit(self.adapter, buffer, length as u16, identifier) {
            Ok(()) => Ok(Reached::Adapter),
            Err((code, buffer)) => {
                self.pool.put(buffer);
                Err(code)
            }
        }
    }

    /// Gives a frame to the other processes that it is for; true if it goes out on the wire too.
    ///
    /// # Errors
    ///
    /// - `BUSY`: it does, and there is no room. No process got it.
    #[inline(never)]
    fn switch(&self, sender: Sender, frame: &[u8]) -> Result<bool, ErrorCode> {
        let route = self.route(Origin::Port(sender.number), frame);
        if route.wire && !P::has_room(self.adapter) {
            return Err(ErrorCode::BUSY);
        }
        self.members.count_filtered(route.filtered);
        self.frame_to_processes(frame, route.to);
        Ok(route.wire)
    }

    #[cold]
    fn count_refusal(&self, app: &mut App, code: ErrorCode, length: usize) {
        let drops = &mut app.drops;
        let count = if code == ErrorCode::SIZE && length > self.pool.capacity() {
            &mut drops.oversize
        } else {
            &mut drops.refused
        };
        *count = count.wrapping_add(1);
    }

    /// Takes a buffer back and gives it to whoever waits.
    #[inline]
    pub(super) fn buffer_is_back(&self, buffer: &'static mut [u8]) {
        self.pool.put(buffer);
        if self.waiting.get() {
            self.serve_waiting();
        }
    }

    /// Hands over the frames of those who wait, a frame each in turn, while there is room.
    #[cold]
    #[inline(never)]
    pub(super) fn serve_waiting(&self) {
        let (mut sent, mut full) = (false, false);
        let mut again = true;
        let mut left = AT_ONCE;
        while again && left > 0 && !full && !self.pool.is_empty() {
            again = false;
            for number in self.members.after(self.last_served.get()) {
                match self.serve(number) {
                    Turn::NotWaiting => {}
                    Turn::Taken => {
                        sent = true;
                        again = true;
                        left = left.saturating_sub(1);
                        self.last_served.set(number);
                    }
                    Turn::Full => {
                        full = true;
                        break;
                    }
                }
            }
        }
        if sent {
            P::flush(self.adapter);
            self.hold.hasten();
        }
        let waits = |number| self.is_waiting(number);
        self.waiting
            .set(self.members.present().into_iter().any(waits));
        if self.waiting.get() {
            self.note_waiting();
        }
    }

    /// Notes that a process waits for a buffer, or for room in the adapter.
    fn note_waiting(&self) {
        self.waiting.set(true);
        // An adapter returns buffers late unless it is asked, which a callback of it cannot do; and
        // it may be full of the frames of others, of which the tap does not hear.
        self.hold.arm();
    }

    /// Has buffers returned as soon as one is free, if a process waits.
    ///
    /// Not within a command: those who wait could be the same.
    #[inline(always)]
    pub(super) fn ask_for_buffers(&self) {
        if self.waiting.get() {
            P::reclaim(self.adapter);
        }
    }

    fn is_waiting(&self, number: usize) -> bool {
        let waits = self.visit_member(number, |app, _| app.is_waiting());
        // One that is just giving a command knows itself what it waits for.
        waits.unwrap_or_else(|error| error == Error::AlreadyInUse)
    }

    fn serve(&self, number: usize) -> Turn {
        let Some(process_id) = self.members.process(number) else {
            return Turn::NotWaiting;
        };
        let sender = Sender { number, process_id };
        self.visit_member(number, |app, kernel_data| {
            let turn = self.give_turn(sender, app, kernel_data);
            self.note_if_behind(app);
            turn
        })
        .unwrap_or(Turn::NotWaiting)
    }

    fn give_turn(&self, sender: Sender, app: &mut App, kernel_data: &GrantKernelData) -> Turn {
        match app.transmission {
            Transmission::Queued(frame) => {
                let length = usize::from(frame.length);
                let copied = self.copy_shared(kernel_data, ro_allow::FRAME, 0, length);
                match copied.and_then(|copy| self.pass_on(sender, copy, length)) {
                    Ok(reached) => {
                        handed_over::<E, P>(app, kernel_data, frame, reached);
                        Turn::Taken
                    }
                    Err(ErrorCode::BUSY) => Turn::Full,
                    Err(code) => {
                        self.count_refusal(app, code, length);
                        report(app, kernel_data, frame, Err(code), None);
                        Turn::Taken
                    }
                }
            }
            Transmission::Batch(mut batch) => {
                let before = batch.progress();
                let outcome = self.send_batch(sender, app, kernel_data, &mut batch, 1);
                if outcome == Err(ErrorCode::BUSY) {
                    app.transmission = Transmission::Batch(batch);
                    return if batch.progress() == before {
                        Turn::Full
                    } else {
                        Turn::Taken
                    };
                }
                if let Err(code) = outcome {
                    self.count_refusal(app, code, 0);
                }
                end_batch(app, kernel_data, &batch, outcome);
                Turn::Taken
            }
            _ => Turn::NotWaiting,
        }
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
fn handed_over<'a, E, P: Path<'a, E>>(
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
fn report(
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

/// Tells a process what became of its batch.
fn end_batch(
    app: &mut App,
    kernel_data: &GrantKernelData,
    batch: &Batch,
    outcome: Result<(), ErrorCode>,
) {
    let (frames, bytes) = batch.progress();
    let arguments = (into_statuscode(outcome), frames, bytes);
    tell(app, kernel_data, upcall::BATCH_DONE, arguments);
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
