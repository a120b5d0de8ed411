//! What the models of a rate ask of it, and the rates that get it wrong.

use crate::kernel::cell::Cell;
use crate::kernel::gcra::{Paced, Rate, Tat, TooFast};
use crate::kernel::queue::Queue;
use crate::sync::{AtomicU64, Mutex, Ordering::AcqRel, Ordering::Acquire, Ordering::Release};

/// Three at once, one more every ten.
pub(super) const RATE: Rate = Rate { interval: 10, scale: 1, burst: 3 };
const SPAN: u64 = 30;

/// A rate of [`RATE`].
pub(super) trait Pacer: Send + Sync + 'static {
    type Paced: 'static;
    fn new() -> Self;
    /// Admits `amount`; else after how long it would.
    fn take(&self, now: u64, amount: u64) -> Result<Self::Paced, u64>;
    fn undo(&self, paced: Self::Paced);
    /// Records `amount` that nobody asked for.
    fn charge(&self, now: u64, amount: u64);
    /// How far ahead of `now` it is.
    fn ahead(&self, now: u64) -> u64;
}

/// The kernel's cell, and the line of those who wait for it.
pub(super) struct Lined {
    tat: Tat,
    line: Queue,
}

impl Pacer for Lined {
    type Paced = Paced;

    fn new() -> Self {
        Self { tat: Tat::new(&RATE, 0), line: Queue::new() }
    }

    fn take(&self, now: u64, amount: u64) -> Result<Paced, u64> {
        self.tat.take(&RATE, now, amount).map_err(wait)
    }

    fn undo(&self, paced: Paced) {
        let _nobody_waits = self.tat.undo(paced, &self.line);
    }

    fn charge(&self, now: u64, amount: u64) {
        self.tat.charge(&RATE, now, amount);
    }

    fn ahead(&self, now: u64) -> u64 {
        self.tat.look(&RATE, now, RATE.burst).map_or_else(wait, |()| 0)
    }
}

fn wait(too_fast: TooFast) -> u64 {
    match too_fast {
        TooFast::After(ns) => ns,
        TooFast::Never => unreachable!("at most the burst is asked for"),
    }
}

/// The moment after `amount` more at `now`, or how long to wait.
fn pace(tat: u64, now: u64, amount: u64) -> Result<u64, u64> {
    let next = tat.max(now) + amount * RATE.interval;
    if next - now > SPAN { Err(next - now - SPAN) } else { Ok(next) }
}

/// The kernel's cell with another undo: 0 gives back down to its own mark less all that came back since, 1 nothing
/// once somebody else has taken, 2 always the whole cost, 3 down to its own mark, whatever came back since; 4 as 0, and
/// what is charged shows no time.
pub(super) struct Planted<const UNDO: u8> {
    tat: Cell,
    latest: Cell,
    refunded: Cell,
    undo: Mutex<()>,
}

impl<const UNDO: u8> Pacer for Planted<UNDO> {
    type Paced = (u64, u64, u64);

    fn new() -> Self {
        Self { tat: Cell::new(0), latest: Cell::new(0), refunded: Cell::new(0), undo: Mutex::new(()) }
    }

    fn take(&self, now: u64, amount: u64) -> Result<Self::Paced, u64> {
        self.latest.apply(|latest| (latest.max(now), ()));
        let refunded = self.refunded.load();
        let after = self.tat.update(|tat| pace(tat, now, amount).map(|next| (next, next)))?;
        Ok((amount * RATE.interval, after, refunded))
    }

    fn undo(&self, (cost, after, refunded): Self::Paced) {
        let _turn = self.undo.lock();
        let since = self.refunded.load() - refunded;
        let back = self.tat.apply(|tat| {
            let back = match UNDO {
                0 | 4 => cost.min(after.saturating_sub(since + self.latest.load())),
                3 => cost.min(after.saturating_sub(self.latest.load())),
                1 if tat == after => cost,
                1 => 0,
                _ => cost,
            };
            (tat.saturating_sub(back), back)
        });
        self.refunded.apply(|sum| (sum + back, ()));
    }

    fn charge(&self, now: u64, amount: u64) {
        if UNDO != 4 {
            self.latest.apply(|latest| (latest.max(now), ()));
        }
        self.tat.apply(|tat| (tat.max(now) + amount * RATE.interval, ()));
    }

    fn ahead(&self, now: u64) -> u64 {
        self.tat.load().saturating_sub(now)
    }
}

/// Looks in one step and charges in the next.
pub(super) struct OneStep(AtomicU64);

impl Pacer for OneStep {
    type Paced = ();

    fn new() -> Self {
        Self(AtomicU64::new(0))
    }

    fn take(&self, now: u64, amount: u64) -> Result<(), u64> {
        self.0.store(pace(self.0.load(Acquire), now, amount)?, Release);
        Ok(())
    }

    fn undo(&self, (): ()) {}

    fn charge(&self, _now: u64, _amount: u64) {}

    fn ahead(&self, now: u64) -> u64 {
        self.0.load(Acquire).saturating_sub(now)
    }
}

/// A token bucket: how much is in it and when it was last filled, in two words.
pub(super) struct Bucket {
    tokens: AtomicU64,
    filled: AtomicU64,
}

impl Pacer for Bucket {
    type Paced = ();

    fn new() -> Self {
        Self { tokens: AtomicU64::new(RATE.burst), filled: AtomicU64::new(0) }
    }

    fn take(&self, now: u64, amount: u64) -> Result<(), u64> {
        let passed = now.saturating_sub(self.filled.swap(now, AcqRel));
        let tokens = RATE.burst.min(self.tokens.load(Acquire) + passed / RATE.interval);
        self.tokens.store(tokens.saturating_sub(amount), Release);
        if tokens < amount { Err(RATE.interval) } else { Ok(()) }
    }

    fn undo(&self, (): ()) {}

    fn charge(&self, _now: u64, _amount: u64) {}

    fn ahead(&self, _now: u64) -> u64 {
        (RATE.burst - self.tokens.load(Acquire)) * RATE.interval
    }
}
