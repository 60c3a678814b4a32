// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Stand-ins for the device and the machine, for host tests.

pub(crate) mod configuration;
pub(crate) mod fence;
