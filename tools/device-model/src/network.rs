// SPDX-License-Identifier: Apache-2.0 OR MIT

//! A network card with its driver, and a client that sends and receives.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;

use kernel::ErrorCode;
use kernel::deferred_call::DeferredCallClient;
use kernel::hil::ethernet::{EthernetAdapterDatapath, EthernetAdapterDatapathClient};
use queue_model::Coherent;
use virtio::devices::virtio_net::{RECEIVE_BUFFER_LEN, VirtIONet};

use crate::half::Chain;
use crate::machine::{Machine, Queue, keep};
use crate::registers::Identity;

/// How many frames the device can receive ahead of the driver.
pub const RECEIVE_DEPTH: usize = 4;

/// The size of the receive queue: a legacy device may want the header in a descriptor of its own.
const RECEIVE_SIZE: usize = 2 * RECEIVE_DEPTH;

/// The size of the transmit queue.
const TRANSMIT_SIZE: usize = 4;

/// How many frames the client has to send.
const FRAMES: usize = 6;

/// The number of the queue of received frames.
pub const RECEIVE: usize = 0;

/// The number of the queue of frames to send.
pub const TRANSMIT: usize = 1;

/// The longest frame: with the largest MTU, and a VLAN tag.
const LONGEST: usize = 1518;

/// The length of the device's header.
pub const HEADER_LEN: usize = 12;

const MAC: [u8; 6] = [0x52, 0x54, 0, 0x12, 0x34, 0x56];

/// The queues differ in size, so they are objects to it.
type Driver = VirtIONet<'static, Coherent, RECEIVE_DEPTH>;

/// Who sends and receives.
#[derive(Default)]
struct Wire {
    buffers: RefCell<Vec<&'static mut [u8]>>,
    /// Address and length of each frame on its way, by its identifier.
    flying: RefCell<HashMap<usize, (usize, u16)>>,
    next: Cell<usize>,
    sent: Cell<usize>,
    failed: Cell<usize>,
    received: RefCell<Vec<Vec<u8>>>,
}

impl EthernetAdapterDatapathClient for Wire {
    fn transmit_frame_done(
        &self,
        err: Result<(), ErrorCode>,
        frame_buffer: &'static mut [u8],
        len: u16,
        transmission_identifier: usize,
        _timestamp: Option<u64>,
    ) {
        let flying = self.flying.borrow_mut().remove(&transmission_identifier);
        let flying = flying.expect("a frame that was on its way");
        assert_eq!(flying, (frame_buffer.as_ptr().addr(), len));
        let count = if err.is_ok() {
            &self.sent
        } else {
            &self.failed
        };
        count.set(count.get() + 1);
        self.buffers.borrow_mut().push(frame_buffer);
    }

    fn received_frame(&self, frame: &[u8], _timestamp: Option<u64>) {
        assert!(
            (14..=LONGEST).contains(&frame.len()),
            "no frame: {}",
            frame.len()
        );
        self.received.borrow_mut().push(frame.to_vec());
    }
}

/// The card, its driver and the client.
pub struct Network {
    /// What both stand on.
    pub machine: Machine,
    /// The queue of received frames.
    pub receive_queue: &'static Queue<RECEIVE_SIZE>,
    /// The queue of frames to send.
    pub transmit_queue: &'static Queue<TRANSMIT_SIZE>,
    /// The driver.
    pub driver: &'static Driver,
    wire: &'static Wire,
}

/// A frame of `len` bytes that are known from its number.
#[must_use]
pub fn frame(number: u8, len: usize) -> Vec<u8> {
    (0..len)
        .map(|at| (at as u8).wrapping_mul(7) ^ number)
        .collect()
}

impl Network {
    /// What a well-behaved device of this kind is: with MAC, STATUS and MTU.
    #[must_use]
    pub fn identity() -> Identity {
        let mut configuration = MAC.to_vec();
        configuration.extend([1, 0, 0, 0]);
        configuration.extend(1500u16.to_le_bytes());
        Identity {
            device_id: 1,
            version: 2,
            offered: 1 << 36 | 1 << 32 | 1 << 29 | 1 << 28 | 1 << 16 | 1 << 5 | 1 << 3,
            queue_num_max: 256,
            queues: 3,
            configuration,
        }
    }

    /// Plugs one in, with nothing initialized yet.
    #[must_use]
    pub fn new() -> Network {
        let mut machine = Machine::new(Network::identity());
        let receive_queue = machine.queue::<RECEIVE_SIZE>();
        let transmit_queue = machine.queue::<TRANSMIT_SIZE>();
        let buffers = [(); RECEIVE_DEPTH].map(|()| machine.buffer::<RECEIVE_BUFFER_LEN>());
        let own_mac = [2, 0, 0, 0, 0, 9];
        let driver: Driver = VirtIONet::new(receive_queue, transmit_queue, buffers, own_mac);
        let driver: &'static Driver = keep(driver);
        let wire: &'static Wire = keep(Wire::default());
        for _ in 0..FRAMES {
            wire.buffers.borrow_mut().push(machine.buffer::<LONGEST>());
        }
        driver.register();
        driver.set_client(wire);
        receive_queue.set_client(driver);
        transmit_queue.set_client(driver);
        machine.drive(driver, [receive_queue as _, transmit_queue as _]);
        Network {
            machine,
            receive_queue,
            transmit_queue,
            driver,
            wire,
        }
    }

    /// Hands in a frame of `len` bytes for sending; says whether it was accepted.
    pub fn send(&self, len: u16) -> bool {
        let Some(buffer) = self.wire.buffers.borrow_mut().pop() else {
            return false;
        };
        let identifier = self.wire.next.get();
        self.wire.next.set(identifier.wrapping_add(1));
        let count = usize::from(len).min(buffer.len());
        buffer[..count].copy_from_slice(&frame(identifier as u8, count));
        let key = (buffer.as_ptr().addr(), len);
        match self.driver.transmit_frame(buffer, len, identifier) {
            Ok(()) => {
                self.wire.flying.borrow_mut().insert(identifier, key);
                true
            }
            Err((_, buffer)) => {
                assert_eq!(
                    buffer.as_ptr().addr(),
                    key.0,
                    "the buffer that was handed in"
                );
                self.wire.buffers.borrow_mut().push(buffer);
                false
            }
        }
    }

    /// Starts receiving, or stops.
    pub fn receive(&self, on: bool) {
        if on {
            self.driver.enable_receive();
        } else {
            self.driver.disable_receive();
        }
    }

    /// Takes the next chain of a queue.
    pub fn pop(&self, queue: usize) -> Option<Chain> {
        self.machine.registers.with_half(queue, |half| half.pop())?
    }

    /// Returns a chain by the rules, with these bytes written to it.
    pub fn give_back(&self, queue: usize, chain: &Chain, bytes: &[u8]) {
        self.machine.registers.with_half(queue, |half| {
            let written = half.fill(chain, bytes);
            half.give_back(chain, written);
        });
    }

    /// Delivers a frame behind an honest header, if there is a buffer for it.
    pub fn deliver(&self, bytes: &[u8]) -> bool {
        let Some(chain) = self.pop(RECEIVE) else {
            return false;
        };
        let mut header = [0; HEADER_LEN];
        header[10] = 1;
        self.give_back(RECEIVE, &chain, &[&header[..], bytes].concat());
        self.machine.announce(RECEIVE);
        true
    }

    /// Sends every frame that the driver made available, by the rules. Returns them without header, as
    /// far as the header is not in shared memory.
    pub fn transmit(&self) -> Vec<Vec<u8>> {
        let mut frames = Vec::new();
        loop {
            let before = frames.len();
            while let Some(chain) = self.pop(TRANSMIT) {
                let frame = self
                    .machine
                    .registers
                    .with_half(TRANSMIT, |half| half.read(&chain));
                frames.extend(frame);
                self.give_back(TRANSMIT, &chain, &[]);
            }
            let listen = self
                .machine
                .registers
                .with_half(TRANSMIT, |half| half.listen());
            if listen != Some(true) || frames.len() == before {
                break;
            }
        }
        self.machine.announce(TRANSMIT);
        frames
    }

    /// Forgets the frames that were received.
    pub fn take_received(&self) -> Vec<Vec<u8>> {
        self.wire.received.take()
    }

    /// With an honest device in service: every buffer is there, and frames go both ways.
    ///
    /// # Panics
    ///
    /// Something is missing.
    pub fn check_service(&self) {
        self.machine.initialize().expect("an honest device");
        assert_eq!(
            self.wire.flying.borrow().len(),
            0,
            "a frame is on its way for ever"
        );
        assert_eq!(self.wire.buffers.borrow().len(), FRAMES, "a frame was lost");
        self.driver.enable_receive();
        self.machine.run();
        self.take_received();
        let mut chains = Vec::new();
        while let Some(chain) = self.pop(RECEIVE) {
            chains.push(chain);
        }
        assert_eq!(chains.len(), RECEIVE_DEPTH, "a receive buffer was lost");
        for (number, chain) in (0..).zip(&chains) {
            let mut bytes = vec![0; HEADER_LEN];
            bytes.extend(frame(number, 60 + usize::from(number) * 400));
            self.give_back(RECEIVE, chain, &bytes);
        }
        self.machine.announce(RECEIVE);
        self.machine.pass_time();
        let expected: Vec<_> = (0..RECEIVE_DEPTH as u8)
            .map(|number| frame(number, 60 + usize::from(number) * 400))
            .collect();
        assert_eq!(self.take_received(), expected);
        for len in [14, 60, 1514, LONGEST as u16] {
            let (sent, number) = (self.wire.sent.get(), self.wire.next.get());
            assert!(self.send(len), "a frame of {len} bytes is accepted");
            self.machine.run();
            assert_eq!(self.transmit(), [frame(number as u8, len.into())]);
            self.machine.pass_time();
            assert_eq!(self.wire.sent.get(), sent + 1, "one answer");
            assert!(self.deliver(&frame(9, len.into())));
            assert_eq!(self.take_received(), [frame(9, len.into())]);
        }
        assert_eq!(self.receive_queue.violation(), None);
        assert_eq!(self.transmit_queue.violation(), None);
    }
}

impl Default for Network {
    fn default() -> Self {
        Network::new()
    }
}
