// SPDX-License-Identifier: Apache-2.0 OR MIT

//! A result as it is stored, and its comparison with a baseline.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::cost::Cost;
use crate::error::Error;

/// Growth that is still no regression.
const TOLERANCE: f64 = 0.03;
/// Growth of a count of events per operation that is still no regression: one more or less at the
/// border of a window is chance.
pub const EVENT_TOLERANCE: f64 = 0.05;

/// Everything measured in one run of the benchmark.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Measured {
    /// Cost per operation by the name of its window.
    pub operations: BTreeMap<String, Cost>,
    /// Bytes of the kernel image by part.
    pub bytes: BTreeMap<String, u64>,
}

/// A figure that grew.
#[derive(Clone, Debug, PartialEq)]
pub struct Regression {
    /// What grew.
    pub what: String,
    /// The figure in the baseline.
    pub before: f64,
    /// The figure now.
    pub now: f64,
}

impl Measured {
    /// Reads a stored result.
    ///
    /// # Errors
    ///
    /// The file cannot be read or is no result.
    pub fn read(path: &Path) -> Result<Measured, Error> {
        let failed = |reason: String| Error::File {
            action: "read",
            path: path.to_owned(),
            reason,
        };
        let text = fs::read_to_string(path).map_err(|error| failed(error.to_string()))?;
        serde_json::from_str(&text).map_err(|error| failed(error.to_string()))
    }

    /// Stores the result.
    ///
    /// # Errors
    ///
    /// The file cannot be written.
    pub fn write(&self, path: &Path) -> Result<(), Error> {
        let failed = |reason: String| Error::File {
            action: "write",
            path: path.to_owned(),
            reason,
        };
        let mut text =
            serde_json::to_string_pretty(self).map_err(|error| failed(error.to_string()))?;
        text.push('\n');
        fs::write(path, text).map_err(|error| failed(error.to_string()))
    }

    /// The better of two measurements of one image, figure by figure.
    #[must_use]
    pub fn best(mut self, other: &Measured) -> Measured {
        for (name, cost) in &mut self.operations {
            if let Some(again) = other.operations.get(name) {
                *cost = cost.least(again);
            }
        }
        self
    }

    /// The middle one of three measurements of one image, operation by operation.
    #[must_use]
    pub fn median(mut self, others: [Measured; 2]) -> Measured {
        for (name, cost) in &mut self.operations {
            let again = others.iter().filter_map(|other| other.operations.get(name));
            let mut all: Vec<Cost> = std::iter::once(*cost).chain(again.copied()).collect();
            all.sort_by(|one, other| one.instructions.total_cmp(&other.instructions));
            if let Some(middle) = all.get(all.len() / 2) {
                *cost = *middle;
            }
        }
        self
    }

    /// Finds what grew by more than is tolerated since `baseline`. What only one of the two has does
    /// not count.
    #[must_use]
    pub fn regressions(&self, baseline: &Measured) -> Vec<Regression> {
        let mut found = Vec::new();
        let mut compare = |what: String, before: f64, now: f64, tolerated: f64| {
            if now > before + tolerated {
                found.push(Regression { what, before, now });
            }
        };
        for (name, now) in &self.operations {
            let Some(before) = baseline.operations.get(name) else {
                continue;
            };
            compare(
                format!("{name}: instructions"),
                before.instructions,
                now.instructions,
                before.instructions * TOLERANCE,
            );
            // Interrupts that the device raises before the last one is served cost nothing more: how
            // many do depends on how busy the host is. Served one by one, each costs two accesses.
            let accesses = before.notifications + 2.0 * before.interrupts;
            for (what, before, now) in [
                ("PMP writes", before.pmp_writes, now.pmp_writes),
                (
                    "device register accesses",
                    before.mmio.max(accesses),
                    now.mmio,
                ),
                ("notifications", before.notifications, now.notifications),
                ("interrupts", before.interrupts, now.interrupts),
            ] {
                let tolerated = EVENT_TOLERANCE.max(before * EVENT_TOLERANCE);
                compare(format!("{name}: {what}"), before, now, tolerated);
            }
        }
        for (part, now) in &self.bytes {
            if let Some(before) = baseline.bytes.get(part) {
                let (before, now) = (*before as f64, *now as f64);
                compare(format!("bytes of {part}"), before, now, before * TOLERANCE);
            }
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn measured(instructions: f64, interrupts: f64, text: u64) -> Measured {
        let cost = Cost {
            instructions,
            interrupts,
            ..Cost::default()
        };
        Measured {
            operations: BTreeMap::from([("send".to_owned(), cost)]),
            bytes: BTreeMap::from([("text".to_owned(), text)]),
        }
    }

    #[test]
    fn interrupts_that_come_together_on_an_idle_host_may_come_apart_on_a_busy_one() {
        let measured = |mmio| Measured {
            operations: BTreeMap::from([(
                "random".to_owned(),
                Cost {
                    mmio,
                    notifications: 1.0,
                    interrupts: 1.0,
                    ..Cost::default()
                },
            )]),
            ..Measured::default()
        };
        let baseline = measured(1.5);
        assert_eq!(measured(3.0).regressions(&baseline), []);
        assert_eq!(measured(3.2).regressions(&baseline).len(), 1);
    }

    #[test]
    fn growth_within_the_tolerance_is_no_regression() {
        let baseline = measured(1000.0, 1.0, 100_000);
        for now in [
            measured(1030.0, 1.05, 103_000),
            measured(10.0, 0.0, 10),
            Measured::default(),
        ] {
            assert_eq!(now.regressions(&baseline), []);
        }
    }

    #[test]
    fn growth_beyond_the_tolerance_is_named() {
        let baseline = measured(1000.0, 1.0, 100_000);
        let found = measured(1031.0, 1.06, 103_001).regressions(&baseline);
        let names: Vec<&str> = found.iter().map(|one| one.what.as_str()).collect();
        assert_eq!(
            names,
            ["send: instructions", "send: interrupts", "bytes of text"]
        );
    }

    #[test]
    fn repeated_measurements_give_the_best_or_the_middle_one() {
        let [low, middle, high] =
            [(1.0, 0.3), (2.0, 0.1), (3.0, 0.2)].map(|(count, other)| measured(count, other, 10));
        assert_eq!(high.clone().best(&low), measured(1.0, 0.2, 10));
        assert_eq!(low.clone().best(&high), measured(1.0, 0.2, 10));
        let others = [low.clone(), middle.clone()];
        assert_eq!(high.median(others), middle);
    }

    #[test]
    fn stored_results_read_back_as_they_were() {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let path = directory.path().join("result.json");
        let result = measured(413.25, 0.5, 97_184);
        result.write(&path).expect("a writable directory");
        assert_eq!(Measured::read(&path).expect("it was just written"), result);
    }
}
