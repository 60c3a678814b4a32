// SPDX-License-Identifier: Apache-2.0 OR MIT

use super::*;
use core::cell::RefCell;
use std::boxed::Box;
use std::collections::VecDeque;
use std::vec;
use std::vec::Vec;

/// A port whose transmitter holds what it is given until the test lets it go.
#[derive(Default)]
struct FakePort {
    input: RefCell<VecDeque<(u8, u8)>>,
    fifo: RefCell<Vec<u8>>,
    sent: RefCell<Vec<u8>>,
    enabled: Cell<u8>,
    /// The transmitter passes bytes on at once, as QEMU does.
    instant: Cell<bool>,
    edges: Cell<u32>,
    line: Cell<(u8, u16)>,
}

impl FakePort {
    fn type_in(&self, bytes: &[u8]) {
        self.input
            .borrow_mut()
            .extend(bytes.iter().map(|byte| (*byte, 0)));
    }

    fn drain(&self) {
        self.sent.borrow_mut().append(&mut self.fifo.borrow_mut());
    }

    fn is_interrupting(&self) -> bool {
        let pending = if self.input.borrow().is_empty() {
            0
        } else {
            interrupts::RECEIVE
        } | if self.fifo.borrow().is_empty() {
            interrupts::TRANSMIT
        } else {
            0
        };
        self.enabled.get() & pending != 0
    }
}

impl UartAccess for &FakePort {
    fn take_byte(&self) -> u8 {
        self.input
            .borrow_mut()
            .pop_front()
            .map_or(0xEE, |(byte, _)| byte)
    }

    fn send_byte(&self, byte: u8) {
        let mut fifo = self.fifo.borrow_mut();
        assert!(fifo.len() < FIFO_BYTES, "more than the FIFO holds");
        fifo.push(byte);
    }

    fn set_interrupts(&self, enabled: u8) {
        let before = self.is_interrupting();
        self.enabled.set(enabled);
        if self.is_interrupting() && !before {
            self.edges.set(self.edges.get() + 1);
        }
    }

    fn status(&self) -> u8 {
        if self.instant.get() {
            self.drain();
        }
        let input = self
            .input
            .borrow()
            .front()
            .map_or(0, |(_, error)| error | status::DATA_READY);
        input
            | if self.fifo.borrow().is_empty() {
                status::TRANSMIT_EMPTY
            } else {
                0
            }
    }

    fn set_line(&self, format: u8, divisor: u16) {
        self.line.set((format, divisor));
    }
}

type Completion = (Vec<u8>, usize, Result<(), ErrorCode>, Error);

#[derive(Default)]
struct Client {
    sent: RefCell<Vec<(usize, Result<(), ErrorCode>)>>,
    received: RefCell<Vec<Completion>>,
}

impl TransmitClient for Client {
    fn transmitted_buffer(&self, _: &'static mut [u8], len: usize, rval: Result<(), ErrorCode>) {
        self.sent.borrow_mut().push((len, rval));
    }
}

impl ReceiveClient for Client {
    fn received_buffer(
        &self,
        buffer: &'static mut [u8],
        len: usize,
        rval: Result<(), ErrorCode>,
        error: Error,
    ) {
        self.received
            .borrow_mut()
            .push((buffer.to_vec(), len, rval, error));
    }
}

fn buffer(bytes: &[u8]) -> &'static mut [u8] {
    Box::leak(bytes.to_vec().into_boxed_slice())
}

fn with_engine(run: impl FnOnce(&FakePort, &Client, &Engine<'_, &FakePort>)) {
    let (port, client) = (FakePort::default(), Client::default());
    let engine = Engine::new(&port);
    engine.set_transmit_client(&client);
    engine.set_receive_client(&client);
    run(&port, &client, &engine);
}

#[test]
fn a_long_buffer_goes_out_in_fifo_sized_pieces() {
    with_engine(|port, client, engine| {
        let text: Vec<u8> = (0..40).collect();
        engine.transmit(buffer(&text), 39).unwrap();
        let mut interrupts = 0;
        while client.sent.borrow().is_empty() {
            assert!(!port.is_interrupting());
            port.drain();
            assert!(port.is_interrupting());
            engine.handle_interrupt();
            interrupts += 1;
        }
        assert_eq!(*port.sent.borrow(), text[..39]);
        assert_eq!(*client.sent.borrow(), [(39, Ok(()))]);
        assert_eq!(interrupts, 3);
        assert!(!port.is_interrupting());
    });
}

#[test]
fn an_instant_transmitter_needs_one_interrupt() {
    with_engine(|port, client, engine| {
        port.instant.set(true);
        engine.transmit(buffer(&[7; 100]), 100).unwrap();
        assert!(
            client.sent.borrow().is_empty(),
            "no callback from inside the call"
        );
        engine.handle_interrupt();
        assert_eq!(*client.sent.borrow(), [(100, Ok(()))]);
    });
}

#[test]
fn an_empty_transmission_completes_by_interrupt() {
    with_engine(|port, client, engine| {
        engine.transmit(buffer(&[]), 0).unwrap();
        assert!(port.is_interrupting());
        engine.handle_interrupt();
        assert_eq!(*client.sent.borrow(), [(0, Ok(()))]);
    });
}

#[test]
fn a_second_buffer_is_handed_back() {
    with_engine(|_, _, engine| {
        engine.transmit(buffer(&[1]), 1).unwrap();
        let (code, back) = engine.transmit(buffer(&[2, 3]), 2).unwrap_err();
        assert_eq!((code, &*back), (ErrorCode::BUSY, &[2u8, 3][..]));
        let (code, _) = engine.receive(buffer(&[0]), 2).unwrap_err();
        assert_eq!(code, ErrorCode::SIZE);
        engine.receive(buffer(&[0]), 1).unwrap();
        let (code, _) = engine.receive(buffer(&[0]), 1).unwrap_err();
        assert_eq!(code, ErrorCode::BUSY);
    });
}

#[test]
fn input_waits_in_the_port_until_someone_reads() {
    with_engine(|port, client, engine| {
        port.type_in(b"abc");
        assert!(!port.is_interrupting());
        engine.handle_interrupt();
        engine.receive(buffer(&[0; 2]), 2).unwrap();
        assert!(port.is_interrupting());
        engine.handle_interrupt();
        assert_eq!(
            *client.received.borrow(),
            [(b"ab".to_vec(), 2, Ok(()), Error::None)]
        );
        assert_eq!(port.input.borrow().len(), 1);
        assert!(!port.is_interrupting());
    });
}

#[test]
fn an_aborted_reception_ends_without_further_input() {
    with_engine(|port, client, engine| {
        engine.receive(buffer(&[0; 4]), 4).unwrap();
        port.type_in(b"x");
        engine.handle_interrupt();
        assert_eq!(engine.abort_receive(), Err(ErrorCode::BUSY));
        assert!(engine.has_ended() && client.received.borrow().is_empty());
        port.type_in(b"y");
        engine.handle_interrupt();
        engine.deliver_ended();
        let expected = (
            b"x\0\0\0".to_vec(),
            1,
            Err(ErrorCode::CANCEL),
            Error::Aborted,
        );
        assert_eq!(*client.received.borrow(), [expected]);
        assert_eq!(port.input.borrow().len(), 1);
        assert_eq!(engine.abort_receive(), Ok(()));
        engine.deliver_ended();
        assert_eq!(client.received.borrow().len(), 1);
    });
}

#[test]
fn an_aborted_transmission_tells_how_far_it_came() {
    with_engine(|port, client, engine| {
        engine.transmit(buffer(&[1; 20]), 20).unwrap();
        assert_eq!(engine.abort_transmit(), Err(ErrorCode::BUSY));
        port.drain();
        engine.handle_interrupt();
        engine.deliver_ended();
        assert_eq!(*client.sent.borrow(), [(16, Err(ErrorCode::CANCEL))]);
        assert_eq!(engine.abort_transmit(), Ok(()));
    });
}

#[test]
fn an_empty_reception_completes_later() {
    with_engine(|_, client, engine| {
        engine.receive(buffer(&[]), 0).unwrap();
        assert!(engine.has_ended() && client.received.borrow().is_empty());
        engine.deliver_ended();
        assert_eq!(
            *client.received.borrow(),
            [(vec![], 0, Ok(()), Error::None)]
        );
    });
}

#[test]
fn a_line_error_ends_the_reception() {
    with_engine(|port, client, engine| {
        engine.receive(buffer(&[0; 4]), 4).unwrap();
        port.type_in(b"a");
        port.input
            .borrow_mut()
            .push_back((0, status::BREAK | status::FRAMING));
        engine.handle_interrupt();
        let received = client.received.borrow();
        let (_, len, result, error) = &received[0];
        assert_eq!(
            (*len, *result, *error),
            (1, Err(ErrorCode::FAIL), Error::BreakError)
        );
    });
}

#[test]
fn a_flood_of_input_is_taken_in_batches_and_keeps_interrupting() {
    with_engine(|port, client, engine| {
        engine.receive(buffer(&[0; 200]), 200).unwrap();
        port.type_in(&[5; 200]);
        engine.handle_interrupt();
        assert!(client.received.borrow().is_empty());
        assert_eq!(port.input.borrow().len(), 200 - RECEIVE_BATCH);
        let edges = port.edges.get();
        engine.handle_interrupt();
        assert_eq!(port.edges.get(), edges + 1);
        engine.handle_interrupt();
        engine.handle_interrupt();
        assert_eq!(client.received.borrow().len(), 1);
    });
}

#[test]
fn configuring_keeps_the_interrupts_of_running_work() {
    use kernel::hil::uart::{Parity, StopBits, Width};
    with_engine(|port, _, engine| {
        engine.receive(buffer(&[0]), 1).unwrap();
        let params = Parameters {
            baud_rate: 115_200,
            width: Width::Eight,
            parity: Parity::None,
            stop_bits: StopBits::One,
            hw_flow_control: false,
        };
        assert_eq!(engine.configure(params), Ok(()));
        assert_eq!(port.line.get(), (0b11, 2));
        assert_eq!(port.enabled.get(), interrupts::RECEIVE);
    });
}
