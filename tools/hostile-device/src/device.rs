// SPDX-License-Identifier: Apache-2.0 OR MIT

//! A device as vhost-user sees it: queues, features, and who is told when something happens.

use std::io;
use std::ops::Deref;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use clap::ValueEnum;
use vhost::vhost_user::message::{VhostUserProtocolFeatures, VhostUserVirtioFeatures};
use vhost_user_backend::{VhostUserBackend, VringRwLock, VringT};
use virtio_queue::QueueT;
use vm_memory::{GuestAddressSpace, GuestMemoryAtomic, GuestMemoryMmap};
use vmm_sys_util::epoll::EventSet;
use vmm_sys_util::event::{
    EventConsumer, EventFlag, EventNotifier, new_event_consumer_and_notifier,
};

use crate::cable::CardEnd;
use crate::error::Error;
use crate::lie::{Lie, Script};
use crate::{entropy, network};

/// Of network cards: a frame may lie in several buffers.
const MRG_RXBUF: u64 = 1 << 15;
const INDIRECT_DESC: u64 = 1 << 28;
const EVENT_IDX: u64 = 1 << 29;
const VERSION_1: u64 = 1 << 32;

/// The pace of the host on the cable.
const BROADCAST_PERIOD: Duration = Duration::from_millis(20);

/// The pause between two interrupts of a storm: shorter than an interrupt takes to be served.
const STORM_PERIOD: Duration = Duration::from_micros(20);

/// What a device is, and on which of its queues it lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Kind {
    /// An entropy device.
    Entropy,
    /// A network card that lies about frames it delivers.
    Receiver,
    /// A network card that lies about frames it was given to send.
    Transmitter,
}

impl Kind {
    /// The queue on which the script is followed.
    fn lying_queue(self) -> usize {
        match self {
            Kind::Entropy | Kind::Receiver => 0,
            Kind::Transmitter => 1,
        }
    }
}

/// Set once, when QEMU has gone or is to be left.
#[derive(Default)]
pub struct End {
    ended: Mutex<bool>,
    changed: Condvar,
}

impl End {
    pub fn set(&self) {
        *self.ended.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.changed.notify_all();
    }

    pub fn wait(&self) {
        let ended = self.ended.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = self.changed.wait_while(ended, |ended| !*ended);
        drop(waited.unwrap_or_else(PoisonError::into_inner));
    }

    /// Waits for `pause` or the end, and says whether it has come.
    fn within(&self, pause: Duration) -> bool {
        let ended = self.ended.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = self
            .changed
            .wait_timeout_while(ended, pause, |ended| !*ended);
        *waited.unwrap_or_else(PoisonError::into_inner).0
    }
}

/// A device that QEMU is connected to.
pub struct Device {
    kind: Kind,
    script: Script,
    honest: Script,
    /// The card's end of the cable; without it a card has the host that broadcasts.
    cable: Option<Arc<CardEnd>>,
    memory: GuestMemoryAtomic<GuestMemoryMmap>,
    stop: (EventConsumer, EventNotifier),
    /// Set when something that goes on by itself has been started.
    storming: AtomicBool,
    broadcasting: AtomicBool,
    /// Ends what goes on by itself.
    end: Arc<End>,
    vanish: Arc<End>,
}

impl Device {
    pub fn new(
        kind: Kind,
        script: Script,
        cable: Option<Arc<CardEnd>>,
        memory: GuestMemoryAtomic<GuestMemoryMmap>,
        end: Arc<End>,
        vanish: Arc<End>,
    ) -> io::Result<Device> {
        Ok(Device {
            kind,
            script,
            honest: Script::honest(),
            cable,
            memory,
            stop: new_event_consumer_and_notifier(EventFlag::NONBLOCK)?,
            storming: AtomicBool::new(false),
            broadcasting: AtomicBool::new(false),
            end,
            vanish,
        })
    }

    /// Wakes the thread that serves the queues for the last time.
    pub fn stop(&self) -> io::Result<()> {
        self.stop.1.notify()
    }

    fn script(&self, index: usize) -> &Script {
        if index == self.kind.lying_queue() {
            &self.script
        } else {
            &self.honest
        }
    }

    /// Serves what is available in queue `index`, until the driver is sure to notify of more.
    fn serve(&self, index: usize, vring: &VringRwLock) -> Result<(), Error> {
        let memory = self.memory.memory();
        let mut told = Vec::new();
        let mut served = false;
        loop {
            let mut state = vring.get_mut();
            let queue = state.get_queue_mut();
            if !queue.ready() {
                return Ok(());
            }
            if self.cable.is_none() {
                queue.disable_notification(memory.deref())?;
            }
            let script = self.script(index);
            let progress = match (self.kind, index) {
                (_, 0) if let Some(cable) = &self.cable => cable.deliver(queue, &memory),
                (_, _) if let Some(cable) = &self.cable => cable.collect(queue, &memory),
                (Kind::Entropy, _) => entropy::serve(queue, &memory, script, &mut told),
                (_, 0) => break,
                _ => network::swallow(queue, &memory, script, &mut told),
            };
            let more = queue.enable_notification(memory.deref())?;
            let progressed = matches!(progress, Ok(true));
            served |= progressed;
            // A delivery may take more buffers than there are; the driver notifies of each.
            let waits = self.cable.is_some() && !progressed;
            // A ring that cannot be read is one that this device has scribbled over: the driver's next
            // notification may find it repaired.
            if progress.is_err() || !more || waits {
                break;
            }
        }
        self.finish(vring, served, &told)
    }

    /// Delivers one broadcast.
    fn broadcast(&self, vring: &VringRwLock) -> Result<(), Error> {
        let memory = self.memory.memory();
        let mut told = Vec::new();
        let served = {
            let mut state = vring.get_mut();
            let enabled = state.is_enabled();
            let queue = state.get_queue_mut();
            enabled && queue.ready() && network::deliver(queue, &memory, self.script(0), &mut told)?
        };
        self.finish(vring, served, &told)
    }

    /// Interrupts if the driver wants that, and starts what a lie needs beyond its chain.
    fn finish(&self, vring: &VringRwLock, served: bool, told: &[Lie]) -> Result<(), Error> {
        if told.contains(&Lie::Vanish) {
            self.vanish.set();
        }
        if told.contains(&Lie::Storm) && !self.storming.swap(true, Ordering::Relaxed) {
            let (vring, end) = (vring.clone(), self.end.clone());
            thread::spawn(
                move || {
                    while !end.within(STORM_PERIOD) && vring.signal_used_queue().is_ok() {}
                },
            );
        }
        // A liar's claims are to be seen, whatever the driver asked for.
        let claims = told
            .iter()
            .any(|lie| !matches!(lie, Lie::Silence | Lie::Vanish));
        if claims || served && vring.needs_notification().unwrap_or(true) {
            vring.signal_used_queue()?;
        }
        Ok(())
    }
}

/// What vhost-user shares, so that a device can also act on its own.
#[derive(Clone)]
pub struct SharedDevice(pub Arc<Device>);

impl VhostUserBackend for SharedDevice {
    type Bitmap = ();
    type Vring = VringRwLock;

    fn num_queues(&self) -> usize {
        match self.0.kind {
            Kind::Entropy => 1,
            Kind::Receiver | Kind::Transmitter => 2,
        }
    }

    fn max_queue_size(&self) -> usize {
        1024
    }

    fn features(&self) -> u64 {
        let of_type = match (&self.0.cable, self.0.kind) {
            // Without event indices it hears of every buffer, which it may wait for.
            (Some(cable), _) => cable.features,
            (None, Kind::Entropy) => EVENT_IDX,
            (None, Kind::Receiver | Kind::Transmitter) => EVENT_IDX | MRG_RXBUF,
        };
        of_type | VERSION_1 | INDIRECT_DESC | VhostUserVirtioFeatures::PROTOCOL_FEATURES.bits()
    }

    fn protocol_features(&self) -> VhostUserProtocolFeatures {
        VhostUserProtocolFeatures::empty()
    }

    fn acked_features(&self, features: u64) {
        if let Some(cable) = &self.0.cable {
            cable.accept(features);
        }
    }

    /// Each queue learns this from vhost-user itself.
    fn set_event_idx(&self, _enabled: bool) {}

    /// The memory is shared with vhost-user, which has updated it.
    fn update_memory(&self, _memory: GuestMemoryAtomic<GuestMemoryMmap>) -> io::Result<()> {
        Ok(())
    }

    fn exit_event(&self, _thread: usize) -> Option<(EventConsumer, EventNotifier)> {
        let (consumer, notifier) = &self.0.stop;
        Some((consumer.try_clone().ok()?, notifier.try_clone().ok()?))
    }

    fn handle_event(
        &self,
        event: u16,
        _set: EventSet,
        vrings: &[VringRwLock],
        _thread: usize,
    ) -> io::Result<()> {
        let device = &self.0;
        let index = usize::from(event);
        let Some(vring) = vrings.get(index) else {
            return Ok(());
        };
        if let Some(cable) = &device.cable {
            if let Some(deliveries) = cable.deliveries() {
                let (device, cable, receive) = (device.clone(), cable.clone(), vrings[0].clone());
                thread::spawn(move || {
                    for delivery in deliveries {
                        cable.enqueue(delivery);
                        // A ring that cannot be read now may be set up anew later.
                        let _ = device.serve(0, &receive);
                    }
                });
            }
        } else if device.kind != Kind::Entropy && !device.broadcasting.swap(true, Ordering::Relaxed)
        {
            let (device, end, receive) = (device.clone(), device.end.clone(), vrings[0].clone());
            thread::spawn(move || {
                while !end.within(BROADCAST_PERIOD) {
                    // A ring that cannot be read now may be set up anew later.
                    let _ = device.broadcast(&receive);
                }
            });
        }
        Ok(device.serve(index, vring)?)
    }
}
