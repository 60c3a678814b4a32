// SPDX-License-Identifier: Apache-2.0 OR MIT

//! What the host does for others: it leases addresses (RFC 2131) and answers for names (RFC 1035).

use std::net::Ipv4Addr;

use smoltcp::iface::{SocketHandle, SocketSet};
use smoltcp::socket::udp;
use smoltcp::wire::{
    DhcpMessageType, DhcpPacket, DhcpRepr, DnsFlags, DnsPacket, DnsQueryType, DnsQuestion,
    EthernetAddress,
};

use super::HOST;

const DHCP_SERVER: u16 = 67;
const DHCP_CLIENT: u16 = 68;
const DNS: u16 = 53;

/// The last byte of the first address that is leased.
const FIRST_LEASE: u8 = 15;
const LEASE_SECONDS: u32 = 3600;

/// Time for which an answer may be kept.
const NAME_SECONDS: u32 = 60;

/// The servers and what they know.
pub struct Services {
    dhcp: SocketHandle,
    dns: SocketHandle,
    names: Vec<(Vec<u8>, Ipv4Addr)>,
    /// Who has an address, in the order of the addresses.
    leases: Vec<EthernetAddress>,
    first_lease: u8,
}

/// Makes a socket with room for many datagrams.
pub fn udp_socket(port: u16) -> udp::Socket<'static> {
    let buffer =
        || udp::PacketBuffer::new(vec![udp::PacketMetadata::EMPTY; 256], vec![0; 256 * 1024]);
    let mut socket = udp::Socket::new(buffer(), buffer());
    socket.bind(port).expect("a fresh socket takes any port");
    socket
}

impl Services {
    /// Makes the servers.
    pub fn new(sockets: &mut SocketSet<'static>, names: &[(&str, Ipv4Addr)]) -> Services {
        Services {
            dhcp: sockets.add(udp_socket(DHCP_SERVER)),
            dns: sockets.add(udp_socket(DNS)),
            names: names
                .iter()
                .map(|(name, address)| (wire_name(name), *address))
                .collect(),
            leases: Vec::new(),
            first_lease: FIRST_LEASE,
        }
    }

    /// Forgets who has an address, and gives out those from this last byte on.
    pub fn lease_anew(&mut self, first: u8) {
        self.leases.clear();
        self.first_lease = first;
    }

    /// Answers the requests that have come; tells whether there were any.
    pub fn serve(&mut self, sockets: &mut SocketSet) -> bool {
        let mut served = false;
        while let Ok((request, _)) = sockets.get_mut::<udp::Socket>(self.dhcp).recv() {
            let request = request.to_vec();
            served = true;
            if let Some(answer) = self.lease(&request) {
                let socket = sockets.get_mut::<udp::Socket>(self.dhcp);
                // The client has no address yet.
                let to = (Ipv4Addr::BROADCAST, DHCP_CLIENT);
                socket.send_slice(&answer, to).expect("room for an answer");
            }
        }
        while let Ok((question, from)) = sockets.get_mut::<udp::Socket>(self.dns).recv() {
            let question = question.to_vec();
            served = true;
            if let Some(answer) = self.resolve(&question) {
                let socket = sockets.get_mut::<udp::Socket>(self.dns);
                socket
                    .send_slice(&answer, from.endpoint)
                    .expect("room for an answer");
            }
        }
        served
    }

    fn lease(&mut self, request: &[u8]) -> Option<Vec<u8>> {
        let packet = DhcpPacket::new_checked(request).ok()?;
        let request = DhcpRepr::parse(&packet).ok()?;
        let message_type = match request.message_type {
            DhcpMessageType::Discover => DhcpMessageType::Offer,
            DhcpMessageType::Request => DhcpMessageType::Ack,
            _ => return None,
        };
        let client = request.client_hardware_address;
        let known = self.leases.iter().position(|holder| *holder == client);
        let index = known.unwrap_or_else(|| {
            self.leases.push(client);
            self.leases.len() - 1
        });
        let [a, b, c, _] = HOST.octets();
        let host = self.first_lease.checked_add(u8::try_from(index).ok()?)?;
        let answer = DhcpRepr {
            message_type,
            your_ip: Ipv4Addr::new(a, b, c, host),
            server_ip: HOST,
            router: Some(HOST),
            subnet_mask: Some(Ipv4Addr::new(255, 255, 255, 0)),
            server_identifier: Some(HOST),
            dns_servers: Some([HOST].into_iter().collect()),
            lease_duration: Some(LEASE_SECONDS),
            requested_ip: None,
            client_identifier: None,
            parameter_request_list: None,
            max_size: None,
            ..request
        };
        let mut bytes = vec![0; answer.buffer_len()];
        let mut packet = DhcpPacket::new_unchecked(&mut bytes[..]);
        answer.emit(&mut packet).ok()?;
        Some(bytes)
    }

    fn resolve(&self, question: &[u8]) -> Option<Vec<u8>> {
        let packet = DnsPacket::new_checked(question).ok()?;
        let (_, asked) = DnsQuestion::parse(packet.payload()).ok()?;
        let known = self.names.iter().find(|(name, _)| name == asked.name);
        let address = known
            .filter(|_| asked.type_ == DnsQueryType::A)
            .map(|(_, address)| *address);
        let flags =
            DnsFlags::RESPONSE | DnsFlags::RECURSION_DESIRED | DnsFlags::RECURSION_AVAILABLE;
        // Name error, unless the name is known.
        let code = if address.is_some() { 0 } else { 3 };
        let mut answer = Vec::new();
        answer.extend(packet.transaction_id().to_be_bytes());
        answer.extend((flags.bits() | code).to_be_bytes());
        let answers = u16::from(address.is_some());
        answer.extend([1, answers, 0, 0].map(u16::to_be_bytes).concat());
        let start = answer.len();
        answer.resize(start + asked.buffer_len(), 0);
        asked.emit(&mut answer[start..]);
        if let Some(address) = address {
            answer.extend(asked.name);
            // Type A, class Internet.
            answer.extend([0, 1, 0, 1]);
            answer.extend(NAME_SECONDS.to_be_bytes());
            answer.extend([0, 4]);
            answer.extend(address.octets());
        }
        Some(answer)
    }
}

/// A name as it stands in messages: each label behind its length.
fn wire_name(name: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    for label in name.split('.') {
        bytes.push(u8::try_from(label.len()).expect("a short label"));
        bytes.extend(label.bytes());
    }
    bytes.push(0);
    bytes
}
