// SPDX-License-Identifier: Apache-2.0 OR MIT

//! What the tap keeps for a process.

use super::frame_chunk::Stored;
use super::upcall;
use kernel::grant::GrantKernelData;

/// A frame on its way out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Outgoing {
    pub(super) length: u16,
    /// The process's own number for it.
    pub(super) id: usize,
}

/// A process's one transmission.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Transmission {
    #[default]
    None,
    /// Still in the process's buffer.
    Queued(Outgoing),
    /// With the adapter.
    InFlight(Outgoing),
    /// Over, and the process is still to be told so.
    Ended((usize, usize, usize)),
}

/// Frames and their bytes; both wrap.
#[derive(Debug, Default)]
pub(super) struct Counter {
    pub(super) frames: u32,
    pub(super) bytes: u32,
}

impl Counter {
    pub(super) fn count(&mut self, bytes: usize) {
        self.frames = self.frames.wrapping_add(1);
        self.bytes = self.bytes.wrapping_add(bytes as u32);
    }
}

/// A process's use of the tap.
#[derive(Debug, Default)]
pub struct App {
    pub(super) transmission: Transmission,
    pub(super) sent: Counter,
    pub(super) received: Counter,
    /// Received frames that found no place in the shared slice.
    pub(super) dropped: u32,
    /// Whether the process is to look at its slice and was not told yet.
    look: bool,
}

impl App {
    /// Notes what became of a received frame of `length` bytes.
    pub(super) fn count_received(&mut self, outcome: Stored, length: usize) {
        match outcome {
            Stored::Yes { first } => {
                self.received.count(length);
                self.look |= first;
            }
            Stored::No { newly_exceeded } => {
                self.dropped = self.dropped.wrapping_add(1);
                // A process that sleeps on a full slice would never hear again.
                self.look |= newly_exceeded;
            }
        }
    }

    /// Schedules upcalls that are due.
    ///
    /// One that finds the queue full stays due: it is tried at the process's next command and
    /// whenever a frame comes or goes.
    pub(super) fn catch_up(&mut self, kernel_data: &GrantKernelData) {
        let schedule = |number, arguments| kernel_data.schedule_upcall(number, arguments).is_ok();
        if self.schedule_due(schedule) {
            return;
        }
        // A process that swaps slices without yielding fills the queue itself. One call tells it as
        // much as several do, so the places of the others are there to be used.
        if kernel_data.remove_pending_upcalls(upcall::RECEIVED) != 0 {
            self.look = true;
            self.schedule_due(schedule);
        }
    }

    /// Returns whether nothing is due any more.
    fn schedule_due(
        &mut self,
        mut schedule: impl FnMut(usize, (usize, usize, usize)) -> bool,
    ) -> bool {
        if self.look && schedule(upcall::RECEIVED, (0, 0, 0)) {
            self.look = false;
        }
        if let Transmission::Ended(arguments) = self.transmission
            && schedule(upcall::SENT, arguments)
        {
            self.transmission = Transmission::None;
        }
        !self.look && !matches!(self.transmission, Transmission::Ended(_))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec::Vec;

    type Upcall = (usize, (usize, usize, usize));

    fn due(app: &mut App) -> Vec<Upcall> {
        let mut seen = Vec::new();
        app.schedule_due(|number, arguments| {
            seen.push((number, arguments));
            true
        });
        seen
    }

    #[test]
    fn the_first_frame_of_a_slice_wakes_and_the_next_ones_do_not() {
        let mut app = App::default();
        app.count_received(Stored::Yes { first: true }, 60);
        assert_eq!(due(&mut app), [(0, (0, 0, 0))]);
        app.count_received(Stored::Yes { first: false }, 100);
        assert_eq!(due(&mut app), []);
        assert_eq!((app.received.frames, app.received.bytes), (2, 160));
        assert_eq!(app.dropped, 0);
    }

    #[test]
    fn the_first_miss_wakes_and_every_miss_counts() {
        let mut app = App::default();
        app.count_received(
            Stored::No {
                newly_exceeded: true,
            },
            60,
        );
        app.count_received(
            Stored::No {
                newly_exceeded: false,
            },
            60,
        );
        assert_eq!(due(&mut app), [(0, (0, 0, 0))]);
        assert_eq!((app.received.frames, app.dropped), (0, 2));
    }

    #[test]
    fn upcalls_that_find_the_queue_full_stay_due() {
        let mut app = App {
            transmission: Transmission::Ended((0, 60, 7)),
            ..App::default()
        };
        app.count_received(Stored::Yes { first: true }, 60);
        app.schedule_due(|_, _| false);
        // Room for one only.
        let mut room = 1;
        app.schedule_due(|_, _| core::mem::replace(&mut room, 0) > 0);
        assert_eq!(due(&mut app), [(1, (0, 60, 7))]);
        assert_eq!(app.transmission, Transmission::None);
        assert_eq!(due(&mut app), []);
    }

    #[test]
    fn a_frame_that_is_under_way_has_no_upcall_yet() {
        let frame = Outgoing { length: 60, id: 1 };
        for transmission in [Transmission::Queued(frame), Transmission::InFlight(frame)] {
            let mut app = App {
                transmission,
                ..App::default()
            };
            assert_eq!(due(&mut app), []);
            assert_eq!(app.transmission, transmission);
        }
    }

    #[test]
    fn counters_wrap() {
        let mut counter = Counter {
            frames: u32::MAX,
            bytes: u32::MAX - 10,
        };
        counter.count(60);
        assert_eq!((counter.frames, counter.bytes), (0, 49));
    }
}
