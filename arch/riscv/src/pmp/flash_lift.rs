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

pub(crate) static FLASH_RULE: FlashRule = FlashRule {
    state: AtomicU32::new(INERT),
    off: AtomicU32::new(0),
    on: AtomicU32::new(0),
    lifts: AtomicU32::new(0),
};

/// Returns how often the kernel had to lift the rule since start, modulo 2^32.
pub fn lift_count() -> u32 {
    FLASH_RULE.lifts.load(Relaxed)
}

/// Takes the two `pmpcfg0` values from the plan and, with Smepmp, arms the rule.
pub(super) fn set_words(plan: &Plan, mode: Mode) {
    FLASH_RULE
        .off
        .store(plan.config_word_flash_lifted(), Relaxed);
    FLASH_RULE.on.store(plan.config_word(0), Relaxed);
    FLASH_RULE
        .state
        .store(if mode == Mode::Smepmp { ARMED } else { INERT }, Relaxed);
}

/// Gives the rule other rights from the next entry to user mode on.
pub(super) fn change_rights(rights: FlashRights) {
    let mut plan = Plan::from_config_word(FLASH_RULE.on.load(Relaxed));
    plan.set_flash_rights(rights);
    FLASH_RULE.on.store(plan.config_word(0), Relaxed);
    FLASH_RULE.state.store(LIFTED, Relaxed);
}

/// Puts the rule back in force if it was lifted; call it before each entry to user mode.
#[inline(always)]
pub(crate) fn restore() {
    if FLASH_RULE.state.load(Relaxed) == LIFTED {
        rearm();
    }
}

#[cold]
#[inline(never)]
fn rearm() {
    // SAFETY: the value gives user mode the flash region of the loaded process, as planned.
    let configurations = unsafe { riscv_csr::pmp::PmpConfigurations::new() };
    configurations.write(0, FLASH_RULE.on.load(Relaxed));
    FLASH_RULE.state.store(ARMED, Relaxed);
}
