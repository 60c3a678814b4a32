// SPDX-License-Identifier: Apache-2.0 OR MIT

use super::*;

/// A timer whose time stands still until a test moves it.
struct FakeTimer {
    now: Cell<u64>,
    compare: Cell<u64>,
    writes: Cell<u32>,
}

impl FakeTimer {
    fn new(now: u64) -> Self {
        FakeTimer {
            now: Cell::new(now),
            compare: Cell::new(0),
            writes: Cell::new(0),
        }
    }

    fn is_pending(&self) -> bool {
        self.now.get() >= self.compare.get()
    }

    fn advance(&self, ticks: u64) {
        self.now.set(self.now.get() + ticks);
    }
}

impl TimerAccess for &FakeTimer {
    fn now(&self) -> u64 {
        self.now.get()
    }

    fn now_low(&self) -> u32 {
        self.now.get() as u32
    }

    fn set_compare(&self, old: u64, at: u64) {
        let created = self.writes.get() == 0;
        assert!(created || old == self.compare.get());
        self.writes.set(self.writes.get() + 1);
        self.compare.set(at);
    }
}

#[derive(Default)]
struct Client(Cell<u32>);

impl AlarmClient for Client {
    fn alarm(&self) {
        self.0.set(self.0.get() + 1);
    }
}

fn us(amount: u32) -> NonZeroU32 {
    NonZeroU32::new(amount).unwrap()
}

/// Serves the interrupt while it is pending, as the main loop does.
fn serve(timer: &FakeTimer, clint: &Clint<'_, &FakeTimer>) -> u32 {
    let mut rounds = 0;
    while timer.is_pending() {
        clint.handle_interrupt();
        rounds += 1;
        assert!(rounds < 10, "the interrupt does not go away");
    }
    rounds
}

#[test]
fn the_timer_is_silent_after_creation() {
    let timer = FakeTimer::new(5);
    assert!(timer.is_pending());
    let _clint = Clint::new(&timer);
    assert!(!timer.is_pending());
}

#[test]
fn an_alarm_fires_once_at_its_time() {
    let (timer, client) = (FakeTimer::new(1_000), Client::default());
    let clint = Clint::new(&timer);
    clint.set_alarm_client(&client);
    clint.set_alarm(1_000u64.into(), 50u32.into());
    assert!(clint.is_armed());
    timer.advance(49);
    assert_eq!(serve(&timer, &clint), 0);
    timer.advance(1);
    assert_eq!(serve(&timer, &clint), 1);
    assert!(!clint.is_armed());
    timer.advance(1_000);
    assert_eq!((serve(&timer, &clint), client.0.get()), (0, 1));
    assert_eq!(clint.get_alarm().into_u64(), 1_050);
}

#[test]
fn an_alarm_in_the_past_fires_from_the_interrupt_only() {
    let (timer, client) = (FakeTimer::new(1_000), Client::default());
    let clint = Clint::new(&timer);
    clint.set_alarm_client(&client);
    clint.set_alarm(100u64.into(), 50u32.into());
    assert_eq!(client.0.get(), 0);
    assert_eq!(serve(&timer, &clint), 1);
    assert_eq!(client.0.get(), 1);
}

#[test]
fn a_disarmed_alarm_does_not_fire() {
    let (timer, client) = (FakeTimer::new(0), Client::default());
    let clint = Clint::new(&timer);
    clint.set_alarm_client(&client);
    clint.set_alarm(0u64.into(), 10u32.into());
    assert_eq!(Alarm::disarm(&clint), Ok(()));
    timer.advance(20);
    serve(&timer, &clint);
    assert_eq!(client.0.get(), 0);
    assert!(!timer.is_pending());
}

#[test]
fn a_slice_interrupts_only_while_armed() {
    let timer = FakeTimer::new(0);
    let clint = Clint::new(&timer);
    clint.start(us(100));
    assert_eq!(clint.get_remaining_us(), NonZeroU32::new(100));
    timer.advance(1_001);
    assert!(!timer.is_pending());
    assert_eq!(clint.get_remaining_us(), None);
    clint.arm();
    assert!(timer.is_pending());
    assert_eq!(serve(&timer, &clint), 1);
    assert_eq!(clint.get_remaining_us(), None);
}

#[test]
fn arming_at_every_system_call_writes_the_comparator_once() {
    let timer = FakeTimer::new(0);
    let clint = Clint::new(&timer);
    clint.start(us(10_000));
    let before = timer.writes.get();
    for _ in 0..100 {
        clint.arm();
        timer.advance(3);
        SchedulerTimer::disarm(&clint);
    }
    assert_eq!(timer.writes.get() - before, 1);
    assert_eq!(clint.get_remaining_us(), NonZeroU32::new(9_970));
}

#[test]
fn the_end_of_a_slice_does_not_lose_the_alarm() {
    let (timer, client) = (FakeTimer::new(0), Client::default());
    let clint = Clint::new(&timer);
    clint.set_alarm_client(&client);
    clint.set_alarm(0u64.into(), 5_000u32.into());
    clint.start(us(100));
    clint.arm();
    timer.advance(1_000);
    serve(&timer, &clint);
    assert_eq!(client.0.get(), 0);
    SchedulerTimer::disarm(&clint);
    timer.advance(4_000);
    assert!(timer.is_pending());
    serve(&timer, &clint);
    assert_eq!(client.0.get(), 1);
}

#[test]
fn a_client_may_set_the_alarm_again_from_its_callback() {
    struct Again<'a>(OptionalCell<&'a Clint<'a, &'a FakeTimer>>, Cell<u32>);
    impl AlarmClient for Again<'_> {
        fn alarm(&self) {
            self.1.set(self.1.get() + 1);
            self.0
                .map(|clint| clint.set_alarm(clint.now(), 10u32.into()));
        }
    }
    let timer = FakeTimer::new(0);
    let clint = Clint::new(&timer);
    let client = Again(OptionalCell::empty(), Cell::new(0));
    client.0.set(&clint);
    clint.set_alarm_client(&client);
    clint.set_alarm(0u64.into(), 10u32.into());
    for _ in 0..5 {
        timer.advance(10);
        assert_eq!(serve(&timer, &clint), 1);
    }
    assert_eq!(client.1.get(), 5);
}

#[test]
fn a_slice_is_measured_across_the_wrap_of_the_low_half() {
    for start in [0, 0xFFFF_FFFF, 0x3_FFFF_F000, 1 << 40] {
        let timer = FakeTimer::new(start);
        let clint = Clint::new(&timer);
        clint.start(us(1_000));
        for used in [0, 1, 499, 998, 999] {
            timer.now.set(start + used * 10);
            assert_eq!(
                clint.get_remaining_us().map(NonZeroU32::get),
                Some(1_000 - used as u32)
            );
        }
        for ticks in [9_991, 10_000, 10_001, 4_000_000_000] {
            timer.now.set(start + ticks);
            assert_eq!(clint.get_remaining_us(), None, "{ticks}");
        }
    }
}

#[test]
fn long_slices_are_measured_too() {
    let timer = FakeTimer::new(0);
    let clint = Clint::new(&timer);
    clint.start(us(u32::MAX));
    assert_eq!(clint.get_remaining_us(), NonZeroU32::new(u32::MAX));
    timer.advance(u64::from(u32::MAX) * 10 - 19);
    assert_eq!(clint.get_remaining_us(), NonZeroU32::new(1));
    timer.advance(1 << 40);
    assert_eq!(clint.get_remaining_us(), None);
    clint.reset();
    assert_eq!(clint.get_remaining_us(), None);
}

#[test]
fn an_idle_timer_stays_silent_until_the_low_half_wraps_and_loses_nothing_then() {
    for start in [0, 0xFFFF_FFFE, 0xFFFF_FFFF, 1 << 32, 0x7_FFFF_FFFF] {
        let (timer, client) = (FakeTimer::new(start), Client::default());
        let clint = Clint::new(&timer);
        clint.set_alarm_client(&client);
        clint.set_alarm(start.into(), 0u32.into());
        assert_eq!((serve(&timer, &clint), client.0.get()), (1, 1));
        timer.now.set(timer.compare.get() - 1);
        assert_eq!(serve(&timer, &clint), 0);
        // An alarm beyond the wrap is kept through it.
        clint.set_alarm(timer.now.get().into(), 20u32.into());
        timer.advance(1);
        assert_eq!((serve(&timer, &clint), client.0.get()), (1, 1));
        timer.advance(18);
        assert_eq!(serve(&timer, &clint), 0);
        timer.advance(1);
        assert_eq!((serve(&timer, &clint), client.0.get()), (1, 2));
    }
}

#[test]
fn long_times_are_divided_exactly() {
    let longest = u64::from(u32::MAX) * 10;
    let near = |ticks: u64| ticks.saturating_sub(200)..=(ticks + 200).min(longest);
    for ticks in [0, 1 << 32, 1 << 33, longest / 3, longest]
        .into_iter()
        .flat_map(near)
    {
        assert_eq!(u64::from(long_time_us(ticks)), ticks / 10, "{ticks} ticks");
    }
}
