// SPDX-License-Identifier: Apache-2.0 OR MIT

//! What the tap keeps for a process.

use super::batch::Batch;
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

/// A process's transmission that is not over yet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Transmission {
    #[default]
    None,
    /// Still in the process's buffer.
    Queued(Outgoing),
    /// With an adapter that tells later what became of it.
    InFlight(Outgoing),
    /// Frames still in the process's buffer.
    Batch(Batch),
    /// Over, and the process is still to be told so.
    Ended {
        /// The upcall that tells it.
        upcall: usize,
        arguments: (usize, usize, usize),
    },
}

/// Frames and their bytes; both wrap.
#[derive(Debug, Default)]
pub(super) struct Counter {
    pub(super) frames: u32,
    pub(super) bytes: u32,
}

impl Counter {
    #[inline]
    pub(super) fn count(&mut self, bytes: usize) {
        self.frames = self.frames.wrapping_add(1);
        self.bytes = self.bytes.wrapping_add(bytes as u32);
    }
}

/// Frames that a process did not get, or did not get rid of. All wrap.
#[derive(Debug, Default)]
pub(super) struct Drops {
    /// Received frames that found no place in the shared slice.
    pub(super) no_room: u32,
    /// Frames that were not accepted for sending.
    pub(super) refused: u32,
    /// Frames that were not accepted because of their length.
    pub(super) oversize: u32,
    /// Frames that were accepted and then lost.
    pub(super) lost: u32,
}

/// A process's use of the tap.
#[derive(Debug, Default)]
pub struct App {
    /// The process's number among those that use the tap.
    pub(super) number: Option<u8>,
    /// Whether an upcall is due.
    behind: bool,
    /// Whether the process is to look at its slice and was not told yet.
    look: bool,
    /// The link, while the process is to be told of it.
    link: Option<u32>,
    pub(super) transmission: Transmission,
    pub(super) sent: Counter,
    pub(super) received: Counter,
    pub(super) drops: Drops,
}

// It is the process's memory, as are 68 bytes for its upcalls and buffers.
#[cfg(target_pointer_width = "32")]
const _: () = assert!(size_of::<App>() <= 64);

impl App {
    /// Notes what became of a received frame of `length` bytes, and wakes the process if it is to
    /// look. A frame that is not stored is not counted here, since it may be offered again.
    #[inline(always)]
    pub(super) fn note_received(
        &mut self,
        outcome: Stored,
        length: usize,
        kernel_data: &GrantKernelData,
    ) {
        let wake = match outcome {
            Stored::Yes { first } => {
                self.received.count(length);
                first
            }
            // A process that sleeps on a full slice would never hear again.
            Stored::No { newly_exceeded, .. } => newly_exceeded,
        };
        let woken = wake
            && !self.behind
            && kernel_data
                .schedule_upcall(upcall::RECEIVED, (0, 0, 0))
                .is_ok();
        if wake && !woken {
            self.look = true;
            self.behind = true;
        }
        self.catch_up(kernel_data);
    }

    /// Has the process told of the link.
    #[cfg(feature = "ethernet-adapter")]
    pub(super) fn note_link(&mut self, link: u32) {
        self.link = Some(link);
        self.behind = true;
    }

    /// Has the process told that its transmission is over.
    #[cold]
    pub(super) fn note_ended(&mut self, upcall: usize, arguments: (usize, usize, usize)) {
        self.transmission = Transmission::Ended { upcall, arguments };
        self.behind = true;
    }

    /// Whether frames of the process wait for a buffer.
    pub(super) fn is_waiting(&self) -> bool {
        matches!(
            self.transmission,
            Transmission::Queued(_) | Transmission::Batch(_)
        )
    }

    /// Whether an upcall is due, for which there was no room.
    #[inline(always)]
    pub(super) fn is_behind(&self) -> bool {
        self.behind
    }

    /// Schedules upcalls that are due.
    ///
    /// One that finds the queue full stays due: it is tried at the process's next command, whenever a
    /// frame comes or goes, and by the timer.
    #[inline(always)]
    pub(super) fn catch_up(&mut self, kernel_data: &GrantKernelData) {
        if self.behind {
            self.schedule_or_make_room(kernel_data);
        }
    }

    #[cold]
    fn schedule_or_make_room(&mut self, kernel_data: &GrantKernelData) {
        if self.link.is_some() {
            // One that was not taken yet tells of a link that is no more.
            kernel_data.remove_pending_upcalls(upcall::LINK_CHANGED);
        }
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
        if let Transmission::Ended { upcall, arguments } = self.transmission
            && schedule(upcall, arguments)
        {
            self.transmission = Transmission::None;
        }
        if let Some(link) = self.link
            && schedule(upcall::LINK_CHANGED, (link as usize, 0, 0))
        {
            self.link = None;
        }
        self.behind = self.look
            || self.link.is_some()
            || matches!(self.transmission, Transmission::Ended { .. });
        !self.behind
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
    fn upcalls_that_find_the_queue_full_stay_due() {
        let mut app = App {
            look: true,
            ..App::default()
        };
        app.note_ended(1, (0, 60, 7));
        app.note_link(1 << 16 | 1500);
        app.schedule_due(|_, _| false);
        assert!(app.behind);
        // Room for one only.
        let mut room = 1;
        app.schedule_due(|_, _| core::mem::replace(&mut room, 0) > 0);
        assert_eq!(
            due(&mut app),
            [(1, (0, 60, 7)), (2, (1 << 16 | 1500, 0, 0))]
        );
        assert_eq!(app.transmission, Transmission::None);
        assert!(!app.behind);
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
