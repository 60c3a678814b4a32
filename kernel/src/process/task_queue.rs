// SPDX-License-Identifier: Apache-2.0 OR MIT

//! The queue of tasks that wait for a process to yield.
//!
//! First in, first out, with room for a fixed number, since the process decides when it takes
//! them. Events can also be taken by name, which wait-for calls and new subscriptions do.
//!
//! While a process waits for one event, that event has a place of its own: it is told from the
//! others when it comes and not looked for afterwards, and others that fill the queue do not keep
//! it out.

#[cfg(test)]
mod model_tests;
mod place;
#[cfg(test)]
mod tests;

use core::cell::Cell;
use core::ops::Range;

use super::task::{FunctionCall, Task};
use crate::platform::mpu::Region;
use crate::upcall::UpcallId;
use crate::utilities::capability_ptr::CapabilityPtr;
use crate::utilities::machine_register::MachineRegister;
use place::Place;

/// Tasks that may be queued for a process before a sender that has one among them gets no other place.
///
/// Small enough that with one sender at this limit each other process of a board with eight of them
/// still has a place, and drivers have one too.
const MOST_BEFORE_REPEATED: usize = 3;

/// A queue of at most `CAPACITY` tasks, besides an event that the process waits for.
pub(super) struct TaskQueue<const CAPACITY: usize> {
    places: [Place; CAPACITY],
    /// Index of the oldest task, below `CAPACITY`.
    first: Cell<usize>,
    /// Number of tasks in `places`.
    len: Cell<usize>,
    /// The event that the process waits for, and its task once it is there.
    awaited: Place,
    /// Whether the process waits for the event named by `awaited`, which is then nowhere else,
    /// unless it came more than once.
    waits: Cell<bool>,
    ahead: Cell<Ahead>,
}

/// What comes before the tasks in the queue.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Ahead {
    Nothing,
    /// A task in the place of the awaited event.
    Awaited,
    /// What the process waits for: its registers have it, and the process is to be entered with that.
    Loaded,
}

impl<const CAPACITY: usize> TaskQueue<CAPACITY> {
    pub(super) fn new() -> TaskQueue<CAPACITY> {
        const { assert!(CAPACITY > 0) };
        TaskQueue {
            places: core::array::from_fn(|_| Place::new()),
            first: Cell::new(0),
            len: Cell::new(0),
            awaited: Place::new(),
            waits: Cell::new(false),
            ahead: Cell::new(Ahead::Nothing),
        }
    }

    pub(super) fn len(&self) -> usize {
        self.len.get() + usize::from(self.ahead.get() != Ahead::Nothing)
    }

    #[inline(always)]
    pub(super) fn is_empty(&self) -> bool {
        self.len.get() == 0 && self.ahead.get() == Ahead::Nothing
    }

    /// The place `age` behind the oldest.
    #[inline(always)]
    fn place(&self, age: usize) -> Option<&Place> {
        let index = self.first.get() + age;
        self.places.get(if index < CAPACITY {
            index
        } else {
            index - CAPACITY
        })
    }

    /// The tasks, from the oldest to the newest.
    #[inline]
    fn iter(&self) -> impl Iterator<Item = &Place> {
        (0..self.len.get())
            .filter_map(|age| self.place(age))
            .chain(self.has_come().then_some(&self.awaited))
    }

    /// Keeps a place for an event from now on, because the process waits for it.
    #[inline(always)]
    pub(super) fn wait_for(&self, event: UpcallId) {
        if self.is_empty() {
            self.awaited.put_event(event);
            self.waits.set(true);
        } else {
            self.wait_for_one_of_many(event);
        }
    }

    #[inline(never)]
    fn wait_for_one_of_many(&self, event: UpcallId) {
        if !self.has_come() {
            match self.position(event) {
                Some(position) => {
                    if let Some(place) = self.place(position) {
                        self.awaited.copy_from(place);
                    }
                    self.close_gap(position);
                    self.ahead.set(Ahead::Awaited);
                }
                None => self.awaited.put_event(event),
            }
        }
        // What came for an earlier wait stays in its place until it is taken.
        self.waits.set(self.awaited.names(event));
    }

    /// Keeps no place any more: the process has stopped waiting.
    #[inline(always)]
    pub(super) fn end_wait(&self) {
        self.waits.set(false);
    }

    /// Whether the event that the process waits for is there.
    #[inline(always)]
    pub(super) fn has_awaited(&self, event: UpcallId) -> bool {
        match self.ahead.get() {
            Ahead::Nothing if self.waits.get() => false,
            Ahead::Awaited if self.waits.get() => true,
            Ahead::Loaded => true,
            _ => self.contains(event),
        }
    }

    /// Whether `awaited` has a task.
    #[inline(always)]
    fn has_come(&self) -> bool {
        self.ahead.get() == Ahead::Awaited
    }

    /// Whether nothing comes before what is yet to come for the event that the process waits for.
    #[inline(always)]
    pub(super) fn is_next(&self) -> bool {
        self.ahead.get() == Ahead::Nothing
    }

    /// Notes that the process's registers have what it waits for, which was never in the queue. It
    /// counts as queued until [`take_loaded`](Self::take_loaded).
    #[inline(always)]
    pub(super) fn note_loaded(&self) {
        self.waits.set(false);
        self.ahead.set(Ahead::Loaded);
    }

    /// Ends what [`note_loaded`](Self::note_loaded) began; returns whether it did.
    #[inline(always)]
    pub(super) fn take_loaded(&self) -> bool {
        let loaded = self.ahead.get() == Ahead::Loaded;
        if loaded {
            self.ahead.set(Ahead::Nothing);
        }
        loaded
    }

    /// Takes the event that the process waits for, if it has come, and ends the wait.
    #[inline(always)]
    pub(super) fn take_awaited(&self) -> Option<[usize; 3]> {
        if !(self.waits.get() && self.has_come()) {
            return None;
        }
        self.waits.set(false);
        self.ahead.set(Ahead::Nothing);
        Some(self.awaited.values())
    }

    /// Whether the process waits for this event, which has not come.
    #[inline(always)]
    fn is_awaited(&self, event: UpcallId) -> bool {
        self.waits.get() && self.ahead.get() == Ahead::Nothing && self.awaited.names(event)
    }

    /// Whether there is a place for an event that the process in slot `sender` causes, of a driver
    /// whose events begin with the slot of their sender.
    ///
    /// What is waited for has its place. Of the others each sender can have one, up to the last
    /// place, which is left for drivers, and more while few tasks are queued. So nobody takes the
    /// places of all, even in the queue of a process that never takes anything out.
    pub(super) fn has_place_for(&self, event: UpcallId, sender: usize) -> bool {
        if self.is_awaited(event) {
            return true;
        }
        let mut queued = self.iter();
        let has_one = queued.any(|place| place.is_of(event.driver_num) && place.is_about(sender));
        self.len()
            < match has_one {
                true => MOST_BEFORE_REPEATED,
                false => CAPACITY - 1,
            }
    }

    /// The place for a task, of this event if it has one, which goes into use.
    #[inline(always)]
    fn next_place(&self, event: Option<UpcallId>) -> Option<&Place> {
        if event.is_some_and(|event| self.is_awaited(event)) {
            self.ahead.set(Ahead::Awaited);
            return Some(&self.awaited);
        }
        let len = self.len.get();
        if len >= CAPACITY {
            return None;
        }
        self.len.set(len + 1);
        self.place(len)
    }

    /// Appends a task; returns whether there was room.
    pub(super) fn push(&self, task: Task) -> bool {
        let place = self.next_place(task.upcall_id());
        place.map(|place| place.put(task)).is_some()
    }

    /// Appends what becomes of an event: a call of `function`, or its values alone if that is null.
    /// Returns whether there was room.
    #[inline(always)]
    pub(super) fn push_upcall(
        &self,
        event: UpcallId,
        arguments: [usize; 3],
        function: CapabilityPtr,
        appdata: MachineRegister,
    ) -> bool {
        let place = self.next_place(Some(event));
        place
            .map(|place| place.put_upcall(event, arguments, function, appdata))
            .is_some()
    }

    /// Removes the oldest task.
    #[inline]
    pub(super) fn pop(&self) -> Option<Task> {
        let Some(len) = self.len.get().checked_sub(1) else {
            if !self.has_come() {
                return None;
            }
            self.ahead.set(Ahead::Nothing);
            return self.awaited.task();
        };
        let task = self.place(0)?.task();
        self.drop_first(len);
        task
    }

    /// Removes the oldest task and returns it, if it is a function to call.
    #[inline(always)]
    pub(super) fn pop_call(&self) -> Option<FunctionCall> {
        let len = self.len.get().checked_sub(1)?;
        let call = self.place(0)?.call()?;
        self.drop_first(len);
        Some(call)
    }

    /// Takes the oldest place out of use, which leaves `len`.
    #[inline(always)]
    fn drop_first(&self, len: usize) {
        let next = self.first.get() + 1;
        self.first.set(if next < CAPACITY { next } else { 0 });
        self.len.set(len);
    }

    pub(super) fn clear(&self) {
        self.len.set(0);
        self.ahead.set(Ahead::Nothing);
        self.waits.set(false);
    }

    /// Tells whether any task runs code in the process.
    #[inline]
    pub(super) fn has_callable(&self) -> bool {
        self.iter().any(Place::is_callable)
    }

    /// Tells whether any task comes from this event.
    #[inline]
    fn contains(&self, event: UpcallId) -> bool {
        self.iter().any(|place| place.is_from(event))
    }

    /// How far behind the oldest task the first one of this event is.
    #[inline(always)]
    fn position(&self, event: UpcallId) -> Option<usize> {
        (0..self.len.get()).find(|age| self.place(*age).is_some_and(|place| place.is_from(event)))
    }

    /// Whether what has a place of its own comes from this event.
    #[inline(always)]
    fn came(&self, event: UpcallId) -> bool {
        self.has_come() && self.awaited.is_from(event)
    }

    /// Removes the oldest task that comes from this event.
    pub(super) fn remove_first(&self, event: UpcallId) -> Option<Task> {
        if self.came(event) {
            let found = self.awaited.task();
            self.ahead.set(Ahead::Nothing);
            if self.waits.get() {
                // The next one, if it came again, is now what ends the wait.
                self.wait_for_one_of_many(event);
            }
            return found;
        }
        let position = self.position(event)?;
        let found = self.place(position)?.task();
        self.close_gap(position);
        found
    }

    /// Removes the oldest task that comes from this event, and returns its values.
    #[inline(always)]
    pub(super) fn take_values(&self, event: UpcallId) -> Option<[usize; 3]> {
        if self.came(event) {
            self.ahead.set(Ahead::Nothing);
            return Some(self.awaited.values());
        }
        let position = self.position(event)?;
        let found = self.place(position)?.values();
        self.close_gap(position);
        Some(found)
    }

    /// Removes every task that comes from this event, and counts them.
    #[inline(always)]
    pub(super) fn remove_all(&self, event: UpcallId) -> usize {
        if self.is_empty() {
            return 0;
        }
        self.remove_some(event)
    }

    #[inline(never)]
    fn remove_some(&self, event: UpcallId) -> usize {
        let before = self.len();
        if self.came(event) {
            self.ahead.set(Ahead::Nothing);
        }
        let mut kept = 0;
        for age in 0..self.len.get() {
            let Some(place) = self.place(age) else {
                continue;
            };
            if !place.is_from(event) {
                if kept != age
                    && let Some(free) = self.place(kept)
                {
                    free.copy_from(place);
                }
                kept += 1;
            }
        }
        self.len.set(kept);
        before - self.len()
    }

    /// Takes buffers in `memory`, but for `kept`, out of the events of the driver, whose second and
    /// third arguments are length and address. The events stay.
    #[cold]
    pub(super) fn withdraw(&self, driver_num: usize, memory: &Range<usize>, kept: Option<Region>) {
        for place in self.iter() {
            let (length, address) = place.shared();
            let is_kept = kept.is_some_and(|kept| {
                (kept.start_address().addr(), kept.size()) == (address, length)
            });
            if place.is_of(driver_num) && memory.contains(&address) && !is_kept {
                place.unshare();
            }
        }
    }

    /// Takes the place at `position` out of use and keeps the order of the others.
    #[inline(always)]
    fn close_gap(&self, position: usize) {
        let last = self.len.get().saturating_sub(1);
        if position == 0 {
            self.drop_first(last);
        } else {
            self.move_up(position, last);
        }
    }

    /// Moves what stands behind `position` one place to the front, which leaves `len`.
    #[inline(never)]
    fn move_up(&self, position: usize, len: usize) {
        for age in position..len {
            if let (Some(hole), Some(next)) = (self.place(age), self.place(age + 1)) {
                hole.copy_from(next);
            }
        }
        self.len.set(len);
    }
}
