// SPDX-License-Identifier: Apache-2.0 OR MIT

//! IPv4 for apps: `smoltcp` over the Ethernet tap, with an address from DHCP or a fixed one.
//!
//! [`Network`] answers ARP and ping by itself; an app adds its sockets to
//! [`Network::sockets`] and alternates between [`Network::poll`] and [`Network::wait`]. Names are for
//! [`Resolver`].

#![cfg_attr(target_os = "none", no_std)]
// The tests have a stand-in kernel, which reaches into the memory of the process.
#![cfg_attr(not(test), forbid(unsafe_code))]

mod address;
mod backlog;
mod device;
pub mod hardware;
mod name;
mod network;
pub mod ping;

#[cfg(test)]
mod stand_in;

pub use address::{AddressChange, Fallback};
pub use name::{Lookup, NameError, Resolver, ResolverMemory};
pub use network::{Memory, Network};
pub use smoltcp;
pub use smoltcp::iface::SocketHandle;
pub use smoltcp::socket::{tcp, udp};
pub use smoltcp::time::{Duration, Instant};
pub use smoltcp::wire::Ipv4Address;
