// SPDX-License-Identifier: Apache-2.0 OR MIT

//! The report that a panic handler prints.
//!
//! A panic may have left anything half done, and printing may panic once more. The second time
//! only one line is printed, the third time nothing, so that the board gets to its end in any case.

use core::fmt::{Display, Write};
use core::panic::{Location, PanicInfo};
use core::sync::atomic::{AtomicUsize, Ordering};

use super::writer;
use crate::hil::led::Led;
use crate::platform::chip::{Chip, PanicWriter};
use crate::process::{Process, ProcessPrinter, ProcessSlot};
use crate::utilities::binary_write::BinaryWrite;
use crate::utilities::cells::MapCell;
use crate::utilities::io_write::IoWrite;

/// Rounds of the delay that lets the serial port send what it has begun.
const SETTLE_ROUNDS: usize = 10_000;

/// Rounds for which a light stays as it is.
const BLINK_ROUNDS: usize = 1_000_000;

/// How often a printer is called for one process, in case it never comes to an end.
const PRINTER_CALLS: usize = 64;

/// How many reports were begun.
static REPORTS: AtomicUsize = AtomicUsize::new(0);

/// What a report is about. The board fills it in while it boots, as things come into being.
pub struct PanicResources<C: Chip + 'static, PP: ProcessPrinter + 'static> {
    /// The process table.
    pub processes: MapCell<&'static [ProcessSlot]>,
    /// The chip.
    pub chip: MapCell<&'static C>,
    /// The printer of processes.
    pub printer: MapCell<&'static PP>,
}

impl<C: Chip, PP: ProcessPrinter> PanicResources<C, PP> {
    /// Creates resources of which none is there yet.
    pub const fn new() -> Self {
        Self {
            processes: MapCell::empty(),
            chip: MapCell::empty(),
            printer: MapCell::empty(),
        }
    }
}

impl<C: Chip, PP: ProcessPrinter> Default for PanicResources<C, PP> {
    fn default() -> Self {
        Self::new()
    }
}

/// How much a report may still dare.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Extent {
    /// Everything.
    Full,
    /// The banner alone: a full report has panicked.
    Banner,
    /// Nothing: the banner has panicked too.
    Nothing,
}

impl Extent {
    /// Counts a report and returns how much it may dare.
    fn of_next(reports: &AtomicUsize) -> Self {
        // Loads and stores alone, since not every target can do more. Panics do not race: there is
        // one thread, and its interrupts are off.
        let before = reports.load(Ordering::Relaxed);
        reports.store(before.saturating_add(1), Ordering::Relaxed);
        match before {
            0 => Self::Full,
            1 => Self::Banner,
            _ => Self::Nothing,
        }
    }
}

/// Prints the full report: debug output that is still buffered, what happened and where, the
/// state of the processor and all processes.
///
/// Returns when that is done; if it panics itself and is called again, prints less. `nop` is
/// called in a loop while the serial port finishes what it is sending.
///
/// # Safety
///
/// Called from the panic handler, which never returns to the code that panicked: this takes over
/// the serial port that `config` names.
pub unsafe fn panic_print<PW: PanicWriter, C: Chip, PP: ProcessPrinter>(
    config: PW::Config,
    panic_info: &PanicInfo<'_>,
    nop: &dyn Fn(),
    resources: Option<&PanicResources<C, PP>>,
) {
    let extent = Extent::of_next(&REPORTS);
    if extent == Extent::Nothing {
        return;
    }
    // SAFETY: the caller is a panic handler, as `create_panic_writer` asks for.
    let mut writer = unsafe { PW::create_panic_writer(config) };
    if extent == Extent::Full {
        settle(nop);
        flush_debug_output(&mut writer);
    }
    banner(&mut writer, panic_info.location(), &panic_info.message());
    let Some(resources) = resources.filter(|_| extent == Extent::Full) else {
        return;
    };
    // SAFETY: the caller is a panic handler, as `print_state` asks for.
    unsafe { C::print_state(resources.chip.get(), &mut writer) };
    if let Some(processes) = resources.processes.get() {
        process_info(processes, resources.printer.get(), &mut writer);
    }
}

/// Prints the full report, then blinks for ever. See [`panic_print`].
///
/// # Safety
///
/// As for [`panic_print`].
pub unsafe fn panic<L: Led, PW: PanicWriter, C: Chip, PP: ProcessPrinter>(
    leds: &mut [&L],
    config: PW::Config,
    panic_info: &PanicInfo<'_>,
    nop: &dyn Fn(),
    resources: Option<&PanicResources<C, PP>>,
) -> ! {
    // SAFETY: the caller promises what this asks for.
    unsafe { panic_print::<PW, C, PP>(config, panic_info, nop, resources) };
    panic_blink_forever(leds)
}

/// Begins a report: waits for the serial port to finish what it is sending.
///
/// # Safety
///
/// Called from the panic handler.
pub unsafe fn panic_begin(nop: &dyn Fn()) {
    settle(nop);
}

/// Prints where the panic was, its message and the version of the kernel.
///
/// # Safety
///
/// Called from the panic handler.
pub unsafe fn panic_banner<W: Write>(writer: &mut W, panic_info: &PanicInfo<'_>) {
    banner(writer, panic_info.location(), &panic_info.message());
}

/// Prints the state of the processor.
///
/// # Safety
///
/// Called from the panic handler.
pub unsafe fn panic_cpu_state<W: Write, C: Chip>(chip: Option<&'static C>, writer: &mut W) {
    // SAFETY: the caller is a panic handler, as `print_state` asks for.
    unsafe { C::print_state(chip, writer) };
}

/// Prints all processes: an overview by `printer`, then what each knows about itself.
///
/// # Safety
///
/// Called from the panic handler.
pub unsafe fn panic_process_info<PP: ProcessPrinter, W: Write>(
    processes: &'static [ProcessSlot],
    printer: Option<&'static PP>,
    writer: &mut W,
) {
    process_info(processes, printer, writer);
}

/// Blinks with all lights, for ever, in the rhythm of a panic: two short flashes and a pause.
pub fn panic_blink_forever<L: Led>(leds: &mut [&L]) -> ! {
    leds.iter().for_each(|led| led.init());
    loop {
        for (lit, rounds) in [(true, 1), (false, 1), (true, 1), (false, 6)] {
            leds.iter()
                .for_each(|led| if lit { led.on() } else { led.off() });
            (0..rounds * BLINK_ROUNDS).for_each(|_| core::hint::spin_loop());
        }
    }
}

fn settle(nop: &dyn Fn()) {
    (0..SETTLE_ROUNDS).for_each(|_| nop());
}

fn flush_debug_output(sink: &mut dyn IoWrite) {
    if let Some(buffered) = writer::current() {
        buffered.flush(sink);
    }
}

// A panic writer has nobody to tell that it failed, so the results of writing are dropped below.

fn banner(writer: &mut dyn Write, place: Option<&Location<'_>>, message: &dyn Display) {
    let _ = writer.write_str("\r\n\r\npanicked at ");
    if let Some(place) = place {
        let _ = write!(
            writer,
            "{}:{}:{}",
            place.file(),
            place.line(),
            place.column()
        );
    }
    let _ = write!(writer, ":\r\n{message}\r\n");
    let _ = write!(
        writer,
        "\tKernel version {}.{}.{}",
        u32::from(crate::KERNEL_MAJOR_VERSION),
        u32::from(crate::KERNEL_MINOR_VERSION),
        u32::from(crate::KERNEL_PATCH_VERSION),
    );
    if crate::KERNEL_PRERELEASE_VERSION != 0 {
        let _ = write!(
            writer,
            "-dev{}",
            u32::from(crate::KERNEL_PRERELEASE_VERSION)
        );
    }
    let _ = writer.write_str("\r\n");
}

fn process_info<PP: ProcessPrinter>(
    processes: &[ProcessSlot],
    printer: Option<&PP>,
    writer: &mut dyn Write,
) {
    let _ = writer.write_str("\r\n---| App Status |---\r\n");
    for process in processes.iter().filter_map(ProcessSlot::get) {
        if let Some(printer) = printer {
            overview(process, printer, writer);
        }
        process.print_full_process(writer);
        let _ = writer.write_str("\r\n");
    }
}

fn overview(process: &dyn Process, printer: &impl ProcessPrinter, writer: &mut dyn Write) {
    let mut context = None;
    for _ in 0..PRINTER_CALLS {
        context = printer.print_overview(process, &mut Unbounded(writer), context);
        if context.is_none() {
            return;
        }
    }
}

/// Takes everything a process printer writes.
struct Unbounded<'a>(&'a mut dyn Write);

impl BinaryWrite for Unbounded<'_> {
    fn write_buffer(&mut self, buffer: &[u8]) -> Result<usize, ()> {
        let mut rest = buffer;
        loop {
            let error = match str::from_utf8(rest) {
                Ok(text) => return self.0.write_str(text).map(|()| buffer.len()).map_err(drop),
                Err(error) => error,
            };
            let (text, other) = rest.split_at(error.valid_up_to());
            let text = str::from_utf8(text).unwrap_or_default();
            self.0.write_str(text).map_err(drop)?;
            self.0.write_str("\u{FFFD}").map_err(drop)?;
            let invalid = error.error_len().unwrap_or(other.len());
            rest = other.get(invalid..).unwrap_or_default();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::process::ProcessPrinterContext;
    use crate::testing::kernel_with;
    use core::cell::Cell;
    use std::string::String;
    use std::vec::Vec;

    #[test]
    fn a_report_that_panics_leaves_less_for_the_next() {
        let reports = AtomicUsize::new(0);
        let extents = [(); 4].map(|()| Extent::of_next(&reports));
        let expected = [
            Extent::Full,
            Extent::Banner,
            Extent::Nothing,
            Extent::Nothing,
        ];
        assert_eq!(extents, expected);
        reports.store(usize::MAX, Ordering::Relaxed);
        assert_eq!(Extent::of_next(&reports), Extent::Nothing);
        assert_eq!(Extent::of_next(&reports), Extent::Nothing);
    }

    #[test]
    fn the_banner_names_place_message_and_version() {
        let (mut text, place) = (String::new(), Location::caller());
        banner(&mut text, Some(place), &"it broke");
        let (file, line, column) = (place.file(), place.line(), place.column());
        let expected = std::format!(
            "\r\n\r\npanicked at {file}:{line}:{column}:\r\nit broke\r\n\tKernel version 2.3.0-dev1\r\n"
        );
        assert_eq!(text, expected);
    }

    /// Prints one byte per call, and is never done once `endless` is set.
    struct Slow {
        endless: bool,
        calls: Cell<usize>,
    }

    impl ProcessPrinter for Slow {
        fn print_overview(
            &self,
            _process: &dyn Process,
            writer: &mut dyn BinaryWrite,
            context: Option<ProcessPrinterContext>,
        ) -> Option<ProcessPrinterContext> {
            self.calls.set(self.calls.get() + 1);
            let offset = context.map_or(0, |context| context.offset);
            writer.write_buffer(b"abc\n".get(offset..=offset)?).ok()?;
            let more = self.endless || offset < 3;
            more.then_some(ProcessPrinterContext {
                offset: (offset + 1) % 4,
            })
        }
    }

    fn slots(count: usize) -> Vec<ProcessSlot> {
        let (_, processes) = kernel_with(count);
        let slots: Vec<_> = (0..=count).map(ProcessSlot::new).collect();
        processes
            .into_iter()
            .zip(&slots)
            .for_each(|(process, slot)| slot.set(process));
        slots
    }

    #[test]
    fn each_process_gets_its_overview_and_its_details() {
        let mut text = String::new();
        let printer = Slow {
            endless: false,
            calls: Cell::new(0),
        };
        process_info(&slots(2), Some(&printer), &mut text);
        assert_eq!(
            text,
            "\r\n---| App Status |---\r\nabc\ndetails of 0\r\n\r\nabc\ndetails of 1\r\n\r\n"
        );
        text.clear();
        process_info(&slots(1), None::<&Slow>, &mut text);
        assert_eq!(text, "\r\n---| App Status |---\r\ndetails of 0\r\n\r\n");
    }

    #[test]
    fn a_printer_that_is_never_done_does_not_stop_the_report() {
        let mut text = String::new();
        let printer = Slow {
            endless: true,
            calls: Cell::new(0),
        };
        process_info(&slots(1), Some(&printer), &mut text);
        assert_eq!(printer.calls.get(), PRINTER_CALLS);
        assert!(text.ends_with("details of 0\r\n\r\n"));
    }

    #[test]
    fn bytes_that_are_not_text_are_replaced() {
        let mut text = String::new();
        let written = Unbounded(&mut text).write_buffer(b"a\xFF\xC3\xA9b\xE2\x82");
        assert_eq!(written, Ok(7));
        assert_eq!(text, "a\u{FFFD}\u{E9}b\u{FFFD}");
    }
}
