// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Network cards of the board: the `NET` option and the QEMU arguments it stands for.

use std::str::FromStr;

/// Address that QEMU's user network leases to the first card that asks.
const GUEST_ADDRESS: &str = "10.0.2.15";
/// Port that is forwarded unless another is named: the web app's.
const GUEST_PORT: u16 = 80;

/// What a card is plugged into.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Card {
    /// QEMU's user network, with a port of this machine forwarded to the guest.
    User,
    /// A program on this machine: each frame is a UDP datagram on the loopback interface.
    Datagram {
        /// Port at which QEMU receives frames.
        local: u16,
        /// Port to which QEMU sends frames.
        remote: u16,
    },
}

/// The cards of the board, in the order in which they are plugged in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Network {
    cards: Vec<Card>,
    guest_port: u16,
    protocol: Protocol,
}

/// What a forwarded port carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// Connections.
    Tcp,
    /// Datagrams.
    Udp,
}

impl Protocol {
    fn name(self) -> &'static str {
        match self {
            Protocol::Tcp => "tcp",
            Protocol::Udp => "udp",
        }
    }
}

/// A port of this machine that leads to one of the board.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Forward {
    /// Port of this machine.
    pub host: u16,
    /// Port of the board.
    pub guest: u16,
    /// What it carries.
    pub protocol: Protocol,
}

/// A `PORT` option that names no ports.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is no port: use a number from 1 to 65535, or two as HOST:GUEST, with /udp behind them for UDP"
)]
pub struct BadPort(String);

impl FromStr for Forward {
    type Err = BadPort;

    fn from_str(text: &str) -> Result<Forward, BadPort> {
        let port = |word: &str| word.parse().ok().filter(|port| *port != 0);
        let (ports, protocol) = match text.strip_suffix("/udp") {
            Some(ports) => (ports, Protocol::Udp),
            None => (text, Protocol::Tcp),
        };
        let both = match ports.split_once(':') {
            Some((host, guest)) => port(host).zip(port(guest)),
            None => port(ports).zip(Some(GUEST_PORT)),
        };
        both.map(|(host, guest)| Forward {
            host,
            guest,
            protocol,
        })
        .ok_or_else(|| BadPort(text.to_owned()))
    }
}

/// A `NET` option that names no network.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` names no network: use user, none, dgram:LOCALPORT:REMOTEPORT, or several with commas"
)]
pub struct BadNetwork(String);

impl Network {
    /// A board without a card.
    pub const NONE: Network = Network {
        cards: Vec::new(),
        guest_port: GUEST_PORT,
        protocol: Protocol::Tcp,
    };

    /// Makes a board with these cards.
    #[must_use]
    pub fn new(cards: Vec<Card>) -> Network {
        Network {
            cards,
            ..Network::NONE
        }
    }

    /// The same cards, with the forwarded port leading to this one of the board instead of 80.
    #[must_use]
    pub fn leading_to(self, guest_port: u16) -> Network {
        Network { guest_port, ..self }
    }

    /// The same cards, with the forwarded port carrying this.
    #[must_use]
    pub fn carrying(self, protocol: Protocol) -> Network {
        Network { protocol, ..self }
    }

    /// Whether QEMU will listen on the forwarded port.
    #[must_use]
    pub fn forwards_port(&self) -> bool {
        self.cards.first() == Some(&Card::User)
    }

    /// QEMU's arguments for the cards; the first one, which apps use, forwards `port` if it can.
    ///
    /// QEMU fills the slots from the last one down, and apps use the card in the lowest slot: so the first
    /// card is told last.
    #[must_use]
    pub fn arguments(&self, port: u16) -> Vec<String> {
        let mut arguments = Vec::new();
        let forward = format!(
            ",hostfwd={}:127.0.0.1:{port}-{GUEST_ADDRESS}:{}",
            self.protocol.name(),
            self.guest_port
        );
        for (index, card) in self.cards.iter().enumerate().rev() {
            let backend = match card {
                Card::User if index == 0 => format!("user,id=net0{forward}"),
                Card::User => format!("user,id=net{index}"),
                Card::Datagram { local, remote } => format!(
                    "socket,id=net{index},udp=127.0.0.1:{remote},localaddr=127.0.0.1:{local}"
                ),
            };
            arguments.extend(["-netdev".to_owned(), backend]);
            arguments.push("-device".to_owned());
            arguments.push(format!("virtio-net-device,netdev=net{index}"));
        }
        arguments
    }
}

impl FromStr for Network {
    type Err = BadNetwork;

    fn from_str(text: &str) -> Result<Network, BadNetwork> {
        if text == "none" {
            return Ok(Network::NONE);
        }
        let card = |word: &str| match word.split(':').collect::<Vec<_>>()[..] {
            ["user"] => Some(Card::User),
            ["dgram", local, remote] => Some(Card::Datagram {
                local: local.parse().ok()?,
                remote: remote.parse().ok()?,
            }),
            _ => None,
        };
        let cards: Option<Vec<Card>> = text.split(',').map(card).collect();
        cards
            .map(Network::new)
            .ok_or_else(|| BadNetwork(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_name_any_number_of_cards() {
        let datagram = Card::Datagram {
            local: 5000,
            remote: 5001,
        };
        assert_eq!("none".parse(), Ok(Network::NONE));
        assert_eq!("user".parse(), Ok(Network::new(vec![Card::User])));
        assert_eq!("dgram:5000:5001".parse(), Ok(Network::new(vec![datagram])));
        let both = Network::new(vec![Card::User, datagram]);
        assert_eq!("user,dgram:5000:5001".parse(), Ok(both));
    }

    #[test]
    fn options_that_name_no_network_are_refused() {
        for text in [
            "",
            "tap",
            "user,",
            "none,user",
            "dgram",
            "dgram:1",
            "dgram:x:1",
            "dgram:1:70000",
        ] {
            assert_eq!(text.parse::<Network>(), Err(BadNetwork(text.to_owned())));
        }
    }

    #[test]
    fn only_the_first_card_forwards_the_port_and_it_comes_last() {
        let arguments = Network::new(vec![Card::User, Card::User]).arguments(8080);
        assert_eq!(arguments[1], "user,id=net1");
        assert_eq!(arguments[3], "virtio-net-device,netdev=net1");
        assert_eq!(
            arguments[5],
            "user,id=net0,hostfwd=tcp:127.0.0.1:8080-10.0.2.15:80"
        );
        assert_eq!(arguments[7], "virtio-net-device,netdev=net0");
        let datagram = Card::Datagram {
            local: 1,
            remote: 2,
        };
        let elsewhere = Network::new(vec![datagram, Card::User]);
        assert!(!elsewhere.forwards_port());
        assert!(!elsewhere.arguments(8080).concat().contains("hostfwd"));
    }

    #[test]
    fn the_forwarded_port_leads_to_the_web_server_or_where_it_is_told_to() {
        let (host, guest) = (8007, 7);
        for (text, guest, protocol) in [
            ("8007", 80, Protocol::Tcp),
            ("8007:7", guest, Protocol::Tcp),
            ("8007/udp", 80, Protocol::Udp),
            ("8007:7/udp", guest, Protocol::Udp),
        ] {
            let forward = Forward {
                host,
                guest,
                protocol,
            };
            assert_eq!(text.parse(), Ok(forward));
        }
        let arguments = Network::new(vec![Card::User]).leading_to(7).arguments(8007);
        assert!(arguments[1].ends_with("127.0.0.1:8007-10.0.2.15:7"));
        let datagrams = Network::new(vec![Card::User]).carrying(Protocol::Udp);
        assert!(datagrams.arguments(8007)[1].contains(",hostfwd=udp:127.0.0.1:8007-"));
        for text in [
            "", "0", "x", "65536", "1:0", ":7", "1:", "1:2:3", "-1", "/udp", "1/tcp", "1:2/",
        ] {
            assert_eq!(text.parse::<Forward>(), Err(BadPort(text.to_owned())));
        }
    }
}
