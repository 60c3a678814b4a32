// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Many short runs of two apps that live by their alarms: none of them hangs.
//!
//! `SOAK_RUNS` asks for more of them; `make soak` sets it.

use std::env;

use board_runner::flash_image;
use boot_tests::{Board, app_objects, each_qemu};

/// As many as the usual run of all tests has time for.
const RUNS: u32 = 20;

#[test]
fn two_apps_with_alarms_never_hang() {
    let runs = match env::var("SOAK_RUNS") {
        Ok(runs) if !runs.is_empty() => runs.parse().expect("SOAK_RUNS is a number"),
        _ => RUNS,
    };
    each_qemu(|qemu| {
        let image = flash_image::build(app_objects(&["naps", "ticker"]));
        let image = image.unwrap_or_else(|error| panic!("{error}"));
        for _ in 0..runs {
            let mut guest = Board::on(qemu).image(image.clone()).boot();
            guest.expect("naps: awake");
            guest.expect("ticker: ");
        }
    });
}
