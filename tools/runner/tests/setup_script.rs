// SPDX-License-Identifier: Apache-2.0 OR MIT

//! `tools/setup.sh` on machines that lack things, made of a `PATH` with stand-ins.
//!
//! A stand-in notes how it was called; one for a package manager then "installs" by adding what was
//! missing. The script has nothing else in `PATH` than the few system tools it uses.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::{Mutex, MutexGuard, PoisonError};

use tempfile::TempDir;

/// Writing programs and starting them must not overlap between tests: a program that another
/// thread's child still holds open for writing cannot be started.
static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

const SYSTEM_TOOLS: [&str; 9] = [
    "bash", "cat", "chmod", "dirname", "env", "mkdir", "sed", "tr", "true",
];

struct Machine {
    directory: TempDir,
    _turn: MutexGuard<'static, ()>,
}

impl Machine {
    /// A machine with a shell and nothing else; `user` is the answer of `id -u`.
    fn bare(user: u32) -> Machine {
        let turn = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
        let directory = tempfile::tempdir().expect("a temporary directory");
        let machine = Machine {
            directory,
            _turn: turn,
        };
        fs::create_dir(machine.bin()).expect("a directory for programs");
        for tool in SYSTEM_TOOLS {
            let found = std::env::split_paths(&std::env::var_os("PATH").expect("PATH is set"))
                .map(|directory| directory.join(tool))
                .find(|path| path.exists())
                .unwrap_or_else(|| panic!("{tool} is not in PATH"));
            symlink(found, machine.bin().join(tool)).expect("a link");
        }
        machine.program("id", &format!("echo {user}"));
        machine
    }

    fn complete(self) -> Machine {
        self.program("cc", "");
        self.program("qemu-system-riscv32", "");
        self.rust()
    }

    /// Adds a toolchain whose sysroot has the target and components that the project pins.
    fn rust(self) -> Machine {
        let sysroot = self.directory.path().join("sysroot");
        let target = sysroot.join("lib/rustlib/riscv32imac-unknown-none-elf/lib");
        fs::create_dir_all(target).expect("a sysroot");
        self.program("rustc", &format!("echo {}", sysroot.display()));
        for tool in ["cargo", "rustfmt", "cargo-clippy"] {
            self.program(tool, "");
        }
        self
    }

    /// Adds apt, whose `install` provides what `provides` says.
    fn apt(self, knows_new_package: bool, provides: &str) -> Machine {
        let package = if knows_new_package {
            "qemu-system-riscv"
        } else {
            "qemu-system-misc"
        };
        self.program(
            "apt-cache",
            &format!("[ -e $BIN/../lists ] && case $2 in {package} | gcc) ;; *) exit 100 ;; esac"),
        );
        let install = format!(
            "case $1 in update) cat /dev/null >$BIN/../lists ;; \
             install) for name in {provides}; do echo '#!/bin/sh' >$BIN/$name; \
             chmod +x $BIN/$name; done ;; esac"
        );
        self.program("apt-get", &install);
        self
    }

    /// Adds a program that notes its arguments and then runs `body`, which finds `PATH`'s only
    /// directory in `$BIN`.
    fn program(&self, name: &str, body: &str) {
        let path = self.bin().join(name);
        let (bin, log) = (self.bin(), self.log());
        let (bin, log) = (bin.display(), log.display());
        let text = format!("#!/bin/sh\nBIN={bin}\necho \"{name} $*\" >>{log}\n{body}\n");
        fs::write(&path, text).expect("a program");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("made executable");
    }

    fn bin(&self) -> PathBuf {
        self.directory.path().join("bin")
    }

    fn log(&self) -> PathBuf {
        self.directory.path().join("log")
    }

    /// Calls that changed something, or would have on a real machine.
    fn changes(&self) -> Vec<String> {
        let log = fs::read_to_string(self.log()).unwrap_or_default();
        let changes = log.lines().filter(|line| {
            ["install", "update", "-S"]
                .iter()
                .any(|word| line.split(' ').any(|part| part == *word))
        });
        changes.map(str::to_owned).collect()
    }

    fn set_up(&self, arguments: &[&str]) -> Output {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../setup.sh");
        Command::new("bash")
            .arg(script)
            .args(arguments)
            .env_clear()
            .env("PATH", self.bin())
            .output()
            .expect("bash starts")
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn a_complete_machine_is_left_alone_in_silence() {
    let machine = Machine::bare(1000).complete();
    for arguments in [&[][..], &["--check"]] {
        let output = machine.set_up(arguments);
        assert!(output.status.success(), "{output:?}");
        assert_eq!(
            (text(&output.stdout), text(&output.stderr)),
            (String::new(), String::new())
        );
    }
    assert_eq!(machine.changes(), Vec::<String>::new());
}

#[test]
fn check_names_what_is_missing_and_installs_nothing() {
    let machine = Machine::bare(0).apt(false, "qemu-system-riscv32 cc");
    let output = machine.set_up(&["--check"]);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let said = text(&output.stdout);
    for item in ["riscv32imac-unknown-none-elf", "C compiler", "QEMU"] {
        assert!(said.contains(item), "{said}");
    }
    assert_eq!(machine.changes(), Vec::<String>::new());
}

#[test]
fn missing_package_lists_are_fetched_before_qemu_is_installed() {
    for (new_package, name) in [(false, "qemu-system-misc"), (true, "qemu-system-riscv")] {
        let machine = Machine::bare(0)
            .rust()
            .apt(new_package, "qemu-system-riscv32");
        machine.program("cc", "");
        let output = machine.set_up(&[]);
        assert!(output.status.success(), "{output:?}");
        let install = format!("apt-get install --yes --quiet --no-install-recommends {name}");
        assert_eq!(
            machine.changes(),
            ["apt-get update --quiet".to_owned(), install]
        );
        let said = text(&output.stdout);
        assert!(said.contains(&format!("{name} (apt-get)")), "{said}");
        let again = machine.set_up(&[]);
        assert_eq!(
            (text(&again.stdout), machine.changes().len()),
            (String::new(), 2)
        );
    }
}

#[test]
fn another_toolchain_in_the_environment_is_named_and_none_is_installed() {
    let machine = Machine::bare(0);
    machine.program("cc", "");
    machine.program("qemu-system-riscv32", "");
    machine.program("rustup", "");
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../setup.sh");
    let output = Command::new("bash")
        .arg(script)
        .env_clear()
        .env("PATH", machine.bin())
        .env("RUSTUP_TOOLCHAIN", "nightly")
        .output()
        .expect("bash starts");
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let said = text(&output.stderr);
    assert!(said.contains("RUSTUP_TOOLCHAIN=nightly"), "{said}");
    assert_eq!(machine.changes(), Vec::<String>::new());
}

#[test]
fn without_rights_the_package_is_named() {
    let machine = Machine::bare(1000).rust().apt(false, "qemu-system-riscv32");
    machine.program("cc", "");
    machine.program("sudo", "exit 1");
    let output = machine.set_up(&[]);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let said = text(&output.stderr);
    assert!(
        said.contains("install the package qemu-system-misc"),
        "{said}"
    );
    assert_eq!(machine.changes(), Vec::<String>::new());
}

#[test]
fn sudo_without_a_password_installs() {
    let machine = Machine::bare(1000)
        .rust()
        .apt(true, "qemu-system-riscv32 cc");
    machine.program("sudo", "shift; exec \"$@\"");
    let output = machine.set_up(&[]);
    assert!(output.status.success(), "{output:?}");
    let changes = machine.changes().join("\n");
    assert!(changes.contains("gcc libc6-dev"), "{changes}");
    assert!(changes.contains("qemu-system-riscv"), "{changes}");
}

#[test]
fn other_package_managers_get_their_own_names() {
    let cases = [
        ("dnf", "dnf install --assumeyes qemu-system-riscv"),
        ("pacman", "pacman -S --noconfirm --needed qemu-system-riscv"),
    ];
    for (manager, call) in cases {
        let machine = Machine::bare(0).rust();
        machine.program("cc", "");
        let qemu = "$BIN/qemu-system-riscv32";
        machine.program(
            manager,
            &format!("echo '#!/bin/sh' >{qemu}; chmod +x {qemu}"),
        );
        let output = machine.set_up(&[]);
        assert!(output.status.success(), "{output:?}");
        assert_eq!(machine.changes(), [call]);
    }
}

#[test]
fn rustup_installs_the_pinned_toolchain_with_target_and_components() {
    let machine = Machine::bare(0).complete();
    let sysroot = machine.directory.path().join("sysroot/lib");
    let kept = machine.directory.path().join("kept");
    fs::rename(&sysroot, &kept).expect("the target goes missing");
    let restore = format!(
        "PATH={}; mv {} {}",
        "/usr/bin:/bin",
        kept.display(),
        sysroot.display()
    );
    machine.program("rustup", &restore);
    let output = machine.set_up(&[]);
    assert!(output.status.success(), "{output:?}");
    let expected = "rustup toolchain install 1.95.0 --profile minimal --no-self-update \
                    --target riscv32imac-unknown-none-elf --component rustfmt --component clippy";
    assert_eq!(machine.changes(), [expected]);
}

#[test]
fn without_rustup_the_message_says_what_to_install() {
    let machine = Machine::bare(0);
    let output = machine.set_up(&[]);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let said = text(&output.stderr);
    assert!(
        said.contains("rustup") && said.contains("riscv32imac-unknown-none-elf"),
        "{said}"
    );
}

#[test]
fn a_qemu_named_by_the_user_is_not_replaced() {
    let machine = Machine::bare(0).rust().apt(false, "qemu-system-riscv32");
    machine.program("cc", "");
    machine.program("env-qemu", "");
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../setup.sh");
    let with = |qemu: &str| {
        let mut command = Command::new("bash");
        command
            .arg(&script)
            .env_clear()
            .env("PATH", machine.bin())
            .env("QEMU", qemu);
        command.output().expect("bash starts")
    };
    assert!(with("env-qemu").status.success());
    let output = with("/nowhere/qemu");
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let said = text(&output.stderr);
    assert!(said.contains("/nowhere/qemu"), "{said}");
    assert_eq!(machine.changes(), Vec::<String>::new());
}
