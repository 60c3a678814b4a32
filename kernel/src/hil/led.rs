// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Lights, alone or on a pin.

use super::gpio;

/// A light.
pub trait Led {
    /// Prepares the light for use, switched off.
    fn init(&self);

    /// Switches the light on.
    fn on(&self);

    /// Switches the light off.
    fn off(&self);

    /// Switches the light to its other state.
    fn toggle(&self);

    /// Tells whether the light is on.
    fn read(&self) -> bool;
}

/// A light that is on while its pin is high.
pub struct LedHigh<'a, P: gpio::Pin> {
    /// The pin that feeds the light.
    pub pin: &'a P,
}

/// A light that is on while its pin is low.
pub struct LedLow<'a, P: gpio::Pin> {
    /// The pin that drains the light.
    pub pin: &'a P,
}

impl<'a, P: gpio::Pin> LedHigh<'a, P> {
    /// Puts a light on `pin`.
    pub const fn new(pin: &'a P) -> Self {
        Self { pin }
    }
}

impl<'a, P: gpio::Pin> LedLow<'a, P> {
    /// Puts a light on `pin`.
    pub const fn new(pin: &'a P) -> Self {
        Self { pin }
    }
}

impl<P: gpio::Pin> Led for LedHigh<'_, P> {
    fn init(&self) {
        self.pin.make_output();
        self.off();
    }

    fn on(&self) {
        self.pin.set();
    }

    fn off(&self) {
        self.pin.clear();
    }

    fn toggle(&self) {
        self.pin.toggle();
    }

    fn read(&self) -> bool {
        self.pin.read()
    }
}

impl<P: gpio::Pin> Led for LedLow<'_, P> {
    fn init(&self) {
        self.pin.make_output();
        self.off();
    }

    fn on(&self) {
        self.pin.clear();
    }

    fn off(&self) {
        self.pin.set();
    }

    fn toggle(&self) {
        self.pin.toggle();
    }

    fn read(&self) -> bool {
        !self.pin.read()
    }
}

#[cfg(test)]
mod tests {
    use super::super::gpio::tests::FakePin;
    use super::*;

    #[test]
    fn a_light_on_a_high_pin_follows_the_level() {
        let pin = FakePin::at(true);
        let led = LedHigh::new(&pin);
        led.init();
        assert!(pin.is_output.get() && !led.read());
        led.on();
        assert!(led.read() && pin.level.get());
        led.toggle();
        assert!(!led.read() && !pin.level.get());
    }

    #[test]
    fn a_light_on_a_low_pin_opposes_the_level() {
        let pin = FakePin::at(false);
        let led = LedLow::new(&pin);
        led.init();
        assert!(pin.is_output.get() && !led.read() && pin.level.get());
        led.on();
        assert!(led.read() && !pin.level.get());
        led.off();
        assert!(!led.read());
    }
}
