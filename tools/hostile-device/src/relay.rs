// SPDX-License-Identifier: Apache-2.0 OR MIT

//! The connection between QEMU and the vhost-user back-end, with one message of our own in front.
//!
//! QEMU enables the rings of a network card before it has accepted any feature, which
//! `vhost-user-backend` takes for the end of the connection. So PROTOCOL_FEATURES is accepted in QEMU's
//! name first; QEMU says itself what it accepts soon after.

use std::io::{self, IoSlice, IoSliceMut, Read, Write};
use std::mem::MaybeUninit;
use std::net::Shutdown;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;

use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, recvmsg, sendmsg,
};
use vhost::vhost_user::message::VhostUserVirtioFeatures;

/// The start of vhost-user's `SET_FEATURES`: its number, the protocol's version, and the payload's length.
const SET_FEATURES: [u32; 3] = [2, 1, 8];

/// The length of the start of each message.
const START_LEN: usize = 12;

/// Far more than any message's payload has.
const LONGEST: usize = 1 << 16;

/// How many descriptors one message can carry: one for each region of memory.
const DESCRIPTORS: usize = 8;

/// Accepts PROTOCOL_FEATURES in QEMU's name.
pub fn introduce(mut to_backend: &UnixStream) -> io::Result<()> {
    let features = VhostUserVirtioFeatures::PROTOCOL_FEATURES.bits();
    let start = SET_FEATURES.map(u32::to_ne_bytes);
    to_backend.write_all(&[start.as_flattened(), &features.to_ne_bytes()].concat())
}

/// Passes everything on, with the descriptors where they were, until one side has gone.
pub fn pass_on(from: &UnixStream, to: &UnixStream) -> io::Result<()> {
    let outcome = loop {
        match pass_one(from, to) {
            Ok(0) => break Ok(()),
            Ok(_) => {}
            Err(error) => break Err(error),
        }
    };
    // Either fails only when that side has gone already.
    let _ = from.shutdown(Shutdown::Both);
    let _ = to.shutdown(Shutdown::Both);
    outcome
}

/// Passes on one message: as descriptors belong to a message, several must not become one.
fn pass_one(mut from: &UnixStream, mut to: &UnixStream) -> io::Result<usize> {
    let mut start = [0; START_LEN];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(DESCRIPTORS))];
    let mut ancillary = RecvAncillaryBuffer::new(&mut space);
    let flags = RecvFlags::CMSG_CLOEXEC;
    let received = recvmsg(
        from,
        &mut [IoSliceMut::new(&mut start)],
        &mut ancillary,
        flags,
    )?;
    if received.bytes == 0 {
        return Ok(0);
    }
    let descriptors: Vec<OwnedFd> = ancillary
        .drain()
        .filter_map(|message| match message {
            RecvAncillaryMessage::ScmRights(descriptors) => Some(descriptors),
            _ => None,
        })
        .flatten()
        .collect();
    from.read_exact(&mut start[received.bytes..])?;
    let [_, _, len] = *start.as_chunks::<4>().0 else {
        return Err(io::ErrorKind::InvalidData.into());
    };
    let len = u32::from_ne_bytes(len) as usize;
    if len > LONGEST {
        return Err(io::ErrorKind::InvalidData.into());
    }
    let mut message = start.to_vec();
    message.resize(START_LEN + len, 0);
    from.read_exact(&mut message[START_LEN..])?;
    let lent: Vec<_> = descriptors.iter().map(AsFd::as_fd).collect();
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(DESCRIPTORS))];
    let mut ancillary = SendAncillaryBuffer::new(&mut space);
    if !lent.is_empty() && !ancillary.push(SendAncillaryMessage::ScmRights(&lent)) {
        return Err(io::Error::other("too many descriptors in one message"));
    }
    let parts = [IoSlice::new(&message)];
    let sent = sendmsg(to, &parts, &mut ancillary, SendFlags::NOSIGNAL)?;
    to.write_all(&message[sent..])?;
    Ok(message.len())
}
