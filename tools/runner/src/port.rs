// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Ports of this machine that QEMU is about to listen on.

use std::io::ErrorKind;
use std::net::{Ipv4Addr, TcpListener, UdpSocket};

use crate::error::Error;
use crate::network::Protocol;

/// Makes sure that `port` is free on the loopback interface.
///
/// `option` is what the message names for choosing another port.
///
/// # Errors
///
/// [`Error::PortTaken`] when another program listens there, [`Error::Port`] for any other reason.
pub fn ensure_free(protocol: Protocol, port: u16, option: &str) -> Result<(), Error> {
    let address = (Ipv4Addr::LOCALHOST, port);
    let bound = match protocol {
        Protocol::Tcp => TcpListener::bind(address).map(drop),
        Protocol::Udp => UdpSocket::bind(address).map(drop),
    };
    match bound {
        Ok(_) => Ok(()),
        Err(error) if error.kind() == ErrorKind::AddrInUse => Err(Error::PortTaken {
            port,
            option: option.to_owned(),
        }),
        Err(source) => Err(Error::Port {
            port,
            option: option.to_owned(),
            source,
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_in_use_is_refused_until_it_is_released() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
        let port = listener.local_addr().expect("a bound socket").port();
        let taken = ensure_free(Protocol::Tcp, port, "PORT=8081")
            .expect_err("the listener holds it")
            .to_string();
        assert!(taken.contains(&format!("port {port} is taken")), "{taken}");
        assert!(taken.contains("PORT=8081"), "{taken}");
        drop(listener);
        assert!(ensure_free(Protocol::Tcp, port, "PORT=8081").is_ok());
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
        let port = socket.local_addr().expect("a bound socket").port();
        assert!(ensure_free(Protocol::Udp, port, "PORT=8081").is_err());
    }
}
