// SPDX-License-Identifier: Apache-2.0 OR MIT

//! The process console: a prompt from which an operator looks after the processes.
//!
//! Input comes byte by byte through a bounded queue that stops reception when it is full, so the
//! port holds the rest. Output is made piece by piece in one buffer: a command that prints more
//! than the buffer holds goes on when the port has sent it. What is typed meanwhile waits.
//!
//! ```text
//! let output = static_init!([u8; WRITE_BUF_LEN], [0; WRITE_BUF_LEN]);
//! let input = static_init!([u8; READ_BUF_LEN], [0; READ_BUF_LEN]);
//! let console = static_init!(
//!     ProcessConsole<'static, Capability>,
//!     ProcessConsole::new(uart_device, output, input, kernel, printer, board, capability)
//! );
//! uart_device.set_transmit_client(console);
//! uart_device.set_receive_client(console);
//! console.start();
//! ```

mod commands;
mod input_queue;
mod jobs;
mod line_editor;
mod processes;

use crate::text::Text;
use commands::Job;
use core::fmt;
use core::ops::Range;
use input_queue::InputQueue;
use kernel::ErrorCode;
use kernel::Kernel;
use kernel::capabilities::{ProcessManagementCapability, ProcessStartCapability};
use kernel::hil::uart::{self, ReceiveClient, TransmitClient};
use kernel::process::ProcessPrinter;
use kernel::utilities::cells::{MapCell, TakeCell};
use line_editor::{Input, LineEditor};

/// The usual length of the output buffer.
///
/// A board's command prints at most this much in one part, the commands of this module need
/// [`STEP_ROOM`] bytes.
pub const WRITE_BUF_LEN: usize = 1024;

/// The length of the input buffer: bytes are taken one by one.
pub const READ_BUF_LEN: usize = 1;

/// The longest piece of output that is made at once.
pub const STEP_ROOM: usize = 256;

const PROMPT: &str = "tock$ ";

/// A command that a board adds.
pub trait ConsoleCommand {
    /// The word that the operator types; printable ASCII without blanks.
    fn name(&self) -> &str;

    /// What it does, in one short line.
    fn help(&self) -> &str;

    /// Runs the command with what was typed behind its name.
    ///
    /// Text beyond the length of the console's output buffer is cut, with a note to the operator.
    fn execute(&self, arguments: &str, writer: &mut dyn fmt::Write);

    /// Runs one part of a command that prints a lot, from part 0 on; returns whether more follow.
    ///
    /// Each part has the whole output buffer to itself.
    fn execute_part(&self, part: usize, arguments: &str, writer: &mut dyn fmt::Write) -> bool {
        let _ = part;
        self.execute(arguments, writer);
        false
    }
}

/// Where the kernel lies in memory, for the `kernel` command.
#[derive(Clone, Debug, Default)]
pub struct KernelAddresses {
    /// Code.
    pub text: Range<usize>,
    /// Constants.
    pub read_only_data: Range<usize>,
    /// The kernel's stack.
    pub stack: Range<usize>,
    /// Initialised variables.
    pub data: Range<usize>,
    /// Variables that start as zero.
    pub bss: Range<usize>,
}

/// What the console asks the board for.
pub struct Board {
    /// Commands in addition to those of this module, which go first where names are equal.
    pub commands: &'static [&'static dyn ConsoleCommand],
    /// Where the kernel lies.
    pub addresses: KernelAddresses,
    /// Resets the machine.
    pub reset: fn() -> !,
    /// Ends in a kernel panic, to show what one prints.
    pub panic: fn() -> !,
}

/// What changes while the console runs.
struct State {
    input: InputQueue,
    editor: LineEditor,
    job: Job,
}

/// A prompt on a serial port.
pub struct ProcessConsole<'a, C: ProcessManagementCapability + ProcessStartCapability> {
    uart: &'a dyn uart::UartData<'a>,
    /// Absent while the port sends it.
    tx_buffer: TakeCell<'static, [u8]>,
    /// Absent while the port receives into it.
    rx_buffer: TakeCell<'static, [u8]>,
    kernel: &'static Kernel,
    printer: &'static dyn ProcessPrinter,
    board: Board,
    capability: C,
    state: MapCell<State>,
}

impl<'a, C: ProcessManagementCapability + ProcessStartCapability> ProcessConsole<'a, C> {
    /// Creates the console, which must be both clients of `uart`.
    ///
    /// `tx_buffer` has at least [`STEP_ROOM`] bytes, or lines are cut; [`WRITE_BUF_LEN`] is usual.
    /// `rx_buffer` has [`READ_BUF_LEN`].
    pub fn new(
        uart: &'a dyn uart::UartData<'a>,
        tx_buffer: &'static mut [u8],
        rx_buffer: &'static mut [u8],
        kernel: &'static Kernel,
        printer: &'static dyn ProcessPrinter,
        board: Board,
        capability: C,
    ) -> Self {
        ProcessConsole {
            uart,
            tx_buffer: TakeCell::new(tx_buffer),
            rx_buffer: TakeCell::new(rx_buffer),
            kernel,
            printer,
            board,
            capability,
            state: MapCell::new(State {
                input: InputQueue::new(),
                editor: LineEditor::new(),
                job: Job::Prompt,
            }),
        }
    }

    /// Prints the first prompt and starts to listen.
    pub fn start(&self) {
        self.print();
        self.listen();
    }

    /// Takes the next byte from the port if there is room to keep it.
    fn listen(&self) {
        if !self.state.map_or(false, |state| state.input.has_room()) {
            return;
        }
        if let Some(buffer) = self.rx_buffer.take()
            && let Err((_, buffer)) = self.uart.receive_buffer(buffer, READ_BUF_LEN)
        {
            // Tried again when output has been sent.
            self.rx_buffer.replace(buffer);
        }
    }

    /// Gives the free port what there is to print.
    fn print(&self) {
        let Some(buffer) = self.tx_buffer.take() else {
            return;
        };
        let len = self.state.map_or(0, |state| self.fill(state, buffer));
        if len == 0 {
            self.tx_buffer.replace(buffer);
        } else if let Err((_, buffer)) = self.uart.transmit_buffer(buffer, len) {
            // A port that does not send leaves nobody to tell.
            self.tx_buffer.replace(buffer);
        }
    }

    /// Fills `buffer` with the output of jobs and the echo of input; returns its length.
    fn fill(&self, state: &mut State, buffer: &mut [u8]) -> usize {
        let mut text = Text::new(buffer);
        // Only a buffer that was emptied in between may be shorter than one step.
        while text.len() == 0 || text.room() >= STEP_ROOM {
            if state.job != Job::None {
                match self.step(&mut state.job, state.editor.line(), &mut text) {
                    jobs::Step::Done if state.job == Job::Prompt => {
                        text.push(PROMPT);
                        state.job = Job::None;
                        state.editor.clear();
                    }
                    jobs::Step::Done => state.job = Job::Prompt,
                    jobs::Step::More => {}
                    jobs::Step::WhenSent => break,
                }
            } else if let Some(byte) = state.input.take() {
                self.take_input(state, byte, &mut text);
            } else {
                break;
            }
        }
        text.len()
    }

    fn take_input(&self, state: &mut State, byte: u8, text: &mut Text<'_>) {
        match state.editor.feed(byte) {
            Input::Nothing => {}
            Input::Typed(letter) => text.push_bytes(&[letter]),
            Input::Erased => text.push("\x08 \x08"),
            Input::Abandoned => {
                text.push("^C\r\n");
                state.job = Job::Prompt;
            }
            Input::Overlong => {
                text.push("\r\nLine too long, ignored.\r\n");
                state.job = Job::Prompt;
            }
            Input::Line => {
                text.push("\r\n");
                state.job = commands::parse(state.editor.line(), self.board.commands);
            }
        }
    }
}

impl<C: ProcessManagementCapability + ProcessStartCapability> TransmitClient
    for ProcessConsole<'_, C>
{
    fn transmitted_buffer(
        &self,
        tx_buffer: &'static mut [u8],
        _tx_len: usize,
        _rval: Result<(), ErrorCode>,
    ) {
        self.tx_buffer.replace(tx_buffer);
        self.print();
        self.listen();
    }
}

impl<C: ProcessManagementCapability + ProcessStartCapability> ReceiveClient
    for ProcessConsole<'_, C>
{
    fn received_buffer(
        &self,
        rx_buffer: &'static mut [u8],
        rx_len: usize,
        _rval: Result<(), ErrorCode>,
        error: uart::Error,
    ) {
        if error == uart::Error::None
            && let Some(bytes) = rx_buffer.get(..rx_len)
        {
            self.state.map(|state| state.input.add(bytes));
        }
        self.rx_buffer.replace(rx_buffer);
        self.print();
        self.listen();
    }
}
