// SPDX-License-Identifier: Apache-2.0 OR MIT

//! What a device can be told to do wrong.

use std::sync::atomic::{AtomicU32, Ordering};

use clap::ValueEnum;

/// One way of breaking the standard (VirtIO 1.2, 2.7 unless said otherwise).
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Lie {
    /// Returns the first index behind the descriptor table.
    IdBeyondTable,
    /// Returns a head that is right in its lower 16 bits only.
    IdTooWide,
    /// Returns the second descriptor of a chain.
    IdInsideChain,
    /// Returns each chain twice.
    IdTwice,
    /// Returns a descriptor on the other side of the table, which is free unless the queue is full.
    IdNeverIssued,
    /// Moves the used index further than the queue is long.
    IndexJump,
    /// Moves the used index back.
    IndexBack,
    /// Claims to have written nothing.
    LenZero,
    /// Claims fewer bytes than a network header has (5.1.6).
    LenShort,
    /// Claims one byte more than was posted.
    LenOver,
    /// Claims as many bytes as the field can tell.
    LenMax,
    /// Delivers a frame longer than the MTU allows, in a buffer that has room for it (5.1.6.4).
    FrameOverlong,
    /// Says that a frame lies in more buffers than there are (5.1.6.4).
    HeaderBuffers,
    /// Says that a frame lies in no buffer at all.
    HeaderNoBuffers,
    /// Says that a frame goes on in a second buffer, which then begins another frame.
    HeaderTwoBuffers,
    /// Sets every flag and an unknown segmentation type in a frame's header (5.1.6).
    HeaderFlags,
    /// Interrupts without end and without cause.
    Storm,
    /// Takes chains and never returns any.
    Silence,
    /// Fills the descriptor table with garbage, which only the driver may write.
    ScribbleDescriptors,
    /// Fills the available ring with garbage, its index included.
    ScribbleAvailable,
    /// Fills the fields by which it asks for notifications with garbage that changes each time.
    ScribbleWishes,
    /// Goes on writing to buffers that it has returned.
    WriteAfterReturn,
    /// Disconnects from QEMU.
    Vanish,
}

/// How long a device obeys, what it does then, and for how long.
#[derive(Debug)]
pub struct Script {
    honest: AtomicU32,
    lie: Option<Lie>,
    /// How many lies are left.
    lies: AtomicU32,
}

/// Takes one off a count. Says whether there was one.
fn spend(count: &AtomicU32) -> bool {
    count
        .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| {
            left.checked_sub(1)
        })
        .is_ok()
}

impl Script {
    /// Obeys to the end.
    #[must_use]
    pub const fn honest() -> Script {
        Script {
            honest: AtomicU32::new(0),
            lie: None,
            lies: AtomicU32::new(0),
        }
    }

    /// Obeys for `honest` chains, and lies with each one thereafter.
    #[must_use]
    pub const fn lie_after(honest: u32, lie: Lie) -> Script {
        Script::lie_times(honest, lie, u32::MAX)
    }

    /// Obeys for `honest` chains, lies with the next `times`, and obeys from then on.
    #[must_use]
    pub const fn lie_times(honest: u32, lie: Lie, times: u32) -> Script {
        Script {
            honest: AtomicU32::new(honest),
            lie: Some(lie),
            lies: AtomicU32::new(times),
        }
    }

    /// What to do with the next chain; `None` is to obey.
    pub(crate) fn next(&self) -> Option<Lie> {
        let lie = self.lie?;
        (!spend(&self.honest) && spend(&self.lies)).then_some(lie)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_script_obeys_first_and_never_again() {
        let script = Script::lie_after(2, Lie::Storm);
        let told: Vec<_> = (0..4).map(|_| script.next()).collect();
        assert_eq!(told, [None, None, Some(Lie::Storm), Some(Lie::Storm)]);
    }

    #[test]
    fn a_script_may_come_to_its_senses() {
        let script = Script::lie_times(1, Lie::Storm, 2);
        let told: Vec<_> = (0..5).map(|_| script.next()).collect();
        assert_eq!(told, [None, Some(Lie::Storm), Some(Lie::Storm), None, None]);
    }

    #[test]
    fn an_honest_script_never_lies() {
        let script = Script::honest();
        assert!((0..4).all(|_| script.next().is_none()));
    }
}
