// SPDX-License-Identifier: Apache-2.0 OR MIT

//! The command line of `board`.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::credential::Credentials;
use crate::network::{Forward, Network};

/// Builds the kernel and apps, and runs them on QEMU's riscv32 `virt` machine.
#[derive(Debug, Parser)]
#[command(name = "board", version)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Action,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Action {
    /// Build everything and start the board with this terminal as its console
    Run(RunOptions),
    /// The same, but wait for a debugger before the first instruction
    Debug(DebugOptions),
    /// Build the kernel and print where it is
    Kernel,
    /// Build apps, or all of them, and print where they are
    Apps {
        /// Names of apps; without any, all are built
        names: Vec<String>,
    },
    /// Build the flash image for a set of apps and print where it is
    Image(AppOptions),
}

/// The apps to put on the board.
#[derive(Clone, Debug, Args)]
pub struct AppOptions {
    /// Names of apps in `userland/apps`
    pub names: Vec<String>,
    /// A binary built elsewhere, placed by its fixed addresses; may be repeated
    #[arg(long = "tbf", value_name = "FILE")]
    pub files: Vec<PathBuf>,
    /// Credentials for the named apps, without which the kernel then runs no app: none, sha256, or
    /// ecdsa-p256:KEY.pem
    #[arg(long, default_value = "none", value_name = "KIND")]
    pub credentials: Credentials,
}

/// The apps and the board around them.
#[derive(Clone, Debug, Args)]
pub struct RunOptions {
    /// The apps to put on the board.
    #[command(flatten)]
    pub apps: AppOptions,
    /// Network cards: user, none, dgram:LOCALPORT:REMOTEPORT, or several with commas
    #[arg(long, default_value = "user", value_name = "NET")]
    pub net: Network,
    /// Whether the board has an entropy device
    #[arg(long, value_enum, default_value_t = Switch::On)]
    pub rng: Switch,
    /// The QEMU program
    #[arg(long, default_value = "qemu-system-riscv32", value_name = "PATH")]
    pub qemu: PathBuf,
    /// Port of this machine that leads to port 80 of the board, or HOST:GUEST for another one there; with
    /// /udp behind it, for UDP
    #[arg(long, default_value = "8080", value_name = "PORT")]
    pub port: Forward,
}

/// The board, and where to debug it.
#[derive(Clone, Debug, Args)]
pub struct DebugOptions {
    /// The board.
    #[command(flatten)]
    pub board: RunOptions,
    /// Port of this machine at which QEMU waits for a debugger
    #[arg(long, default_value_t = 1234, value_parser = clap::value_parser!(u16).range(1..))]
    pub debugger_port: u16,
}

/// On or off.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Switch {
    /// Present.
    On,
    /// Absent.
    Off,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::network::Card;

    #[test]
    fn definitions_are_consistent() {
        use clap::CommandFactory;
        Cli::command().debug_assert();
    }

    #[test]
    fn apps_get_no_credentials_unless_asked_for() {
        let credentials = |line: &str| {
            let cli = Cli::try_parse_from(line.split(' ')).expect("all of these are options");
            let Action::Image(options) = cli.command else {
                panic!("image was asked for")
            };
            options.credentials
        };
        assert_eq!(credentials("board image web"), Credentials::None);
        let sha256 = credentials("board image web --credentials sha256");
        assert_eq!(sha256, Credentials::Sha256);
    }

    #[test]
    fn run_options_describe_the_whole_board() {
        let words = "board run random web --tbf a.tbf --net user,dgram:1:2 --rng off --port 8081";
        let cli = Cli::try_parse_from(words.split(' ')).expect("all of these are options");
        let Action::Run(options) = cli.command else {
            panic!("run was asked for")
        };
        assert_eq!(options.apps.names, ["random", "web"]);
        assert_eq!(options.apps.files, [PathBuf::from("a.tbf")]);
        let datagram = Card::Datagram {
            local: 1,
            remote: 2,
        };
        assert_eq!(options.net, Network::new(vec![Card::User, datagram]));
        assert_eq!(options.rng, Switch::Off);
        assert_eq!((options.port.host, options.port.guest), (8081, 80));
    }
}
