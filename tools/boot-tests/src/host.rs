// SPDX-License-Identifier: Apache-2.0 OR MIT

//! A whole host at the far end of the cable: it answers ARP and ping, gives out addresses, knows names,
//! and exchanges UDP datagrams.
//!
//! It runs on a thread of its own, so that it answers while a test waits for the serial port.

mod services;

use std::collections::VecDeque;
use std::net::Ipv4Addr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use smoltcp::iface::{Config, Interface, SocketHandle, SocketSet};
use smoltcp::phy::{Device, DeviceCapabilities, Medium, RxToken, TxToken};
use smoltcp::socket::udp;
use smoltcp::wire::{EthernetAddress, IpCidr};

use crate::PATIENCE;
use crate::peer::Peer;
use services::Services;

/// The address of the host, which it also names as router and name server.
pub const HOST: Ipv4Addr = Ipv4Addr::new(10, 0, 2, 2);
/// Its hardware address.
pub const HOST_MAC: [u8; 6] = [0x02, 0, 0, 0, 0, 0x01];

/// Longest time without a look at the stack's timers.
const ROUND: Duration = Duration::from_millis(500);
/// Shortest wait that is worth it.
const MOMENT: Duration = Duration::from_millis(1);

/// The board's neighbour. Dropping it ends its thread.
pub struct Host {
    state: Arc<(Mutex<State>, Condvar)>,
    peer: Arc<Peer>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

/// What the thread and the test both look at.
struct State {
    interface: Interface,
    sockets: SocketSet<'static>,
    cable: Cable,
    services: Services,
    client: SocketHandle,
    /// All frames from the board.
    seen: Vec<Vec<u8>>,
}

/// The stack's view of the cable.
struct Cable {
    peer: Arc<Peer>,
    received: VecDeque<Vec<u8>>,
}

impl Host {
    /// Takes over one end of a cable. `names` are those that the host has addresses for.
    #[must_use]
    pub fn new(peer: Peer, names: &[(&str, Ipv4Addr)]) -> Host {
        let peer = Arc::new(peer);
        let mut cable = Cable {
            peer: peer.clone(),
            received: VecDeque::new(),
        };
        let address = EthernetAddress(HOST_MAC);
        let config = Config::new(address.into());
        let mut interface = Interface::new(config, &mut cable, now());
        interface.update_ip_addrs(|addresses| {
            addresses
                .push(IpCidr::new(HOST.into(), 24))
                .expect("room for one address");
        });
        let mut sockets = SocketSet::new(Vec::new());
        let services = Services::new(&mut sockets, names);
        let client = sockets.add(services::udp_socket(49_999));
        let state = Arc::new((
            Mutex::new(State {
                interface,
                sockets,
                cable,
                services,
                client,
                seen: Vec::new(),
            }),
            Condvar::new(),
        ));
        let stop = Arc::new(AtomicBool::new(false));
        let thread = {
            let (state, peer, stop) = (state.clone(), peer.clone(), stop.clone());
            thread::spawn(move || run(&state, &peer, &stop))
        };
        Host {
            state,
            peer,
            stop,
            thread: Some(thread),
        }
    }

    /// Gives other addresses to those who ask from now on, the first with this last byte: as if the cable
    /// led to another network.
    pub fn lease_anew(&self, first: u8) {
        self.state().services.lease_anew(first);
    }

    /// Sends a UDP datagram.
    #[track_caller]
    pub fn send_udp(&self, to: (Ipv4Addr, u16), datagram: &[u8]) {
        let mut state = self.state();
        let State {
            sockets, client, ..
        } = &mut *state;
        let socket = sockets.get_mut::<udp::Socket>(*client);
        socket
            .send_slice(datagram, to)
            .expect("room for a datagram");
        drop(state);
        self.peer.wake();
    }

    /// Waits for the next UDP datagram that comes back.
    #[track_caller]
    pub fn receive_udp(&self) -> (Ipv4Addr, Vec<u8>) {
        self.wait("a datagram", |state| {
            let socket = state.sockets.get_mut::<udp::Socket>(state.client);
            let (datagram, from) = socket.recv().ok()?;
            let std::net::IpAddr::V4(address) = from.endpoint.addr.into() else {
                return None;
            };
            Some((address, datagram.to_vec()))
        })
    }

    /// Sends a frame as it is.
    pub fn send_frame(&self, frame: &[u8]) {
        self.peer.send(frame);
    }

    /// Takes all frames that the board has sent so far.
    #[must_use]
    pub fn take_seen(&self) -> Vec<Vec<u8>> {
        std::mem::take(&mut self.state().seen)
    }

    /// Waits until the board has sent a frame that `wanted` accepts.
    #[track_caller]
    pub fn wait_for_frame(&self, what: &str, wanted: impl Fn(&[u8]) -> bool) -> Vec<u8> {
        self.wait(what, |state| {
            state.seen.iter().find(|frame| wanted(frame)).cloned()
        })
    }

    #[track_caller]
    fn wait<R>(&self, what: &str, mut look: impl FnMut(&mut State) -> Option<R>) -> R {
        let deadline = Instant::now() + PATIENCE;
        let mut state = self.state();
        loop {
            if let Some(found) = look(&mut state) {
                return found;
            }
            let left = deadline.saturating_duration_since(Instant::now());
            assert!(!left.is_zero(), "never came to the host: {what}");
            let waited = self.state.1.wait_timeout(state, left);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.state.0)
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        self.peer.wake();
        if let Some(thread) = self.thread.take() {
            // A panic over there has failed the test already.
            let _ = thread.join();
        }
    }
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Lets the stack work until the host is dropped.
fn run((state, changed): &(Mutex<State>, Condvar), peer: &Peer, stop: &AtomicBool) {
    while !stop.load(Ordering::Relaxed) {
        let delay = lock(state).poll();
        changed.notify_all();
        let frame = peer.receive_within(delay.clamp(MOMENT, ROUND));
        // An empty one only wakes this thread.
        if let Some(frame) = frame.filter(|frame| !frame.is_empty()) {
            let mut state = lock(state);
            state.seen.push(frame.clone());
            state.cable.received.push_back(frame);
        }
    }
}

impl State {
    /// Does what is to be done; returns how long there will be nothing to do without a frame.
    fn poll(&mut self) -> Duration {
        let State {
            interface,
            sockets,
            cable,
            services,
            ..
        } = self;
        loop {
            interface.poll(now(), cable, sockets);
            if !services.serve(sockets) {
                break;
            }
        }
        let delay = interface.poll_delay(now(), sockets);
        delay.map_or(ROUND, Duration::from)
    }
}

fn now() -> smoltcp::time::Instant {
    smoltcp::time::Instant::now()
}

impl Device for Cable {
    type RxToken<'d> = Received;
    type TxToken<'d> = Outlet<'d>;

    fn receive(&mut self, _now: smoltcp::time::Instant) -> Option<(Received, Outlet<'_>)> {
        let frame = self.received.pop_front()?;
        Some((Received(frame), Outlet(&self.peer)))
    }

    fn transmit(&mut self, _now: smoltcp::time::Instant) -> Option<Outlet<'_>> {
        Some(Outlet(&self.peer))
    }

    fn capabilities(&self) -> DeviceCapabilities {
        let mut capabilities = DeviceCapabilities::default();
        capabilities.medium = Medium::Ethernet;
        capabilities.max_transmission_unit = 1514;
        capabilities
    }
}

struct Received(Vec<u8>);

impl RxToken for Received {
    fn consume<R, F: FnOnce(&[u8]) -> R>(self, read: F) -> R {
        read(&self.0)
    }
}

struct Outlet<'p>(&'p Peer);

impl TxToken for Outlet<'_> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, length: usize, write: F) -> R {
        let mut frame = vec![0; length];
        let result = write(&mut frame);
        self.0.send(&frame);
        result
    }
}
