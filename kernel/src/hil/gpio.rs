// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Pins: configuration, levels and interrupts.

use core::cell::Cell;

use crate::ErrorCode;
use crate::utilities::cells::OptionalCell;

/// What pulls a pin that nothing drives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FloatingState {
    /// A resistor to the supply.
    PullUp,
    /// A resistor to ground.
    PullDown,
    /// Nothing.
    PullNone,
}

/// Which changes of level raise an interrupt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InterruptEdge {
    /// From low to high.
    RisingEdge,
    /// From high to low.
    FallingEdge,
    /// Both.
    EitherEdge,
}

/// What a pin is set up as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Configuration {
    /// Unused, in the state that takes the least power.
    LowPower,
    /// Its level can be read.
    Input,
    /// Its level can be driven.
    Output,
    /// Both at once.
    InputOutput,
    /// It belongs to another peripheral.
    Function,
    /// Something that the other variants do not describe.
    Other,
}

/// Whether what is on a pin is in effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum ActivationState {
    /// Not in effect.
    Inactive = 0,
    /// In effect.
    Active = 1,
}

/// The level at which what is on a pin is in effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ActivationMode {
    /// In effect while high.
    ActiveHigh,
    /// In effect while low.
    ActiveLow,
}

impl ActivationMode {
    /// The level, `true` for high, that `state` has in this mode.
    const fn level(self, state: ActivationState) -> bool {
        matches!(
            (self, state),
            (Self::ActiveHigh, ActivationState::Active)
                | (Self::ActiveLow, ActivationState::Inactive)
        )
    }

    /// The state that `level` stands for in this mode.
    const fn state(self, level: bool) -> ActivationState {
        if level == self.level(ActivationState::Active) {
            ActivationState::Active
        } else {
            ActivationState::Inactive
        }
    }
}

/// A pin that can be set up.
///
/// Each method that changes the set-up returns what it is afterwards, which may differ from what
/// was asked for if the hardware cannot do that.
pub trait Configure {
    /// Returns the present set-up.
    fn configuration(&self) -> Configuration;

    /// Makes the pin an output, keeping it an input if it can be both.
    fn make_output(&self) -> Configuration;

    /// Ends driving the pin.
    fn disable_output(&self) -> Configuration;

    /// Makes the pin an input, keeping it an output if it can be both.
    fn make_input(&self) -> Configuration;

    /// Ends reading the pin.
    fn disable_input(&self) -> Configuration;

    /// Puts the pin out of use, in the state that takes the least power.
    fn deactivate_to_low_power(&self);

    /// Chooses what pulls the pin.
    fn set_floating_state(&self, state: FloatingState);

    /// Returns what pulls the pin.
    fn floating_state(&self) -> FloatingState;

    /// Tells whether the pin can be read.
    fn is_input(&self) -> bool {
        use Configuration::{Input, InputOutput};
        matches!(self.configuration(), Input | InputOutput)
    }

    /// Tells whether the pin can be driven.
    fn is_output(&self) -> bool {
        use Configuration::{InputOutput, Output};
        matches!(self.configuration(), Output | InputOutput)
    }
}

/// A pin that can be driven; without effect while it is not an output.
pub trait Output {
    /// Drives the pin high.
    fn set(&self);

    /// Drives the pin low.
    fn clear(&self);

    /// Drives the pin to its other level and returns that: `true` for high.
    fn toggle(&self) -> bool;

    /// Drives the pin to the level that `state` has in `mode`.
    fn write_activation(&self, state: ActivationState, mode: ActivationMode) {
        if mode.level(state) {
            self.set()
        } else {
            self.clear()
        }
    }
}

/// A pin that can be read.
pub trait Input {
    /// Returns the level: `true` for high. Meaningless while the pin is not an input.
    fn read(&self) -> bool;

    /// Returns the state that the level stands for in `mode`.
    fn read_activation(&self, mode: ActivationMode) -> ActivationState {
        mode.state(self.read())
    }
}

/// A pin whose changes of level raise interrupts.
pub trait Interrupt<'a>: Input {
    /// Names the client to be told.
    fn set_client(&self, client: &'a dyn Client);

    /// Starts to watch for `mode`.
    fn enable_interrupts(&self, mode: InterruptEdge);

    /// Ends watching. An interrupt that is already pending may still be delivered.
    fn disable_interrupts(&self);

    /// Tells whether an interrupt is pending.
    fn is_pending(&self) -> bool;
}

/// A user of one pin's interrupts.
pub trait Client {
    /// An edge that was asked for has come.
    fn fired(&self);
}

/// A pin whose interrupts carry a number, so that one client can tell many pins apart.
pub trait InterruptWithValue<'a>: Input {
    /// Names the client to be told.
    fn set_client(&self, client: &'a dyn ClientWithValue);

    /// Starts to watch for `mode`.
    ///
    /// # Errors
    ///
    /// The pin cannot watch for that; nothing changed.
    fn enable_interrupts(&self, mode: InterruptEdge) -> Result<(), ErrorCode>;

    /// Ends watching. An interrupt that is already pending may still be delivered.
    fn disable_interrupts(&self);

    /// Tells whether an interrupt is pending.
    fn is_pending(&self) -> bool;

    /// Chooses the number.
    fn set_value(&self, value: u32);

    /// Returns the number.
    fn value(&self) -> u32;
}

/// A user of several pins' interrupts.
pub trait ClientWithValue {
    /// An edge that was asked for has come on the pin with the number `value`.
    fn fired(&self, value: u32);
}

/// A pin without interrupts.
pub trait Pin: Configure + Output + Input {}

impl<T: Configure + Output + Input> Pin for T {}

/// A pin with interrupts.
pub trait InterruptPin<'a>: Pin + Interrupt<'a> {}

impl<'a, T: Pin + Interrupt<'a>> InterruptPin<'a> for T {}

/// A pin with interrupts that carry a number.
pub trait InterruptValuePin<'a>: Pin + InterruptWithValue<'a> {}

impl<'a, T: Pin + InterruptWithValue<'a>> InterruptValuePin<'a> for T {}

/// Gives a pin's interrupts a number.
pub struct InterruptValueWrapper<'a, P: InterruptPin<'a>> {
    pin: &'a P,
    value: Cell<u32>,
    client: OptionalCell<&'a dyn ClientWithValue>,
}

impl<'a, P: InterruptPin<'a>> InterruptValueWrapper<'a, P> {
    /// Wraps `pin`, with the number zero.
    pub const fn new(pin: &'a P) -> Self {
        Self {
            pin,
            value: Cell::new(0),
            client: OptionalCell::empty(),
        }
    }
}

impl<P: InterruptPin<'static>> InterruptValueWrapper<'static, P> {
    /// Connects the wrapper to its pin. Without this its client hears nothing.
    pub fn finalize(&'static self) -> &'static Self {
        self.pin.set_client(self);
        self
    }
}

impl<'a, P: InterruptPin<'a>> Client for InterruptValueWrapper<'a, P> {
    fn fired(&self) {
        self.client.map(|client| client.fired(self.value.get()));
    }
}

impl<'a, P: InterruptPin<'a>> InterruptWithValue<'a> for InterruptValueWrapper<'a, P> {
    fn set_client(&self, client: &'a dyn ClientWithValue) {
        self.client.set(client);
    }

    fn enable_interrupts(&self, mode: InterruptEdge) -> Result<(), ErrorCode> {
        self.pin.enable_interrupts(mode);
        Ok(())
    }

    fn disable_interrupts(&self) {
        self.pin.disable_interrupts();
    }

    fn is_pending(&self) -> bool {
        self.pin.is_pending()
    }

    fn set_value(&self, value: u32) {
        self.value.set(value);
    }

    fn value(&self) -> u32 {
        self.value.get()
    }
}

impl<'a, P: InterruptPin<'a>> Configure for InterruptValueWrapper<'a, P> {
    fn configuration(&self) -> Configuration {
        self.pin.configuration()
    }

    fn make_output(&self) -> Configuration {
        self.pin.make_output()
    }

    fn disable_output(&self) -> Configuration {
        self.pin.disable_output()
    }

    fn make_input(&self) -> Configuration {
        self.pin.make_input()
    }

    fn disable_input(&self) -> Configuration {
        self.pin.disable_input()
    }

    fn deactivate_to_low_power(&self) {
        self.pin.deactivate_to_low_power();
    }

    fn set_floating_state(&self, state: FloatingState) {
        self.pin.set_floating_state(state);
    }

    fn floating_state(&self) -> FloatingState {
        self.pin.floating_state()
    }
}

impl<'a, P: InterruptPin<'a>> Output for InterruptValueWrapper<'a, P> {
    fn set(&self) {
        self.pin.set();
    }

    fn clear(&self) {
        self.pin.clear();
    }

    fn toggle(&self) -> bool {
        self.pin.toggle()
    }
}

impl<'a, P: InterruptPin<'a>> Input for InterruptValueWrapper<'a, P> {
    fn read(&self) -> bool {
        self.pin.read()
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::testing::forever;

    /// A pin that is wired to nothing and remembers what was done to it.
    pub(crate) struct FakePin {
        pub(crate) level: Cell<bool>,
        pub(crate) is_output: Cell<bool>,
        client: OptionalCell<&'static dyn Client>,
    }

    impl FakePin {
        pub(crate) fn at(level: bool) -> Self {
            Self {
                level: Cell::new(level),
                is_output: Cell::new(false),
                client: OptionalCell::empty(),
            }
        }
    }

    impl Configure for FakePin {
        fn configuration(&self) -> Configuration {
            if self.is_output.get() {
                Configuration::InputOutput
            } else {
                Configuration::Input
            }
        }

        fn make_output(&self) -> Configuration {
            self.is_output.set(true);
            self.configuration()
        }

        fn disable_output(&self) -> Configuration {
            self.is_output.set(false);
            self.configuration()
        }

        fn make_input(&self) -> Configuration {
            self.configuration()
        }

        fn disable_input(&self) -> Configuration {
            self.configuration()
        }

        fn deactivate_to_low_power(&self) {}

        fn set_floating_state(&self, _state: FloatingState) {}

        fn floating_state(&self) -> FloatingState {
            FloatingState::PullNone
        }
    }

    impl Output for FakePin {
        fn set(&self) {
            self.level.set(true);
        }

        fn clear(&self) {
            self.level.set(false);
        }

        fn toggle(&self) -> bool {
            self.level.set(!self.level.get());
            self.level.get()
        }
    }

    impl Input for FakePin {
        fn read(&self) -> bool {
            self.level.get()
        }
    }

    impl Interrupt<'static> for FakePin {
        fn set_client(&self, client: &'static dyn Client) {
            self.client.set(client);
        }

        fn enable_interrupts(&self, _mode: InterruptEdge) {
            self.client.map(|client| client.fired());
        }

        fn disable_interrupts(&self) {}

        fn is_pending(&self) -> bool {
            false
        }
    }

    #[test]
    fn activation_follows_the_mode() {
        let pin = FakePin::at(false);
        for (state, mode, level) in [
            (ActivationState::Active, ActivationMode::ActiveHigh, true),
            (ActivationState::Active, ActivationMode::ActiveLow, false),
            (ActivationState::Inactive, ActivationMode::ActiveHigh, false),
            (ActivationState::Inactive, ActivationMode::ActiveLow, true),
        ] {
            pin.write_activation(state, mode);
            assert_eq!(pin.read(), level);
            assert_eq!(pin.read_activation(mode), state);
        }
    }

    #[test]
    fn direction_is_derived_from_the_configuration() {
        let pin = FakePin::at(false);
        assert!(pin.is_input() && !pin.is_output());
        pin.make_output();
        assert!(pin.is_input() && pin.is_output());
    }

    #[test]
    fn a_wrapped_pin_reports_its_number() {
        struct Heard(Cell<Option<u32>>);
        impl ClientWithValue for Heard {
            fn fired(&self, value: u32) {
                self.0.set(Some(value));
            }
        }
        let pin: &'static FakePin = forever(FakePin::at(false));
        let heard: &'static Heard = forever(Heard(Cell::new(None)));
        let wrapper: &'static _ = forever(InterruptValueWrapper::new(pin));
        InterruptWithValue::set_client(wrapper, heard);
        wrapper.set_value(42);
        let dynamic: &dyn InterruptValuePin<'static> = wrapper.finalize();
        assert_eq!(dynamic.enable_interrupts(InterruptEdge::EitherEdge), Ok(()));
        assert_eq!(heard.0.get(), Some(42));
    }
}
