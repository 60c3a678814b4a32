// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Access to peripherals whose clock is switched around each use.

use core::ops::Deref;

use crate::platform::chip::ClockInterface;

/// A peripheral with a clock of type `C`.
pub trait PeripheralManagement<C: ClockInterface> {
    /// The peripheral's registers.
    type RegisterType;

    /// Returns the registers. They are for use between the two methods below.
    fn get_registers(&self) -> &Self::RegisterType;

    /// Returns the clock.
    fn get_clock(&self) -> &C;

    /// Prepares the registers for use, as a rule by starting the clock.
    fn before_peripheral_access(&self, clock: &C, registers: &Self::RegisterType);

    /// Ends the use of the registers, as a rule by stopping the clock if nothing is going on.
    fn after_peripheral_access(&self, clock: &C, registers: &Self::RegisterType);
}

/// The use of a peripheral's registers, from its making to its drop.
pub struct PeripheralManager<'a, P, C>
where
    P: PeripheralManagement<C>,
    C: ClockInterface,
{
    peripheral: &'a P,
    clock: &'a C,
    /// The peripheral's registers, which are ready for use.
    pub registers: &'a P::RegisterType,
}

impl<'a, P, C> PeripheralManager<'a, P, C>
where
    P: PeripheralManagement<C>,
    C: ClockInterface,
{
    /// Prepares `peripheral` for use.
    pub fn new(peripheral: &'a P) -> Self {
        let (clock, registers) = (peripheral.get_clock(), peripheral.get_registers());
        peripheral.before_peripheral_access(clock, registers);
        Self {
            peripheral,
            clock,
            registers,
        }
    }
}

impl<P, C> Deref for PeripheralManager<'_, P, C>
where
    P: PeripheralManagement<C>,
    C: ClockInterface,
{
    type Target = P::RegisterType;

    fn deref(&self) -> &P::RegisterType {
        self.registers
    }
}

impl<P, C> Drop for PeripheralManager<'_, P, C>
where
    P: PeripheralManagement<C>,
    C: ClockInterface,
{
    fn drop(&mut self) {
        self.peripheral
            .after_peripheral_access(self.clock, self.registers);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use core::cell::Cell;

    #[derive(Default)]
    struct Gate(Cell<bool>);

    impl ClockInterface for Gate {
        fn is_enabled(&self) -> bool {
            self.0.get()
        }

        fn enable(&self) {
            self.0.set(true);
        }

        fn disable(&self) {
            self.0.set(false);
        }
    }

    #[derive(Default)]
    struct Timer {
        gate: Gate,
        count: Cell<u32>,
    }

    impl PeripheralManagement<Gate> for Timer {
        type RegisterType = Cell<u32>;

        fn get_registers(&self) -> &Cell<u32> {
            &self.count
        }

        fn get_clock(&self) -> &Gate {
            &self.gate
        }

        fn before_peripheral_access(&self, clock: &Gate, _: &Cell<u32>) {
            clock.enable();
        }

        fn after_peripheral_access(&self, clock: &Gate, count: &Cell<u32>) {
            // A timer that is counting needs its clock.
            if count.get() == 0 {
                clock.disable();
            }
        }
    }

    #[test]
    fn the_clock_runs_during_the_use_and_as_long_as_the_peripheral_says() {
        let timer = Timer::default();
        {
            let registers = PeripheralManager::new(&timer);
            assert!(timer.gate.is_enabled());
            registers.set(0);
        }
        assert!(!timer.gate.is_enabled());
        PeripheralManager::new(&timer).registers.set(5);
        assert!(timer.gate.is_enabled());
    }
}
