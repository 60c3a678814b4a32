// SPDX-License-Identifier: Apache-2.0 OR MIT

//! TCP ports of this machine that QEMU is about to listen on.

use std::io::ErrorKind;
use std::net::{Ipv4Addr, TcpListener};

use crate::error::Error;

/// Makes sure that `port` is free on the loopback interface.
///
/// `option` is what the message names for choosing another port.
///
/// # Errors
///
/// [`Error::PortTaken`] when another program listens there, [`Error::Port`] for any other reason.
pub fn ensure_free(port: u16, option: &str) -> Result<(), Error> {
    match TcpListener::bind((Ipv4Addr::LOCALHOST, port)) {
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
        let taken = ensure_free(port, "PORT=8081")
            .expect_err("the listener holds it")
            .to_string();
        assert!(taken.contains(&format!("port {port} is taken")), "{taken}");
        assert!(taken.contains("PORT=8081"), "{taken}");
        drop(listener);
        assert!(ensure_free(port, "PORT=8081").is_ok());
    }
}
