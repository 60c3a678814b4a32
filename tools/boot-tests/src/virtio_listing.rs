// SPDX-License-Identifier: Apache-2.0 OR MIT

//! What the console's `virtio` command shows.

use std::time::Instant;

use crate::PATIENCE;
use crate::guest::Guest;

impl Guest {
    /// Asks for a counter in the line with `title`, of the first device that has it.
    #[track_caller]
    pub fn counter(&mut self, title: &str, name: &str) -> u32 {
        self.type_in("virtio\r");
        let counter = |line: &str| -> Option<u32> {
            let counters = line.trim_start().strip_prefix(title)?.strip_prefix(':')?;
            let mut words = counters.split_whitespace();
            words.find(|word| *word == name)?;
            words.next()?.parse().ok()
        };
        let what = format!("{title} {name}");
        let line = self.expect_line(&what, |line| counter(line).is_some());
        counter(&line).unwrap_or_default()
    }

    /// Asks for a counter until it is `value`.
    #[track_caller]
    pub fn expect_counter(&mut self, title: &str, name: &str, value: u32) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let counter = self.counter(title, name);
            if counter == value {
                return;
            }
            if counter > value || Instant::now() > deadline {
                self.fail_with(&format!("{title} {name} is {counter} instead of {value}"));
            }
        }
    }

    /// Asks for the features that were agreed on.
    #[track_caller]
    pub fn agreed_features(&mut self) -> u64 {
        let features = |line: &str| -> Option<u64> {
            let (_, features) = line.split_once(" rings, features 0x")?;
            u64::from_str_radix(features.trim(), 16).ok()
        };
        self.type_in("virtio\r");
        let line = self.expect_line("the features", |line| features(line).is_some());
        features(&line).unwrap_or_default()
    }
}
