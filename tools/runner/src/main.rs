// SPDX-License-Identifier: Apache-2.0 OR MIT

//! `board`: builds the kernel and apps, and runs them under QEMU.

use std::process::ExitCode;

use board_runner::board::execute;
use board_runner::cli::Cli;
use clap::Parser;

fn main() -> ExitCode {
    match execute(Cli::parse()) {
        Ok(status) => ExitCode::from(status),
        Err(error) => {
            eprintln!("board: {error}");
            ExitCode::from(error.exit_status())
        }
    }
}
