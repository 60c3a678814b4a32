// SPDX-License-Identifier: Apache-2.0 OR MIT

//! What the length of the buffers, and the device, make of the MTU.

use super::*;

/// The MTU in use with buffers of `LEN` bytes and an area of `area`, and whether the device's `offered`
/// one was accepted.
fn mtu<const LEN: usize>(offered: u16, area: usize, merges: bool) -> Option<(u16, bool)> {
    let rig = Rig::with_buffers::<LEN>();
    if merges {
        let offered = rig.device.offered.get();
        rig.device.offered.set(offered | features::MRG_RXBUF);
    }
    if area != 0 {
        rig.driver.set_assembly_area(std::vec![0; area].leak());
    }
    rig.device.configuration.borrow_mut()[10..12].copy_from_slice(&offered.to_le_bytes());
    rig.transport.initialize(rig.driver, rig.queues).ok()?;
    let mtu = rig.driver.mtu();
    let longest = usize::from(mtu) + 18;
    let send = |len| {
        let frame: &'static mut [u8] = std::vec![0; 10_000].leak();
        let sent = rig.driver.transmit_frame(frame, len as u16, 0);
        sent.map_err(|(code, _)| code)
    };
    assert_eq!(send(longest), Ok(()));
    assert_eq!(send(longest + 1), Err(ErrorCode::SIZE));
    Some((mtu, rig.device.accepted.get() & features::MTU != 0))
}

#[test]
fn buffers_of_the_usual_length_hold_the_mtu_of_ethernet() {
    for merges in [false, true] {
        assert_eq!(
            mtu::<RECEIVE_BUFFER_LEN>(1500, 0, merges),
            Some((1500, true))
        );
        assert_eq!(
            mtu::<RECEIVE_BUFFER_LEN>(1501, 0, merges),
            Some((1500, false))
        );
        assert_eq!(mtu::<RECEIVE_BUFFER_LEN>(576, 0, merges), Some((576, true)));
    }
}

#[test]
fn a_device_that_does_not_merge_gets_buffers_of_the_least_length_and_none_below() {
    assert_eq!(mtu::<1526>(1500, 0, false), Some((1496, false)));
    assert_eq!(mtu::<1525>(1500, 0, false), None);
}

#[test]
fn larger_buffers_allow_a_larger_mtu_if_the_device_has_one() {
    const LEN: usize = 9000 + 30;
    assert_eq!(mtu::<LEN>(9000, 0, false), Some((9000, true)));
    assert_eq!(mtu::<LEN>(9001, 0, false), Some((1500, false)));
    assert_eq!(mtu::<LEN>(1400, 0, false), Some((1400, true)));
}

#[test]
fn an_area_to_put_frames_together_counts_only_if_the_device_merges() {
    assert_eq!(
        mtu::<RECEIVE_BUFFER_LEN>(4000, 4018, true),
        Some((4000, true))
    );
    assert_eq!(
        mtu::<RECEIVE_BUFFER_LEN>(4000, 4018, false),
        Some((1500, false))
    );
    assert_eq!(mtu::<512>(1500, 1518, true), Some((1500, true)));
    assert_eq!(mtu::<512>(1500, 1518, false), None);
}

#[test]
fn small_buffers_without_an_area_limit_the_mtu() {
    assert_eq!(mtu::<512>(1500, 0, true), Some((480, false)));
    assert_eq!(mtu::<512>(480, 0, true), Some((480, true)));
}

#[test]
fn an_area_longer_than_any_mtu_is_no_limit() {
    for area in [0x1_0012, 70_000] {
        assert_eq!(
            mtu::<RECEIVE_BUFFER_LEN>(9000, area, true),
            Some((9000, true))
        );
    }
}
