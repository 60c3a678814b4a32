// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Any number of alarms on one hardware alarm.
//!
//! The hardware alarm always holds the nearest deadline. A client that is called early, by hardware
//! that fires too soon, is not: its deadline is compared with the clock first.
//!
//! ```text
//! let mux = static_init!(MuxAlarm<'static, Clint>, MuxAlarm::new(clint));
//! clint.set_alarm_client(mux);
//! let user = static_init!(VirtualMuxAlarm<'static, Clint>, VirtualMuxAlarm::new(mux));
//! user.setup();
//! user.set_alarm_client(client);
//! ```

use crate::deadline::{Deadline, Nearest};
use core::cell::Cell;
use kernel::ErrorCode;
use kernel::collections::list::{List, ListLink, ListNode};
use kernel::hil::time::{Alarm, AlarmClient, Time};
use kernel::utilities::cells::OptionalCell;

/// The owner of the hardware alarm.
pub struct MuxAlarm<'a, A: Alarm<'a>> {
    alarm: &'a A,
    users: List<'a, VirtualMuxAlarm<'a, A>>,
    /// How many users are armed: a single one need not be looked for, nor compared with others.
    armed: Cell<usize>,
    /// Set while clients are called, so that the hardware is programmed once afterwards.
    firing: Cell<bool>,
}

impl<'a, A: Alarm<'a>> MuxAlarm<'a, A> {
    /// Creates the owner of `alarm`, which must have it as its client.
    pub const fn new(alarm: &'a A) -> Self {
        MuxAlarm {
            alarm,
            users: List::new(),
            armed: Cell::new(0),
            firing: Cell::new(false),
        }
    }

    /// Takes into account that a user has a new deadline, in place of an old one if it `was_armed`.
    #[inline(always)]
    fn set(&self, deadline: Deadline<A::Ticks>, was_armed: bool) {
        let others = self.armed.get().wrapping_sub(was_armed.into());
        self.armed.set(others.wrapping_add(1));
        if self.firing.get() {
            return;
        }
        if others == 0 {
            self.alarm.set_alarm(deadline.reference, deadline.dt);
        } else {
            self.reprogram();
        }
    }

    /// Takes into account that an armed user has given its deadline up.
    fn given_up(&self) {
        self.armed.set(self.armed.get().saturating_sub(1));
        if !self.firing.get() {
            self.reprogram();
        }
    }

    /// Sets the hardware to the nearest deadline that there is.
    #[inline(never)]
    fn reprogram(&self) {
        let mut nearest = Nearest::seen_from(self.alarm.now());
        for user in self.users.iter() {
            if let Some(deadline) = user.pending() {
                nearest.consider(deadline);
            }
        }
        match nearest.into_deadline() {
            Some(deadline) => self.alarm.set_alarm(deadline.reference, deadline.dt),
            None => {
                // An alarm that cannot be cancelled fires once more and finds nobody waiting.
                let _ = self.alarm.disarm();
            }
        }
    }
}

impl<'a, A: Alarm<'a>> AlarmClient for MuxAlarm<'a, A> {
    /// Calls every user whose deadline is reached, each at most once.
    ///
    /// A user that arms itself for "now" again waits for the next call, so it cannot keep the
    /// others or the rest of the kernel from running.
    fn alarm(&self) {
        self.firing.set(true);
        let mut unseen = self.armed.get();
        for user in self.users.iter() {
            if unseen == 0 {
                break;
            }
            let Some(deadline) = user.pending() else {
                continue;
            };
            unseen = unseen.wrapping_sub(1);
            // Clients take references of their own, and none may lie ahead of our reading.
            if deadline.is_due(self.alarm.now()) {
                user.armed.set(false);
                self.armed.set(self.armed.get().wrapping_sub(1));
                user.client.map(|client| client.alarm());
            }
        }
        self.firing.set(false);
        if self.armed.get() != 0 {
            self.reprogram();
        }
    }
}

/// One user's alarm.
pub struct VirtualMuxAlarm<'a, A: Alarm<'a>> {
    mux: &'a MuxAlarm<'a, A>,
    /// The deadline given last, kept after it fired.
    deadline: Cell<Option<Deadline<A::Ticks>>>,
    armed: Cell<bool>,
    client: OptionalCell<&'a dyn AlarmClient>,
    joined: Cell<bool>,
    next: ListLink<'a, VirtualMuxAlarm<'a, A>>,
}

impl<'a, A: Alarm<'a>> VirtualMuxAlarm<'a, A> {
    /// Creates an alarm, which works after [`setup`](Self::setup).
    pub const fn new(mux: &'a MuxAlarm<'a, A>) -> Self {
        VirtualMuxAlarm {
            mux,
            deadline: Cell::new(None),
            armed: Cell::new(false),
            client: OptionalCell::empty(),
            joined: Cell::new(false),
            next: ListLink::empty(),
        }
    }

    /// Joins the owner's list. Further calls do nothing.
    pub fn setup(&'a self) {
        if !self.joined.replace(true) {
            self.mux.users.push_tail(self);
        }
    }

    /// The deadline to fire at, if it is armed.
    #[inline(always)]
    fn pending(&self) -> Option<Deadline<A::Ticks>> {
        if self.armed.get() {
            self.deadline.get()
        } else {
            None
        }
    }
}

impl<'a, A: Alarm<'a>> ListNode<'a, VirtualMuxAlarm<'a, A>> for VirtualMuxAlarm<'a, A> {
    fn next(&'a self) -> &'a ListLink<'a, VirtualMuxAlarm<'a, A>> {
        &self.next
    }
}

impl<'a, A: Alarm<'a>> Time for VirtualMuxAlarm<'a, A> {
    type Frequency = A::Frequency;
    type Ticks = A::Ticks;

    #[inline]
    fn now(&self) -> A::Ticks {
        self.mux.alarm.now()
    }
}

impl<'a, A: Alarm<'a>> Alarm<'a> for VirtualMuxAlarm<'a, A> {
    fn set_alarm_client(&self, client: &'a dyn AlarmClient) {
        self.client.set(client);
    }

    fn set_alarm(&self, reference: A::Ticks, dt: A::Ticks) {
        let deadline = Deadline { reference, dt };
        self.deadline.set(Some(deadline));
        self.mux.set(deadline, self.armed.replace(true));
    }

    fn get_alarm(&self) -> A::Ticks {
        let last = self.deadline.get();
        last.map_or_else(|| A::Ticks::from(0u32), |deadline| deadline.end())
    }

    fn disarm(&self) -> Result<(), ErrorCode> {
        if self.armed.replace(false) {
            self.mux.given_up();
        }
        Ok(())
    }

    fn is_armed(&self) -> bool {
        self.armed.get()
    }

    fn minimum_dt(&self) -> A::Ticks {
        self.mux.alarm.minimum_dt()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fakes::alarm::FakeAlarm;
    use kernel::hil::time::{Ticks, Ticks32};
    use std::boxed::Box;
    use std::vec::Vec;

    type Clock = FakeAlarm<Ticks32>;
    type User = VirtualMuxAlarm<'static, Clock>;

    struct Recorder {
        alarm: &'static User,
        fired_at: core::cell::RefCell<Vec<u32>>,
        /// Interval to arm again with, from inside the callback.
        again: Cell<Option<u32>>,
    }

    impl AlarmClient for Recorder {
        fn alarm(&self) {
            let now = self.alarm.now();
            self.fired_at.borrow_mut().push(now.into_u32());
            assert!(!self.alarm.is_armed());
            if let Some(dt) = self.again.get() {
                self.alarm.set_alarm(now, dt.into());
            }
        }
    }

    impl Recorder {
        fn times(&self) -> Vec<u32> {
            self.fired_at.borrow().clone()
        }
    }

    fn setup<const N: usize>(start: u32) -> (&'static Clock, [&'static Recorder; N]) {
        let clock: &'static Clock = Box::leak(Box::new(FakeAlarm::starting_at(start.into())));
        let mux: &'static MuxAlarm<'static, Clock> = Box::leak(Box::new(MuxAlarm::new(clock)));
        clock.set_alarm_client(mux);
        let users = core::array::from_fn(|_| {
            let alarm: &'static User = Box::leak(Box::new(VirtualMuxAlarm::new(mux)));
            alarm.setup();
            let recorder: &'static Recorder = Box::leak(Box::new(Recorder {
                alarm,
                fired_at: Default::default(),
                again: Cell::new(None),
            }));
            alarm.set_alarm_client(recorder);
            recorder
        });
        (clock, users)
    }

    fn arm(user: &Recorder, dt: u32) {
        user.alarm.set_alarm(user.alarm.now(), dt.into());
    }

    #[test]
    fn every_user_fires_at_its_own_time_across_the_wrap() {
        let start = u32::MAX - 20;
        let (clock, [a, b, c]) = setup(start);
        arm(a, 50);
        arm(b, 10);
        arm(c, 30);
        clock.run(100);
        assert_eq!(a.times(), [start.wrapping_add(50)]);
        assert_eq!(b.times(), [start.wrapping_add(10)]);
        assert_eq!(c.times(), [start.wrapping_add(30)]);
        assert!(!clock.is_armed());
    }

    #[test]
    fn a_given_up_deadline_neither_fires_nor_wakes() {
        let (clock, [a, b]) = setup(0);
        arm(a, 10);
        arm(b, 40);
        a.alarm.disarm().unwrap();
        assert!(!a.alarm.is_armed());
        clock.run(39);
        assert_eq!(clock.wakes(), 0);
        clock.run(1);
        assert!(a.times().is_empty());
        assert_eq!(b.times(), [40]);
        b.alarm.disarm().unwrap();
    }

    #[test]
    fn the_last_disarm_stops_the_hardware() {
        let (clock, [a]) = setup(0);
        arm(a, 10);
        a.alarm.disarm().unwrap();
        assert!(!clock.is_armed());
    }

    #[test]
    fn moving_a_deadline_later_does_not_fire_early() {
        let (clock, [a, b]) = setup(5);
        arm(a, 10);
        arm(b, 90);
        arm(a, 50);
        assert_eq!(a.alarm.get_alarm().into_u32(), 55);
        clock.run(200);
        assert_eq!(a.times(), [55]);
        assert_eq!(b.times(), [95]);
        assert_eq!(clock.wakes(), 2);
    }

    #[test]
    fn arming_again_from_the_callback_keeps_the_rhythm() {
        let (clock, [a, b]) = setup(0);
        a.again.set(Some(7));
        b.again.set(Some(11));
        arm(a, 7);
        arm(b, 11);
        clock.run(77);
        assert_eq!(a.times(), (1..=11).map(|n| n * 7).collect::<Vec<_>>());
        assert_eq!(b.times(), (1..=7).map(|n| n * 11).collect::<Vec<_>>());
    }

    #[test]
    fn a_user_that_is_always_due_gets_one_call_per_wake() {
        let (clock, [greedy, neighbour]) = setup(0);
        greedy.again.set(Some(0));
        arm(greedy, 0);
        arm(neighbour, 3);
        for _ in 0..5 {
            clock.fire_if_due();
        }
        assert_eq!(greedy.times().len(), 5);
        greedy.again.set(None);
        clock.run(3);
        assert_eq!(neighbour.times(), [3]);
    }

    #[test]
    fn a_reference_in_the_past_counts() {
        let (clock, [a]) = setup(1000);
        a.alarm.set_alarm(900.into(), 150.into());
        clock.run(49);
        assert!(a.times().is_empty());
        clock.run(1);
        assert_eq!(a.times(), [1050]);
        a.alarm.set_alarm(900.into(), 20.into());
        clock.fire_if_due();
        assert_eq!(a.times(), [1050, 1050]);
    }

    #[test]
    fn the_longest_interval_of_a_narrow_counter_is_kept() {
        let (clock, [a, b]) = setup(10);
        a.alarm.set_alarm(10.into(), Ticks32::max_value());
        arm(b, 1);
        clock.run(2);
        assert!(a.times().is_empty());
        clock.set_time(8.into());
        clock.fire_if_due();
        assert!(a.times().is_empty());
        clock.run(1);
        assert_eq!(a.times(), [9]);
    }

    #[test]
    fn agrees_with_a_plain_list_of_deadlines_under_random_use() {
        let mut random = crate::fakes::Xorshift::new(0x1234_5678);
        let (clock, users) = setup::<4>(u32::MAX - 3000);
        // The model: absolute times on a wide line, starting at zero.
        let mut line: u64 = 0;
        let mut due: [Option<u64>; 4] = [None; 4];
        let mut fired = [0usize; 4];
        for _ in 0..20_000 {
            let pick = random.below(4);
            match random.below(3) {
                0 => {
                    let dt = random.below(200) as u32 + 1;
                    arm(users[pick], dt);
                    due[pick] = Some(line + u64::from(dt));
                }
                1 => {
                    users[pick].alarm.disarm().unwrap();
                    due[pick] = None;
                }
                _ => {
                    let step = random.below(40) as u32;
                    clock.run(step);
                    line += u64::from(step);
                    for (slot, count) in due.iter_mut().zip(&mut fired) {
                        if slot.is_some_and(|at| at <= line) {
                            *slot = None;
                            *count += 1;
                        }
                    }
                }
            }
            for (user, (slot, count)) in users.iter().zip(due.iter().zip(fired)) {
                assert_eq!(user.alarm.is_armed(), slot.is_some());
                assert_eq!(user.fired_at.borrow().len(), count);
            }
            assert_eq!(clock.is_armed(), due.iter().any(Option::is_some));
        }
        assert!(fired.iter().all(|count| *count > 100));
    }
}
