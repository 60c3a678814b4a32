// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Descriptions of boards to boot.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use board_runner::bundle::Bundle;
use board_runner::flash_image::{self, PlacedObject};
use board_runner::network::{Card, Network};
use board_runner::qemu::{Machine, Qemu};
use board_runner::workspace::Workspace;
use tempfile::TempDir;

use crate::guest::Guest;
use crate::peer::Peer;

/// An entropy source that is never going to say anything.
pub const MUTE_ENTROPY: [&str; 6] = [
    "-chardev",
    "null,id=mute",
    "-object",
    "rng-egd,id=egd,chardev=mute",
    "-device",
    "virtio-rng-device,rng=egd",
];

/// Runs `test` on each QEMU the environment names.
pub fn each_qemu(test: impl Fn(&Qemu)) {
    let default = std::env::var_os("QEMU").unwrap_or_else(|| "qemu-system-riscv32".into());
    for program in [Some(default), std::env::var_os("QEMU_NEW")]
        .into_iter()
        .flatten()
    {
        let qemu = Qemu::probe(Path::new(&program)).unwrap_or_else(|error| panic!("{error}"));
        test(&qemu);
    }
}

/// The CPU without machine-mode protection.
const PLAIN_CPU: &str = "rv32";

/// The CPUs to test on: with machine-mode protection and without, or only the kind that `BOOT_CPU` names,
/// `protected` or `plain`.
///
/// # Panics
///
/// When `BOOT_CPU` is anything else.
#[must_use]
pub fn cpus(qemu: &Qemu) -> Vec<&'static str> {
    let protected = qemu.protected_cpu();
    match std::env::var("BOOT_CPU").as_deref() {
        Ok("protected") => vec![protected],
        Ok("plain") => vec![PLAIN_CPU],
        Ok(other) => panic!("BOOT_CPU is {other:?}; it can be protected or plain"),
        Err(_) => vec![protected, PLAIN_CPU],
    }
}

/// The kernel that boards boot unless told otherwise, built once.
///
/// # Panics
///
/// It does not build.
#[must_use]
pub fn kernel() -> PathBuf {
    static KERNEL: OnceLock<PathBuf> = OnceLock::new();
    let build = || {
        Workspace::of_this_tool()
            .build_kernel()
            .unwrap_or_else(|error| panic!("{error}"))
    };
    KERNEL.get_or_init(build).clone()
}

/// Another kernel, with a feature of the board.
///
/// # Panics
///
/// It does not build.
#[must_use]
pub fn kernel_variant(feature: &str) -> PathBuf {
    Workspace::of_this_tool()
        .build_kernel_variant(feature)
        .unwrap_or_else(|error| panic!("{error}"))
}

/// Builds `apps` and places them in this order; tests may damage the objects.
#[must_use]
pub fn app_objects(apps: &[&str]) -> Vec<PlacedObject> {
    build(&Workspace::of_this_tool(), apps)
}

fn build(workspace: &Workspace, apps: &[&str]) -> Vec<PlacedObject> {
    let names: Vec<String> = apps.iter().map(|name| (*name).to_owned()).collect();
    let bundle = Bundle::build(workspace, &names, &[]);
    bundle.unwrap_or_else(|error| panic!("{error}")).objects()
}

/// Finds the header entry of type `kind` in an app's object, and returns the offset of its data.
///
/// # Panics
///
/// There is none.
#[must_use]
pub fn header_entry(object: &[u8], kind: u16) -> usize {
    let half = |offset: usize| u16::from_le_bytes([object[offset], object[offset + 1]]);
    let mut offset = 16;
    while offset < usize::from(half(2)) {
        if half(offset) == kind {
            return offset + 4;
        }
        offset += 4 + usize::from(half(offset + 2)).next_multiple_of(4);
    }
    panic!("the header has no entry of type {kind}")
}

/// A board that has not been started yet: by default with the first of [`cpus`], without devices and apps.
pub struct Board<'a> {
    qemu: &'a Qemu,
    machine: Machine,
    image: Vec<u8>,
    cables: Vec<Peer>,
    more: Vec<String>,
    directory: TempDir,
}

impl<'a> Board<'a> {
    /// Describes a bare board on `qemu`.
    #[must_use]
    pub fn on(qemu: &'a Qemu) -> Board<'a> {
        let machine = Machine {
            cpu: cpus(qemu)[0].to_owned(),
            kernel: kernel(),
            flash_image: None,
            entropy: false,
            network: Network::NONE,
            // QEMU takes a free one.
            port: 0,
            legacy: false,
        };
        let directory = tempfile::tempdir().expect("a temporary directory");
        Board {
            qemu,
            machine,
            image: Vec::new(),
            cables: Vec::new(),
            more: Vec::new(),
            directory,
        }
    }

    /// Puts `apps` into flash.
    #[must_use]
    pub fn apps(self, apps: &[&str]) -> Board<'a> {
        let image = flash_image::build(app_objects(apps));
        self.image(image.unwrap_or_else(|error| panic!("{error}")))
    }

    /// Puts `apps` into flash, built with a setting that they take from the environment.
    #[must_use]
    pub fn apps_with(self, apps: &[&str], (name, value): (&str, &str)) -> Board<'a> {
        let workspace = Workspace::of_this_tool().with_app_setting(name, value);
        let image = flash_image::build(build(&workspace, apps));
        self.image(image.unwrap_or_else(|error| panic!("{error}")))
    }

    /// Puts these bytes at the start of flash.
    #[must_use]
    pub fn image(mut self, image: Vec<u8>) -> Board<'a> {
        self.image = image;
        self
    }

    /// Plugs in an entropy device.
    #[must_use]
    pub fn entropy(mut self) -> Board<'a> {
        self.machine.entropy = true;
        self
    }

    /// Plugs in a card on QEMU's user network.
    #[must_use]
    pub fn user_network(mut self) -> Board<'a> {
        self.machine.network = Network::new(vec![Card::User]);
        self
    }

    /// As [`user_network`](Self::user_network), with the forwarded port leading to this one of the board.
    #[must_use]
    pub fn user_network_to(mut self, port: u16) -> Board<'a> {
        self.machine.network = Network::new(vec![Card::User]).leading_to(port);
        self
    }

    /// Plugs in a card with a cable to a [`Peer`]. The netdev is called `cable`.
    #[must_use]
    pub fn cable(self) -> Board<'a> {
        self.cable_for("virtio-net-device")
    }

    /// As [`cable`](Self::cable), with the card and its properties in QEMU's words.
    #[must_use]
    pub fn cable_for(self, card: &str) -> Board<'a> {
        self.cable_named("cable", card)
    }

    /// As [`cable_for`](Self::cable_for), with a name for the netdev: one board can have several.
    #[must_use]
    pub fn cable_named(mut self, name: &str, card: &str) -> Board<'a> {
        let directory = self.directory.path();
        let netdev = Peer::netdev(directory, name);
        self.cables.push(Peer::new(directory, name));
        self.with(&[
            "-netdev",
            &netdev,
            "-device",
            &format!("{card},netdev={name}"),
        ])
    }

    /// Boots another kernel than the default one.
    #[must_use]
    pub fn kernel(mut self, kernel: PathBuf) -> Board<'a> {
        self.machine.kernel = kernel;
        self
    }

    /// Uses another CPU than the one with machine-mode protection.
    #[must_use]
    pub fn cpu(mut self, cpu: &str) -> Board<'a> {
        self.machine.cpu = cpu.to_owned();
        self
    }

    /// Gives VirtIO devices the legacy interface.
    #[must_use]
    pub fn legacy_devices(mut self) -> Board<'a> {
        self.machine.legacy = true;
        self
    }

    /// Has QEMU wait for a debugger, without holding the board up; see [`Guest::debugger`].
    #[must_use]
    pub fn debuggable(self) -> Board<'a> {
        let socket = Guest::debugger_socket(self.directory.path());
        let option = format!("unix:{},server=on,wait=off", socket.display());
        self.with(&["-gdb", &option])
    }

    /// Adds QEMU arguments.
    #[must_use]
    pub fn with(mut self, arguments: &[&str]) -> Board<'a> {
        self.more
            .extend(arguments.iter().map(|argument| (*argument).to_owned()));
        self
    }

    /// Starts the board.
    #[must_use]
    pub fn boot(self) -> Guest {
        self.boot_with_peers().0
    }

    /// Starts the board and returns the far end of its cable too.
    #[must_use]
    pub fn boot_with_peer(self) -> (Guest, Peer) {
        let (guest, mut peers) = self.boot_with_peers();
        (guest, peers.pop().expect("the board has a cable"))
    }

    /// Starts the board and returns the far ends of its cables, in the order they were plugged in.
    #[must_use]
    pub fn boot_with_peers(mut self) -> (Guest, Vec<Peer>) {
        if !self.image.is_empty() {
            let path = self.directory.path().join("apps.bin");
            fs::write(&path, &self.image).expect("a flash image");
            self.machine.flash_image = Some(path);
        }
        let mut arguments = self.machine.arguments();
        arguments.extend(self.more);
        (
            Guest::start(self.qemu, &arguments, self.directory),
            self.cables,
        )
    }
}
