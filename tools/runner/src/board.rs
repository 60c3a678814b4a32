// SPDX-License-Identifier: Apache-2.0 OR MIT

//! The subcommands: from options to a running board.

use crate::app_build::build_apps;
use crate::bundle::Bundle;
use crate::cli::{Action, AppOptions, Cli, RunOptions, Switch};
use crate::credential::Maker;
use crate::error::Error;
use crate::network::{Forward, Protocol};
use crate::port::ensure_free;
use crate::qemu::{Machine, Qemu};
use crate::session;
use crate::workspace::{Binary, Workspace};

/// Does what the command line asks for and returns the exit status.
///
/// # Errors
///
/// Anything that keeps the board from being built or run.
pub fn execute(cli: Cli) -> Result<u8, Error> {
    let workspace = Workspace::of_this_tool();
    match cli.command {
        Action::Run(options) => run(&workspace, &options, None),
        Action::Debug(options) => run(&workspace, &options.board, Some(options.debugger_port)),
        Action::Kernel => {
            println!("{}", workspace.build_kernel()?.display());
            Ok(0)
        }
        Action::Apps { names } => apps(&workspace, &names),
        Action::Image(options) => image(&workspace, &options),
    }
}

fn run(workspace: &Workspace, options: &RunOptions, debugger: Option<u16>) -> Result<u8, Error> {
    // What takes no time comes first, so that a mistake shows before the build.
    let qemu = Qemu::probe(&options.qemu)?;
    if !qemu.is_tested() {
        let version = qemu.version();
        eprintln!(
            "board: QEMU {}.{} is older than the tests cover; should the board not come up, install a \
             newer one, or name one with QEMU=path",
            version.major, version.minor
        );
    }
    if options.net.forwards_port() {
        ensure_free(options.port.protocol, options.port.host, "PORT=number")?;
    }
    if let Some(port) = debugger {
        ensure_free(Protocol::Tcp, port, "GDB=number")?;
    }
    let maker = options.apps.credentials.load()?;
    let bundle = bundle(workspace, &options.apps, maker.as_ref())?;
    let machine = Machine {
        cpu: qemu.protected_cpu().to_owned(),
        kernel: match &maker {
            Some(maker) => workspace.build_checking_kernel(maker)?,
            None => workspace.build_kernel()?,
        },
        flash_image: bundle.write_image(workspace)?,
        entropy: options.rng == Switch::On,
        network: (options.net.clone())
            .leading_to(options.port.guest)
            .carrying(options.port.protocol),
        port: options.port.host,
        legacy: false,
    };
    let mut arguments = machine.arguments();
    if let Some(port) = debugger {
        arguments.extend([
            "-gdb".to_owned(),
            format!("tcp:127.0.0.1:{port}"),
            "-S".to_owned(),
        ]);
        eprintln!("board: waiting for a debugger; in another terminal run");
        eprintln!("  {}", debugger_line(&machine, &bundle, port));
    } else if options.net.forwards_port() && is_served(&options.apps, options.port.guest) {
        let Forward {
            host,
            guest,
            protocol,
        } = options.port;
        let (kind, scheme) = match (protocol, guest) {
            (Protocol::Udp, _) => ("UDP port", ""),
            (Protocol::Tcp, 80) => ("port", "http://"),
            (Protocol::Tcp, _) => ("port", ""),
        };
        eprintln!(
            "board: the board's {kind} {guest} is at {scheme}localhost:{host}; Ctrl-C stops it"
        );
    } else {
        eprintln!("board: Ctrl-C stops the board");
    }
    session::run(&qemu, &arguments)
}

/// Tells whether an app may be behind a port of the board. Of those in the tree only `web` serves port 80,
/// and other ports are asked for by name.
fn is_served(apps: &AppOptions, port: u16) -> bool {
    port != 80 || !apps.files.is_empty() || apps.names.iter().any(|name| name == "web")
}

fn bundle(
    workspace: &Workspace,
    options: &AppOptions,
    maker: Option<&Maker>,
) -> Result<Bundle, Error> {
    let mut bundle = Bundle::build(workspace, &options.names, &options.files)?;
    if let Some(maker) = maker {
        bundle.add_credentials(maker)?;
    }
    Ok(bundle)
}

fn debugger_line(machine: &Machine, bundle: &Bundle, port: u16) -> String {
    let mut line = format!(
        "gdb-multiarch {} -ex 'target remote 127.0.0.1:{port}'",
        machine.kernel.display()
    );
    for app in &bundle.apps {
        line.push_str(&format!(" -ex 'add-symbol-file {}'", app.elf.display()));
    }
    line
}

fn apps(workspace: &Workspace, names: &[String]) -> Result<u8, Error> {
    let known = workspace.known_apps()?;
    if names.is_empty() {
        let _turn = workspace.lock()?;
        // One at a time: all of them together may not fit, and need not.
        for app in &known {
            print_built(workspace, std::slice::from_ref(app))?;
        }
    } else {
        let bundle = Bundle::build(workspace, names, &[])?;
        bundle.apps.iter().for_each(print_app);
    }
    Ok(0)
}

fn print_built(workspace: &Workspace, apps: &[Binary]) -> Result<(), Error> {
    build_apps(workspace, &[], apps)?.iter().for_each(print_app);
    Ok(())
}

fn print_app(app: &crate::app_build::BuiltApp) {
    println!(
        "{} flash {:#010x} RAM {:#010x} {} bytes {}",
        app.name,
        app.object.start,
        app.ram_start,
        app.object.bytes.len(),
        app.elf.display()
    );
}

fn image(workspace: &Workspace, options: &AppOptions) -> Result<u8, Error> {
    let maker = options.credentials.load()?;
    let bundle = bundle(workspace, options, maker.as_ref())?;
    match bundle.write_image(workspace)? {
        Some(path) => println!("{}", path.display()),
        None => eprintln!("board: no app was named, so there is no image"),
    }
    Ok(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[test]
    fn a_port_that_no_app_serves_is_not_advertised() {
        for (line, expected) in [
            ("board run web random", true),
            ("board run hello", false),
            ("board run hello --tbf theirs.tbf", true),
            ("board run tcp_echo --port 8007:7", true),
        ] {
            let cli = Cli::try_parse_from(line.split(' ')).expect("a run");
            let Action::Run(options) = cli.command else {
                panic!("run was asked for");
            };
            let served = is_served(&options.apps, options.port.guest);
            assert_eq!(served, expected, "{line}");
        }
    }
}
