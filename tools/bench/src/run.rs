// SPDX-License-Identifier: Apache-2.0 OR MIT

//! One run of a bench app under a QEMU that counts.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant};

use board_runner::bundle::Bundle;
use board_runner::memory_map::FLASH;
use board_runner::network::Network;
use board_runner::qemu::{Machine, Qemu};
use board_runner::session::end_with_parent;
use board_runner::workspace::Workspace;

use crate::cost::INTERRUPT;
use crate::error::Error;
use crate::peer;
use crate::program::Program;
use crate::windows::{Counts, Events, Line, parse_counts, parse_events, parse_line};

/// A run that says nothing for so long hangs.
const PATIENCE: Duration = Duration::from_secs(30);
/// A process console that says nothing more for so long is done.
const ANSWER: Duration = Duration::from_secs(2);

/// Time that devices, and the peer on the cable, have for each notification before the next instruction.
const SETTLE_MICROS: u32 = 300;

/// What a window cost.
#[derive(Clone, Debug, Default)]
pub struct Window {
    /// Name that the app gave it.
    pub name: String,
    /// Operations in it.
    pub operations: u64,
    /// Executed instructions and accessed device registers by address.
    pub counts: Counts,
    /// Trace events.
    pub events: Events,
}

/// Everything a run had to tell.
pub struct Run {
    /// The app's program.
    pub app: Program,
    /// From reset to the first instruction of the app.
    pub start: Window,
    /// The windows, in the app's order.
    pub windows: Vec<Window>,
    /// What the plugin wrote, to be laid beside a disassembly.
    pub raw: String,
}

/// What runs are made of.
#[derive(Clone)]
pub struct Bench {
    /// The source tree.
    pub workspace: Workspace,
    /// The QEMU program.
    pub qemu: Qemu,
    /// The kernel's ELF file.
    pub kernel: PathBuf,
    /// The counting plugin.
    pub plugin: PathBuf,
}

impl Bench {
    /// Runs `app` alone on a board with an entropy device and a network card.
    ///
    /// # Errors
    ///
    /// The app does not build, QEMU does not run, or a window failed or is missing.
    pub fn run(&self, app: &str) -> Result<Run, Error> {
        let failed = |reason: String| Error::Run {
            app: app.to_owned(),
            reason,
        };
        let bundle = Bundle::build(&self.workspace, &[app.to_owned()], &[])?;
        let image = bundle.write_image(&self.workspace)?;
        let elf = &bundle
            .apps
            .first()
            .ok_or_else(|| failed("it was not built".to_owned()))?
            .elf;
        let program = Program::open(elf)?;
        let border = |name: &str| {
            program
                .address_of(name)
                .ok_or_else(|| failed(format!("it has no function {name}")))
        };
        let directory = tempfile::tempdir().map_err(|error| failed(error.to_string()))?;
        let (counts, log) = (
            directory.path().join("counts"),
            directory.path().join("log"),
        );
        let cable = peer::start(directory.path()).map_err(|error| failed(error.to_string()))?;
        let machine = Machine {
            cpu: self.qemu.protected_cpu().to_owned(),
            kernel: self.kernel.clone(),
            flash_image: image,
            entropy: true,
            network: Network::NONE,
            port: 0,
            legacy: false,
        };
        let mut command = Command::new(self.qemu.program());
        command
            .args(machine.arguments())
            .args(&cable.arguments)
            .args(["-monitor", "none", "-serial", "stdio"])
            .args(["-icount", "shift=0"])
            .arg("-plugin")
            .arg(format!(
                "{},out={},begin={:x},end={:x},apps={:x},settle={SETTLE_MICROS}",
                self.plugin.display(),
                counts.display(),
                border("tock_bench::begin")?,
                border("tock_bench::end")?,
                FLASH.start
            ))
            .arg("-d")
            .arg(format!("plugin,trace:{INTERRUPT}"))
            .arg("-D")
            .arg(&log)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped());
        end_with_parent(&mut command);
        let child = command.spawn().map_err(|error| failed(error.to_string()))?;
        let named = watch(Running(child)).map_err(failed)?;
        if cable.resent() > 0 {
            eprintln!(
                "bench: the board dropped frames: {} were sent again",
                cable.resent()
            );
        }
        let counts = read(&counts)?;
        let run = collect(program, &named, &counts, &read(&log)?).map_err(failed)?;
        Ok(Run { raw: counts, ..run })
    }
}

/// A QEMU that ends with its owner.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        // Both fail only when QEMU has ended already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Follows the console until the app is done; returns names and operations of its windows.
fn watch(mut qemu: Running) -> Result<Vec<(String, u64)>, String> {
    let output = qemu.0.stdout.take().ok_or("no console")?;
    let (sender, lines) = channel();
    std::thread::spawn(move || forward(BufReader::new(output), &sender));
    let mut windows = Vec::new();
    let mut heard = Instant::now();
    loop {
        let line = match lines.recv_timeout(PATIENCE.saturating_sub(heard.elapsed())) {
            Ok(line) => line,
            Err(RecvTimeoutError::Timeout) => return Err(diagnose(&mut qemu, &lines)),
            Err(RecvTimeoutError::Disconnected) => {
                return Err("QEMU ended before it was done".to_owned());
            }
        };
        match parse_line(&line) {
            Some(Line::Window(name, operations)) => {
                eprintln!("bench:   {name}");
                heard = Instant::now();
                windows.push((name, operations));
            }
            Some(Line::Failed(what)) => return Err(what),
            Some(Line::Done) => return Ok(windows),
            None if line.contains(" faulted ") => return Err(line.trim().to_owned()),
            None => {}
        }
    }
}

/// Asks a board that hangs what its apps and devices are doing.
fn diagnose(qemu: &mut Running, lines: &Receiver<String>) -> String {
    let mut text = "it hangs; the process console says:".to_owned();
    if let Some(console) = &mut qemu.0.stdin {
        // If it does not listen, there will be no answer either.
        let _ = console.write_all(b"list\rvirtio\r");
        let _ = console.flush();
    }
    while let Ok(line) = lines.recv_timeout(ANSWER) {
        text.push('\n');
        text.push_str(line.trim_end());
    }
    text
}

fn forward(mut console: impl BufRead, lines: &Sender<String>) {
    let mut line = Vec::new();
    while matches!(console.read_until(b'\n', &mut line), Ok(length) if length > 0) {
        if lines
            .send(String::from_utf8_lossy(&line).into_owned())
            .is_err()
        {
            return;
        }
        line.clear();
    }
}

fn collect(app: Program, named: &[(String, u64)], counts: &str, log: &str) -> Result<Run, String> {
    let mut tables =
        parse_counts(counts)
            .into_iter()
            .zip(parse_events(log))
            .map(|(counts, events)| Window {
                counts,
                events,
                ..Window::default()
            });
    let start = tables.next().ok_or("nothing was counted")?;
    let windows: Vec<Window> = tables
        .zip(named)
        .map(|(window, (name, operations))| Window {
            name: name.clone(),
            operations: *operations,
            ..window
        })
        .collect();
    if windows.len() != named.len() {
        return Err(format!(
            "it ran {} windows, of which {} were counted",
            named.len(),
            windows.len()
        ));
    }
    Ok(Run {
        app,
        start: Window {
            name: "start".to_owned(),
            operations: 1,
            ..start
        },
        windows,
        raw: String::new(),
    })
}

fn read(path: &Path) -> Result<String, Error> {
    fs::read_to_string(path).map_err(|error| Error::File {
        action: "read",
        path: path.to_owned(),
        reason: error.to_string(),
    })
}
