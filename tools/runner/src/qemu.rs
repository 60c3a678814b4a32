// SPDX-License-Identifier: Apache-2.0 OR MIT

//! QEMU: which version it is, and the command line that makes it the board.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::memory_map::FLASH;
use crate::network::Network;

/// The version of a QEMU program.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version {
    /// First number.
    pub major: u32,
    /// Second number.
    pub minor: u32,
}

/// Oldest version that offers machine-mode memory protection for the kernel.
const OLDEST: Version = Version { major: 6, minor: 0 };
/// Oldest version the boot tests run on.
const OLDEST_TESTED: Version = Version { major: 7, minor: 2 };
/// First version that spells the CPU option as the ratified extension does.
const RATIFIED_NAME: Version = Version { major: 8, minor: 1 };

/// Why a QEMU program cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum QemuError {
    /// There is no such program.
    #[error("{} is not installed: run tools/setup.sh, or name another with QEMU=path", .0.display())]
    Missing(PathBuf),
    /// The program could not be started.
    #[error("{} does not start ({reason}): name a working QEMU with QEMU=path", program.display())]
    Broken {
        /// The program.
        program: PathBuf,
        /// What the system said.
        reason: String,
    },
    /// The program does not say which QEMU it is.
    #[error("{} does not answer --version like QEMU: name qemu-system-riscv32 with QEMU=path", .0.display())]
    NotQemu(PathBuf),
    /// The version lacks what the board needs.
    #[error("{} is QEMU {}.{}, too old for the board: install {}.{} or newer, or name one with QEMU=path",
        program.display(), found.major, found.minor, OLDEST_TESTED.major, OLDEST_TESTED.minor)]
    TooOld {
        /// The program.
        program: PathBuf,
        /// Its version.
        found: Version,
    },
}

/// A QEMU program that is known to start.
#[derive(Clone, Debug)]
pub struct Qemu {
    program: PathBuf,
    version: Version,
}

impl Qemu {
    /// Asks `program` for its version.
    ///
    /// # Errors
    ///
    /// The program is missing, broken, not QEMU, or too old.
    pub fn probe(program: &Path) -> Result<Qemu, QemuError> {
        let program = program.to_owned();
        let output = match Command::new(&program).arg("--version").output() {
            Ok(output) => output,
            Err(error) if error.kind() == ErrorKind::NotFound => {
                return Err(QemuError::Missing(program));
            }
            Err(error) => {
                return Err(QemuError::Broken {
                    program,
                    reason: error.to_string(),
                });
            }
        };
        if !output.status.success() {
            let reason = String::from_utf8_lossy(&output.stderr).trim().to_owned();
            return Err(QemuError::Broken { program, reason });
        }
        Qemu::introduced(program, &String::from_utf8_lossy(&output.stdout))
    }

    /// Judges `program` by its answer to `--version`.
    fn introduced(program: PathBuf, answer: &str) -> Result<Qemu, QemuError> {
        match parse_version(answer) {
            None => Err(QemuError::NotQemu(program)),
            Some(found) if found < OLDEST => Err(QemuError::TooOld { program, found }),
            Some(version) => Ok(Qemu { program, version }),
        }
    }

    /// The program.
    #[must_use]
    pub fn program(&self) -> &Path {
        &self.program
    }

    /// The version.
    #[must_use]
    pub fn version(&self) -> Version {
        self.version
    }

    /// Whether the boot tests cover a version this old.
    #[must_use]
    pub fn is_tested(&self) -> bool {
        self.version >= OLDEST_TESTED
    }

    /// The CPU with machine-mode protection (Smepmp) under the name this version has for it.
    #[must_use]
    pub fn protected_cpu(&self) -> &'static str {
        if self.version >= RATIFIED_NAME {
            "rv32,smepmp=true"
        } else {
            "rv32,x-epmp=true"
        }
    }
}

/// Reads the numbers out of "QEMU emulator version 7.2.22 (Debian ...)".
fn parse_version(text: &str) -> Option<Version> {
    let numbers = text.split_once("QEMU emulator version ")?.1;
    let mut numbers = numbers.split(|character: char| !character.is_ascii_digit());
    let (major, minor) = (numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?);
    Some(Version { major, minor })
}

/// The board as QEMU is to make it.
#[derive(Clone, Debug)]
pub struct Machine {
    /// CPU model with its options.
    pub cpu: String,
    /// The kernel's ELF file.
    pub kernel: PathBuf,
    /// The app flash image, if there is any app.
    pub flash_image: Option<PathBuf>,
    /// Whether the board has an entropy device.
    pub entropy: bool,
    /// The network cards.
    pub network: Network,
    /// Port of this machine that a user network forwards to the guest's web server.
    pub port: u16,
    /// Whether VirtIO devices show the legacy interface.
    pub legacy: bool,
}

impl Machine {
    /// QEMU's arguments up to where the console goes, which is the caller's to say.
    #[must_use]
    pub fn arguments(&self) -> Vec<String> {
        let mut arguments: Vec<String> = ["-machine", "virt", "-nodefaults", "-display", "none"]
            .map(str::to_owned)
            .into();
        let mut push = |option: &str, value: String| {
            arguments.push(option.to_owned());
            arguments.push(value);
        };
        push("-cpu", self.cpu.clone());
        push("-bios", escape(&self.kernel));
        let legacy = self.legacy;
        push("-global", format!("virtio-mmio.force-legacy={legacy}"));
        if let Some(image) = &self.flash_image {
            let (file, address) = (escape(image), FLASH.start);
            push(
                "-device",
                format!("loader,file={file},addr={address:#x},force-raw=on"),
            );
        }
        if self.entropy {
            push("-device", "virtio-rng-device".to_owned());
        }
        arguments.extend(self.network.arguments(self.port));
        arguments
    }
}

/// A comma in a path would begin the next option; QEMU reads two as one.
fn escape(path: &Path) -> String {
    path.display().to_string().replace(',', ",,")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn qemu_saying(answer: &str) -> Result<Qemu, QemuError> {
        Qemu::introduced("qemu".into(), answer)
    }

    #[test]
    fn versions_pick_the_name_of_the_protection_option() {
        let cases = [
            ("QEMU emulator version 6.2.0", "rv32,x-epmp=true", false),
            (
                "QEMU emulator version 7.2.22 (Debian 1:7.2+dfsg-7)",
                "rv32,x-epmp=true",
                true,
            ),
            ("QEMU emulator version 8.0.5", "rv32,x-epmp=true", true),
            ("QEMU emulator version 8.1.0-rc1", "rv32,smepmp=true", true),
            ("QEMU emulator version 10.0.2", "rv32,smepmp=true", true),
        ];
        for (text, cpu, tested) in cases {
            let qemu = qemu_saying(text).expect(text);
            assert_eq!(
                (qemu.protected_cpu(), qemu.is_tested()),
                (cpu, tested),
                "{text}"
            );
        }
    }

    #[test]
    fn programs_that_cannot_be_the_board_say_what_to_do() {
        let missing = Qemu::probe(Path::new("/nowhere/qemu-system-riscv32"));
        let missing = missing.expect_err("there is no such file").to_string();
        assert!(missing.contains("tools/setup.sh"), "{missing}");
        let old = qemu_saying("QEMU emulator version 5.2.0")
            .expect_err("too old")
            .to_string();
        assert!(
            old.contains("QEMU 5.2, too old") && old.contains("QEMU=path"),
            "{old}"
        );
        let other = qemu_saying("Python 3.11.2")
            .expect_err("not QEMU")
            .to_string();
        assert!(other.contains("--version"), "{other}");
        let silent = Qemu::probe(Path::new("true"))
            .expect_err("not QEMU")
            .to_string();
        assert!(silent.contains("--version"), "{silent}");
        let failing = Qemu::probe(Path::new("false"))
            .expect_err("it fails")
            .to_string();
        assert!(failing.contains("does not start"), "{failing}");
    }

    #[test]
    fn machine_arguments_name_only_what_the_board_has() {
        let mut machine = Machine {
            cpu: "rv32".into(),
            kernel: "a,b/kernel".into(),
            flash_image: None,
            entropy: false,
            network: Network::NONE,
            port: 8080,
            legacy: false,
        };
        let bare = machine.arguments().join(" ");
        assert!(bare.contains("-bios a,,b/kernel"), "{bare}");
        assert!(bare.contains("virtio-mmio.force-legacy=false"), "{bare}");
        assert!(!bare.contains("-device"), "{bare}");
        machine.flash_image = Some("apps.bin".into());
        machine.entropy = true;
        let full = machine.arguments().join(" ");
        assert!(
            full.contains("loader,file=apps.bin,addr=0x80100000,force-raw=on"),
            "{full}"
        );
        assert!(full.contains("virtio-rng-device"), "{full}");
    }
}
