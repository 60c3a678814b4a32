// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Binaries of other runtimes, at the addresses they are linked for, run as they are.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use board_runner::bundle::Bundle;
use board_runner::flash_image;
use board_runner::workspace::{Binary, Workspace};
use boot_tests::{Board, cpus, each_qemu};

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
