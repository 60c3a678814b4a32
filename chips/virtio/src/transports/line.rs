// SPDX-License-Identifier: Apache-2.0 OR MIT

//! The interrupt source of one device, as the interrupt controller lets a transport see it.

/// The switch of one device's interrupt source.
///
/// A transport masks it when the device interrupts without end and without work.
pub trait InterruptLine {
    /// Stops interrupts of this source.
    fn mask(&self);

    /// Lets interrupts of this source through again.
    fn unmask(&self);
}
