// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Results as text.

use std::collections::BTreeMap;
use std::fmt::Write;

use crate::cost::{is_app, profile};
use crate::lines::Lines;
use crate::program::Program;
use crate::result::Measured;
use crate::run::Run;
use crate::targets::SECTIONS;

/// Rows of a profile; the rest adds little.
const PROFILE_ROWS: usize = 40;

/// The table of figures beside targets, baseline and upstream's figures.
#[must_use]
pub fn table(now: &Measured, baseline: &Measured) -> String {
    let mut text = String::new();
    // Writing to a string cannot fail.
    for (heading, targets) in SECTIONS {
        let _ = writeln!(
            text,
            "{heading:<41} {:>9} {:>9} {:>7} {:>7} {:>9}",
            "measured", "baseline", "limit", "aim", "upstream"
        );
        for target in *targets {
            let Some(measured) = target.figure_in(now) else {
                continue;
            };
            let _ = writeln!(
                text,
                "  {:<39} {:>9} {:>9} {:>7} {:>7} {:>9}  {}",
                target.title,
                number(Some(measured)),
                number(target.figure_in(baseline)),
                number(target.limit),
                number(target.aim),
                number(target.upstream),
                target.verdict(measured)
            );
        }
        text.push('\n');
    }
    text
}

/// One decimal unless it is zero; two for small numbers that are not whole.
fn number(value: Option<f64>) -> String {
    match value {
        None => "-".to_owned(),
        Some(value) if value < 10.0 && value.fract() != 0.0 => format!("{value:.2}"),
        Some(value) if (value * 10.0).round() % 10.0 == 0.0 => format!("{value:.0}"),
        Some(value) => format!("{value:.1}"),
    }
}

/// What the instructions of each operation are, beside their number.
#[must_use]
pub fn details(now: &Measured) -> String {
    let mut text = format!(
        "{:<18} {:>8} {:>7} {:>6} {:>6} {:>6} {:>7} {:>7} {:>8} {:>10}\n",
        "per operation",
        "kernel",
        "app",
        "CSR",
        "PMP",
        "fence",
        "timer..",
        "virtio",
        "notified",
        "interrupts"
    );
    for (name, cost) in &now.operations {
        let _ = writeln!(
            text,
            "{name:<18} {:>8} {:>7} {:>6} {:>6} {:>6} {:>7} {:>7} {:>8} {:>10}",
            number(Some(cost.instructions - cost.app)),
            number(Some(cost.app)),
            number(Some(cost.csr)),
            number(Some(cost.pmp_writes)),
            number(Some(cost.fences)),
            number(Some(cost.other_mmio)),
            number(Some(cost.mmio)),
            number(Some(cost.notifications)),
            number(Some(cost.interrupts)),
        );
    }
    text
}

/// Code of the kernel image by crate.
#[must_use]
pub fn code(crates: &BTreeMap<String, u64>) -> String {
    let mut text = format!("{:<32} {:>7}\n", "bytes of code in the image", "");
    for (name, bytes) in crates {
        let name = if name.is_empty() {
            "none of the tree"
        } else {
            name
        };
        let _ = writeln!(text, "{name:<32} {bytes:>7}");
    }
    text
}

/// Lines of the crates.
#[must_use]
pub fn lines(crates: &[(String, Lines)]) -> String {
    let mut text = format!(
        "{:<32} {:>7} {:>7} {:>9}\n",
        "lines of Rust", "code", "tests", "comments"
    );
    for (name, lines) in crates {
        let _ = writeln!(
            text,
            "{name:<32} {:>7} {:>7} {:>9}",
            lines.code, lines.tests, lines.comments
        );
    }
    text
}

/// Where the instructions of each window of a run are spent: by function of the image, and by the
/// function they were written in, which inlining does not change.
#[must_use]
pub fn profiles(kernel: &Program, run: &Run) -> String {
    let mut text = String::new();
    for window in std::iter::once(&run.start).chain(&run.windows) {
        let symbol = |address| {
            if is_app(address) {
                format!("app: {}", run.app.function_at(address))
            } else {
                kernel.function_at(address).to_owned()
            }
        };
        let source = |address| {
            if is_app(address) {
                "(app)".to_owned()
            } else {
                kernel.written_in(address)
            }
        };
        let line = |address| match kernel.line_at(address) {
            _ if is_app(address) => "(app)".to_owned(),
            // Assembly has functions, but no lines.
            None => format!("({})", kernel.function_at(address)),
            Some(line) => line,
        };
        for (title, rows) in [
            (
                "by function of the image",
                profile(&window.counts, window.operations, symbol),
            ),
            (
                "by function of the source",
                profile(&window.counts, window.operations, source),
            ),
            (
                "by line of the source",
                profile(&window.counts, window.operations, line),
            ),
        ] {
            let _ = writeln!(text, "== {}, {title}", window.name);
            for (name, count) in rows.iter().take(PROFILE_ROWS) {
                let _ = writeln!(text, "{count:>10.1}  {name}");
            }
            let rest: f64 = rows.iter().skip(PROFILE_ROWS).map(|row| row.1).sum();
            if rest > 0.0 {
                let _ = writeln!(text, "{rest:>10.1}  (rest)");
            }
            text.push('\n');
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cost::Cost;
    use std::collections::BTreeMap;

    #[test]
    fn numbers_show_decimals_only_where_there_are_any() {
        let shown = [300.0, 300.04, 546.54, 0.333, 0.0].map(|value| number(Some(value)));
        assert_eq!(shown, ["300", "300", "546.5", "0.33", "0"]);
        assert_eq!(number(None), "-");
    }

    #[test]
    fn rows_set_the_figure_beside_its_limits() {
        let cost = Cost {
            instructions: 280.0,
            ..Cost::default()
        };
        let now = Measured {
            operations: BTreeMap::from([("command-0".to_owned(), cost)]),
            ..Measured::default()
        };
        let text = table(&now, &Measured::default());
        let row = text
            .lines()
            .find(|line| line.starts_with("  command 0"))
            .expect("a row for what was measured");
        let words: Vec<&str> = row.split_whitespace().skip(5).collect();
        assert_eq!(words, ["280", "-", "300", "250", "2614", "ok"]);
        assert!(!text.contains("sbrk"), "{text}");
    }
}
