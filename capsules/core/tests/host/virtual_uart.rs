// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Several users of one serial port.

use crate::support::uart::FakeUart;
use crate::support::{run_deferred_calls, start};
use capsules_core::virtualizers::virtual_uart::{MuxUart, RX_BUF_LEN, UartDevice};
use core::cell::{Cell, RefCell};
use kernel::ErrorCode;
use kernel::deferred_call::DeferredCallClient;
use kernel::hil::uart::{Error, Receive, ReceiveClient, Transmit, TransmitClient};
use kernel::testing::forever;

type Outcome = Result<(), ErrorCode>;

/// Keeps what it is told, and goes on receiving while `again` is set.
struct User {
    device: &'static UartDevice<'static>,
    sent: RefCell<Vec<(Vec<u8>, Outcome)>>,
    received: RefCell<Vec<(Vec<u8>, Outcome, Error)>>,
    again: Cell<Option<usize>>,
    /// Sent from inside the next callback about a transmission.
    follow_up: Cell<Option<&'static [u8]>>,
}

impl TransmitClient for User {
    fn transmitted_buffer(&self, buffer: &'static mut [u8], len: usize, rval: Outcome) {
        self.sent.borrow_mut().push((buffer[..len].to_vec(), rval));
        if let Some(text) = self.follow_up.take() {
            self.send(text).unwrap();
        }
    }
}

impl ReceiveClient for User {
    fn received_buffer(&self, buffer: &'static mut [u8], len: usize, rval: Outcome, error: Error) {
        self.received
            .borrow_mut()
            .push((buffer[..len].to_vec(), rval, error));
        if let Some(len) = self.again.get() {
            self.receive(len).unwrap();
        }
    }
}

impl User {
    fn send(&self, text: &[u8]) -> Outcome {
        let buffer = Box::leak(text.to_vec().into_boxed_slice());
        self.device
            .transmit_buffer(buffer, text.len())
            .map_err(|(code, _)| code)
    }

    fn receive(&self, len: usize) -> Outcome {
        let buffer = Box::leak(std::vec![0; len].into_boxed_slice());
        self.device
            .receive_buffer(buffer, len)
            .map_err(|(code, _)| code)
    }

    fn bytes(&self) -> Vec<u8> {
        self.received
            .borrow()
            .iter()
            .flat_map(|(bytes, ..)| bytes.clone())
            .collect()
    }
}

type Bench<const N: usize> = (
    &'static FakeUart,
    &'static MuxUart<'static>,
    [&'static User; N],
);

fn bench<const N: usize>() -> Bench<N> {
    start();
    let uart = FakeUart::leaked();
    let buffer = Box::leak(Box::new([0; RX_BUF_LEN]));
    let mux: &'static MuxUart<'static> = forever(MuxUart::new(uart, buffer, 115_200));
    mux.register();
    mux.initialize();
    let users = core::array::from_fn(|_| {
        let device: &'static UartDevice<'static> = forever(UartDevice::new(mux, true));
        device.setup();
        let user: &'static User = forever(User {
            device,
            sent: Default::default(),
            received: Default::default(),
            again: Cell::new(None),
            follow_up: Cell::new(None),
        });
        device.set_transmit_client(user);
        device.set_receive_client(user);
        user
    });
    (uart, mux, users)
}

#[test]
fn the_line_is_set_up_once() {
    let (uart, ..) = bench::<0>();
    assert_eq!(uart.speed.get(), 115_200);
}

#[test]
fn transmissions_keep_the_order_in_which_they_were_asked_for() {
    let (uart, _, [a, b, c]) = bench();
    c.send(b"1").unwrap();
    a.send(b"2").unwrap();
    b.send(b"3").unwrap();
    assert_eq!(a.send(b"x"), Err(ErrorCode::BUSY));
    assert_eq!(uart.drain(), "123");
    for user in [a, b, c] {
        assert_eq!(user.sent.borrow().len(), 1);
        assert_eq!(user.sent.borrow()[0].1, Ok(()));
    }
}

#[test]
fn a_client_that_sends_again_at_once_goes_behind_those_in_line() {
    let (uart, _, [talker, other]) = bench();
    talker.follow_up.set(Some(b"again"));
    talker.send(b"first ").unwrap();
    other.send(b"between ").unwrap();
    assert_eq!(uart.drain(), "first between again");
}

#[test]
fn a_refused_transmission_is_reported_and_the_next_one_sent() {
    let (uart, _, [a, b]) = bench();
    uart.refuse_tx.set(Some(ErrorCode::OFF));
    assert_eq!(a.send(b"lost"), Err(ErrorCode::OFF));
    uart.refuse_tx.set(None);
    a.send(b"a").unwrap();
    b.send(b"b").unwrap();
    uart.refuse_tx.set(Some(ErrorCode::FAIL));
    uart.finish_tx();
    assert_eq!(b.sent.borrow()[0], (Vec::new(), Err(ErrorCode::FAIL)));
    uart.refuse_tx.set(None);
    b.send(b"B").unwrap();
    assert_eq!(uart.drain(), "aB");
}

#[test]
fn aborting_a_waiting_transmission_takes_it_out_of_the_line() {
    let (uart, _, [a, b]) = bench();
    assert_eq!(a.device.transmit_abort(), Ok(()));
    a.send(b"a").unwrap();
    b.send(b"b").unwrap();
    assert_eq!(b.device.transmit_abort(), Err(ErrorCode::BUSY));
    assert_eq!(a.device.transmit_abort(), Err(ErrorCode::FAIL));
    assert_eq!(b.send(b"c"), Err(ErrorCode::BUSY));
    run_deferred_calls();
    assert_eq!(b.sent.borrow()[0], (Vec::new(), Err(ErrorCode::CANCEL)));
    assert_eq!(uart.drain(), "a");
    b.send(b"c").unwrap();
    assert_eq!(uart.drain(), "c");
}

#[test]
fn lengths_of_zero_or_beyond_the_buffer_are_refused() {
    let (uart, _, [a]) = bench();
    let buffer = Box::leak(Box::new([0u8; 2]));
    let (code, buffer) = a.device.transmit_buffer(buffer, 0).unwrap_err();
    assert_eq!(code, ErrorCode::SIZE);
    let (code, buffer) = a.device.receive_buffer(buffer, 3).unwrap_err();
    assert_eq!(code, ErrorCode::SIZE);
    let (code, _) = a.device.receive_buffer(buffer, 0).unwrap_err();
    assert_eq!(code, ErrorCode::SIZE);
    assert!(!uart.is_sending() && !uart.is_receiving());
}

#[test]
fn a_user_outside_the_list_is_refused() {
    let (_, mux, []) = bench();
    let device = UartDevice::new(mux, true);
    let (code, buffer) = device
        .transmit_buffer(Box::leak(Box::new([0u8; 2])), 2)
        .unwrap_err();
    assert_eq!(code, ErrorCode::OFF);
    assert_eq!(
        device.receive_buffer(buffer, 2).unwrap_err().0,
        ErrorCode::OFF
    );
}

#[test]
fn every_receiver_gets_every_byte_while_it_receives() {
    let (uart, _, [one, four]) = bench();
    one.again.set(Some(1));
    one.receive(1).unwrap();
    uart.arrive(b"ab");
    four.receive(4).unwrap();
    uart.arrive(b"cdef");
    assert_eq!(one.bytes(), b"abcdef");
    assert_eq!(one.received.borrow().len(), 6);
    assert_eq!(four.received.borrow().len(), 1);
    assert_eq!(four.bytes(), b"cdef");
}

#[test]
fn bytes_wait_in_the_port_while_nobody_receives() {
    let (uart, _, [a]) = bench();
    uart.arrive(b"xyz");
    assert_eq!(uart.backlog(), 3);
    a.receive(2).unwrap();
    uart.deliver();
    assert_eq!(a.bytes(), b"xy");
    assert_eq!(uart.backlog(), 1);
    assert!(!uart.is_receiving());
}

#[test]
fn an_abort_gives_back_what_came_so_far_and_spares_the_others() {
    let (uart, _, [a, b]) = bench();
    assert_eq!(a.device.receive_abort(), Ok(()));
    a.receive(8).unwrap();
    b.receive(4).unwrap();
    uart.arrive(b"12");
    assert_eq!(a.device.receive_abort(), Err(ErrorCode::BUSY));
    uart.arrive(b"3");
    run_deferred_calls();
    assert_eq!(
        a.received.borrow()[0],
        (b"12".to_vec(), Err(ErrorCode::CANCEL), Error::Aborted)
    );
    uart.arrive(b"4");
    assert_eq!(b.bytes(), b"1234");
}

#[test]
fn a_byte_that_comes_after_an_abort_is_kept_for_the_next_reader() {
    let (uart, _, [a, b]) = bench();
    a.receive(1).unwrap();
    let _ = a.device.receive_abort();
    run_deferred_calls();
    uart.arrive(b"kw");
    assert_eq!(uart.backlog(), 1);
    b.receive(2).unwrap();
    assert!(b.bytes().is_empty());
    run_deferred_calls();
    uart.deliver();
    assert_eq!(b.bytes(), b"kw");
}

#[test]
fn a_line_error_ends_every_reception_and_the_port_goes_on() {
    let (uart, _, [a, b]) = bench();
    a.again.set(Some(2));
    a.receive(2).unwrap();
    b.receive(5).unwrap();
    uart.arrive(b"1");
    uart.break_line();
    for user in [a, b] {
        assert_eq!(
            user.received.borrow()[0],
            (b"1".to_vec(), Err(ErrorCode::FAIL), Error::BreakError)
        );
    }
    uart.arrive(b"23");
    assert_eq!(a.received.borrow()[1].0, b"23");
}

#[test]
fn a_port_that_stops_receiving_is_reported_once() {
    let (uart, _, [a]) = bench();
    uart.refuse_rx.set(Some(ErrorCode::OFF));
    assert_eq!(a.receive(1), Err(ErrorCode::OFF));
    uart.refuse_rx.set(None);
    a.receive(2).unwrap();
    uart.refuse_rx.set(Some(ErrorCode::OFF));
    uart.arrive(b"1");
    assert_eq!(a.received.borrow()[0].1, Err(ErrorCode::OFF));
    uart.refuse_rx.set(None);
    a.receive(1).unwrap();
    uart.arrive(b"2");
    assert_eq!(a.bytes(), b"12");
}
