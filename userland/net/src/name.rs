// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Addresses of names, from the name server that the network's configuration names.

use crate::network::Network;
use core::fmt;
use core::net::IpAddr;
use smoltcp::iface::SocketHandle;
use smoltcp::socket::dns::{self, DnsQuery, GetQueryResultError, QueryHandle};
use smoltcp::wire::{DnsQueryType, IpAddress, Ipv4Address};

/// Why a name has no address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NameError {
    /// It breaks the rules for names.
    Malformed,
    /// The network's configuration names no server to ask.
    NoServer,
    /// The server knows no such name, or did not answer.
    NotFound,
}

impl fmt::Display for NameError {
    fn fmt(&self, output: &mut fmt::Formatter) -> fmt::Result {
        output.write_str(match self {
            Self::Malformed => "this is no name",
            Self::NoServer => "this network has no name server",
            Self::NotFound => "the name server gives no address",
        })
    }
}

/// Memory of a [`Resolver`]; keep it in a [`Singleton`](tock_app::Singleton).
pub struct ResolverMemory([Option<DnsQuery>; 1]);

impl Default for ResolverMemory {
    fn default() -> Self {
        Self::new()
    }
}

impl ResolverMemory {
    /// Makes empty memory.
    pub const fn new() -> Self {
        Self([None])
    }
}

/// What a question has come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lookup {
    /// Poll the network, wait, and ask again.
    Pending,
    /// The answer.
    Done(Result<Ipv4Address, NameError>),
}

/// Asks for the address of one name at a time. Takes one of the network's sockets.
pub struct Resolver {
    socket: SocketHandle,
    question: Question,
}

enum Question {
    None,
    /// Answered without asking anyone.
    Known(Result<Ipv4Address, NameError>),
    Asked(QueryHandle),
}

impl Resolver {
    /// Makes a resolver that asks on `network`.
    ///
    /// # Panics
    ///
    /// When the memory of `network` has no place for a socket left.
    pub fn new(network: &mut Network, memory: &'static mut ResolverMemory) -> Self {
        let socket = dns::Socket::new(&[], &mut memory.0[..]);
        Self {
            socket: network.sockets().add(socket),
            question: Question::None,
        }
    }

    /// Asks for the address of `name`, and forgets an earlier question. A dotted address is its own
    /// answer.
    pub fn ask(&mut self, network: &mut Network, name: &str) {
        let server = network.name_server();
        let (socket, context) = network.socket_in_context::<dns::Socket>(self.socket);
        if let Question::Asked(query) = self.question {
            socket.cancel_query(query);
        }
        self.question = match (name.parse(), server) {
            (Ok(address), _) => Question::Known(Ok(address)),
            (Err(_), None) => Question::Known(Err(NameError::NoServer)),
            (Err(_), Some(server)) => {
                socket.update_servers(&[IpAddress::Ipv4(server)]);
                match socket.start_query(context, name, DnsQueryType::A) {
                    Ok(query) => Question::Asked(query),
                    Err(_) => Question::Known(Err(NameError::Malformed)),
                }
            }
        };
    }

    /// Tells whether the answer is there without any event to come.
    pub fn is_answered(&self) -> bool {
        matches!(self.question, Question::Known(_))
    }

    /// Looks whether the answer has come; it is given once.
    pub fn poll(&mut self, network: &mut Network) -> Lookup {
        let answer = match self.question {
            Question::None => return Lookup::Pending,
            Question::Known(answer) => answer,
            Question::Asked(query) => {
                let socket = network.sockets().get_mut::<dns::Socket>(self.socket);
                match socket.get_query_result(query) {
                    Err(GetQueryResultError::Pending) => return Lookup::Pending,
                    Err(GetQueryResultError::Failed) => Err(NameError::NotFound),
                    Ok(addresses) => {
                        let first = addresses
                            .iter()
                            .find_map(|address| match (*address).into() {
                                IpAddr::V4(address) => Some(address),
                                IpAddr::V6(_) => None,
                            });
                        first.ok_or(NameError::NotFound)
                    }
                }
            }
        };
        self.question = Question::None;
        Lookup::Done(answer)
    }
}
