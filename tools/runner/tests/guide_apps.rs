// SPDX-License-Identifier: Apache-2.0 OR MIT

//! The apps that pages show compile for the board as they stand there, by the rules for apps in the
//! tree.

use std::fs;
use std::path::Path;
use std::process::Command;

/// Code blocks of a page that are whole apps.
fn apps(page: &str) -> Vec<&str> {
    let blocks = page.split("```rust\n").skip(1);
    let blocks = blocks.map(|rest| rest.split("```").next().unwrap_or_default());
    blocks
        .filter(|block| block.contains("#![no_main]"))
        .collect()
}

#[test]
fn every_app_in_the_guides_compiles_for_the_board() {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR"));
    let root = manifest.ancestors().nth(2).expect("two levels below");
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join("guide-apps");
    let binaries = directory.join("src/bin");
    let _ = fs::remove_dir_all(&binaries);
    fs::create_dir_all(&binaries).expect("a directory");
    let mut count = 0;
    for page in ["doc/guides/apps.md", "userland/README.md"] {
        let text = fs::read_to_string(root.join(page)).expect("the page is there");
        for app in apps(&text) {
            fs::write(binaries.join(format!("app{count}.rs")), app).expect("a file");
            count += 1;
        }
    }
    assert!(count >= 3, "the pages show apps");
    let userland = root.join("userland");
    let workspace = fs::read_to_string(userland.join("Cargo.toml")).expect("the workspace");
    let (_, lints) = workspace
        .split_once("[workspace.lints.")
        .expect("the workspace has lints");
    let lints = format!(
        "[lints.{}",
        lints.split("\n[profile").next().unwrap_or_default()
    );
    let lints = lints.replace("[workspace.lints.", "[lints.");
    let manifest = format!(
        "[package]\nname = \"guide-apps\"\nedition = \"2024\"\n[workspace]\n[dependencies]\n\
         tock-app.path = {0:?}\ntock-net.path = {1:?}\n{lints}\n",
        userland.join("runtime"),
        userland.join("net"),
    );
    fs::write(directory.join("Cargo.toml"), manifest).expect("a file");
    fs::copy(userland.join("Cargo.lock"), directory.join("Cargo.lock")).expect("versions");
    let output = Command::new(env!("CARGO"))
        .args([
            "check",
            "--quiet",
            "--target",
            board_runner::workspace::TARGET,
        ])
        .current_dir(&directory)
        .env_remove("CARGO_TARGET_DIR")
        .output()
        .expect("cargo starts");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
}
