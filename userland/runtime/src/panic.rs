// SPDX-License-Identifier: Apache-2.0 OR MIT

//! What a panicking app leaves behind: an alert, a line on the console, completion code 1.

use crate::{console, exit, line_buffer::LineBuffer, low_level_debug};
use core::fmt::Write;
use core::panic::PanicInfo;
use core::sync::atomic::{AtomicBool, Ordering};

static PANICKING: AtomicBool = AtomicBool::new(false);

#[panic_handler]
fn report(info: &PanicInfo) -> ! {
    // Printing runs app code (`Display`), which may panic in turn.
    if !PANICKING.swap(true, Ordering::Relaxed) {
        low_level_debug::alert(low_level_debug::PANIC);
        let mut line = LineBuffer::<128, _>::new(|text| {
            let _ = console::write(text);
        });
        let _ = writeln!(line, "{info}");
        line.flush();
    }
    exit(1)
}
