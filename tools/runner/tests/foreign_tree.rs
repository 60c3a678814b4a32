// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Takes the device and capsule crates into another tree, by the steps and with the very text of
//! `doc/upstream.md`.
//!
//! The other tree is made here: a workspace that shares nothing with this one, an older edition, and
//! a kernel without the feature that host tests use.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

const WORKSPACE: &str = r#"
[workspace]
resolver = "2"
members = ["chips/virtio", "capsules/core", "capsules/extra", "board"]
[workspace.package]
version = "0.2.0"
edition = "2021"
"#;

/// A chip's answer to how its devices see memory; enough to compile against.
const FENCE: &str = r#"
pub mod fence {
    #[derive(Clone, Copy, Debug)]
    pub struct CoherentFence;
    // SAFETY: this code is compiled and never runs.
    unsafe impl kernel::platform::dma_fence::DmaFence for CoherentFence {
        fn release<T>(self, _buf: *mut [T]) {}
        fn acquire<T>(self, _buf: *mut [T]) {}
    }
}
pub use capsules_core::rng::RngDriver;
"#;

/// The code blocks of a language in a page.
fn blocks<'a>(page: &'a str, language: &str) -> Vec<&'a str> {
    let opening = format!("```{language}\n");
    page.split(&opening)
        .skip(1)
        .map(|rest| rest.split_once("```").expect("the block ends").0)
        .collect()
}

/// Copies the sources of a crate, without its manifest.
fn copy_sources(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("a directory");
    for entry in fs::read_dir(from)
        .expect("a directory")
        .map(|entry| entry.expect("an entry"))
    {
        let to = to.join(entry.file_name());
        if entry.file_type().expect("a type").is_dir() {
            copy_sources(&entry.path(), &to);
        } else {
            fs::copy(entry.path(), to).expect("a copy");
        }
    }
}

struct Tree(PathBuf);

impl Tree {
    fn write(&self, path: &str, text: &str) {
        let path = self.0.join(path);
        fs::create_dir_all(path.parent().expect("a parent")).expect("a directory");
        fs::write(path, text).expect("a file");
    }

    fn add(&self, directory: &str, sources: &Path, manifest: &str) {
        copy_sources(
            &sources.join(directory).join("src"),
            &self.0.join(directory).join("src"),
        );
        self.write(&format!("{directory}/Cargo.toml"), manifest);
    }
}

#[test]
fn crates_and_wiring_move_to_another_tree_as_the_guide_says() {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR"));
    let root = manifest
        .ancestors()
        .nth(2)
        .expect("two levels below the root");
    let page = fs::read_to_string(root.join("doc/upstream.md")).expect("the page is there");
    let tree = Tree(Path::new(env!("CARGO_TARGET_TMPDIR")).join("foreign-tree"));
    // What an earlier run left would hide that a file is missing; what it built may stay.
    for directory in ["kernel", "libraries", "chips", "capsules", "board"] {
        let _ = fs::remove_dir_all(tree.0.join(directory));
    }

    // The other tree, before anything is taken into it.
    tree.write("Cargo.toml", WORKSPACE);
    fs::copy(root.join("Cargo.lock"), tree.0.join("Cargo.lock")).expect("versions in use here");
    let package = |name: &str, dependencies: &str| {
        format!(
            "[package]\nname = \"{name}\"\nversion.workspace = true\nedition = \"2024\"\n\
             [lints.rust]\nunexpected_cfgs = \"allow\"\n[dependencies]\n{dependencies}"
        )
    };
    let below = "tock-cells = { path = \"../libraries/tock-cells\" }\n\
                 tock-tbf = { path = \"../libraries/tock-tbf\" }\ntock-registers = \"0.10\"\n";
    tree.add("kernel", root, &package("kernel", below));
    tree.add("libraries/tock-cells", root, &package("tock-cells", ""));
    tree.add("libraries/tock-tbf", root, &package("tock-tbf", ""));

    // Step 1.
    let virtio = blocks(&page, "toml")[0];
    assert!(virtio.contains("name = \"virtio\""));
    let core = virtio.replace("\"virtio\"", "\"capsules-core\"");
    let extra = virtio.replace("\"virtio\"", "\"capsules-extra\"");
    let extra = format!("{extra}capsules-core = {{ path = \"../core\" }}\n");
    tree.add("chips/virtio", root, virtio);
    tree.add("capsules/core", root, &core);
    tree.add("capsules/extra", root, &extra);

    // Step 2.
    let names = "kernel = { path = \"../kernel\" }\nvirtio = { path = \"../chips/virtio\" }\n\
                 capsules-core = { path = \"../capsules/core\" }\n\
                 capsules-extra = { path = \"../capsules/extra\" }\n";
    tree.write("board/Cargo.toml", &package("board", names));
    let [entropy, network] = blocks(&page, "rust")[..] else {
        panic!("the page wires two devices");
    };
    tree.write(
        "board/src/lib.rs",
        &format!("#![no_std]\n{FENCE}\npub mod network;\n{entropy}"),
    );
    tree.write("board/src/network.rs", network);

    let output = Command::new(env!("CARGO"))
        .args(["check", "--offline", "--quiet", "--package", "board"])
        .current_dir(&tree.0)
        .env_remove("CARGO_TARGET_DIR")
        // Other trees refuse code that warns.
        .env("RUSTFLAGS", "-Dwarnings")
        .output()
        .expect("cargo starts");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

#[test]
fn the_guide_names_every_file_that_a_single_capsule_needs() {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR"));
    let root = manifest.ancestors().nth(2).expect("two levels below");
    let page = fs::read_to_string(root.join("doc/upstream.md")).expect("the page is there");
    let (_, table) = page
        .split_once("| capsule | comes with |")
        .expect("the page has the table");
    let mut missing = Vec::new();
    let mut rows = 0;
    for row in table.lines().take_while(|line| !line.starts_with('#')) {
        let Some(capsule) = row
            .strip_prefix("| `")
            .and_then(|row| row.split('`').next())
        else {
            continue;
        };
        rows += 1;
        let directory = root.join(capsule).with_extension("");
        let mut sources = vec![root.join(capsule)];
        if let Ok(entries) = fs::read_dir(directory) {
            sources.extend(entries.map(|entry| entry.expect("an entry").path()));
        }
        for source in sources {
            let text = fs::read_to_string(&source).expect("a source");
            // Tests stay here. Every tree has numbers of drivers.
            let code = text.split("#[cfg(test)]\nmod ").next().unwrap_or_default();
            for rest in code.split("use crate::").skip(1) {
                let name = rest.split([':', ';']).next().unwrap_or_default();
                if name != "driver" && !row.contains(&format!("`{name}.rs`")) {
                    missing.push(format!("{}: {name}.rs", source.display()));
                }
            }
        }
    }
    assert!(rows >= 6, "the table has a row for each capsule");
    assert!(missing.is_empty(), "\n{}", missing.join("\n"));
}
