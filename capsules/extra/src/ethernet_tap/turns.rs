// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Processes with frames that wait for a buffer, or for room in the adapter.
//!
//! They are served in turn, a frame each. What stays on the board goes on even if the adapter takes
//! nothing.

use super::app::{App, Transmission};
use super::path::Path;
use super::switching::Ports;
use super::transmit::{Sender, handed_over, report};
use super::{EthernetTapDriver, ro_allow};
use kernel::ErrorCode;
use kernel::grant::GrantKernelData;

/// What one turn of a process that waits has come to.
enum Turn {
    /// A frame of it is sent, or refused for good.
    Taken,
    /// It does not wait.
    NotWaiting,
    /// Its next frame is for the adapter, which takes nothing more, or has others before it.
    Full,
}

impl<'a, E, P: Path<'a, E>, const N: usize> EthernetTapDriver<'a, E, P, N> {
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

    /// Takes a buffer back and gives it to whoever waits.
    #[inline]
    pub(super) fn buffer_is_back(&self, buffer: &'static mut [u8]) {
        self.pool.put(buffer);
        if self.waiting.get() {
            self.serve_waiting();
        }
    }

    /// Passes the frames of those who wait on, a frame each in turn, while there is room. Once there is
    /// none, only frames that stay on the board go on.
    #[cold]
    #[inline(never)]
    pub(super) fn serve_waiting(&self) {
        let mut sent = false;
        let mut again = true;
        let mut left = self.at_once();
        // Those who wait for the adapter.
        let mut stuck = Ports::NONE;
        while again && left > 0 {
            again = false;
            for number in self.members.after(self.last_served.get()) {
                if stuck.contains(number) {
                    continue;
                }
                match self.serve(number, stuck.is_empty()) {
                    Turn::NotWaiting => {}
                    Turn::Taken => {
                        sent = true;
                        again = true;
                        left = left.saturating_sub(1);
                        // The first that is stuck is the first next time.
                        if stuck.is_empty() {
                            self.last_served.set(number);
                        }
                    }
                    Turn::Full => stuck.insert(number),
                }
            }
        }
        if sent {
            P::flush(self.adapter);
            // The time of a held frame is counted in rounds, which must not become shorter.
            if !self.hold.is_held() {
                self.hold.hasten();
            }
        }
        let waits = |number| self.is_waiting(number);
        self.waiting
            .set(self.members.present().into_iter().any(waits));
        if self.waiting.get() {
            self.note_waiting();
        }
    }

    /// Notes that a process waits for a buffer, or for room in the adapter.
    pub(super) fn note_waiting(&self) {
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
        self.visit_member(number, |app, _| app.is_waiting())
            .unwrap_or(false)
    }

    fn serve(&self, number: usize, may_leave: bool) -> Turn {
        let Some(process_id) = self.members.process(number) else {
            return Turn::NotWaiting;
        };
        let sender = Sender { number, process_id };
        self.visit_member(number, |app, kernel_data| {
            let turn = self.give_turn(sender, app, kernel_data, may_leave);
            self.note_if_behind(app);
            turn
        })
        .unwrap_or(Turn::NotWaiting)
    }

    fn give_turn(
        &self,
        sender: Sender,
        app: &mut App,
        kernel_data: &GrantKernelData,
        may_leave: bool,
    ) -> Turn {
        match app.transmission {
            Transmission::Queued(frame) => {
                let length = usize::from(frame.length);
                let send = |frame: &_| self.switch(sender, frame, may_leave);
                match self.with_shared(kernel_data, (ro_allow::FRAME, 0, length), send) {
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
                let outcome = self.send_batch(sender, app, kernel_data, &mut batch, 1, may_leave);
                if matches!(outcome, Err((ErrorCode::BUSY, _))) {
                    app.transmission = Transmission::Batch(batch);
                    return if batch.progress() == before {
                        Turn::Full
                    } else {
                        Turn::Taken
                    };
                }
                self.end_batch(app, kernel_data, &batch, outcome);
                Turn::Taken
            }
            _ => Turn::NotWaiting,
        }
    }
}
