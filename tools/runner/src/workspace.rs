// SPDX-License-Identifier: Apache-2.0 OR MIT

//! The source tree this tool belongs to, and building parts of it with cargo.

use std::ffi::OsString;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::credential::Maker;
use crate::error::Error;

/// Target triple of the kernel and of the apps.
pub const TARGET: &str = "riscv32imac-unknown-none-elf";

/// Root of the source tree.
#[derive(Clone, Debug)]
pub struct Workspace {
    root: PathBuf,
    app_settings: Vec<(String, String)>,
}

/// An executable of a package, as cargo knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Binary {
    /// Package that it belongs to.
    pub package: String,
    /// Name of the executable.
    pub name: String,
}

impl Workspace {
    /// The tree that this tool was built from.
    #[must_use]
    pub fn of_this_tool() -> Workspace {
        let manifest = Path::new(env!("CARGO_MANIFEST_DIR"));
        let root = manifest.ancestors().nth(2).unwrap_or(manifest);
        Workspace {
            root: root.to_owned(),
            app_settings: Vec::new(),
        }
    }

    /// The same tree, whose apps are built with a variable of the environment set: some apps take
    /// constants from there.
    #[must_use]
    pub fn with_app_setting(mut self, name: &str, value: &str) -> Workspace {
        self.app_settings.push((name.to_owned(), value.to_owned()));
        self
    }

    /// The directory with the apps' own cargo workspace.
    #[must_use]
    pub fn userland(&self) -> PathBuf {
        self.root.join("userland")
    }

    /// The directory for what this tool generates.
    #[must_use]
    pub fn output(&self) -> PathBuf {
        self.root.join("target").join("board")
    }

    /// Waits until no other run of this tool builds apps, and keeps others waiting until the result
    /// is dropped: the builds of one app for different places take turns in one output file.
    ///
    /// # Errors
    ///
    /// The lock file cannot be written.
    pub fn lock(&self) -> Result<File, Error> {
        let directory = self.output();
        let path = directory.join("lock");
        let failed = |source| Error::file("lock", &path, source);
        fs::create_dir_all(&directory).map_err(failed)?;
        let file = File::create(&path).map_err(failed)?;
        file.lock().map_err(failed)?;
        Ok(file)
    }

    /// Builds the kernel and returns its ELF file.
    ///
    /// # Errors
    ///
    /// Cargo cannot be run, or what it builds does not compile; its own messages came before.
    pub fn build_kernel(&self) -> Result<PathBuf, Error> {
        eprintln!("board: building the kernel");
        build(self.kernel_build(), "the kernel", &[])
    }

    /// Builds a kernel that runs only apps with the credentials that `maker` makes, and returns its
    /// ELF file. It does not replace the kernel that runs all apps.
    ///
    /// # Errors
    ///
    /// As for [`build_kernel`](Self::build_kernel), and when a file for the key cannot be written.
    pub fn build_checking_kernel(&self, maker: &Maker) -> Result<PathBuf, Error> {
        eprintln!("board: building a kernel that checks credentials");
        let mut cargo = self.kernel_build();
        let feature = match maker {
            Maker::Sha256 => "credentials",
            Maker::EcdsaP256(_) => {
                let key = maker.public_key();
                let name: String = key
                    .iter()
                    .take(8)
                    .map(|byte| format!("{byte:02x}"))
                    .collect();
                let directory = self.output().join("keys");
                let path = directory.join(name);
                let failed = |source| Error::file("write", &path, source);
                fs::create_dir_all(&directory).map_err(failed)?;
                // A file that changes its date would have the kernel built anew.
                if fs::read(&path).ok().as_ref() != Some(&key) {
                    fs::write(&path, &key).map_err(failed)?;
                }
                cargo.env("BOARD_PUBLIC_KEYS", path);
                "credentials-ecdsa-p256"
            }
        };
        self.build_variant(cargo, feature)
    }

    /// Builds a kernel with a feature, in a place of its own: elsewhere it would take the name of the
    /// kernel without.
    fn build_variant(&self, mut cargo: Command, feature: &str) -> Result<PathBuf, Error> {
        cargo.args(["--features", feature, "--target-dir"]);
        cargo.arg(self.root.join("target").join(feature));
        build(cargo, "the kernel", &[])
    }

    /// Builds a kernel with a feature of the board, and returns its ELF file. It does not replace the
    /// default kernel.
    ///
    /// # Errors
    ///
    /// As for [`build_kernel`](Self::build_kernel).
    pub fn build_kernel_variant(&self, feature: &str) -> Result<PathBuf, Error> {
        eprintln!("board: building the kernel with {feature}");
        self.build_variant(self.kernel_build(), feature)
    }

    fn kernel_build(&self) -> Command {
        let mut cargo = cargo_in(&self.root);
        cargo.args([
            "build",
            "--package",
            "qemu_rv32_virt",
            "--bin",
            "qemu_rv32_virt",
        ]);
        cargo
    }

    /// Lists the apps under `userland/apps`, by name.
    ///
    /// # Errors
    ///
    /// Cargo cannot be run or rejects a manifest.
    pub fn known_apps(&self) -> Result<Vec<Binary>, Error> {
        let mut cargo = cargo_in(&self.userland());
        cargo.args(["metadata", "--no-deps", "--format-version", "1"]);
        let what = "the list of apps";
        let output = cargo
            .stderr(Stdio::inherit())
            .output()
            .map_err(|source| Error::Cargo {
                what: what.to_owned(),
                source,
            })?;
        if !output.status.success() {
            return Err(Error::Build {
                what: what.to_owned(),
            });
        }
        let metadata: Value = serde_json::from_slice(&output.stdout).map_err(|_| Error::Build {
            what: what.to_owned(),
        })?;
        Ok(binaries_below(&metadata, &self.userland().join("apps")))
    }

    /// Builds one app with more arguments for the linker, and returns its ELF file.
    ///
    /// # Errors
    ///
    /// Cargo cannot be run, or the app does not compile or link; the messages came before.
    pub fn build_app(&self, app: &Binary, linker: &[OsString]) -> Result<PathBuf, Error> {
        let mut cargo = cargo_in(&self.userland());
        cargo.args(["rustc", "--package", &app.package, "--bin", &app.name]);
        let settings = self.app_settings.iter();
        cargo.envs(settings.map(|(name, value)| (name, value)));
        build(cargo, &format!("app {}", app.name), linker)
    }
}

fn cargo_in(directory: &Path) -> Command {
    let program = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut cargo = Command::new(program);
    cargo.current_dir(directory);
    cargo
}

/// Runs a cargo build for the board in release mode and finds the executable that it reports.
fn build(mut cargo: Command, what: &str, linker: &[OsString]) -> Result<PathBuf, Error> {
    cargo.args(["--release", "--target", TARGET, "--quiet"]);
    cargo.arg("--message-format=json-render-diagnostics");
    if !linker.is_empty() {
        cargo.arg("--");
        for argument in linker {
            let mut option = OsString::from("link-arg=");
            option.push(argument);
            cargo.arg("-C").arg(option);
        }
    }
    let output = cargo
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .map_err(|source| Error::Cargo {
            what: what.to_owned(),
            source,
        })?;
    let executable = String::from_utf8_lossy(&output.stdout)
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok())
        .filter(|message| message["reason"] == "compiler-artifact")
        .filter_map(|message| message["executable"].as_str().map(PathBuf::from))
        .next_back();
    executable
        .filter(|_| output.status.success())
        .ok_or_else(|| Error::Build {
            what: what.to_owned(),
        })
}

fn binaries_below(metadata: &Value, directory: &Path) -> Vec<Binary> {
    let mut binaries = Vec::new();
    for package in metadata["packages"].as_array().into_iter().flatten() {
        let manifest = package["manifest_path"].as_str().unwrap_or_default();
        if !Path::new(manifest).starts_with(directory) {
            continue;
        }
        for target in package["targets"].as_array().into_iter().flatten() {
            let kinds = target["kind"].as_array().into_iter().flatten();
            if let (true, Some(name), Some(package)) = (
                kinds.into_iter().any(|kind| kind == "bin"),
                target["name"].as_str(),
                package["name"].as_str(),
            ) {
                binaries.push(Binary {
                    package: package.to_owned(),
                    name: name.to_owned(),
                });
            }
        }
    }
    binaries.sort_by(|one, other| one.name.cmp(&other.name));
    binaries
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn apps_are_the_executables_of_packages_below_the_directory() {
        let metadata = serde_json::json!({ "packages": [
            { "name": "web-app", "manifest_path": "/tree/userland/apps/web/Cargo.toml",
              "targets": [{ "name": "web", "kind": ["bin"] }, { "name": "page", "kind": ["lib"] }] },
            { "name": "runtime", "manifest_path": "/tree/userland/runtime/Cargo.toml",
              "targets": [{ "name": "demo", "kind": ["bin"] }] },
            { "name": "hello", "manifest_path": "/tree/userland/apps/hello/Cargo.toml",
              "targets": [{ "name": "hello", "kind": ["bin"] }] },
        ]});
        let binary = |package: &str, name: &str| Binary {
            package: package.into(),
            name: name.into(),
        };
        let expected = vec![binary("hello", "hello"), binary("web-app", "web")];
        assert_eq!(
            binaries_below(&metadata, Path::new("/tree/userland/apps")),
            expected
        );
    }
}
