// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Pings hosts by address or by name: first those that `PING` named when the app was built, then whoever
//! is typed on the console. An empty line stands for the router.

#![no_std]
#![no_main]
#![forbid(unsafe_code)]

use tock_app::console::{Input, InputMemory, LINE_LIMIT, TYPED};
use tock_app::{ErrorCode, Singleton, ethernet, println};
use tock_net::ping::{DATA_BYTES, Millis, PingMemory, Pinger};
use tock_net::{
    Duration, Fallback, Instant, Ipv4Address, Lookup, Memory, Network, Resolver, ResolverMemory,
};

tock_app::entry!(main, stack = 8 * 1024);

/// Names and addresses to begin with, separated by spaces.
const FIRST: &str = match option_env!("PING") {
    Some(names) => names,
    None => "",
};

/// Requests to each target.
const REQUESTS: u32 = 4;
/// From an answer to the next request.
const INTERVAL: Duration = Duration::from_millis(250);
/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(2);
/// How long a line may wait.
const LOOK: Duration = Duration::from_millis(100);
/// Number in the requests by which answers are known.
const IDENTIFIER: u16 = 0x544F;

static MEMORY: Singleton<Memory<3, 4096>> = Singleton::new(Memory::new());
static RESOLVER: Singleton<ResolverMemory> = Singleton::new(ResolverMemory::new());
static PINGER: Singleton<PingMemory> = Singleton::new(PingMemory::new());
static INPUT: Singleton<InputMemory> = Singleton::new(InputMemory::new());

/// What was typed.
struct Target {
    bytes: [u8; LINE_LIMIT],
    length: usize,
}

impl Target {
    const NONE: Self = Self {
        bytes: [0; LINE_LIMIT],
        length: 0,
    };

    fn set(&mut self, name: &str) {
        let places = self.bytes.iter_mut().zip(name.bytes());
        self.length = places.map(|(to, from)| *to = from).count();
    }

    fn name(&self) -> &str {
        let name = self.bytes.get(..self.length).unwrap_or_default();
        core::str::from_utf8(name).unwrap_or_default()
    }
}

/// What the app is about.
enum Phase {
    /// Waits for a line, and looks for it then.
    Idle(Instant),
    /// Waits for the address of a name.
    Asking,
    /// Waits for an answer until then.
    Waiting(Instant),
    /// Sends the next request then.
    Pausing(Instant),
}

struct Ping {
    network: Network,
    resolver: Resolver,
    pinger: Pinger,
    input: Input,
    target: Target,
    first: core::str::SplitWhitespace<'static>,
    phase: Phase,
}

fn main() -> Result<(), ErrorCode> {
    if !ethernet::exists() {
        println!("ping: no network card; start the board with NET=user or another network");
        return Err(ErrorCode::NoDevice);
    }
    let mut ping = start()?;
    loop {
        if let Some(address) = ping.network.poll().and_then(|change| change.address) {
            println!("ping: here is {}", address.address());
            if matches!(ping.phase, Phase::Idle(_)) {
                ping.next_target();
            }
        }
        let next = ping.step()?;
        let limit = next.map(|next| {
            let now = ping.network.now();
            if next > now {
                next - now
            } else {
                Duration::ZERO
            }
        });
        ping.network.wait_for(&[TYPED], limit)?;
    }
}

fn start() -> Result<Ping, ErrorCode> {
    let memory = MEMORY.take().ok_or(ErrorCode::Already)?;
    let mut network = Network::start(memory, Fallback::QEMU_USER.host(17))?;
    let resolver = RESOLVER.take().ok_or(ErrorCode::Already)?;
    let pinger = PINGER.take().ok_or(ErrorCode::Already)?;
    let input = INPUT.take().ok_or(ErrorCode::Already)?;
    Ok(Ping {
        resolver: Resolver::new(&mut network, resolver),
        pinger: Pinger::new(&mut network, pinger, IDENTIFIER),
        input: Input::open(input)?,
        network,
        target: Target::NONE,
        first: FIRST.split_whitespace(),
        phase: Phase::Idle(Instant::ZERO),
    })
}

impl Ping {
    /// Does what can be done now; returns when to look again at the latest.
    fn step(&mut self) -> Result<Option<Instant>, ErrorCode> {
        if let Some(line) = self.input.take_line()? {
            self.target.set(line.trim());
            self.begin();
        }
        let now = self.network.now();
        match self.phase {
            Phase::Idle(look) if now >= look => {
                self.input.hurry();
                self.phase = Phase::Idle(now + LOOK);
            }
            Phase::Idle(_) => {}
            Phase::Asking => match self.resolver.poll(&mut self.network) {
                Lookup::Pending => {}
                Lookup::Done(Ok(address)) => self.aim(address),
                Lookup::Done(Err(reason)) => {
                    println!("ping: {}: {reason}", self.target.name());
                    self.next_target();
                }
            },
            Phase::Waiting(until) => {
                let sequence = self.pinger.statistics().requests() - 1;
                if let Some(reply) = self.pinger.poll(&mut self.network) {
                    println!(
                        "ping: {} bytes from {}: icmp_seq={} time={} ms",
                        reply.bytes,
                        self.target.name(),
                        reply.sequence,
                        Millis(reply.time)
                    );
                    self.go_on(now + INTERVAL);
                } else if now >= until {
                    println!("ping: no answer to icmp_seq={sequence}");
                    self.go_on(now);
                }
            }
            Phase::Pausing(until) if now >= until => self.send(),
            Phase::Pausing(_) => {}
        }
        Ok(match self.phase {
            // An answer that nobody has to be asked for brings no event along.
            Phase::Asking if self.resolver.is_answered() => Some(now),
            Phase::Asking => None,
            Phase::Idle(until) | Phase::Waiting(until) | Phase::Pausing(until) => Some(until),
        })
    }

    /// Turns to what was typed.
    fn begin(&mut self) {
        if !self.target.name().is_empty() {
            self.resolver.ask(&mut self.network, self.target.name());
            self.phase = Phase::Asking;
        } else if let Some(router) = self.network.router() {
            self.target.set("the router");
            self.aim(router);
        } else {
            println!("ping: this network has no router");
            self.phase = Phase::Idle(Instant::ZERO);
        }
    }

    fn aim(&mut self, address: Ipv4Address) {
        println!(
            "ping: {} ({address}): {DATA_BYTES} data bytes",
            self.target.name()
        );
        self.pinger.aim(address);
        self.send();
    }

    fn send(&mut self) {
        self.pinger.send(&mut self.network);
        self.phase = Phase::Waiting(self.network.now() + PATIENCE);
    }

    /// Sends the next request then, or gives the figures after the last one.
    fn go_on(&mut self, then: Instant) {
        let statistics = self.pinger.statistics();
        if statistics.requests() < REQUESTS {
            self.phase = Phase::Pausing(then);
            return;
        }
        println!("ping: {}: {statistics}", self.target.name());
        if let Some(times) = statistics.round_trip() {
            println!("ping: {}: {times}", self.target.name());
        }
        self.next_target();
    }

    /// Turns to the next of the first targets, then to the console.
    fn next_target(&mut self) {
        self.phase = Phase::Idle(Instant::ZERO);
        match self.first.next() {
            Some(name) => {
                self.target.set(name);
                self.begin();
            }
            None => println!("ping: whom? (Enter: the router)"),
        }
    }
}
