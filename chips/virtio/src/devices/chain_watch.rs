// SPDX-License-Identifier: Apache-2.0 OR MIT

//! How long the chains of a queue have been with the device, counted in polls.

use core::cell::Cell;

use super::Progress;
use crate::queues::BufferQueue;
use crate::transports::POLLS_IN_A_SECOND;

/// How many polls have to see a chain before it has been there for a second.
const POLLS: usize = POLLS_IN_A_SECOND as usize;

/// Remembers how many chains had been provided at the last few polls. A chain that is older than the
/// first of these has been with the device for longer than the time between them.
pub(super) struct ChainWatch {
    provided: Cell<[u32; POLLS]>,
}

impl ChainWatch {
    pub(super) const fn new() -> Self {
        Self {
            provided: Cell::new([0; POLLS]),
        }
    }

    /// Starts anew, with a queue that was initialized and has no chains.
    pub(super) fn restart(&self) {
        self.provided.set([0; POLLS]);
    }

    /// Looks at the queue, at a poll.
    pub(super) fn check<'b>(&self, queue: &(impl BufferQueue<'b> + ?Sized)) -> Progress {
        let provided = queue.provided();
        let mut seen = self.provided.get();
        let [oldest, ..] = seen;
        seen.rotate_left(1);
        if let Some(last) = seen.last_mut() {
            *last = provided;
        }
        self.provided.set(seen);
        if queue.holds_any_of_first(oldest) {
            Progress::Stalled
        } else if queue.holds_any_of_first(provided) {
            Progress::Waiting
        } else {
            Progress::Idle
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::queues::Virtqueue;
    use crate::testing::queue_rig::Rig;

    #[test]
    fn a_chain_stalls_when_it_has_been_there_for_a_second_of_polls() {
        let rig = Rig::<4>::new();
        let watch = ChainWatch::new();
        assert_eq!(watch.check(rig.queue), Progress::Idle);
        rig.post(4, 0);
        for _ in 0..POLLS {
            assert_eq!(watch.check(rig.queue), Progress::Waiting);
        }
        assert_eq!(watch.check(rig.queue), Progress::Stalled);
    }

    #[test]
    fn chains_that_come_and_go_do_not_stall() {
        let rig = Rig::<4>::new();
        let watch = ChainWatch::new();
        rig.post(4, 0);
        for _ in 0..20 {
            rig.post(4, 0);
            assert_eq!(watch.check(rig.queue), Progress::Waiting);
            let chain = rig.device.pop().unwrap();
            rig.device.return_used(chain.head.into(), 0);
            rig.queue.reap();
        }
        let chain = rig.device.pop().unwrap();
        rig.device.return_used(chain.head.into(), 0);
        rig.queue.reap();
        assert_eq!(watch.check(rig.queue), Progress::Idle);
    }

    #[test]
    fn one_that_is_left_behind_stalls_although_others_come_and_go() {
        let rig = Rig::<4>::new();
        let watch = ChainWatch::new();
        rig.post(4, 0);
        rig.device.pop().unwrap();
        for poll in 0..=POLLS {
            rig.post(4, 1);
            let chain = rig.device.pop().unwrap();
            let expected = if poll < POLLS {
                Progress::Waiting
            } else {
                Progress::Stalled
            };
            assert_eq!(watch.check(rig.queue), expected);
            rig.device.return_used(chain.head.into(), 0);
            rig.queue.reap();
        }
    }

    #[test]
    fn a_queue_that_begins_anew_is_not_held_to_what_came_before() {
        let rig = Rig::<4>::new();
        let watch = ChainWatch::new();
        for round in 0..10 {
            rig.post(4, round);
            let chain = rig.device.pop().unwrap();
            rig.device.return_used(chain.head.into(), 0);
            rig.queue.used_interrupt();
            let _ = watch.check(rig.queue);
        }
        // SAFETY: the device model does nothing by itself.
        unsafe { rig.queue.device_was_reset() };
        rig.queue.initialize(0, 4);
        watch.restart();
        rig.post(4, 0);
        for _ in 0..POLLS {
            assert_eq!(watch.check(rig.queue), Progress::Waiting);
        }
        assert_eq!(watch.check(rig.queue), Progress::Stalled);
    }
}
