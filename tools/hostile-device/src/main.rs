// SPDX-License-Identifier: Apache-2.0 OR MIT

//! `hostile-device`: one lying device for a QEMU started by hand.

#![forbid(unsafe_code)]

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use hostile_device::{Error, Kind, Lie, Script, Server};

/// A VirtIO device for QEMU that obeys the standard until told to lie.
#[derive(Parser)]
struct Options {
    /// The Unix socket to wait at.
    #[arg(long)]
    socket: PathBuf,
    /// What to be.
    #[arg(long)]
    device: Kind,
    /// What to do wrong; without it the device is honest.
    #[arg(long)]
    lie: Option<Lie>,
    /// How many chains to return by the rules first.
    #[arg(long, default_value_t = 0)]
    honest: u32,
}

fn main() -> ExitCode {
    match serve(&Options::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("hostile-device: {error}");
            ExitCode::FAILURE
        }
    }
}

fn serve(options: &Options) -> Result<(), Error> {
    let script = match options.lie {
        Some(lie) => Script::lie_after(options.honest, lie),
        None => Script::honest(),
    };
    let server = Server::listen(&options.socket, options.device, script)?;
    println!("Start QEMU with: {}", server.qemu_arguments().join(" "));
    server.join()
}
