// SPDX-License-Identifier: Apache-2.0 OR MIT

//! The interface with its sockets, driven by the app.

use crate::address::{AddressChange, AddressPolicy, Fallback};
use crate::backlog::{self, Backlog};
use crate::device::TapDevice;
use smoltcp::iface::{
    Config, Context, Interface, PollIngressSingleResult, SocketHandle, SocketSet, SocketStorage,
};
use smoltcp::socket::{AnySocket, Socket, dhcpv4, tcp, udp};
use smoltcp::time::{Duration, Instant};
use smoltcp::wire::{
    ArpOperation, ArpPacket, ArpRepr, EthernetAddress, EthernetFrame, EthernetProtocol,
    EthernetRepr, HardwareAddress, IpCidr, IpEndpoint, Ipv4Address,
};
use tock_app::alarm::Clock;
use tock_app::ethernet::{self, Buffers, Link, TRANSMIT_MINIMUM, Tap};
use tock_app::upcall::Upcall;
use tock_app::{ErrorCode, rng};

/// Frames taken in before sockets and timers get their turn, so that a flood starves nobody.
const INGRESS_BUDGET: usize = 32;

/// Longest sleep. Keeps the clock from missing a wrap of the counter below it.
const LONGEST_WAIT: Duration = Duration::from_secs(60);

/// Address of the first network card that QEMU adds, for kernels whose tap does not tell.
const DEFAULT_MAC: [u8; 6] = [0x52, 0x54, 0x00, 0x12, 0x34, 0x56];

/// MTU of Ethernet, for the same kernels.
const DEFAULT_MTU: u16 = 1500;

/// Longest wait for the entropy device at the start.
const SEED_WAIT_MS: u32 = 200;

/// First of the ports that connections from here start at (RFC 6335).
const FIRST_EPHEMERAL_PORT: u16 = 49152;

/// The memory of a [`Network`]: places for `SOCKETS` sockets, one of which DHCP takes, `RECEIVE` bytes for
/// each of two receive buffers, and `TRANSMIT` bytes for frames that leave together
/// ([`transmit_bytes`](ethernet::transmit_bytes)).
///
/// Keep it in a [`Singleton`](tock_app::Singleton).
pub struct Memory<
    const SOCKETS: usize,
    const RECEIVE: usize,
    const TRANSMIT: usize = TRANSMIT_MINIMUM,
> {
    tap: Buffers<RECEIVE, TRANSMIT>,
    sockets: [SocketStorage<'static>; SOCKETS],
    backlog: Backlog,
}

impl<const SOCKETS: usize, const RECEIVE: usize, const TRANSMIT: usize> Default
    for Memory<SOCKETS, RECEIVE, TRANSMIT>
{
    fn default() -> Self {
        Self::new()
    }
}

impl<const SOCKETS: usize, const RECEIVE: usize, const TRANSMIT: usize>
    Memory<SOCKETS, RECEIVE, TRANSMIT>
{
    /// Makes empty memory.
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
    dhcp: Option<SocketHandle>,
    policy: AddressPolicy,
    clock: Clock,
    backlog: &'static mut Backlog,
    mac: [u8; 6],
    card_mac: [u8; 6],
    router: Option<Ipv4Address>,
    name_server: Option<Ipv4Address>,
    next_port: u16,
    more_frames: bool,
}

// The large functions stay out of the app's frame: their locals would take up its stack for good.
impl Network {
    /// Brings the interface up, with a hardware address of its own where the kernel gives them out, so
    /// that several apps can share the card; else with the card's.
    ///
    /// # Errors
    ///
    /// [`ErrorCode::NoDevice`] without a network card or without an alarm driver,
    /// [`ErrorCode::NoMemory`] without room for the drivers' state.
    #[inline(never)]
    pub fn start<const SOCKETS: usize, const RECEIVE: usize, const TRANSMIT: usize>(
        memory: &'static mut Memory<SOCKETS, RECEIVE, TRANSMIT>,
        fallback: Fallback,
    ) -> Result<Self, ErrorCode> {
        let tap = Tap::open(&mut memory.tap)?;
        let link = ethernet::link().unwrap_or(Link {
            mtu: DEFAULT_MTU,
            is_up: true,
            mac: DEFAULT_MAC,
        });
        // A kernel that does not tell of the link is taken as one whose link stays.
        let _ = ethernet::watch_link();
        let mut clock = Clock::start()?;
        let now = now(&mut clock);
        let mac = ethernet::claim_mac().unwrap_or(link.mac);
        let mut device = TapDevice::new(tap, link.mtu);
        let mut config = Config::new(HardwareAddress::Ethernet(EthernetAddress(mac)));
        config.random_seed = seed();
        let next_port = FIRST_EPHEMERAL_PORT | config.random_seed as u16;
        let interface = Interface::new(config, &mut device, now);
        let mut sockets = SocketSet::new(&mut memory.sockets[..]);
        let dhcp = fallback
            .leaves_time_for_dhcp()
            .then(|| sockets.add(dhcpv4::Socket::new()));
        Ok(Self {
            device,
            interface,
            sockets,
            dhcp,
            policy: AddressPolicy::new(fallback, now),
            clock,
            backlog: &mut memory.backlog,
            mac,
            card_mac: link.mac,
            router: None,
            name_server: None,
            next_port,
            more_frames: false,
        })
    }

    /// Takes in frames, lets the sockets send, and follows DHCP; tells when the address changes.
    ///
    /// When the link comes back, or leads elsewhere, DHCP is asked anew, and neighbours are told of the
    /// address and asked for theirs. Connections last, unless DHCP has another address.
    ///
    /// Connection requests for a port whose sockets are all taken wait for a few seconds until one
    /// listens again.
    ///
    /// Look at the sockets afterwards, and call [`wait`](Self::wait) or this again soon.
    #[inline(never)]
    pub fn poll(&mut self) -> Option<AddressChange> {
        let now = now(&mut self.clock);
        if ethernet::take_link_change().is_some_and(|link| link.is_up) {
            self.link_is_back(now);
        }
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
    pub fn wait(&mut self, limit: Option<Duration>) -> Result<(), ErrorCode> {
        self.wait_for(&[], limit)
    }

    /// As [`wait`](Self::wait), and sleeps no longer when one of `events` is pending.
    ///
    /// # Errors
    ///
    /// As for [`wait`](Self::wait).
    #[inline(never)]
    pub fn wait_for(
        &mut self,
        events: &[&Upcall],
        limit: Option<Duration>,
    ) -> Result<(), ErrorCode> {
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
            let receiver = &mut self.device.tap.receiver;
            let events = events.iter().copied().chain([&ethernet::LINK_CHANGED]);
            receiver.wait_until(
                || events.clone().any(Upcall::is_pending),
                Some(millis as u32),
            )?;
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

    /// Keeps a TCP socket in service, and returns it: it listens on `port` whenever it has no connection,
    /// and ends one whose other side has ended, once all of its bytes are taken.
    ///
    /// Call it after each [`poll`](Self::poll).
    #[inline(never)]
    pub fn serve(&mut self, handle: SocketHandle, port: u16) -> &mut tcp::Socket<'static> {
        let socket = self.sockets.get_mut::<tcp::Socket>(handle);
        if !socket.is_open() {
            // Fails on an open socket and on port 0 only.
            let _ = socket.listen(port);
        } else if socket.state() == tcp::State::CloseWait && !socket.can_recv() {
            socket.close();
        }
        socket
    }

    /// Starts to connect a TCP socket to a port of another host.
    ///
    /// # Errors
    ///
    /// [`ErrorCode::Already`] when the socket has a connection, [`ErrorCode::Invalid`] for an address or
    /// port of zero.
    #[inline(never)]
    pub fn connect(
        &mut self,
        handle: SocketHandle,
        remote: (Ipv4Address, u16),
    ) -> Result<(), ErrorCode> {
        let port = self.next_port;
        self.next_port = port.wrapping_add(1) | FIRST_EPHEMERAL_PORT;
        let (socket, context) = self.socket_in_context::<tcp::Socket>(handle);
        socket
            .connect(context, remote, port)
            .map_err(|error| match error {
                tcp::ConnectError::InvalidState => ErrorCode::Already,
                tcp::ConnectError::Unaddressable => ErrorCode::Invalid,
            })
    }

    /// Adds a UDP socket with the given buffers.
    ///
    /// # Panics
    ///
    /// As for [`add_tcp`](Self::add_tcp).
    #[inline(never)]
    pub fn add_udp(
        &mut self,
        receive: udp::PacketBuffer<'static>,
        transmit: udp::PacketBuffer<'static>,
    ) -> SocketHandle {
        self.sockets.add(udp::Socket::new(receive, transmit))
    }

    /// Returns a socket with the context that some of its calls want.
    pub(crate) fn socket_in_context<S: AnySocket<'static>>(
        &mut self,
        handle: SocketHandle,
    ) -> (&mut S, &mut Context) {
        (self.sockets.get_mut::<S>(handle), self.interface.context())
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

    /// Returns the router to all other networks.
    pub fn router(&self) -> Option<Ipv4Address> {
        self.router
    }

    /// Returns who knows the addresses of names.
    pub fn name_server(&self) -> Option<Ipv4Address> {
        self.name_server
    }

    /// Returns the hardware address of the interface: the process's own, or the card's.
    pub fn mac(&self) -> [u8; 6] {
        self.mac
    }

    /// Returns the hardware address of the card.
    pub fn card_mac(&self) -> [u8; 6] {
        self.card_mac
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
        let event = self
            .dhcp
            .and_then(|dhcp| self.sockets.get_mut::<dhcpv4::Socket>(dhcp).poll());
        match event {
            Some(dhcpv4::Event::Configured(config)) => self.policy.leased(
                config.address,
                config.router,
                config.dns_servers.first().copied(),
            ),
            Some(dhcpv4::Event::Deconfigured) => self.policy.lost(now),
            None => self.policy.poll(now),
        }
    }

    /// Looks who is at the other end now.
    #[cold]
    fn link_is_back(&mut self, now: Instant) {
        if let Some(dhcp) = self.dhcp {
            self.sockets.get_mut::<dhcpv4::Socket>(dhcp).reset();
            self.policy.doubt(now);
        }
        // Forgets the neighbours, too.
        self.interface.update_ip_addrs(|_| {});
        if let Some(address) = self.address() {
            self.announce(address);
        }
    }

    /// Tells all others which hardware address belongs to `address` (RFC 5227, 3).
    fn announce(&mut self, address: Ipv4Address) {
        let source = EthernetAddress(self.mac);
        let header = EthernetRepr {
            src_addr: source,
            dst_addr: EthernetAddress::BROADCAST,
            ethertype: EthernetProtocol::Arp,
        };
        let packet = ArpRepr::EthernetIpv4 {
            operation: ArpOperation::Request,
            source_hardware_addr: source,
            source_protocol_addr: address,
            target_hardware_addr: EthernetAddress([0; 6]),
            target_protocol_addr: address,
        };
        let length = EthernetFrame::<&[u8]>::buffer_len(packet.buffer_len());
        let transmitter = &mut self.device.tap.transmitter;
        transmitter.queue_or_drop(length, |frame| {
            let mut frame = EthernetFrame::new_unchecked(frame);
            header.emit(&mut frame);
            packet.emit(&mut ArpPacket::new_unchecked(frame.payload_mut()));
        });
    }

    fn apply(&mut self, change: &AddressChange) {
        self.interface.update_ip_addrs(|addresses| {
            addresses.clear();
            if let Some(address) = change.address {
                // Just emptied, so there is room for one.
                let _ = addresses.push(IpCidr::Ipv4(address));
            }
        });
        (self.router, self.name_server) = (change.router, change.name_server);
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

/// Draws what port and sequence numbers start from. Without an entropy device, or with a mute one, they
/// are guessable, as the counter is all that differs between two runs.
fn seed() -> u64 {
    let mut seed = [0; 8];
    match rng::fill_within(&mut seed, SEED_WAIT_MS) {
        Ok(()) => u64::from_le_bytes(seed),
        Err(_) => u64::from(tock_app::alarm::now().unwrap_or(0)),
    }
}

#[cfg(test)]
mod tests;
