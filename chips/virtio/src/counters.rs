// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Event counters, for people who ask what a device has been doing.
//!
//! Counters wrap, and nothing is decided by them. Each set exists twice: the live one, which is
//! counted up in place, and the public snapshot that a console prints.

use core::cell::Cell;
use core::iter::{Copied, Zip};
use core::slice;

/// Names and values of a set of counters.
pub type Entries<'a> =
    Zip<Copied<slice::Iter<'static, &'static str>>, Copied<slice::Iter<'a, u32>>>;

/// One live counter.
pub(crate) struct Counter(Cell<u32>);

impl Counter {
    pub(crate) const fn new() -> Self {
        Self(Cell::new(0))
    }

    pub(crate) fn bump(&self) {
        self.0.set(self.0.get().wrapping_add(1));
    }

    pub(crate) fn add(&self, times: u32) {
        self.0.set(self.0.get().wrapping_add(times));
    }

    pub(crate) fn get(&self) -> u32 {
        self.0.get()
    }
}

/// Declares a public snapshot and the live set behind it, field by field the same.
macro_rules! counters {
    ($(#[$about:meta])* $snapshot:ident from $live:ident {
        $($(#[$what:meta])* $field:ident,)+
    }) => {
        $(#[$about])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        #[repr(C)]
        pub struct $snapshot {
            $($(#[$what])* pub $field: u32,)+
        }

        impl $snapshot {
            const NAMES: &'static [&'static str] = &[$(stringify!($field),)+];

            /// Lists names and values in order of declaration, for printing.
            pub fn entries(&self) -> Entries<'_> {
                let first: *const u32 = core::ptr::from_ref(self).cast();
                // SAFETY: in C's layout this is one value for each name, without padding.
                let values = unsafe { slice::from_raw_parts(first, Self::NAMES.len()) };
                Self::NAMES.iter().copied().zip(values.iter().copied())
            }
        }

        pub(crate) struct $live {
            $(pub(crate) $field: Counter,)+
        }

        impl $live {
            pub(crate) const fn new() -> Self {
                Self { $($field: Counter::new(),)+ }
            }

            pub(crate) fn snapshot(&self) -> $snapshot {
                $snapshot { $($field: self.$field.get(),)+ }
            }
        }
    };
}

counters! {
    /// What one virtqueue has seen.
    QueueCounters from QueueEvents {
        /// Available buffer notifications sent to the device.
        kicks,
        /// Times that the device had asked not to be notified.
        kicks_suppressed,
        /// Times that the queue was looked at for used buffers.
        scans,
        /// Scans that found nothing.
        empty_scans,
        /// Chains that the device returned.
        used,
        /// Violations of the protocol by the device; the first one breaks the queue.
        rejected,
        /// Chains refused because too few descriptors were free.
        full,
        /// Chains taken back after a reset, without the device having used them.
        reclaimed,
    }
}

counters! {
    /// What one transport has seen.
    TransportCounters from TransportEvents {
        /// Writes to the notification register.
        notifications,
        /// Interrupts from the device.
        interrupts,
        /// Interrupts without a cause that the standard defines.
        spurious,
        /// Interrupts for used buffers when there were none.
        empty,
        /// Configuration changes announced.
        configuration_changes,
        /// Times that the device asked to be reset.
        needs_reset,
        /// Resets by the driver, the one at each initialization included.
        resets,
        /// Times that the interrupt source was masked because the device would not be quiet.
        masked,
        /// Times that a queue was stopped because the device broke its rules.
        broken,
        /// Times that a request had not been completed after a second.
        stalled,
        /// Times that buffers were found used, and no interrupt had come for as long as a poll takes.
        found_late,
        /// Attempts to bring the device back into service.
        attempts,
        /// Those that succeeded.
        recoveries,
    }
}

counters! {
    /// What the entropy driver has seen.
    RngCounters from RngEvents {
        /// Buffers that came back with bytes.
        filled,
        /// Buffers that came back without a byte, which the standard forbids.
        empty,
        /// Buffers with bytes that do not vary as random ones do, which were thrown away.
        unhealthy,
        /// Calls of the client with random words.
        deliveries,
        /// Calls of the client with an error.
        failures,
    }
}

counters! {
    /// What the network driver has seen.
    NetCounters from NetEvents {
        /// Frames handed to the client.
        received,
        /// Times that the client had no room for a frame, which was kept for it.
        held,
        /// Received frames whose checksum was left open, and was filled in.
        checksums_completed,
        /// Frames that the device has sent.
        transmitted,
        /// Received: too short for the device's header and an Ethernet header.
        dropped_runt,
        /// Received: longer than the MTU allows.
        dropped_overlong,
        /// Received: asks for something that was not agreed on.
        dropped_malformed,
        /// Received: spread over more buffers than the device had.
        dropped_scattered,
        /// Received while nobody wanted frames.
        dropped_unwanted,
        /// Frames not accepted for sending.
        refused,
        /// Frames accepted for sending and lost with a reset of the device.
        lost,
        /// Changes between link up and link down.
        link_changes,
        /// Announcements that the device asked for.
        announcements,
        /// Requests that the device answered over the control queue.
        control_requests,
        /// Those that it refused.
        control_refused,
        /// Those that it gave no answer to that the standard defines.
        control_garbled,
        /// Configuration that could not be read, or made no sense.
        bad_configuration,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec::Vec;

    #[test]
    fn a_snapshot_keeps_its_values_while_the_live_counter_moves_on() {
        let live = QueueEvents::new();
        live.used.bump();
        let before = live.snapshot();
        live.used.bump();
        assert_eq!((before.used, live.snapshot().used), (1, 2));
    }

    #[test]
    fn counters_wrap_instead_of_panicking() {
        let counter = Counter(Cell::new(u32::MAX));
        counter.bump();
        assert_eq!(counter.get(), 0);
    }

    #[test]
    fn entries_carry_the_names_of_the_fields() {
        let live = TransportEvents::new();
        live.interrupts.bump();
        let entries: Vec<_> = live.snapshot().entries().collect();
        assert_eq!(entries.len(), 13);
        assert!(entries.contains(&("interrupts", 1)));
    }
}
