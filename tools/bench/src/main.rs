// SPDX-License-Identifier: Apache-2.0 OR MIT

//! `bench`: runs all bench apps and compares with the baseline.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use bench::cost::Cost;
use bench::error::Error;
use bench::program::Program;
use bench::result::{Measured, Regression};
use bench::run::Bench;
use bench::{lines, plugin, report};
use board_runner::qemu::Qemu;
use board_runner::workspace::Workspace;
use clap::Parser;

/// Counts what operations cost on the board, and compares with the baseline.
#[derive(Debug, Parser)]
#[command(name = "bench", version)]
struct Options {
    /// The QEMU program
    #[arg(long, default_value = "qemu-system-riscv32", value_name = "PATH")]
    qemu: PathBuf,
    /// Make the result the new baseline
    #[arg(long)]
    update: bool,
}

fn main() -> ExitCode {
    match run(&Options::parse()) {
        Ok(regressions) if regressions.is_empty() => ExitCode::SUCCESS,
        Ok(regressions) => {
            for one in regressions {
                eprintln!(
                    "bench: REGRESSION: {} went from {} to {}",
                    one.what, one.before, one.now
                );
            }
            eprintln!("bench: if that is meant, store the new figures with make bench-update");
            ExitCode::FAILURE
        }
        Err(error) => {
            eprintln!("bench: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Measures everything, prints and stores it, and returns what got worse.
fn run(options: &Options) -> Result<Vec<Regression>, Error> {
    let workspace = Workspace::of_this_tool();
    let tree = Path::new(env!("CARGO_MANIFEST_DIR"));
    let root = tree.ancestors().nth(2).unwrap_or(tree);
    let qemu = Qemu::probe(&options.qemu).map_err(board_runner::error::Error::from)?;
    let kernel_file = workspace.build_kernel()?;
    let plugin = plugin::build(root)?;
    let kernel = Program::open(&kernel_file)?;
    let bench = Bench {
        workspace: workspace.clone(),
        qemu,
        kernel: kernel_file,
        plugin,
    };
    let mut now = Measured {
        operations: BTreeMap::new(),
        bytes: kernel.sizes().by_name(),
    };
    let mut profiles = String::new();
    eprintln!("bench: counting system calls");
    let run = bench.run("bench_syscalls", &[])?;
    for window in std::iter::once(&run.start).chain(&run.windows) {
        let cost = Cost::of(&kernel, &window.counts, &window.events, window.operations);
        now.operations.insert(window.name.clone(), cost);
    }
    profiles += &report::profiles(&kernel, &run);
    let baseline_file = tree.join("baseline.json");
    let baseline = if baseline_file.exists() {
        Measured::read(&baseline_file)?
    } else {
        Measured::default()
    };
    let mut text = report::table(&now, &baseline);
    text.push('\n');
    text += &report::details(&now);
    text.push('\n');
    text += &report::lines(&lines::count(root).map_err(|error| file_error("read", root, &error))?);
    print!("{text}");
    let output = workspace.output().with_file_name("bench");
    fs::create_dir_all(&output).map_err(|error| file_error("create", &output, &error))?;
    for (name, content) in [("table.txt", &text), ("profiles.txt", &profiles)] {
        let path = output.join(name);
        fs::write(&path, content).map_err(|error| file_error("write", &path, &error))?;
    }
    now.write(&output.join("result.json"))?;
    eprintln!(
        "bench: table, result and profiles by function are in {}",
        output.display()
    );
    if options.update {
        now.write(&baseline_file)?;
        eprintln!("bench: the baseline is {}", baseline_file.display());
        return Ok(Vec::new());
    }
    Ok(now.regressions(&baseline))
}

fn file_error(action: &'static str, path: &Path, error: &std::io::Error) -> Error {
    Error::File {
        action,
        path: path.to_owned(),
        reason: error.to_string(),
    }
}
