// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Time for processes while devices interrupt without end.
//!
//! The kernel serves interrupts before processes, and a card on a flooded network always has another
//! one. So now and then the scheduler is asked whether a process has been waiting nearly all along; if
//! so, interrupts of devices are put off for half as long again, which leaves processes a third of the
//! time. The serial port's are not put off, nor the timer's, and a card goes on receiving into what
//! buffers it has.

use capsules_core::virtualizers::virtual_alarm::VirtualMuxAlarm;
use capsules_system::scheduler::round_robin::RoundRobinSched;
use core::cell::Cell;

use kernel::hil::time::{Alarm, AlarmClient, ConvertTicks, Frequency, Ticks, Time};
use qemu_rv32_virt_chip::chip::InterruptWatch;
use qemu_rv32_virt_chip::plic::Plic;

use crate::board::Timer;

/// Time between two looks, at least, in microseconds.
const LOOK_EVERY_US: u32 = 4_000;

/// Processes wait if they got less than this part of the time.
const SHARE: u32 = 4;

/// How long interrupts are put off at most, in microseconds.
const LONGEST_US: u32 = 10_000;

/// Keeps interrupts from taking all the time.
pub struct UserShare {
    scheduler: &'static RoundRobinSched,
    plic: &'static Plic,
    alarm: &'static VirtualMuxAlarm<'static, Timer>,
    /// The clock at the last look.
    looked_at: Cell<u32>,
}

impl UserShare {
    /// Looks after the processes of `scheduler`. To be made the client of `alarm`, and the chip's
    /// watch.
    pub fn new(
        scheduler: &'static RoundRobinSched,
        plic: &'static Plic,
        alarm: &'static VirtualMuxAlarm<'static, Timer>,
    ) -> Self {
        Self {
            scheduler,
            plic,
            alarm,
            looked_at: Cell::new(alarm.now().into_u32()),
        }
    }

    /// Returns the microseconds since the last look, if those are enough for another.
    fn time_to_look(&self) -> Option<u32> {
        let now = self.alarm.now().into_u32();
        let ticks_in_us = <Timer as Time>::Frequency::frequency() / 1_000_000;
        let elapsed_us = now.wrapping_sub(self.looked_at.get()) / ticks_in_us;
        if elapsed_us < LOOK_EVERY_US {
            return None;
        }
        self.looked_at.set(now);
        Some(elapsed_us)
    }
}

impl InterruptWatch for UserShare {
    fn batch_served(&self) {
        if let Some(elapsed_us) = self.time_to_look()
            && self.scheduler.starves(elapsed_us / SHARE)
            && !self.alarm.is_armed()
        {
            self.plic.put_off();
            let moment = self.alarm.ticks_from_us((elapsed_us / 2).min(LONGEST_US));
            self.alarm.set_alarm(self.alarm.now(), moment);
        }
    }
}

impl AlarmClient for UserShare {
    fn alarm(&self) {
        self.plic.release();
        // What processes got meanwhile is no time between interrupts.
        self.looked_at.set(self.alarm.now().into_u32());
        self.scheduler.starves(0);
    }
}
