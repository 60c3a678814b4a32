// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Output for the developer: messages while the kernel runs, and a report when it panics.
//!
//! `writer` carries the messages of [`debug!`](crate::debug) and its relatives to whatever the
//! board has chosen; until then they are dropped. `pins` is for what must be seen at once, on a
//! logic analyser. `report` is for panic handlers and depends on nothing that may be broken.

mod macros;
mod pins;
mod report;
mod writer;

#[cfg(target_has_atomic = "ptr")]
pub use pins::initialize_debug_gpio;
pub use pins::{assign_gpios, debug_gpio, initialize_debug_gpio_unsafe};
pub use report::{
    PanicResources, panic, panic_banner, panic_begin, panic_blink_forever, panic_cpu_state,
    panic_print, panic_process_info,
};
#[cfg(target_has_atomic = "ptr")]
pub use writer::initialize_debug_writer_wrapper;
pub use writer::{
    DebugWriter, debug_available_len, debug_print, debug_println, debug_process_slice,
    debug_verbose_println, initialize_debug_writer_wrapper_unsafe, set_debug_writer_wrapper,
};
