// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Lines of Rust by crate.

use std::fs;
use std::io;
use std::path::Path;

/// Directories of the tree that hold what runs on the board.
const PARTS: [&str; 7] = [
    "libraries",
    "kernel",
    "arch",
    "chips",
    "capsules",
    "boards",
    "userland",
];

/// Lines of a crate.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Lines {
    /// Lines of code outside tests.
    pub code: u64,
    /// Lines of tests.
    pub tests: u64,
    /// Lines that hold only a comment, tests aside.
    pub comments: u64,
}

impl Lines {
    fn add(&mut self, other: Lines) {
        self.code += other.code;
        self.tests += other.tests;
        self.comments += other.comments;
    }

    /// Counts the lines of a file. A test module at its end counts as tests from its attribute on.
    fn of(source: &str) -> Lines {
        let mut lines = Lines::default();
        let mut in_tests = false;
        for line in source.lines().map(str::trim) {
            in_tests |= line == "#[cfg(test)]";
            match line {
                "" => {}
                _ if in_tests => lines.tests += 1,
                _ if line.starts_with("//") => lines.comments += 1,
                _ => lines.code += 1,
            }
        }
        lines
    }
}

/// Counts the lines of every crate that runs on the board, by directory.
///
/// # Errors
///
/// A directory or file cannot be read.
pub fn count(root: &Path) -> io::Result<Vec<(String, Lines)>> {
    let mut crates = Vec::new();
    for part in PARTS {
        find_crates(root, &root.join(part), &mut crates)?;
    }
    crates.retain(|(_, lines)| *lines != Lines::default());
    Ok(crates)
}

fn find_crates(root: &Path, directory: &Path, found: &mut Vec<(String, Lines)>) -> io::Result<()> {
    if directory.join("Cargo.toml").exists() {
        let name = directory.strip_prefix(root).unwrap_or(directory);
        let mut lines = Lines::default();
        add_tree(&directory.join("src"), &mut lines)?;
        found.push((name.display().to_string(), lines));
    }
    for child in children(directory)? {
        let build_output = child.ends_with("target") || child.ends_with("src");
        if child.is_dir() && !build_output {
            find_crates(root, &child, found)?;
        }
    }
    Ok(())
}

fn add_tree(path: &Path, lines: &mut Lines) -> io::Result<()> {
    if path.is_dir() {
        return children(path)?
            .iter()
            .try_for_each(|child| add_tree(child, lines));
    }
    if path.extension().is_some_and(|extension| extension == "rs") {
        let mut counted = Lines::of(&fs::read_to_string(path)?);
        let only_tests = path
            .components()
            .any(|part| matches!(part.as_os_str().to_str(), Some("tests" | "tests.rs")));
        if only_tests {
            counted = Lines {
                tests: counted.code + counted.tests + counted.comments,
                ..Lines::default()
            };
        }
        lines.add(counted);
    }
    Ok(())
}

fn children(directory: &Path) -> io::Result<Vec<std::path::PathBuf>> {
    if !directory.is_dir() {
        return Ok(Vec::new());
    }
    let mut paths = fs::read_dir(directory)?
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<io::Result<Vec<_>>>()?;
    paths.sort();
    Ok(paths)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blank_lines_comments_and_tests_are_told_from_code() {
        let source = "// A file.\n\nfn one() {}\n    // why\n#[cfg(test)]\nmod tests {\n// x\n}\n";
        let expected = Lines {
            code: 1,
            tests: 4,
            comments: 2,
        };
        assert_eq!(Lines::of(source), expected);
    }

    #[test]
    fn crates_are_found_below_the_parts_of_the_tree() {
        let root = tempfile::tempdir().expect("a temporary directory");
        let source = root.path().join("chips/one/src");
        fs::create_dir_all(&source).expect("a writable directory");
        fs::write(root.path().join("chips/one/Cargo.toml"), "").expect("a writable directory");
        fs::write(source.join("lib.rs"), "fn one() {}\n").expect("a writable directory");
        fs::write(source.join("tests.rs"), "fn two() {}\n").expect("a writable directory");
        let expected = Lines {
            code: 1,
            tests: 1,
            comments: 0,
        };
        let counted = count(root.path()).expect("a readable tree");
        assert_eq!(counted, [("chips/one".to_owned(), expected)]);
    }
}
