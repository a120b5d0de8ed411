//! Times of single operations, and how the slowest of them lie.

use hdrhistogram::Histogram;
use quanta::Clock;
use serde::Serialize;

/// The times of one kind of operation, each measured by itself.
///
/// A measured time contains what the two readings of the clock take, some ten nanoseconds; an operation that does nothing
/// shows how many, and what the machine adds when it gives the core to somebody else.
#[derive(Debug)]
pub struct Tail {
    clock: Clock,
    times: Histogram<u64>,
}

/// What is told of a tail, in nanoseconds.
#[derive(Debug, Clone, Serialize)]
pub struct Percentiles {
    p50_ns: u64,
    p99_ns: u64,
    p99_9_ns: u64,
    p99_99_ns: u64,
    max_ns: u64,
    samples: u64,
}

impl Tail {
    /// Nothing yet.
    #[expect(clippy::expect_used, reason = "bounds that are known to be valid")]
    pub(super) fn new() -> Self {
        let times = Histogram::new_with_bounds(1, 60_000_000_000, 3).expect("valid bounds");
        Self { clock: Clock::new(), times }
    }

    /// Does `op` once and measures it.
    #[inline]
    pub(super) fn time<T>(&mut self, op: impl FnOnce() -> T) -> T {
        let start = self.clock.raw();
        let done = op();
        self.since(start);
        done
    }

    /// A reading of the clock, for what cannot be a closure.
    #[inline]
    pub(super) fn start(&self) -> u64 {
        self.clock.raw()
    }

    /// Measures what has begun at `start`.
    #[inline]
    pub(super) fn since(&mut self, start: u64) {
        let end = self.clock.raw();
        self.times.saturating_record(self.clock.delta_as_nanos(start, end));
    }

    /// How it lies.
    pub fn percentiles(&self) -> Percentiles {
        let at = |quantile| self.times.value_at_quantile(quantile);
        Percentiles {
            p50_ns: at(0.5),
            p99_ns: at(0.99),
            p99_9_ns: at(0.999),
            p99_99_ns: at(0.9999),
            max_ns: self.times.max(),
            samples: self.times.len(),
        }
    }
}

impl Percentiles {
    /// Median, the four that follow it, and how many there were.
    pub fn all(&self) -> [u64; 6] {
        [self.p50_ns, self.p99_ns, self.p99_9_ns, self.p99_99_ns, self.max_ns, self.samples]
    }

    /// Of a thousand times one is longer, in nanoseconds.
    pub fn p99_9_ns(&self) -> u64 {
        self.p99_9_ns
    }

    /// The longest, in nanoseconds.
    pub fn max_ns(&self) -> u64 {
        self.max_ns
    }
}
