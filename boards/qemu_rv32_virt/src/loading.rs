// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Loading of processes without a look at credentials, which is done at once.

use kernel::capabilities::ProcessManagementCapability;
use kernel::process::{ProcessFaultPolicy, load_processes_reporting};
use kernel::{Kernel, debug};

use crate::announcement::Announcement;
use crate::board::Chip;

/// Loading that is over by the time it can be asked.
pub struct Loading;

impl Loading {
    /// Tells whether there is nothing left to load.
    pub fn is_finished(&self) -> bool {
        true
    }
}

/// Makes a process of each app in flash.
#[inline(never)]
pub fn start(
    kernel: &'static Kernel,
    chip: &'static Chip,
    flash: &'static [u8],
    ram: &'static mut [u8],
    fault_policy: &'static dyn ProcessFaultPolicy,
    announcement: &'static Announcement,
    capability: &dyn ProcessManagementCapability,
) -> Loading {
    let loaded = load_processes_reporting(
        kernel,
        chip,
        flash,
        ram,
        fault_policy,
        announcement,
        capability,
    );
    if let Err(error) = loaded {
        announcement.make();
        debug!("Not all apps were loaded: {}", error);
    }
    Loading
}
