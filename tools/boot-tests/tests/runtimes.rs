// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Binaries of other runtimes, at the addresses they are linked for, run as they are.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

use board_runner::bundle::Bundle;
use board_runner::flash_image;
use board_runner::workspace::{Binary, Workspace};
use boot_tests::{Board, cpus, each_qemu};
use clap::Parser;
use elf2tab::cmdline::Opt;

/// How a runtime's own build calls `elf2tab`.
struct Conversion {
    name: &'static str,
    kernel_version: (u16, u16),
    minimum_footer_bytes: u32,
}

const SHAPES: [Conversion; 2] = [
    Conversion {
        name: "shape-rs",
        kernel_version: (2, 1),
        minimum_footer_bytes: 256,
    },
    Conversion {
        name: "shape-c",
        kernel_version: (2, 2),
        minimum_footer_bytes: 3000,
    },
];

const STACK_BYTES: u32 = 2048;
const HEAP_BYTES: u32 = 1024;

/// Builds an app by its own linker script and converts it in `directory`.
fn tbf(conversion: &Conversion, directory: &Path) -> PathBuf {
    let Conversion {
        name,
        kernel_version,
        minimum_footer_bytes,
    } = *conversion;
    let binary = Binary {
        package: "tock-shapes".to_owned(),
        name: name.to_owned(),
    };
    let elf = Workspace::of_this_tool()
        .build_app(&binary, &[])
        .unwrap_or_else(|error| panic!("{error}"));
    let mut object = Vec::new();
    elf2tab::convert::elf_to_tbf(
        &mut File::open(elf).expect("an ELF file"),
        &mut object,
        Some(name.to_owned()),
        false,
        Some(STACK_BYTES),
        HEAP_BYTES,
        HEAP_BYTES,
        None,
        Vec::new(),
        (None, None, None),
        Some(kernel_version),
        None,
        false,
        minimum_footer_bytes,
        0,
        false,
        false,
        false,
        None,
        None,
    )
    .expect("an object");
    let file = directory.join(format!("{name}.tbf"));
    fs::write(&file, object).expect("a file");
    file
}

#[test]
fn apps_laid_out_as_other_runtimes_do_it_run_beside_our_own() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let files: Vec<PathBuf> = SHAPES
        .iter()
        .map(|shape| tbf(shape, directory.path()))
        .collect();
    // What `make run TBF="shape-rs.tbf shape-c.tbf" APPS=ticker` puts into flash.
    let bundle = Bundle::build(&Workspace::of_this_tool(), &["ticker".to_owned()], &files);
    let objects = bundle.unwrap_or_else(|error| panic!("{error}")).objects();
    let image = flash_image::build(objects).expect("they do not overlap");
    each_qemu(|qemu| {
        for cpu in cpus(qemu) {
            let mut guest = Board::on(qemu).image(image.clone()).cpu(cpu).boot();
            guest.expect("ticker: 2");
            let printed = guest.printed();
            for shape in &SHAPES {
                let outcome = printed.lines().find_map(|line| {
                    let checks = line.split_once(&format!("{}: ", shape.name))?.1;
                    checks.strip_suffix(" checks")?.split_once(" of ")
                });
                if outcome.is_none_or(|(right, all)| right != all) {
                    guest.fail_with(&format!("{} did not find what it counts on", shape.name));
                }
            }
        }
    });
}

/// The line of a page that starts with `command`, in words.
fn line_of<'a>(page: &'a str, command: &str) -> Vec<&'a str> {
    let line = page.lines().find(|line| line.starts_with(command));
    line.unwrap_or_else(|| panic!("the page has no line with {command}"))
        .split_whitespace()
        .collect()
}

/// Does what `elf2tab` does with these words.
fn convert(userland: &Path, words: &[&str]) -> PathBuf {
    let options = Opt::try_parse_from(words).unwrap_or_else(|error| panic!("{error}"));
    let elf = userland.join(&options.input[0].path);
    let mut object = Vec::new();
    elf2tab::convert::elf_to_tbf(
        &mut File::open(&elf).expect("an ELF file"),
        &mut object,
        options.package_name,
        options.verbose,
        options.stack_size,
        options.app_heap_size,
        options.kernel_heap_size,
        options.protected_region_size,
        options.permissions,
        (options.write_id, options.read_ids, options.access_ids),
        options
            .kernel_major
            .map(|major| (major, options.kernel_minor.unwrap_or(0))),
        options.short_id,
        options.disabled,
        options.minimum_footer_size,
        options.app_version,
        options.sha256_enable,
        options.sha384_enable,
        options.sha512_enable,
        options.rsa4096_private_key,
        options.ecdsa_nist_p256_private_key,
    )
    .expect("an object");
    let file = elf.with_extension("tbf");
    fs::write(&file, object).expect("a file");
    file
}

#[test]
fn an_app_linked_and_converted_by_hand_runs_as_the_guide_says() {
    let workspace = Workspace::of_this_tool();
    let userland = workspace.userland();
    let page = fs::read_to_string(userland.join("README.md")).expect("the page is there");
    let build = line_of(&page, "cargo standalone");
    let file = {
        // Other tests build apps in the same directory.
        let _turn = workspace.lock().unwrap_or_else(|error| panic!("{error}"));
        let status = Command::new(env!("CARGO"))
            .args(&build[1..])
            .arg("--quiet")
            .current_dir(&userland)
            .status();
        assert!(status.expect("cargo starts").success(), "{build:?}");
        convert(&userland, &line_of(&page, "elf2tab --"))
    };
    let run = line_of(&page, "make run APPS=random").join(" ");
    let (_, named) = run.split_once("TBF=userland/").expect("a binary");
    assert_eq!(userland.join(named), file);
    let bundle = Bundle::build(&workspace, &["random".to_owned()], &[file]);
    let objects = bundle.unwrap_or_else(|error| panic!("{error}")).objects();
    let image = flash_image::build(objects).expect("they do not overlap");
    each_qemu(|qemu| {
        let mut guest = Board::on(qemu).image(image.clone()).entropy().boot();
        guest.expect("Hello from Tock");
        guest.expect_line("random bytes", |line| line.starts_with("random: "));
    });
}
