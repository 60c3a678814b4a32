// SPDX-License-Identifier: Apache-2.0 OR MIT

//! What a result must not do: grow, pass a limit that was kept, or leave something out.

use std::fmt;

use crate::result::{Measured, Regression};
use crate::targets::{SECTIONS, Target};

/// Something that a result does not get through with.
#[derive(Clone, Debug, PartialEq)]
pub enum Finding {
    /// A figure grew by more than is tolerated.
    Grown(Regression),
    /// A figure is above its limit, and the one in the baseline is not.
    LimitPassed {
        /// What the figure says.
        what: &'static str,
        /// The operation, or the part of the image.
        name: &'static str,
        /// The limit.
        limit: f64,
        /// The figure now.
        now: f64,
    },
    /// The baseline has an operation or a size that was not measured: nothing keeps it from growing.
    Missing(String),
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Finding::Grown(Regression { what, before, now }) => {
                write!(f, "{what} went from {before} to {now}")
            }
            Finding::LimitPassed {
                what,
                name,
                limit,
                now,
            } => write!(
                f,
                "{what} ({name}) is {now}, above the limit of {limit} that it kept"
            ),
            Finding::Missing(name) => write!(f, "{name} is in the baseline and was not measured"),
        }
    }
}

impl Finding {
    /// Whether counting the operation `name` again could make this go away.
    #[must_use]
    pub fn concerns(&self, name: &str) -> bool {
        match self {
            Finding::Grown(grown) => grown
                .what
                .split_once(':')
                .is_some_and(|(operation, _)| operation == name),
            Finding::LimitPassed { name: target, .. } => *target == name,
            Finding::Missing(_) => false,
        }
    }
}

/// Judges a result. With `complete`, it has to have all that the baseline has.
#[must_use]
pub fn judge(now: &Measured, baseline: &Measured, complete: bool) -> Vec<Finding> {
    let grown = now.regressions(baseline).into_iter().map(Finding::Grown);
    let mut found: Vec<Finding> = grown.chain(limits_passed(now, baseline)).collect();
    if complete {
        let operations = baseline.operations.keys();
        let operations = operations.filter(|name| !now.operations.contains_key(*name));
        let sizes = baseline.bytes.keys();
        let sizes = sizes.filter(|name| !now.bytes.contains_key(*name));
        found.extend(operations.chain(sizes).cloned().map(Finding::Missing));
    }
    found
}

/// Finds the limits that the baseline keeps and the result does not.
#[must_use]
pub fn limits_passed(now: &Measured, baseline: &Measured) -> Vec<Finding> {
    let targets = SECTIONS.iter().flat_map(|(heading, targets)| {
        let heading: &'static str = heading;
        targets.iter().map(move |target| (heading, target))
    });
    targets
        .filter(|(_, target)| is_over(target, now, target.tolerance()))
        .filter(|(_, target)| target.figure_in(baseline).is_some())
        .filter(|(_, target)| !is_over(target, baseline, 0.0))
        .filter_map(|(heading, target)| {
            Some(Finding::LimitPassed {
                what: heading,
                name: target.name,
                limit: target.limit?,
                now: target.figure_in(now)?,
            })
        })
        .collect()
}

fn is_over(target: &Target, measured: &Measured, tolerance: f64) -> bool {
    match (target.figure_in(measured), target.limit) {
        (Some(figure), Some(limit)) => figure > limit + tolerance,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cost::Cost;

    fn measured(name: &str, instructions: f64, text: u64) -> Measured {
        let cost = Cost {
            instructions,
            ..Cost::default()
        };
        Measured {
            operations: [(name.to_owned(), cost)].into(),
            bytes: [("text".to_owned(), text)].into(),
        }
    }

    #[test]
    fn a_result_like_the_baseline_passes() {
        let baseline = measured("upcall", 890.0, 119_000);
        assert_eq!(judge(&baseline, &baseline, true), []);
        // It may be better, and a limit that was never kept is not one that was given up.
        let over = measured("upcall", 950.0, 130_000);
        assert_eq!(judge(&baseline, &over, true), []);
        assert_eq!(judge(&over, &over, true), []);
    }

    #[test]
    fn a_limit_that_was_kept_is_not_passed_by_ever_so_little() {
        let found = judge(
            &measured("upcall", 901.0, 120_001),
            &measured("upcall", 899.0, 119_999),
            true,
        );
        let texts: Vec<String> = found.iter().map(ToString::to_string).collect();
        assert_eq!(
            texts,
            [
                "instructions per operation (upcall) is 901, above the limit of 900 that it kept",
                "bytes of the kernel (text) is 120001, above the limit of 120000 that it kept",
            ]
        );
        assert!(found[0].concerns("upcall") && !found[1].concerns("upcall"));
    }

    #[test]
    fn an_event_more_or_less_is_chance() {
        let receive = |mmio| Measured {
            operations: [(
                "receive-60".to_owned(),
                Cost {
                    mmio,
                    ..Cost::default()
                },
            )]
            .into(),
            ..Measured::default()
        };
        assert_eq!(limits_passed(&receive(2.01), &receive(1.99)), []);
        assert_eq!(limits_passed(&receive(2.1), &receive(1.99)).len(), 1);
    }

    #[test]
    fn growth_below_the_limit_is_found_too() {
        let found = judge(
            &measured("upcall", 600.0, 1),
            &measured("upcall", 500.0, 1),
            true,
        );
        assert!(matches!(found.as_slice(), [Finding::Grown(_)]));
        assert!(found[0].concerns("upcall") && !found[0].concerns("up"));
        assert_eq!(
            found[0].to_string(),
            "upcall: instructions went from 500 to 600"
        );
    }

    #[test]
    fn what_is_not_measured_any_more_is_missed() {
        let (one, other) = (measured("one", 1.0, 1), measured("other", 1.0, 1));
        assert_eq!(
            judge(&other, &one, true),
            [Finding::Missing("one".to_owned())]
        );
        assert_eq!(judge(&other, &one, false), []);
        let nothing = Measured::default();
        assert_eq!(judge(&nothing, &one, true).len(), 2);
    }
}
