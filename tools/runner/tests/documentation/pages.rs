// SPDX-License-Identifier: Apache-2.0 OR MIT

//! The pages of the project, and the tree that they speak of.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Directories that hold no source.
const LEFT_OUT: [&str; 2] = ["target", ".git"];
/// Endings that make a word a path.
const ENDINGS: [&str; 7] = [".rs", ".md", ".sh", ".toml", ".ld", ".txt", ".json"];

/// One Markdown file.
pub struct Page {
    /// Its path from the root.
    pub path: PathBuf,
    /// What it says.
    pub text: String,
}

/// The files of the project.
pub struct Tree {
    root: PathBuf,
    files: Vec<PathBuf>,
    /// Its pages.
    pub pages: Vec<Page>,
}

/// Whether a code span names a file or directory.
pub fn is_path(span: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || "_-./{},*".contains(c);
    let ends = ENDINGS
        .iter()
        .any(|ending| span.ends_with(ending) && span.len() > ending.len());
    let below = span.split_once('/').is_some_and(|(first, _)| {
        [
            "arch",
            "boards",
            "capsules",
            "chips",
            "doc",
            "kernel",
            "libraries",
            "tools",
            "userland",
        ]
        .contains(&first)
    });
    span.chars().all(plain) && (ends || below || span.ends_with('/')) && !span.starts_with('/')
}

/// The values of `key = "value"` lines.
pub fn values<'a>(manifest: &'a str, key: &'a str) -> impl Iterator<Item = String> + 'a {
    manifest.lines().filter_map(move |line| {
        let rest = line.strip_prefix(key)?.trim_start().strip_prefix('=')?;
        Some(rest.trim().trim_matches('"').to_owned())
    })
}

/// Writes out `a/{b,c}/d`.
fn alternatives(path: &str) -> Vec<String> {
    let Some((before, rest)) = path.split_once('{') else {
        return vec![path.to_owned()];
    };
    let Some((inside, after)) = rest.split_once('}') else {
        return vec![path.to_owned()];
    };
    let each = inside.split(',').map(|one| format!("{before}{one}{after}"));
    each.flat_map(|path| alternatives(&path)).collect()
}

/// Whether `path` ends with the components of `pattern`, in which `*` stands for part of one.
fn ends_with(path: &Path, pattern: &str) -> bool {
    let mut parts = path.iter().rev();
    pattern
        .trim_end_matches('/')
        .split('/')
        .rev()
        .all(|wanted| {
            let part = parts
                .next()
                .and_then(|part| part.to_str())
                .unwrap_or_default();
            match wanted.split_once('*') {
                Some((start, end)) => part.starts_with(start) && part.ends_with(end),
                None => part == wanted,
            }
        })
}

impl Tree {
    /// Reads the tree that this test belongs to.
    pub fn read() -> Tree {
        let manifest = Path::new(env!("CARGO_MANIFEST_DIR"));
        let root = manifest
            .ancestors()
            .nth(2)
            .expect("two levels below the root")
            .to_owned();
        let mut tree = Tree {
            root,
            files: Vec::new(),
            pages: Vec::new(),
        };
        tree.collect(Path::new(""));
        for path in &tree.files {
            let contract = path.starts_with("tools/contract");
            if path.extension().is_some_and(|ending| ending == "md") && !contract {
                let text = fs::read_to_string(tree.root.join(path)).expect("a page is text");
                tree.pages.push(Page {
                    path: path.clone(),
                    text,
                });
            }
        }
        assert!(tree.pages.len() > 10, "the pages are found");
        tree
    }

    /// Lists what is below a directory, and the directory.
    fn collect(&mut self, directory: &Path) {
        for entry in fs::read_dir(self.root.join(directory)).expect("a directory") {
            let entry = entry.expect("an entry");
            let path = directory.join(entry.file_name());
            if LEFT_OUT.iter().any(|name| path.ends_with(name)) {
                continue;
            }
            if entry.file_type().expect("a type").is_dir() {
                self.collect(&path);
            }
            self.files.push(path);
        }
    }

    /// The text of a file, by its path from the root.
    pub fn text(&self, path: &str) -> String {
        fs::read_to_string(self.root.join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
    }

    /// The page at a path from the root.
    pub fn page(&self, path: &str) -> &Page {
        let found = self.pages.iter().find(|page| page.path == Path::new(path));
        found.unwrap_or_else(|| panic!("no page {path}"))
    }

    /// Whether a link of a page leads to a file.
    pub fn has_beside(&self, page: &Page, link: &str) -> bool {
        let path = link.split('#').next().unwrap_or_default();
        let directory = page.path.parent().unwrap_or(Path::new(""));
        self.root.join(directory).join(path).exists()
    }

    /// The files that a page may mean by a path: from the root, or as the end of a path below the
    /// page's own directory. A page of `doc` may mean any file by its name.
    fn meant(&self, page: &Page, path: &str) -> Vec<&PathBuf> {
        let directory = page.path.parent().unwrap_or(Path::new(""));
        let anywhere = directory.starts_with("doc");
        let below =
            |file: &&PathBuf| ends_with(file, path) && (anywhere || file.starts_with(directory));
        let exact = |file: &&PathBuf| {
            file.iter().count() == Path::new(path).iter().count() && ends_with(file, path)
        };
        self.files
            .iter()
            .filter(|file| exact(file) || below(file))
            .collect()
    }

    /// Whether there is something under each alternative of a path, or will be after a build.
    pub fn finds(&self, page: &Page, path: &str) -> bool {
        path.starts_with("target/")
            || alternatives(path)
                .iter()
                .all(|path| !self.meant(page, path).is_empty())
    }

    /// The texts of the files that a page may mean by a path.
    pub fn sources(&self, page: &Page, path: &str) -> Vec<String> {
        let files = self.meant(page, path).into_iter();
        files
            .map(|file| self.text(file.to_str().expect("plain names")))
            .collect()
    }

    /// Names and directories of all packages.
    pub fn packages(&self) -> Vec<(String, PathBuf)> {
        let manifests = self
            .files
            .iter()
            .filter(|file| file.ends_with("Cargo.toml") && !file.starts_with("tools/contract"));
        let packages = manifests.filter_map(|file| {
            let text = self.text(file.to_str()?);
            let start = text.find("[package]")?;
            let name = values(&text[start..], "name").next()?;
            Some((name, self.root.join(file.parent()?)))
        });
        packages.collect()
    }

    /// All words of sources, scripts and manifests.
    pub fn words(&self) -> BTreeSet<String> {
        let is_source = |file: &&PathBuf| {
            let ending = file.extension().and_then(|ending| ending.to_str());
            ["rs", "toml", "sh", "ld"].contains(&ending.unwrap_or_default())
        };
        let mut words = BTreeSet::new();
        for file in self.files.iter().filter(is_source) {
            let text = self.text(file.to_str().expect("plain names"));
            let all = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
            words.extend(all.map(str::to_owned));
            words.extend(
                file.file_stem()
                    .and_then(|name| name.to_str())
                    .map(str::to_owned),
            );
        }
        words
    }

    /// The number of the driver in a module.
    pub fn driver_number(&self, module: &str) -> u32 {
        let is_it = |file: &&PathBuf| {
            file.ends_with(format!("src/{module}.rs"))
                && (file.starts_with("capsules") || file.starts_with("kernel"))
        };
        let file = self
            .files
            .iter()
            .find(is_it)
            .unwrap_or_else(|| panic!("no module {module}"));
        let text = self.text(file.to_str().expect("plain names"));
        let value = text
            .split_once("const DRIVER_NUM: usize = ")
            .and_then(|(_, rest)| rest.split(';').next())
            .unwrap_or_else(|| panic!("{module} has a DRIVER_NUM"));
        let Some((_, variant)) = value.split_once("NUM::") else {
            return number(value);
        };
        let variant = variant.split(' ').next().unwrap_or(variant);
        let numbers = self.text("capsules/core/src/driver.rs");
        let line = numbers.lines().find_map(|line| {
            line.trim()
                .strip_prefix(variant)?
                .trim_start()
                .strip_prefix('=')
        });
        number(line.unwrap_or_else(|| panic!("no number of {variant}")))
    }
}

fn number(text: &str) -> u32 {
    let digits = text
        .trim()
        .trim_end_matches(',')
        .trim_start_matches("0x")
        .replace('_', "");
    u32::from_str_radix(&digits, 16).unwrap_or_else(|_| panic!("{text} is a number"))
}

impl Page {
    /// The text without code blocks, or only what is in them.
    fn lines(&self, in_blocks: bool) -> Vec<&str> {
        let mut inside = false;
        let mut lines = Vec::new();
        for line in self.text.lines() {
            if line.trim_start().starts_with("```") {
                inside = !inside;
            } else if inside == in_blocks {
                lines.push(line);
            }
        }
        lines
    }

    /// What stands between backticks, outside of code blocks.
    pub fn code_spans(&self) -> Vec<String> {
        let text = self.lines(false).join("\n");
        let spans = text.split('`').skip(1).step_by(2);
        spans.map(|span| span.replace('\n', " ")).collect()
    }

    /// Targets of links, outside of code blocks.
    pub fn links(&self) -> Vec<String> {
        let text = self.lines(false).join("\n");
        let links = text.split("](").skip(1);
        links
            .filter_map(|rest| Some(rest.split_once(')')?.0.to_owned()))
            .collect()
    }

    /// Command lines, in and outside of code blocks.
    fn commands(&self) -> Vec<String> {
        let blocks = self.lines(true).into_iter().map(str::to_owned);
        self.code_spans().into_iter().chain(blocks).collect()
    }

    /// Packages that the page hands to cargo.
    pub fn packages(&self) -> Vec<String> {
        let mut packages = Vec::new();
        for command in self.commands() {
            let mut words = command
                .split_whitespace()
                .skip_while(|word| *word != "cargo");
            while let Some(word) = words.next() {
                if ["-p", "--package"].contains(&word) {
                    packages.extend(words.next().map(str::to_owned));
                }
            }
        }
        packages
    }

    /// Targets that the page hands to make, with the options beside them.
    pub fn make_lines(&self) -> Vec<(String, Vec<String>)> {
        let mut lines = Vec::new();
        for command in self.commands() {
            let Some(rest) = command.trim().strip_prefix("make ") else {
                continue;
            };
            let rest = rest.split(" #").next().unwrap_or(rest);
            let target = rest.split_whitespace().next().unwrap_or_default();
            let options = rest.split_whitespace().filter_map(|word| {
                let (name, _) = word.split_once('=')?;
                name.chars()
                    .all(|c| c.is_ascii_uppercase())
                    .then(|| name.to_owned())
            });
            lines.push((target.to_owned(), options.collect()));
        }
        lines
    }
}
