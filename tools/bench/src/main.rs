// SPDX-License-Identifier: Apache-2.0 OR MIT

//! `bench`: runs all bench apps and compares with the baseline.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use bench::cost::Cost;
use bench::error::Error;
use bench::gate::{Finding, judge, limits_passed};
use bench::program::Program;
use bench::result::Measured;
use bench::run::Bench;
use bench::{crates, lines, plugin, report};
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
    #[arg(long, conflicts_with = "apps")]
    update: bool,
    /// With --update: also if figures are above limits that they kept before
    #[arg(long, requires = "update")]
    give_up_limits: bool,
    /// Run only these apps
    #[arg(value_parser = APPS, value_name = "APP")]
    apps: Vec<String>,
}

/// The apps to run, by name, and one on a variant of the board.
const APPS: [&str; 4] = ["bench_syscalls", "bench_rng", "bench_net", WORDS.name];

/// An app whose operations are counted on a kernel of another kind, too.
struct Variant {
    /// What the run is called.
    name: &'static str,
    app: &'static str,
    /// The feature of the board.
    feature: &'static str,
    /// The operations to keep, and their names there.
    operations: &'static [(&'static str, &'static str)],
}

/// Random bytes from a source that gives words and nothing else.
const WORDS: Variant = Variant {
    name: "bench_rng_words",
    app: "bench_rng",
    feature: "random-words",
    operations: &[("rng-256", "words-256"), ("rng-1024", "words-1024")],
};

/// The crate whose share of the code is stored with the result.
const VIRTIO: &str = "chips/virtio";

/// How often operations are counted again before growth is a regression.
const RETRIES: usize = 2;

fn main() -> ExitCode {
    let options = Options::parse();
    match run(&options) {
        Ok(findings) if findings.is_empty() => ExitCode::SUCCESS,
        Ok(findings) => {
            for finding in findings {
                eprintln!("bench: REGRESSION: {finding}");
            }
            if options.update {
                eprintln!(
                    "bench: the baseline is as it was; --update --give-up-limits replaces it"
                );
            } else {
                eprintln!("bench: if that is meant, store the new figures with make bench-update");
            }
            ExitCode::FAILURE
        }
        Err(error) => {
            eprintln!("bench: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Measures, prints and stores, and returns what the result does not get through with.
fn run(options: &Options) -> Result<Vec<Finding>, Error> {
    let workspace = Workspace::of_this_tool();
    let tree = Path::new(env!("CARGO_MANIFEST_DIR"));
    let root = tree.ancestors().nth(2).unwrap_or(tree);
    let baseline_file = tree.join("baseline.json");
    let baseline = match Measured::read(&baseline_file) {
        // The first baseline has none to be compared with.
        Err(_) if options.update && !baseline_file.exists() => Measured::default(),
        read => read?,
    };
    let qemu = Qemu::probe(&options.qemu).map_err(board_runner::error::Error::from)?;
    let apps: Vec<&str> = if options.apps.is_empty() {
        APPS.to_vec()
    } else {
        options.apps.iter().map(String::as_str).collect()
    };
    let kernel = workspace.build_kernel()?;
    let plugin = plugin::build(root)?;
    let image = Program::open(&kernel)?;
    let bench = Bench {
        workspace: workspace.clone(),
        qemu,
        kernel,
        plugin,
    };
    let variant = if apps.contains(&WORDS.name) {
        let kernel = workspace.build_kernel_variant(WORDS.feature)?;
        let image = Program::open(&kernel)?;
        let bench = Bench {
            kernel,
            ..bench.clone()
        };
        Some((bench, image))
    } else {
        None
    };
    let output = workspace.output().with_file_name("bench");
    fs::create_dir_all(&output).map_err(|error| file_error("create", &output, &error))?;
    let kernels = Kernels {
        board: (bench, image),
        variant,
    };
    let measure = |apps: &[&str]| measure(&kernels, apps, &output);
    let complete = apps.len() == APPS.len();
    let code = crates::count(&kernels.board.1, root);
    let (mut now, mut owners, mut profiles) = (Measured::default(), BTreeMap::new(), String::new());
    for app in &apps {
        let (measured, text) = measure(&[app])?;
        for (name, cost) in measured.operations {
            // Every app has a start; the first one's counts.
            owners.entry(name.clone()).or_insert(*app);
            now.operations.entry(name).or_insert(cost);
        }
        now.bytes = measured.bytes;
        profiles += &text;
    }
    if let Some(bytes) = code.get(VIRTIO) {
        now.bytes.insert(VIRTIO.to_owned(), *bytes);
    }
    if options.update {
        let more = [measure(&apps)?.0, measure(&apps)?.0];
        now = now.median(more);
    }
    for _ in 0..RETRIES {
        let findings = judge(&now, &baseline, complete);
        let grew = |name: &str| findings.iter().any(|finding| finding.concerns(name));
        let again: BTreeSet<&str> = owners
            .iter()
            .filter(|(name, _)| grew(name))
            .map(|(_, app)| *app)
            .collect();
        if options.update || again.is_empty() {
            break;
        }
        eprintln!("bench: some figures grew: counting again, in case the host's load did that");
        for app in again {
            let mut measured = measure(&[app])?.0;
            // A start counts for one app only.
            measured
                .operations
                .retain(|name, _| owners.get(name) == Some(&app));
            now = now.best(&measured);
        }
    }
    let lines = lines::count(root).map_err(|error| file_error("read", root, &error))?;
    let mut text = report::table(&now, &baseline);
    text += &report::details(&now);
    text += "\n";
    text += &report::lines(&lines);
    text += "\n";
    text += &report::code(&code);
    print!("{text}");
    for (name, content) in [("table.txt", &text), ("profiles.txt", &profiles)] {
        let path = output.join(name);
        fs::write(&path, content).map_err(|error| file_error("write", &path, &error))?;
    }
    now.write(&output.join("result.json"))?;
    eprintln!(
        "bench: table, result and profiles by function are in {}",
        output.display()
    );
    if !options.update {
        return Ok(judge(&now, &baseline, complete));
    }
    let passed = limits_passed(&now, &baseline);
    if !passed.is_empty() && !options.give_up_limits {
        return Ok(passed);
    }
    now.write(&baseline_file)?;
    eprintln!("bench: the baseline is {}", baseline_file.display());
    Ok(Vec::new())
}

/// The kernels to run apps on, with their programs.
struct Kernels {
    board: (Bench, Program),
    variant: Option<(Bench, Program)>,
}

/// Runs each app once; returns the costs, and where the instructions are.
fn measure(kernels: &Kernels, apps: &[&str], output: &Path) -> Result<(Measured, String), Error> {
    let (_, image) = &kernels.board;
    let mut measured = Measured {
        operations: BTreeMap::new(),
        bytes: image.sizes().by_name(),
    };
    let mut profiles = String::new();
    for name in apps {
        eprintln!("bench: counting {name}");
        let variant = kernels.variant.as_ref().filter(|_| *name == WORDS.name);
        let (bench, kernel) = variant.unwrap_or(&kernels.board);
        let mut run = bench.run(if variant.is_some() { WORDS.app } else { name })?;
        if variant.is_some() {
            run.windows
                .retain_mut(|window| match kept(&WORDS, &window.name) {
                    Some(name) => {
                        name.clone_into(&mut window.name);
                        true
                    }
                    None => false,
                });
        }
        // A variant's start is nobody's.
        let start = variant.is_none().then_some(&run.start);
        for window in start.into_iter().chain(&run.windows) {
            let cost = Cost::of(kernel, &window.counts, &window.events, window.operations);
            // Every app has a start; the first one's counts.
            let operations = &mut measured.operations;
            operations.entry(window.name.clone()).or_insert(cost);
        }
        profiles += &report::profiles(kernel, &run);
        let path = output.join(format!("counts-{name}.txt"));
        fs::write(&path, &run.raw).map_err(|error| file_error("write", &path, &error))?;
    }
    Ok((measured, profiles))
}

/// The name of an operation of a variant, if it is kept.
fn kept(variant: &Variant, operation: &str) -> Option<&'static str> {
    let mut kept = variant.operations.iter();
    kept.find(|(name, _)| *name == operation)
        .map(|(_, name)| *name)
}

fn file_error(action: &'static str, path: &Path, error: &std::io::Error) -> Error {
    Error::File {
        action,
        path: path.to_owned(),
        reason: error.to_string(),
    }
}
