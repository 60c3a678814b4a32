// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Serial ports: configuration, transmission and reception of buffers.
//!
//! Transmission and reception are independent halves, each with its own client and each with at
//! most one operation at a time. A buffer belongs to the port from a successful call until its
//! callback, which comes exactly once and never from inside the call that started it.

use crate::ErrorCode;

/// Stop bits after each word.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum StopBits {
    /// One stop bit.
    One = 1,
    /// Two stop bits.
    Two = 2,
}

/// Parity bit of each word.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Parity {
    /// No parity bit.
    None = 0,
    /// The number of ones is made odd.
    Odd = 1,
    /// The number of ones is made even.
    Even = 2,
}

/// Data bits of each word.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Width {
    /// Six bits.
    Six = 6,
    /// Seven bits.
    Seven = 7,
    /// Eight bits.
    Eight = 8,
}

/// Line settings of a port.
#[derive(Clone, Copy, Debug)]
pub struct Parameters {
    /// Bits per second, counting start, parity and stop bits.
    pub baud_rate: u32,
    /// Data bits.
    pub width: Width,
    /// Parity bit.
    pub parity: Parity,
    /// Stop bits.
    pub stop_bits: StopBits,
    /// Whether RTS and CTS hold the sender back.
    pub hw_flow_control: bool,
}

/// What went wrong on the line during a reception.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Error {
    /// Nothing.
    None,
    /// A word arrived with the wrong parity.
    ParityError,
    /// A word arrived without a stop bit.
    FramingError,
    /// Words were lost because they were not taken in time.
    OverrunError,
    /// A reception was running already.
    RepeatCallError,
    /// The port was reset.
    ResetError,
    /// The line was held low for longer than a word.
    BreakError,
    /// [`Receive::receive_abort`] ended the reception.
    Aborted,
}

/// A port with both halves and its line settings.
pub trait Uart<'a>: Configure + Transmit<'a> + Receive<'a> {}
impl<'a, T: Configure + Transmit<'a> + Receive<'a>> Uart<'a> for T {}

/// Both halves of a port whose line settings belong to someone else.
pub trait UartData<'a>: Transmit<'a> + Receive<'a> {}
impl<'a, T: Transmit<'a> + Receive<'a>> UartData<'a> for T {}

/// A port that can also end a reception on silence.
pub trait UartAdvanced<'a>: Configure + Transmit<'a> + ReceiveAdvanced<'a> {}
impl<'a, T: Configure + Transmit<'a> + ReceiveAdvanced<'a>> UartAdvanced<'a> for T {}

/// A client of both halves.
pub trait Client: ReceiveClient + TransmitClient {}
impl<T: ReceiveClient + TransmitClient> Client for T {}

/// Line settings.
pub trait Configure {
    /// Applies `params` to the port.
    ///
    /// # Errors
    ///
    /// - `OFF`: the port has no power or clock.
    /// - `INVAL`: a value makes no sense, such as a baud rate of zero.
    /// - `NOSUPPORT`: the hardware lacks this setting.
    fn configure(&self, params: Parameters) -> Result<(), ErrorCode>;
}

/// The sending half.
pub trait Transmit<'a> {
    /// Sets who is told about finished transmissions.
    fn set_transmit_client(&self, client: &'a dyn TransmitClient);

    /// Sends the first `tx_len` bytes of `tx_buffer`.
    ///
    /// `Ok` promises one [`TransmitClient::transmitted_buffer`].
    ///
    /// # Errors
    ///
    /// Each hands the buffer back, and no callback follows.
    ///
    /// - `OFF`: the port has no power or clock.
    /// - `BUSY`: a transmission is running; try again after its callback.
    /// - `SIZE`: `tx_len` is zero or more than the buffer holds.
    /// - `FAIL`: anything else.
    fn transmit_buffer(
        &self,
        tx_buffer: &'static mut [u8],
        tx_len: usize,
    ) -> Result<(), (ErrorCode, &'static mut [u8])>;

    /// Sends one word of the configured width.
    ///
    /// `Ok` promises one [`TransmitClient::transmitted_word`].
    ///
    /// # Errors
    ///
    /// - `OFF`, `BUSY`: as for [`transmit_buffer`](Self::transmit_buffer).
    /// - `FAIL`: not possible, also where the hardware driver sends buffers only.
    fn transmit_word(&self, word: u32) -> Result<(), ErrorCode>;

    /// Ends a running transmission early.
    ///
    /// After `Ok` no callback comes: nothing was running. Otherwise the callback follows with
    /// the buffer and the number of bytes that were sent.
    ///
    /// # Errors
    ///
    /// - `BUSY`: the callback will come, with `CANCEL` if bytes were left over.
    /// - `FAIL`: it cannot be ended early; the callback comes when it is done.
    fn transmit_abort(&self) -> Result<(), ErrorCode>;
}

/// The receiving half.
pub trait Receive<'a> {
    /// Sets who is told about finished receptions.
    fn set_receive_client(&self, client: &'a dyn ReceiveClient);

    /// Receives `rx_len` bytes to the start of `rx_buffer`.
    ///
    /// `Ok` promises one [`ReceiveClient::received_buffer`], when all bytes are there, on an
    /// error, or on an abort.
    ///
    /// # Errors
    ///
    /// Each hands the buffer back, and no callback follows.
    ///
    /// - `OFF`: the port has no power or clock.
    /// - `BUSY`: a reception is running.
    /// - `SIZE`: `rx_len` is zero or more than the buffer holds.
    fn receive_buffer(
        &self,
        rx_buffer: &'static mut [u8],
        rx_len: usize,
    ) -> Result<(), (ErrorCode, &'static mut [u8])>;

    /// Receives one word of the configured width.
    ///
    /// `Ok` promises one [`ReceiveClient::received_word`].
    ///
    /// # Errors
    ///
    /// - `OFF`, `BUSY`: as for [`receive_buffer`](Self::receive_buffer).
    /// - `FAIL`: not possible, also where the hardware driver receives buffers only.
    fn receive_word(&self) -> Result<(), ErrorCode>;

    /// Ends a running reception early.
    ///
    /// After `Ok` no callback comes: nothing was running. Otherwise the callback follows with
    /// the buffer, the number of bytes so far, `CANCEL` and [`Error::Aborted`].
    ///
    /// # Errors
    ///
    /// - `BUSY`: the callback will come.
    /// - `FAIL`: it cannot be ended early; the callback comes when it is done.
    fn receive_abort(&self) -> Result<(), ErrorCode>;
}

/// A receiving half that notices silence on the line.
pub trait ReceiveAdvanced<'a>: Receive<'a> {
    /// Receives up to `rx_len` bytes, ending early once the line was silent after the first.
    ///
    /// `interbyte_timeout` is the length of that silence, in bit times. Results are those of
    /// [`Receive::receive_buffer`]; the callback gives the number of bytes.
    fn receive_automatic(
        &self,
        rx_buffer: &'static mut [u8],
        rx_len: usize,
        interbyte_timeout: u8,
    ) -> Result<(), (ErrorCode, &'static mut [u8])>;
}

/// Is told about finished transmissions.
pub trait TransmitClient {
    /// Runs when a word was sent or failed.
    fn transmitted_word(&self, _rval: Result<(), ErrorCode>) {}

    /// Gives the buffer back; `tx_len` bytes of it were sent.
    ///
    /// `rval` is `Ok` for a whole transmission, `CANCEL` after an abort, `FAIL` else.
    fn transmitted_buffer(
        &self,
        tx_buffer: &'static mut [u8],
        tx_len: usize,
        rval: Result<(), ErrorCode>,
    );
}

/// Is told about finished receptions.
pub trait ReceiveClient {
    /// Runs when a word arrived or failed.
    fn received_word(&self, _word: u32, _rval: Result<(), ErrorCode>, _error: Error) {}

    /// Gives the buffer back; its first `rx_len` bytes were received.
    ///
    /// `rval` is `Ok` for a whole reception, `CANCEL` after an abort, `SIZE` when it ended early
    /// by itself, `FAIL` with the line's `error` else.
    fn received_buffer(
        &self,
        rx_buffer: &'static mut [u8],
        rx_len: usize,
        rval: Result<(), ErrorCode>,
        error: Error,
    );
}
