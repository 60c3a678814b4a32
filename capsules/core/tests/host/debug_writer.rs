// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Debug output over a fake serial port.

use crate::support::start;
use crate::support::uart::FakeUart;
use capsules_core::debug_writer::BufferedDebugWriter;
use core::mem::MaybeUninit;
use kernel::ErrorCode;
use kernel::debug::DebugWriter;
use kernel::deferred_call::{DeferredCall, DeferredCallClient};
use kernel::hil::uart::{Transmit, TransmitClient};
use kernel::testing::forever;
use kernel::utilities::io_write::IoWrite;

const LOST: &[u8] = b"[lost]";
/// Bytes of the ring that text cannot use.
const RESERVE: usize = 64;

/// A writer with room for `room` bytes of text, which sends `chunk` bytes at a time.
fn writer(room: usize, chunk: usize) -> (&'static FakeUart, &'static BufferedDebugWriter<'static>) {
    start();
    let uart = FakeUart::leaked();
    let ring = vec![MaybeUninit::uninit(); room + RESERVE].leak();
    let writer = forever(BufferedDebugWriter::new(uart, ring, vec![0; chunk].leak()));
    uart.set_transmit_client(writer);
    writer.register();
    (uart, writer)
}

/// Runs the main loop until nothing is left to do, and returns all that was sent.
fn output(uart: &FakeUart) -> String {
    let mut text = String::new();
    loop {
        while DeferredCall::service_next_pending().is_some() {}
        match uart.drain() {
            more if more.is_empty() => return text,
            more => text += &more,
        }
    }
}

#[test]
fn text_is_sent_in_order_and_in_chunks() {
    let (uart, writer) = writer(100, 8);
    for _ in 0..20 {
        assert_eq!(writer.write(b"hello, ", LOST), 7);
        assert_eq!(writer.write(b"world\r\n", LOST), 7);
        assert_eq!(writer.publish(), 14);
        assert_eq!(output(uart), "hello, world\r\n");
        assert_eq!((writer.to_write_len(), writer.available_len()), (0, 100));
    }
}

#[test]
fn nothing_is_sent_before_the_caller_has_returned() {
    let (uart, writer) = writer(100, 8);
    writer.write(b"text", LOST);
    assert!(!DeferredCall::has_tasks());
    writer.publish();
    assert!(!uart.is_sending() && DeferredCall::has_tasks());
    DeferredCall::service_next_pending();
    assert!(uart.is_sending());
}

#[test]
fn lost_text_is_reported_once_until_text_is_taken_again() {
    let (uart, writer) = writer(10, 8);
    assert_eq!(writer.write(b"0123456789abc", LOST), 10);
    for _ in 0..100 {
        assert_eq!(writer.write(b"gone", LOST), 0);
        assert_eq!(writer.write(b"", LOST), 0);
    }
    assert_eq!(writer.available_len(), 0);
    writer.publish();
    assert_eq!(output(uart), "0123456789[lost]");
    assert_eq!(writer.write(b"again", LOST), 5);
    assert_eq!(writer.write(b"fghijklm", LOST), 5);
    writer.publish();
    assert_eq!(output(uart), "againfghij[lost]");
}

#[test]
fn text_written_while_a_chunk_is_sent_follows_it() {
    let (uart, writer) = writer(100, 4);
    writer.write(b"first", LOST);
    writer.publish();
    DeferredCall::service_next_pending();
    writer.write(b" second", LOST);
    writer.publish();
    assert_eq!(output(uart), "first second");
}

#[test]
fn a_busy_port_keeps_no_text_from_being_sent_later() {
    let (uart, writer) = writer(100, 8);
    uart.refuse_tx.set(Some(ErrorCode::BUSY));
    writer.write(b"one ", LOST);
    writer.publish();
    assert_eq!(output(uart), "");
    uart.refuse_tx.set(None);
    writer.write(b"two", LOST);
    writer.publish();
    assert_eq!(output(uart), "one two");
}

#[test]
fn a_port_that_fails_is_not_tried_again_by_itself() {
    let (uart, writer) = writer(100, 8);
    writer.write(b"01234567rest", LOST);
    writer.publish();
    DeferredCall::service_next_pending();
    // The port gives up after two bytes, and claims more than it was given.
    writer.transmitted_buffer(vec![0; 2].leak(), usize::MAX, Err(ErrorCode::FAIL));
    assert!(!DeferredCall::has_tasks());
    assert_eq!(writer.to_write_len(), 10);
    uart.drain();
}

#[test]
fn a_panic_gets_all_that_is_not_known_to_be_sent() {
    struct Sink(Vec<u8>);
    impl IoWrite for Sink {
        fn write(&mut self, buf: &[u8]) -> usize {
            self.0.extend(buf);
            buf.len()
        }
    }
    let (uart, writer) = writer(100, 4);
    writer.write(b"sent", LOST);
    writer.publish();
    output(uart);
    writer.write(b"on its way, waiting", LOST);
    writer.publish();
    DeferredCall::service_next_pending();
    let mut sink = Sink(Vec::new());
    writer.flush(&mut sink);
    assert_eq!(sink.0, b"on its way, waiting");
    assert_eq!(writer.to_write_len(), 0);
}
