// SPDX-License-Identifier: Apache-2.0 OR MIT

//! What is agreed on, by whom, and what follows for the configuration space (VirtIO 1.2, 2.2 and 3.1.1).

use super::*;

#[test]
fn features_are_64_bits_wide_and_split_by_owner() {
    let rig = Rig::new();
    rig.device.offered.set(u64::MAX);
    rig.driver.wants.set(Some(1 << 63 | 1 << 50 | 1));
    assert!(rig.initialize().is_ok());
    assert_eq!(rig.driver.offered.get(), !0 << 50 | 0x00FF_FFFF);
    assert_eq!(
        rig.device.accepted.get(),
        1 << 63 | 1 << 50 | 1 << 36 | 1 << 32 | 1 << 29 | 1 << 28 | 1
    );
}

#[test]
fn features_that_a_queue_declines_are_not_accepted() {
    for declined in [1 << 28, 1 << 29, 1 << 28 | 1 << 29] {
        let rig = Rig::new();
        rig.device.offered.set(u64::MAX);
        rig.queue.decline_features(declined);
        assert!(rig.initialize().is_ok());
        assert_eq!(rig.device.accepted.get() & declined, 0);
        assert_eq!(rig.queue.accepted_features(), rig.device.accepted.get());
    }
}

#[test]
fn features_that_the_board_declines_are_as_good_as_not_offered() {
    for declined in [1, 1 << 63, 1 << 28, 1 << 29, 1 << 36, 1 << 29 | 1] {
        let rig = Rig::new();
        rig.device.offered.set(u64::MAX);
        rig.driver.wants.set(Some(0));
        rig.transport.decline_features(declined | 1 << 32);
        assert!(rig.initialize().is_ok());
        let all = !0 << 50 | 0x00FF_FFFF;
        assert_eq!(rig.driver.offered.get(), all & !declined);
        let accepted = (1 << 36 | 1 << 32 | 1 << 29 | 1 << 28) & !declined;
        assert_eq!(rig.device.accepted.get(), accepted);
        assert_eq!(rig.transport.accepted_features(), accepted);
        assert_eq!(rig.driver.agreed.get(), accepted);
    }
}

#[test]
fn a_driver_that_takes_what_the_board_declines_fails_the_device() {
    let rig = Rig::new();
    rig.device.offered.set(1 << 32 | 1);
    rig.transport.decline_features(1);
    rig.driver.wants.set(Some(1));
    rig.assert_fails(Error::FeatureNegotiationFailed {
        offered: 1 << 32 | 1,
        accepted: Some(1 << 32 | 1),
    });
}

#[test]
fn fields_are_read_as_far_as_their_feature_is_offered_or_agreed_on() {
    let missing = |features| Err(ConfigurationError::FeatureMissing { features });
    let rig = Rig::new();
    rig.device.configuration.borrow_mut()[..2].copy_from_slice(&[11, 22]);
    rig.device.offered.set(1 << 32 | 1 | 1 << 50);
    rig.driver.wants.set(Some(1));
    rig.initialize().unwrap();
    assert_eq!(
        rig.driver.fields.take(),
        [
            // Offered: both. Agreed on: the first.
            [Ok(11), Ok(22), missing(4)],
            [Ok(11), missing(1 << 50), missing(4)],
        ]
    );
    rig.interrupt(CONFIGURATION);
    assert_eq!(
        rig.driver.fields.take(),
        [[Ok(11), missing(1 << 50), missing(4)]]
    );
}

#[test]
fn the_selector_is_written_before_each_feature_word() {
    let rig = Rig::new();
    assert!(rig.initialize().is_ok());
    use Writable::*;
    let features: Vec<_> = rig.device.writes.borrow().clone();
    let features: Vec<_> = features
        .into_iter()
        .filter(|(register, _)| {
            matches!(
                register,
                DeviceFeaturesSel | DriverFeaturesSel | DriverFeatures
            )
        })
        .collect();
    assert_eq!(
        features,
        [
            (DeviceFeaturesSel, 0),
            (DeviceFeaturesSel, 1),
            (DriverFeaturesSel, 0),
            (DriverFeatures, 0),
            (DriverFeaturesSel, 1),
            (DriverFeatures, 1),
        ]
    );
}

#[test]
fn a_device_without_version_1_fails() {
    let rig = Rig::new();
    rig.device.offered.set(0xFFFF_FFFF);
    rig.assert_fails(Error::InvalidVirtIOVersion);
}

#[test]
fn a_driver_that_finds_no_common_features_fails_the_device() {
    let rig = Rig::new();
    rig.driver.wants.set(None);
    rig.assert_fails(Error::FeatureNegotiationFailed {
        offered: 1 << 32,
        accepted: None,
    });
}

#[test]
fn a_feature_that_was_not_offered_is_not_accepted() {
    for wanted in [1, 1 << 28, 1 << 33, 1 << 63] {
        let rig = Rig::new();
        rig.driver.wants.set(Some(wanted));
        rig.assert_fails(Error::FeatureNegotiationFailed {
            offered: 1 << 32,
            accepted: Some(1 << 32 | wanted),
        });
        assert_eq!(rig.device.accepted.get(), 0);
    }
}

#[test]
fn a_device_that_takes_back_features_ok_fails() {
    let rig = Rig::new();
    rig.device.refuses_features.set(true);
    rig.assert_fails(Error::FeatureNegotiationFailed {
        offered: 1 << 32,
        accepted: Some(1 << 32),
    });
}

#[test]
fn a_driver_that_takes_what_is_not_its_own_fails_the_device() {
    let rig = Rig::new();
    rig.device.offered.set(1 << 32 | 1 << 29);
    rig.driver.wants.set(Some(1 << 32 | 1 << 29));
    rig.assert_fails(Error::FeatureNegotiationFailed {
        offered: 1 << 32 | 1 << 29,
        accepted: Some(1 << 32 | 1 << 29),
    });
}

#[test]
fn fields_of_every_width_come_from_the_device() {
    let rig = Rig::running();
    let bytes: Vec<u8> = (1..=16).collect();
    rig.device.configuration.borrow_mut()[..16].copy_from_slice(&bytes);
    let space = Configuration::new(rig.transport, 0);
    assert_eq!(space.read_u8(1), Ok(2));
    assert_eq!(space.read_u16(2), Ok(0x0403));
    assert_eq!(space.read_u32(4), Ok(0x0807_0605));
    assert_eq!(space.read_u64(8), Ok(0x100F_0E0D_0C0B_0A09));
    let mut array = [0; 6];
    assert_eq!(space.read_bytes(3, &mut array), Ok(()));
    assert_eq!(array, [4, 5, 6, 7, 8, 9]);
}

#[test]
fn platform_access_is_accepted_where_the_machine_allows_for_it() {
    for (allowed, version, declined) in [
        (false, 2, 0),
        (true, 2, 0),
        (true, 1, 0),
        (true, 2, 1 << 33),
    ] {
        let rig = Rig::on(|transport| {
            if allowed {
                // SAFETY: the device model and the driver share one address space.
                unsafe { transport.with_platform_access() }
            } else {
                transport
            }
        });
        rig.device.offered.set(1 << 33 | 1 << 32);
        rig.device.version.set(version);
        rig.transport.decline_features(declined);
        // A legacy device finds the queue only where memory happens to be low enough.
        assert!(rig.initialize().is_ok() || version == 1);
        let expected = allowed && version == 2 && declined == 0;
        assert_eq!(rig.device.accepted.get() >> 33 & 1, u64::from(expected));
    }
}
