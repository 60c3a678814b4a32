// SPDX-License-Identifier: Apache-2.0 OR MIT

//! The interface with its sockets, driven by the app.

use crate::address::{AddressChange, AddressPolicy, Fallback};
use crate::backlog::{self, Backlog};
use crate::device::TapDevice;
use smoltcp::iface::{
    Config, Interface, PollIngressSingleResult, SocketHandle, SocketSet, SocketStorage,
};
use smoltcp::socket::{Socket, dhcpv4, tcp};
use smoltcp::time::{Duration, Instant};
use smoltcp::wire::{EthernetAddress, HardwareAddress, IpCidr, IpEndpoint, Ipv4Address};
use tock_app::alarm::Clock;
use tock_app::ethernet::{self, Buffers, Link, Tap};
use tock_app::{ErrorCode, rng};

/// Frames taken in before sockets and timers get their turn, so that a flood starves nobody.
const INGRESS_BUDGET: usize = 32;

/// Longest sleep. Keeps the clock from missing a wrap of the counter below it.
const LONGEST_WAIT: Duration = Duration::from_secs(60);

/// Address of the first network card that QEMU adds, for kernels whose tap does not tell.
const DEFAULT_MAC: [u8; 6] = [0x52, 0x54, 0x00, 0x12, 0x34, 0x56];

/// MTU of Ethernet, for the same kernels.
const DEFAULT_MTU: u16 = 1500;

/// The memory of a [`Network`]: `RECEIVE` bytes for each of two receive buffers, and places for `SOCKETS`
/// sockets, one of which DHCP takes.
///
/// Keep it in a [`Singleton`](tock_app::Singleton).
pub struct Memory<const SOCKETS: usize, const RECEIVE: usize> {
    tap: Buffers<RECEIVE>,
    sockets: [SocketStorage<'static>; SOCKETS],
    backlog: Backlog,
}

impl<const SOCKETS: usize, const RECEIVE: usize> Memory<SOCKETS, RECEIVE> {
    /// Makes empty memory.
    #[allow(clippy::new_without_default, reason = "only a static makes sense")]
    pub const fn new() -> Self {
        const { assert!(SOCKETS > 0, "DHCP needs a socket") };
        Self {
            tap: Buffers::new(),
            sockets: [SocketStorage::EMPTY; SOCKETS],
            backlog: Backlog::new(),
        }
    }
}

/// A network interface with the sockets of an app.
pub struct Network {
    device: TapDevice,
    interface: Interface,
    sockets: SocketSet<'static>,
    dhcp: SocketHandle,
    policy: AddressPolicy,
    clock: Clock,
    backlog: &'static mut Backlog,
    mac: [u8; 6],
    more_frames: bool,
}

// The large functions stay out of the app's frame: their locals would take up its stack for good.
impl Network {
    /// Brings the interface up.
    ///
    /// # Errors
    ///
    /// [`ErrorCode::NoDevice`] without a network card or without an alarm driver,
    /// [`ErrorCode::NoMemory`] without room for the drivers' state.
    #[inline(never)]
    pub fn start<const SOCKETS: usize, const RECEIVE: usize>(
        memory: &'static mut Memory<SOCKETS, RECEIVE>,
        fallback: Fallback,
    ) -> Result<Self, ErrorCode> {
        let tap = Tap::open(&mut memory.tap)?;
        let link = ethernet::link().unwrap_or(Link {
            mtu: DEFAULT_MTU,
            is_up: true,
            mac: DEFAULT_MAC,
        });
        let mut clock = Clock::start()?;
        let now = now(&mut clock);
        let mut device = TapDevice::new(tap, link.mtu);
        let mut config = Config::new(HardwareAddress::Ethernet(EthernetAddress(link.mac)));
        config.random_seed = seed();
        let interface = Interface::new(config, &mut device, now);
        let mut sockets = SocketSet::new(&mut memory.sockets[..]);
        let dhcp = sockets.add(dhcpv4::Socket::new());
        Ok(Self {
            device,
            interface,
            sockets,
            dhcp,
            policy: AddressPolicy::new(fallback, now),
            clock,
            backlog: &mut memory.backlog,
            mac: link.mac,
            more_frames: false,
        })
    }

    /// Takes in frames, lets the sockets send, and follows DHCP; tells when the address changes.
    ///
    /// Connection requests for a port whose sockets are all taken wait for a few seconds until one
    /// listens again.
    ///
    /// Look at the sockets afterwards, and call [`wait`](Self::wait) or this again soon.
    #[inline(never)]
    pub fn poll(&mut self) -> Option<AddressChange> {
        let now = now(&mut self.clock);
        let Self {
            interface,
            device,
            sockets,
            backlog,
            ..
        } = self;
        interface.poll_maintenance(now);
        self.more_frames = true;
        for _ in 0..INGRESS_BUDGET {
            let is_listening = |port| port_state(sockets, port) == PortState::Listening;
            if backlog
                .release(now, is_listening, |frame| device.inject(frame))
                .is_none()
                && let Some(frame) = device.tap.receiver.peek()
                && let Some(request) = backlog::request(frame)
                && port_state(sockets, request.port) == PortState::Busy
                && !is_connected(sockets, &request)
            {
                backlog.hold(request, frame, now);
                device.tap.receiver.receive();
                continue;
            }
            if let PollIngressSingleResult::None =
                interface.poll_ingress_single(now, device, sockets)
            {
                self.more_frames = false;
                break;
            }
        }
        interface.poll_egress(now, device, sockets);
        send_off(device);
        let change = self.follow_dhcp(now);
        if let Some(change) = &change {
            self.apply(change);
        }
        change
    }

    /// Sends what the app has put into its sockets, then sleeps until a frame arrives, a timer of the
    /// interface is due, or `limit` has passed.
    ///
    /// # Errors
    ///
    /// [`ErrorCode::NoDevice`] without an alarm driver.
    #[inline(never)]
    pub fn wait(&mut self, limit: Option<Duration>) -> Result<(), ErrorCode> {
        let now = now(&mut self.clock);
        let Self {
            interface,
            device,
            sockets,
            backlog,
            ..
        } = self;
        interface.poll_egress(now, device, sockets);
        send_off(device);
        let is_listening = |port| port_state(sockets, port) == PortState::Listening;
        if self.more_frames || backlog.has_request_for(is_listening) {
            return Ok(());
        }
        let until_due = self.policy.due().map(|due| remaining(due, now));
        let delay = [
            limit,
            until_due,
            self.interface.poll_delay(now, &self.sockets),
        ]
        .into_iter()
        .flatten()
        .fold(LONGEST_WAIT, Duration::min);
        if delay != Duration::ZERO {
            let millis = delay.total_micros().div_ceil(1000);
            self.device.tap.receiver.wait_timeout(millis as u32)?;
        }
        Ok(())
    }

    /// Adds a TCP socket with the given buffers; the receive buffer is the window that peers see.
    ///
    /// # Panics
    ///
    /// When the memory given to [`start`](Self::start) has no place left.
    #[inline(never)]
    pub fn add_tcp(
        &mut self,
        receive: &'static mut [u8],
        transmit: &'static mut [u8],
    ) -> SocketHandle {
        let (receive, transmit) = (
            tcp::SocketBuffer::new(receive),
            tcp::SocketBuffer::new(transmit),
        );
        self.sockets.add(tcp::Socket::new(receive, transmit))
    }

    /// Gives access to the sockets.
    pub fn sockets(&mut self) -> &mut SocketSet<'static> {
        &mut self.sockets
    }

    /// Returns the time since the start.
    pub fn now(&mut self) -> Instant {
        now(&mut self.clock)
    }

    /// Returns the address in use.
    pub fn address(&self) -> Option<Ipv4Address> {
        self.interface.ipv4_addr()
    }

    /// Returns the hardware address of the interface.
    pub fn mac(&self) -> [u8; 6] {
        self.mac
    }

    /// Returns how many frames were received; wraps.
    pub fn received_frames(&self) -> u32 {
        self.device.tap.receiver.frames()
    }

    /// Returns how many frames were transmitted; wraps.
    pub fn transmitted_frames(&self) -> u32 {
        self.device.tap.transmitter.frames()
    }

    fn follow_dhcp(&mut self, now: Instant) -> Option<AddressChange> {
        match self.sockets.get_mut::<dhcpv4::Socket>(self.dhcp).poll() {
            Some(dhcpv4::Event::Configured(config)) => {
                Some(self.policy.leased(config.address, config.router))
            }
            Some(dhcpv4::Event::Deconfigured) if self.policy.due().is_none() => {
                Some(self.policy.lost(now))
            }
            // The first event says that there is no address yet, which is known.
            _ => self.policy.poll(now),
        }
    }

    fn apply(&mut self, change: &AddressChange) {
        self.interface.update_ip_addrs(|addresses| {
            addresses.clear();
            if let Some(address) = change.address {
                // Just emptied, so there is room for one.
                let _ = addresses.push(IpCidr::Ipv4(address));
            }
        });
        let routes = self.interface.routes_mut();
        routes.remove_default_ipv4_route();
        if let Some(router) = change.router {
            // The only route, so there is room for it.
            let _ = routes.add_default_ipv4_route(router);
        }
    }
}

/// What a connection request for a port would meet.
#[derive(Clone, Copy, PartialEq, Eq)]
enum PortState {
    /// A socket that takes it.
    Listening,
    /// Sockets that all have a connection. One of them will listen again.
    Busy,
    /// Nothing: the request is refused.
    Closed,
}

fn port_state(sockets: &SocketSet, port: u16) -> PortState {
    let mut state = PortState::Closed;
    for (_, socket) in sockets.iter() {
        if let Socket::Tcp(socket) = socket
            && socket.listen_endpoint().port == port
        {
            if socket.is_listening() {
                return PortState::Listening;
            }
            state = PortState::Busy;
        }
    }
    state
}

/// Tells whether the request repeats one that a socket has taken already.
fn is_connected(sockets: &SocketSet, request: &backlog::Request) -> bool {
    let source = IpEndpoint::from(request.source);
    sockets.iter().any(|(_, socket)| match socket {
        Socket::Tcp(socket) => socket.remote_endpoint() == Some(source),
        _ => false,
    })
}

/// Hands over what the stack has written. Protocols make good for what the kernel refuses.
fn send_off(device: &mut TapDevice) {
    let _ = device.tap.transmitter.submit();
}

fn now(clock: &mut Clock) -> Instant {
    // 2^63 microseconds are out of reach.
    Instant::from_micros(clock.micros() as i64)
}

fn remaining(due: Instant, now: Instant) -> Duration {
    if due > now { due - now } else { Duration::ZERO }
}

/// Draws what port and sequence numbers start from. Without an entropy device they are guessable, as
/// the counter is all that differs between two runs.
fn seed() -> u64 {
    let mut seed = [0; 8];
    match rng::fill(&mut seed) {
        Ok(()) => u64::from_le_bytes(seed),
        Err(_) => u64::from(tock_app::alarm::now().unwrap_or(0)),
    }
}
