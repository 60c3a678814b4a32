// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Sharing one piece of hardware between several capsules.

pub mod virtual_alarm;
pub mod virtual_uart;
