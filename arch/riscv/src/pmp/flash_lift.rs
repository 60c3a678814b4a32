// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Letting the kernel read the flash of the loaded process under Smepmp.
//!
//! No Smepmp rule lets user mode read and execute what machine mode reads. So the first such load
//! by the kernel faults; the trap handler then switches the flash rule off, which uncovers the
//! kernel's own rule for ROM, and the load is repeated. The rule returns before user mode does.
//! A system call that does not touch app flash pays one load and one branch for this.
//!
//! [`FlashRule`] is shared with the trap handler, which knows its layout.

use super::plan::{Mode, Plan};
use super::regions::FlashRights;
use core::sync::atomic::{AtomicU32, Ordering::Relaxed};

/// The rule never keeps the kernel out (plain PMP), or none is set up yet.
const INERT: u32 = 0;
/// The rule is on.
const ARMED: u32 = 1;
/// The rule is off, or its rights are to be changed: write `on` before user mode runs.
const LIFTED: u32 = 2;

/// State of the flash rule. `trap.rs` knows the order of the fields and the values of `state`.
#[repr(C)]
pub(crate) struct FlashRule {
    state: AtomicU32,
    /// `pmpcfg0` with the rule off.
    off: AtomicU32,
    /// `pmpcfg0` with the rule on.
    on: AtomicU32,
    lifts: AtomicU32,
}

pub(crate) static FLASH_RULE: FlashRule = FlashRule::new();

impl FlashRule {
    const fn new() -> Self {
        FlashRule {
            state: AtomicU32::new(INERT),
            off: AtomicU32::new(0),
            on: AtomicU32::new(0),
            lifts: AtomicU32::new(0),
        }
    }

    /// Returns how often the rule was lifted.
    pub(super) fn lifts(&self) -> u32 {
        self.lifts.load(Relaxed)
    }

    /// Takes the two `pmpcfg0` values from the plan and, with Smepmp, arms the rule.
    pub(super) fn set_up(&self, plan: &Plan, mode: Mode) {
        self.off.store(plan.config_word_flash_lifted(), Relaxed);
        self.on.store(plan.config_word(0), Relaxed);
        let state = if mode == Mode::Smepmp { ARMED } else { INERT };
        self.state.store(state, Relaxed);
    }

    /// Gives the rule other rights from the next entry to user mode on.
    pub(super) fn change_rights(&self, rights: FlashRights) {
        let mut plan = Plan::from_config_word(self.on.load(Relaxed));
        plan.set_flash_rights(rights);
        self.on.store(plan.config_word(0), Relaxed);
        self.state.store(LIFTED, Relaxed);
    }

    /// Writes `pmpcfg0` if the rule is not in force as it should be.
    #[inline(always)]
    pub(super) fn restore(&self, write: impl FnOnce(u32)) {
        if self.state.load(Relaxed) == LIFTED {
            self.state.store(ARMED, Relaxed);
            write(self.on.load(Relaxed));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pmp::{KernelMap, Range};
    use std::vec::Vec;

    const MAP: KernelMap = KernelMap {
        text: Range::new(0x8000_0000, 0x8001_0000),
        rom: Range::new(0x8000_0000, 0x8020_0000),
        ram: Range::new(0x8020_0000, 0x8040_0000),
        stack_guard: Range::new(0x8020_0000, 0x8020_0400),
        devices: Range::new(0, 0x2000_0000),
        app_flash: Range::new(0x8010_0000, 0x8020_0000),
        app_ram: Range::new(0x8022_0000, 0x8040_0000),
    };

    fn writes(rule: &FlashRule) -> Vec<u32> {
        let mut words = Vec::new();
        rule.restore(|word| words.push(word));
        words
    }

    #[test]
    fn a_lifted_rule_is_restored_once() {
        let rule = FlashRule::new();
        let plan = Plan::new(&MAP, Mode::Smepmp).unwrap();
        rule.set_up(&plan, Mode::Smepmp);
        assert_eq!(writes(&rule), []);
        // As the trap handler does.
        rule.state.store(LIFTED, Relaxed);
        assert_eq!(writes(&rule), [plan.config_word(0)]);
        assert_eq!(writes(&rule), []);
        assert_eq!(rule.state.load(Relaxed), ARMED);
    }

    #[test]
    fn lifting_leaves_the_rule_for_kernel_text() {
        let rule = FlashRule::new();
        let plan = Plan::new(&MAP, Mode::Smepmp).unwrap();
        rule.set_up(&plan, Mode::Smepmp);
        let [text_low, text, flash_low, flash] = rule.off.load(Relaxed).to_le_bytes();
        assert_eq!([text_low, text, flash_low, flash], [0, 0b1000_1101, 0, 0]);
    }

    #[test]
    fn plain_pmp_never_lifts() {
        let rule = FlashRule::new();
        rule.set_up(&Plan::new(&MAP, Mode::Plain).unwrap(), Mode::Plain);
        assert_eq!(rule.state.load(Relaxed), INERT);
        assert_eq!(writes(&rule), []);
    }

    #[test]
    fn changed_rights_are_written_before_user_mode_runs() {
        let rule = FlashRule::new();
        rule.set_up(&Plan::new(&MAP, Mode::Smepmp).unwrap(), Mode::Smepmp);
        rule.change_rights(FlashRights::Read);
        let [word] = writes(&rule)[..] else {
            panic!("one write")
        };
        assert_eq!(word.to_le_bytes(), [0, 0b1000_1101, 0, 0b0000_1001]);
    }
}
