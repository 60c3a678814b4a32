// SPDX-License-Identifier: Apache-2.0 OR MIT

//! A device that waits at a socket for QEMU.

use std::net::Shutdown;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::{self, JoinHandle};

use vhost::vhost_user::Listener;
use vhost_user_backend::VhostUserDaemon;
use vm_memory::{GuestMemoryAtomic, GuestMemoryMmap};

use crate::cable::{Cable, CardEnd};
use crate::device::{Device, End, Kind, SharedDevice};
use crate::error::Error;
use crate::lie::Script;
use crate::relay;

/// A device at a socket, for one QEMU.
pub struct Server {
    kind: Kind,
    socket: PathBuf,
    thread: JoinHandle<Result<(), Error>>,
}

impl Server {
    /// Waits at `socket`, in a thread of its own, for a QEMU to connect to.
    ///
    /// # Errors
    ///
    /// The socket cannot be made.
    pub fn listen(socket: &Path, kind: Kind, script: Script) -> Result<Server, Error> {
        Server::start(socket, kind, script, None)
    }

    /// As [`listen`](Self::listen), with an honest network card that offers `features` of its type (VirtIO
    /// 1.2, 5.1.3), and the far end of its cable. QEMU adds features that it serves itself.
    ///
    /// # Errors
    ///
    /// The socket cannot be made.
    pub fn listen_with_cable(socket: &Path, features: u64) -> Result<(Server, Cable), Error> {
        let (cable, card) = Cable::new(features);
        let server = Server::start(socket, Kind::Receiver, Script::honest(), Some(card))?;
        Ok((server, cable))
    }

    fn start(
        socket: &Path,
        kind: Kind,
        script: Script,
        cable: Option<Arc<CardEnd>>,
    ) -> Result<Server, Error> {
        let listener = UnixListener::bind(socket)?;
        let thread = thread::Builder::new()
            .name("hostile device".to_owned())
            .spawn(move || run(&listener, kind, script, cable))?;
        Ok(Server {
            kind,
            socket: socket.to_owned(),
            thread,
        })
    }

    /// QEMU's arguments for this device, and for memory that QEMU can share with it.
    #[must_use]
    pub fn qemu_arguments(&self) -> Vec<String> {
        let socket = self.socket.display().to_string().replace(',', ",,");
        let mut arguments: Vec<String> = [
            "-object",
            "memory-backend-memfd,id=shared,size=128M,share=on",
            "-machine",
            "memory-backend=shared",
            "-chardev",
        ]
        .map(str::to_owned)
        .into();
        arguments.push(format!("socket,id=hostile,path={socket}"));
        let device: &[&str] = match self.kind {
            Kind::Entropy => &["-device", "vhost-user-rng,chardev=hostile"],
            Kind::Receiver | Kind::Transmitter => &[
                "-netdev",
                "vhost-user,id=cable,chardev=hostile",
                "-device",
                "virtio-net-device,netdev=cable",
            ],
        };
        arguments.extend(device.iter().map(|argument| (*argument).to_owned()));
        arguments
    }

    /// Waits until QEMU has gone, or the device has left it.
    ///
    /// # Errors
    ///
    /// QEMU did not speak vhost-user.
    pub fn join(self) -> Result<(), Error> {
        self.thread
            .join()
            .unwrap_or_else(|_| Err(Error::Protocol("the device's thread panicked".to_owned())))
    }
}

fn run(
    listener: &UnixListener,
    kind: Kind,
    script: Script,
    cable: Option<Arc<CardEnd>>,
) -> Result<(), Error> {
    let memory = GuestMemoryAtomic::new(GuestMemoryMmap::new());
    let (end, vanish) = (Arc::new(End::default()), Arc::new(End::default()));
    let device = Arc::new(Device::new(
        kind,
        script,
        cable,
        memory.clone(),
        end.clone(),
        vanish.clone(),
    )?);
    let shared = SharedDevice(device.clone());
    let mut daemon = VhostUserDaemon::new("vhost-user".to_owned(), shared, memory)?;
    let inside = tempfile::tempdir()?;
    let inside = inside.path().join("backend");
    let mut backend = Listener::new(&inside, true)?;
    let to_backend = UnixStream::connect(&inside)?;
    relay::introduce(&to_backend)?;
    daemon.start(&mut backend)?;
    let (to_qemu, _) = listener.accept()?;
    thread::scope(|scope| {
        // However the connection ends, the run is over then: QEMU has gone, or has been left.
        scope.spawn(|| relay::pass_on(&to_qemu, &to_backend));
        scope.spawn(|| relay::pass_on(&to_backend, &to_qemu));
        scope.spawn(|| {
            vanish.wait();
            let _ = to_qemu.shutdown(Shutdown::Both);
        });
        let _ = daemon.wait();
        vanish.set();
    });
    end.set();
    device.stop()?;
    Ok(())
}
