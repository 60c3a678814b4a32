// SPDX-License-Identifier: Apache-2.0 OR MIT

//! `board`: builds the kernel and apps, and runs them under QEMU.

use std::process::ExitCode;

use board_runner::board::execute;
use board_runner::cli::Cli;
use board_runner::usage::describe;
use clap::Parser;

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => match describe(&error) {
            Some(said) => {
                eprintln!("board: {said}");
                return ExitCode::from(2);
            }
            None => error.exit(),
        },
    };
    match execute(cli) {
        Ok(status) => ExitCode::from(status),
        Err(error) => {
            eprintln!("board: {error}");
            ExitCode::from(error.exit_status())
        }
    }
}
