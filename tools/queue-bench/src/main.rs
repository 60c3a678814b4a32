// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Counts the instructions that a split queue costs on the host, under callgrind, beside the queue of
//! `virtio-drivers` in the same program.
//!
//! Without arguments it runs itself under valgrind for each row and prints a table. It fails if a row is
//! above the aim. Only the functions
//! called `counted_*` count: adding, publishing and notifying, and taking back.

use std::env;
use std::process::{Command, ExitCode};

mod device;
mod ours;
mod peer;
mod shape;

use shape::{SHAPES, SIZES};

/// Rounds of one measurement. The first ones have no special weight: the queue has no warm state.
const ROUNDS: u32 = 2_000;

/// The largest share of the other queue's instructions (a) that a row may have.
const AIM: f64 = 0.7;

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let outcome = match arguments.as_slice() {
        [] => compare(),
        [which, size, shape] => run(which, size, shape),
        _ => Err("usage: queue-bench [ours|object|peer|handed SIZE SHAPE]".to_owned()),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("queue-bench: {error}");
            ExitCode::FAILURE
        }
    }
}

/// One measurement, in the process that is measured.
fn run(which: &str, size: &str, shape: &str) -> Result<(), String> {
    let shape = shape
        .parse()
        .ok()
        .and_then(|index: usize| SHAPES.get(index));
    let (_, shape, buffers) = *shape.ok_or("no such shape")?;
    match (which, size) {
        ("ours" | "object", "4") => ours::run::<4>(shape, buffers, ROUNDS, which == "object"),
        ("ours" | "object", "64") => ours::run::<64>(shape, buffers, ROUNDS, which == "object"),
        ("ours" | "object", "256") => ours::run::<256>(shape, buffers, ROUNDS, which == "object"),
        ("peer" | "handed", "4") => peer::run::<4>(shape, buffers, ROUNDS, which == "handed"),
        ("peer" | "handed", "64") => peer::run::<64>(shape, buffers, ROUNDS, which == "handed"),
        ("peer" | "handed", "256") => peer::run::<256>(shape, buffers, ROUNDS, which == "handed"),
        _ => return Err(format!("no measurement {which} {size}")),
    }
    Ok(())
}

fn compare() -> Result<(), String> {
    println!("Instructions on this machine for add, publish, notify and take back, EVENT_IDX on.");
    println!(
        "virtio hands buffers over and its driver gets them back, as the drivers of this project do"
    );
    println!(
        "that know their queue by its type, or (c) by trait objects on both sides. virtio-drivers is"
    );
    println!(
        "told which chain comes back (a), or finds by what comes back what it handed over (b):"
    );
    println!(
        "{:22} {:>5} {:>8} {:>18} {:>6} {:>18} {:>6} {:>12} {:>6}",
        "",
        "size",
        "virtio",
        "virtio-drivers (a)",
        "share",
        "virtio-drivers (b)",
        "share",
        "virtio (c)",
        "share"
    );
    let mut above = Vec::new();
    for (index, (name, ..)) in SHAPES.iter().enumerate() {
        for size in SIZES {
            let ours = count("ours", size, index)?;
            let peer = count("peer", size, index)?;
            let handed = count("handed", size, index)?;
            let object = count("object", size, index)?;
            let (share, of_handed, of_object) = (ours / peer, ours / handed, object / peer);
            // Not a number, if nothing was counted, is above it too.
            let note = if share <= AIM {
                ""
            } else {
                above.push(format!("{name} at {size}: {share:.3}"));
                "  above the aim"
            };
            println!(
                "{name:22} {size:5} {ours:8.1} {peer:18.1} {share:6.2} {handed:18.1} {of_handed:6.2} {object:12.1} {of_object:6.2}{note}"
            );
        }
    }
    if above.is_empty() {
        Ok(())
    } else {
        Err(format!("above {AIM}: {}", above.join("; ")))
    }
}

/// The instructions of one round.
fn count(which: &str, size: usize, shape: usize) -> Result<f64, String> {
    let program = env::current_exe().map_err(|error| error.to_string())?;
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .arg("--toggle-collect=*counted_*")
        .arg(program)
        .args([which.to_owned(), size.to_string(), shape.to_string()])
        .output()
        .map_err(|error| format!("valgrind does not start ({error}): install it"))?;
    let said = String::from_utf8_lossy(&output.stderr);
    if !output.status.success() {
        return Err(said.into_owned());
    }
    let total = said
        .lines()
        .find_map(|line| line.split_once("Collected : "))
        .and_then(|(_, count)| count.trim().parse::<f64>().ok());
    let total = total.ok_or_else(|| format!("callgrind counted nothing:\n{said}"))?;
    Ok(total / f64::from(ROUNDS))
}
