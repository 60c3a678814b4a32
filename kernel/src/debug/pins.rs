// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Pins for debugging: a level changes at once, where printing would take too long.

use crate::hil::gpio;
use crate::platform::chip::ThreadIdProvider;
use crate::utilities::cells::OptionalCell;
use crate::utilities::single_thread_value::SingleThreadValue;

static PINS: SingleThreadValue<OptionalCell<&'static [&'static dyn gpio::Pin]>> =
    SingleThreadValue::new();

/// Reserves the debug pins for the running thread, the kernel's. Called once, at boot.
#[cfg(target_has_atomic = "ptr")]
pub fn initialize_debug_gpio<P: ThreadIdProvider>() {
    // The first thread keeps them: there is nothing better to do with a second.
    let _ = PINS.bind_to_thread::<P>(OptionalCell::empty());
}

/// Does what `initialize_debug_gpio` does, on targets without atomic operations.
///
/// # Safety
///
/// No other thread or interrupt handler calls it at the same time.
pub unsafe fn initialize_debug_gpio_unsafe<P: ThreadIdProvider>() {
    // SAFETY: the caller rules out a race.
    let _ = unsafe { PINS.bind_to_thread_unsafe::<P>(OptionalCell::empty()) };
}

/// Makes `pins` the debug pins.
///
/// Without effect in a thread that they are not reserved for.
pub fn assign_gpios(pins: &'static [&'static dyn gpio::Pin]) {
    if let Some(place) = PINS.get() {
        place.set(pins);
    }
}

/// Calls `action` with a debug pin, if there is one; see [`debug_gpio!`](crate::debug_gpio).
pub fn debug_gpio(index: usize, action: impl FnOnce(&dyn gpio::Pin)) {
    let pins = PINS.get().and_then(OptionalCell::get).unwrap_or_default();
    if let Some(pin) = pins.get(index) {
        action(*pin);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hil::gpio::tests::FakePin;
    use crate::testing::TestThread;
    use crate::testing::forever;

    #[test]
    fn the_macro_reaches_the_pin_with_its_index() {
        crate::debug_gpio!(0, set);
        initialize_debug_gpio::<TestThread>();
        crate::debug_gpio!(0, set);
        let pins: &'static [FakePin; 2] = forever([false; 2].map(FakePin::at));
        let objects: [&'static dyn gpio::Pin; 2] = [&pins[0], &pins[1]];
        assign_gpios(forever(objects));
        crate::debug_gpio!(1, toggle,);
        crate::debug_gpio!(2, set);
        assert_eq!(pins.each_ref().map(|pin| pin.level.get()), [false, true]);
    }
}
