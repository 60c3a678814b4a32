// SPDX-License-Identifier: Apache-2.0 OR MIT

//! What the pages say of the tree, held against the tree: paths, links, tests, targets, options.
//!
//! A page is any Markdown file of the project, save the interface contract, which is kept as it is.

#[path = "documentation/pages.rs"]
mod pages;

use std::collections::BTreeSet;

use pages::{Page, Tree};

/// Lines of a README that fit on one tall screen.
const SCREEN: usize = 70;

#[track_caller]
fn expect_none(wrong: Vec<String>) {
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

/// Asks about each code span of each page, and reports the spans for which there is an answer.
#[track_caller]
fn judge_spans(judge: impl Fn(&Tree, &Page, &str) -> Option<String>) {
    let tree = Tree::read();
    let wrong = tree.pages.iter().flat_map(|page| {
        let (tree, judge) = (&tree, &judge);
        page.code_spans().into_iter().filter_map(move |span| {
            let complaint = judge(tree, page, &span)?;
            Some(format!("{}: `{span}`: {complaint}", page.path.display()))
        })
    });
    expect_none(wrong.collect());
}

#[test]
fn links_lead_to_files() {
    let tree = Tree::read();
    let mut wrong = Vec::new();
    for page in &tree.pages {
        for link in page.links() {
            if !link.contains("://") && !tree.has_beside(page, &link) {
                wrong.push(format!("{}: ({link})", page.path.display()));
            }
        }
    }
    expect_none(wrong);
}

#[test]
fn paths_that_pages_name_exist() {
    judge_spans(|tree, page, span| {
        let path = span.split("::").next()?;
        (pages::is_path(path) && !tree.finds(page, path)).then(|| "no such file".to_owned())
    });
}

#[test]
fn tests_that_pages_name_are_in_the_file_that_they_name() {
    judge_spans(|tree, page, span| {
        let (path, function) = span.split_once(".rs::")?;
        let sources = tree.sources(page, &format!("{path}.rs"));
        let wanted = format!("fn {function}(");
        (!sources.iter().any(|source| source.contains(&wanted)))
            .then(|| "no such test in that file".to_owned())
    });
}

/// Whether `source` has a test of that name, rather than any function.
fn has_test(source: &str, name: &str) -> bool {
    let function = format!("fn {name}(");
    source.split("\n\n").any(|item| {
        let mut lines = item.lines().map(str::trim);
        let attributes = lines
            .by_ref()
            .take_while(|line| !line.starts_with(&function));
        attributes.filter(|line| *line == "#[test]").count() == 1 && item.contains(&function)
    })
}

#[test]
fn each_requirement_of_the_standard_has_a_test_or_a_reason() {
    const REASON: &str = "does not apply: ";
    let tree = Tree::read();
    let page = tree.page("doc/virtio-conformance.md");
    let mut wrong = Vec::new();
    let mut rows = 0;
    for line in page.text.lines().filter(|line| line.starts_with("| ")) {
        let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
        let [section, requirement, shown] = cells[..] else {
            wrong.push(format!("not three cells: {line}"));
            continue;
        };
        if section.starts_with("---") || shown == "shown by" {
            continue;
        }
        rows += 1;
        if shown.strip_prefix(REASON).is_some_and(|why| why.len() > 10) {
            continue;
        }
        for claim in shown.split(", ") {
            let named = claim.trim_matches('`').split_once(".rs::");
            let exists = named.is_some_and(|(path, test)| {
                let sources = tree.sources(page, &format!("{path}.rs"));
                sources.len() == 1 && has_test(&sources[0], test)
            });
            if !exists {
                wrong.push(format!("{section} {requirement}: {claim}: not one test"));
            }
        }
    }
    assert!(rows > 80, "only {rows} requirements");
    expect_none(wrong);
}

#[test]
fn names_that_pages_use_are_in_some_source() {
    let words = Tree::read().words();
    judge_spans(|_, _, span| {
        let is_name = span.matches('_').count() > 1
            && span
                .chars()
                .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_');
        (is_name && !words.contains(span)).then(|| "no source has that name".to_owned())
    });
}

#[test]
fn packages_that_pages_test_exist() {
    let tree = Tree::read();
    let packages: BTreeSet<String> = tree.packages().into_iter().map(|(name, _)| name).collect();
    let mut wrong = Vec::new();
    for page in &tree.pages {
        for package in page.packages() {
            if !packages.contains(&package) {
                wrong.push(format!("{}: package {package}", page.path.display()));
            }
        }
    }
    expect_none(wrong);
}

#[test]
fn targets_and_options_of_make_that_pages_name_exist() {
    let tree = Tree::read();
    let makefile = tree.text("Makefile");
    let mut wrong = Vec::new();
    for page in &tree.pages {
        for (target, options) in page.make_lines() {
            if !makefile
                .lines()
                .any(|line| line.starts_with(&format!("{target}:")))
            {
                wrong.push(format!("{}: make {target}", page.path.display()));
            }
            for option in options {
                if !makefile
                    .lines()
                    .any(|line| line.starts_with(&format!("{option} ?=")))
                {
                    wrong.push(format!("{}: {option}=", page.path.display()));
                }
            }
        }
    }
    expect_none(wrong);
}

#[test]
fn every_package_has_a_readme_of_one_screen() {
    let tree = Tree::read();
    let mut wrong = Vec::new();
    for (name, directory) in tree.packages() {
        let readme = directory.join("README.md");
        match std::fs::read_to_string(&readme) {
            Err(_) => wrong.push(format!("{name}: no {}", readme.display())),
            Ok(text) if text.lines().count() > SCREEN => {
                wrong.push(format!(
                    "{name}: {} is longer than a screen",
                    readme.display()
                ));
            }
            Ok(_) => {}
        }
    }
    expect_none(wrong);
}

#[test]
fn the_index_lists_every_page_of_doc() {
    let tree = Tree::read();
    let index = tree.page("doc/README.md");
    let listed: BTreeSet<String> = index.links().into_iter().collect();
    let missing = tree.pages.iter().filter_map(|page| {
        let path = page.path.strip_prefix("doc").ok()?.to_str()?;
        (path != "README.md" && !listed.contains(path)).then(|| path.to_owned())
    });
    expect_none(missing.collect());
}

#[test]
fn design_notes_and_drivers_name_the_tests_that_show_them() {
    let tree = Tree::read();
    let wrong = tree.pages.iter().filter_map(|page| {
        let claims = page.path.starts_with("doc/design") || page.path.starts_with("doc/syscalls");
        let shown = page.text.to_lowercase().contains("shown by");
        (claims && !shown).then(|| page.path.display().to_string())
    });
    expect_none(wrong.collect());
}

#[test]
fn every_driver_of_the_board_has_a_page_under_its_number() {
    let tree = Tree::read();
    let pages: Vec<u32> = tree
        .pages
        .iter()
        .filter(|page| page.path.starts_with("doc/syscalls"))
        .map(|page| {
            let name = page
                .path
                .file_stem()
                .and_then(|name| name.to_str())
                .unwrap_or_default();
            let digits = name.split('_').next().unwrap_or_default();
            let number = u32::from_str_radix(digits, 16).expect("pages begin with a number");
            let title = format!(", driver {number:#x}\n");
            assert!(page.text.contains(&title), "{name} is about {number:#x}");
            number
        })
        .collect();
    let board = tree.text("boards/qemu_rv32_virt/src/board.rs");
    let wired: Vec<&str> = board
        .lines()
        .filter_map(|line| line.trim().split_once("::DRIVER_NUM =>"))
        .map(|(module, _)| module.rsplit("::").next().unwrap_or(module))
        .collect();
    assert!(
        wired.len() >= 6,
        "the board looks drivers up by number: {wired:?}"
    );
    let numbers: BTreeSet<u32> = wired
        .iter()
        .map(|module| tree.driver_number(module))
        .collect();
    assert_eq!(numbers, pages.into_iter().collect());
}

#[test]
fn every_app_is_in_the_list_of_apps() {
    let list = Tree::read().page("userland/README.md").code_spans();
    let manifest = Tree::read().text("userland/apps/Cargo.toml");
    let apps = pages::values(&manifest, "name").skip(1);
    let missing: Vec<_> = apps
        .filter(|app| !list.contains(app))
        .map(|app| format!("{app} is not in the table of apps in userland/README.md"))
        .collect();
    assert!(missing.is_empty(), "{}", missing.join("\n"));
}

#[test]
fn the_guides_network_app_is_the_one_that_is_built() {
    let tree = Tree::read();
    let guide = tree.text("doc/guides/apps.md");
    let app = tree.text("userland/apps/src/bin/tcp_echo.rs");
    let code = app
        .find("#![no_std]")
        .map(|start| &app[start..])
        .expect("a crate root");
    assert!(guide.contains(code), "the guide shows another tcp_echo");
}

/// The README may say this much less than was measured, since the bench lets figures grow by as much
/// without a new baseline, or so much more.
const ROUNDING: std::ops::Range<f64> = 0.97..1.2;

#[test]
fn sizes_and_costs_in_the_readme_are_those_of_the_baseline() {
    let tree = Tree::read();
    let baseline: serde_json::Value =
        serde_json::from_str(&tree.text("tools/bench/baseline.json")).expect("a baseline");
    let readme = tree.text("README.md").replace('\n', " ");
    let wrong = [
        (" kB of code", baseline["bytes"]["text"].as_f64(), 1000.0),
        (" kB of RAM", baseline["bytes"]["bss"].as_f64(), 1000.0),
        (
            " instructions (`",
            baseline["operations"]["command-0"]["instructions"].as_f64(),
            1.0,
        ),
    ]
    .into_iter()
    .filter_map(|(unit, measured, scale)| {
        let measured = measured.expect("the baseline has it") / scale;
        let before = readme.split(unit).next()?;
        let said: f64 = before.rsplit(' ').next()?.parse().expect("a number");
        (!ROUNDING.contains(&(said / measured)))
            .then(|| format!("README.md says {said}{unit} and the baseline {measured}"))
    });
    expect_none(wrong.collect());
}
