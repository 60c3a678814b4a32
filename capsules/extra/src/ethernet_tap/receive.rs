// SPDX-License-Identifier: Apache-2.0 OR MIT

//! The way of frames into the slices of processes.
//!
//! A frame from the card for which every process that wants it is full is *held*: it stays in the
//! adapter until one of them has room. Other processes whose frames come behind it wait too, and
//! that only for a while: then those that were full are *stalled*, and their frames are dropped
//! until they make room. How often a process can make others wait is for `hold_time`.

use super::app::App;
use super::frame_chunk::{Frame, FrameChunk, Stored};
use super::path::Path;
use super::retry::{LookAgain, Retry};
use super::switching::{Heading, Origin, Ports, Route};
use super::{EthernetTapDriver, MIN_FRAME, rw_allow};
use core::cell::Cell;
use kernel::grant::GrantKernelData;
use kernel::process::Error;
use kernel::processbuffer::{ReadableProcessBuffer, ReadableProcessSlice, WriteableProcessBuffer};
use kernel::utilities::cells::OptionalCell;

/// How long the timer waits at first, in milliseconds. The wait doubles with each round.
const FIRST_WAIT_MS: u32 = 1;
/// The last round in which the wait is longer than before.
const LONGEST_WAIT_ROUND: u8 = 4;
/// Rounds after which a frame does not hold up others any more: 15 ms, as each is longer than the one
/// before while a frame is held.
const PATIENCE_ROUNDS: u8 = 4;

/// The frame at the head of the adapter, and those who cannot take it.
pub(super) struct Hold<'a> {
    retry: OptionalCell<&'a dyn Retry>,
    /// Whether frames are held at all.
    pub(super) allowed: Cell<bool>,
    /// The round of which the timer has the wait, while it runs.
    armed: Cell<Option<u8>>,
    held: Cell<bool>,
    /// How often the timer has come while this frame was held.
    rounds: Cell<u8>,
    /// How often the timer has come for nothing.
    idle_rounds: Cell<u8>,
    stalled: Cell<Ports>,
}

impl<'a> Hold<'a> {
    pub(super) fn new() -> Self {
        Hold {
            retry: OptionalCell::empty(),
            allowed: Cell::new(false),
            armed: Cell::new(None),
            held: Cell::new(false),
            rounds: Cell::new(0),
            idle_rounds: Cell::new(0),
            stalled: Cell::new(Ports::NONE),
        }
    }

    #[cfg(feature = "ethernet-adapter")]
    pub(super) fn set_retry(&self, retry: &'a dyn Retry) {
        self.retry.set(retry);
        self.allowed.set(true);
    }

    #[inline]
    pub(super) fn has_timer(&self) -> bool {
        self.retry.is_some()
    }

    #[inline]
    pub(super) fn is_held(&self) -> bool {
        self.held.get()
    }

    fn hold(&self) {
        if !self.held.replace(true) {
            // It waits from now on, however long something else has.
            self.hasten();
        }
        self.arm();
    }

    /// Has the timer come, which it does sooner at first.
    #[cold]
    #[inline(never)]
    pub(super) fn arm(&self) {
        let round = self.idle_rounds.get().min(LONGEST_WAIT_ROUND);
        if self.armed.get().is_none_or(|armed| round < armed) {
            self.armed.set(Some(round));
            self.retry.map(|retry| retry.arm(FIRST_WAIT_MS << round));
        }
    }

    /// Has the timer come soon again, since something has moved.
    pub(super) fn hasten(&self) {
        self.idle_rounds.set(0);
    }
}

/// What became of a frame with those who wanted it.
#[derive(Clone, Copy, Debug, Default)]
struct Outcome {
    stored: bool,
    /// Those who did not get it.
    missed: Ports,
    /// Those of them whom waiting could help.
    full: Ports,
}

impl<'a, E, P: Path<'a, E>, const N: usize> EthernetTapDriver<'a, E, P, N> {
    /// Takes a frame from the card; false if it must be held.
    pub(super) fn frame_from_card(&self, frame: &[u8], timestamp: Option<u64>) -> bool {
        let chunk = FrameChunk::new(frame, timestamp);
        let Some(chunk) = chunk.filter(|_| frame.len() >= MIN_FRAME.into()) else {
            self.malformed.set(self.malformed.get().wrapping_add(1));
            return true;
        };
        let route = match self.members.open_route() {
            Some(route) => route,
            None => self.route(Origin::Card, frame),
        };
        let outcome = self.store::<true>(&chunk, route.to);
        if !outcome.missed.is_empty() {
            if !outcome.stored && self.may_hold(outcome.full) {
                self.hold.hold();
                return false;
            }
            self.count_missed(outcome.missed);
        }
        self.members.count_filtered(route.filtered);
        self.let_go();
        true
    }

    #[inline]
    fn let_go(&self) {
        let hold = &self.hold;
        if hold.held.replace(false) {
            hold.rounds.set(0);
            hold.idle_rounds.set(0);
            if self.hold_time.is_running() {
                self.hold_time.settle(hold.retry.get());
            }
        }
    }

    /// Decides where a frame goes.
    #[inline(never)]
    pub(super) fn route(&self, origin: Origin, frame: &[u8]) -> Route {
        match Heading::of(frame) {
            Some(heading) => self.members.route(origin, heading, self.address()),
            None => Route::NOWHERE,
        }
    }

    /// Gives a process's frame to other processes.
    #[inline(never)]
    pub(super) fn frame_to_processes(&self, frame: &ReadableProcessSlice, to: Ports) {
        if let Some(chunk) = FrameChunk::new(frame, None) {
            let outcome = self.store::<false>(&chunk, to);
            self.count_missed(outcome.missed);
        }
    }

    #[inline(always)]
    fn store<const QUICK: bool>(
        &self,
        chunk: &FrameChunk<'_, impl Frame + ?Sized>,
        to: Ports,
    ) -> Outcome {
        let mut outcome = Outcome::default();
        for number in to {
            match self.store_one::<QUICK>(chunk, number) {
                Some(Stored::Yes { .. }) => outcome.stored = true,
                Some(Stored::No { patient, .. }) => {
                    outcome.missed.insert(number);
                    if patient {
                        outcome.full.insert(number);
                    }
                }
                None => {}
            }
        }
        outcome
    }

    /// Appends a frame to a process's slice; none if it shares no slice.
    #[inline(always)]
    fn store_one<const QUICK: bool>(
        &self,
        chunk: &FrameChunk<'_, impl Frame + ?Sized>,
        number: usize,
    ) -> Option<Stored> {
        let process_id = self.members.process(number)?;
        let append = |app: &mut App, kernel_data: &GrantKernelData| {
            let stored = kernel_data
                .get_readwrite_processbuffer(rw_allow::RECEIVED)
                .and_then(|slice| {
                    slice.mut_enter(|slice| {
                        // A process that shares no slice does not take part, so it drops nothing.
                        (!slice.is_empty()).then(|| chunk.append_to(slice))
                    })
                })
                .ok()
                .flatten();
            match stored {
                Some(stored) => app.note_received(stored, chunk.frame().length(), kernel_data),
                None => app.catch_up(kernel_data),
            }
            self.note_if_behind(app);
            stored
        };
        // In line for frames from the card, which are many.
        let entered = if QUICK {
            self.apps
                .enter(process_id, |app, kernel_data| append(app, kernel_data))
        } else {
            self.visit(process_id, append)
        };
        let stored = entered.unwrap_or_else(|error| {
            self.forget_if_gone(number, error);
            None
        });
        if let Some(Stored::Yes { .. }) = stored {
            let mut stalled = self.hold.stalled.get();
            if !stalled.is_empty() {
                stalled.remove(Ports::only(number));
                self.hold.stalled.set(stalled);
            }
        }
        stored
    }

    #[cold]
    fn count_missed(&self, missed: Ports) {
        for number in missed {
            // The count of a process that is gone went with it.
            let _ = self.visit_member(number, |app, _| {
                app.drops.no_room = app.drops.no_room.wrapping_add(1);
            });
        }
    }

    /// Decides whether a frame waits for those who are `full`.
    #[cold]
    fn may_hold(&self, full: Ports) -> bool {
        // Never without a timer: nobody would notice that a process has swapped its slice.
        if !P::DEEP || !self.hold.allowed.get() {
            return false;
        }
        // Also one that the frame is for and whose slice is too small for it: others are not.
        let mut others = self.members.present();
        others.remove(full);
        if !others.into_iter().any(|number| self.shares_slice(number)) {
            self.hold_time.run(Ports::NONE);
            return true;
        }
        let mut patient = full;
        patient.remove(self.hold.stalled.get());
        if patient.is_empty() {
            return false;
        }
        if self.hold.rounds.get() < PATIENCE_ROUNDS {
            patient.remove(self.hold_time.settle(self.hold.retry.get()));
            if !patient.is_empty() {
                self.hold_time.run(patient);
                return true;
            }
        }
        self.hold.stalled.set(self.hold.stalled.get().union(full));
        false
    }

    fn shares_slice(&self, number: usize) -> bool {
        self.visit_member(number, |_, kernel_data| {
            kernel_data
                .get_readwrite_processbuffer(rw_allow::RECEIVED)
                .is_ok_and(|slice| slice.len() > 0)
        })
        .unwrap_or(false)
    }

    /// Takes a process off the list if it does not run any more.
    #[cold]
    pub(super) fn forget_if_gone(&self, number: usize, error: Error) {
        if matches!(error, Error::NoSuchApp | Error::InactiveApp) {
            self.members.remove(number);
            let mut stalled = self.hold.stalled.get();
            stalled.remove(Ports::only(number));
            self.hold.stalled.set(stalled);
            self.tell_demand();
        }
    }

    /// Goes on with what had to wait.
    #[inline]
    pub(super) fn settle(&self) {
        if self.hold.is_held() {
            P::resume(self.adapter);
        }
        if self.demand_untold.get() {
            self.tell_demand();
        }
    }
}

impl<'a, E, P: Path<'a, E>, const N: usize> LookAgain for EthernetTapDriver<'a, E, P, N> {
    fn look_again(&self) {
        let hold = &self.hold;
        hold.armed.set(None);
        let more = |rounds: &Cell<u8>| rounds.set(rounds.get().saturating_add(1));
        if hold.is_held() {
            more(&hold.rounds);
        }
        more(&hold.idle_rounds);
        if self.behind.take() {
            self.catch_up_all();
        }
        self.settle();
        if self.waiting.get() {
            P::reclaim(self.adapter);
            self.serve_waiting();
            self.ask_for_buffers();
        }
        if hold.armed.get().is_none() && !hold.is_held() {
            hold.hasten();
        }
    }
}
